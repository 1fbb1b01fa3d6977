// Command compose checks a Compose file as "docker compose config" does, with the same library but
// without Docker: compose [--json] FILE [PROFILE ...]. Without profiles it checks all services. It
// prints the names of the services that would run, or with --json all that is known of them.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	words := os.Args[1:]
	asJSON := len(words) > 0 && words[0] == "--json"
	if asJSON {
		words = words[1:]
	}
	if len(words) == 0 {
		fmt.Fprintln(os.Stderr, "usage: compose [--json] FILE [PROFILE ...]")
		os.Exit(2)
	}
	project, err := load(words[0], words[1:])
	if err == nil {
		err = tell(project, asJSON)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", words[0], err)
		os.Exit(1)
	}
}

func load(file string, profiles []string) (*types.Project, error) {
	if len(profiles) == 0 {
		profiles = []string{"*"}
	}
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithName("check"), cli.WithProfiles(profiles))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	if len(project.ServiceNames()) == 0 {
		return nil, fmt.Errorf("no service runs with the profiles %v", profiles)
	}
	return project, nil
}

func tell(project *types.Project, asJSON bool) error {
	if asJSON {
		text, err := project.MarshalJSON()
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	}
	names := project.ServiceNames()
	sort.Strings(names)
	_, err := fmt.Println(strings.Join(names, " "))
	return err
}

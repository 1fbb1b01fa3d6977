// Command compose checks a Compose file as "docker compose config" does, with the same library but
// without Docker: compose FILE [PROFILE ...]. Without profiles it checks all services. It prints the
// names of the services that would run.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compose FILE [PROFILE ...]")
		os.Exit(2)
	}
	names, err := check(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(names, " "))
}

func check(file string, profiles []string) ([]string, error) {
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
	names := project.ServiceNames()
	if len(names) == 0 {
		return nil, fmt.Errorf("no service runs with the profiles %v", profiles)
	}
	sort.Strings(names)
	return names, nil
}

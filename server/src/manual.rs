//! What packages and shells want of the command line: pages of the manual, completions.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use crate::Cli;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that is to complete.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// A folder for a page a command; without it the first page is printed.
    folder: Option<PathBuf>,
}

/// Prints a shell's completions.
pub(crate) fn completions(what: &Completions) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(what.shell, &mut Cli::command(), "speargun", &mut text);
    Ok(std::io::stdout().write_all(&text)?)
}

/// Prints the first page of the manual, or writes all of them.
pub(crate) fn man(what: &Man) -> anyhow::Result<()> {
    let mut command = Cli::command();
    command.build();
    match &what.folder {
        None => Ok(std::io::stdout().write_all(&page(command)?)?),
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} can't be made", folder.display()))?;
            pages(&command, folder)
        }
    }
}

/// Writes the page of a command, and those of its own commands: as deep as the command line is.
fn pages(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command.clone())?)
        .with_context(|| format!("{} can't be written", path.display()))?;
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| pages(command, folder))
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let pages_of = folder.path().join("man");
        man(&Man {
            folder: Some(pages_of.clone()),
        })
        .unwrap();
        for name in ["speargun", "speargun-registry", "speargun-storage-check"] {
            let text = std::fs::read_to_string(pages_of.join(format!("{name}.1"))).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
        let first = std::fs::read_to_string(pages_of.join("speargun.1")).unwrap();
        assert!(first.contains("config\\-server"), "{first}");
    }

    #[test]
    fn shells_complete_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "speargun", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("config-server"), "{shell}");
        }
    }
}

//! Processes below one of ours, found in the system's table of them. Where there is no such table
//! none is found.

use std::fs;

use anyhow::{Result, ensure};

use crate::shell::{command, say, succeeds};

/// Ends the processes that a process began, and those that these began; not the process itself.
pub(crate) fn end_below(process: u32) -> Result<()> {
    let below = below(process);
    if below.is_empty() {
        return Ok(());
    }
    let numbers: Vec<String> = below.iter().map(u32::to_string).collect();
    say(&format!("ended: {}", numbers.join(", ")));
    let mut kill = command("kill", &["-9"]);
    // One that ended by itself meanwhile fails the command.
    let killed = succeeds(kill.args(&numbers));
    ensure!(
        killed || self::below(process).len() < below.len(),
        "not ended"
    );
    Ok(())
}

/// Returns all processes below one, in no order.
fn below(process: u32) -> Vec<u32> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = fs::read_to_string(entry.path().join("stat"))
            .ok()
            .and_then(|stat| parent_in(&stat))
        {
            parents.push((number, parent));
        }
    }
    let mut found = vec![process];
    let mut at = 0;
    while let Some(&of) = found.get(at) {
        let children = parents.iter().filter(|(_, parent)| *parent == of);
        let new: Vec<u32> = children.map(|(number, _)| *number).collect();
        found.extend(new.into_iter().filter(|number| *number != process));
        at += 1;
    }
    found.split_off(1)
}

/// Returns the parent in a process's `stat`: the second word behind the name, which is in brackets
/// and may have any bytes.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_behind_a_name_with_anything_in_it() {
        assert_eq!(parent_in("12 (a) b (c)) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in("12 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_and_what_it_began_are_found() {
        let mut shell = command("sh", &["-c", "sleep 100 & wait"]).spawn().unwrap();
        while below(shell.id()).is_empty() {
            assert!(shell.try_wait().unwrap().is_none());
        }
        assert!(below(std::process::id()).len() >= 2);
        end_below(shell.id()).unwrap();
        // It waited for nothing else.
        assert!(shell.wait().unwrap().success());
    }
}

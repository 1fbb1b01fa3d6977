//! What another process costs, as the kernel counts it. It does not start or stop anything.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Returns the CPU time of all threads of a process, in nanoseconds. Threads that have ended are
/// not in it, and the server's live as long as it does.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        // A thread may end between being listed and being read.
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        let on_cpu = text.split(' ').next().context("schedstat is empty")?;
        total += on_cpu.parse::<u64>()?;
    }
    Ok(total)
}

/// Memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now.
    pub resident_bytes: u64,
    /// The most that was ever resident.
    pub peak_bytes: u64,
}

/// Returns the memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next());
        Ok(kib.context("no such field")?.parse::<u64>()? * 1024)
    };
    Ok(Memory {
        resident_bytes: field("VmRSS:")?,
        peak_bytes: field("VmHWM:")?,
    })
}

/// Returns the bytes of all files under a folder, and of those under a folder named `journal`.
pub fn disk_bytes(folder: &Path) -> Result<(u64, u64)> {
    let (mut all, mut journal) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files and folders come and go while the server runs; an engine may have none.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let Ok(about) = path.metadata() else {
                continue;
            };
            if about.is_dir() {
                folders.push(path);
            } else {
                all += about.len();
                if path.iter().any(|part| part == "journal") {
                    journal += about.len();
                }
            }
        }
    }
    Ok((all, journal))
}

/// Waits until a process has been idle for a while: it used less than a fiftieth of a core in
/// each of three seconds. Gives up waiting after `patience`; returns whether it became idle.
pub fn wait_until_idle(pid: u32, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    let mut quiet = 0;
    let mut before = cpu_ns(pid)?;
    while quiet < 3 {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_secs(1));
        let now = cpu_ns(pid)?;
        quiet = if now - before < 20_000_000 {
            quiet + 1
        } else {
            0
        };
        before = now;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident_bytes > 0 && memory.peak_bytes >= memory.resident_bytes);
        assert!(cpu_ns(pid).unwrap() > 0);
    }

    #[test]
    fn files_of_the_journal_are_told_apart() {
        let folder = std::env::temp_dir().join(format!("disk-bytes-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("journal")).unwrap();
        std::fs::write(folder.join("a"), [0; 10]).unwrap();
        std::fs::write(folder.join("journal/b"), [0; 7]).unwrap();
        let bytes = disk_bytes(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(bytes.unwrap(), (17, 7));
    }
}

//! What another process costs, as the kernel counts it. It does not start or stop anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

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

/// Returns the CPU time of all threads a process ever had, in microseconds and exact to ten
/// milliseconds: threads that have ended are in it.
pub fn cpu_total_us(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks_in(&text).context("stat has another form")?;
    Ok(ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// The name of a process may hold anything, blanks and brackets too; it ends at the last bracket.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Returns the CPU time of this process, in microseconds.
pub fn own_cpu_us() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    // Both parts of a CPU clock are never negative.
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000
}

/// Returns the process that listens on an address of this machine, when it may be seen.
pub fn listening(address: SocketAddr) -> Option<u32> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|text| {
            let own = text.lines().filter_map(|line| inode_of(line, address));
            own.map(|inode| format!("socket:[{inode}]"))
                .collect::<Vec<_>>()
        })
        .collect();
    let holds = |pid: &u32| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        files.flatten().any(|file| {
            let link = std::fs::read_link(file.path()).unwrap_or_default();
            sockets.iter().any(|socket| link == Path::new(socket))
        })
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(holds)
}

/// Returns the inode of a socket that listens on an address, if need be as one of all, from a line
/// of the kernel's table.
fn inode_of(line: &str, address: SocketAddr) -> Option<&str> {
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (ip, port) = fields.get(1)?.rsplit_once(':')?;
    let ip = address_of(ip)?.to_canonical();
    let all = ip.is_unspecified() && (ip.is_ipv6() || address.is_ipv4());
    let own = (ip == address.ip().to_canonical() || all)
        && u16::from_str_radix(port, 16).ok()? == address.port();
    (own && *fields.get(3)? == LISTENS).then_some(*fields.get(9)?)
}

/// Reads an address of the kernel's tables: words of 32 bits, each with its first byte last.
fn address_of(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = digits.get(at..at + 8)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    };
    let words: Vec<[u8; 4]> = (0..digits.len() / 8).map_while(|at| word(at * 8)).collect();
    match words.as_flattened() {
        bytes if bytes.len() == 4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        bytes => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
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
    fn a_name_with_brackets_does_not_hide_the_clocks() {
        let stat = "7 (a ) b) R 1 7 7 0 -1 0 1 2 3 4 1500 250 0 0 20";
        assert_eq!(ticks_in(stat), Some(1750));
        assert_eq!(ticks_in("7 (a) R 1"), None);
        assert!(cpu_total_us(std::process::id()).is_ok());
    }

    #[test]
    fn the_process_behind_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(listening(address), Some(std::process::id()));
        // Another one on the same port of another address is not meant.
        let other = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), address.port());
        assert_eq!(listening(other), None);
        drop(listener);
        assert_eq!(listening(address), None);
        let all = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = all.local_addr().unwrap().port();
        let some = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        assert_eq!(listening(some), Some(std::process::id()));
    }

    #[test]
    fn addresses_of_the_kernel_are_read() {
        let read = |digits: &str| address_of(digits).map(|ip| ip.to_string());
        assert_eq!(read("0100007F").as_deref(), Some("127.0.0.1"));
        let one = "00000000000000000000000001000000";
        assert_eq!(read(one).as_deref(), Some("::1"));
        assert_eq!((read(""), read("xyz")), (None, None));
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

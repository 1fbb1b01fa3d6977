//! What the configuration server costs: `cargo xtask bench config`. A repository of many
//! applications; how long the first snapshot takes, how soon a commit is served, the CPU of a
//! request, memory, and how many requests one thread answers while a fetch hangs. `--tiny` shows
//! only that it works.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends where a step fails, and prints what it found"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};
use tokio::sync::oneshot;

// As the binary has it: the system's allocator keeps about six times as much of what git frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much there is.
#[derive(Clone, Copy, Debug)]
struct Size {
    applications: usize,
    profiles: usize,
    files: usize,
    requests: usize,
}

const FULL: Size = Size {
    applications: 1000,
    profiles: 4,
    files: 10_000,
    requests: 50_000,
};
const TINY: Size = Size {
    applications: 5,
    profiles: 2,
    files: 20,
    requests: 50,
};
const CONNECTIONS: usize = 8;

fn main() {
    let tiny = std::env::args().any(|word| word == "--tiny");
    let size = if tiny { TINY } else { FULL };
    let folder = tempfile::tempdir().unwrap();
    let before = resident_kib();
    fill(folder.path(), size);

    let started = Instant::now();
    let server = Server::start(folder.path(), None);
    let first = until(server.address, "/app-0/p0", "\"version\"");
    let ready = started.elapsed();
    row(
        "first snapshot, first answer included",
        &format!("{} ms", ready.as_millis()),
    );
    row(
        "answer of an application with a profile",
        &format!("{first} bytes"),
    );
    let after = resident_kib();
    row(
        "memory beside the process's own",
        &format!("{} MiB", after.saturating_sub(before) / 1024),
    );

    std::fs::write(folder.path().join("app-0.yml"), "changed: yes\n").unwrap();
    git(
        folder.path(),
        &["commit", "--quiet", "--all", "--message", "change"],
    );
    let committed = Instant::now();
    post(server.address, "/monitor", "{\"path\": \"app-0.yml\"}");
    until(server.address, "/app-0/p0", "\"changed\":true");
    row(
        "commit served after a webhook",
        &format!("{} ms", committed.elapsed().as_millis()),
    );
    drop(server);

    // A remote that takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(folder.path(), Some(silent.local_addr().unwrap()));
    until(server.address, "/app-0/p0", "\"version\"");
    let cpu_before = server.cpu();
    let started = Instant::now();
    let requests = load(server.address, size);
    let wall = started.elapsed();
    let cpu = server.cpu().checked_sub(cpu_before).unwrap();
    let each = cpu.as_nanos() / requests as u128;
    row(
        "CPU of a request, while a fetch hangs",
        &format!("{} us", each / 1000),
    );
    let count = f64::from(u32::try_from(requests).unwrap());
    let rate = count / wall.as_secs_f64();
    let share = cpu.as_secs_f64() / wall.as_secs_f64();
    let of_core = count / cpu.as_secs_f64();
    row(
        "requests a second",
        &format!("{rate:.0}, with {:.0} % of a core", 100.0 * share),
    );
    row("requests a second of CPU", &format!("{of_core:.0}"));
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

/// Makes the repository: files of applications and profiles, and others beside them.
fn fill(folder: &Path, size: Size) {
    let body = |name: &str| {
        use std::fmt::Write;
        let mut text = format!("name: {name}\nserver:\n  port: 8080\n");
        for key in 0..20 {
            writeln!(text, "group{}.key{key}: value {key} of {name}", key % 4).unwrap();
        }
        text
    };
    std::fs::write(folder.join("application.yml"), body("application")).unwrap();
    let mut files = 1;
    for application in 0..size.applications {
        let name = format!("app-{application}");
        std::fs::write(folder.join(format!("{name}.yml")), body(&name)).unwrap();
        for profile in 0..size.profiles {
            let file = format!("{name}-p{profile}.yml");
            std::fs::write(folder.join(&file), body(&file)).unwrap();
        }
        files += 1 + size.profiles;
    }
    std::fs::create_dir(folder.join("other")).unwrap();
    for number in files..size.files {
        let name = format!("other/{number}.txt");
        std::fs::write(folder.join(&name), body(&name)).unwrap();
    }
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "first"]);
}

fn git(folder: &Path, words: &[&str]) {
    let user = [
        "-c",
        "user.name=Bench",
        "-c",
        "user.email=bench@example.org",
    ];
    let mut git = Command::new("git");
    let status = git
        .args(user)
        .args(words)
        .current_dir(folder)
        // A hook that runs it has these, and they mean its repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .status()
        .unwrap();
    assert!(status.success(), "git {words:?}");
}

/// A server on a thread of its own, whose CPU is that of all requests.
struct Server {
    address: SocketAddr,
    asks: tokio::sync::mpsc::Sender<SyncSender<Duration>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(folder: &Path, silent: Option<SocketAddr>) -> Self {
        let mut file = format!(
            "server: {{address: 127.0.0.1, port: 0}}\nspring.cloud.config.server.git:\n  uri: {}\n  refresh-rate: 1\n",
            folder.display()
        );
        if let Some(silent) = silent {
            file += &*format!(
                "  repos:\n    silent: {{pattern: nobody, uri: 'git://{silent}/x', timeout: 60}}\n"
            );
        }
        let sources = Sources {
            file: Some(("bench.yml".to_owned(), file.into_bytes())),
            ..Sources::default()
        };
        let settings = Settings::read(&sources).unwrap();
        let (told, address) = mpsc::sync_channel(1);
        let (asks, mut asked) = tokio::sync::mpsc::channel::<SyncSender<Duration>>(1);
        let (end, mut ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = ConfigServer::start(settings, None).await.unwrap();
                told.send(server.address()).unwrap();
                loop {
                    tokio::select! {
                        Some(answer) = asked.recv() => answer.send(thread_cpu()).unwrap(),
                        _ = &mut ended => break,
                    }
                }
            });
            // The fetch that hangs is left behind.
            runtime.shutdown_background();
        });
        Self {
            address: address.recv().unwrap(),
            asks,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Returns the CPU of the thread that answers.
    fn cpu(&self) -> Duration {
        let (send, receive) = mpsc::sync_channel(1);
        self.asks.blocking_send(send).unwrap();
        receive.recv().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // It may have ended already.
            let _told = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
    }
}

fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap(),
    )
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// A connection that asks again and again.
struct Client(TcpStream);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Returns the body of an answer.
    fn ask(&mut self, request: &str) -> Vec<u8> {
        self.0.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::with_capacity(16 << 10);
        let mut part = [0; 16 << 10];
        loop {
            let read = self.0.read(&mut part).unwrap();
            assert!(read > 0, "the connection ended");
            bytes.extend_from_slice(&part[..read]);
            let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().parse().unwrap();
            if bytes.len() == head + 4 + length {
                return bytes.split_off(head + 4);
            }
        }
    }

    fn get(&mut self, target: &str) -> Vec<u8> {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n"))
    }
}

fn post(address: SocketAddr, target: &str, body: &str) {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json");
    Client::new(address).ask(&format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"));
}

/// Asks until an answer holds a text; returns its length.
fn until(address: SocketAddr, target: &str, text: &str) -> usize {
    let deadline = Instant::now() + Duration::from_mins(5);
    let mut client = Client::new(address);
    loop {
        let body = client.get(target);
        if String::from_utf8_lossy(&body).contains(text) {
            return body.len();
        }
        assert!(
            Instant::now() < deadline,
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
}

/// Asks for environments over a few connections; returns how many answers there were.
fn load(address: SocketAddr, size: Size) -> usize {
    let each = size.requests / CONNECTIONS;
    let clients = (0..CONNECTIONS).map(|number| {
        std::thread::spawn(move || {
            let mut client = Client::new(address);
            for turn in 0..each {
                let application = (number * each + turn) % size.applications;
                let profile = turn % size.profiles;
                let body = client.get(&format!("/app-{application}/p{profile}"));
                assert!(body.starts_with(b"{\"name\":\"app-"));
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    each * CONNECTIONS
}

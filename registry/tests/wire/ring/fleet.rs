//! Instances that live as those of Eureka's clients do: they renew where they are at home, go
//! elsewhere when nobody answers there, and register again when they are not known.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::node::{Node, await_that};

/// They promise to renew each second.
const BEAT: Duration = Duration::from_millis(500);
const LEASE: Duration = Duration::from_secs(6);
/// What a slow machine and the looking itself may add.
const SLACK: Duration = Duration::from_secs(2);

struct Member {
    home: usize,
    is_alive: bool,
    is_known: bool,
    renewed: Instant,
}

struct State {
    ports: Vec<u16>,
    members: Vec<Member>,
    is_over: bool,
}

/// All of them, and the thread they live on.
pub(super) struct Fleet {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Starts so many, at home at the registries in turn, and waits until all are registered.
    pub(super) fn start(ports: &[u16], count: usize) -> Self {
        let member = |index| Member {
            home: index % ports.len(),
            is_alive: true,
            is_known: false,
            renewed: Instant::now(),
        };
        let state = Arc::new(Mutex::new(State {
            ports: ports.to_vec(),
            members: (0..count).map(member).collect(),
            is_over: false,
        }));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || live(&shared));
        let fleet = Self {
            state,
            thread: Some(thread),
        };
        await_that(|| {
            fleet
                .state
                .lock()
                .unwrap()
                .members
                .iter()
                .all(|it| it.is_known)
        });
        fleet
    }

    pub(super) fn end(&mut self) {
        self.state.lock().unwrap().is_over = true;
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the fleet sank");
        }
    }

    fn alive(&self) -> BTreeSet<String> {
        let state = self.state.lock().unwrap();
        let all = state
            .members
            .iter()
            .enumerate()
            .filter(|(_, it)| it.is_alive);
        all.map(|(index, _)| index.to_string()).collect()
    }

    /// Returns whether a registry lists exactly those that live.
    pub(super) fn sees_all(&self, node: &Node) -> bool {
        seen(node.port).is_some_and(|seen| seen == self.alive())
    }

    /// Ends an instance without a word.
    pub(super) fn kill(&mut self, index: usize) {
        self.state.lock().unwrap().members[index].is_alive = false;
    }

    /// Ends an instance that says so.
    pub(super) fn say_goodbye(&mut self, index: usize) {
        let mut state = self.state.lock().unwrap();
        state.members[index].is_alive = false;
        let port = state.ports[state.members[index].home];
        assert_eq!(
            ask(port, "DELETE", &format!("/eureka/apps/FLEET/{index}"), ""),
            Some(200)
        );
    }

    /// Tells those at home at a registry where it is now.
    pub(super) fn move_home(&mut self, home: usize, port: u16) {
        self.state.lock().unwrap().ports[home] = port;
    }

    /// Waits until all renewed once more.
    pub(super) fn await_all_renewed(&self) {
        let since = Instant::now();
        await_that(|| {
            let state = self.state.lock().unwrap();
            state
                .members
                .iter()
                .filter(|it| it.is_alive)
                .all(|it| it.renewed > since)
        });
    }

    /// Looks at registries for a while: nobody who lives is missing for longer than a lease.
    pub(super) fn watch(&self, ports: &[u16], time: Duration) {
        let end = Instant::now() + time;
        let mut missing: HashMap<(u16, String), Instant> = HashMap::new();
        while Instant::now() < end {
            for port in ports {
                let seen = seen(*port).unwrap();
                for id in self.alive() {
                    let key = (*port, id);
                    if seen.contains(&key.1) {
                        missing.remove(&key);
                        continue;
                    }
                    let since = *missing.entry(key.clone()).or_insert_with(Instant::now);
                    assert!(since.elapsed() < LEASE, "{key:?} lives and is missing");
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until registries do not list these any more, and not longer than their leases last
    /// and two seconds.
    pub(super) fn await_gone(&self, ports: &[u16], dead: &[usize]) {
        let renewed = {
            let state = self.state.lock().unwrap();
            dead.iter()
                .map(|index| state.members[*index].renewed)
                .max()
                .unwrap()
        };
        let limit = LEASE + Duration::from_secs(2) + SLACK;
        loop {
            let asked = Instant::now();
            let lists: Vec<BTreeSet<String>> =
                ports.iter().map(|port| seen(*port).unwrap()).collect();
            let stays = |index: &&usize| lists.iter().any(|seen| seen.contains(&index.to_string()));
            let Some(stays) = dead.iter().find(stays) else {
                return;
            };
            assert!(asked - renewed < limit, "{stays} is dead and stays");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.state.lock().unwrap().is_over = true;
    }
}

fn live(state: &Mutex<State>) {
    loop {
        let began = Instant::now();
        let count = state.lock().unwrap().members.len();
        for index in 0..count {
            let (ports, home, is_known) = {
                let state = state.lock().unwrap();
                let it = &state.members[index];
                if state.is_over {
                    return;
                }
                if !it.is_alive {
                    continue;
                }
                (state.ports.clone(), it.home, it.is_known)
            };
            // Eureka's clients try the registries in turn.
            let order = (0..ports.len()).map(|step| ports[(home + step) % ports.len()]);
            let renewed = order
                .into_iter()
                .find_map(|port| renew(port, index, is_known));
            let mut state = state.lock().unwrap();
            let it = &mut state.members[index];
            if renewed.is_some() {
                it.is_known = true;
                it.renewed = Instant::now();
            }
        }
        std::thread::sleep(BEAT.saturating_sub(began.elapsed()));
    }
}

/// Renews, or registers when it is not known.
fn renew(port: u16, index: usize, is_known: bool) -> Option<()> {
    let beat = format!("/eureka/apps/FLEET/{index}?status=UP&lastDirtyTimestamp=7");
    if is_known && ask(port, "PUT", &beat, "")? == 200 {
        return Some(());
    }
    let body = crate::api::body("FLEET", &index.to_string(), 7).replace(
        "\"durationInSecs\":300",
        &format!("\"durationInSecs\":{}", LEASE.as_secs()),
    );
    (ask(port, "POST", "/eureka/apps/FLEET", &body)? == 204).then_some(())
}

fn ask(port: u16, method: &str, target: &str, body: &str) -> Option<u16> {
    answer(port, method, target, body).map(|(status, _)| status)
}

fn answer(port: u16, method: &str, target: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

fn seen(port: u16) -> Option<BTreeSet<String>> {
    let (_, body) = answer(port, "GET", "/eureka/apps/FLEET", "")?;
    let ids = body.split("\"instanceId\":\"").skip(1);
    Some(
        ids.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect(),
    )
}

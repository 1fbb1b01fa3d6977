//! Registries that are each other's peers: what one is told all know; nodes are killed, the network
//! is cut and healed, and a peer lies.

mod fleet;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::api::{listed, register};
use crate::node::{Node, await_that};
use crate::proxy::Proxy;
use fleet::Fleet;

/// Registries, and the ways between them.
struct Ring {
    nodes: Vec<Option<Node>>,
    /// By who asks and who is asked.
    ways: Vec<Vec<Proxy>>,
}

impl Ring {
    fn start(count: usize) -> Self {
        let way = |_| (0..count).map(|_| Proxy::start()).collect();
        let mut ring = Self {
            nodes: (0..count).map(|_| None).collect(),
            ways: (0..count).map(way).collect(),
        };
        for index in 0..count {
            ring.start_node(index);
        }
        for index in 0..count {
            await_that(|| ring.is_met(index));
        }
        ring
    }

    fn start_node(&mut self, index: usize) {
        let others = (0..self.nodes.len()).filter(|other| *other != index);
        let urls: Vec<String> = others
            .map(|other| format!("http://127.0.0.1:{}/eureka/", self.ways[index][other].port))
            .collect();
        let node = Node::start(&[("PEERS", &urls.join(","))]);
        for from in 0..self.nodes.len() {
            self.ways[from][index].lead_to(node.port);
        }
        self.nodes[index] = Some(node);
    }

    fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    fn is_met(&self, index: usize) -> bool {
        let peers = self.node(index).get("/speargun/peers").body;
        peers.matches("\"state\":\"up\"").count() == self.nodes.len() - 1
    }

    /// Cuts or heals all ways to and from a node.
    fn isolate(&self, index: usize, is_cut: bool) {
        for other in 0..self.nodes.len() {
            for way in [&self.ways[index][other], &self.ways[other][index]] {
                if is_cut {
                    way.cut();
                } else {
                    way.heal();
                }
            }
        }
    }
}

fn pair(id: &str, status: &str) -> (String, String) {
    (id.to_owned(), status.to_owned())
}

#[test]
fn what_one_is_told_all_know() {
    let ring = Ring::start(3);
    register(ring.node(0), "SHOP", "a", 5);
    register(ring.node(1), "SHOP", "b", 5);
    let all = |wanted: &[(String, String)]| {
        await_that(|| (0..3).all(|index| listed(ring.node(index)) == wanted));
    };
    all(&[pair("a", "UP"), pair("b", "UP")]);
    let out = "/eureka/apps/SHOP/a/status?value=OUT_OF_SERVICE";
    assert_eq!(ring.node(2).ask("PUT", out, &[], "").status, 200);
    all(&[pair("a", "OUT_OF_SERVICE"), pair("b", "UP")]);
    let back = "/eureka/apps/SHOP/a/status?value=UP";
    assert_eq!(ring.node(1).ask("DELETE", back, &[], "").status, 200);
    all(&[pair("a", "UP"), pair("b", "UP")]);
    assert_eq!(
        ring.node(2)
            .ask("DELETE", "/eureka/apps/SHOP/a", &[], "")
            .status,
        200
    );
    all(&[pair("b", "UP")]);
    let metadata = "/eureka/apps/SHOP/b/metadata?zone=z9";
    assert_eq!(ring.node(0).ask("PUT", metadata, &[], "").status, 200);
    await_that(|| {
        ring.node(2)
            .json("/eureka/apps")
            .body
            .contains("\"zone\":\"z9\"")
    });
}

#[test]
fn a_registry_that_starts_reads_what_its_peers_know() {
    let mut ring = Ring::start(2);
    for number in 0..100 {
        register(ring.node(0), "SHOP", &number.to_string(), 5);
    }
    ring.node(0).ask(
        "PUT",
        "/eureka/apps/SHOP/7/status?value=OUT_OF_SERVICE",
        &[],
        "",
    );
    let known = listed(ring.node(0));
    ring.nodes[1] = None;
    ring.start_node(1);
    // Its health is good only once it has read them.
    assert_eq!(listed(ring.node(1)), known);
}

#[test]
fn what_changed_on_both_sides_of_a_cut_is_agreed_on_when_it_heals() {
    let ring = Ring::start(2);
    let mut fleet = Fleet::start(&[ring.node(0).port], 6);
    await_that(|| (0..2).all(|index| listed(ring.node(index)).len() == 6));
    ring.isolate(0, true);
    for index in 0..2 {
        await_that(|| {
            ring.node(index)
                .get("/speargun/peers")
                .body
                .contains("\"state\":\"down\"")
        });
    }
    // One side takes out, the other takes out and gives back later; a goodbye; someone new.
    let status = |index: usize, method: &str, id: &str, value: &str| {
        let target = format!("/eureka/apps/FLEET/{id}/status?value={value}");
        assert_eq!(ring.node(index).ask(method, &target, &[], "").status, 200);
    };
    status(0, "PUT", "1", "OUT_OF_SERVICE");
    status(0, "PUT", "2", "OUT_OF_SERVICE");
    std::thread::sleep(Duration::from_millis(2));
    status(1, "PUT", "2", "OUT_OF_SERVICE");
    status(1, "DELETE", "2", "UP");
    fleet.say_goodbye(3);
    register(ring.node(1), "SHOP", "new", 5);
    ring.isolate(0, false);
    await_that(|| {
        let known: Vec<BTreeSet<(String, String)>> = (0..2)
            .map(|index| listed(ring.node(index)).into_iter().collect())
            .collect();
        let has = |id: &str, status: &str| known.iter().all(|it| it.contains(&pair(id, status)));
        let gone = known.iter().all(|it| it.iter().all(|(id, _)| id != "3"));
        known[0] == known[1] && has("1", "OUT_OF_SERVICE") && has("2", "UP") && gone
    });
    fleet.end();
}

/// The whole story: clients register and renew while registries are killed and cut off. Those that
/// live are never missing for longer than their lease, and those that died do not stay.
#[test]
fn a_ring_that_is_killed_cut_and_healed_converges_and_forgets_nobody() {
    let mut ring = Ring::start(3);
    let ports: Vec<u16> = (0..3).map(|index| ring.node(index).port).collect();
    let mut fleet = Fleet::start(&ports, 24);
    let complete = |ring: &Ring, fleet: &Fleet, which: &[usize]| {
        await_that(|| which.iter().all(|index| fleet.sees_all(ring.node(*index))));
    };
    complete(&ring, &fleet, &[0, 1, 2]);

    // Killed: its clients go elsewhere, and the others know everybody on.
    ring.nodes[0] = None;
    fleet.watch(&[ports[1], ports[2]], Duration::from_secs(5));
    complete(&ring, &fleet, &[1, 2]);
    ring.start_node(0);
    fleet.move_home(0, ring.node(0).port);
    complete(&ring, &fleet, &[0, 1, 2]);

    // Cut off: both sides hold on to those whom they cannot hear.
    ring.isolate(1, true);
    let ports: Vec<u16> = (0..3).map(|index| ring.node(index).port).collect();
    fleet.watch(&ports, Duration::from_secs(6));
    ring.isolate(1, false);
    for index in 0..3 {
        await_that(|| ring.is_met(index));
    }
    complete(&ring, &fleet, &[0, 1, 2]);

    // Dead: gone everywhere, and nobody else is.
    fleet.await_all_renewed();
    fleet.kill(5);
    fleet.kill(11);
    fleet.say_goodbye(7);
    fleet.await_gone(&ports, &[5, 11, 7]);
    complete(&ring, &fleet, &[0, 1, 2]);
    fleet.end();
}

/// Answers each request with the same words.
fn impostor(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let mut bytes = 0;
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        let line = line.trim_end().to_ascii_lowercase();
                        if let Some(length) = line.strip_prefix("content-length:") {
                            bytes = length.trim().parse().unwrap();
                        }
                        if line.is_empty() {
                            break;
                        }
                    }
                    let mut body = vec![0; bytes];
                    if reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
                    let text = format!("{head}Content-Length: {}\r\n\r\n{answer}", answer.len());
                    if reader.get_mut().write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn peers_that_lie_are_not_believed_and_do_no_harm() {
    const NOBODY: &str = r#"{"responseList":[{"statusCode":409,"responseEntity":{"app":"X"}}]}"#;
    for answer in [
        NOBODY,
        "{\"responseList\":7}",
        "[]",
        "",
        "{\"responseList\":[{}]}",
    ] {
        let url = format!("http://127.0.0.1:{}/eureka/", impostor(answer));
        let node = Node::start(&[("PEERS", &url)]);
        register(&node, "SHOP", "a", 5);
        await_that(|| {
            node.get("/speargun/peers")
                .body
                .contains("does not fit the question")
        });
        assert_eq!(listed(&node), [pair("a", "UP")]);
        let metrics = node.get("/prometheus").body;
        assert!(
            metrics.contains("speargun_registry_peer_up{peer="),
            "{metrics}"
        );
    }
}

#[test]
fn a_registry_that_is_its_own_peer_notices() {
    let way = Proxy::start();
    let url = format!("http://127.0.0.1:{}/eureka/", way.port);
    let node = Node::start_unasked(&[("PEERS", &url)]);
    way.lead_to(node.port);
    await_that(|| {
        node.get("/speargun/peers")
            .body
            .contains("\"state\":\"this registry\"")
    });
    register(&node, "SHOP", "a", 5);
    assert!(node.get("/speargun/peers").body.contains("\"waiting\":0"));
    assert!(!node.get("/prometheus").body.contains("registry_peer_up"));
}

//! Ending and starting again.

use crate::api::{listed, register};
use crate::node::{Node, await_that};

#[test]
fn a_registry_that_starts_again_knows_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("DATA", folder.path().to_str().unwrap())];
    let node = Node::start(&data);
    for number in 0..20 {
        register(&node, "SHOP", &number.to_string(), 5);
    }
    node.ask(
        "PUT",
        "/eureka/apps/SHOP/3/status?value=OUT_OF_SERVICE",
        &[],
        "",
    );
    let (port, before) = (node.port, listed(&node));
    node.end();

    let port = port.to_string();
    let node = Node::start(&[data[0], ("PORT", &port)]);
    assert_eq!(listed(&node), before);
    let beat = "/eureka/apps/SHOP/7?status=UP&lastDirtyTimestamp=5";
    assert_eq!(node.ask("PUT", beat, &[], "").status, 200);
    // A crash leaves the last snapshot, and that is not long ago.
    node.ask("DELETE", "/eureka/apps/SHOP/7", &[], "");
    let after = listed(&node);
    let written = || {
        let text = std::fs::read_to_string(folder.path().join(format!("registry-{port}.leases")));
        text.is_ok_and(|text| text.ends_with("{\"end\":19}\n"))
    };
    await_that(written);
    drop(node);
    let node = Node::start(&data);
    assert_eq!(listed(&node), []);
    drop(node);
    let node = Node::start(&[data[0], ("PORT", &port)]);
    assert_eq!(listed(&node), after);
}

#[test]
fn a_snapshot_that_is_none_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("DATA", folder.path().to_str().unwrap())];
    let node = Node::start(&data);
    let port = node.port.to_string();
    node.end();
    let file = folder.path().join(format!("registry-{port}.leases"));
    std::fs::write(&file, "something else").unwrap();
    let node = Node::start(&[data[0], ("PORT", &port)]);
    assert_eq!(listed(&node), []);
}

#[test]
fn a_registry_speaks_tls_with_clients_and_peers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), own.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), own.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    // One speaks TLS, and its peer, which does not, believes its certificate. What the one cannot
    // be asked in plain text, it tells the peer.
    let plain = Node::start(&[]);
    let peer = format!("http://127.0.0.1:{}/eureka/", plain.port);
    let secure = Node::start_unasked(&[("TLS_CERT", &cert), ("TLS_KEY", &key), ("PEERS", &peer)]);
    let url = format!("https://localhost:{}/eureka/", secure.port);
    let third = Node::start(&[("PEERS", &url), ("PEER_CA", &cert)]);
    register(&third, "SHOP", "a", 1);
    let told = || {
        third
            .get("/speargun/peers")
            .body
            .contains("\"state\":\"up\"")
    };
    await_that(told);
    let is_told = || {
        third
            .get("/prometheus")
            .body
            .contains("peer_told_total{peer=")
    };
    await_that(is_told);
    // Without the authority it is not believed.
    let stranger = Node::start(&[("PEERS", &url)]);
    await_that(|| {
        stranger
            .get("/speargun/peers")
            .body
            .contains("\"state\":\"down\"")
    });
}

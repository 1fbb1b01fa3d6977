//! The page: complete without scripts, safe with names of anybody's, and a question before a deed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::api::{listed, register};
use crate::node::Node;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[test]
fn pages_show_what_is_registered_and_let_nothing_in_from_elsewhere() {
    let node = Node::start(&[]);
    let evil = "a%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    register(&node, "SHOP", "a\\\"><script>alert(1)</script>", 1);
    for path in ["/", "/?q=shop", "/explain", "/lastn"] {
        let page = node.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = &page.headers["content-security-policy"];
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert!(!page.body.contains("<script>"), "{path}");
        assert!(!page.body.contains("://"), "{path}: asks another host");
    }
    let home = node.get("/").body;
    assert!(home.contains("&lt;script&gt;alert(1)"), "{home}");
    assert!(!node.get("/?q=nobody").body.contains("&lt;script"));
    for path in [
        "/instance",
        "/instance?app=SHOP",
        "/instance?app=SHOP&id=x",
        "/confirm",
        "/x",
    ] {
        assert_eq!(node.get(path).status, 404, "{path}");
    }
    let page = node.get(&format!("/instance?app=SHOP&id={evil}"));
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script>"));
    for file in ["registry.css", "registry.js"] {
        assert_eq!(node.get(&format!("/speargun/{file}")).status, 200);
    }
}

#[test]
fn a_button_asks_and_then_does_it() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    let question = node.get("/confirm?do=take-out&app=SHOP&id=a").body;
    assert!(
        question.contains("method=\"post\" action=\"/speargun/take-out\""),
        "{question}"
    );
    assert_eq!(listed(&node)[0].1, "UP");
    let done = node.ask(
        "POST",
        "/speargun/take-out",
        &[FORM],
        "page=1&app=SHOP&id=a",
    );
    assert_eq!((done.status, done.headers["location"].as_str()), (303, "/"));
    assert_eq!(listed(&node)[0].1, "OUT_OF_SERVICE");
    assert!(node.get("/").body.contains("Give back"));
    node.ask(
        "POST",
        "/speargun/give-back",
        &[FORM],
        "page=1&app=SHOP&id=a",
    );
    assert_eq!(listed(&node)[0].1, "UP");
    node.ask("POST", "/speargun/purge", &[FORM], "page=1&app=SHOP&id=a");
    assert!(listed(&node).is_empty());
    assert_eq!(
        node.ask("POST", "/speargun/purge", &[FORM], "app=SHOP")
            .status,
        400
    );
    assert_eq!(
        node.ask("POST", "/speargun/other", &[FORM], "app=SHOP&id=a")
            .status,
        404
    );
}

#[test]
fn a_page_of_another_site_can_do_nothing() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://elsewhere"),
        ("Origin", "null"),
    ] {
        let answer = node.ask(
            "POST",
            "/speargun/purge",
            &[FORM, (name, value)],
            "app=SHOP&id=a",
        );
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    assert_eq!(listed(&node).len(), 1);
    let own = [
        FORM,
        ("Host", "registry:8761"),
        ("Origin", "http://registry:8761"),
    ];
    assert_eq!(
        node.ask("POST", "/speargun/purge", &own, "app=SHOP&id=a")
            .status,
        200
    );
}

#[test]
fn a_registry_that_only_shows_has_no_buttons() {
    let node = Node::start(&[("READ_ONLY", "true")]);
    register(&node, "SHOP", "a", 1);
    assert!(!node.get("/").body.contains("Purge"));
    assert_eq!(node.get("/confirm?do=purge&app=SHOP&id=a").status, 404);
    assert_eq!(
        node.ask("POST", "/speargun/purge", &[FORM], "app=SHOP&id=a")
            .status,
        403
    );
    assert_eq!(listed(&node).len(), 1);
}

#[test]
fn who_watches_is_told_of_each_change_and_goes_on_where_he_was() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    let watch = |last: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
        let head = format!("GET /speargun/watch HTTP/1.1\r\nHost: a\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        BufReader::new(stream)
    };
    let next = |stream: &mut BufReader<TcpStream>, word: &str| loop {
        let mut line = String::new();
        assert!(
            stream.read_line(&mut line).unwrap() > 0,
            "the stream ended before {word}"
        );
        if line.contains(word) {
            return line;
        }
    };
    let mut stream = watch("");
    next(&mut stream, "event: hello");
    register(&node, "SHOP", "b", 1);
    let change = next(&mut stream, "data: {\"number\"");
    assert!(
        change.contains("\"event\":\"registered\"") && change.contains("\"id\":\"b\""),
        "{change}"
    );
    node.ask("DELETE", "/eureka/apps/SHOP/b", &[], "");
    assert!(next(&mut stream, "data: {\"number\"").contains("\"event\":\"cancelled\""));

    let mut again = watch("Last-Event-ID: 1\r\n");
    assert!(next(&mut again, "data: {\"number\"").contains("\"number\":2"));
    assert!(next(&mut again, "data: {\"number\"").contains("\"number\":3"));
    let mut lost = watch("Last-Event-ID: 900\r\n");
    next(&mut lost, "event: reset");
}

//! Codes, forms and rules of Eureka's operations that recordings do not show.

use serde_json::Value;

use crate::node::{Node, await_that};

/// Returns what a client registers; its lease is longer than any test.
pub(crate) fn body(app: &str, id: &str, dirty_ms: u64) -> String {
    format!(
        r#"{{"instance":{{"instanceId":"{id}","hostName":"host","app":"{app}","ipAddr":"10.0.0.9",
        "vipAddress":"shop,store","status":"UP","port":{{"$":80,"@enabled":"true"}},
        "lastDirtyTimestamp":"{dirty_ms}",
        "leaseInfo":{{"renewalIntervalInSecs":1,"durationInSecs":300}},
        "dataCenterInfo":{{"@class":"a.B","name":"MyOwn"}}}}}}"#
    )
}

pub(crate) fn register(node: &Node, app: &str, id: &str, dirty_ms: u64) {
    post(node, app, &body(app, id, dirty_ms));
}

/// Registers with a lease of three seconds.
fn register_for_short(node: &Node, app: &str, id: &str, dirty_ms: u64) {
    let body = body(app, id, dirty_ms);
    let short = body.replace("\"durationInSecs\":300", "\"durationInSecs\":3");
    assert_ne!(short, body);
    post(node, app, &short);
}

fn post(node: &Node, app: &str, body: &str) {
    let headers = [("Content-Type", "application/json")];
    let target = format!("/eureka/apps/{app}");
    let answer = node.ask("POST", &target, &headers, body);
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

/// Returns ids and statuses of all instances, in order.
pub(crate) fn listed(node: &Node) -> Vec<(String, String)> {
    let list: Value = serde_json::from_str(&node.json("/eureka/apps").body).unwrap();
    let apps = list["applications"]["application"]
        .as_array()
        .unwrap()
        .iter();
    let instances = apps.flat_map(|app| app["instance"].as_array().unwrap());
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let mut all: Vec<_> = instances
        .map(|it| (text(it, "instanceId"), text(it, "status")))
        .collect();
    all.sort();
    all
}

#[test]
fn slashes_cases_and_versions_of_paths_do_not_matter() {
    let node = Node::start(&[]);
    register(&node, "Shop", "a:b/c", 1);
    for path in [
        "/eureka/apps/SHOP/a:b%2Fc",
        "/eureka/apps/shop/a%3Ab%2fc/",
        "/eureka/v2/apps/Shop/a:b%2Fc",
        "//eureka//v2/instances/a:b%2Fc",
    ] {
        let answer = node.json(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("\"app\":\"SHOP\""), "{}", answer.body);
    }
    for path in [
        "/eureka",
        "/eureka/apps/SHOP/a:b/c",
        "/eureka/x",
        "/eureka/apps/a/b/c/d",
        "/x",
    ] {
        let answer = node.json(path);
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
    }
    assert_eq!(node.json("/eureka/apps/%zz").status, 400);
    let answer = node.ask("DELETE", "/eureka/apps", &[], "");
    assert_eq!(
        (answer.status, answer.headers["allow"].as_str()),
        (405, "GET")
    );
    let answer = node.ask("HEAD", "/eureka/apps/SHOP", &[], "");
    assert_eq!(answer.status, 200);
}

#[test]
fn the_form_of_an_answer_is_what_the_client_accepts() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    for (accept, kind) in [
        ("", "application/xml"),
        ("*/*", "application/xml"),
        ("application/xml", "application/xml"),
        ("application/JSON", "application/json"),
        ("text/html, application/*+json;q=0.1", "application/json"),
    ] {
        for path in [
            "/eureka/apps",
            "/eureka/apps/delta",
            "/eureka/apps/SHOP",
            "/eureka/vips/shop",
        ] {
            let answer = node.ask("GET", path, &[("Accept", accept)], "");
            assert_eq!(answer.headers["content-type"], kind, "{accept} {path}");
            assert_eq!(answer.headers.get("content-encoding"), None);
        }
    }
    let headers = [
        ("Accept", "application/json"),
        ("X-Eureka-Accept", "compact"),
        ("Accept-Encoding", "gzip, deflate"),
    ];
    let answer = node.ask("GET", "/eureka/apps", &headers, "");
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(
        answer
            .body
            .ends_with("}]}],\"versions__delta\":\"1\",\"apps__hashcode\":\"UP_1_\"}}")
    );
    assert!(!answer.body.contains("leaseInfo"));
    let answer = node.ask("GET", "/eureka/apps/SHOP", &headers, "");
    assert_eq!(answer.headers.get("content-encoding"), None);
}

#[test]
fn a_change_is_seen_by_the_next_fetch_in_every_form() {
    let node = Node::start(&[]);
    let gzip = [("Accept", "application/json"), ("Accept-Encoding", "gzip")];
    for number in 0..150 {
        register(
            &node,
            if number % 3 == 0 { "A" } else { "B" },
            &number.to_string(),
            1,
        );
        let count = format!("\"UP_{}_\"", number + 1);
        for path in ["/eureka/apps/", "/eureka/apps/delta"] {
            assert!(node.json(path).body.contains(&count), "{path}");
            assert!(
                node.ask("GET", path, &gzip, "").body.contains(&count),
                "{path}"
            );
        }
    }
    assert_eq!(listed(&node).len(), 150);
}

#[test]
fn virtual_names_are_looked_up_exactly() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    let count = |path: &str| node.json(path).body.matches("instanceId").count();
    assert_eq!(count("/eureka/vips/shop"), 1);
    assert_eq!(count("/eureka/v2/vips/store"), 1);
    assert_eq!(count("/eureka/vips/SHOP"), 0);
    assert_eq!(count("/eureka/vips/shop,store"), 0);
    assert_eq!(count("/eureka/svips/shop"), 0);
}

#[test]
fn overrides_can_be_listed_as_in_netflix_own_server() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    let path = "/eureka/v2/serverinfo/statusoverrides";
    assert_eq!(node.json(path).body, "{}");
    let change = "/eureka/apps/shop/a/status?value=OUT_OF_SERVICE";
    assert_eq!(node.ask("PUT", change, &[], "").status, 200);
    assert_eq!(node.json(path).body, "{\"a\":\"OUT_OF_SERVICE\"}");
    assert_eq!(
        node.ask("PUT", "/eureka/asg/x/status?value=ENABLED", &[], "")
            .status,
        400
    );
}

#[test]
fn a_goodbye_is_final_and_a_silent_instance_goes_when_its_lease_ends() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    register_for_short(&node, "SHOP", "b", 1);
    assert_eq!(
        node.ask("DELETE", "/eureka/apps/SHOP/a", &[], "").status,
        200
    );
    assert_eq!(
        node.ask("DELETE", "/eureka/apps/SHOP/a", &[], "").status,
        404
    );
    assert_eq!(listed(&node), [("b".to_owned(), "UP".to_owned())]);
    await_that(|| listed(&node).is_empty());
    let beat = node.ask(
        "PUT",
        "/eureka/apps/SHOP/b?status=UP&lastDirtyTimestamp=1",
        &[],
        "",
    );
    assert_eq!((beat.status, beat.body.as_str()), (404, ""));
    let delta = node.json("/eureka/apps/delta").body;
    assert_eq!(delta.matches("DELETED").count(), 2, "{delta}");
    let explained: Value = serde_json::from_str(&node.get("/speargun/explain").body).unwrap();
    assert_eq!(explained["verdict"], "quiet");
    assert_eq!(explained["evictedLastMinute"], 1);
}

#[test]
fn many_that_fall_silent_are_held_explained_and_purged_by_hand() {
    let node = Node::start(&[]);
    for number in 0..10 {
        register_for_short(&node, "SHOP", &number.to_string(), 1);
    }
    let explained =
        || -> Value { serde_json::from_str(&node.get("/speargun/explain").body).unwrap() };
    // Two may go without doubt, if the evictor looks just when no more have run out.
    let held = || listed(&node).len();
    await_that(|| explained()["verdict"] == "held" && explained()["expired"] == held());
    let why = explained();
    let count = held();
    assert!((8..=10).contains(&count), "{why}");
    assert_eq!(why["expiredInstances"].as_array().unwrap().len(), count);
    assert!(
        why["because"].as_str().unwrap().contains("are held"),
        "{why}"
    );
    let metrics = node.get("/prometheus").body;
    assert!(
        metrics.contains("\nspeargun_registry_held 1\n"),
        "{metrics}"
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(
        node.ask("POST", "/speargun/purge", &form, "app=shop&id=9")
            .status,
        200
    );
    assert_eq!(
        node.ask("POST", "/speargun/purge", &form, "app=shop&id=9")
            .status,
        404
    );
    assert_eq!(held(), count - 1);
    assert_eq!(
        node.ask("POST", "/speargun/purge-expired", &form, "")
            .status,
        200
    );
    assert_eq!(listed(&node).len(), 0);
}

//! The client of registries: real codecs' bytes, random changes, and a registry that forgets, goes
//! away, misses changes and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::applications::Applications;
use super::*;
use crate::testing::registry::{Registry, hash_of};
use crate::testing::{TestServer, until};

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/eureka/", $name, ".json"))
    };
}

fn index(body: &[u8]) -> (Applications, Index) {
    let mut applications = Applications::default();
    applications.replace(decode::decode(body).unwrap());
    let index = applications.index(&Index::default(), false);
    (applications, index)
}

#[test]
fn what_each_codec_writes_is_read() {
    for body in [
        &golden!("LegacyJacksonJson_Applications")[..],
        // One object where a list should be, texts and numbers mixed up.
        &golden!("XStreamJson_Applications")[..],
        &golden!("JacksonJsonMini_Applications")[..],
    ] {
        let answer = decode::decode(body).unwrap();
        assert_eq!(answer.hash, "UP_2_");
        let (applications, index) = index(body);
        assert_eq!(applications.hash(), "UP_2_");
        let orders = index.of("Order-Service");
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].origin(), "http://host-a.local:8080");
        assert_eq!(orders[0].place.id, "host-a.local:order-service:8080");
        assert_eq!(index.of("BILLING").len(), 1);
        assert!(index.of("ORDER").is_empty());
    }
    let (_, index) = index(golden!("LegacyJacksonJson_Applications"));
    assert_eq!(
        index.of("ORDER-SERVICE")[0].place.zone.as_deref(),
        Some("z1")
    );
    assert!(index.of("BILLING")[0].place.metadata.is_empty());
}

#[test]
fn an_empty_registry_is_no_mistake() {
    let answer = decode::decode(golden!("LegacyJacksonJson_EMPTY_Applications")).unwrap();
    assert!(answer.applications.is_empty() && answer.hash.is_empty());
    assert!(decode::decode(br#"{"applications":{}}"#).is_ok());
    assert!(decode::decode(b"<applications/>").is_err());
    assert!(decode::decode(b"{}").is_err());
}

#[test]
fn a_recorded_delta_is_applied() {
    let answer = decode::decode(golden!("recorded_2025_delta")).unwrap();
    let hash = answer.hash.clone();
    let gone = json!({"applications": {"application": [{"name": "SERVICE-1", "instance": [
        {"instanceId": "10.0.0.5:service-1:8762", "status": "UP"}]}]}});
    let (mut applications, _) = index(gone.to_string().as_bytes());
    applications.apply(answer);
    assert_eq!(applications.hash(), hash);
    let index = applications.index(&Index::default(), false);
    assert_eq!(
        index.services(),
        BTreeMap::from([("service-2".to_owned(), 1)])
    );
}

#[test]
fn odd_instances_are_read_as_far_as_they_go() {
    let body = json!({"applications": {"application": {"name": "a", "instance": [
        {"instanceId": "1", "hostName": "h", "status": "UP", "port": 8080,
         "vipAddress": "A,b, B", "new": {"x": [1]}},
        {"instanceId": "2", "hostName": "h", "status": "UP",
         "port": {"$": "1", "@enabled": false}, "securePort": {"$": 8443, "@enabled": "TRUE"},
         "vipAddress": "x", "secureVipAddress": "s"},
        {"instanceId": "3", "hostName": "h", "status": "BUSY",
         "port": {"$": 1, "@enabled": "true"}, "vipAddress": "a"},
        {"instanceId": "4", "ipAddr": "10.0.0.1", "status": "UP",
         "port": {"$": 1, "@enabled": "true"}, "vipAddress": "a",
         "metadata": {"weight": 5, "odd": {"a": 1}}},
        {"instanceId": "5", "hostName": "h", "status": "UP",
         "port": {"$": 70000, "@enabled": "true"}, "vipAddress": "a"},
        {"status": "UP"}]}}});
    let (applications, index) = index(body.to_string().as_bytes());
    assert_eq!(applications.hash(), "UNKNOWN_1_UP_4_");
    let origins = |name| -> Vec<String> {
        let found = index.of(name);
        found
            .iter()
            .map(|instance| instance.origin().to_owned())
            .collect()
    };
    assert_eq!(origins("a"), ["http://h:8080", "http://10.0.0.1:1"]);
    assert_eq!(origins("b"), ["http://h:8080"]);
    assert_eq!(origins("s"), ["https://h:8443"]);
    assert!(origins("x").is_empty());
    assert_eq!(index.of("a")[1].place.weight, 5);
}

#[test]
fn who_stays_is_still_who_it_was() {
    let (applications, before) = index(golden!("LegacyJacksonJson_Applications"));
    let after = applications.index(&before, false);
    assert!(Arc::ptr_eq(
        &before.of("BILLING")[0],
        &after.of("BILLING")[0]
    ));
    let by_address = applications.index(&before, true);
    assert_eq!(by_address.of("BILLING")[0].origin(), "http://10.0.0.5:9090");
}

#[test]
fn we_register_as_springs_client_does() {
    let expected: Value = serde_json::from_slice(golden!("SPRING_CLIENT_register_body")).unwrap();
    let own = OwnInstance::new("order-service", "host-a.local", "10.0.0.5", 8080);
    let lease = (Duration::from_secs(30), Duration::from_secs(90));
    let body = own.describe(Status::Up, 1_699_999_999_999, lease);
    let keys = |value: &Value| -> Vec<String> {
        value["instance"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&body), keys(&expected));
    for (key, value) in expected["instance"].as_object().unwrap() {
        let own = &body["instance"][key];
        // These were set by hand there, or are about what the server knows.
        let differs = [
            "appGroupName",
            "actionType",
            "lastUpdatedTimestamp",
            "leaseInfo",
            "metadata",
        ];
        if !differs.contains(&&**key) {
            assert_eq!(own, value, "{key}");
        }
        let kind = |value: &Value| std::mem::discriminant(value);
        let nullable = ["appGroupName", "actionType"].contains(&&**key);
        assert!(nullable || kind(own) == kind(value), "{key}");
    }
    let secure = OwnInstance {
        secure: true,
        port: 8443,
        ..own
    };
    let body = secure.describe(Status::Up, 1, lease);
    assert_eq!(
        body["instance"]["securePort"],
        json!({"$": 8443, "@enabled": "true"})
    );
    assert_eq!(
        body["instance"]["secureHealthCheckUrl"],
        "https://host-a.local:8443/actuator/health"
    );
}

fn any_change() -> impl Strategy<Value = (u8, u8, Option<&'static str>)> {
    let status = prop_oneof![
        Just(Some("UP")),
        Just(Some("DOWN")),
        Just(Some("OUT_OF_SERVICE")),
        Just(None)
    ];
    (0_u8..3, 0_u8..4, status)
}

proptest! {
    /// Applying changes one by one, some of them twice, ends with what a full fetch says.
    #[test]
    fn changes_add_up_to_the_whole(
        changes in proptest::collection::vec(any_change(), 0..60), twice in any::<bool>(),
    ) {
        let mut model: BTreeMap<(u8, u8), &str> = BTreeMap::new();
        let mut applications = Applications::default();
        let instance = |id: u8, status: &str, action: &str| json!({
            "instanceId": id.to_string(), "hostName": "h", "status": status, "vipAddress": "v",
            "port": {"$": 1, "@enabled": "true"}, "actionType": action,
        });
        for (app, id, status) in changes {
            let (text, action) = match status {
                Some(text) if model.contains_key(&(app, id)) => (text, "MODIFIED"),
                Some(text) => (text, "ADDED"),
                None => ("DOWN", "DELETED"),
            };
            match status {
                Some(text) => model.insert((app, id), text),
                None => model.remove(&(app, id)),
            };
            let delta = json!({"applications": {"application": [
                {"name": app.to_string(), "instance": [instance(id, text, action)]}]}}).to_string();
            for _ in 0..=u8::from(twice) {
                applications.apply(decode::decode(delta.as_bytes()).unwrap());
            }
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        model.values().for_each(|status| *counts.entry(*status).or_default() += 1);
        let hash = hash_of(&counts);
        prop_assert_eq!(applications.hash(), hash);
        let up = model.values().filter(|status| **status == "UP").count();
        prop_assert_eq!(applications.index(&Index::default(), false).of("V").len(), up);
    }

    #[test]
    fn any_answer_is_read_or_refused(
        body in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..2000,
    ) {
        let _either = decode::decode(&body);
        let whole = golden!("LegacyJacksonJson_Applications");
        let part = &whole[..cut.min(whole.len() - 1)];
        prop_assert!(decode::decode(part).is_err());
    }
}

const OWN: &str = "127.0.0.1:service-2:8763";

fn settings(servers: &[&TestServer]) -> EurekaSettings {
    let urls = servers
        .iter()
        .map(|server| server.url("/eureka/"))
        .collect();
    EurekaSettings {
        register: Some(OwnInstance::new(
            "service-2",
            "127.0.0.1",
            "127.0.0.1",
            8763,
        )),
        renewal_interval: Duration::from_millis(50),
        // What is to be fetched is asked for.
        fetch_interval: Duration::from_hours(1),
        ..EurekaSettings::new(urls)
    }
}

fn renewals(server: &TestServer) -> usize {
    let asked = server.asked();
    let renewal = |asked: &&http::Request<_>| asked.method() == Method::PUT;
    asked.iter().filter(renewal).count()
}

#[tokio::test]
async fn a_service_registers_renews_and_leaves() {
    let registry = Arc::new(Registry::default());
    let server = registry.serve().await;
    let eureka = Eureka::start(settings(&[&server])).unwrap();
    assert!(eureka.first_fetch().await);
    assert!(!eureka.is_registered());
    eureka.set_status(Status::Up).await;
    assert!(eureka.is_registered());
    assert_eq!(registry.status(OWN).as_deref(), Some("UP"));
    until("it is renewed", || renewals(&server) >= 2).await;
    let asked = server.asked();
    let renewal = asked
        .iter()
        .find(|asked| asked.method() == Method::PUT)
        .unwrap();
    let query = renewal.uri().query().unwrap();
    assert!(
        query.starts_with("status=UP&lastDirtyTimestamp="),
        "{query}"
    );
    assert!(renewal.body().is_empty());
    eureka.leave().await;
    assert_eq!(registry.status(OWN), None);
    // It said that it is down before it went.
    let asked = server.asked();
    let last: Vec<_> = asked
        .iter()
        .rev()
        .filter(|a| a.method() != Method::PUT)
        .take(2)
        .collect();
    assert_eq!(last[0].method(), Method::DELETE);
    assert!(String::from_utf8_lossy(last[1].body()).contains(r#""status":"DOWN""#));
}

#[tokio::test]
async fn saying_the_same_again_and_again_puts_nothing_off() {
    let registry = Arc::new(Registry::default());
    registry.fails.store(true, Ordering::Relaxed);
    let server = registry.serve().await;
    let eureka = Eureka::start(settings(&[&server])).unwrap();
    eureka.set_status(Status::Up).await;
    registry.fails.store(false, Ordering::Relaxed);
    // More often than it is renewed, as services do that look at their health.
    let says = async {
        loop {
            eureka.set_status(Status::Up).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = async {
        until("it is registered", || registry.status(OWN).is_some()).await;
        until("it is renewed", || renewals(&server) >= 2).await;
    };
    tokio::select! {
        () = says => {}
        () = seen => {}
    }
}

#[tokio::test]
async fn a_registry_that_forgot_is_told_again() {
    let registry = Arc::new(Registry::default());
    let server = registry.serve().await;
    let eureka = Eureka::start(settings(&[&server])).unwrap();
    eureka.set_status(Status::Up).await;
    registry.instances.lock().clear();
    until("it is registered again", || registry.status(OWN).is_some()).await;
}

#[tokio::test]
async fn changes_are_fetched_and_what_was_missed_is_noticed() {
    let registry = Arc::new(Registry::default());
    let server = registry.serve().await;
    registry.add("service-1", 1);
    let eureka = Eureka::start(settings(&[&server])).unwrap();
    assert!(eureka.first_fetch().await);
    let full = || registry.full_fetches.load(Ordering::Relaxed);
    let known = || eureka.instances().of("SERVICE-1").len();
    assert_eq!((full(), known()), (1, 1));
    registry.add("service-1", 2);
    eureka.refresh().await;
    assert_eq!((full(), known()), (1, 2));
    registry.delete("127.0.0.1%3Aservice-1%3A1");
    eureka.refresh().await;
    assert_eq!((full(), known()), (1, 1));
    // A change that the registry does not tell.
    registry.misses_changes.store(true, Ordering::Relaxed);
    registry.add("service-1", 3);
    eureka.refresh().await;
    assert_eq!((full(), known()), (2, 2));
    // A registry that tells no changes at all.
    registry.gives_no_changes.store(true, Ordering::Relaxed);
    eureka.refresh().await;
    assert_eq!((full(), known()), (3, 2));
}

#[tokio::test]
async fn another_registry_takes_over_and_what_is_known_stays() {
    let registry = Arc::new(Registry::default());
    registry.add("service-1", 1);
    let (one, two) = (registry.serve().await, registry.serve().await);
    let eureka = Eureka::start(settings(&[&one, &two])).unwrap();
    eureka.set_status(Status::Up).await;
    assert!(eureka.first_fetch().await);
    assert!(two.asked().is_empty());
    drop(one);
    registry.add("service-1", 2);
    eureka.refresh().await;
    assert_eq!(eureka.instances().of("SERVICE-1").len(), 2);
    until("it is renewed there", || {
        two.asked()
            .iter()
            .any(|asked| asked.method() == Method::PUT)
    })
    .await;
    // None is left: what was known still serves.
    registry.fails.store(true, Ordering::Relaxed);
    eureka.refresh().await;
    assert_eq!(eureka.instances().of("SERVICE-1").len(), 2);
    let mut out = Exposition::default();
    eureka.write_metrics(&mut out);
    let text = out.into_text();
    assert!(
        text.contains("\neureka_client_fetches_failed_total 1\n"),
        "{text}"
    );
    // Once it is well again it is told what it should know.
    registry.instances.lock().clear();
    registry.fails.store(false, Ordering::Relaxed);
    until("it is registered again", || registry.status(OWN).is_some()).await;
}

#[tokio::test]
async fn credentials_of_the_address_are_sent_and_nothing_is_traced() {
    let registry = Arc::new(Registry::default());
    let server = registry.serve().await;
    let url = format!("http://user:secret@{}/eureka/", server.address);
    let eureka = Eureka::start(EurekaSettings::new(vec![url])).unwrap();
    assert!(eureka.first_fetch().await);
    let headers = server.asked()[0].headers().clone();
    assert_eq!(headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(headers["accept"], "application/json");
    assert_eq!(headers["b3"], "0");
    // Nobody is to be registered, and leaving is no trouble.
    eureka.set_status(Status::Up).await;
    eureka.leave().await;
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn addresses_that_are_none_are_told_at_once() {
    assert!(Eureka::start(EurekaSettings::new(Vec::new())).is_err());
    let error = Eureka::start(EurekaSettings::new(vec!["localhost".into()])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "eureka: \"localhost\" is no address of a server"
    );
}

#[tokio::test]
async fn no_registry_at_the_start_is_no_end() {
    let away = EurekaSettings::new(vec!["http://127.0.0.1:1/eureka".into()]);
    let eureka = Eureka::start(away).unwrap();
    assert!(!eureka.first_fetch().await);
    assert!(eureka.instances().of("SERVICE-1").is_empty());
}

//! Settings as a real server answered them, the order of sources, refreshes, and servers that are
//! away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::testing::{TestServer, reply};

const V2: &[u8] = include_bytes!("../../testdata/config/recorded_2025_dev_v2.json");
const V1: &[u8] = include_bytes!("../../testdata/config/recorded_2025_v1.json");

const BEFORE: &str = r#"{"version":"1","propertySources":[{"name":"a","source":{"x":1,"y":2}}]}"#;
const AFTER: &str = r#"{"version":"2","propertySources":[{"name":"a","source":{"x":1,"z":3}}]}"#;

fn local() -> LocalSources {
    LocalSources::default()
}

fn server(server: &TestServer) -> ServerSettings {
    ServerSettings {
        uris: vec![server.url("/")],
        profiles: vec!["dev".into()],
        attempts_max: 1,
        ..ServerSettings::new("service-1")
    }
}

fn text(config: &Config, name: &str) -> Option<String> {
    config.settings().text(name).unwrap()
}

#[tokio::test]
async fn a_recorded_environment_is_read_in_the_order_of_its_sources() {
    let there = TestServer::start(|_| async { reply(200, V2) }).await;
    let config = Config::load(local(), server(&there)).await.unwrap();
    for (name, value) in [
        ("foo", "one"),
        ("only.dev", "dev value"),
        ("list[0]", "x"),
        ("num", "0777"),
        ("numbers.octal", "511"),
        ("numbers.ratio", "0.5"),
        ("flag.enabled", "true"),
        ("empty", ""),
        ("secret", "open sesame"),
        ("invalid.broken", "<n/a>"),
        ("placeholder", "one/default"),
        ("escaped", "${foo}"),
        ("unicode", "é 漢字"),
        (
            "config.client.version",
            "944d1aaf708fbb20f485a8e095e54adf9167c376",
        ),
    ] {
        assert_eq!(text(&config, name).as_deref(), Some(value), "{name}");
    }
    assert!(config.settings().flag_or("only.notcloud", false).unwrap());
    let settings = config.settings();
    let names: Vec<&str> = settings.sources().collect();
    assert_eq!(names[0], "commandLineArgs");
    assert_eq!(names[3], "configserver:/repo/config.git/service-1-dev.yml");
    let asked = &there.asked()[0];
    assert_eq!(asked.uri(), "/service-1/dev");
    assert_eq!(
        asked.headers()["accept"],
        "application/vnd.spring-cloud.config-server.v2+json"
    );
}

#[tokio::test]
async fn the_first_version_of_the_form_is_read_too() {
    let there = TestServer::start(|_| async { reply(200, V1) }).await;
    let config = Config::load(local(), server(&there)).await.unwrap();
    assert_eq!(text(&config, "numbers.big").as_deref(), Some("1000000"));
    assert_eq!(text(&config, "nothing").as_deref(), Some(""));
}

#[tokio::test]
async fn arguments_overrule_variables_those_the_server_and_that_defaults() {
    let body =
        r#"{"propertySources":[{"name":"a","source":{"a":"server","b":"server","c":"server"}}]}"#;
    let there = TestServer::answering(200, body).await;
    let sources = local()
        .arguments(["--a=argument".to_owned(), "other".to_owned()])
        .environment([
            ("A".to_owned(), "variable".to_owned()),
            ("B".to_owned(), "variable".to_owned()),
        ])
        .defaults([("a", "default"), ("c", "default"), ("d", "default")]);
    let config = Config::load(sources, server(&there)).await.unwrap();
    for (name, value) in [
        ("a", "argument"),
        ("b", "variable"),
        ("c", "server"),
        ("d", "default"),
    ] {
        assert_eq!(text(&config, name).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn a_refresh_tells_what_changed() {
    let turn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turn);
    let there = TestServer::start(move |_| {
        let answer = match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => reply(200, BEFORE),
            2 => reply(200, AFTER),
            _ => reply(500, ""),
        };
        async move { answer }
    })
    .await;
    let config = Config::load(local(), server(&there)).await.unwrap();
    let mut changes = config.changes();
    assert!(config.refresh().await.unwrap().is_empty());
    assert!(!changes.has_changed().unwrap());
    let before = config.settings();
    assert_eq!(
        config.refresh().await.unwrap(),
        ["config.client.version", "y", "z"]
    );
    assert!(changes.has_changed().unwrap());
    changes.borrow_and_update();
    assert_eq!(text(&config, "z").as_deref(), Some("3"));
    // Who holds the settings from before still sees them.
    assert_eq!(before.text("y").unwrap().as_deref(), Some("2"));
    // A server that fails changes nothing.
    assert!(config.refresh().await.is_err());
    assert_eq!(text(&config, "z").as_deref(), Some("3"));
}

#[tokio::test]
async fn labels_are_tried_until_one_is_known() {
    let there = TestServer::start(|asked| async move {
        let known = asked.uri().path().ends_with("/main");
        if known {
            reply(200, "{}")
        } else {
            reply(404, "")
        }
    })
    .await;
    let settings = ServerSettings {
        labels: vec!["feature/x".into(), "main".into(), "never".into()],
        profiles: vec!["dev".into(), "a b".into()],
        token: Some("t0ken".into()),
        password: Some("p".into()),
        ..server(&there)
    };
    Config::load(local(), settings.clone()).await.unwrap();
    let asked = there.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.uri().path()).collect();
    assert_eq!(
        paths,
        [
            "/service-1/dev,a%20b/feature(_)x",
            "/service-1/dev,a%20b/main"
        ]
    );
    assert_eq!(asked[0].headers()["x-config-token"], "t0ken");
    assert_eq!(asked[0].headers()["authorization"], "Basic dXNlcjpw");
    assert!(!format!("{settings:?}").contains("t0ken"));
    let none = ServerSettings {
        labels: vec!["never".into()],
        ..server(&there)
    };
    let error = Config::load(local(), none).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"knows none of the labels ["never"]"#),
        "{error}"
    );
}

#[tokio::test]
async fn another_server_is_asked_when_one_is_away_or_knows_nothing() {
    let nothing = TestServer::answering(404, "").await;
    let there = TestServer::answering(200, "{}").await;
    let settings = ServerSettings {
        uris: vec!["http://127.0.0.1:1".into(), nothing.url(""), there.url("")],
        ..server(&there)
    };
    Config::load(local(), settings).await.unwrap();
    assert_eq!((nothing.asked().len(), there.asked().len()), (1, 1));
}

#[tokio::test]
async fn a_start_waits_for_the_server_a_few_times_and_then_fails_or_goes_on() {
    let turn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turn);
    let there = TestServer::start(move |_| {
        let late = count.fetch_add(1, Ordering::Relaxed) >= 2;
        async move { reply(if late { 200 } else { 503 }, "{}") }
    })
    .await;
    let settings = |attempts_max| ServerSettings {
        attempts_max,
        wait: Duration::from_millis(1),
        ..server(&there)
    };
    let error = Config::load(local(), settings(2)).await.unwrap_err();
    assert!(error.to_string().contains("answered 503"), "{error}");
    turn.store(0, Ordering::Relaxed);
    assert!(Config::load(local(), settings(3)).await.is_ok());
    assert_eq!(turn.load(Ordering::Relaxed), 3);
    let away = ServerSettings {
        uris: vec!["http://127.0.0.1:1".into()],
        optional: true,
        ..ServerSettings::new("a")
    };
    let config = Config::load(local().defaults([("a", "1")]), away)
        .await
        .unwrap();
    assert_eq!(text(&config, "a").as_deref(), Some("1"));
    assert!(config.refresh().await.is_err());
}

#[tokio::test]
async fn settings_without_a_server_stay_as_they_are() {
    let config = Config::local(local().defaults([("a", "1")]));
    assert!(config.refresh().await.unwrap().is_empty());
    assert_eq!(text(&config, "a").as_deref(), Some("1"));
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(
        body in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..6000,
    ) {
        let _either = environment::decode(&body);
        prop_assert!(environment::decode(&V2[..cut.min(V2.len() - 2)]).is_err());
    }
}

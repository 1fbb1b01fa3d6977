//! What health says of sources: what is wrong is said, and is no reason to send clients away while
//! there is something to serve.

use serde_json::Value;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::repository::{Daemon, Work};
use crate::sources;
use speargun_config_server::environment::assemble::Request;
use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};
use speargun_config_server::snapshot::{Limits, Reading};
use speargun_config_server::source::config::{Backend, GitConfig};
use speargun_config_server::source::sources::{Answering, Sources as All, Standing};

async fn start(git: &str, folder: &std::path::Path) -> ConfigServer {
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.git: {{{git}}}\n"
    );
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let settings = Settings::read(&sources).unwrap();
    let base = Some(folder.to_owned());
    ConfigServer::start(settings, base).await.unwrap()
}

/// Returns the status of an answer and its body.
async fn get(server: &ConfigServer, path: &str) -> (u16, Value) {
    let url = format!("http://{}{path}", server.address());
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_has_no_repository_is_no_reason_to_be_down() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let folder = tempfile::tempdir().unwrap();
    let uri = work.origin().replace("/origin.git", "/{application}.git");
    let server = start(&format!("uri: '{uri}', timeout: 20"), folder.path()).await;
    assert_eq!(get(&server, "/typo/default").await.0, 404);
    assert_eq!(get(&server, "/origin/default").await.0, 200);
    let (status, health) = get(&server, "/actuator/health/configServer").await;
    assert_eq!(status, 200, "{health}");
    let sources = health["details"]["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1, "{health}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_behind_another_label_is_mended_when_it_is_asked_for() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    work.git(&["checkout", "--quiet", "-b", "side"]);
    work.commit("app.yml", "a: side\n");
    work.git(&["push", "--quiet", "origin", "side"]);
    let daemon = Daemon::start(&work);
    let base = tempfile::tempdir().unwrap();
    let config = GitConfig {
        refresh: None,
        ..sources::config(&daemon.uri())
    };
    let all = sources::start(config, &base);
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("one"));
    sources::damage(&base);
    let side = sources::value(&all, Some("side")).await;
    assert_eq!(side.as_deref(), Ok("side"));
    all.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_hangs_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/x.git", listener.local_addr().unwrap());
    let base = tempfile::tempdir().unwrap();
    let config = GitConfig {
        timeout: Duration::from_millis(10),
        ..sources::config(&uri)
    };
    let all = sources::start(config, &base);
    // Nobody takes its connection, so that it hangs until the listener goes.
    sources::until("it is told", async || {
        sources::error_of(&all).is_some_and(|error| error.starts_with("a fetch goes on for "))
    })
    .await;
    drop(listener);
    all.end().await;
}

/// A host that takes connections and says nothing; counts those that it has and those that ended.
fn silent() -> (u16, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let shared = Arc::clone(&counts);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                shared[0].fetch_add(1, SeqCst);
                // Whatever ends it, it ended.
                let _ended = std::io::copy(&mut stream, &mut std::io::sink());
                shared[1].fetch_add(1, SeqCst);
            });
        }
    });
    (port, counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_for_nobody_any_more_ends() {
    for scheme in ["http", "git"] {
        let (port, counts) = silent();
        let base = tempfile::tempdir().unwrap();
        let config = GitConfig {
            timeout: Duration::from_millis(500),
            ..sources::config(&format!("{scheme}://127.0.0.1:{port}/{{application}}.git"))
        };
        let all = sources::start(config, &base);
        let ask = |number: usize| {
            let all = Arc::clone(&all);
            let request = Request {
                application: format!("app{number}"),
                ..sources::request(None)
            };
            async move { assert!(all.environment(&request).await.is_err()) }
        };
        ask(0).await;
        sources::until("it is fetched", async || counts[0].load(SeqCst) == 1).await;
        // So many are kept, and these push the first one out.
        let others: tokio::task::JoinSet<()> = (1..=256).map(ask).collect();
        others.join_all().await;
        sources::until("the first one ends", async || counts[1].load(SeqCst) > 0).await;
        // Not all of them are fetched at once, also when some are seen to end late.
        let begun = counts[0].load(SeqCst);
        assert!(begun.saturating_sub(counts[1].load(SeqCst)) < 200);
        all.end().await;
        // Nor does any outlast the server.
        sources::until("all of them end", async || {
            counts[0].load(SeqCst) == counts[1].load(SeqCst)
        })
        .await;
        // Of what nothing came nothing is left.
        sources::until("all clones go", async || {
            std::fs::read_dir(base.path()).unwrap().next().is_none()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_branch_that_is_deleted_is_missed() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    work.git(&["push", "--quiet", "origin", "main:side"]);
    let base = tempfile::tempdir().unwrap();
    let all = sources::start(sources::config(&work.origin()), &base);
    let side = sources::value(&all, Some("side")).await;
    assert_eq!(side.as_deref(), Ok("one"));
    assert_eq!(sources::error_of(&all), None);
    std::fs::remove_file(format!("{}/refs/heads/main", work.origin())).unwrap();
    sources::until("it is told", async || {
        let expected = "there is no label main, which is the default";
        sources::error_of(&all).as_deref() == Some(expected)
    })
    .await;
    all.end().await;
}

/// Starts sources for which a commit of two files has too much.
fn start_with_one_file(work: &Work, base: &tempfile::TempDir) -> Arc<All> {
    let backend = Backend::Git {
        default: Box::new(sources::config(&work.origin())),
        others: Vec::new(),
    };
    let limits = Limits {
        files_max: 1,
        ..Limits::default()
    };
    let reading = Reading {
        limits,
        ..Reading::default()
    };
    let base = base.path().to_owned();
    All::start(vec![backend], reading, Answering::default(), base)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_too_many_files_does_not_hide_a_good_one_before_it() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    work.commit("more.yml", "a: two\n");
    work.git(&["rm", "--quiet", "more.yml"]);
    work.commit("app.yml", "a: [\n");
    work.push();
    let base = tempfile::tempdir().unwrap();
    let all = start_with_one_file(&work, &base);
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("one"));
    all.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_always_had_too_much_keeps_no_other_from_being_served() {
    let work = Work::new(&[("app.yml", "a: one\n"), ("more.yml", "a: two\n")]);
    work.git(&["checkout", "--quiet", "--orphan", "side"]);
    work.git(&["rm", "--quiet", "--force", "more.yml"]);
    work.commit("app.yml", "a: side\n");
    work.git(&["push", "--quiet", "origin", "side"]);
    let base = tempfile::tempdir().unwrap();
    let all = start_with_one_file(&work, &base);
    let side = sources::value(&all, Some("side")).await;
    assert_eq!(side.as_deref(), Ok("side"));
    let error = sources::value(&all, None).await.unwrap_err().to_string();
    assert!(error.contains("more than 1 files"), "{error}");
    sources::until("it is told", async || {
        sources::error_of(&all).is_some_and(|error| error.starts_with("main: the commit has"))
    })
    .await;
    // What is new of the others is served.
    work.commit("app.yml", "a: new\n");
    work.git(&["push", "--quiet", "origin", "side"]);
    sources::until_value(&all, Some("side"), "new").await;
    all.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_too_many_files_is_said_to_be_held_back() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let base = tempfile::tempdir().unwrap();
    let start = || start_with_one_file(&work, &base);
    let all = start();
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("one"));
    work.commit("more.yml", "a: two\n");
    work.push();
    let served = |all: &All| {
        let standings = all.standings();
        let mut repositories = standings.iter().map(|standing| match standing {
            Standing::Git(repository) => repository.served()["main"].clone(),
            Standing::Native(_) => unreachable!("there is no folder"),
        });
        repositories.next_back().unwrap()
    };
    sources::until("it is told", async || served(&all).refused.is_some()).await;
    assert!(served(&all).is_held_back());
    assert_eq!(served(&all).newest, work.head());
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("one"));
    all.end().await;
    // Who starts later serves the same.
    let all = start();
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("one"));
    assert!(served(&all).refused.is_some());
    assert_eq!(served(&all).newest, work.head());
    // Nor does it matter how many commits came at once.
    work.git(&["rm", "--quiet", "more.yml"]);
    work.commit("app.yml", "a: three\n");
    work.commit("more.yml", "a: four\n");
    work.push();
    sources::until("it is seen", async || served(&all).newest == work.head()).await;
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("three"));
    all.end().await;
    let all = start();
    assert_eq!(sources::value(&all, None).await.as_deref(), Ok("three"));
    all.end().await;
}

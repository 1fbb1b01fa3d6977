//! Sources over real repositories, made and served by git itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::repository::{Daemon, Work};
use speargun_config_server::environment::assemble::Request;
use speargun_config_server::snapshot::Reading;
use speargun_config_server::source::SourceError;
use speargun_config_server::source::config::{Backend, GitConfig, NativeConfig};
use speargun_config_server::source::sources::{Answering, Sources, Standing};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn config(uri: &str) -> GitConfig {
    GitConfig {
        uri: uri.to_owned(),
        refresh: Some(Duration::from_millis(50)),
        timeout: Duration::from_secs(20),
        ..GitConfig::default()
    }
}

pub(crate) fn start(config: GitConfig, base: &TempDir) -> Arc<Sources> {
    let backend = Backend::Git {
        default: Box::new(config),
        others: Vec::new(),
    };
    let base = base.path().to_owned();
    Sources::start(
        vec![backend],
        Reading::default(),
        Answering::default(),
        base,
    )
}

pub(crate) fn request(label: Option<&str>) -> Request {
    Request {
        application: "app".to_owned(),
        profiles: "default".to_owned(),
        label: label.map(str::to_owned),
    }
}

pub(crate) async fn value(sources: &Sources, label: Option<&str>) -> Result<String, SourceError> {
    let environment = sources.environment(&request(label)).await?;
    let value = environment.get("a").map(|entry| entry.value.to_string());
    Ok(value.unwrap_or_default())
}

/// Waits until a request is answered as it should be.
pub(crate) async fn until(what: &str, mut test: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !test().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn until_value(sources: &Sources, label: Option<&str>, expected: &str) {
    until(expected, async || {
        value(sources, label).await.as_deref() == Ok(expected)
    })
    .await;
}

pub(crate) fn error_of(sources: &Sources) -> Option<String> {
    sources
        .standings()
        .into_iter()
        .find_map(|standing| match standing {
            Standing::Git(repository) => repository.health().error,
            Standing::Native(folder) => folder.error(),
        })
}

pub(crate) fn broken_of(sources: &Sources) -> Vec<String> {
    let of = |standing| match standing {
        Standing::Git(repository) => {
            let served = repository.served().into_values();
            served.flat_map(|served| served.broken).collect::<Vec<_>>()
        }
        Standing::Native(folder) => folder.broken(),
    };
    let broken = sources.standings().into_iter().flat_map(of);
    broken.map(|file| file.to_string()).collect()
}

/// Labels, commits, forced pushes and branches that go away, of a repository read where it is and
/// of a clone.
async fn follows(uri: &str, work: &Work) {
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(uri), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let first = work.head();
    work.git(&["tag", "v1"]);
    work.commit("app.yml", "a: two\n");
    work.git(&["push", "--quiet", "origin", "main", "v1"]);
    until_value(&sources, None, "two").await;
    until_value(&sources, Some("v1"), "one").await;
    assert_eq!(value(&sources, Some(&first)).await.as_deref(), Ok("one"));
    assert_eq!(value(&sources, first.get(..10)).await.as_deref(), Ok("one"));
    let unknown = value(&sources, Some("no/such")).await.unwrap_err();
    assert_eq!(unknown, SourceError::NoLabel("no/such".to_owned()));

    work.git(&["checkout", "--quiet", "-b", "feature/x"]);
    work.commit("app.yml", "a: branch\n");
    work.git(&["push", "--quiet", "origin", "feature/x"]);
    until_value(&sources, Some("feature/x"), "branch").await;
    work.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    work.commit("app.yml", "a: forced\n");
    work.git(&["push", "--quiet", "--force", "origin", "feature/x"]);
    until_value(&sources, Some("feature/x"), "forced").await;
    work.git(&["push", "--quiet", "origin", ":feature/x"]);
    until("the branch goes", async || {
        let gone = SourceError::NoLabel("feature/x".to_owned());
        value(&sources, Some("feature/x")).await == Err(gone)
    })
    .await;
    // A branch stands now where a folder of branches stood.
    work.git(&["push", "--quiet", "origin", "HEAD:refs/heads/feature"]);
    until_value(&sources, Some("feature"), "forced").await;
    assert_eq!(error_of(&sources), None);
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_this_machine_is_followed() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    follows(&work.origin(), &work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_repository_is_followed() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let daemon = Daemon::start(&work);
    follows(&daemon.uri(), &work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_commit_is_not_served_and_the_place_is_told() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    work.commit("other.yml", "b: 1\nc: [\n");
    work.push();
    until("it is told", async || !broken_of(&sources).is_empty()).await;
    assert!(
        broken_of(&sources)[0].starts_with("other.yml: line "),
        "{:?}",
        broken_of(&sources)
    );
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));

    // One that starts now looks for the last good commit.
    let later = start(config(&work.origin()), &base);
    assert_eq!(value(&later, None).await.as_deref(), Ok("one"));
    assert!(!broken_of(&later).is_empty());
    later.end().await;

    work.commit("other.yml", "b: 1\n");
    work.commit("app.yml", "a: two\n");
    // Folders in which nobody looks may hold anything.
    work.commit("deploy/chart.yml", "{{ template }}: [\n");
    work.push();
    until_value(&sources, None, "two").await;
    assert!(broken_of(&sources).is_empty());
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_never_whole_answers_whom_it_can() {
    let work = Work::new(&[("app.yml", "a: one\n"), ("bad.yml", "a: 1\na: 2\n")]);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let bad = Request {
        application: "bad".to_owned(),
        ..request(None)
    };
    let error = sources.environment(&bad).await.unwrap_err().to_string();
    assert_eq!(error, "bad.yml: line 2, column 1: the key a is there twice");
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_and_a_restart_serve_the_last_good_commit() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let daemon = Daemon::start(&work);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&daemon.uri()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let port = daemon.stop();
    until("the outage is told", async || error_of(&sources).is_some()).await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    sources.end().await;

    let uri = format!("git://127.0.0.1:{port}/origin.git");
    let again = start(config(&uri), &base);
    assert_eq!(value(&again, None).await.as_deref(), Ok("one"));
    work.commit("app.yml", "a: two\n");
    work.push();
    let _daemon = Daemon::start_at(&work, port);
    until_value(&again, None, "two").await;
    assert_eq!(error_of(&again), None);
    again.end().await;
}

/// Damages the one clone in a folder.
pub(crate) fn damage(base: &TempDir) {
    let mut clones = std::fs::read_dir(base.path()).unwrap();
    let clone = clones.next().unwrap().unwrap().path();
    let packs = std::fs::read_dir(clone.join("objects/pack")).unwrap();
    let files: Vec<_> = packs.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        // The old one may be in use.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, b"not a pack").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_clone_is_made_again() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let daemon = Daemon::start(&work);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&daemon.uri()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    sources.end().await;
    damage(&base);
    work.commit("app.yml", "a: two\n");
    work.push();
    let again = start(config(&daemon.uri()), &base);

    until_value(&again, None, "two").await;
    again.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_not_there_is_said_to_be() {
    let base = tempfile::tempdir().unwrap();
    let sources = start(config("git://127.0.0.1:1/nothing.git"), &base);
    let error = value(&sources, None).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_nowhere_and_search_paths_stay_within() {
    let work = Work::new(&[("app.yml", "a: one\n"), ("conf/app/app.yml", "a: inner\n")]);
    std::os::unix::fs::symlink("/etc/passwd", work.folder().join("passwd.yml")).unwrap();
    std::os::unix::fs::symlink("app.yml", work.folder().join("link.yml")).unwrap();
    work.git(&["add", "--all"]);
    work.git(&["commit", "--quiet", "--message", "links"]);
    work.push();
    let base = tempfile::tempdir().unwrap();
    let paths = GitConfig {
        search_paths: vec!["conf/{application}".to_owned(), "../outside".to_owned()],
        ..config(&work.origin())
    };
    let sources = start(paths, &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("inner"));
    for name in ["passwd.yml", "link.yml", "../app.yml"] {
        assert!(
            sources.plain(&request(None), name).await.unwrap().is_none(),
            "{name}"
        );
    }
    let plain = sources
        .plain(&request(None), "app.yml")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&*plain.bytes, b"a: one\n");
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_followed_and_keep_what_was_good() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("app.yml", "a: one\n");
    std::fs::write(outside.path().join("x.yml"), "a: outside\n").unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.yml"), folder.path().join("x.yml")).unwrap();
    let native = NativeConfig {
        search_locations: vec![format!("file:{}", folder.path().display())],
        refresh: Duration::from_millis(20),
        ..NativeConfig::default()
    };
    let backends = vec![Backend::Native(native)];
    let base = folder.path().to_owned();
    let sources = Sources::start(backends, Reading::default(), Answering::default(), base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    assert!(
        sources
            .plain(&request(None), "x.yml")
            .await
            .unwrap()
            .is_none()
    );
    write("app.yml", "a: [\n");
    until("it is told", async || !broken_of(&sources).is_empty()).await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    write("app.yml", "a: two\n");
    until_value(&sources, None, "two").await;
    std::fs::create_dir(folder.path().join("v1")).unwrap();
    write("v1/app.yml", "a: labelled\n");
    until_value(&sources, Some("v1"), "labelled").await;
    assert_eq!(value(&sources, Some("other")).await.as_deref(), Ok("two"));
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_have_repositories_of_their_own() {
    let default = Work::new(&[("app.yml", "a: default\n")]);
    let special = Work::new(&[("app.yml", "a: special\n")]);
    let base = tempfile::tempdir().unwrap();
    let backend = Backend::Git {
        default: Box::new(config(&default.origin())),
        others: vec![GitConfig {
            name: "special".to_owned(),
            patterns: vec!["app*/dev".to_owned()],
            ..config(&special.origin())
        }],
    };
    let (base, reading) = (base.path().to_owned(), Reading::default());
    let sources = Sources::start(vec![backend], reading, Answering::default(), base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("default"));
    let dev = Request {
        profiles: "dev".to_owned(),
        ..request(None)
    };
    let environment = sources.environment(&dev).await.unwrap();
    assert_eq!(environment.get("a").unwrap().value.to_string(), "special");
    assert_eq!(environment.version.as_deref(), Some(&*special.head()));
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_in_an_address_make_a_repository_for_each() {
    let work = Work::new(&[("app.yml", "a: own\n")]);
    let base = tempfile::tempdir().unwrap();
    let uri = work.origin().replace("/origin.git", "/{application}.git");
    std::fs::rename(
        work.origin(),
        work.origin().replace("/origin.git", "/app.git"),
    )
    .unwrap();
    let sources = start(config(&uri), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("own"));
    let other = Request {
        application: "other".to_owned(),
        ..request(None)
    };
    let error = sources.environment(&other).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
    // What is not there is forgotten, and takes nobody's place however many names are asked for.
    for number in 0..300 {
        let nobody = Request {
            application: format!("nobody{number}"),
            ..request(None)
        };
        assert!(sources.environment(&nobody).await.is_err());
    }
    assert_eq!(sources.standings().len(), 1);
    assert_eq!(error_of(&sources), None);
    std::fs::rename(
        work.origin().replace("/origin.git", "/app.git"),
        work.origin().replace("/origin.git", "/late.git"),
    )
    .unwrap();
    let late = Request {
        application: "late".to_owned(),
        ..request(None)
    };
    assert!(sources.environment(&late).await.is_ok());
    sources.end().await;
}

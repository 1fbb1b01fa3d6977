//! Which commits and folders are good enough to be served: what was broken already holds nothing
//! back, what is newly broken does, and what is out of reach is no reason to serve nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::repository::Work;
use crate::sources::{broken_of, config, error_of, request, start, until, until_value, value};
use speargun_config_server::environment::assemble::Request;
use speargun_config_server::snapshot::{Limits, Reading};
use speargun_config_server::source::config::{Backend, NativeConfig};
use speargun_config_server::source::sources::{Answering, Sources, Standing};

const TEMPLATE: &str = "a: !Ref x\n";

/// Returns the newest commit of the default label that a server knows.
fn newest(sources: &Sources) -> String {
    let standings = sources.standings();
    let of = |standing: &Standing| match standing {
        Standing::Git(repository) => Some(repository.served()["main"].newest.clone()),
        Standing::Native(_) => None,
    };
    standings.iter().find_map(of).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_always_broken_holds_nothing_back() {
    let work = Work::new(&[("app.yml", "a: one\n"), ("template.yml", TEMPLATE)]);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    for text in ["two", "three"] {
        work.commit("app.yml", &format!("a: {text}\n"));
        work.push();
        until_value(&sources, None, text).await;
    }
    // A file that breaks now does, for who was there as well as for who starts now.
    work.commit("other.yml", "b: [\n");
    work.commit("app.yml", "a: four\n");
    work.push();
    until("it is seen", async || newest(&sources) == work.head()).await;
    let later = start(config(&work.origin()), &base);
    for sources in [&sources, &later] {
        assert_eq!(value(sources, None).await.as_deref(), Ok("three"));
    }
    later.end().await;
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_broken_commit_gets_no_other() {
    let work = Work::new(&[("app.yml", "a: one\n"), ("other.yml", "a: one\n")]);
    work.commit("other.yml", "a: [\n");
    work.commit("app.yml", "a: two\n");
    work.push();
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let head = work.head();
    let environment = sources.environment(&request(Some(&head))).await.unwrap();
    assert_eq!(environment.version.as_deref(), Some(&*head));
    assert_eq!(environment.get("a").unwrap().value.to_string(), "two");
    let other = Request {
        application: "other".to_owned(),
        ..request(Some(&head))
    };
    let error = sources.environment(&other).await.unwrap_err().to_string();
    assert!(error.starts_with("other.yml: line "), "{error}");
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_pushed_by_force_is_served_the_same_by_all() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    // Another history, in which a file was broken from its beginning.
    work.git(&["checkout", "--quiet", "--orphan", "other"]);
    work.commit("template.yml", TEMPLATE);
    work.commit("app.yml", "a: two\n");
    work.git(&["push", "--quiet", "--force", "origin", "other:main"]);
    until("it is seen", async || newest(&sources) == work.head()).await;
    let later = start(config(&work.origin()), &base);
    for sources in [&sources, &later] {
        assert_eq!(value(sources, None).await.as_deref(), Ok("two"));
    }
    later.end().await;
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_too_large_holds_its_commit_back() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let base = tempfile::tempdir().unwrap();
    let sources = start(config(&work.origin()), &base);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let large = format!("a: two\nb: {}\n", "x".repeat(5 << 20));
    // What is no configuration may be as large as it likes.
    work.commit("picture.png", &large);
    work.commit("app.yml", &large);
    work.push();
    until("it is told", async || !broken_of(&sources).is_empty()).await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let told = broken_of(&sources);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("app.yml: line 1"), "{told:?}");
    sources.end().await;
}

fn folder(locations: Vec<String>, limits: Limits) -> Arc<Sources> {
    let native = NativeConfig {
        search_locations: locations,
        refresh: Duration::from_millis(20),
        ..NativeConfig::default()
    };
    let reading = Reading {
        limits,
        ..Reading::default()
    };
    let backends = vec![Backend::Native(native)];
    Sources::start(
        backends,
        reading,
        Answering::default(),
        std::env::temp_dir(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_away_is_served_on() {
    let above = tempfile::tempdir().unwrap();
    let (here, away) = (above.path().join("here"), above.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("app.yml"), "a: one\n").unwrap();
    // A location that never was does not keep the other from being followed.
    let never = above.path().join("never").display().to_string();
    let sources = folder(vec![here.display().to_string(), never], Limits::default());
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    let mut changes = sources.changes();
    changes.mark_unchanged();
    std::fs::rename(&here, &away).unwrap();
    let said = here.display().to_string();
    until("the outage is told", async || {
        error_of(&sources).is_some_and(|error| error.contains(&said))
    })
    .await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    assert!(!changes.has_changed().unwrap());
    std::fs::write(away.join("app.yml"), "a: two\n").unwrap();
    std::fs::rename(&away, &here).unwrap();
    until_value(&sources, None, "two").await;
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_emptied_is_served_on() {
    let (here, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = here.path().join("app.yml");
    std::fs::write(&file, "a: one\n").unwrap();
    // One that is empty from the beginning is none that was emptied.
    let locations = [&here, &other].map(|folder| folder.path().display().to_string());
    let sources = folder(locations.to_vec(), Limits::default());
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    assert_eq!(error_of(&sources), None);
    std::fs::remove_file(&file).unwrap();
    until("it is told", async || {
        error_of(&sources).is_some_and(|error| error.ends_with("is empty and was not"))
    })
    .await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    std::fs::write(&file, "a: two\n").unwrap();
    until_value(&sources, None, "two").await;
    assert_eq!(error_of(&sources), None);
    sources.end().await;
    // Who starts with an empty one has nothing else.
    std::fs::remove_file(&file).unwrap();
    let sources = folder(locations.to_vec(), Limits::default());
    assert_eq!(value(&sources, None).await.as_deref(), Ok(""));
    assert_eq!(error_of(&sources), None);
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_grows_too_large_is_served_on() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("app.yml"), "a: one\n").unwrap();
    let limits = Limits {
        files_max: 2,
        ..Limits::default()
    };
    let sources = folder(vec![here.path().display().to_string()], limits);
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    for name in ["b.yml", "c.yml", "d.yml"] {
        std::fs::write(here.path().join(name), "a: two\n").unwrap();
    }
    std::fs::write(here.path().join("app.yml"), "a: two\n").unwrap();
    until("it is told", async || error_of(&sources).is_some()).await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_beside_the_working_one_is_found() {
    let here = tempfile::tempdir().unwrap();
    std::fs::create_dir(here.path().join("inner")).unwrap();
    std::fs::write(here.path().join("app.yml"), "a: above\n").unwrap();
    let location = format!("{}/inner/..", here.path().display());
    let sources = folder(vec![location], Limits::default());
    assert_eq!(value(&sources, None).await.as_deref(), Ok("above"));
    sources.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_never_was_is_none_while_there_is_another() {
    let above = tempfile::tempdir().unwrap();
    let at = |name: &str| above.path().join(name).display().to_string();
    let optional = |name: &str| format!("optional:file:{}", at(name));
    std::fs::create_dir(at("here")).unwrap();
    std::fs::write(format!("{}/app.yml", at("here")), "a: one\n").unwrap();
    let is_whole = |sources: &Sources| match &sources.standings()[..] {
        [Standing::Native(folder)] => folder.is_whole(),
        other => panic!("{other:?}"),
    };
    for (locations, expected) in [
        (vec![at("here"), at("never")], true),
        (vec![at("never"), optional("here")], true),
        (vec![optional("never")], true),
        (vec![at("never"), optional("nor")], false),
    ] {
        let what = format!("{locations:?}");
        let has_files = what.contains("here");
        let sources = folder(locations, Limits::default());
        assert_eq!(is_whole(&sources), expected, "{what}");
        assert_eq!(error_of(&sources).is_none(), expected, "{what}");
        let found = value(&sources, None).await.unwrap();
        assert_eq!(found == "one", has_files, "{what}");
        sources.end().await;
    }
    // One that may be missing and was there is missed.
    let sources = folder(vec![optional("here")], Limits::default());
    std::fs::rename(at("here"), at("away")).unwrap();
    until("the outage is told", async || error_of(&sources).is_some()).await;
    assert_eq!(value(&sources, None).await.as_deref(), Ok("one"));
    sources.end().await;
}

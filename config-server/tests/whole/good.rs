//! Which commits and folders are good enough to be served: what was broken already holds nothing
//! back, what is newly broken does, and what is out of reach is no reason to serve nothing.

use crate::repository::Work;
use crate::sources::{broken_of, config, start, until, until_value, value};
use speargun_config_server::source::sources::{Sources, Standing};

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

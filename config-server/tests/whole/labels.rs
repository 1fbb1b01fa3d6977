//! Which label is served when none is asked for, or one that is called otherwise, as Spring's
//! server has it.

use crate::repository::Work;
use crate::sources::{config, request, start, until_value, value};
use speargun_config_server::source::SourceError;
use speargun_config_server::source::config::{Backend, GitConfig, NativeConfig};
use speargun_config_server::source::sources::{Answering, Sources};

/// A repository that has no branch but `master`.
fn old() -> Work {
    let work = Work::new(&[("app.yml", "a: old\n"), ("of-main/app.yml", "a: of main\n")]);
    work.git(&["push", "--quiet", "origin", "main:master"]);
    // Git lets nobody delete by pushing what is checked out.
    std::fs::remove_file(format!("{}/refs/heads/main", work.origin())).unwrap();
    work
}

#[tokio::test(flavor = "multi_thread")]
async fn master_stands_in_for_main_also_when_that_is_asked_for() {
    let work = old();
    let base = tempfile::tempdir().unwrap();
    let all = start(config(&work.origin()), &base);
    for label in [None, Some("main"), Some("master")] {
        assert_eq!(value(&all, label).await.as_deref(), Ok("old"), "{label:?}");
    }
    assert_eq!(value(&all, Some("no")).await, no_label("no"));
    all.end().await;
    // The paths have the label that was asked for, or the default one.
    let all = start(
        GitConfig {
            search_paths: vec!["of-{label}".to_owned()],
            ..config(&work.origin())
        },
        &base,
    );
    assert_eq!(value(&all, None).await.as_deref(), Ok("of main"));
    all.end().await;
    let strict = GitConfig {
        try_master: false,
        ..config(&work.origin())
    };
    let all = start(strict, &base);
    assert_eq!(value(&all, Some("main")).await, no_label("main"));
    all.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn master_stands_in_for_no_other_default() {
    let work = old();
    let base = tempfile::tempdir().unwrap();
    let named = |default_label: &str| GitConfig {
        default_label: default_label.to_owned(),
        ..config(&work.origin())
    };
    let all = start(named("config"), &base);
    assert_eq!(value(&all, None).await, no_label("config"));
    // Whoever asks the repository of all for main gets what there is.
    assert_eq!(value(&all, Some("main")).await.as_deref(), Ok("old"));
    all.end().await;
    work.git(&["push", "--quiet", "origin", "main:main"]);
    work.commit("app.yml", "a: new\n");
    work.push();
    let all = start(named("main"), &base);
    until_value(&all, Some("main"), "new").await;
    all.end().await;
}

fn no_label(label: &str) -> Result<String, SourceError> {
    Err(SourceError::NoLabel(label.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_have_a_default_label_too() {
    let here = tempfile::tempdir().unwrap();
    for (folder, text) in [("", "none"), ("master", "master"), ("v1", "v1")] {
        let folder = here.path().join("files").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("app.yml"), format!("a: {text}\n")).unwrap();
    }
    let place = here.path().display();
    let folder = |config: NativeConfig| {
        let backends = vec![Backend::Native(config)];
        let answering = Answering::default();
        Sources::start(backends, <_>::default(), answering, here.path().to_owned())
    };
    let at = |location: String| NativeConfig {
        search_locations: vec![location],
        ..NativeConfig::default()
    };
    let files = || at(format!("{place}/files"));
    let named = |label: &str| NativeConfig {
        default_label: label.to_owned(),
        ..files()
    };
    let without = NativeConfig {
        label_locations: false,
        ..files()
    };
    let none = Some("files");
    for (config, label, expected) in [
        (files(), None, "master"),
        (files(), Some("v1"), "v1"),
        (named("v1"), None, "v1"),
        (named("v2"), None, "none"),
        (without, None, "none"),
        (at(format!("{place}/files/{{label}}")), None, "master"),
        // Where there are placeholders the label is no folder within.
        (at(format!("{place}/{{label}}")), none, "none"),
        (at(format!("{place}/file?")), Some("v1"), "v1"),
    ] {
        let what = format!("{config:?} {label:?}");
        let all = folder(config);
        let environment = all.environment(&request(label)).await.unwrap();
        let found = environment.get("a").map(|entry| entry.value.to_string());
        assert_eq!(found.as_deref(), Some(expected), "{what}");
        assert_eq!(environment.label.as_deref(), label);
        all.end().await;
    }
    let twice = here.path().join("files/v1/v1");
    std::fs::create_dir(&twice).unwrap();
    std::fs::write(twice.join("app.yml"), "a: twice\n").unwrap();
    let all = folder(at(format!("{place}/files/{{label}}")));
    assert_eq!(value(&all, Some("v1")).await.as_deref(), Ok("v1"));
    all.end().await;
}

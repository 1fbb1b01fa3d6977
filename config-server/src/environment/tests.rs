//! Against answers that Spring's server gave for the same files.

use std::path::Path;
use std::sync::Arc;

use super::assemble::{self, Request};
use super::json::{self, Version};
use super::merged::Merged;
use super::*;
use crate::cipher::{Cipher, Key, Symmetric};
use crate::snapshot::{Reading, Snapshot};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recorded")
}

fn snapshot(changes: &[(&str, &str)]) -> Snapshot {
    let key = Key::Symmetric(Symmetric::new("s3cret-key", "deadbeef"));
    let reading = Arc::new(Reading {
        cipher: Arc::new(Cipher::new(Some(key))),
        ..Reading::default()
    });
    let mut files = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder().join("files")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            let file = Arc::new(File::new(&name, bytes.into(), &reading));
            files.insert(name.into(), file);
        }
    }
    for (name, text) in changes {
        let file = File::new(name, text.as_bytes().to_vec().into(), &reading);
        files.insert((*name).into(), Arc::new(file));
    }
    Snapshot::new(None, files)
}

/// An exchange of the recordings: path, media type wanted, status and body.
struct Exchange {
    path: String,
    accepts_v2: bool,
    status: String,
    body: String,
}

fn exchanges(file: &str) -> Vec<Exchange> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let parts = text.split("# config\n").skip(1);
    let exchange = |part: &str| {
        let request: Vec<&str> = part
            .lines()
            .filter_map(|line| line.strip_prefix("> "))
            .collect();
        let answer: Vec<&str> = part
            .lines()
            .filter_map(|line| line.strip_prefix("< ").or_else(|| line.strip_prefix('<')))
            .collect();
        let blank = answer.iter().position(|line| line.is_empty());
        let body = blank.map_or(&[][..], |at| &answer[at + 1..]);
        Exchange {
            path: request[0].split(' ').nth(1).unwrap().to_owned(),
            accepts_v2: request.iter().any(|line| line.contains("v2+json")),
            status: answer[0].to_owned(),
            body: body.join("\n"),
        }
    };
    parts.map(exchange).collect()
}

/// Spring names a document of several by what it logs; ours has the file's name at its end.
fn with_our_names(text: &str) -> String {
    let mut out = text.replace("Config resource 'file [/clone/", "").replace(
        "Config resource 'file [/repo/config-tree/",
        "file:/repo/config-tree/",
    );
    for odd in [
        "' via location ''",
        "]' via location 'file:/repo/config-tree/'",
    ] {
        out = out.replace(odd, "");
    }
    out
}

fn environment_of(snapshot: &Snapshot, request: &Request, base: &str) -> Environment {
    let name = |path: &str| format!("{base}{path}");
    let sources = assemble::collect(snapshot, request, &[String::new()], name).unwrap();
    Environment {
        name: request.application.clone(),
        profiles: request.profiles.clone(),
        label: request.label.clone(),
        sources,
        ..Environment::default()
    }
}

fn request(path: &str) -> Request {
    let parts: Vec<&str> = path.split('/').collect();
    Request {
        application: parts[1].to_owned(),
        profiles: parts[2].to_owned(),
        label: parts.get(3).map(|label| label.replace("(_)", "/")),
    }
}

/// Compares up to the version, which is that of a repository that is no more.
fn without_version(text: &str) -> String {
    let (before, rest) = text.split_once("\"version\":").unwrap();
    let (_, after) = rest.split_once(",\"propertySources\"").unwrap();
    format!("{before}{after}")
}

#[test]
fn environments_are_those_of_spring() {
    let mut compared = 0;
    let earlier = [("service-1-dev.yml", "foo: one\nonly:\n  dev: dev value\n")];
    let branch = [earlier[0], ("service-1.yml", "foo: from feature/x\n")];
    for file in [
        "2025/01-app-start-service-1.txt",
        "2025/02-app-start-service-2-with-a-label-two-profiles-compact.txt",
        "2025/03-refresh.txt",
        "2025/04-config-environments.txt",
        "2025/10-config-native.txt",
        "hoxton/03-refresh.txt",
    ] {
        let is_environment =
            |exchange: &&Exchange| exchange.status == "200" && !exchange.path.contains('.');
        for exchange in exchanges(file).iter().filter(is_environment) {
            let request = request(&exchange.path);
            let at_start = file.contains("start") || exchange.path.ends_with("/v1");
            let changes = match &request.label {
                Some(label) if label == "feature/x" => &branch[..],
                _ if at_start => &earlier[..],
                _ => &[],
            };
            let native = file.contains("native");
            let base = if native {
                "file:/repo/config-tree/"
            } else {
                "/repo/config.git/"
            };
            let environment = environment_of(&snapshot(changes), &request, base);
            let version = if exchange.accepts_v2 {
                Version::V2
            } else {
                Version::V1
            };
            let ours = json::environment(&environment, version);
            // The client of Hoxton was recorded at a server that keeps an empty list.
            let theirs = exchange.body.replace("\"value\":[]", "\"value\":\"\"");
            let theirs = with_our_names(&theirs);
            assert_eq!(
                without_version(&ours),
                without_version(&theirs),
                "{}",
                exchange.path
            );
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared} compared");
}

#[test]
fn merged_documents_are_those_of_spring() {
    let mut compared = 0;
    for exchange in exchanges("2025/05-config-documents.txt") {
        let (path, query) = exchange
            .path
            .split_once('?')
            .unwrap_or((&exchange.path, ""));
        let (label, file) = path
            .trim_start_matches('/')
            .rsplit_once('/')
            .unwrap_or(("", path));
        if exchange.status != "200" || label == "feature(_)x" {
            continue;
        }
        let (stem, ending) = file.trim_start_matches('/').rsplit_once('.').unwrap();
        let (application, profiles) = match stem.rsplit_once('-') {
            Some((application, profiles)) if profiles != "1" => (application, profiles),
            _ => (stem, ""),
        };
        let request = Request {
            application: application.to_owned(),
            profiles: profiles.to_owned(),
            label: None,
        };
        let environment = environment_of(&snapshot(&[]), &request, "");
        let merged = Merged::of(&environment);
        let merged = if query.contains("false") {
            merged
        } else {
            merged.resolved(&environment).unwrap()
        };
        let ours = match ending {
            "json" => merged.to_json(),
            "properties" => merged.to_properties(),
            _ => merged.to_yaml(),
        };
        assert_eq!(
            ours.trim_end(),
            exchange.body.trim_end(),
            "{}",
            exchange.path
        );
        compared += 1;
    }
    assert!(compared >= 8, "{compared} compared");
}

#[test]
fn keys_of_the_answer_stand_as_in_spring_s_class() {
    let golden = include_str!("../../testdata/environment-json.txt");
    let reading = Arc::new(Reading::default());
    let text = "server.port: 8080\nfeature.on: true\nratio: 0.5\nname: x\n";
    let path = "foo-dev.yml";
    let file = Arc::new(File::new(path, text.as_bytes().into(), &reading));
    file.documents().unwrap();
    let source = Source::of_file(format!("https://git/x/{path}"), path.to_owned(), (file, 0));
    let environment = Environment {
        name: "foo".to_owned(),
        profiles: "dev,cloud".to_owned(),
        version: Some("0123abcd".to_owned()),
        sources: vec![source],
        ..Environment::default()
    };
    let ours = json::environment(&environment, Version::V1);
    assert_eq!(Some(&*ours), golden.lines().next());
}

#[test]
fn overrides_have_an_origin_of_their_own() {
    let entry = Entry {
        key: "a".into(),
        value: crate::value::Value::text("1"),
        place: crate::document::Place::default(),
        secrecy: Secrecy::Open,
    };
    let document = Document {
        entries: vec![entry],
        ..Document::default()
    };
    let environment = Environment {
        sources: vec![Source::fixed("overrides", Arc::new(document))],
        ..Environment::default()
    };
    let told = json::environment(&environment, Version::V2);
    let expected =
        r#"{"name":"overrides","source":{"a":{"value":"1","origin":"Config server overrides"}}}"#;
    assert!(told.contains(expected), "{told}");
    let told = json::environment(&environment, Version::V1);
    assert!(told.contains(r#""source":{"a":"1"}"#), "{told}");
}

#[test]
fn the_last_profile_and_the_last_location_win() {
    let reading = Arc::new(Reading::default());
    let paths = [
        "foo.yml",
        "foo-dev.yml",
        "foo-cloud.yml",
        "application.yml",
        "application-dev.yml",
        "application-cloud.yml",
        "sub/foo.yml",
        "sub/foo-dev.yml",
        "foo.yaml",
        "foo.properties",
        "bar.yml",
    ];
    let files = paths.map(|path| {
        let file = File::new(path, "a: 1".as_bytes().into(), &reading);
        (path.into(), Arc::new(file))
    });
    let snapshot = Snapshot::new(None, files.into());
    let request = Request {
        application: "foo,bar".to_owned(),
        profiles: "dev,cloud".to_owned(),
        label: None,
    };
    let locations = [String::new(), "sub/".to_owned()];
    let sources = assemble::collect(&snapshot, &request, &locations, str::to_owned).unwrap();
    let names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
    assert_eq!(
        names,
        [
            "foo-cloud.yml",
            "application-cloud.yml",
            "sub/foo-dev.yml",
            "foo-dev.yml",
            "application-dev.yml",
            "sub/foo.yml",
            "bar.yml",
            "foo.properties",
            "foo.yml",
            "foo.yaml",
            "application.yml",
        ]
    );
}

#[test]
fn lists_are_replaced_whole_and_nest() {
    let merged = |texts: &[&str]| {
        let reading = Arc::new(Reading::default());
        let sources = texts.iter().map(|text| {
            let file = Arc::new(File::new(
                "a.yml",
                text.as_bytes().to_vec().into(),
                &reading,
            ));
            assert!(file.documents().unwrap().len() == 1);
            Source::of_file("a.yml".to_owned(), "a.yml".to_owned(), (file, 0))
        });
        let environment = Environment {
            sources: sources.collect(),
            ..Environment::default()
        };
        Merged::of(&environment).to_json()
    };
    assert_eq!(
        merged(&["l: [1]\nz: 1", "l: [2, 3]\nb: 2"]),
        r#"{"b":2,"z":1,"l":[1]}"#
    );
    assert_eq!(
        merged(&["l: [{a: 1, b: [x]}, [2]]"]),
        r#"{"l":[{"a":1,"b":["x"]},[2]]}"#
    );
    assert_eq!(
        merged(&["a: {1: x, '[k/l]': y}"]),
        r#"{"a":[null,"x"],"a[k/l]":"y"}"#
    );
    assert_eq!(merged(&["l: [{}, {a: []}]"]), r#"{"l":[null,{"a":""}]}"#);
    assert_eq!(merged(&["'': x\na: 1"]), r#"{"":"x","a":1}"#);
    assert_eq!(merged(&["spring.profiles: x\na: 1"]), r#"{"a":1}"#);
    assert_eq!(merged(&["a: 1\na.b: 2"]), r#"{"a":1,"a.b":2}"#);
}

#[test]
fn what_begins_like_everybody_s_name_gets_its_own_files_alone() {
    let snapshot = snapshot(&[
        ("application.yml", "a: 1\n"),
        ("application-gateway.yml", "a: 2\n"),
        ("applications.yml", "a: 3\n"),
        ("foo.yml", "a: 4\n"),
    ]);
    for (application, expected) in [
        ("application-gateway", &["application-gateway.yml"][..]),
        ("applications", &["applications.yml"]),
        ("application", &["application.yml"]),
        ("applications,foo", &["foo.yml", "applications.yml"]),
        (
            "foo,applications",
            &["applications.yml", "foo.yml", "application.yml"],
        ),
        ("application,foo", &["foo.yml", "application.yml"]),
    ] {
        let request = request(&format!("/{application}/default"));
        let environment = environment_of(&snapshot, &request, "");
        let names = environment.sources.iter().map(|source| &*source.name);
        assert_eq!(names.collect::<Vec<_>>(), expected, "{application}");
    }
}

fn environment_with(name: &str, text: &str) -> Environment {
    let snapshot = snapshot(&[(name, text), ("application.yml", "shared: 1\n")]);
    environment_of(&snapshot, &request("/app/default"), "")
}

fn merged_of(name: &str, text: &str) -> Merged {
    Merged::of(&environment_with(name, text))
}

fn resolved_of(name: &str, text: &str) -> Merged {
    let environment = environment_with(name, text);
    Merged::of(&environment).resolved(&environment).unwrap()
}

#[test]
fn placeholders_are_resolved_against_all_sources() {
    let snapshot = snapshot(&[
        ("app-dev.yml", "l: [x]\n"),
        ("application-dev.yml", ""),
        (
            "app.yml",
            "l: [y, z]\nl0: '${l[0]}'\nl1: '${l[1]}'\np: ${spring.profiles:none}\n",
        ),
        ("application.yml", "spring.profiles: dev\n"),
    ]);
    let environment = environment_of(&snapshot, &request("/app/dev"), "");
    let merged = Merged::of(&environment).resolved(&environment).unwrap();
    let expected = r#"{"l0":"x","l1":"z","p":"dev","l":["x"]}"#;
    assert_eq!(merged.to_json(), expected);
}

#[test]
fn elements_that_were_encrypted_stay_in_their_list() {
    let key = Key::Symmetric(Symmetric::new("s3cret-key", "deadbeef"));
    let hidden = Cipher::new(Some(key)).encrypt("hush").unwrap();
    let text = format!("a: ['{{cipher}}{hidden}', plain, third]\n");
    assert_eq!(
        merged_of("app.yml", &text).to_json(),
        r#"{"shared":1,"a":["hush","plain","third"]}"#
    );
    let gaps = "a[0]=x\na[2]=z\nb[1]=y\nb[0]=x\n";
    let merged = merged_of("app.properties", gaps);
    assert_eq!(
        merged.to_json(),
        r#"{"shared":1,"a":["x",null,"z"],"b":["x","y"]}"#
    );
    let yaml = "shared: 1\na:\n- x\n- null\n- z\nb:\n- x\n- y\n";
    assert_eq!(merged.to_yaml(), yaml);
}

#[test]
fn empty_keys_take_nothing_away() {
    let merged = merged_of("app.properties", "a=1\n=\n: x\nz=2\n");
    assert_eq!(merged.to_json(), r#"{"shared":1,"a":"1","z":"2"}"#);
    let merged = merged_of("app.yml", "a: 1\n'': x\n");
    assert_eq!(merged.to_json(), r#"{"shared":1,"a":1,"":"x"}"#);
}

#[test]
fn documents_that_are_no_mappings_are_themselves_in_yaml_alone() {
    let snapshot = snapshot(&[("foo.yml", "- x\n- y\n"), ("application.yml", "")]);
    let environment = environment_of(&snapshot, &request("/foo/default"), "");
    let merged = Merged::of(&environment);
    assert_eq!(merged.to_yaml(), "- x\n- y\n");
    assert_eq!(merged.to_json(), r#"{"document":["x","y"]}"#);
}

#[test]
fn resolved_texts_are_quoted_in_yaml_only_where_they_were() {
    let text = "port: 8080\nup: true\np1: ${port}\np2: ${up}\np3: 'x: ${port}'\nt: '8080'\n\
                risky: '${no:a # b}'\nodd: ${odder}\nodder: 'a: b'\n";
    let merged = resolved_of("app.yml", text);
    let yaml = "shared: 1\nport: 8080\nup: true\np1: 8080\np2: true\np3: 'x: 8080'\n\
                t: '8080'\nrisky: 'a # b'\nodd: 'a: b'\nodder: 'a: b'\n";
    assert_eq!(merged.to_yaml(), yaml);
    assert!(merged.to_json().contains(r#""p1":"8080""#));
}

#[test]
fn what_was_encrypted_comes_behind_the_rest() {
    let key = Key::Symmetric(Symmetric::new("s3cret-key", "deadbeef"));
    let hidden = Cipher::new(Some(key)).encrypt("open sesame").unwrap();
    let text = format!("word: '{{cipher}}{hidden}'\nbad: '{{cipher}}00'\ntitle: shared\n");
    let snapshot = snapshot(&[("app.yml", &text)]);
    let environment = environment_of(&snapshot, &request("/app/default"), "");
    let told = json::environment(&environment, Version::V1);
    let expected = r#"{"title":"shared","word":"open sesame","invalid.bad":"<n/a>"}"#;
    assert!(told.contains(expected), "{told}");
}

#[test]
fn names_with_a_colon_stay_whole() {
    let text = "'c: x': 1\n'c: ': 2\n'c:': 3\nd: 'c: x'\n'c: y': {z: 2}\n': c': 4\n'c :d': 5\n\
                c:d: 6\nf: c:\\x\n'c: #x': 7\nl: ['c: x', 'c: ', {'c: z': 1}]\n";
    let merged = merged_of("app.yml", text);
    let yaml = "shared: 1\n'c: x': 1\n'c: ': 2\n'c:': 3\nd: 'c: x'\n'c: y':\n  z: 2\n': c': 4\n\
                c :d: 5\nc:d: 6\nf: c:\\x\n'c: #x': 7\nl:\n- 'c: x'\n- 'c: '\n- 'c: z': 1\n";
    assert_eq!(merged.to_yaml(), yaml);
    let json = r#"{"shared":1,"c: x":1,"c: ":2,"c:":3,"d":"c: x","c: y":{"z":2},": c":4,"c :d":5,"#;
    assert!(merged.to_json().starts_with(json), "{}", merged.to_json());
    assert!(
        merged
            .to_properties()
            .contains("\nc: x: 1\nc: : 2\nc:: 3\nd: c: x\nc: y.z: 2\n")
    );
    let snapshot = snapshot(&[("app.yml", text)]);
    let environment = environment_of(&snapshot, &request("/app/default"), "c: ");
    let told = json::environment(&environment, Version::V2);
    let origin = r#""c: x":{"value":1,"origin":"1:9"}"#;
    assert!(told.contains(origin), "{told}");
}

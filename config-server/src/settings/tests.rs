//! Settings in the files that people have.

use super::*;
use crate::source::config::{GitConfig, NativeConfig};

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingError> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::read(&Sources {
        flags: Vec::new(),
        environment: environment.iter().map(pair).collect(),
        file: Some(("application.yml".to_owned(), file.as_bytes().to_vec())),
    })
}

fn git(settings: &Settings) -> (&GitConfig, &[GitConfig]) {
    match &settings.backends[0] {
        Backend::Git { default, others } => (default, others),
        Backend::Native(_) => panic!("no git"),
    }
}

#[test]
fn the_file_of_spring_s_documentation() {
    let settings = read(
        "
server: {port: 8889}
spring:
  application: {name: configserver}
  cloud:
    config:
      server:
        prefix: /config
        overrides: {foo: bar, a.b: '\\${x}'}
        git:
          uri: https://example.org/default
          searchPaths: '{application}, shared'
          defaultLabel: trunk
          timeout: 10
          refreshRate: 0
          username: me
          password: ${GIT_PASSWORD:none}
          cloneOnStart: true
          repos:
            simple: https://example.org/simple
            special:
              pattern: special*/dev*,*special*/dev*
              uri: https://example.org/special
            local:
              pattern: [local*, other]
              uri: file:/x
",
        &[
            ("GIT_PASSWORD", "secret"),
            ("ENCRYPT_KEY", "k"),
            ("HOME", "/x"),
        ],
    )
    .unwrap();
    assert_eq!((settings.port, &*settings.prefix), (8889, "/config"));
    let overrides = settings.overrides.clone().unwrap();
    let overrides: Vec<String> = overrides
        .entries
        .iter()
        .map(|entry| format!("{}={}", entry.key, entry.value))
        .collect();
    assert_eq!(overrides, ["foo=bar", "a.b=${x}"]);
    let (default, others) = git(&settings);
    assert_eq!(default.uri, "https://example.org/default");
    assert_eq!(default.search_paths, ["{application}", "shared"]);
    assert_eq!(default.default_label, "trunk");
    assert_eq!(default.timeout, Duration::from_secs(10));
    assert_eq!(default.refresh, Some(Duration::from_secs(1)));
    assert_eq!(
        (&*default.access.user, &*default.access.password),
        ("me", "secret")
    );
    let names: Vec<(&str, &str)> = others.iter().map(|one| (&*one.name, &*one.uri)).collect();
    assert_eq!(
        names,
        [
            ("simple", "https://example.org/simple"),
            ("special", "https://example.org/special"),
            ("local", "file:/x")
        ]
    );
    assert_eq!(others[1].patterns, ["special*/dev*", "*special*/dev*"]);
    assert_eq!(others[2].patterns, ["local*", "other"]);
    assert_eq!(others[2].default_label, "main");
    assert_eq!(settings.key.map(|key| key.text).as_deref(), Some("k"));
    assert_eq!(
        settings.registration.metadata,
        [("configPath".to_owned(), "/config".to_owned())]
    );
}

#[test]
fn variables_are_stronger_than_the_file() {
    let settings = read(
        "spring.cloud.config.server.git.uri: /a\nserver.port: 1",
        &[
            ("SPRING_CLOUD_CONFIG_SERVER_GIT_URI", "/b"),
            ("SPRING_CLOUD_CONFIG_SERVER_GIT_DEFAULTLABEL", "x"),
            ("SERVER_PORT", "2"),
            ("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", "http://h/eureka"),
        ],
    )
    .unwrap();
    assert_eq!(git(&settings).0.uri, "/b");
    assert_eq!(git(&settings).0.default_label, "x");
    assert_eq!(settings.port, 2);
    assert_eq!(settings.registration.registries, ["http://h/eureka"]);
}

#[test]
fn variables_have_hyphens_as_underscores_too() {
    let git = "SPRING_CLOUD_CONFIG_SERVER_GIT";
    let of_git = |name: &str| format!("{git}_{name}");
    let names = [
        ("DEFAULT_LABEL", "rel"),
        ("PRIVATE_KEY", "pem"),
        ("SEARCH_PATHS", "one,two"),
        ("REFRESH_RATE", "7"),
        ("SKIP_SSL_VALIDATION", "true"),
        ("REPOS_X_URI", "/x"),
        ("REPOS_X_PATTERN", "x*"),
        ("REPOS_MY_REPO_DEFAULT_LABEL", "mine"),
        ("CLONE_ON_START", "true"),
    ];
    let mut variables: Vec<(String, &str)> = names
        .map(|(name, value)| (of_git(name), value))
        .into_iter()
        .collect();
    for (name, value) in [("ACCEPT_EMPTY", "false"), ("OVERRIDES_FOO_BAR", "x")] {
        variables.push((format!("SPRING_CLOUD_CONFIG_SERVER_{name}"), value));
    }
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    let file = "spring.cloud.config.server:\n  overrides: {a: b}\n  git:\n    uri: /a\n    \
                repos: {my-repo: {uri: /m}}\n";
    let settings = read(file, &variables).unwrap();
    let (default, others) = self::git(&settings);
    assert_eq!(default.default_label, "rel");
    assert_eq!(default.access.private_key, "pem");
    assert_eq!(default.search_paths, ["one", "two"]);
    assert_eq!(default.refresh, Some(Duration::from_secs(7)));
    assert!(default.access.any_certificate && !settings.accept_empty);
    let others: Vec<(&str, &str, &str)> = others
        .iter()
        .map(|one| (&*one.name, &*one.uri, &*one.default_label))
        .collect();
    assert_eq!(others, [("my-repo", "/m", "mine"), ("x", "/x", "main")]);
    let overrides = settings.overrides.unwrap();
    let keys: Vec<&str> = overrides.entries.iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["a", "foo.bar"]);
    let note = format!("{git}_CLONE_ON_START has no effect here");
    assert_eq!(settings.notes, [note]);
}

#[test]
fn unknown_variables_stop_the_start_whatever_their_last_word() {
    for name in [
        "GIT_DEFAULTLABELS",
        "GIT_LABEL",
        "GIT_SOME_KEY",
        "REPOS_X_FOO",
    ] {
        let name = format!("SPRING_CLOUD_CONFIG_SERVER_{name}");
        let unknown = read("spring.cloud.config.server.git.uri: /a\n", &[(&name, "x")]);
        assert_eq!(unknown.unwrap_err(), SettingError::Unknown(name));
    }
}

#[test]
fn flags_are_stronger_than_variables_in_any_spelling() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = Settings::read(&Sources {
        flags: vec![
            pair("spring.cloud.config.server.git.uri", "/a"),
            pair("spring.cloud.config.server.git.defaultLabel", "flag"),
        ],
        environment: vec![pair(
            "SPRING_CLOUD_CONFIG_SERVER_GIT_DEFAULT_LABEL",
            "variable",
        )],
        file: None,
    });
    assert_eq!(git(&settings.unwrap()).0.default_label, "flag");
}

#[test]
fn secrets_that_are_empty_stop_the_start() {
    let uri = "spring.cloud.config.server.git.uri: /a\n";
    for (line, name) in [
        (
            "spring.security.user.password: ${PW:}",
            "spring.security.user.password",
        ),
        (
            "spring.security.user.password: ' '",
            "spring.security.user.password",
        ),
        (
            "speargun.config.tokens: ['${TOK:}', good]",
            "speargun.config.tokens",
        ),
        ("speargun.config.tokens: ${TOK:}", "speargun.config.tokens"),
        (
            "speargun.config.webhooks.github.secret: ${S:}",
            "speargun.config.webhooks.github.secret",
        ),
    ] {
        let error = read(&format!("{uri}{line}\n"), &[]).unwrap_err();
        assert_eq!(error, SettingError::Empty(name.to_owned()), "{line}");
    }
    for (variable, name) in [
        (
            "SPRING_SECURITY_USER_PASSWORD",
            "spring.security.user.password",
        ),
        ("SPEARGUN_CONFIG_TOKENS", "speargun.config.tokens"),
    ] {
        let error = read(uri, &[(variable, "")]).unwrap_err();
        assert_eq!(error, SettingError::Empty(name.to_owned()));
    }
    assert!(!read(uri, &[]).unwrap().auth.is_set());
}

#[test]
fn a_file_in_place_of_a_secret_is_refused_and_not_called_empty() {
    let uri = "spring.cloud.config.server.git.uri: /a\n";
    for name in ["SPRING_SECURITY_USER_PASSWORD", "SPEARGUN_CONFIG_TOKENS"] {
        let file = format!("{name}_FILE");
        let error = read(uri, &[(&file, "/run/secrets/x")]).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with(&format!("{file}: no file is read")),
            "{told}"
        );
        // Whoever gives both has a secret.
        let both = read(uri, &[(name, "x"), (&file, "/run/secrets/x")]);
        if name.starts_with("SPRING") {
            assert!(both.unwrap().auth.is_set());
        }
    }
}

#[test]
fn where_kubernetes_says_that_services_are_is_no_setting() {
    let uri = "spring.cloud.config.server.git.uri: /a\n\
               eureka.client.service-url.defaultZone: http://${SHOP_SERVICE_HOST:none}/eureka\n";
    let links = [
        ("SPEARGUN_CONFIG_SERVER_PORT", "tcp://10.0.0.1:8888"),
        (
            "SPEARGUN_CONFIG_SERVER_PORT_8888_TCP",
            "tcp://10.0.0.1:8888",
        ),
        ("SPEARGUN_CONFIG_SERVER_PORT_8888_TCP_ADDR", "10.0.0.1"),
        ("SPEARGUN_CONFIG_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("SPEARGUN_CONFIG_SERVER_SERVICE_PORT_HTTP", "8888"),
        ("SPRING_CLOUD_CONFIG_SERVER_PORT", "tcp://10.0.0.1:8888"),
        ("SERVER_PORT", "tcp://10.0.0.2:80"),
        ("SHOP_SERVICE_HOST", "10.0.0.3"),
    ];
    let mut given = links.to_vec();
    given.push((
        "SPRING_CLOUD_CONFIG_SERVER_OVERRIDES_SHOP_SERVICE_HOST",
        "h",
    ));
    let settings = read(uri, &given).unwrap();
    assert_eq!(settings.port, 8888);
    let registries = &settings.registration.registries;
    assert_eq!(*registries, ["http://10.0.0.3/eureka"]);
    let [note] = &*settings.notes else {
        panic!("{:?}", settings.notes);
    };
    for (name, _) in &links[..7] {
        assert!(note.contains(name), "{name}: {note}");
    }
    assert!(!note.contains("SHOP"), "{note}");
    let overrides = settings.overrides.unwrap();
    assert_eq!(&*overrides.entries[0].key, "shop.service.host");
    // A port of one's own still counts, and a name that only begins so is still unknown.
    assert_eq!(read(uri, &[("SERVER_PORT", "81")]).unwrap().port, 81);
    assert!(read(uri, &[("SPEARGUN_CONFIG_SERVER_PORT", "8888")]).is_err());
}

#[test]
fn several_sources_have_an_order() {
    let settings = read(
        "
spring:
  profiles.active: composite
  cloud.config.server.composite:
    - {type: native, searchLocations: 'file:/etc/config', order: 2}
    - {type: git, uri: https://example.org/x, order: 1}
",
        &[],
    )
    .unwrap();
    assert_eq!(git(&settings).0.uri, "https://example.org/x");
    let native = NativeConfig {
        search_locations: vec!["file:/etc/config".to_owned()],
        ..NativeConfig::default()
    };
    assert_eq!(settings.backends[1], Backend::Native(native));
}

#[test]
fn unknown_and_wrong_settings_stop_the_start() {
    let uri = "spring.cloud.config.server.git.uri: /a\n";
    let wrong = |more: &str| read(&format!("{uri}{more}"), &[]).unwrap_err().to_string();
    assert!(wrong("spring.cloud.config.server.git.urii: x").contains("git.urii"));
    assert!(wrong("speargun.config.nothing: x").contains("speargun.config.nothing"));
    assert!(wrong("server.port: x").contains("server.port is \"x\""));
    assert!(wrong("encrypt.key-store.location: x.jks").contains("PEM"));
    assert!(wrong("a: 1\na: 2").contains("line 3"));
    assert!(
        read("server.port: 1", &[])
            .unwrap_err()
            .to_string()
            .contains("--git")
    );
    let notes = read(&format!("{uri}management.x: 1"), &[]).unwrap().notes;
    assert_eq!(notes, ["management.x has no effect here"]);
    let proxy = format!("{uri}spring.cloud.config.server.git.proxy.https.host: h");
    let notes = read(&proxy, &[]).unwrap().notes;
    assert!(notes[0].contains("HTTPS_PROXY"), "{notes:?}");
    let unknown = read(uri, &[("SPEARGUN_CONFIG_NOTHING", "1")]);
    assert_eq!(
        unknown.unwrap_err(),
        SettingError::Unknown("SPEARGUN_CONFIG_NOTHING".to_owned())
    );
}

#[test]
fn a_user_without_a_password_lets_nobody_in() {
    let read = |line: &str| {
        let sources = Sources {
            file: Some(("config.yml".to_owned(), line.as_bytes().to_vec())),
            ..Sources::default()
        };
        Settings::read(&sources).map(|settings| settings.auth.users.len())
    };
    let native = "spring.cloud.config.server.native.search-locations: /c\n";
    let user = "spring.security.user.name: me\n";
    let error = read(&format!("{native}{user}")).unwrap_err().to_string();
    assert!(error.contains("spring.security.user.password"), "{error}");
    let tokens = "speargun.config.tokens: [t]\n";
    assert_eq!(read(&format!("{native}{user}{tokens}")), Ok(0));
    let password = "spring.security.user.password: p\n";
    assert_eq!(read(&format!("{native}{user}{password}")), Ok(1));
}

#[test]
fn other_servers_are_waited_for_as_long_as_they_may_take() {
    let refresh = |lines: &str| {
        let sources = Sources {
            file: Some(("config.yml".to_owned(), lines.as_bytes().to_vec())),
            ..Sources::default()
        };
        Settings::read(&sources).unwrap().refresh
    };
    let seconds = |rate: &str| {
        let rate = format!("refresh-rate: {rate}");
        let git = format!("spring.cloud.config.server.git: {{uri: /c, {rate}}}\n");
        refresh(&git).others_fetch_within.as_secs()
    };
    assert_eq!([seconds("20"), seconds("-1"), seconds("3600")], [20, 0, 60]);
    let composite = "spring.cloud.config.server.composite:\n\
                     - {type: git, uri: /c, refresh-rate: -1}\n\
                     - {type: git, uri: /d, refresh-rate: 7}\n\
                     - {type: native, search-locations: /e}\n\
                     spring.application.name: ours\n";
    let refresh = refresh(composite);
    assert_eq!(refresh.others_fetch_within.as_secs(), 7);
    assert_eq!(refresh.own_application, "ours");
}

#[test]
fn repositories_for_some_inherit_how_they_are_reached_and_no_more() {
    let file = "spring.cloud.config.server.git:\n  uri: /a\n  default-label: trunk\n  \
                try-master-branch: false\n  search-paths: x\n  timeout: 9\n  refresh-rate: 7\n  \
                username: me\n  password: mine\n  skip-ssl-validation: true\n  repos:\n    \
                plain: /b\n    token: {uri: /c, username: you, name: called}\n";
    let settings = read(file, &[]).unwrap();
    let (default, others) = git(&settings);
    assert!(!default.try_master && default.default_label == "trunk");
    for one in others {
        assert!(one.try_master && one.default_label == "main" && one.search_paths.is_empty());
        assert_eq!(
            (one.timeout, one.refresh),
            (default.timeout, default.refresh)
        );
        assert!(one.access.any_certificate);
    }
    let access = |at: usize| (&*others[at].access.user, &*others[at].access.password);
    assert_eq!([access(0), access(1)], [("me", "mine"), ("you", "")]);
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
}

#[test]
fn the_default_label_of_the_server_is_stronger_than_those_of_its_sources() {
    let file = "spring.cloud.config.server:\n  default-label: release\n  composite:\n  \
                - type: git\n    uri: /a\n    default-label: x\n    \
                repos: {b: {uri: /b, default-label: y}}\n  \
                - {type: native, search-locations: /c, default-label: z}\n";
    let label_of_folder = |settings: &Settings| match &settings.backends[1] {
        Backend::Native(native) => native.default_label.clone(),
        Backend::Git { .. } => panic!("no folder"),
    };
    let settings = read(file, &[]).unwrap();
    let (default, others) = git(&settings);
    let labels = (&*default.default_label, &*others[0].default_label);
    assert_eq!(labels, ("release", "y"));
    assert_eq!(label_of_folder(&settings), "release");
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
    let settings = read(&file.replace("default-label: release", "prefix: /"), &[]).unwrap();
    assert_eq!(git(&settings).0.default_label, "x");
    assert_eq!(label_of_folder(&settings), "z");
}

#[test]
fn folders_of_spring_may_be_missing_and_there_is_no_class_path() {
    let settings = read("spring.profiles.active: native\n", &[]).unwrap();
    let Backend::Native(native) = &settings.backends[0] else {
        panic!("{:?}", settings.backends);
    };
    let default = ["optional:file:./", "optional:file:./config/"];
    assert_eq!(native.search_locations, default);
    for location in ["classpath:/x", "optional:classpath:/x"] {
        let file = format!("spring.cloud.config.server.native.search-locations: '{location}'\n");
        let error = read(&file, &[]).unwrap_err().to_string();
        assert!(error.contains("no class path"), "{error}");
    }
}

#[test]
fn overrides_are_resolved_unless_they_are_escaped() {
    let file = "server.port: 1\nzone: eu\nspring.cloud.config.server:\n  git.uri: /a\n  \
                overrides:\n    a: '${ZONE:eu}-${server.port}'\n    b: '\\${x}'\n    \
                c: '$\\{x}'\n    d: '${x}'\n";
    let variable = ("SPRING_CLOUD_CONFIG_SERVER_OVERRIDES_E", "${zone}");
    let settings = read(file, &[("ZONE", "us"), variable]).unwrap();
    let overrides = settings.overrides.unwrap();
    let all = overrides.entries.iter();
    let all: Vec<String> = all
        .map(|one| format!("{}={}", one.key, one.value))
        .collect();
    assert_eq!(all, ["a=us-1", "b=${x}", "c=${x}", "d=${x}", "e=eu"]);
}

#[test]
fn documents_for_active_profiles_count() {
    let file = "spring.profiles.active: ${PROFILE:native}\n---\n\
                spring.config.activate.on-profile: native\n\
                spring.cloud.config.server.native.search-locations: /c\n---\n\
                spring.config.activate.on-profile: git\n\
                spring.cloud.config.server.git.uri: /a\n---\n\
                spring.profiles: '!git'\nserver.port: 1\n";
    let settings = read(file, &[]).unwrap();
    assert!(matches!(&settings.backends[..], [Backend::Native(_)]));
    assert_eq!(settings.port, 1);
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
    for variable in ["PROFILE", "SPRING_PROFILES_ACTIVE"] {
        let settings = read(file, &[(variable, "git")]).unwrap();
        assert_eq!(git(&settings).0.uri, "/a");
        assert_eq!(settings.port, 8888);
    }
    let default = "spring.cloud.config.server.git.uri: /a\n---\n\
                   spring.config.activate.on-profile: default\nserver.port: 2\n";
    assert_eq!(read(default, &[]).unwrap().port, 2);
}

#[test]
fn switches_of_spring_s_that_change_answers_are_read() {
    let uri = "spring.cloud.config.server.git.uri: /a\n";
    assert_eq!(read(uri, &[]).unwrap().answers, answers::Answers::default());
    let file = format!(
        "{uri}spring.cloud.config.server:\n  fail-on-composite-error: false\n  \
         reverse-location-order: true\n  encrypt.plain-text-encrypt: true\n  \
         health:\n    down-health-status: OUT\n    repositories:\n      \
         shop: {{label: v1}}\n      other: {{name: a, profiles: 'x,y'}}\n"
    );
    let settings = read(&file, &[]).unwrap();
    let answers = settings.answers;
    assert!(answers.leaves_out_failing && answers.last_location_counts);
    assert!(answers.decrypts_files);
    let health = answers.health.iter();
    let asked = health.map(|one| (&*one.application, &*one.profiles, one.label.as_deref()));
    let expected = [("shop", "default", Some("v1")), ("a", "x,y", None)];
    assert_eq!(asked.collect::<Vec<_>>(), expected);
    let of_health = "spring.cloud.config.server.health.down-health-status has no effect here";
    assert_eq!(settings.notes, [of_health]);
    let off = format!("{file}  encrypt.enabled: false\n");
    assert!(!read(&off, &[]).unwrap().answers.decrypts_files);
}

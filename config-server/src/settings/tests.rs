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
    assert_eq!(others[2].default_label, "trunk");
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
    let unknown = read(uri, &[("SPEARGUN_CONFIG_NOTHING", "1")]);
    assert_eq!(
        unknown.unwrap_err(),
        SettingError::Unknown("SPEARGUN_CONFIG_NOTHING".to_owned())
    );
}

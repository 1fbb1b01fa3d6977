//! Which source wins, and that every wrong value stops the start with its name.

mod variables;

use super::table;
use super::*;

fn environment(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        environment: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Sources::default()
    }
}

fn parse(sources: Sources) -> Result<Settings, SettingError> {
    Settings::parse(&Texts::merge(sources)?)
}

#[test]
fn the_defaults_are_valid() {
    let settings = parse(Sources::default()).unwrap();
    assert_eq!(settings.port, 9411);
    assert_eq!(settings.engine, Engine::Segment);
    assert_eq!(settings.retention_bytes, 20 << 30);
    assert_eq!(settings.limits.body_bytes_max, 10_485_760);
    assert!(settings.page.enabled && settings.grpc_collector);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "# ports\nQUERY_PORT = 1\nSPEARGUN_DATA=from-file\nMEM_MAX_SPANS=7\n";
    let sources = Sources {
        flags: vec![("QUERY_PORT".to_owned(), "3".to_owned())],
        file: Some((file.to_owned(), "a file".to_owned())),
        ..environment(&[("QUERY_PORT", "2"), ("STORAGE_DIR", "from-environment")])
    };
    let settings = parse(sources).unwrap();
    assert_eq!(settings.port, 3);
    assert_eq!(settings.data, PathBuf::from("from-environment"));
    assert_eq!(settings.mem_spans_max, 7);
}

#[test]
fn an_older_name_gives_way_to_the_present_one() {
    for order in [[0, 1], [1, 0]] {
        let both = [
            ("COLLECTOR_HTTP_ENABLED", "false"),
            ("HTTP_COLLECTOR_ENABLED", "true"),
        ];
        let settings = parse(environment(&order.map(|index| both[index]))).unwrap();
        assert!(!settings.http_collector);
    }
    let old = environment(&[("HTTP_COLLECTOR_ENABLED", "false")]);
    assert!(!parse(old).unwrap().http_collector);
}

#[test]
fn every_wrong_value_names_its_setting() {
    const FREE: &[&str] = &[
        "SPEARGUN_CONFIGURATION_NAME",
        "SPEARGUN_CONFIGURATION_PROFILES",
        "SPEARGUN_CONFIGURATION_LABEL",
        "SPEARGUN_DATA",
        "AUTOCOMPLETE_KEYS",
        "ZIPKIN_QUERY_ALLOWED_ORIGINS",
        "ZIPKIN_UI_ENVIRONMENT",
        "ZIPKIN_UI_LOGS_URL",
        "ZIPKIN_UI_SUPPORT_URL",
        "ZIPKIN_UI_ARCHIVE_POST_URL",
        "ZIPKIN_UI_ARCHIVE_URL",
        "KAFKA_GROUP_ID",
        "RABBIT_QUEUE",
        "RABBIT_USER",
        "RABBIT_PASSWORD",
        "RABBIT_VIRTUAL_HOST",
        "SPEARGUN_RABBIT_CA_FILE",
    ];
    // A certificate without a key: it is the key that is named.
    let keyless = parse(environment(&[
        ("SPEARGUN_KAFKA_SECURITY_PROTOCOL", "SSL"),
        ("SPEARGUN_KAFKA_CERT_FILE", "/a"),
    ]));
    let text = keyless.unwrap_err().to_string();
    assert!(text.starts_with("SPEARGUN_KAFKA_KEY_FILE is"), "{text}");
    for setting in table::all() {
        let outcome = parse(environment(&[(setting.name, "?wrong?")]));
        // Engines read those of theirs, when they are opened.
        let engines = ["MYSQL_", "CLICKHOUSE_"];
        let is_engines = engines.iter().any(|of| setting.name.starts_with(of));
        if FREE.contains(&setting.name) || is_engines {
            assert!(outcome.is_ok(), "{}", setting.name);
            continue;
        }
        let text = outcome.unwrap_err().to_string();
        let value = if setting.secret {
            "(hidden)"
        } else {
            "?wrong?"
        };
        let expected = format!(
            "{} is \"{value}\" in the environment, but must be",
            setting.name
        );
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn where_kubernetes_says_that_services_are_is_no_setting() {
    let settings = parse(environment(&[
        ("SPEARGUN_PORT", "tcp://10.0.0.1:9411"),
        ("SPEARGUN_PORT_9411_TCP_ADDR", "10.0.0.1"),
        ("SPEARGUN_SERVICE_PORT_HTTP", "9411"),
        ("QUERY_PORT", "tcp://10.0.0.2:80"),
    ]));
    assert_eq!(settings.unwrap().port, 9411);
}

#[test]
fn unknown_names_of_ours_and_unknown_lines_stop_the_start() {
    let unknown = parse(environment(&[("SPEARGUN_SINC", "os")])).unwrap_err();
    assert!(unknown.to_string().contains("SPEARGUN_SINC"), "{unknown}");
    parse(environment(&[
        ("KAFKA_PORT", "x"),
        ("PATH", "/bin"),
        ("SERVER_PORT", "y"),
    ]))
    .unwrap();
    let with_file = |text: &str| {
        parse(Sources {
            file: Some((text.to_owned(), "settings.conf".to_owned())),
            ..Sources::default()
        })
    };
    let text = with_file("PULSAR_TOPIC=x").unwrap_err().to_string();
    assert!(
        text.starts_with("settings.conf sets PULSAR_TOPIC: spans are not read from Pulsar"),
        "{text}"
    );
    let text = with_file("KAFKA_TOPICS=x").unwrap_err().to_string();
    assert!(text.starts_with("settings.conf sets KAFKA_TOPICS, which is no setting"));
    let text = with_file("\nwhat").unwrap_err().to_string();
    assert_eq!(text, "settings.conf: line 2 is not NAME=value");
}

#[test]
fn a_wrong_value_is_reported_though_a_stronger_source_overrules_it() {
    let flags = || vec![("QUERY_PORT".to_owned(), "3".to_owned())];
    let file = |text: &str| Some((text.to_owned(), "settings.conf".to_owned()));
    let in_environment = Sources {
        flags: flags(),
        ..environment(&[("QUERY_PORT", "http")])
    };
    let text = parse(in_environment).unwrap_err().to_string();
    assert!(
        text.starts_with("QUERY_PORT is \"http\" in the environment"),
        "{text}"
    );
    let in_file = Sources {
        flags: flags(),
        file: file("QUERY_PORT=https"),
        ..environment(&[("QUERY_PORT", "2")])
    };
    let text = parse(in_file).unwrap_err().to_string();
    assert!(
        text.starts_with("QUERY_PORT is \"https\" in settings.conf"),
        "{text}"
    );
    let older = [
        ("COLLECTOR_HTTP_ENABLED", "true"),
        ("HTTP_COLLECTOR_ENABLED", "maybe"),
    ];
    let text = parse(environment(&older)).unwrap_err().to_string();
    assert!(text.contains("\"maybe\""), "{text}");
}

#[test]
fn a_property_wins_over_the_short_name_as_in_zipkin() {
    let both = [
        ("ZIPKIN_COLLECTOR_SAMPLERATE", "0.5"),
        ("COLLECTOR_SAMPLE_RATE", "0.1"),
    ];
    let settings = parse(environment(&both)).unwrap();
    assert_eq!(Some(settings.sampler), Sampler::new(0.5));
    let flags = ["zipkin.storage.mem.max-spans", "logging.level.zipkin2"];
    let settings = parse(Sources {
        flags: flags
            .map(str::to_owned)
            .into_iter()
            .zip(["9".to_owned(), "DEBUG".to_owned()])
            .collect(),
        ..environment(&[("MEM_MAX_SPANS", "5")])
    })
    .unwrap();
    assert_eq!(settings.mem_spans_max, 9);
    assert_eq!(settings.log, tracing::level_filters::LevelFilter::DEBUG);
}

#[test]
fn other_engines_stop_the_start_with_what_there_is() {
    for name in ["cassandra3", "elasticsearch", "mysql8", "xray"] {
        let text = parse(environment(&[("STORAGE_TYPE", name)])).unwrap_err();
        assert_eq!(
            text.to_string(),
            format!(
                "STORAGE_TYPE is \"{name}\" in the environment, but must be segment, which keeps \
                 spans on disk, mem, mysql or clickhouse: there is no other store"
            )
        );
    }
}

#[test]
fn a_database_has_a_spool_with_bounds() {
    let settings = parse(environment(&[
        ("STORAGE_TYPE", "ClickHouse"),
        ("SPEARGUN_SPOOL_BYTES", "1GB"),
        ("SPEARGUN_SPOOL_AGE", "2h"),
    ]));
    let settings = settings.unwrap();
    assert_eq!(settings.engine, Engine::Database(DatabaseKind::Clickhouse));
    assert_eq!(settings.spool.bytes, 1 << 30);
    assert_eq!(settings.spool.age, Duration::from_hours(2));
    for wrong in [
        ("SPEARGUN_SPOOL_BYTES", "1MB"),
        ("SPEARGUN_SPOOL_AGE", "1s"),
    ] {
        let text = parse(environment(&[wrong])).unwrap_err().to_string();
        assert!(
            text.contains(wrong.0) && text.contains("of at least"),
            "{text}"
        );
    }
}

#[test]
fn the_page_follows_the_query_api_unless_told() {
    let off = [("QUERY_ENABLED", "false")];
    assert!(!parse(environment(&off)).unwrap().page.enabled);
    let both = [off[0], ("UI_ENABLED", "true")];
    assert!(parse(environment(&both)).unwrap().page.enabled);
}

#[test]
fn secrets_are_hidden_where_settings_are_shown() {
    let sources = environment(&[
        ("ZIPKIN_UI_LOGS_URL", "https://me:secret@logs"),
        ("EUREKA_SERVICE_URL", "http://me:secret@registry/eureka"),
    ]);
    let texts = Texts::merge(sources).unwrap();
    let shown: Vec<_> = texts.shown().map(|(_, value, _)| value).collect();
    assert!(shown.contains(&"(hidden)"));
    assert!(!shown.iter().any(|value| value.contains("secret")));
    let wrong = parse(environment(&[(
        "EUREKA_SERVICE_URL",
        "https://me:secret@r/",
    )]));
    assert!(!wrong.unwrap_err().to_string().contains("secret"));
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = table::all()
        .flat_map(|s| [s.name, s.alias])
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn variables_that_spring_would_read_are_not_passed_over() {
    let port = |variables: &[(&str, &str)]| parse(environment(variables)).unwrap().port;
    assert_eq!(port(&[("SERVER_PORT", "7"), ("QUERY_PORT", "8")]), 7);
    // Kubernetes makes this of a service named server.
    let address = ("SERVER_PORT", "tcp://10.0.0.1:80");
    assert_eq!(port(&[address, ("QUERY_PORT", "8")]), 8);
    for name in ["ARMERIA_SSL_ENABLED", "SERVER_SSL_KEYSTORE"] {
        let text = parse(environment(&[(name, "true")])).unwrap_err();
        let text = text.to_string();
        assert!(text.contains(name) && text.contains("no TLS"), "{text}");
    }
}

#[test]
fn properties_are_known_without_their_dashes() {
    let name = "ZIPKIN_COLLECTOR_OTEL_HTTP_RESOURCEATTRIBUTEPREFIX";
    let text = parse(environment(&[(name, "x")])).unwrap_err().to_string();
    assert!(text.contains(name), "{text}");
    for name in ["ZIPKIN_STORAGE_AUTOCOMPLETETTL", "ZIPKIN_UI_SEARCHENABLED"] {
        let texts = Texts::merge(environment(&[(name, "false")])).unwrap();
        let notes = texts.notes().join("\n");
        assert!(notes.contains(name), "{name}: {notes}");
    }
}

//! One line a variable of Zipkin's: what it is when nobody sets it, and what a value of it does.

use super::super::foreign;
use super::*;

mod databases;
mod queues;

/// A variable, its default here, a value as operators of Zipkin write it, and what that makes.
type Line = (
    &'static str,
    fn(&Settings) -> String,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const QUERY: &[Line] = &[
    ("QUERY_PORT", |s| s.port.to_string(), "9411", " 9412 ", "9412"),
    ("QUERY_ENABLED", |s| s.query.enabled.to_string(), "true", "FALSE", "false"),
    ("QUERY_TIMEOUT", |s| format!("{:?}", s.query.timeout), "Some(11s)", "PT2S", "Some(2s)"),
    ("QUERY_TIMEOUT", |s| format!("{:?}", s.query.timeout), "Some(11s)", "500", "Some(500ms)"),
    ("QUERY_TIMEOUT", |s| format!("{:?}", s.query.timeout), "Some(11s)", "0", "None"),
    ("QUERY_LOOKBACK", |s| s.query.lookback_ms.to_string(), "86400000", "3600000", "3600000"),
    ("SEARCH_ENABLED", |s| s.query.search.to_string(), "true", "false", "false"),
    ("STRICT_TRACE_ID", |s| format!("{:?}", s.query.id_mode), "Strict", "False", "Lenient"),
    (
        "AUTOCOMPLETE_KEYS",
        |s| s.query.autocomplete_keys.join("|"),
        "",
        " env , site.id,,",
        "env|site.id",
    ),
    (
        "ZIPKIN_QUERY_ALLOWED_ORIGINS",
        |s| s.query.allowed_origins.join("|"),
        "*",
        "http://a, http://b",
        "http://a|http://b",
    ),
    (
        "ZIPKIN_QUERY_NAMES_MAX_AGE",
        |s| s.query.names_max_age_s.to_string(),
        "300",
        "0",
        "0",
    ),
];

#[rustfmt::skip]
const COLLECTOR_AND_STORAGE: &[Line] = &[
    ("STORAGE_TYPE", |s| format!("{:?}", s.engine), "Segment", "MEM", "Memory"),
    ("MEM_MAX_SPANS", |s| s.mem_spans_max.to_string(), "500000", "1000", "1000"),
    (
        "COLLECTOR_SAMPLE_RATE",
        |s| s.sampler.keeps_all().to_string(),
        "true",
        "0.1",
        "false",
    ),
    ("COLLECTOR_HTTP_ENABLED", |s| s.http_collector.to_string(), "true", "false", "false"),
    ("HTTP_COLLECTOR_ENABLED", |s| s.http_collector.to_string(), "true", "false", "false"),
    ("COLLECTOR_GRPC_ENABLED", |s| s.grpc_collector.to_string(), "true", "false", "false"),
    ("COLLECTOR_OTEL_HTTP_ENABLED", |s| s.otlp.http.to_string(), "true", "false", "false"),
    ("COLLECTOR_HTTP_OTEL_ENABLED", |s| s.otlp.http.to_string(), "true", "false", "false"),
    ("COLLECTOR_OTEL_GRPC_ENABLED", |s| s.otlp.grpc.to_string(), "true", "false", "false"),
];

#[rustfmt::skip]
const PAGE: &[Line] = &[
    ("UI_ENABLED", |s| s.page.enabled.to_string(), "true", "false", "false"),
    ("ZIPKIN_UI_ENVIRONMENT", |s| s.page.environment.clone(), "", "test", "test"),
    ("ZIPKIN_UI_QUERY_LIMIT", |s| s.page.query_limit.to_string(), "10", "100", "100"),
    (
        "ZIPKIN_UI_DEFAULT_LOOKBACK",
        |s| s.page.default_lookback_ms.to_string(),
        "900000",
        "1000",
        "1000",
    ),
    ("ZIPKIN_UI_LOGS_URL", |s| s.page.logs_url.clone(), "", "http://a/{id}", "http://a/{id}"),
    ("ZIPKIN_UI_SUPPORT_URL", |s| s.page.support_url.clone(), "", "http://b", "http://b"),
    ("ZIPKIN_UI_ARCHIVE_POST_URL", |s| s.page.archive_post_url.clone(), "", "http://c", "http://c"),
    ("ZIPKIN_UI_ARCHIVE_URL", |s| s.page.archive_url.clone(), "", "http://d", "http://d"),
    ("ZIPKIN_UI_BASEPATH", |s| s.page.base_path.clone(), "/zipkin", "/a/b", "/a/b"),
    (
        "ZIPKIN_UI_DEPENDENCY_ENABLED",
        |s| s.page.dependency_enabled.to_string(),
        "true",
        "false",
        "false",
    ),
    (
        "ZIPKIN_UI_DEPENDENCY_LOW_ERROR_RATE",
        |s| s.page.low_error_rate.to_string(),
        "0.5",
        "0.1",
        "0.1",
    ),
    (
        "ZIPKIN_UI_DEPENDENCY_HIGH_ERROR_RATE",
        |s| s.page.high_error_rate.to_string(),
        "0.75",
        "0.2",
        "0.2",
    ),
];

#[rustfmt::skip]
const SELF_TRACING_AND_EUREKA: &[Line] = &[
    (
        "SELF_TRACING_ENABLED",
        |s| s.self_tracing.enabled.to_string(),
        "false",
        "TRUE",
        "true",
    ),
    (
        "SELF_TRACING_SAMPLE_RATE",
        |s| format!("{:?}", s.self_tracing.sampling),
        "PerSecond(1)",
        "0.0",
        "Share(Sampler { boundary: 0 })",
    ),
    (
        "SELF_TRACING_TRACES_PER_SECOND",
        |s| format!("{:?}", s.self_tracing.sampling),
        "PerSecond(1)",
        "0",
        "All",
    ),
    (
        "SELF_TRACING_FLUSH_INTERVAL",
        |s| format!("{:?}", s.self_tracing.flush_interval),
        "1s",
        "5",
        "5s",
    ),
    (
        "EUREKA_SERVICE_URL",
        |s| format!("{:?}", s.registry.registries),
        "[]",
        "http://u:p@a:8761/eureka, http://b/",
        "[http://a:8761/eureka, http://b]",
    ),
    ("EUREKA_APP_NAME", |s| s.registry.app_name.clone(), "zipkin", "traces", "traces"),
    ("EUREKA_INSTANCE_ID", |s| s.registry.instance_id.clone(), "", "a:b:1", "a:b:1"),
    ("EUREKA_HOSTNAME", |s| s.registry.host_name.clone(), "", "host.example", "host.example"),
];

#[test]
fn every_variable_has_zipkins_default_and_effect() {
    for lines in [
        QUERY,
        COLLECTOR_AND_STORAGE,
        PAGE,
        SELF_TRACING_AND_EUREKA,
        databases::DATABASES,
    ] {
        for (name, shown, default, value, expected) in lines {
            let settings = parse(Sources::default()).unwrap();
            assert_eq!(shown(&settings), *default, "{name} when not set");
            let settings = parse(environment(&[(name, "")])).unwrap();
            assert_eq!(shown(&settings), *default, "{name} when empty");
            let settings = parse(environment(&[(name, value)])).unwrap();
            assert_eq!(shown(&settings), *expected, "{name}={value}");
        }
    }
}

#[test]
fn every_setting_under_a_name_of_zipkins_has_a_line() {
    let lines = [
        QUERY,
        COLLECTOR_AND_STORAGE,
        PAGE,
        SELF_TRACING_AND_EUREKA,
        queues::QUEUES,
        databases::DATABASES,
    ];
    let covered: Vec<&str> = lines.iter().flat_map(|l| l.iter()).map(|l| l.0).collect();
    for setting in table::all() {
        // It has an effect only beside another, in a test of its own.
        let alone = setting.name == "DISCOVERY_EUREKA_ENABLED";
        if !setting.name.starts_with("SPEARGUN_") && !alone {
            assert!(covered.contains(&setting.name), "{}", setting.name);
        }
    }
}

#[test]
fn what_is_not_taken_has_no_port() {
    let ports = |variables: &[(&str, &str)]| {
        let otlp = parse(environment(variables)).unwrap().otlp;
        (otlp.http_port, otlp.grpc_port)
    };
    let (http, grpc) = (OtlpPort::Usual(4318), OtlpPort::Usual(4317));
    assert_eq!(ports(&[]), (http, grpc));
    let off = ports(&[("COLLECTOR_OTEL_HTTP_ENABLED", "false")]);
    assert_eq!(off, (OtlpPort::Off, grpc));
    let other = ports(&[
        ("SPEARGUN_OTLP_HTTP_PORT", "1"),
        ("SPEARGUN_OTLP_GRPC_PORT", "off"),
    ]);
    assert_eq!(other, (OtlpPort::Given(1), OtlpPort::Off));
    let wrong = [("SPEARGUN_OTLP_GRPC_PORT", "on")];
    let text = parse(environment(&wrong)).unwrap_err().to_string();
    assert!(
        text.starts_with("SPEARGUN_OTLP_GRPC_PORT is \"on\""),
        "{text}"
    );
}

#[test]
fn nothing_is_registered_when_discovery_is_off() {
    let url = ("EUREKA_SERVICE_URL", "http://a/");
    let off = [url, ("DISCOVERY_EUREKA_ENABLED", "false")];
    assert_eq!(parse(environment(&off)).unwrap().registry.registries, []);
    let on = [url, ("DISCOVERY_EUREKA_ENABLED", "true")];
    assert_eq!(
        parse(environment(&on)).unwrap().registry.registries.len(),
        1
    );
}

#[test]
fn a_variable_that_cannot_be_honoured_stops_the_start_with_advice() {
    let mut count = 0;
    for name in foreign::stopping() {
        let text = parse(environment(&[(name, "x")])).unwrap_err().to_string();
        let start = format!("the environment sets {name}: ");
        let advice = text
            .strip_prefix(&start)
            .unwrap_or_else(|| panic!("{text}"));
        assert!(advice.contains("unset it"), "{text}");
        parse(environment(&[(name, "")])).unwrap();
        count += 1;
    }
    assert!(count > 75, "{count}");
    for (name, value) in [
        ("ZIPKIN_STORAGE_ELASTICSEARCH_HOSTS", "http://es"),
        (
            "ZIPKIN_COLLECTOR_KAFKA_OVERRIDES_AUTO_OFFSET_RESET",
            "latest",
        ),
        ("ZIPKIN_COLLECTOR_KAFKA_OVERRIDES_SASL_JAAS_CONFIG", "x"),
    ] {
        let text = parse(environment(&[(name, value)]))
            .unwrap_err()
            .to_string();
        assert!(text.contains(name), "{text}");
    }
    let tls = Sources {
        flags: vec![("armeria.ports[1].port".to_owned(), "9443".to_owned())],
        ..Sources::default()
    };
    let text = parse(tls).unwrap_err().to_string();
    assert!(text.contains("there is no TLS"), "{text}");
}

#[test]
fn what_is_off_here_may_be_turned_off() {
    for name in [
        "COLLECTOR_ACTIVEMQ_ENABLED",
        "COLLECTOR_PULSAR_ENABLED",
        "COLLECTOR_SCRIBE_ENABLED",
        "STORAGE_THROTTLE_ENABLED",
    ] {
        parse(environment(&[(name, "false")])).unwrap();
        parse(environment(&[(name, "true")])).unwrap_err();
    }
}

#[test]
fn options_of_java_are_noted_and_stop_nothing() {
    for name in [
        "JAVA_OPTS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "_JAVA_OPTIONS",
        "AUTOCOMPLETE_TTL",
        "QUERY_NAMES_MAX_AGE",
        "QUERY_LOG_LEVEL",
    ] {
        let texts = Texts::merge(environment(&[(name, "-Xmx1g")])).unwrap();
        Settings::parse(&texts).unwrap();
        let start = format!("{name} has no effect: ");
        assert!(texts.notes()[0].starts_with(&start), "{:?}", texts.notes());
    }
}

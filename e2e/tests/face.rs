//! What the server shows of itself, where no recorded bytes can be compared: answers that clients
//! keep, the page behind a proxy, the metrics that dashboards ask for, and a query that is late.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

use speargun_e2e::spans::trace_body;
use speargun_e2e::{Answer, Connection, Options, Request, Server};

/// What the public dashboard for Zipkin and Prometheus asks for, but for what a JVM has.
const DASHBOARD: [&str; 10] = [
    "zipkin_collector_messages_total{transport=\"http\",}",
    "zipkin_collector_messages_dropped_total{transport=\"http\",}",
    "zipkin_collector_bytes_total{transport=\"http\",}",
    "zipkin_collector_spans_total{transport=\"http\",}",
    "zipkin_collector_spans_dropped_total{transport=\"http\",}",
    "zipkin_collector_message_spans{transport=\"http\",}",
    "zipkin_collector_message_bytes{transport=\"http\",}",
    "http_server_requests_seconds_count{method=\"POST\",status=\"202\",uri=\"/api/v2/spans\",}",
    "http_server_requests_seconds_sum{method=\"POST\",status=\"202\",uri=\"/api/v2/spans\",}",
    "http_server_requests_seconds_max{method=\"POST\",status=\"202\",uri=\"/api/v2/spans\",}",
];

fn sample(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn kept(server: &Server, path: &str, header: &str, value: &str) -> Answer {
    server
        .ask(&Request::get(path).header(header, value))
        .unwrap()
}

#[test]
fn clients_that_kept_an_answer_are_told_that_it_is_the_same() {
    let server = Server::start(Options::default()).unwrap();
    for (path, cache) in [
        ("/zipkin/", Some("max-age=60")),
        ("/zipkin/index.html", Some("max-age=60")),
        ("/zipkin/traces/abc", Some("max-age=60")),
        ("/zipkin/config.json", Some("max-age=600")),
        ("/zipkin/favicon.ico", Some("max-age=31536000")),
        ("/info", None),
    ] {
        let fresh = server.get(path).unwrap();
        assert_eq!(fresh.status, 200, "{path}");
        assert_eq!(fresh.header("cache-control").as_deref(), cache, "{path}");
        let etag = fresh.header("etag").unwrap();
        let date = fresh.header("last-modified").unwrap();
        for (header, value) in [
            ("If-None-Match", etag.as_str()),
            ("If-None-Match", "*"),
            ("If-None-Match", &format!("\"x\", W/{etag}")),
            ("If-Modified-Since", &date),
        ] {
            let same = kept(&server, path, header, value);
            assert_eq!(same.status, 304, "{path} {header}: {value}");
            assert!(same.body.is_empty());
            for name in ["etag", "last-modified", "cache-control", "content-type"] {
                assert_eq!(same.header(name), fresh.header(name), "{path} {name}");
            }
        }
        for (header, value) in [
            ("If-None-Match", "\"x\""),
            ("If-Modified-Since", "Tue, 01 Jan 2019 00:00:00 GMT"),
            ("Range", "bytes=0-3"),
        ] {
            let other = kept(&server, path, header, value);
            assert_eq!(other.status, 200, "{path} {header}: {value}");
            assert_eq!(other.body, fresh.body);
        }
    }
}

#[test]
fn the_page_says_where_a_proxy_shows_it_and_routes_stay() {
    for (set, base) in [
        ("/admin/zipkin", "<base href=\"/admin/zipkin/\">"),
        ("/", "<base href=\"/\" >"),
    ] {
        let server = Server::start(Options::default().set("ZIPKIN_UI_BASEPATH", set)).unwrap();
        let page = server.get("/zipkin/").unwrap();
        assert!(page.text().contains(base), "{}", page.text());
        assert_eq!(page.text().matches("<base ").count(), 1);
        let root = server.get("/").unwrap();
        assert_eq!(
            (root.status, root.header("location").as_deref()),
            (302, Some("/zipkin/"))
        );
        assert_eq!(server.get("/admin/zipkin/").unwrap().status, 404);
    }
}

#[test]
fn the_metrics_of_the_public_dashboard_are_there_and_move() {
    let server = Server::start(Options::default()).unwrap();
    for trace_id in 1..=3 {
        let body = trace_body(trace_id, 4, "metered");
        assert_eq!(server.ask(&Request::spans(body)).unwrap().status, 202);
    }
    let answer = server.get("/prometheus").unwrap();
    let expected = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type").as_deref(), Some(expected));
    let text = answer.text();
    for series in DASHBOARD {
        sample(&text, series);
    }
    let spans = "zipkin_collector_spans_total{transport=\"http\",}";
    assert!((sample(&text, spans) - 12.0).abs() < 0.5, "{text}");
    let posts =
        "http_server_requests_seconds_count{method=\"POST\",status=\"202\",uri=\"/api/v2/spans\",}";
    assert!((sample(&text, posts) - 3.0).abs() < 0.5, "{text}");
    assert!(sample(&text, DASHBOARD[8]) > 0.0 && sample(&text, DASHBOARD[9]) > 0.0);
    // Not one sample of the page, of health or of the metrics themselves.
    for path in ["/health", "/prometheus", "/zipkin/\""] {
        assert!(!text.contains(&format!("uri=\"{path}")), "{path}");
    }
}

#[test]
fn paths_that_do_not_exist_add_one_series_and_no_more() {
    let server = Server::start(Options::default()).unwrap();
    let series = || {
        let text = server.get("/prometheus").unwrap().text();
        text.lines()
            .filter(|line| line.contains("_seconds_count{"))
            .count()
    };
    for number in 0..50 {
        server.get(&format!("/api/v2/nope{number}")).unwrap();
        server.get(&format!("/api/v2/trace/{number:x}f")).unwrap();
    }
    assert_eq!(series(), 1);
}

#[test]
fn health_names_what_can_fail() {
    let server = Server::start(Options::default()).unwrap();
    let health = server.get("/health").unwrap();
    let folder = server.data();
    let entry = |name: &str, folder: &str| {
        format!("      \"{name}{{dir={folder}}}\" : {{\n        \"status\" : \"UP\"\n      }}")
    };
    let segments = entry("SegmentStorage", folder.join("segments").to_str().unwrap());
    let journal = entry("Journal", folder.join("journal").to_str().unwrap());
    let expected = format!(
        "{{\n  \"status\" : \"UP\",\n  \"zipkin\" : {{\n    \"status\" : \"UP\",\n    \
         \"details\" : {{\n{segments},\n{journal}\n    }}\n  }}\n}}"
    );
    assert_eq!(health.text(), expected);
    let expected = "application/json; charset=utf-8";
    assert_eq!(health.header("content-type").as_deref(), Some(expected));
}

#[test]
fn the_actuator_is_shut_unless_it_is_switched_on() {
    let shut = Server::start(Options::default()).unwrap();
    let open = Server::start(Options::default().set("SPEARGUN_ACTUATOR", "true")).unwrap();
    for name in ["", "/health", "/info", "/metrics", "/prometheus"] {
        let path = format!("/actuator{name}");
        assert_eq!(shut.get(&path).unwrap().status, 404, "{path}");
        assert_eq!(open.get(&path).unwrap().status, 200, "{path}");
    }
    for name in [
        "env",
        "loggers",
        "configprops",
        "beans",
        "conditions",
        "threaddump",
        "heapdump",
    ] {
        assert_eq!(
            open.get(&format!("/actuator/{name}")).unwrap().status,
            404,
            "{name}"
        );
    }
    let (plain, twin) = (
        open.get("/health").unwrap(),
        open.get("/actuator/health").unwrap(),
    );
    assert_eq!(plain.body, twin.body);
    let expected = "application/vnd.spring-boot.actuator.v2+json; charset=utf-8";
    assert_eq!(twin.header("content-type").as_deref(), Some(expected));
}

#[test]
fn a_query_that_is_late_is_answered_with_zipkins_text() {
    let options = Options::default()
        .set("QUERY_TIMEOUT", "1ms")
        .set("SPEARGUN_QUERY_THREADS", "1");
    let server = Server::start(options).unwrap();
    for trace_id in 1..=20 {
        let body = trace_body(trace_id, 500, "slow");
        assert_eq!(server.ask(&Request::spans(body)).unwrap().status, 202);
    }
    // They run one after another, so not all of them can be in time.
    let mut asked: Vec<Connection> = Vec::new();
    for _ in 0..40 {
        let mut connection = Connection::open(server.port()).unwrap();
        let all = Request::get("/api/v2/traces?limit=1000");
        connection.send(&all.to_bytes()).unwrap();
        asked.push(connection);
    }
    let mut late = 0;
    for mut connection in asked {
        let answer = connection.answer("GET").unwrap();
        if answer.status == 500 {
            assert_eq!(answer.text(), "RequestTimeoutException");
            assert_eq!(answer.header("content-type").as_deref(), Some("text/*"));
            late += 1;
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    assert!(
        late > 0,
        "forty queries took less than a millisecond together"
    );
}

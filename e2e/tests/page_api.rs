//! What the page asks of the server and what links lead to it, over the wire: rows of traces, their
//! pages, names, charts, the server's state, redirects, files. What each endpoint finds is tested
//! beside the sources.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing step fails the test and says which"
)]

use serde_json::{Value, json};
use speargun_e2e::spans::{now_us, trace_body};
use speargun_e2e::{Connection, Options, Request, Server};

/// The engines that are always there.
const ENGINES: [&str; 2] = ["segment", "mem"];

fn get(server: &Server, target: &str) -> Value {
    let answer = server.get(target).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    let content_type = answer.header("content-type");
    assert_eq!(
        content_type.as_deref(),
        Some("application/json"),
        "{target}"
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

/// Returns the rows and the end.
fn rows(server: &Server, query: &str) -> (Vec<Value>, Value) {
    let answer = server.get(&format!("/api/ui/v1/traces?{query}")).unwrap();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let content_type = answer.header("content-type");
    assert_eq!(content_type.as_deref(), Some("application/x-ndjson"));
    assert_eq!(answer.header("content-length"), None);
    let text = answer.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut rows: Vec<Value> = lines.collect();
    let end = rows.pop().unwrap()["end"].take();
    (rows.iter_mut().map(|row| row["t"].take()).collect(), end)
}

fn send(server: &Server, spans: &Value) {
    let request = Request::spans(spans.to_string());
    assert_eq!(server.ask(&request).unwrap().status, 202);
}

/// Returns a trace of a root and a failed call, so many milliseconds ago.
fn shop(trace_id: u64, ms_ago: u64) -> Vec<Value> {
    let (trace_id, time) = (format!("{trace_id:016x}"), now_us() - ms_ago * 1000);
    vec![
        json!({"traceId": trace_id, "id": "000000000000000a", "name": "get /cart",
               "kind": "SERVER", "timestamp": time, "duration": 5000,
               "localEndpoint": {"serviceName": "shop"}, "tags": {"http.method": "GET"}}),
        json!({"traceId": trace_id, "id": "000000000000000b", "parentId": "000000000000000a",
               "name": "call", "kind": "CLIENT", "timestamp": time + 100, "duration": 4000,
               "localEndpoint": {"serviceName": "shop"}, "tags": {"error": "no \"cart\""},
               "remoteEndpoint": {"serviceName": "cart"}}),
    ]
}

#[test]
fn pages_of_rows_are_what_a_search_finds() {
    for engine in ENGINES {
        let server = Server::start(Options::storage(engine)).unwrap();
        for some in 0..4 {
            let traces = (1..=40).flat_map(|n| shop(some * 40 + n, (some * 40 + n) * 7));
            send(&server, &traces.collect());
        }
        let end_ms = now_us() / 1000;
        let all = server.get(&format!("/api/v2/traces?limit=1000&endTs={end_ms}"));
        let all: Value = serde_json::from_slice(&all.unwrap().body).unwrap();
        let expected: Vec<&Value> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|t| &t[0]["traceId"])
            .collect();
        assert_eq!(expected.len(), 160);
        let (mut found, mut query) = (Vec::new(), format!("endTs={end_ms}&limit=45"));
        loop {
            let (rows, end) = rows(&server, &query);
            assert_eq!(end["complete"], true);
            found.extend(rows);
            let Some(cursor) = end["cursor"].as_str() else {
                break;
            };
            query = format!("endTs={end_ms}&limit=45&cursor={cursor}");
        }
        let ids: Vec<&Value> = found.iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, expected, "{engine}");
        let first = &found[0];
        assert_eq!(first["root"], json!({"svc": "shop", "name": "get /cart"}));
        assert_eq!((&first["spans"], &first["errors"]), (&json!(2), &json!(1)));
        assert_eq!(first["services"], json!([["shop", 2, 1, 5000]]));
    }
}

#[test]
fn what_is_said_of_traces_agrees_on_every_engine() {
    for engine in ENGINES {
        let server = Server::start(Options::storage(engine)).unwrap();
        send(&server, &(1..=9).flat_map(|n| shop(n, n)).collect());
        let overview = get(&server, "/zipkin/api/ui/v1/overview?cols=3");
        assert_eq!(
            (&overview["traces"], &overview["errors"]),
            (&json!(9), &json!(9))
        );
        assert_eq!(overview["groups"][0]["p50Us"], 5000);
        let names =
            |query: &str| get(&server, &format!("/api/ui/v1/names?{query}"))["names"].take();
        assert_eq!(names("of=services"), json!([["shop", 18]]));
        assert_eq!(names("of=remotes&service=shop"), json!([["cart", 9]]));
        assert_eq!(names("of=keys"), json!([["error", 9], ["http.method", 9]]));
        assert_eq!(names("of=values&key=error"), json!([["no \"cart\"", 9]]));
        let (of_call, _) = rows(&server, "parent=shop&child=cart&edgeErrors=true&limit=3");
        assert_eq!(of_call.len(), 3);
        let why = get(&server, "/api/ui/v1/why?serviceName=shop&spanName=nothing");
        assert_eq!(
            why["clauses"][1],
            json!({"drop": "spanName", "found": true, "alone": false})
        );
    }
}

#[test]
fn the_state_of_the_server_balances_and_says_what_was_wrong() {
    for engine in ENGINES {
        let server = Server::start(Options::storage(engine)).unwrap();
        send(&server, &shop(1, 1000).into());
        assert_eq!(server.ask(&Request::spans("[{}]")).unwrap().status, 400);
        let status = get(&server, "/api/ui/v1/status");
        let http = &status["ingest"][0];
        assert_eq!(http["transport"], "http");
        for (name, expected) in [
            ("received", 2),
            ("stored", 2),
            ("held", 0),
            ("sampledOut", 0),
            ("messages", 2),
        ] {
            assert_eq!(http[name], expected, "{name} with {engine}");
        }
        assert!(http["messagesDropped"].as_u64().unwrap() > 0);
        let refused = http["refused"].as_object().unwrap();
        assert!(refused.len() > 3 && refused.values().all(|spans| spans == 0));
        assert_eq!(status["health"], json!({"up": true, "problems": []}));
        let storage = &status["storage"];
        assert_eq!(
            (&storage["engine"], &storage["spans"]),
            (&json!(engine), &json!(2))
        );
        let times = ["startedMs", "nowMs"].map(|name| status[name].as_u64().unwrap());
        let oldest_ms = storage["oldestMs"].as_u64().unwrap();
        assert!(oldest_ms <= storage["newestMs"].as_u64().unwrap() && oldest_ms < times[1]);
        assert!(times[0] <= times[1], "{times:?}");
    }
}

#[test]
fn refusals_are_in_the_form_that_the_page_reads() {
    let server = Server::start(Options::default()).unwrap();
    let bad = server.get("/zipkin/api/ui/v1/traces?limit=-1").unwrap();
    let error = json!({"error": {"code": "refused", "message": "limit <= 0"}});
    assert_eq!((bad.status, bad.text()), (400, error.to_string()));
    for (method, target) in [
        ("GET", "/api/ui/v1/nope"),
        ("GET", "/api/ui/v2/traces"),
        ("POST", "/api/ui/v1/traces"),
        ("HEAD", "/api/ui/v1/status"),
    ] {
        let request = Request {
            method: method.into(),
            ..Request::get(target)
        };
        assert_eq!(
            server.ask(&request).unwrap().status,
            404,
            "{method} {target}"
        );
    }
    let off = Server::start(Options::of(&[("QUERY_ENABLED", "false")])).unwrap();
    for target in [
        "/api/ui/v1/status",
        "/api/ui/v1/traces",
        "/trace/1",
        "/zipkin/status",
    ] {
        assert_eq!(off.get(target).unwrap().status, 404, "{target}");
    }
}

#[test]
fn clients_that_do_not_read_their_rows_hold_up_nobody_for_ever() {
    let options = [("SPEARGUN_QUERY_THREADS", "1"), ("QUERY_TIMEOUT", "1s")];
    let server = Server::start(Options::of(&options)).unwrap();
    // Rows of some 40 KB, together more than sockets hold.
    let long = "x".repeat(1000);
    for trace in 1..=400_u64 {
        let spans: Vec<Value> = (1..=40)
            .map(|id| {
                json!({"traceId": format!("{trace:016x}"), "id": format!("{id:016x}"),
                       "timestamp": now_us(), "localEndpoint": {"serviceName": format!("{id}{long}")}})
            })
            .collect();
        send(&server, &spans.into());
    }
    let deaf: Vec<Connection> = (0..2)
        .map(|_| {
            let mut connection = Connection::open(server.port()).unwrap();
            let request = Request::get("/api/ui/v1/traces?limit=1000");
            connection.send(&request.to_bytes()).unwrap();
            connection
        })
        .collect();
    // It waits for the one thread until those who don't read are given up.
    loop {
        let answer = server.get("/api/v2/traces?limit=1").unwrap();
        if answer.status == 200 {
            break;
        }
        assert!(answer.text().contains("Timeout"), "{}", answer.text());
    }
    drop(deaf);
    let (found, end) = rows(&server, "limit=2");
    assert_eq!((found.len(), &end["complete"]), (2, &json!(true)));
}

#[test]
fn links_of_other_pages_lead_to_ours() {
    let lead = |server: &Server, target: &str| {
        let answer = server.get(target).unwrap();
        (answer.status, answer.header("location"))
    };
    let server = Server::start(Options::default()).unwrap();
    for (target, to) in [
        ("/trace/5AF7?uiFind=db", "/zipkin/traces/5af7?find=db"),
        (
            "/search?service=a%20b&lookback=2h",
            "/zipkin/?serviceName=a+b&lookback=2h",
        ),
        ("/dependencies", "/zipkin/dependency"),
        ("/zipkin/trace/5af7?x=y", "/zipkin/traces/5af7?x=y"),
    ] {
        assert_eq!(
            lead(&server, target),
            (302, Some(to.to_owned())),
            "{target}"
        );
    }
    for none in [
        "/trace/nope",
        "/zipkin/trace/nope",
        "/trace/1/2",
        "/searches",
    ] {
        assert_eq!(lead(&server, none), (404, None), "{none}");
    }
    let elsewhere = Options::of(&[("ZIPKIN_UI_BASEPATH", "/a/b")]);
    let elsewhere = Server::start(elsewhere).unwrap();
    assert_eq!(
        lead(&elsewhere, "/trace/1"),
        (302, Some("/a/b/traces/1".to_owned()))
    );
    let off = Server::start(Options::of(&[("SPEARGUN_JAEGER_LINKS", "false")])).unwrap();
    assert_eq!(lead(&off, "/trace/1"), (404, None));
    assert_eq!(lead(&off, "/zipkin/trace/1").0, 302);
}

#[test]
fn the_page_may_do_what_it_needs_and_no_more() {
    let options = [
        ("SPEARGUN_FRAME_ANCESTORS", "'self' https://portal.example"),
        (
            "ZIPKIN_UI_ARCHIVE_POST_URL",
            "https://archive.example:9411/api/v2/spans",
        ),
        ("ZIPKIN_UI_ENVIRONMENT", "\"><script>"),
    ];
    let server = Server::start(Options::of(&options)).unwrap();
    let page = server.get("/zipkin/status").unwrap();
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'self'",
        "script-src 'self'",
        "connect-src 'self' https://archive.example:9411",
        "frame-ancestors 'self' https://portal.example",
    ] {
        assert!(
            policy.split(';').any(|other| other.trim() == part),
            "{part}: {policy}"
        );
    }
    assert_eq!(
        page.header("x-content-type-options").as_deref(),
        Some("nosniff")
    );
    assert!(!page.text().contains("<script>"), "{}", page.text());
    let plain = Server::start(Options::default()).unwrap();
    let policy = plain
        .get("/zipkin/")
        .unwrap()
        .header("content-security-policy")
        .unwrap();
    assert!(policy.contains("connect-src 'self';") && policy.ends_with("frame-ancestors 'self'"));
}

#[test]
fn files_of_the_page_come_packed_and_stay() {
    let server = Server::start(Options::default()).unwrap();
    let page = server.get("/zipkin/").unwrap().text();
    let named = page.split('"').filter(|text| text.starts_with("assets/"));
    let mut paths: Vec<String> = named.map(|path| format!("/zipkin/{path}")).collect();
    assert!(!paths.is_empty(), "{page}");
    paths.sort();
    for path in paths {
        let ask = |accepts: &str| {
            let request = Request::get(&path).header("Accept-Encoding", accepts);
            server.ask(&request).unwrap()
        };
        let (plain, gzip, brotli) = (ask("identity"), ask("gzip"), ask("gzip, br"));
        assert_eq!((plain.status, &plain.body), (200, &gzip.body), "{path}");
        assert_eq!(
            gzip.header("content-encoding").as_deref(),
            Some("gzip"),
            "{path}"
        );
        assert_eq!(
            brotli.header("content-encoding").as_deref(),
            Some("br"),
            "{path}"
        );
        assert!(brotli.body.len() < plain.body.len());
        let cache = plain.header("cache-control");
        assert_eq!(cache.as_deref(), Some("max-age=31536000, immutable"));
        let known = Request::get(&path)
            .header("Accept-Encoding", "br")
            .header("If-None-Match", &brotli.header("etag").unwrap());
        assert_eq!(server.ask(&known).unwrap().status, 304, "{path}");
    }
    assert_eq!(server.get("/zipkin/assets/nope.js").unwrap().status, 404);
}

#[test]
fn rows_are_traced_and_counted_as_other_queries() {
    let options = Options::of(&[
        ("SELF_TRACING_ENABLED", "true"),
        ("SELF_TRACING_TRACES_PER_SECOND", "0"),
    ]);
    let server = Server::start(options).unwrap();
    let body = trace_body(1, 2, "traced");
    assert_eq!(server.ask(&Request::spans(body)).unwrap().status, 202);
    assert_eq!(rows(&server, "serviceName=traced").0.len(), 1);
    let metrics = server.get("/prometheus").unwrap().text();
    let series = "http_server_requests_seconds_count{method=\"GET\",status=\"200\",\
                  uri=\"/api/ui/v1/traces\",}";
    assert!(metrics.contains(series), "{metrics}");
}

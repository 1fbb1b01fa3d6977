//! The reporter against a server that takes, refuses, is busy, comes late or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use speargun_model::{SpanId, TraceId};

use super::*;
use crate::testing::{TestServer, plain, reply, until};

fn span(id: u64) -> Span {
    Span {
        trace_id: TraceId { high: 0, low: 1 },
        id: SpanId(id),
        ..Span::default()
    }
}

fn settings(server: &TestServer) -> ReporterSettings {
    let uri = server.url("/api/v2/spans").parse().unwrap();
    ReporterSettings {
        close_timeout: Duration::from_secs(10),
        ..ReporterSettings::new(Destination::Fixed(uri))
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn spans_are_posted_as_zipkins_reporters_do() {
    let server = TestServer::answering(202, "").await;
    for encoding in [Encoding::JsonV2, Encoding::Proto3] {
        let reporter = Reporter::start(ReporterSettings {
            encoding,
            gzip_from_bytes: Some(1),
            ..settings(&server)
        });
        let reporter = reporter.unwrap();
        reporter.report(span(1));
        assert!(reporter.flush(LONG).await);
    }
    let asked = server.asked();
    for (asked, content_type) in asked
        .iter()
        .zip(["application/json", "application/x-protobuf"])
    {
        assert_eq!(asked.uri().path(), "/api/v2/spans");
        assert_eq!(asked.headers()["content-type"], content_type);
        assert_eq!(asked.headers()["content-encoding"], "gzip");
        assert_eq!(asked.headers()["b3"], "0");
    }
    let json = plain(&asked[0]);
    assert_eq!(
        json,
        r#"[{"traceId":"0000000000000001","id":"0000000000000001"}]"#
    );
}

#[tokio::test]
async fn a_message_is_due_by_count() {
    let server = TestServer::answering(202, "").await;
    let reporter = Reporter::start(ReporterSettings {
        message_spans: 10,
        message_timeout: Duration::from_hours(1),
        ..settings(&server)
    });
    let reporter = reporter.unwrap();
    for id in 1..=10 {
        reporter.report(span(id));
    }
    until("ten spans are sent", || reporter.figures().spans_sent == 10).await;
}

#[tokio::test]
async fn a_message_is_due_by_time() {
    let server = TestServer::answering(202, "").await;
    let reporter = Reporter::start(ReporterSettings {
        message_timeout: Duration::from_millis(10),
        ..settings(&server)
    });
    let reporter = reporter.unwrap();
    reporter.report(span(1));
    until("the span is sent", || reporter.figures().spans_sent == 1).await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&count);
    let server = TestServer::start(move |_| {
        let status = [503, 429, 202][turn.fetch_add(1, Ordering::Relaxed).min(2)];
        async move { reply(status, "") }
    })
    .await;
    let reporter = Reporter::start(settings(&server)).unwrap();
    reporter.report(span(1));
    assert!(reporter.flush(LONG).await);
    let figures = reporter.figures();
    assert_eq!((figures.spans_sent, figures.retries), (1, 2));
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_message_that_is_refused_is_not_sent_again() {
    let server = TestServer::answering(400, "no").await;
    let reporter = Reporter::start(settings(&server)).unwrap();
    reporter.report(span(1));
    reporter.report(span(2));
    assert!(reporter.flush(LONG).await);
    let figures = reporter.figures();
    assert_eq!(figures.dropped("refused"), 2);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(figures.spans, figures.spans_sent + figures.dropped_in_all());
}

#[tokio::test]
async fn a_server_that_is_away_costs_spans_and_no_waiting() {
    let uri = "http://127.0.0.1:1/api/v2/spans".parse().unwrap();
    let reporter = Reporter::start(ReporterSettings {
        queued_spans_max: 100,
        ..ReporterSettings::new(Destination::Fixed(uri))
    });
    let reporter = reporter.unwrap();
    for id in 1..=1000 {
        reporter.report(span(id));
    }
    assert!(reporter.flush(LONG).await);
    let figures = reporter.figures();
    assert_eq!(figures.spans, 1000);
    assert_eq!(figures.dropped_in_all(), 1000);
    assert!(figures.dropped("queue_full") > 0 && figures.dropped("unreachable") > 0);
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes_too() {
    let server = TestServer::answering(202, "").await;
    let one = span(1).memory_bytes();
    let reporter = Reporter::start(ReporterSettings {
        queued_bytes_max: one * 3 + 1,
        message_timeout: Duration::from_hours(1),
        ..settings(&server)
    });
    let reporter = reporter.unwrap();
    // Before the thread has a chance: this test's runtime has one thread, but the reporter has its
    // own, so at least one and at most all of the others find room.
    for id in 1..=3 {
        reporter.report(span(id));
    }
    let mut large = span(4);
    large.name = Some("x".repeat(one * 4));
    reporter.report(large);
    assert_eq!(reporter.figures().dropped("queue_full"), 1);
    assert!(reporter.flush(LONG).await);
    assert_eq!(reporter.figures().spans_sent, 3);
}

#[tokio::test]
async fn closing_sends_what_waits_and_takes_no_more() {
    let server = TestServer::answering(202, "").await;
    let reporter = Reporter::start(ReporterSettings {
        message_timeout: Duration::from_hours(1),
        ..settings(&server)
    });
    let reporter = reporter.unwrap();
    reporter.report(span(1));
    reporter.close().await;
    reporter.report(span(2));
    let figures = reporter.figures();
    assert_eq!((figures.spans_sent, figures.dropped("closed")), (1, 1));
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_server_that_hangs() {
    let server = TestServer::start(|_| std::future::pending()).await;
    let reporter = Reporter::start(ReporterSettings {
        close_timeout: Duration::from_millis(50),
        ..settings(&server)
    });
    let reporter = reporter.unwrap();
    reporter.report(span(1));
    let begun = Instant::now();
    reporter.close().await;
    // The server would be waited for ten seconds otherwise.
    assert!(begun.elapsed() < Duration::from_secs(8));
    until("the span is counted", || {
        reporter.figures().dropped_in_all() == 1
    })
    .await;
}

#[tokio::test]
async fn the_last_handle_sends_what_waits() {
    let server = TestServer::answering(202, "").await;
    let reporter = Reporter::start(ReporterSettings {
        message_timeout: Duration::from_hours(1),
        ..settings(&server)
    });
    reporter.unwrap().report(span(1));
    until("the span came", || server.asked().len() == 1).await;
}

#[tokio::test]
async fn a_server_that_is_found_later_gets_what_waits() {
    let server = TestServer::answering(202, "").await;
    let known = Arc::new(parking_lot::Mutex::new(None));
    let find = Arc::clone(&known);
    let mut settings = settings(&server);
    settings.destination = Destination::Found(Arc::new(move || find.lock().clone()));
    settings.attempts_max = 1000;
    let reporter = Reporter::start(settings).unwrap();
    reporter.report(span(1));
    *known.lock() = Some(server.url("/api/v2/spans").parse().unwrap());
    assert!(reporter.flush(LONG).await);
    assert_eq!(reporter.figures().spans_sent, 1);
}

#[test]
fn metrics_have_the_names_of_zipkins_reporter() {
    let reporter = Reporter::none();
    reporter.report(span(1));
    let mut out = Exposition::default();
    reporter.write_metrics(&mut out);
    let text = out.into_text();
    assert!(text.contains("\nzipkin_reporter_spans_total 1\n"), "{text}");
    assert!(text.contains("zipkin_reporter_spans_dropped_total{cause=\"closed\"} 1\n"));
}

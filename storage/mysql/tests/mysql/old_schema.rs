//! Tables of older schemas, without the columns that came later: served with what they have.

use speargun_e2e::mariadb::MariaDb;
use speargun_model::{Kind, TraceId};
use speargun_storage::contract::{NOW_MS, Sketch, span};
use speargun_storage::{SpanReader, TraceRequest, Window};

use crate::{NEVER, config, fresh, open, sql, store};

/// The first tables, as Zipkin's server made them before 128-bit ids.
const FIRST: &str = "
ALTER TABLE zipkin_spans DROP PRIMARY KEY, DROP INDEX trace_id_high, DROP COLUMN trace_id_high,
  DROP INDEX remote_service_name, DROP COLUMN remote_service_name,
  ADD UNIQUE KEY (trace_id, id);
ALTER TABLE zipkin_annotations DROP INDEX trace_id_high, DROP INDEX trace_id_high_2,
  DROP INDEX trace_id_high_3, DROP COLUMN trace_id_high, DROP COLUMN endpoint_ipv6,
  ADD UNIQUE KEY (trace_id, span_id, a_key, a_timestamp);
ALTER TABLE zipkin_dependencies DROP COLUMN error_count;";

#[test]
fn the_first_schema_is_served() {
    let server = MariaDb::shared().unwrap();
    let (made, database) = fresh();
    made.check().unwrap();
    sql(&database, FIRST);
    let old = open(config(server, &database));
    let call = |trace: u128| {
        let call = span(trace, 1).kind(Kind::Client).by("a").to("b");
        call.named("get").lasting(7).tag("k", "v").note(9, "n")
    };
    let long = 1 << 64 | 5;
    store(&old, &[call(4), call(long)]).unwrap();
    store(&old, &[call(4), call(long)]).unwrap();
    let id = TraceId::from_u128;
    assert_eq!(old.trace(id(4), &NEVER).unwrap(), [call(4)]);
    // The upper half has no column.
    assert_eq!(old.trace(id(long), &NEVER).unwrap(), [call(5)]);
    assert_eq!(old.trace(id(5), &NEVER).unwrap(), [call(5)]);
    assert_eq!(old.service_names(&NEVER).unwrap(), ["a"]);
    assert_eq!(old.span_names("a", &NEVER).unwrap(), ["get"]);
    assert_eq!(old.remote_service_names("a", &NEVER).unwrap(), ["b"]);
    let window = Window {
        end_ms: NOW_MS,
        lookback_ms: 1000,
    };
    let request = TraceRequest {
        service_name: Some("a".into()),
        remote_service_name: Some("b".into()),
        span_name: Some("get".into()),
        terms: Vec::new(),
        min_duration_us: Some(7),
        max_duration_us: None,
        window,
        limit: 10,
    };
    assert_eq!(old.search(&request, &NEVER).unwrap().len(), 2);
    let links = old.dependencies(window, &NEVER).unwrap();
    let links: Vec<_> = links
        .iter()
        .map(|l| (l.parent.as_str(), l.call_count))
        .collect();
    assert_eq!(links, [("a", 2)]);
    sql(
        &database,
        "INSERT INTO zipkin_dependencies VALUES ('2023-11-14', 'x', 'y', 3)",
    );
    let links = old.dependencies(window, &NEVER).unwrap();
    let links: Vec<_> = links
        .iter()
        .map(|l| (l.parent.as_str(), l.call_count))
        .collect();
    assert_eq!(links, [("x", 3)]);
}

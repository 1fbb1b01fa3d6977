//! Names that are offered to choose from. Zipkin's tables hold them once a row, so these look at
//! whole indexes, as Zipkin's server does; nothing is remembered between questions.

use mysql_async::{Row, Value};
use speargun_model::span::java_order;

use crate::error::Fault;
use crate::link::{Session, bytes, text};
use crate::row::kind;

/// Names of one answer.
const NAMES_MAX: usize = 100_000;

/// Returns the services that recorded spans: the index on names is jumped through, and each name
/// looked for as a recorder. `DISTINCT` would walk the whole index.
pub(crate) async fn services(session: &mut Session) -> Result<Vec<String>, Fault> {
    const NEXT: &str = "SELECT endpoint_service_name FROM zipkin_annotations \
                        WHERE endpoint_service_name > ? ORDER BY endpoint_service_name LIMIT 1";
    let recorded = format!(
        "SELECT endpoint_service_name FROM zipkin_annotations \
         WHERE endpoint_service_name = ? AND a_type <> {} LIMIT 1",
        kind::ADDRESS
    );
    let mut found = Vec::new();
    let mut last = Value::from("");
    for _ in 0..NAMES_MAX {
        let rows = session.rows(NEXT, vec![last]).await?;
        let Some(name) = rows.first().and_then(|row| bytes(row, 0)) else {
            break;
        };
        last = Value::Bytes(name.to_vec());
        let rows = session.rows(&recorded, vec![last.clone()]).await?;
        found.extend(rows.first().and_then(|row| text(row, 0)));
    }
    Ok(sorted(found))
}

/// Returns the names of spans that a service recorded.
pub(crate) async fn span_names(session: &mut Session, service: &str) -> Result<Vec<String>, Fault> {
    let high = join_high(session, "s", "a");
    let sql = format!(
        "SELECT DISTINCT s.name FROM (SELECT DISTINCT {columns} FROM zipkin_annotations \
         WHERE endpoint_service_name = ? AND BINARY endpoint_service_name = ? AND a_type <> {}) a \
         JOIN zipkin_spans s ON {high} s.trace_id = a.trace_id AND s.id = a.span_id \
         WHERE s.name <> ''",
        kind::ADDRESS,
        columns = columns(session),
    );
    let values = vec![service.into(), service.into()];
    Ok(sorted(names(session, &sql, values).await?))
}

/// Returns the services that spans of a service lead to. The address of a server is the client
/// half's to know, and the other way round: of a shared span only the half that is not the other
/// side counts.
pub(crate) async fn remote_services(
    session: &mut Session,
    service: &str,
) -> Result<Vec<String>, Fault> {
    let (r, x) = (join_high(session, "r", "a"), join_high(session, "x", "a"));
    let sql = format!(
        "SELECT DISTINCT r.endpoint_service_name FROM (SELECT DISTINCT {columns} \
         FROM zipkin_annotations WHERE endpoint_service_name = ? \
         AND BINARY endpoint_service_name = ? AND a_type <> {address}) a \
         JOIN zipkin_annotations r ON {r} r.trace_id = a.trace_id AND r.span_id = a.span_id \
         WHERE r.a_type = {address} AND r.endpoint_service_name <> '' AND NOT EXISTS \
         (SELECT 1 FROM zipkin_annotations x WHERE {x} x.trace_id = a.trace_id \
         AND x.span_id = a.span_id AND x.endpoint_service_name = ? AND x.a_type = {annotation} \
         AND ((r.a_key = 'sa' AND x.a_key = 'sr') OR (r.a_key = 'ca' AND x.a_key = 'cs')))",
        columns = columns(session),
        address = kind::ADDRESS,
        annotation = kind::ANNOTATION,
    );
    let values = vec![service.into(), service.into(), service.into()];
    Ok(sorted(names(session, &sql, values).await?))
}

/// Returns the values of a tag.
pub(crate) async fn tag_values(session: &mut Session, key: &str) -> Result<Vec<String>, Fault> {
    let sql = format!(
        "SELECT DISTINCT a_value FROM zipkin_annotations \
         WHERE a_key = ? AND BINARY a_key = ? AND a_type = {}",
        kind::TAG
    );
    Ok(sorted(
        names(session, &sql, vec![key.into(), key.into()]).await?,
    ))
}

fn columns(session: &Session) -> &'static str {
    if session.schema.has_high {
        "trace_id_high, trace_id, span_id"
    } else {
        "trace_id, span_id"
    }
}

fn join_high(session: &Session, one: &str, other: &str) -> String {
    if session.schema.has_high {
        format!("{one}.trace_id_high = {other}.trace_id_high AND")
    } else {
        String::new()
    }
}

async fn names(session: &mut Session, sql: &str, values: Vec<Value>) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let take = |row: &Row| {
        found.extend(text(row, 0));
        Ok(())
    };
    let sql = format!("{sql} LIMIT {NAMES_MAX}");
    session.each(&sql, values, take).await?;
    Ok(found)
}

/// Sorts names as Java does, each once.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_by(|one, other| java_order(one, other));
    names.dedup();
    names
}

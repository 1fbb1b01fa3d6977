//! The criteria of a search as conditions of SQL. They find candidates: what they leave out can't
//! match, and what they let in is tested by itself. Texts of requests are parameters, never part of
//! a statement.

use clickhouse::query::Query;
use speargun_storage::TraceRequest;

/// Conditions on rows of `spans`, each of which some span of a trace must meet, and the parameters
/// that they name.
#[derive(Debug, Default)]
pub(crate) struct Criteria {
    conditions: Vec<String>,
    parameters: Vec<(String, Value)>,
    /// Whether each condition names the service.
    has_service: bool,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Number(u64),
}

impl Criteria {
    pub(crate) fn of(request: &TraceRequest) -> Self {
        let mut criteria = Self::default();
        let service = request.service_name.as_ref().map(|name| {
            let place = criteria.text(name);
            format!("service = {place}")
        });
        let of_service = |condition: String| match &service {
            Some(service) => format!("{service} AND {condition}"),
            None => condition,
        };
        let mut conditions = Vec::new();
        if let Some(name) = &request.remote_service_name {
            conditions.push(format!("remote_service = {}", criteria.text(name)));
        }
        if let Some(name) = &request.span_name {
            conditions.push(format!("name = {}", criteria.text(name)));
        }
        if let Some(min) = request.min_duration_us {
            let mut condition = format!("duration_us >= {}", criteria.number(min));
            if let Some(max) = request.max_duration_us {
                condition = format!("{condition} AND duration_us <= {}", criteria.number(max));
            }
            conditions.push(condition);
        }
        for term in &request.terms {
            let key = criteria.text(&term.key);
            conditions.push(match &term.value {
                // An absent tag reads as an empty one.
                Some(value) if value.is_empty() => {
                    format!("mapContains(tags, {key}) AND tags[{key}] = ''")
                }
                Some(value) => format!("tags[{key}] = {}", criteria.text(value)),
                None => format!("(mapContains(tags, {key}) OR has(annotation_values, {key}))"),
            });
        }
        criteria.has_service = service.is_some();
        criteria.conditions = if conditions.is_empty() {
            service.into_iter().collect()
        } else {
            conditions.into_iter().map(of_service).collect()
        };
        criteria
    }

    /// Returns the condition that a trace has a span that meets each, among those that meet
    /// `near`; starts with AND.
    pub(crate) fn of_trace(&self, near: &str) -> String {
        let each = self.conditions.iter().map(|condition| {
            format!(" AND trace_low IN (SELECT trace_low FROM spans WHERE {condition}{near})")
        });
        each.collect()
    }

    /// Returns the condition that seems to be met least often, when the server finds out in the
    /// order of time where it is met and there is more to it than the service.
    pub(crate) fn rarest(&self) -> Option<&str> {
        // Terms come last.
        let last = self.conditions.last().filter(|_| self.has_service)?;
        last.contains(" AND ").then_some(last)
    }

    pub(crate) fn bind(&self, query: Query) -> Query {
        let all = self.parameters.iter();
        all.fold(query, |query, (name, value)| match value {
            Value::Text(text) => query.param(name, text),
            Value::Number(number) => query.param(name, number),
        })
    }

    fn text(&mut self, text: &str) -> String {
        self.place(Value::Text(text.to_owned()), "String")
    }

    fn number(&mut self, number: u64) -> String {
        self.place(Value::Number(number), "UInt64")
    }

    fn place(&mut self, value: Value, of_type: &str) -> String {
        let name = format!("c{}", self.parameters.len());
        let place = format!("{{{name}:{of_type}}}");
        self.parameters.push((name, value));
        place
    }
}

#[cfg(test)]
mod tests {
    use speargun_storage::contract::spans::{of_service, with_terms};

    use super::*;

    #[test]
    fn texts_of_requests_are_no_part_of_the_statement() {
        let hostile = "x' OR TRUE --";
        let request = TraceRequest {
            remote_service_name: Some(hostile.into()),
            span_name: Some(hostile.into()),
            terms: with_terms(&[&format!("{hostile}={hostile}"), hostile]).terms,
            ..of_service(hostile)
        };
        let criteria = Criteria::of(&request);
        assert!(!criteria.of_trace("").contains("x'"));
        assert_eq!(criteria.conditions.len(), 4);
        assert_eq!(criteria.parameters.len(), 6);
    }

    #[test]
    fn a_service_alone_is_a_criterion() {
        let criteria = Criteria::of(&of_service("a"));
        assert_eq!(criteria.conditions, ["service = {c0:String}"]);
        assert_eq!(criteria.rarest(), None);
    }

    #[test]
    fn a_term_is_rarer_than_a_name() {
        let request = TraceRequest {
            span_name: Some("get".into()),
            terms: with_terms(&["error"]).terms,
            ..of_service("a")
        };
        let criteria = Criteria::of(&request);
        assert!(criteria.rarest().unwrap().contains("mapContains"));
        let nowhere = Criteria::of(&with_terms(&["error"]));
        assert_eq!(nowhere.rarest(), None, "all services would be read");
    }
}

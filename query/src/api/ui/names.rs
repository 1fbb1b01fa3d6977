//! Names for who types a search: services, operations, remote services, tag keys and values, each
//! with the number of spans that have it. It matches no traces.

use std::time::Duration;

use serde::Serialize;
use speargun_storage::{Listed, NamesRequest, ObservedNames};

use super::{Answered, Asked, Meta, UiApi, whole};
use crate::error::QueryError;
use crate::search;

/// Names shown, when the page does not say, and at most.
const LIMIT: (i32, i32) = (50, 1000);
/// How long counting may take: somebody is typing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Spans that are counted at most.
const SPANS_MAX: u64 = 4_000_000;

#[derive(Serialize)]
struct Names {
    names: Vec<(String, u64)>,
    more: usize,
    complete: bool,
    meta: Meta,
}

impl UiApi {
    pub(super) fn names(&self, asked: &Asked) -> Answered {
        let params = &asked.params;
        let window = search::window(params, asked.now_ms, self.config.lookback_default_ms)?;
        let limit = search::positive_up_to(params, "limit", LIMIT)?;
        let request = NamesRequest {
            of: listed(asked)?,
            service_name: search::name(params, "service"),
            window,
            spans_max: SPANS_MAX,
        };
        let found = if self.config.search_enabled {
            let context = self.within(asked, PATIENCE);
            self.reader.observed_names(&request, &context)?
        } else {
            ObservedNames::new()
        };
        let (complete, spans) = (found.is_complete, found.spans);
        let mut names = containing(found.into_sorted(), params.text("contains"));
        let more = names.len().saturating_sub(limit);
        names.truncate(limit);
        let took = asked.took_nothing();
        Ok(whole(&Names {
            names,
            more,
            complete,
            meta: Meta { spans, ..took },
        }))
    }
}

fn listed(asked: &Asked) -> Result<Listed, QueryError> {
    match asked.params.mandatory_text("of")? {
        "services" => Ok(Listed::Services),
        "operations" => Ok(Listed::Operations),
        "remotes" => Ok(Listed::Remotes),
        "keys" => Ok(Listed::Keys),
        "values" => match asked.params.mandatory_text("key")? {
            "" => Err(QueryError::refused("key was empty")),
            key => Ok(Listed::Values(key.to_owned())),
        },
        other => Err(QueryError::Refused(format!(
            "of is {other}, but must be services, operations, remotes, keys or values"
        ))),
    }
}

/// Returns the names that contain a text in any case: first those that begin with it.
fn containing(names: Vec<(String, u64)>, text: Option<&str>) -> Vec<(String, u64)> {
    let text = text.unwrap_or_default().to_lowercase();
    if text.is_empty() {
        return names;
    }
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for named in names {
        match named.0.to_lowercase().find(&text) {
            Some(0) => first.push(named),
            Some(_) => others.push(named),
            None => {}
        }
    }
    first.append(&mut others);
    first
}

//! The words that the mapping writes and no body need contain. They lie at the front of every
//! OTLP batch's `extra`, so that a span points to them as it points to its own texts.

use crate::batch::Text;

/// A word and where it lies.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Word {
    start: usize,
    text: &'static str,
}

impl Word {
    const fn after(before: Self, text: &'static str) -> Self {
        Self {
            start: before.start + before.text.len(),
            text,
        }
    }

    /// Returns the word as a text of the batch.
    #[inline(always)]
    pub(in crate::codec) fn text(self) -> Text {
        Text::in_extra(self.start, self.text.len())
    }

    pub(super) fn bytes(self) -> &'static [u8] {
        self.text.as_bytes()
    }
}

macro_rules! words {
    ($($name:ident $text:literal, after $before:ident;)*) => {
        const FIRST: Word = Word { start: 0, text: "" };
        $(pub(in crate::codec) const $name: Word = Word::after($before, $text);)*
        /// All of them, in the order in which they lie.
        pub(super) const ALL: &[Word] = &[$($name),*];
    };
}

words! {
    TRUE "true", after FIRST;
    FALSE "false", after TRUE;
    ERROR "error", after FALSE;
    OK "OK", after ERROR;
    ERROR_CODE "ERROR", after OK;
    UNRECOGNIZED "UNRECOGNIZED", after ERROR_CODE;
    STATUS_CODE "otel.status_code", after UNRECOGNIZED;
    STATUS_DESCRIPTION "otel.status_description", after STATUS_CODE;
    SCOPE_NAME "otel.scope.name", after STATUS_DESCRIPTION;
    SCOPE_VERSION "otel.scope.version", after SCOPE_NAME;
    SCOPE_SCHEMA "otel.scope.schema_url", after SCOPE_VERSION;
    SCOPE_DROPPED "otel.scope.dropped_attributes_count", after SCOPE_SCHEMA;
    RESOURCE_SCHEMA "otel.resource.schema_url", after SCOPE_DROPPED;
    RESOURCE_DROPPED "otel.resource.dropped_attributes_count", after RESOURCE_SCHEMA;
    DROPPED_ATTRIBUTES "otel.dropped_attributes_count", after RESOURCE_DROPPED;
    DROPPED_EVENTS "otel.dropped_events_count", after DROPPED_ATTRIBUTES;
    DROPPED_LINKS "otel.dropped_links_count", after DROPPED_EVENTS;
    TRACE_STATE "w3c.tracestate", after DROPPED_LINKS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lie_one_behind_the_other() {
        let mut end = 0;
        for word in ALL {
            assert_eq!(word.text().range().start, end, "{}", word.text);
            end += word.bytes().len();
        }
        assert_eq!(end, STATE_END);
    }

    const STATE_END: usize = TRACE_STATE.start + TRACE_STATE.text.len();
}

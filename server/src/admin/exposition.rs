//! Prometheus's text, in the two forms that Zipkin's server speaks: the old one, in which labels
//! end with a comma, and `OpenMetrics` for those who ask for it. It knows no metric.

use std::fmt::{Display, Write};

use http::HeaderMap;
use http::header::ACCEPT;

use super::Floating;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Form {
    /// Version 0.0.4.
    #[default]
    Plain,
    /// `OpenMetrics` 1.0.0.
    Open,
}

impl Form {
    /// Returns the form that a client wants: the new one as soon as it is named, whatever else is.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let named = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|media_type| media_type.trim() == "application/openmetrics-text");
        if named { Self::Open } else { Self::Plain }
    }

    /// Returns the type of the answer.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text as it grows.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    form: Form,
    text: String,
}

impl Exposition {
    /// Returns an empty text.
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            text: String::new(),
        }
    }

    /// Begins a family, whose samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        match self.form {
            Form::Plain => {
                self.line(format_args!("# HELP {name} {help}"));
                self.line(format_args!("# TYPE {name} {kind}"));
            }
            Form::Open => {
                let family = name.strip_suffix("_total").unwrap_or(name);
                self.line(format_args!("# TYPE {family} {kind}"));
                self.line(format_args!("# HELP {family} {help}"));
            }
        }
    }

    /// Adds a sample that is a count, in the form of a floating-point number.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.sample_text(name, labels, Floating(value));
    }

    /// Adds a sample whose value is text already.
    pub(crate) fn sample_text(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        if !labels.is_empty() {
            self.text.push('{');
            for (index, (label, text)) in labels.iter().enumerate() {
                if self.form == Form::Open && index > 0 {
                    self.text.push(',');
                }
                self.text.push_str(label);
                self.text.push_str("=\"");
                self.text.push_str(text);
                self.text.push('"');
                if self.form == Form::Plain {
                    self.text.push(',');
                }
            }
            self.text.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    /// Returns the whole text.
    pub(crate) fn end(mut self) -> String {
        if self.form == Form::Open {
            self.line("# EOF");
        }
        self.text
    }

    fn line(&mut self, line: impl Display) {
        let written = writeln!(self.text, "{line}");
        debug_assert!(written.is_ok(), "strings take all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(form: Form) -> String {
        let mut text = Exposition::new(form);
        text.family("a_total", "counter", "of it");
        text.sample("a_total", &[("x", "1"), ("y", "2")], 6);
        text.sample_text("b", &[], "0.5");
        text.end()
    }

    #[test]
    fn in_the_old_form_labels_end_with_a_comma() {
        assert_eq!(
            text(Form::Plain),
            "# HELP a_total of it\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\",} 6.0\nb 0.5\n"
        );
    }

    #[test]
    fn open_metrics_names_counters_without_their_ending() {
        assert_eq!(
            text(Form::Open),
            "# TYPE a counter\n# HELP a of it\na_total{x=\"1\",y=\"2\"} 6.0\nb 0.5\n# EOF\n"
        );
    }

    #[test]
    fn open_metrics_is_for_those_who_name_it() {
        let wanted = |accepts: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, http::HeaderValue::from_static(accepts));
            Form::wanted(&headers)
        };
        assert_eq!(
            wanted("text/plain, application/openmetrics-text;version=1.0.0;q=0.1"),
            Form::Open
        );
        assert_eq!(wanted("text/plain;version=0.0.4,*/*"), Form::Plain);
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Plain);
    }
}

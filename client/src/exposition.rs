//! Metrics in the text form that Prometheus reads. Nothing is counted here: whoever counts writes
//! its figures when asked.

use std::fmt::{Display, Write};

/// A text that grows by one family of samples after the other.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family: its samples must follow at once.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _written = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Appends one sample. Labels are names and values; values are escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            for c in text.chars() {
                match c {
                    '"' => self.0.push_str("\\\""),
                    '\\' => self.0.push_str("\\\\"),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _written = writeln!(self.0, " {value}");
    }

    /// Returns the text.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut out = Exposition::default();
        out.family("a_total", "counter", "Things.");
        out.sample("a_total", &[("x", "1\"\\\n"), ("y", "é")], 3);
        out.sample("a_total", &[], 0.5);
        assert_eq!(
            out.into_text(),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\\\"\\\\\\n\",y=\"é\"} 3\na_total 0.5\n"
        );
    }
}

//! The text format.

use std::fmt::{Display, Write};

/// What becomes of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows, and begins at 0 with each start; its name ends in `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Metrics as text, each with its help and its kind.
#[derive(Debug)]
pub struct Text {
    prefix: &'static str,
    text: String,
}

impl Text {
    /// An empty one, whose metrics' names all begin with `prefix`.
    pub const fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    /// Adds a metric with one value.
    pub fn metric(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let prefix = self.prefix;
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{prefix}{name} {value}");
    }

    /// Adds a metric with a value for each of some labels; with none it is named all the same, so
    /// that it can be found.
    pub fn labelled<L: Display, V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) {
        self.head(name, kind, help);
        let prefix = self.prefix;
        for (of, value) in values {
            let of = escaped(&of.to_string());
            let _ = writeln!(self.text, "{prefix}{name}{{{label}=\"{of}\"}} {value}");
        }
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let (prefix, kind) = (self.prefix, kind.name());
        let _ = writeln!(self.text, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}");
    }
}

/// A label's value between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_help_its_kind_and_its_values() {
        let mut text = Text::new("mica_x_");
        text.metric("open", Kind::Gauge, "Open now.", 3);
        text.labelled(
            "refused_total",
            Kind::Counter,
            "Refused.",
            "why",
            [("a\"b\\\n", 1), ("c", 2)],
        );
        text.labelled("seen_total", Kind::Counter, "Seen.", "by", Vec::<(&str, u8)>::new());
        assert_eq!(
            text.finish(),
            "# HELP mica_x_open Open now.\n# TYPE mica_x_open gauge\nmica_x_open 3\n\
             # HELP mica_x_refused_total Refused.\n# TYPE mica_x_refused_total counter\n\
             mica_x_refused_total{why=\"a\\\"b\\\\\\n\"} 1\nmica_x_refused_total{why=\"c\"} 2\n\
             # HELP mica_x_seen_total Seen.\n# TYPE mica_x_seen_total counter\n"
        );
    }
}

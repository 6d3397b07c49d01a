//! What was found, and what mends it.

use std::fmt::Write;

use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Good,
    /// Worth knowing.
    Note,
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    /// A name that programs can rely on.
    pub check: &'static str,
    pub state: State,
    /// What is the case.
    pub found: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    pub(super) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Good, found: found.into(), mend: None }
    }

    pub(super) fn note(
        check: &'static str,
        found: impl Into<String>,
        mend: Option<String>,
    ) -> Self {
        Self { check, state: State::Note, found: found.into(), mend }
    }

    pub(super) fn wrong(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Wrong, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Each finding in a line, and below it what to do.
pub(super) fn to_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.state {
            State::Good => "ok",
            State::Note => "note",
            State::Wrong => "WRONG",
        };
        // Writing into a String does not fail. Nodes and peers have a say in it.
        let found = mica_text::lines(&finding.found);
        let _ = writeln!(text, "{mark:<5}  {:<9}  {found}", finding.check);
        if let Some(mend) = &finding.mend {
            let _ = writeln!(text, "{:<5}  {:<9}    {}", "", "", mica_text::lines(mend));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_stands_below_what_is_wrong_and_in_json() {
        let findings = [
            Finding::good("clock", "agrees"),
            Finding::wrong("stake", "too low", "mica-worker stake add 10MICA"),
        ];
        let text = to_text(&findings);
        assert!(
            text.starts_with("ok     clock      agrees\nWRONG  stake      too low\n"),
            "{text}"
        );
        assert!(text.ends_with("    mica-worker stake add 10MICA\n"), "{text}");
        let json = serde_json::to_value(&findings).expect("JSON");
        assert_eq!((&json[0]["state"], &json[1]["check"]), (&"good".into(), &"stake".into()));
        assert!(json[0].get("mend").is_none());
    }
}

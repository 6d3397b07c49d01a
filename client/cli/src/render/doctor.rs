//! What `mica doctor` found.

use std::fmt::Write;

use serde::Serialize;

use crate::finding::{Report, State};

/// All findings, and whether none of them is wrong.
#[derive(Serialize)]
pub(crate) struct Diagnosis<'a> {
    healthy: bool,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    check: &'static str,
    state: &'static str,
    found: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<&'a str>,
}

impl<'a> From<&'a Report> for Diagnosis<'a> {
    fn from(report: &'a Report) -> Self {
        let findings = report.findings.iter().map(|finding| Finding {
            check: finding.check,
            state: match finding.state {
                State::Good => "good",
                State::Note => "note",
                State::Wrong => "wrong",
                State::Skipped => "skipped",
            },
            found: &finding.found,
            mend: finding.mend.as_deref(),
        });
        Self { healthy: report.wrong() == 0, findings: findings.collect() }
    }
}

impl Diagnosis<'_> {
    /// For people: each finding, and below it the command that mends it.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let mark = match finding.state {
                "good" => "ok",
                "wrong" => "WRONG",
                "skipped" => "-",
                note => note,
            };
            // Writing into a String does not fail.
            let found = mica_text::lines(finding.found);
            let _ = writeln!(text, "{mark:<5}  {:<8}  {found}", finding.check);
            if let Some(mend) = &finding.mend {
                let _ = writeln!(text, "{:<5}  {:<8}    {mend}", "", "");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding;

    #[test]
    fn each_remedy_is_shown_below_what_is_wrong() {
        let findings = vec![
            finding::Finding::good("home", "there"),
            finding::Finding::wrong("node", "silent", "mica-node --dev"),
        ];
        let report = Report { findings };
        let diagnosis = Diagnosis::from(&report);
        assert!(!diagnosis.healthy && report.wrong() == 1);
        let text = diagnosis.to_text();
        assert!(
            text.contains("ok     home      there\nWRONG  node      silent\n")
                && text.contains("    mica-node --dev\n"),
            "{text}"
        );
        assert_eq!(
            serde_json::to_string(&diagnosis).expect("JSON"),
            "{\"healthy\":false,\"findings\":[{\"check\":\"home\",\"state\":\"good\",\"found\":\
             \"there\"},{\"check\":\"node\",\"state\":\"wrong\",\"found\":\"silent\",\"mend\":\
             \"mica-node --dev\"}]}"
        );
    }
}

//! What a matrix measured, and the report on a table.

use std::path::{Path, PathBuf};

use mica_chain::amount;
use mica_workflow::matrix::{Analysis, Measured};
use serde::Serialize;

/// What was measured into `table`, for people.
pub(crate) fn measured(measured: &Measured, table: &Path) -> String {
    let Measured { cells, before, measured, cost } = measured;
    let table = table.display();
    let before = if *before > 0 { format!(" ({before} were there before)") } else { String::new() };
    format!(
        "{measured} of {cells} rows measured into {table}{before}, {} paid\nmake the report: mica \
         matrix report {table}",
        amount::format(*cost)
    )
}

/// Where the report lies, and what it says.
#[derive(Serialize)]
pub(crate) struct MatrixReport {
    pub(crate) page: PathBuf,
    #[serde(flatten)]
    pub(crate) analysis: Analysis,
}

impl MatrixReport {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{}: {} rows\n", self.page.display(), self.analysis.rows);
        for grouping in &self.analysis.groupings {
            let made: Vec<f64> = grouping
                .results
                .iter()
                .filter_map(|result| result.anova.0.ok())
                .map(|anova| anova.p)
                .collect();
            let differ = made.iter().filter(|p| **p < 0.05).count();
            let groups = grouping.groups.len();
            text.push_str(&format!(
                "by {}: {groups} groups, {differ} of {} measures differ (p < 0.05)\n",
                grouping.factor.title(),
                made.len()
            ));
        }
        text
    }
}

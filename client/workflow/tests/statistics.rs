//! The statistics of a stored table against SciPy, statsmodels, NumPy and pandas (see
//! `matrix/expected.py`), to 1e-6.

use std::path::{Path, PathBuf};

use mica_workflow::matrix::{
    Analysis, Grouping, MeasureResult, Report, Table,
    statistics::{quantile, tail},
};
use serde_json::Value;

/// Largest difference allowed, as a share of numbers above 1.
const TOLERANCE: f64 = 1e-6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix")
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).expect("stored"))
        .expect("JSON")
}

fn table() -> Table {
    Table::read(&folder().join("table.csv")).expect("the stored table is one")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[track_caller]
fn agree(found: f64, expected: &Value, what: &str) {
    let expected = number(expected);
    let allowed = TOLERANCE * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{what}: {found} here, {expected} there");
}

fn compare(result: &MeasureResult, expected: &Value, what: &str) {
    let groups = expected["groups"].as_array().expect("groups");
    assert_eq!(result.groups.len(), groups.len(), "{what}");
    for (found, expected) in result.groups.iter().zip(groups) {
        let (what, summary) = (format!("{what} {}", found.group), found.summary);
        assert_eq!(
            (Some(found.group.as_str()), Some(summary.count as u64)),
            (expected["group"].as_str(), expected["count"].as_u64())
        );
        agree(summary.mean, &expected["mean"], &what);
        agree(summary.deviation.expect("several values"), &expected["deviation"], &what);
        agree(summary.confidence.expect("several values"), &expected["confidence"], &what);
        let quartiles = [
            summary.least,
            summary.lower_quartile,
            summary.median,
            summary.upper_quartile,
            summary.most,
        ];
        quartiles
            .iter()
            .zip(expected["quartiles"].as_array().expect("five"))
            .for_each(|(found, expected)| agree(*found, expected, &what));
    }
    let anova = result.anova.0.expect("applicable");
    agree(anova.f, &expected["f"], what);
    agree(anova.p, &expected["p"], what);
    let tukey = result.tukey.0.as_ref().expect("applicable");
    let pairs = expected["pairs"].as_array().expect("pairs");
    assert_eq!(tukey.pairs.len(), pairs.len(), "{what}");
    for (found, expected) in tukey.pairs.iter().zip(pairs) {
        let what = format!("{what}, pair {} {}", found.first, found.second);
        assert_eq!(
            (Some(found.first as u64), Some(found.second as u64)),
            (expected["first"].as_u64(), expected["second"].as_u64())
        );
        agree(found.difference, &expected["difference"], &what);
        agree(found.interval.0, &expected["low"], &what);
        agree(found.interval.1, &expected["high"], &what);
        agree(found.p, &expected["p"], &what);
    }
}

#[test]
fn means_anova_and_tukey_agree_with_scipy_and_statsmodels() {
    let (expected, analysis) = (expected(), Analysis::of(&table()).expect("few groups"));
    let mut compared = 0;
    for (grouping, name) in
        analysis.groupings.iter().zip(["front_end", "prompt_type", "peer1_llm", "peer2_llm"])
    {
        let Grouping { results, .. } = grouping;
        let measures = expected["factors"][name].as_array().expect("measures");
        assert_eq!(results.len(), measures.len(), "{name}");
        for (result, expected) in results.iter().zip(measures) {
            assert_eq!(Some(result.measure.column().as_str()), expected["measure"].as_str());
            compare(result, expected, &format!("{name} {}", result.measure.column()));
            compared += 1;
        }
    }
    assert_eq!(compared, 17 + 17 + 9 + 9);
}

#[test]
fn correlations_agree_with_pandas() {
    let (expected, analysis) = (expected(), Analysis::of(&table()).expect("few groups"));
    let names: Vec<String> = analysis.measures.iter().map(|measure| measure.column()).collect();
    assert_eq!(serde_json::json!(names), expected["measures"]);
    for ((found, expected), name) in analysis
        .correlation
        .iter()
        .zip(expected["correlation"].as_array().expect("rows"))
        .zip(&names)
    {
        for ((found, expected), other) in
            found.iter().zip(expected.as_array().expect("numbers")).zip(&names)
        {
            agree(found.expect("both vary"), expected, &format!("{name} and {other}"));
        }
    }
}

#[test]
fn the_studentized_range_agrees_with_scipy() {
    for case in expected()["studentized_range"].as_array().expect("cases") {
        let [groups, df] =
            ["groups", "df"].map(|field| case[field].as_u64().expect("a number") as usize);
        for pair in case["tails"].as_array().expect("pairs") {
            agree(
                tail(number(&pair[0]), groups, df),
                &pair[1],
                &format!("{groups} groups, {df} degrees, {}", pair[0]),
            );
        }
        agree(
            quantile(0.05, groups, df),
            &case["quantile"],
            &format!("{groups} groups, {df} degrees"),
        );
    }
}

#[test]
fn the_stored_table_has_a_report() {
    let report = Report::of("table.csv", &table()).expect("a report");
    assert_eq!(report.figures.len(), 7);
    for group in ["qwen2.5:0.5b-instruct", "granite3.1-moe:1b", "Comparative", "openai"] {
        assert!(report.page.contains(group), "{group}");
    }
    assert!(!report.page.contains("NaN"));
}

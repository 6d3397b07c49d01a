//! The page: numbers turned into texts, put into the template beside this file.

use mica_chain::amount;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::{Analysis, Figure, Table};
use crate::matrix::{
    Factor, Grouping, Measure, MeasureResult,
    figures::{scale, significant},
    statistics::{Anova, LEVEL, Tukey},
};

const TEMPLATE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    facts: Vec<(String, String)>,
    failures: usize,
    overview: Overview,
    sections: Vec<Section<'a>>,
    others: Vec<&'a Figure>,
}

/// For each measure, the probability under each factor.
#[derive(Serialize)]
struct Overview {
    factors: Vec<&'static str>,
    rows: Vec<OverviewRow>,
}

#[derive(Serialize)]
struct OverviewRow {
    measure: String,
    cells: Vec<Verdict>,
}

/// A probability, and whether it is below the level.
#[derive(Serialize)]
struct Verdict {
    text: String,
    differs: bool,
}

#[derive(Serialize)]
struct Section<'a> {
    title: String,
    id: String,
    figures: Vec<&'a Figure>,
    groups: Vec<String>,
    means: Vec<MeansRow>,
    tests: Vec<TestRow>,
    pairs: Vec<PairRow>,
    missing_pairs: Vec<(String, String)>,
}

#[derive(Serialize)]
struct MeansRow {
    measure: String,
    unit: &'static str,
    cells: Vec<String>,
}

#[derive(Serialize)]
struct TestRow {
    measure: String,
    f: String,
    df: String,
    p: Verdict,
    eta_squared: String,
    reason: Option<String>,
}

#[derive(Serialize)]
struct PairRow {
    measure: String,
    first: String,
    second: String,
    difference: String,
    interval: String,
    p: Verdict,
}

/// Puts the page together.
///
/// # Errors
/// [`minijinja::Error`] if the template is broken.
pub(super) fn render(
    name: &str,
    table: &Table,
    analysis: &Analysis,
    figures: &[Figure],
) -> Result<String, minijinja::Error> {
    let named = |names: &[&str]| {
        figures.iter().filter(|figure| names.contains(&figure.name)).collect::<Vec<_>>()
    };
    let own = |factor: Factor| match factor {
        Factor::FrontEnd => named(&["by-front-end"]),
        Factor::PromptType => named(&["by-prompt-type", "by-prompt-type-and-front-end"]),
        Factor::FirstModel => named(&["by-first-model"]),
        Factor::SecondModel => named(&["by-second-model"]),
    };
    let page = Page {
        name,
        facts: facts(table),
        failures: analysis.failures,
        overview: overview(analysis),
        sections: analysis
            .groupings
            .iter()
            .map(|grouping| section(grouping, own(grouping.factor)))
            .collect(),
        others: named(&["correlation", "distributions"]),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("page.html", TEMPLATE)?;
    environment.get_template("page.html")?.render(minijinja::value::Serde(page))
}

/// What was measured, in a few words.
fn facts(table: &Table) -> Vec<(String, String)> {
    let rows = &table.rows;
    let mut facts = vec![("Rows".to_owned(), rows.len().to_string())];
    for (title, factor) in [
        ("Front-ends", Factor::FrontEnd),
        ("Prompt types", Factor::PromptType),
        ("First models", Factor::FirstModel),
        ("Second models", Factor::SecondModel),
    ] {
        facts.push((title.into(), factor.groups(rows).join(", ")));
    }
    let costs: Vec<u128> = rows.iter().filter_map(|row| row.cost()).collect();
    if !costs.is_empty() {
        let total = costs.iter().fold(0u128, |sum, cost| sum.saturating_add(*cost));
        let of = if costs.len() == rows.len() {
            String::new()
        } else {
            format!(" ({} rows told it)", costs.len())
        };
        facts.push(("Paid to workers".into(), format!("{}{of}", amount::format(total))));
    }
    let mut times: Vec<&str> =
        rows.iter().map(|row| row.timestamp.as_str()).filter(|time| !time.is_empty()).collect();
    times.sort_unstable();
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        facts.push((
            "Measured".into(),
            if first == last { (*first).to_owned() } else { format!("{first} to {last}") },
        ));
    }
    facts
}

fn overview(analysis: &Analysis) -> Overview {
    let cell = |grouping: &Grouping, measure: &Measure| {
        let result = grouping.results.iter().find(|result| result.measure == *measure);
        let anova = result.and_then(|result| result.anova.0.ok());
        anova.map_or(Verdict { text: "–".into(), differs: false }, |anova| verdict(anova.p))
    };
    let rows = analysis.measures.iter().map(|measure| OverviewRow {
        measure: measure.title(),
        cells: analysis.groupings.iter().map(|grouping| cell(grouping, measure)).collect(),
    });
    Overview {
        factors: analysis.groupings.iter().map(|grouping| grouping.factor.title()).collect(),
        rows: rows.collect(),
    }
}

fn section<'a>(grouping: &Grouping, figures: Vec<&'a Figure>) -> Section<'a> {
    let mut section = Section {
        title: format!("By {}", grouping.factor.title()),
        id: grouping.factor.title().replace(' ', "-"),
        figures,
        groups: grouping.groups.clone(),
        means: Vec::new(),
        tests: Vec::new(),
        pairs: Vec::new(),
        missing_pairs: Vec::new(),
    };
    for result in &grouping.results {
        let most = result.groups.iter().map(|group| group.summary.most).fold(0.0, f64::max);
        let (divisor, unit) = scale(result.measure.unit(), most);
        section.means.push(means(result, &grouping.groups, divisor, unit));
        section.tests.push(test(result));
        match &result.tukey.0 {
            Ok(tukey) => section.pairs.extend(pairs(result, tukey, divisor, unit)),
            Err(reason) => section.missing_pairs.push((result.measure.title(), reason.to_string())),
        }
    }
    section
}

fn means(result: &MeasureResult, groups: &[String], divisor: f64, unit: &'static str) -> MeansRow {
    let cell = |name: &String| {
        let summary =
            result.groups.iter().find(|group| group.group == *name).map(|group| group.summary);
        summary.map_or("–".to_owned(), |summary| {
            let spread = summary.deviation.map_or(String::new(), |deviation| {
                format!(" ± {}", significant(deviation / divisor))
            });
            format!("{}{spread} (n {})", significant(summary.mean / divisor), summary.count)
        })
    };
    MeansRow { measure: result.measure.title(), unit, cells: groups.iter().map(cell).collect() }
}

fn test(result: &MeasureResult) -> TestRow {
    let measure = result.measure.title();
    match result.anova.0 {
        Ok(Anova { f, p, between_df, within_df, eta_squared }) => TestRow {
            measure,
            f: significant(f),
            df: format!("{between_df}, {within_df}"),
            p: verdict(p),
            eta_squared: format!("{eta_squared:.3}"),
            reason: None,
        },
        Err(reason) => TestRow {
            measure,
            f: String::new(),
            df: String::new(),
            p: Verdict { text: String::new(), differs: false },
            eta_squared: String::new(),
            reason: Some(reason.to_string()),
        },
    }
}

fn pairs(result: &MeasureResult, tukey: &Tukey, divisor: f64, unit: &'static str) -> Vec<PairRow> {
    let name =
        |index: usize| result.groups.get(index).map_or(String::new(), |group| group.group.clone());
    let number = |value: f64| significant(value / divisor);
    let row = |pair: &crate::matrix::statistics::Pair| PairRow {
        measure: format!("{} ({unit})", result.measure.title()),
        first: name(pair.first),
        second: name(pair.second),
        difference: number(pair.difference),
        interval: format!("{} to {}", number(pair.interval.0), number(pair.interval.1)),
        p: verdict(pair.p),
    };
    tukey.pairs.iter().map(row).collect()
}

fn verdict(p: f64) -> Verdict {
    let text = if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") };
    Verdict { text, differs: p < 1.0 - LEVEL }
}

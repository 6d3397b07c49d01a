//! A table's statistics: each measure, grouped in four ways, and how the measures move together.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    Metric, Peer, Row, Table, Unit,
    statistics::{Anova, NotApplicable, Summary, Tukey, one_way, pearson, tukey_hsd},
};

/// Most groups of one factor; the number of pairs grows with its square.
pub(super) const MAX_GROUPS: usize = 64;

/// A number that every row has, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A metric of one step.
    Step(Peer, Metric),
    /// Money paid for both steps.
    Cost,
}

impl Measure {
    /// All of them, in the table's order.
    pub fn all() -> Vec<Self> {
        let steps = Peer::ALL
            .iter()
            .flat_map(|peer| Metric::ALL.iter().map(|metric| Self::Step(*peer, *metric)));
        steps.chain([Self::Cost]).collect()
    }

    /// Its column.
    pub fn column(self) -> String {
        match self {
            Self::Step(peer, metric) => format!("{}_{}", peer.prefix(), metric.column()),
            Self::Cost => "cost".into(),
        }
    }

    /// Its name for people.
    pub fn title(self) -> String {
        match self {
            Self::Step(peer, metric) => format!("{}, {}", metric.title(), peer.title()),
            Self::Cost => "Cost, both models".into(),
        }
    }

    /// What its numbers count.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Step(_, metric) => metric.unit(),
            Self::Cost => Unit::BaseUnits,
        }
    }

    /// Its number in `row`.
    pub fn of(self, row: &Row) -> Option<f64> {
        match self {
            Self::Step(peer, metric) => Some(row.step(peer).value(metric)),
            // Base units of a prompt are far below 2^53.
            Self::Cost => row.cost().map(|cost| cost as f64),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.column())
    }
}

/// What rows are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The front-end; P2PLLMEdge's web server.
    FrontEnd,
    /// The kind of the prompt.
    PromptType,
    /// The model that answers; only its own measures are compared, and the cost.
    FirstModel,
    /// The model that summarises; only its own measures are compared, and the cost.
    SecondModel,
}

impl Factor {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FrontEnd, Self::PromptType, Self::FirstModel, Self::SecondModel];

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::FrontEnd => "front-end",
            Self::PromptType => "prompt type",
            Self::FirstModel => "first model",
            Self::SecondModel => "second model",
        }
    }

    /// The group of `row`.
    pub fn group(self, row: &Row) -> &str {
        match self {
            Self::FrontEnd => &row.front_end,
            Self::PromptType => &row.prompt_type,
            Self::FirstModel => &row.first.model,
            Self::SecondModel => &row.second.model,
        }
    }

    /// Whether it can have an influence on `measure` at all.
    pub fn concerns(self, measure: Measure) -> bool {
        match (self, measure) {
            (Self::FirstModel, Measure::Step(peer, _)) => peer == Peer::First,
            (Self::SecondModel, Measure::Step(peer, _)) => peer == Peer::Second,
            _ => true,
        }
    }

    /// The names of its groups, in the order in which rows have them.
    pub fn groups(self, rows: &[Row]) -> Vec<String> {
        let mut first_seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            first_seen.entry(self.group(row)).or_insert(index);
        }
        let mut names: Vec<(&str, usize)> = first_seen.into_iter().collect();
        names.sort_by_key(|(_, index)| *index);
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}

/// The result of a test, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested<T>(pub Result<T, NotApplicable>);

impl<T: Serialize> Serialize for Tested<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(result) => result.serialize(serializer),
            Err(reason) => {
                BTreeMap::from([("not_applicable", reason.to_string())]).serialize(serializer)
            }
        }
    }
}

/// One measure in the groups of one factor.
#[derive(Clone, Debug, Serialize)]
pub struct MeasureResult {
    /// Which.
    pub measure: Measure,
    /// The groups that have values, in the factor's order.
    pub groups: Vec<GroupSummary>,
    /// Whether the groups' means differ.
    pub anova: Tested<Anova>,
    /// Which of them; pairs are indices into `groups`.
    pub tukey: Tested<Tukey>,
}

/// One group's numbers.
#[derive(Clone, Debug, Serialize)]
pub struct GroupSummary {
    /// Its name.
    pub group: String,
    /// Its numbers.
    #[serde(flatten)]
    pub summary: Summary,
}

/// All measures in the groups of one factor.
#[derive(Clone, Debug, Serialize)]
pub struct Grouping {
    /// Which.
    pub factor: Factor,
    /// Its groups.
    pub groups: Vec<String>,
    /// The measures that it concerns.
    pub results: Vec<MeasureResult>,
}

/// Everything that a report says in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// Rows that were measured.
    pub rows: usize,
    /// Rows left out because they hold failures.
    pub failures: usize,
    /// The four groupings.
    pub groupings: Vec<Grouping>,
    /// The measures between which correlations are.
    pub measures: Vec<Measure>,
    /// Pearson's correlation of each measure with each; `None` where one does not vary.
    pub correlation: Vec<Vec<Option<f64>>>,
}

/// A factor has more groups than can be compared.
#[derive(Debug, thiserror::Error)]
#[error("the table has more than {MAX_GROUPS} groups by {}: split it into several tables", .0.title())]
pub struct TooManyGroups(pub Factor);

impl Analysis {
    /// Of `table`.
    ///
    /// # Errors
    /// [`TooManyGroups`].
    pub fn of(table: &Table) -> Result<Self, TooManyGroups> {
        let rows = &table.rows;
        let measures: Vec<Measure> = Measure::all()
            .into_iter()
            .filter(|measure| rows.iter().any(|row| measure.of(row).is_some()))
            .collect();
        let groupings = Factor::ALL
            .iter()
            .map(|factor| grouping(*factor, &measures, rows))
            .collect::<Result<_, _>>()?;
        let both = |one: Measure, other: Measure| {
            rows.iter().filter_map(|row| Some((one.of(row)?, other.of(row)?))).collect::<Vec<_>>()
        };
        let line =
            |one: &Measure| measures.iter().map(|other| pearson(&both(*one, *other))).collect();
        let correlation = measures.iter().map(line).collect();
        Ok(Self { rows: rows.len(), failures: table.failures, groupings, measures, correlation })
    }
}

fn grouping(factor: Factor, measures: &[Measure], rows: &[Row]) -> Result<Grouping, TooManyGroups> {
    let groups = factor.groups(rows);
    if groups.len() > MAX_GROUPS {
        return Err(TooManyGroups(factor));
    }
    let concerned = measures.iter().filter(|measure| factor.concerns(**measure));
    let results = concerned.map(|measure| result(factor, *measure, &groups, rows)).collect();
    Ok(Grouping { factor, groups, results })
}

fn result(factor: Factor, measure: Measure, groups: &[String], rows: &[Row]) -> MeasureResult {
    let (mut summaries, mut values) = (Vec::new(), Vec::new());
    for group in groups {
        let own: Vec<f64> = rows
            .iter()
            .filter(|row| factor.group(row) == group)
            .filter_map(|row| measure.of(row))
            .collect();
        if let Some(summary) = Summary::of(&own) {
            summaries.push(GroupSummary { group: group.clone(), summary });
            values.push(own);
        }
    }
    MeasureResult {
        measure,
        groups: summaries,
        anova: Tested(one_way(&values)),
        tukey: Tested(tukey_hsd(&values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::StepRow;

    fn row(front_end: &str, first: &str, value: f64, cost: Option<u128>) -> Row {
        let step = |model: &str| StepRow {
            model: model.into(),
            values: [value; 8],
            response: String::new(),
            cost,
        };
        let text = String::from;
        Row {
            first: step(first),
            second: step("z"),
            front_end: text(front_end),
            prompt_type: text("k"),
            ..Row::default()
        }
    }

    fn of(rows: Vec<Row>) -> Analysis {
        Analysis::of(&Table { rows, failures: 1 }).expect("few groups")
    }

    #[test]
    fn a_factor_is_tested_on_what_it_can_influence() {
        let analysis = of(vec![
            row("y", "a", 1.0, Some(1)),
            row("x", "b", 2.0, Some(2)),
            row("y", "b", 4.0, None),
        ]);
        let by_first = &analysis.groupings[2];
        assert_eq!((by_first.factor, by_first.results.len()), (Factor::FirstModel, 9));
        assert!(
            by_first
                .results
                .iter()
                .all(|result| !matches!(result.measure, Measure::Step(Peer::Second, _)))
        );
        let by_front_end = &analysis.groupings[0];
        assert_eq!(
            (by_front_end.groups.as_slice(), by_front_end.results.len()),
            (&["y".to_owned(), "x".to_owned()][..], 17)
        );
        let cost = &by_front_end.results[16];
        assert_eq!(
            (cost.groups[0].summary.count, cost.groups[0].summary.mean),
            (1, 2.0),
            "rows without a cost are left out"
        );
    }

    #[test]
    fn groups_without_contrast_and_tables_without_costs_have_no_tests() {
        let analysis =
            of(vec![row("x", "a", 1.0, None), row("x", "b", 1.0, None), row("x", "b", 1.0, None)]);
        assert_eq!(analysis.measures.len(), 16);
        assert_eq!(analysis.groupings[0].results[0].anova, Tested(Err(NotApplicable::OneGroup)));
        assert_eq!(analysis.groupings[2].results[0].tukey, Tested(Err(NotApplicable::NoVariance)));
        assert!(analysis.correlation.iter().flatten().all(Option::is_none));
        let json = serde_json::to_string(&analysis).expect("json");
        assert!(json.contains(r#""not_applicable":"there are fewer than two groups""#), "{json}");
    }

    #[test]
    fn more_groups_than_can_be_compared_are_refused() {
        let rows =
            (0..=MAX_GROUPS).map(|index| row(&format!("f{index}"), "a", 1.0, None)).collect();
        let refused = Analysis::of(&Table { rows, failures: 0 }).expect_err("too many");
        assert!(refused.to_string().contains("front-end"));
    }
}

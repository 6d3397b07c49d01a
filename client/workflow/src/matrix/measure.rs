//! Measuring a plan: cell by cell through the built-in workflow, each row on disk before the next
//! cell begins.

mod clock;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mica_primitives::Balance;

use super::{Cell, Journal, JournalError, Plan, PlanError, Row, StepRow, table::MAX_NUMBER};
use crate::{
    DefinitionError, Event, Finished, Generate, GenerateError, HttpError, StepResult, Workflow,
    WorkflowError, run,
};
use mica_payer::interrupt::Interrupt;

/// Cells that may fail in a row before the rest is given up.
const MAX_FAILURES_IN_A_ROW: usize = 5;

/// Why a matrix was not measured to its end. The rows measured before are in the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The table.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A failure that the next cell would meet too.
    #[error("{cell}: {source} ({done} rows are in the table; run it again to go on)")]
    Stopped {
        /// Which cell.
        cell: String,
        /// Why.
        source: WorkflowError,
        /// Rows that are in the table.
        done: usize,
    },
    /// Some cells failed; the others are in the table.
    #[error(
        "{failed} of {cells} cells failed, the last with: {last} (run it again to measure them \
         again)"
    )]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        cells: usize,
        /// The last failure.
        last: String,
    },
    /// The money for the whole matrix is used up.
    #[error("the limit of {} is reached with {done} of {cells} rows measured: raise --max-total to go on", mica_chain::amount::format(*.limit))]
    Limit {
        /// Base units allowed.
        limit: Balance,
        /// Rows that are in the table.
        done: usize,
        /// Cells of the plan.
        cells: usize,
    },
    /// Ctrl-C.
    #[error("stopped; {0} rows are in the table, run it again to go on")]
    Interrupted(usize),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Measured {
    /// Cells of the plan.
    pub cells: usize,
    /// Cells that were in the table before.
    pub before: usize,
    /// Cells measured now.
    pub measured: usize,
    /// Base units paid now, as far as they were told.
    #[serde(with = "mica_host::json::money")]
    pub cost: Balance,
}

/// What happens while a matrix is measured.
#[derive(Clone, Copy, Debug)]
pub enum MatrixEvent<'a> {
    /// It begins.
    Begins {
        /// Cells of the plan.
        cells: usize,
        /// Of them, those that the table holds already.
        done: usize,
    },
    /// A cell begins.
    Measuring(&'a Cell),
    /// A cell's row is in the table.
    Measured(&'a Cell, &'a Row),
    /// A cell failed, and the matrix goes on.
    Failed(&'a Cell, &'a WorkflowError),
}

/// How it is measured.
pub struct Conditions<'a> {
    /// The workflow, of two steps, whose models the plan fills in.
    pub workflow: &'a Workflow,
    /// Most base units for everything that is measured now.
    pub limit: Option<Balance>,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

/// Measures the cells of `plan` that the table at `path` does not hold yet. `front_ends` has one
/// for each name of the plan.
///
/// # Errors
/// [`MatrixError`]; the rows measured before are in the table.
pub async fn measure<G: Generate<Error = GenerateError>>(
    plan: &Plan,
    front_ends: &BTreeMap<String, G>,
    path: &Path,
    conditions: &Conditions<'_>,
    watcher: &mut dyn FnMut(MatrixEvent<'_>),
) -> Result<Measured, MatrixError> {
    let cells = plan.cells()?;
    let (mut journal, rows) = Journal::open(path)?;
    let there: BTreeSet<Cell> = rows.iter().map(Cell::of).collect();
    let (done, missing): (Vec<&Cell>, Vec<&Cell>) =
        cells.iter().partition(|cell| there.contains(*cell));
    let mut measured = Measured { cells: cells.len(), before: done.len(), measured: 0, cost: 0 };
    watcher(MatrixEvent::Begins { cells: cells.len(), done: done.len() });
    let (mut failed, mut in_a_row, mut last) = (0, 0, String::new());
    for cell in missing {
        let rows = measured.before + measured.measured;
        if conditions.interrupt.came() {
            return Err(MatrixError::Interrupted(rows));
        }
        let left = conditions.limit.map(|limit| limit.saturating_sub(measured.cost));
        if let (Some(0), Some(limit)) = (left, conditions.limit) {
            return Err(MatrixError::Limit { limit, done: rows, cells: cells.len() });
        }
        watcher(MatrixEvent::Measuring(cell));
        let error = match measure_one(
            cell,
            front_ends,
            conditions.workflow,
            left,
            &mut measured.cost,
        )
        .await
        {
            Ok(row) => {
                journal.append(&row)?;
                measured.measured += 1;
                in_a_row = 0;
                watcher(MatrixEvent::Measured(cell, &row));
                continue;
            }
            Err(error) => error,
        };
        failed += 1;
        in_a_row += 1;
        last = error.to_string();
        match error {
            _ if is_interrupted(&error) => return Err(MatrixError::Interrupted(rows)),
            _ if meets_every_cell(&error) => {
                return Err(MatrixError::Stopped { cell: label(cell), source: error, done: rows });
            }
            _ if in_a_row == MAX_FAILURES_IN_A_ROW => {
                return Err(MatrixError::Stopped { cell: label(cell), source: error, done: rows });
            }
            _ => watcher(MatrixEvent::Failed(cell, &error)),
        }
    }
    if failed > 0 {
        Err(MatrixError::Failed { failed, cells: cells.len(), last })
    } else {
        Ok(measured)
    }
}

async fn measure_one<G: Generate<Error = GenerateError>>(
    cell: &Cell,
    front_ends: &BTreeMap<String, G>,
    workflow: &Workflow,
    left: Option<Balance>,
    spent: &mut Balance,
) -> Result<Row, WorkflowError> {
    let mut workflow = workflow.clone();
    for (step, model) in workflow.steps.iter_mut().zip([&cell.first, &cell.second]) {
        step.model = Some(model.clone());
    }
    let front_end = front_ends
        .get(&cell.front_end)
        .ok_or_else(|| WorkflowError::FrontEnd(cell.front_end.clone()))?;
    let timestamp = clock::now();
    // Steps stay paid when a later one fails.
    let mut watch = |event: Event<'_>| {
        if let Event::Ended(step) = event {
            *spent = spent.saturating_add(step.cost.unwrap_or(0));
        }
    };
    let finished = run(&workflow, &cell.prompt, left, front_end, &mut watch).await?;
    Ok(row(cell, timestamp, &finished))
}

/// The row of a cell. Models are called as the plan calls them, so that the row is found again.
fn row(cell: &Cell, timestamp: String, finished: &Finished) -> Row {
    let step = |index: usize, model: &String| {
        finished.steps.get(index).map_or_else(StepRow::default, |step| StepRow {
            model: model.clone(),
            ..step_row(step)
        })
    };
    Row {
        timestamp,
        prompt: cell.prompt.clone(),
        first: step(0, &cell.first),
        second: step(1, &cell.second),
        front_end: cell.front_end.clone(),
        prompt_type: cell.kind.clone(),
        repeat: cell.repeat,
    }
}

fn step_row(step: &StepResult) -> StepRow {
    let metrics = &step.metrics;
    let values = [
        metrics.total_duration as f64,
        metrics.load_duration as f64,
        metrics.prompt_eval_count as f64,
        metrics.prompt_eval_duration as f64,
        metrics.eval_count as f64,
        metrics.eval_duration as f64,
        step.token_per_second,
        step.network_duration as f64,
    ];
    // What is written must be readable again.
    let values = values.map(|value: f64| value.min(MAX_NUMBER));
    StepRow { model: step.model.clone(), values, response: step.text.clone(), cost: step.cost }
}

/// Whether Ctrl-C ended the step.
fn is_interrupted(error: &WorkflowError) -> bool {
    matches!(error, WorkflowError::Step { source, .. } if source.is_interrupted())
}

/// Whether the next cell would fail in the same way: the same wallet, disk and money serve every
/// cell.
fn meets_every_cell(error: &WorkflowError) -> bool {
    match error {
        WorkflowError::Definition(DefinitionError::File(_)) | WorkflowError::Limit { .. } => true,
        WorkflowError::Step { source: GenerateError::Ask(error), .. } => {
            error.concerns_wallet_or_disk()
        }
        WorkflowError::Step { source: GenerateError::Server(error), .. } => {
            matches!(error, HttpError::Refused { status: 402, .. })
        }
        _ => false,
    }
}

/// The cell for people.
pub fn label(cell: &Cell) -> String {
    format!(
        "{} · {} → {} · {} · {}",
        cell.front_end, cell.first, cell.second, cell.kind, cell.repeat
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::matrix::{Metric, Table, default_prompts};
    use crate::{Metrics, StepReply, StepRequest};

    /// Answers with numbers that depend on the model, and fails where it is told to.
    #[derive(Default)]
    struct Counting {
        asked: AtomicUsize,
        fails_at: Vec<usize>,
        status: u16,
    }

    impl Generate for Counting {
        type Error = GenerateError;

        async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            if self.fails_at.contains(&number) {
                return Err(HttpError::Refused {
                    url: "u".into(),
                    status: self.status,
                    message: "no".into(),
                }
                .into());
            }
            let count = request.prompt.len() as u64;
            let metrics = Metrics {
                total_duration: 30,
                prompt_eval_count: count,
                eval_count: 8,
                eval_duration: 20,
                ..Metrics::default()
            };
            let model = format!("{}:latest", request.model.as_deref().expect("a model"));
            Ok(StepReply {
                model,
                text: "an answer".into(),
                stop: None,
                metrics,
                cost: Some(3),
                fees: 0,
            })
        }
    }

    fn plan() -> Plan {
        let names = |name: &str| vec![name.to_owned()];
        Plan {
            prompts: default_prompts(),
            first: names("a"),
            second: names("b"),
            front_ends: names("x"),
            repeat: 2,
        }
    }

    async fn go(
        generator: Counting,
        path: &Path,
        limit: Option<Balance>,
    ) -> (Result<Measured, MatrixError>, usize) {
        let workflow = Workflow::built_in("generate-summarise").expect("reads");
        let interrupt =
            Interrupt { finish: CancellationToken::new(), stop: CancellationToken::new() };
        let front_ends = BTreeMap::from([("x".to_owned(), generator)]);
        let conditions = Conditions { workflow: &workflow, limit, interrupt: &interrupt };
        let result = measure(&plan(), &front_ends, path, &conditions, &mut |_| {}).await;
        (result, front_ends["x"].asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn every_cell_is_measured_once_and_not_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        let (measured, asked) = go(Counting::default(), &path, None).await;
        assert_eq!(
            measured.expect("measured"),
            Measured { cells: 10, before: 0, measured: 10, cost: 60 }
        );
        assert_eq!(asked, 20);
        let rows = Table::read(&path).expect("reads").rows;
        assert_eq!(rows.len(), 10);
        assert_eq!(
            (rows[0].first.model.as_str(), rows[0].cost(), rows[9].repeat),
            ("a", Some(6), 2)
        );
        assert_eq!(rows[0].first.value(Metric::TokenPerSecond), 8.0 / 20.0 * 1e9);
        assert!(
            rows[0].first.value(Metric::NetworkDuration) > 0.0 && rows[0].timestamp.ends_with('Z')
        );
        let (measured, asked) = go(Counting::default(), &path, None).await;
        assert_eq!((measured.expect("nothing to do").before, asked), (10, 0));
    }

    #[tokio::test]
    async fn a_cell_that_fails_has_no_row_and_is_measured_the_next_time() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        let (failed, _) =
            go(Counting { fails_at: vec![3, 8], status: 500, ..Counting::default() }, &path, None)
                .await;
        assert!(
            matches!(failed, Err(MatrixError::Failed { failed: 2, cells: 10, .. })),
            "{failed:?}"
        );
        assert_eq!(Table::read(&path).expect("reads").rows.len(), 8);
        let (measured, asked) = go(Counting::default(), &path, None).await;
        assert_eq!((measured.expect("measured").measured, asked), (2, 4));
    }

    #[tokio::test]
    async fn what_would_meet_every_cell_stops_the_matrix() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        let (stopped, asked) =
            go(Counting { fails_at: vec![3], status: 402, ..Counting::default() }, &path, None)
                .await;
        let error = stopped.expect_err("no money");
        assert!(matches!(error, MatrixError::Stopped { done: 1, .. }), "{error}");
        assert_eq!(asked, 3);
        let always = Counting { fails_at: (1..100).collect(), status: 500, ..Counting::default() };
        let (stopped, asked) = go(always, &path, None).await;
        assert!(
            matches!(stopped, Err(MatrixError::Stopped { .. })) && asked == MAX_FAILURES_IN_A_ROW,
            "{asked}"
        );
        let (stopped, _) = go(Counting::default(), &path, Some(12)).await;
        assert!(
            matches!(stopped, Err(MatrixError::Limit { limit: 12, done: 3, cells: 10 })),
            "{stopped:?}"
        );
    }
}

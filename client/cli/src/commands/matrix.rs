//! `mica matrix …`: measures prompts × models × models × front-ends into a table, and reports on a
//! table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use mica_primitives::Balance;

use super::workflow::WayArgs;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::{FrontEndName, parse_amount};
use crate::render::{
    matrix::{self, MatrixReport},
    matrix_progress::Bar,
};
use mica_payer::interrupt::Interrupt;
use mica_payer::terms::DEFAULT_MAX_TOTAL;
use mica_workflow::matrix::{
    Conditions, MatrixError, MatrixEvent, Plan, Prompt, Report, ReportError, Table,
    default_prompts, measure,
};
use mica_workflow::{FrontEnd, FrontEndKind, Workflow};

/// The workflow that is measured.
const WORKFLOW: &str = "generate-summarise";

/// Options of `mica matrix`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct MatrixArgs {
    #[command(subcommand)]
    command: Option<MatrixCommand>,
    #[command(flatten)]
    measure: MeasureArgs,
}

/// `mica matrix …`
#[derive(Debug, Subcommand)]
enum MatrixCommand {
    /// Statistics and figures of a table, as one page
    Report {
        /// The table: of `mica matrix`, or of P2PLLMEdge's application
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        table: PathBuf,
        /// Folder for the page and its figures
        #[arg(long, value_name = "FOLDER", default_value = "matrix-report", value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct MeasureArgs {
    /// Table to write; rows that are in it already are not measured again
    #[arg(long, value_name = "FILE", default_value = "matrix.csv", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// A prompt and its kind; repeat for several [default: the five of P2PLLMEdge]
    #[arg(long, value_name = "KIND=TEXT")]
    prompt: Vec<Prompt>,
    /// Model that answers; repeat for several [default: all that the first front-end reaches]
    #[arg(long, value_name = "MODEL")]
    first: Vec<String>,
    /// Model that summarises the answer; repeat for several [default: all that the first front-end
    /// reaches]
    #[arg(long, value_name = "MODEL")]
    second: Vec<String>,
    /// How models are reached; repeat for several
    #[arg(long, value_enum, default_value = "direct")]
    front_end: Vec<FrontEndName>,
    /// How often each combination is measured
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Weight of money against time, from 0 (only time counts) to 1 (only money counts)
    #[arg(long, default_value_t = 0.5, value_parser = parse_share)]
    alpha: f64,
    /// Most tokens of each answer
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_parser = parse_temperature)]
    temperature: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Most money for everything that is measured now, for example 0.5 MICA [default: 0.1 MICA for
    /// each answer]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_total: Option<Balance>,
    #[command(flatten)]
    way: WayArgs,
}

fn parse_share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "write a number from 0 to 1".into())
}

fn parse_temperature(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=100.0).contains(value))
        .ok_or_else(|| "write a number from 0 to 100".into())
}

/// Runs `mica matrix …`.
///
/// # Errors
/// [`CommandError`]; the rows measured before are in the table.
pub(crate) async fn run(context: &Context, arguments: MatrixArgs) -> Result<(), CommandError> {
    match arguments.command {
        Some(MatrixCommand::Report { table, out }) => report(context, &table, &out),
        None => measure_all(context, arguments.measure).await,
    }
}

async fn measure_all(context: &Context, arguments: MeasureArgs) -> Result<(), CommandError> {
    let (interrupt, _listening) = Interrupt::listen();
    let mut front_ends: BTreeMap<String, FrontEnd> = BTreeMap::new();
    for kind in kinds(&arguments) {
        if !front_ends.contains_key(kind.name()) {
            front_ends
                .insert(kind.name().into(), arguments.way.open(context, kind, &interrupt).await?);
        }
    }
    let plan = plan(&arguments, &front_ends).await?;
    let mut workflow =
        Workflow::built_in(WORKFLOW).expect("a test reads every built-in workflow; qed");
    for step in &mut workflow.steps {
        (step.alpha, step.max_tokens) = (arguments.alpha, arguments.max_tokens);
        (step.temperature, step.seed) = (arguments.temperature, arguments.seed);
        // Who bounds all of it needs no bound for each answer.
        let usual = arguments.max_total.is_none().then_some(DEFAULT_MAX_TOTAL);
        step.max_total = context.settings.max_total.or(usual);
    }
    let conditions =
        Conditions { workflow: &workflow, limit: arguments.max_total, interrupt: &interrupt };
    let mut bar = None;
    let mut watcher = |event: MatrixEvent<'_>| Bar::show(&mut bar, context.progress, event);
    let measured = measure(&plan, &front_ends, &arguments.out, &conditions, &mut watcher).await;
    // Before the result, which would land on the bar's line.
    drop(bar);
    for front_end in front_ends.values() {
        front_end.stop().await;
    }
    let measured = measured?;
    Ok(context.output.show(&measured, |measured| matrix::measured(measured, &arguments.out))?)
}

/// The front-ends in the order in which they are named.
fn kinds(arguments: &MeasureArgs) -> impl Iterator<Item = FrontEndKind> {
    arguments.front_end.iter().map(|name| (*name).into())
}

/// The plan that the arguments describe; models that they do not name are those of the first
/// front-end.
async fn plan(
    arguments: &MeasureArgs,
    front_ends: &BTreeMap<String, FrontEnd>,
) -> Result<Plan, CommandError> {
    let (mut first, mut second) = (arguments.first.clone(), arguments.second.clone());
    let names: Vec<String> = kinds(arguments).map(|kind| kind.name().to_owned()).collect();
    if first.is_empty() || second.is_empty() {
        let models = match names.first().and_then(|name| front_ends.get(name)) {
            Some(front_end) => front_end.models().await?,
            None => Vec::new(),
        };
        for list in [&mut first, &mut second] {
            if list.is_empty() {
                list.clone_from(&models);
            }
        }
    }
    let prompts =
        if arguments.prompt.is_empty() { default_prompts() } else { arguments.prompt.clone() };
    let plan = Plan { prompts, first, second, front_ends: names, repeat: arguments.repeat };
    plan.cells().map_err(MatrixError::from)?;
    Ok(plan)
}

fn report(context: &Context, table: &Path, out: &Path) -> Result<(), CommandError> {
    let rows = Table::read(table).map_err(ReportError::from)?;
    let report = Report::of(&table.display().to_string(), &rows)?;
    let page = report.write(out)?;
    let report = MatrixReport { page, analysis: report.analysis };
    Ok(context.output.show(&report, MatrixReport::to_text)?)
}

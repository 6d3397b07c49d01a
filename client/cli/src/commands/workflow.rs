//! `mica workflow …`: chains of models, in which each step's text goes into the next step's prompt.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use mica_primitives::Balance;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::{FrontEndName, parse_amount};
use crate::progress::Step as Shown;
use crate::render;
use mica_payer::ask::Asker;
use mica_payer::channels::Deposits;
use mica_payer::interrupt::Interrupt;
use mica_payer::model::LocalModel;
use mica_payer::terms::DEFAULT_MAX_TOTAL;
use mica_workflow::{
    BUILT_IN, Direct, Event, FrontEnd, FrontEndKind, Server, Workflow, WorkflowError,
    run as run_steps,
};

/// Most bytes of a prompt from standard input.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

/// `mica workflow …`
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Take a prompt through the steps of a workflow
    Run(Box<RunArgs>),
    /// Print a workflow, or the names of those built in
    Show {
        /// A TOML file, or the name of a built-in workflow
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        workflow: Option<PathBuf>,
    },
}

/// Options of `mica workflow run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A TOML file, or the name of a built-in workflow (`generate-summarise`)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    workflow: PathBuf,
    /// What is asked; `-` reads it from standard input [default: `input` in the file]
    prompt: Option<String>,
    /// Model of the steps that name none, or STEP=MODEL for one step; repeat for several
    #[arg(long, value_name = "[STEP=]MODEL")]
    model: Vec<String>,
    /// How models are reached
    #[arg(long, value_enum, default_value_t = FrontEndName::Direct)]
    front_end: FrontEndName,
    /// Most money for all steps together, for example 0.01 MICA [default: 0.1 MICA for each step]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_total: Option<Balance>,
    #[command(flatten)]
    way: WayArgs,
}

/// Where models are.
#[derive(Debug, Args)]
pub(crate) struct WayArgs {
    /// GGUF file of a model, of which `direct` needs the tokenizer; repeat for several [default:
    /// the small model built in]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model_file: Vec<PathBuf>,
    /// Server for the front-ends `ollama` and `openai`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434")]
    gateway: String,
    /// Key of that server, better given by the environment than on the command line
    #[arg(long, value_name = "KEY", env = "MICA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Most seconds for a step behind that server
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl WayArgs {
    /// Makes a way to the models ready; for `direct` that unlocks the wallet and connects to the
    /// node.
    ///
    /// # Errors
    /// [`CommandError`].
    pub(crate) async fn open(
        &self,
        context: &Context,
        kind: FrontEndKind,
        interrupt: &Interrupt,
    ) -> Result<FrontEnd, CommandError> {
        if let Some(api) = kind.api() {
            let server = Server::new(
                api,
                &self.gateway,
                self.api_key.as_deref().filter(|key| !key.is_empty()),
                Duration::from_secs(self.timeout),
            )?;
            return Ok(FrontEnd::Server(server, interrupt.clone()));
        }
        let models = match self.model_file.as_slice() {
            [] => vec![LocalModel::open(context.settings.model_file.as_deref())?],
            files => {
                files.iter().map(|file| LocalModel::open(Some(file))).collect::<Result<_, _>>()?
            }
        };
        let payer = context.payer().await?;
        let deposits = Deposits { window: context.settings.window, ..Deposits::ONE };
        let asker =
            Asker::start(payer, Arc::new(context.store()?), 1, deposits, context.notices())?
                .through(context.settings.hubs(None));
        Ok(FrontEnd::Direct(Box::new(Direct { asker, models, interrupt: interrupt.clone() })))
    }
}

/// Runs `mica workflow …`.
///
/// # Errors
/// [`CommandError`]; a step that fails is named.
pub(crate) async fn run(context: &Context, command: WorkflowCommand) -> Result<(), CommandError> {
    match command {
        WorkflowCommand::Run(arguments) => run_workflow(context, *arguments).await,
        WorkflowCommand::Show { workflow: None } => {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            Ok(context.output.show(&names, |names| names.join("\n"))?)
        }
        WorkflowCommand::Show { workflow: Some(path) } => {
            let workflow = Workflow::open(&path).map_err(WorkflowError::from)?;
            let text = toml::to_string(&workflow)
                .map_err(|error| CommandError::Usage(error.to_string()))?;
            Ok(context.output.show(&workflow, |_| text)?)
        }
    }
}

async fn run_workflow(context: &Context, arguments: RunArgs) -> Result<(), CommandError> {
    let mut workflow = Workflow::open(&arguments.workflow).map_err(WorkflowError::from)?;
    // Those for one step first: a step that has one then names a model.
    let (own, common): (Vec<&String>, Vec<&String>) =
        arguments.model.iter().partition(|model| model.contains('='));
    for model in own.into_iter().chain(common) {
        let (step, name) =
            model.split_once('=').map_or((None, model.as_str()), |(step, name)| (Some(step), name));
        workflow.assign(step, name).map_err(WorkflowError::from)?;
    }
    for step in &mut workflow.steps {
        let own = step.max_total.into_iter().chain(context.settings.max_total).min();
        // Who bounds all of it needs no bound for each step.
        let usual = arguments.max_total.is_none().then_some(DEFAULT_MAX_TOTAL);
        step.max_total = own.or(usual);
    }
    let input = match arguments.prompt.as_deref().or(workflow.input.as_deref()) {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .take(MAX_PROMPT_BYTES + 1)
                .read_to_string(&mut text)
                .map_err(CommandError::Input)?;
            if text.len() as u64 > MAX_PROMPT_BYTES {
                return Err(CommandError::Usage(format!(
                    "the prompt on standard input is longer than {MAX_PROMPT_BYTES} bytes"
                )));
            }
            text
        }
        Some(text) => text.to_owned(),
        None => {
            return Err(CommandError::Usage(
                "this workflow has no `input` of its own: say what is asked".into(),
            ));
        }
    };
    let (interrupt, _listening) = Interrupt::listen();
    let front_end = arguments.way.open(context, arguments.front_end.into(), &interrupt).await?;
    let (progress, mut shown) = (context.progress, None::<Shown>);
    let mut watch = |event: Event<'_>| match event {
        Event::Begins { number, of, step } => {
            let model =
                step.model.as_ref().map(|model| format!(" with {model}")).unwrap_or_default();
            shown = Some(progress.step(format!("step {number} of {of}: {}{model}", step.name)));
        }
        Event::Ended(result) => {
            if let Some(step) = shown.take() {
                step.done(&format!("{} tokens", result.metrics.eval_count));
            }
        }
    };
    let finished = run_steps(&workflow, &input, arguments.max_total, &front_end, &mut watch).await;
    front_end.stop().await;
    let finished = finished?;
    Ok(context.output.show(&finished, render::workflow::finished)?)
}

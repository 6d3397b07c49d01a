//! `mica demo`: a chain, three workers and a paid prompt on this machine, with the proof.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::context::Context;
use crate::demo::{self, DemoError, Script};
use crate::error::CommandError;
use crate::local::LocalError;
use crate::render::{self, demo::DemoSummary, printer::Printer};

/// Options of `mica demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to ask
    #[arg(long, default_value = "Explain peer-to-peer networks in simple terms.")]
    prompt: String,
    /// Most tokens of the answer
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Write the proof as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    summary: Option<PathBuf>,
    /// Model to serve and ask: a GGUF file, or a name of the catalogue (smollm2: a real one of 98
    /// MB, fetched once), of which the workers fetch a third each from a seed [default: the small
    /// model built in]
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,
    /// Keep everything running until Ctrl-C, and say how to go on with it
    #[arg(long)]
    keep_running: bool,
    /// Leave the temporary folder with its logs and databases
    #[arg(long)]
    keep: bool,
}

/// Runs `mica demo`.
///
/// # Errors
/// [`CommandError::Demo`] if something fails or does not add up; everything was stopped then.
pub(crate) async fn run(context: &Context, arguments: &DemoArgs) -> Result<(), CommandError> {
    let script = Script {
        prompt: arguments.prompt.clone(),
        max_tokens: arguments.max_tokens,
        keep: arguments.keep,
        keep_running: arguments.keep_running,
        model: arguments.model.clone(),
    };
    let mut printer = Printer::new(context.output, context.progress);
    let (proof, running) = demo::run(&script, context.progress, &mut printer).await?;
    let summary = DemoSummary::new(&proof.summary, &proof.times, &proof.fetched, running.as_ref());
    if let Some(path) = &arguments.summary {
        let cannot = |source| {
            DemoError::from(LocalError::Folder { what: path.display().to_string(), source })
        };
        let mut text =
            serde_json::to_string_pretty(&summary).map_err(|error| cannot(error.into()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(cannot)?;
    }
    let going_on = running.as_ref().map(render::demo::going_on).unwrap_or_default();
    context.output.show(&summary, |_| format!("\n\n{}{going_on}", render::demo::proof(&proof)))?;
    match running {
        Some(running) => Ok(running.until_interrupted().await?),
        None => Ok(()),
    }
}

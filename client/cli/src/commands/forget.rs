//! `mica forget`: what is remembered of a worker, or of all.

use clap::Args;
use mica_chain::AccountId;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_address;
use crate::render::remembered::Forgotten;

/// Options of `mica forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The worker's account: it may be used again at once
    #[arg(value_name = "WORKER", value_parser = parse_address, required_unless_present = "all")]
    worker: Option<AccountId>,
    /// Forget all workers
    #[arg(long, conflicts_with = "worker")]
    all: bool,
}

/// Runs `mica forget`.
///
/// # Errors
/// [`CommandError`] if the database is in use or the node does not answer.
pub(crate) async fn run(context: &Context, arguments: &ForgetArgs) -> Result<(), CommandError> {
    let memory = context.memory(&context.chain().await?)?;
    let forgotten = memory.forget(arguments.worker.filter(|_| !arguments.all))?;
    Ok(context.output.show(&Forgotten { forgotten }, Forgotten::to_text)?)
}

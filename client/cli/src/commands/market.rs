//! `mica market`: models, the workers that serve them, prices, and which layers are covered.

use clap::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::render::{market::Market, remembered};
use mica_payer::market::ModelSnapshot;

/// Options of `mica market`.
#[derive(Debug, Args)]
pub struct MarketArgs {
    /// Name, id or beginning of the id of one model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Read the newest block instead of the last finalized one
    #[arg(long)]
    best: bool,
    /// Show what is remembered of workers instead: who failed, and what each really took
    #[arg(long, conflicts_with_all = ["model", "best"])]
    remembered: bool,
}

/// Runs `mica market`.
///
/// # Errors
/// [`CommandError`] if the chain cannot be read or has no such model.
pub(crate) async fn run(context: &Context, arguments: &MarketArgs) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    if arguments.remembered {
        let workers = remembered::workers(&context.memory(&chain)?);
        return Ok(context.output.show(&workers, |workers| remembered::table(workers))?);
    }
    let view = if arguments.best { chain.at_best().await? } else { chain.at_finalized().await? };
    let memory = context.memory_if_free(&chain);
    let snapshots = ModelSnapshot::read_all(&view, arguments.model.as_deref()).await?;
    let finality = if arguments.best { "newest" } else { "final" };
    let market = Market::new(view.number(), &snapshots, &memory);
    Ok(context.output.show(&market, |market| market.to_text(&snapshots, &memory, finality))?)
}

//! Whether the model that would be asked is on the market, with a live worker for every layer.

use mica_chain::{Chain, ReadError};

use super::Finding;
use crate::context::Context;
use mica_payer::market::{MarketError, ModelSnapshot, gaps};
use mica_payer::model::LocalModel;

/// Reads the market as prompts do: at the last final block.
pub(super) async fn all(context: &Context, chain: &Chain) -> Result<Vec<Finding>, ReadError> {
    let model = match LocalModel::open(context.settings.model_file.as_deref()) {
        Ok(model) => model,
        Err(error) => {
            return Ok(vec![Finding::wrong(
                "market",
                error.to_string(),
                "mica config unset model-file",
            )]);
        }
    };
    let view = chain.at_finalized().await?;
    let url = chain.url();
    let snapshot = match ModelSnapshot::read(&view, model.id()).await {
        Ok(snapshot) => snapshot,
        Err(MarketError::Read(error)) => return Err(error),
        Err(error) => {
            let mend = format!("mica-worker run --register-model --node-url {url}");
            return Ok(vec![Finding::wrong("market", error.to_string(), mend)]);
        }
    };
    let gaps = gaps(&snapshot.coverage());
    if gaps.is_empty() {
        let live = snapshot.workers.iter().filter(|worker| worker.is_live()).count();
        return Ok(vec![Finding::good(
            "market",
            format!(
                "{}: {live} live workers cover its {} layers",
                snapshot.name(),
                snapshot.layers()
            ),
        )]);
    }
    let uncovered = gaps.iter().map(|gap| {
        let found =
            format!("{}: no live worker serves layers {}..{}", snapshot.name(), gap.first, gap.end);
        Finding::wrong(
            "market",
            found,
            format!("mica-worker run --layers {}..{} --node-url {url}", gap.first, gap.end),
        )
    });
    Ok(uncovered.collect())
}

//! How long the close window of a channel is unless somebody says otherwise: what a worker asks for
//! and what a payer opens with.

use mica_primitives::{BlockNumber, ChannelParameters};

use crate::{Chain, ReadError, connection::within};

/// Milliseconds that a worker has to redeem after a request to close, on a chain that is meant to
/// last: an operator must be able to notice that the worker is down.
const USUAL_WINDOW_MS: u64 = 60 * 60 * 1_000;
/// How a node names the type of a development chain.
const DEVELOPMENT: &str = "Development";

impl Chain {
    /// The usual close window in blocks: an hour's worth at the block time that the runtime states
    /// (`Babe.ExpectedBlockTime`), within the chain's bounds. On a development chain, which a node
    /// knows by its specification, it is the chain's least, so that nobody waits for an hour.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn usual_window(&self) -> Result<BlockNumber, ReadError> {
        let view = self.at_finalized().await?;
        let parameters = view.channel_parameters().await?;
        let block_ms: u64 = view.constant("Babe", "ExpectedBlockTime").await?;
        // A type that is no word is one of somebody's own, and not a development chain.
        let kind = within("system_chainType", self.methods().system_chain_type()).await.ok();
        Ok(usual(&parameters, block_ms, kind.as_deref() == Some(DEVELOPMENT)))
    }
}

fn usual(parameters: &ChannelParameters, block_ms: u64, is_development: bool) -> BlockNumber {
    if is_development {
        return parameters.min_window;
    }
    let blocks = USUAL_WINDOW_MS.div_ceil(block_ms.max(1));
    let blocks = BlockNumber::try_from(blocks).unwrap_or(BlockNumber::MAX);
    blocks.max(parameters.min_window).min(parameters.max_window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_within_the_chains_bounds_and_the_least_on_a_development_chain() {
        let parameters = |min_window, max_window| ChannelParameters {
            min_deposit: 1,
            min_window,
            max_window,
            max_channels_per_account: 1,
            storage_deposit: 1,
        };
        assert_eq!(usual(&parameters(20, 200_000), 3_000, false), 1_200);
        assert_eq!(usual(&parameters(20, 200_000), 3_000, true), 20);
        assert_eq!(usual(&parameters(2_000, 200_000), 3_000, false), 2_000);
        assert_eq!(usual(&parameters(20, 600), 3_000, false), 600);
        assert_eq!(usual(&parameters(20, 200_000), 0, false), 200_000);
    }
}

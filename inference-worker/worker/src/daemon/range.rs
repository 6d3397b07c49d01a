//! Which layers to serve, and on what terms.

use mica_chain::{AccountId, Call, Chain, ReadError, Signer};
use mica_market::migration::MigrationError;
use mica_primitives::{Balance, BlockNumber, LayerRange, Redeem, WorkerRecord};
use mica_protocol::{
    limits::{MAX_SESSIONS, MAX_SESSIONS_PER_ACCOUNT, MAX_SESSIONS_PER_PEER},
    stage::{StageDeadlines, StageOffer},
};

use crate::{
    config::{Config, LimitsConfig},
    engine::{Engine, Room},
    migration,
    model::ModelSource,
};

/// Why no layers can be chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// The model does not have the configured ones.
    #[error("the model has layers 0..{layers} and not {range}: correct --layers")]
    NotInModel {
        /// The model's.
        layers: u16,
        /// The configured ones.
        range: LayerRange,
    },
    /// It has none at all.
    #[error("the model has no layers")]
    NoLayers,
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The registry contradicts itself.
    #[error(transparent)]
    Choose(#[from] MigrationError),
}

/// The configured range; else that of an existing registration; else the one that needs a worker
/// most.
///
/// # Errors
/// If the model does not have the configured layers or the chain cannot be read.
pub(crate) async fn choose_range(
    chain: &Chain,
    source: &ModelSource,
    config: &Config,
    account: AccountId,
) -> Result<LayerRange, RangeError> {
    let layers = source.manifest.layers;
    if let Some(range) = config.layers {
        if !range.is_valid_for(layers) {
            return Err(RangeError::NotInModel { layers, range });
        }
        return Ok(range);
    }
    let view = chain.at_best().await?;
    if let Some((record, _)) = view.worker(account).await?
        && record.model == source.id
    {
        return Ok(record.range);
    }
    let width = config.width.unwrap_or(layers).clamp(1, layers);
    let workers = view.workers(source.id, None).await?;
    let online: Vec<_> =
        workers.into_iter().filter(|(_, online)| *online).map(|(worker, _)| worker).collect();
    // The cost is measured on the layers, so it is not known yet: the choice takes the others'
    // average for it.
    let range = migration::first_range(layers, &online, width)?;
    range.ok_or(RangeError::NoLayers)
}

/// The room for sessions: what the memory holds, or less if the operator says so.
pub(crate) fn room(engine: &Engine, limits: &LimitsConfig) -> Room {
    let Room { sessions, positions } = engine.room(limits.sessions.min(MAX_SESSIONS));
    Room {
        sessions,
        positions: limits.cache_positions.map_or(positions, |limit| limit.min(positions)),
    }
}

/// What a redeem costs now, base units; nothing if the node does not say, and then no channel is
/// refused for bringing less.
pub(crate) async fn redeem_fee(chain: &Chain, signer: &Signer) -> Balance {
    let call = Call::Redeem(Box::new(Redeem::longest()));
    chain.estimate_fee(signer, &call).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what a redeem costs is not known: small channels are taken");
        0
    })
}

/// What the session actor offers to payers. `redeem_fee` is what a redeem costs, base units: a
/// channel that cannot bring as much is refused unless the operator says otherwise.
pub(crate) fn offer(
    source: &ModelSource,
    config: &Config,
    record: &WorkerRecord<AccountId>,
    room: Room,
    redeem_fee: Balance,
    min_window: BlockNumber,
) -> StageOffer {
    StageOffer {
        model: source.id,
        profile: source.manifest.profile,
        model_layers: source.manifest.layers,
        range: record.range,
        hidden: source.manifest.hidden,
        vocabulary: source.manifest.vocabulary,
        context: source.manifest.context,
        price_per_layer_token: record.list_price_per_layer_token,
        holding_price: config.market.holding_price,
        cost_us_per_layer_token: record.cost_us_per_layer_token,
        min_window,
        credit_positions: config.limits.credit_positions,
        cache_positions: room.positions,
        max_sessions: room.sessions,
        max_sessions_per_peer: config.limits.sessions_per_peer.min(MAX_SESSIONS_PER_PEER),
        max_sessions_per_account: config.limits.sessions_per_account.min(MAX_SESSIONS_PER_ACCOUNT),
        least_promise: config.market.least_promise.unwrap_or(redeem_fee),
        deadlines: StageDeadlines::default(),
    }
}

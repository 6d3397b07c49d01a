//! Which layers to serve, and on what terms.

use mica_chain::{AccountId, Call, Chain, ReadError, Signer};
use mica_engine::{LoadError, fit, memory::available_bytes};
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

/// Positions for which a layer that is chosen must leave room: a few sessions' worth, or one long
/// one's.
const ROOM_POSITIONS: u32 = 4_096;

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
    /// Not one of them fits into the memory.
    #[error(
        "not one layer of the model fits into the {} MB that are free: free some memory, raise \
         the control group's limit, or serve a smaller model",
        available / 1_000_000
    )]
    NoRoom {
        /// Bytes.
        available: u64,
    },
    /// The file contradicts itself.
    #[error(transparent)]
    Model(#[from] LoadError),
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

/// The configured range; else that of an existing registration, as long as it fits into the memory
/// that is free; else, of those that fit, the one where the worker has the largest share.
///
/// # Errors
/// If the model does not have the configured layers, none fit, or the chain cannot be read.
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
    let candidates = fitting(source, config)?;
    let view = chain.at_best().await?;
    let record = view.worker(account).await?.map(|(record, _)| record);
    if let Some(record) = record.filter(|record| record.model == source.id) {
        let fits = |candidate: &LayerRange| candidate.covers(record.range);
        // One wider than `width` says was chosen before that was said, or by somebody else.
        let is_wide = config.width.is_some_and(|width| record.range.len() > width);
        if candidates.iter().any(fits) || is_wide {
            return Ok(record.range);
        }
        tracing::warn!(range = %record.range, "the registered layers do not fit any more");
    }
    let workers = view.workers(source.id, None).await?;
    let online: Vec<_> = workers
        .into_iter()
        .filter(|(worker, online)| *online && worker.account != account)
        .map(|(worker, _)| worker)
        .collect();
    // The cost is measured on the layers, so it is not known yet: the choice takes the others'
    // average for it.
    migration::first_range(layers, &online, &candidates)?.ok_or(RangeError::NoLayers)
}

/// For each first layer the widest range that fits into the memory that is free, with room for a
/// few sessions; all of them where the system does not tell what is free.
fn fitting(source: &ModelSource, config: &Config) -> Result<Vec<LayerRange>, RangeError> {
    let manifest = &source.manifest;
    let shape = source.file.config()?;
    let available = available_bytes().map_or(u64::MAX, |bytes| bytes as u64);
    let width = config.width.unwrap_or(manifest.layers).max(1);
    let positions = manifest.context.min(ROOM_POSITIONS);
    let found = fit::widest_ranges(&source.file, &shape, available, width, positions);
    if found.is_empty() { Err(RangeError::NoRoom { available }) } else { Ok(found) }
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

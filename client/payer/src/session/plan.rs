//! A session before it has lanes: what the path, the question and the model say of it.

use std::time::{SystemTime, UNIX_EPOCH};

use mica_primitives::{Balance, Hash32, WorkerAddresses};
use mica_protocol::{
    SessionId,
    channel::PayerLane,
    limits::{DEFAULT_EXPOSURE_POSITIONS, VOUCHER_LIFETIME_BLOCKS},
    payer::{PayerDeadlines, PlannedHub, PlannedStage, SessionPlan},
    session::{EndIds, Sampling},
};

use crate::market::{ChosenPath, ModelSnapshot};
use crate::store::{SessionRecord, StageRecord};

/// A session that only lacks its lanes.
pub(crate) struct SessionDraft<'a> {
    /// Its name.
    pub(crate) session: SessionId,
    /// The chain.
    pub(crate) genesis: Hash32,
    /// The model.
    pub(crate) snapshot: &'a ModelSnapshot,
    /// The path.
    pub(crate) path: &'a ChosenPath,
    /// For each stage the hubs through which its worker is paid.
    pub(crate) hubs: &'a [Vec<PlannedHub>],
    /// Token ids of the prompt.
    pub(crate) prompt: &'a [u32],
    /// Most tokens of the answer.
    pub(crate) max_new_tokens: u32,
    /// How tokens are drawn.
    pub(crate) sampling: Sampling,
    /// Ids that end the answer.
    pub(crate) end_ids: EndIds,
    /// How many likely tokens are told with each token, if any.
    pub(crate) logprobs: Option<u8>,
    /// Most base units over all stages.
    pub(crate) spending_limit: Balance,
}

impl SessionDraft<'_> {
    /// The session on these lanes, one per stage of the path.
    pub(super) fn plan(&self, lanes: Vec<PayerLane>) -> SessionPlan {
        SessionPlan {
            session: self.session,
            genesis: self.genesis,
            model: self.snapshot.id,
            profile: self.snapshot.record.manifest.profile,
            model_layers: self.snapshot.layers(),
            stages: self.stages(lanes),
            prompt: self.prompt.to_vec(),
            max_new_tokens: self.max_new_tokens,
            sampling: self.sampling,
            end_ids: self.end_ids.clone(),
            logprobs: self.logprobs,
            exposure_positions: DEFAULT_EXPOSURE_POSITIONS,
            spending_limit: self.spending_limit,
            voucher_blocks: VOUCHER_LIFETIME_BLOCKS,
            deadlines: PayerDeadlines::default(),
        }
    }

    fn stages(&self, lanes: Vec<PayerLane>) -> Vec<PlannedStage> {
        let stages = self.path.stages.iter().zip(lanes).map(|(stage, lane)| PlannedStage {
            peer: stage.worker.record.peer,
            addresses: WorkerAddresses::clone(&stage.worker.record.addresses),
            range: stage.range,
            price_per_layer_token: stage.price_per_layer_token,
            holding_price: stage.holding_price,
            credit_positions: stage.credit_positions,
            quote: stage.quote,
            lane,
            hubs: Vec::new(),
        });
        let mut stages: Vec<PlannedStage> = stages.collect();
        for (stage, hubs) in stages.iter_mut().zip(self.hubs) {
            stage.hubs.clone_from(hubs);
        }
        stages
    }

    /// What is kept of the session on disk, as it begins.
    pub(super) fn record(&self, lanes: &[PayerLane]) -> SessionRecord {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stages = self.path.stages.iter().zip(lanes).map(|(stage, lane)| StageRecord {
            worker: stage.worker.record.account.0,
            peer: stage.worker.record.peer,
            layers: stage.range,
            channel: lane.record().channel,
            lane: lane.record().lane,
            price_per_layer_token: stage.price_per_layer_token,
            paid: 0,
            first_receipt: lane.record().receipts.count(),
            receipts: 0,
        });
        SessionRecord {
            session: self.session.0,
            genesis: self.genesis,
            started_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            model: self.snapshot.id,
            profile: self.snapshot.record.manifest.profile,
            prompt: self.prompt.to_vec(),
            tokens: Vec::new(),
            stages: stages.collect(),
            is_closed: false,
        }
    }
}

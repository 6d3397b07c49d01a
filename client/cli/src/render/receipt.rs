//! Receipts: the sessions that left them, and what checking them found.

use mica_chain::{AccountId, amount};
use mica_host::json::{Layers, Money};
use mica_payer::store::{SessionRecord, StageRecord};
use mica_payer::verify;
use mica_primitives::Balance;
use mica_protocol::StageNumber;
use serde::Serialize;

use super::{sent::hash, table::table};

/// A session whose receipts are kept.
#[derive(Serialize)]
pub(crate) struct Session {
    session: String,
    started_unix_ms: u64,
    model: String,
    prompt_tokens: usize,
    tokens: usize,
    stages: usize,
    receipts: u64,
    paid: Money,
    is_closed: bool,
}

impl From<&SessionRecord> for Session {
    fn from(record: &SessionRecord) -> Self {
        let paid =
            record.stages.iter().fold(0, |sum: Balance, stage| sum.saturating_add(stage.paid));
        Self {
            session: hex::encode(record.session),
            started_unix_ms: record.started_unix_ms,
            model: record.model.to_string(),
            prompt_tokens: record.prompt.len(),
            tokens: record.tokens.len(),
            stages: record.stages.len(),
            receipts: record.stages.iter().map(|stage| stage.receipts).sum(),
            paid: Money(paid),
            is_closed: record.is_closed,
        }
    }
}

impl Session {
    fn row(&self) -> Vec<String> {
        vec![
            self.session.chars().take(16).collect(),
            format!("{}+{}", self.prompt_tokens, self.tokens),
            self.stages.to_string(),
            self.receipts.to_string(),
            amount::format(self.paid.0),
            if self.is_closed { "settled" } else { "cut short" }.to_owned(),
        ]
    }
}

/// All sessions, for people.
pub(crate) fn list(sessions: &[Session]) -> String {
    if sessions.is_empty() {
        return "no receipts yet: `mica ask` brings some".into();
    }
    let rows: Vec<Vec<String>> = sessions.iter().map(Session::row).collect();
    table(&["SESSION", "TOKENS", "STAGES", "RECEIPTS", "PAID", "STATE"], &rows)
}

/// A session whose receipts verify.
#[derive(Serialize)]
pub(crate) struct VerifiedSession {
    session: String,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: Layers,
    receipts: u64,
    lane_root: String,
    /// Block in which the chain fixed a root over these receipts; nothing if it has not, or keeps
    /// it no longer.
    fixed_in_block: Option<u32>,
}

impl Stage {
    fn new(stage: &StageRecord, found: &verify::VerifiedStage) -> Self {
        Self {
            worker: AccountId::from(stage.worker).to_string(),
            layers: Layers(stage.layers),
            receipts: found.receipts,
            lane_root: hash(&found.lane_root),
            fixed_in_block: found.fixed_in_block,
        }
    }
}

impl VerifiedSession {
    /// What verifying each stage of this session found.
    pub(crate) fn new(record: &SessionRecord, found: &[verify::VerifiedStage]) -> Self {
        let stages = record.stages.iter().zip(found);
        Self {
            session: hex::encode(record.session),
            stages: stages.map(|(stage, found)| Stage::new(stage, found)).collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("session {}: all receipts verify\n", self.session);
        for (index, stage) in self.stages.iter().enumerate() {
            let fixed = stage.fixed_in_block.map_or("not fixed on chain".into(), |block| {
                format!("root fixed on chain in block {block}")
            });
            let Stage { worker, layers, receipts, .. } = stage;
            text.push_str(&format!(
                "  stage {}  {worker}  {}  {receipts} receipts, {fixed}\n",
                StageNumber(index),
                layers.0,
            ));
        }
        text
    }
}

/// All sessions that were checked, for people.
pub(crate) fn verified(sessions: &[VerifiedSession]) -> String {
    sessions.iter().map(VerifiedSession::to_text).collect::<Vec<_>>().join("\n")
}

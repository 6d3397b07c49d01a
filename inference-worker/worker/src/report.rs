//! What the worker tells: one line of text for people, or one JSON object per line for programs, on
//! standard output.

pub(crate) mod kept;

use std::io::Write;

use mica_host::json;
use mica_net::ReachStatus;
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, LayerRange, ModelId};
use mica_weights::Progress;
use serde::Serialize;

use self::kept::Kept;

/// Something worth telling. Money is a decimal string of base units: JSON numbers end at 2^53.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields say what they are; docs/worker.md names those to act on"
)]
pub(crate) enum Event {
    Connected {
        node_url: String,
        genesis: String,
        block: BlockNumber,
    },
    Loaded {
        #[serde(serialize_with = "json::text")]
        model: ModelId,
        #[serde(serialize_with = "json::layers::serialize")]
        layers: LayerRange,
        cost_us_per_layer_token: u32,
    },
    /// A model is read as a whole, because nobody has hashed it yet.
    Reading {
        done_bytes: u64,
        total_bytes: u64,
    },
    /// The weights of layers are fetched.
    Fetching {
        #[serde(serialize_with = "json::layers::serialize")]
        layers: LayerRange,
        done_bytes: u64,
        total_bytes: u64,
        sources: usize,
    },
    /// The weights of layers are here: what was missing, what came over the network for it, and
    /// what the model takes on disk.
    Fetched {
        #[serde(serialize_with = "json::layers::serialize")]
        layers: LayerRange,
        bytes: u64,
        received_bytes: u64,
        disk_bytes: u64,
    },
    Listening {
        address: String,
    },
    ModelRegistered {
        #[serde(serialize_with = "json::text")]
        model: ModelId,
        block: BlockNumber,
        #[serde(serialize_with = "json::money::serialize")]
        fee: Balance,
    },
    Registered {
        account: String,
        peer: String,
        #[serde(serialize_with = "json::text")]
        model: ModelId,
        #[serde(serialize_with = "json::layers::serialize")]
        layers: LayerRange,
        #[serde(serialize_with = "json::money::serialize")]
        price_per_layer_token: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        stake: Balance,
        block: BlockNumber,
    },
    Serving {
        #[serde(serialize_with = "json::layers::serialize")]
        layers: LayerRange,
        #[serde(serialize_with = "json::money::serialize")]
        price_per_layer_token: Balance,
    },
    SessionEnded {
        session: String,
        #[serde(serialize_with = "json::text")]
        channel: ChannelId,
        lane: LaneId,
        positions: u32,
        #[serde(serialize_with = "json::money::serialize")]
        earned: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        prepaid: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        unpaid: Balance,
        settled: bool,
        fault: Option<String>,
    },
    Redeemed {
        #[serde(serialize_with = "json::text")]
        channel: ChannelId,
        lane: LaneId,
        seq: u64,
        #[serde(serialize_with = "json::money::serialize")]
        paid: Balance,
        receipts: u64,
        #[serde(serialize_with = "json::money::serialize")]
        fee: Balance,
        block: BlockNumber,
    },
    BountyKept {
        #[serde(serialize_with = "json::text")]
        channel: ChannelId,
        #[serde(serialize_with = "json::money::serialize")]
        amount: Balance,
        block: BlockNumber,
    },
    ChannelClosed {
        #[serde(serialize_with = "json::text")]
        channel: ChannelId,
        block: BlockNumber,
    },
    PriceSet {
        #[serde(serialize_with = "json::money::serialize")]
        price_per_layer_token: Balance,
        block: BlockNumber,
    },
    CostSet {
        cost_us_per_layer_token: u32,
        block: BlockNumber,
    },
    /// No new sessions are taken: the machine is its owner's for now.
    Paused {
        code: &'static str,
        reason: String,
    },
    /// New sessions are taken again.
    Resumed {},
    Moved {
        #[serde(serialize_with = "json::layers::serialize")]
        from: LayerRange,
        #[serde(serialize_with = "json::layers::serialize")]
        to: LayerRange,
        block: BlockNumber,
    },
    /// The addresses that payers find in the registry, or will.
    Published {
        addresses: Vec<String>,
    },
    /// Whether others can come in has changed.
    Reach {
        status: ReachStatus,
        why: String,
        addresses: Vec<String>,
    },
    /// Another process has this worker's identity.
    AnotherInstance {
        addresses: Vec<String>,
        problem: String,
    },
    /// Payers are not served, and why; `serving` is told when they are again.
    NotServing {
        code: &'static str,
        problem: String,
    },
    /// A folder is watched, for the channels of which it has promises.
    Watching {
        folder: String,
        channels: usize,
        #[serde(serialize_with = "json::money::serialize")]
        promised: Balance,
        payer_of_fees: String,
    },
    /// The node follows another chain than the records are of: a development chain that was started
    /// anew.
    ChainChanged {
        lanes: usize,
        aside: String,
    },
    Warning {
        text: String,
    },
    Draining {
        sessions: usize,
    },
    /// The process that runs with the folder is told to stop.
    Stopping {
        pid: i32,
    },
    /// What is owed and would cost more to redeem than it brings.
    NotWorthRedeeming {
        #[serde(serialize_with = "json::money::serialize")]
        amount: Balance,
    },
    /// The account has left the registry.
    Unregistered {
        until: BlockNumber,
        block: BlockNumber,
    },
    /// The stake is still held.
    Unbonding {
        blocks: BlockNumber,
    },
    Withdrawn {
        #[serde(serialize_with = "json::money::serialize")]
        amount: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        fee: Balance,
        block: BlockNumber,
    },
    /// There is nothing to leave.
    HasLeft {
        account: String,
    },
    StakeAdded {
        #[serde(serialize_with = "json::money::serialize")]
        added: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        stake: Balance,
        block: BlockNumber,
    },
    Stopped {
        #[serde(serialize_with = "json::money::serialize")]
        earned: Balance,
        #[serde(serialize_with = "json::money::serialize")]
        unredeemed: Balance,
    },
}

impl Event {
    /// How far the weights of `layers` are.
    pub(crate) fn fetching(layers: LayerRange, progress: Progress) -> Self {
        let Progress { done: done_bytes, total: total_bytes, sources } = progress;
        Self::Fetching { layers, done_bytes, total_bytes, sources }
    }

    /// How far a whole file is.
    pub(crate) fn reading(progress: Progress) -> Self {
        Self::Reading { done_bytes: progress.done, total_bytes: progress.total }
    }
}

/// In which form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A sentence per line.
    Text,
    /// A JSON object per line.
    Json,
}

/// Tells events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    form: Form,
    /// Where events are kept too; for as long as the process runs.
    kept: Option<&'static Kept>,
}

impl Reporter {
    /// One that tells in this form.
    pub(crate) const fn new(form: Form) -> Self {
        Self { form, kept: None }
    }

    /// One that keeps what it tells in `kept` as well, until the process ends.
    #[must_use]
    pub(crate) fn keeping(self, kept: Kept) -> Self {
        Self { kept: Some(Box::leak(Box::new(kept))), ..self }
    }

    /// Tells one event. A reader that has gone away is no reason to stop serving.
    pub(crate) fn emit(&self, event: &Event) {
        if let Some(kept) = self.kept {
            kept.keep(event);
        }
        let line = match self.form {
            Form::Json => serde_json::to_string(event).unwrap_or_default(),
            // What peers and nodes say may stand in it.
            Form::Text => mica_text::lines(&event.to_string()),
        };
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use mica_chain::amount::format as mica;
        match self {
            Self::Connected { node_url, block, .. } => {
                write!(f, "connected to {node_url} at block {block}")
            }
            Self::Loaded { model, layers, cost_us_per_layer_token } => {
                write!(
                    f,
                    "loaded layers {layers} of {model}: {cost_us_per_layer_token} µs per layer \
                     and token"
                )
            }
            Self::Reading { done_bytes, total_bytes } => {
                write!(f, "reading the model: {} of {} MB", done_bytes >> 20, total_bytes >> 20)
            }
            Self::Fetching { layers, done_bytes, total_bytes, sources } => write!(
                f,
                "fetching layers {layers}: {} of {} MB from {sources} sources",
                done_bytes >> 20,
                total_bytes >> 20
            ),
            Self::Fetched { layers, bytes, received_bytes, disk_bytes } => write!(
                f,
                "fetched layers {layers}: {} MB of weights, {} MB received, {} MB on disk",
                bytes >> 20,
                received_bytes >> 20,
                disk_bytes >> 20
            ),
            Self::Listening { address } => write!(f, "listening on {address}"),
            Self::ModelRegistered { model, block, .. } => {
                write!(f, "registered model {model} in block {block}")
            }
            Self::Registered { account, layers, stake, block, .. } => {
                write!(
                    f,
                    "registered {account} for layers {layers} with a stake of {} in block {block}",
                    mica(*stake)
                )
            }
            Self::Serving { layers, price_per_layer_token } => {
                write!(
                    f,
                    "serving layers {layers} at {} per layer and token",
                    mica(*price_per_layer_token)
                )
            }
            Self::SessionEnded { session, positions, earned, unpaid, fault, .. } => {
                write!(f, "session {session} ended: {positions} tokens, {} earned", mica(*earned))?;
                if *unpaid > 0 {
                    write!(f, ", {} unpaid", mica(*unpaid))?;
                }
                fault.as_ref().map_or(Ok(()), |fault| write!(f, " ({fault})"))
            }
            Self::Redeemed { channel, lane, paid, block, .. } => {
                write!(f, "redeemed {} from lane {lane} of {channel} in block {block}", mica(*paid))
            }
            Self::BountyKept { channel, amount, block } => {
                write!(f, "kept {} of that for {channel} in block {block}", mica(*amount))
            }
            Self::ChannelClosed { channel, block } => {
                write!(f, "closed channel {channel} in block {block}")
            }
            Self::PriceSet { price_per_layer_token, block } => {
                write!(
                    f,
                    "price is {} per layer and token since block {block}",
                    mica(*price_per_layer_token)
                )
            }
            Self::CostSet { cost_us_per_layer_token, block } => {
                write!(
                    f,
                    "the published cost is {cost_us_per_layer_token} µs per layer and token since \
                     block {block}"
                )
            }
            Self::Paused { reason, .. } => write!(f, "no new sessions: {reason}"),
            Self::Resumed {} => write!(f, "new sessions are taken again"),
            Self::Moved { from, to, block } => {
                write!(f, "moved from layers {from} to {to} in block {block}")
            }
            Self::Published { addresses } => {
                write!(f, "payers find it at {}", addresses.join(", "))
            }
            Self::Reach { status, why, .. } => {
                let how = match status {
                    ReachStatus::Directly => "others come in directly",
                    ReachStatus::ViaRelay => "others come in through a relay",
                    ReachStatus::Unreachable => "nobody outside can come in",
                    _ => "not known whether others outside can come in",
                };
                write!(f, "{how}: {why}")
            }
            Self::AnotherInstance { addresses, .. } => {
                write!(f, "another process has this worker's identity, at {}", addresses.join(", "))
            }
            Self::NotServing { problem, .. } => write!(f, "not serving: {problem}"),
            Self::Watching { folder, channels, promised, payer_of_fees } => {
                write!(
                    f,
                    "watching {folder}: {channels} channels that promise {}; {payer_of_fees} pays \
                     the fees",
                    mica(*promised)
                )
            }
            Self::ChainChanged { lanes, aside } => {
                write!(
                    f,
                    "the chain was started anew: the records of {lanes} lanes of the old one are \
                     in {aside}"
                )
            }
            Self::Warning { text } => write!(f, "warning: {text}"),
            Self::Draining { sessions } => {
                write!(f, "stopping: {sessions} sessions are still open")
            }
            Self::Stopping { pid } => {
                write!(f, "the worker that runs (process {pid}) lets its sessions end and stops")
            }
            Self::NotWorthRedeeming { amount } => {
                write!(f, "{} stay unredeemed: the fee would be more", mica(*amount))
            }
            Self::Unregistered { until, block } => {
                write!(
                    f,
                    "left the registry in block {block}: the stake is free at block {until} of \
                     the market's clock"
                )
            }
            Self::Unbonding { blocks } => write!(f, "the stake is free in {blocks} blocks"),
            Self::Withdrawn { amount, block, .. } => {
                write!(f, "{} are back in the account since block {block}", mica(*amount))
            }
            Self::HasLeft { account } => {
                write!(f, "account {account} is not registered: there is nothing to leave")
            }
            Self::StakeAdded { added, stake, block } => {
                write!(
                    f,
                    "{} more on hold since block {block}: the stake is {}",
                    mica(*added),
                    mica(*stake)
                )
            }
            Self::Stopped { earned, unredeemed } => {
                write!(
                    f,
                    "stopped: {} earned, {} kept to be redeemed later",
                    mica(*earned),
                    mica(*unredeemed)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_with_money_as_text() {
        let event = Event::Serving {
            layers: LayerRange { first: 0, end: 3 },
            price_per_layer_token: Balance::MAX,
        };
        let line = serde_json::to_string(&event).expect("serializes");
        let value: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
        assert_eq!(value["event"], "serving");
        assert_eq!(value["layers"], serde_json::json!([0, 3]));
        assert_eq!(value["price_per_layer_token"], Balance::MAX.to_string());
        assert!(!line.contains('\n') && !event.to_string().contains('\n'));
    }
}

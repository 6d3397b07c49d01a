//! Payment channels: the list of them, and what a change did.

use std::collections::BTreeSet;

use mica_chain::amount;
use mica_host::json::Money;
use mica_primitives::{Balance, Channel, ChannelId, ChannelState};
use serde::Serialize;

use super::{sent::hash, table::table};
use crate::send;

/// A channel of the wallet.
#[derive(Serialize)]
pub(crate) struct OpenChannel {
    channel: String,
    payee: String,
    deposit: Money,
    claimed: Money,
    promised: Money,
    left: Money,
    state: String,
}

impl OpenChannel {
    /// A channel on chain, of which our records say that `recorded` is promised.
    pub(crate) fn new(
        id: ChannelId,
        channel: &Channel<mica_chain::AccountId>,
        recorded: Balance,
    ) -> Self {
        // After a loss of our records the chain may know of more.
        let promised = recorded.max(channel.claimed);
        let state = match channel.state {
            ChannelState::Open => "open".to_owned(),
            ChannelState::Closing(closing) => {
                format!("closing until block {} of the market's clock", closing.ends)
            }
        };
        Self {
            channel: id.to_string(),
            payee: channel.payee.to_string(),
            deposit: Money(channel.deposit),
            claimed: Money(channel.claimed),
            promised: Money(promised),
            left: Money(channel.deposit.saturating_sub(promised)),
            state,
        }
    }

    fn row(&self) -> Vec<String> {
        let money = [self.deposit, self.promised, self.claimed, self.left];
        let money = money.map(|money| amount::format(money.0));
        [
            [self.channel.clone(), self.payee.clone()].as_slice(),
            &money,
            std::slice::from_ref(&self.state),
        ]
        .concat()
    }
}

/// All channels, for people.
pub(crate) fn list(channels: &[OpenChannel]) -> String {
    if channels.is_empty() {
        return "no channels: `mica ask` opens those that it needs".into();
    }
    let rows: Vec<Vec<String>> = channels.iter().map(OpenChannel::row).collect();
    table(&["CHANNEL", "PAYEE", "DEPOSIT", "PROMISED", "CLAIMED", "LEFT", "STATE"], &rows)
}

/// What changed channels, and what that cost.
#[derive(Serialize)]
pub(crate) struct ChannelChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u32>,
    extrinsics: Vec<String>,
    fees: Money,
    events: Vec<String>,
    /// Channels that their workers closed by agreement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agreed: Vec<String>,
}

impl ChannelChange {
    /// These extrinsics, and `lost` for fees of extrinsics that did nothing.
    pub(crate) fn new(sent: &[send::Sent], lost: Balance) -> Self {
        let fees = sent.iter().filter_map(|one| one.fee).fold(lost, Balance::saturating_add);
        Self {
            block: sent.iter().filter_map(|one| one.block).max(),
            extrinsics: sent.iter().map(|one| hash(&one.extrinsic)).collect(),
            fees: Money(fees),
            events: sent.iter().flat_map(|one| one.events.clone()).collect(),
            agreed: Vec::new(),
        }
    }

    /// Besides, these were closed by agreement.
    pub(crate) fn agreed(self, channels: &BTreeSet<ChannelId>) -> Self {
        Self { agreed: channels.iter().map(ToString::to_string).collect(), ..self }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        match (self.extrinsics.as_slice(), self.block) {
            ([], _) if !self.agreed.is_empty() => {
                format!("{} channels were closed by agreement", self.agreed.len())
            }
            ([], _) => "nothing to do".into(),
            (_, Some(block)) => {
                format!("done in block {block} (fees {})", amount::format(self.fees.0))
            }
            (extrinsics, None) => format!("the node has it: {}", extrinsics.join(", ")),
        }
    }
}

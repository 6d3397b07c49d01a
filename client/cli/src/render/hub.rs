//! How a hub looks: what happens while it runs, how it stands, and its channels.

use mica_chain::{AccountId, amount};
use mica_host::json::Money;
use mica_hub::{HubEvent, HubStatus};
use mica_primitives::{Balance, Channel, ChannelId, ChannelState};
use serde::{Deserialize, Serialize};

use super::table::table;

/// Something that happened, as one line of JSON.
#[derive(Serialize)]
pub(crate) struct HubLine {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<SentLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<RelayLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// What an extrinsic did.
#[derive(Serialize)]
struct SentLine {
    opened: usize,
    topped_up: usize,
    closed: usize,
    redeemed: Money,
    fee: Money,
    block: u32,
}

/// How a relay ended.
#[derive(Serialize)]
struct RelayLine {
    session: String,
    stage: u8,
    payer: String,
    payee: String,
    positions: u32,
    earned: Money,
    passed_on: Money,
    settled: bool,
}

impl HubLine {
    /// Nothing for what is no line.
    pub(crate) fn new(event: &HubEvent<'_>) -> Option<Self> {
        let line = |event| Self {
            event,
            account: None,
            addresses: Vec::new(),
            sent: None,
            relay: None,
            text: None,
        };
        Some(match event {
            HubEvent::Listening { addresses, account } => Self {
                account: Some(account.to_string()),
                addresses: addresses.to_vec(),
                ..line("listening")
            },
            HubEvent::Sent(sent) => {
                let sent = SentLine {
                    opened: sent.opened,
                    topped_up: sent.topped_up,
                    closed: sent.closed,
                    redeemed: Money(sent.redeemed),
                    fee: Money(sent.fee),
                    block: sent.block,
                };
                Self { sent: Some(sent), ..line("sent") }
            }
            HubEvent::Ended(end) => {
                let (session, stage) = end.relay;
                let relay = RelayLine {
                    session: session.to_string(),
                    stage,
                    payer: AccountId::from(end.account).to_string(),
                    payee: AccountId::from(end.payee).to_string(),
                    positions: end.positions,
                    earned: Money(end.earned),
                    passed_on: Money(end.passed_on),
                    settled: end.settled,
                };
                Self { relay: Some(relay), ..line("ended") }
            }
            HubEvent::Warning(text) => Self { text: Some((*text).to_owned()), ..line("warning") },
            _ => return None,
        })
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        if let Some(sent) = &self.sent {
            return format!(
                "block {}: {} channels opened, {} topped up, {} closed, {} redeemed (fee {})",
                sent.block,
                sent.opened,
                sent.topped_up,
                sent.closed,
                amount::format(sent.redeemed.0),
                amount::format(sent.fee.0)
            );
        }
        if let Some(relay) = &self.relay {
            let end = if relay.settled { "settled" } else { "not settled" };
            return format!(
                "session {}: {} positions for {}, {} in and {} out, {end}",
                relay.session,
                relay.positions,
                relay.payee,
                amount::format(relay.earned.0),
                amount::format(relay.passed_on.0)
            );
        }
        match (&self.account, &self.text) {
            (Some(account), _) => format!(
                "hub {account} listens; payers name it with --hub:\n{}",
                self.addresses.join("\n")
            ),
            (None, Some(text)) => format!("warning: {text}"),
            (None, None) => self.event.to_owned(),
        }
    }
}

/// How a hub stands: what it writes into its folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubState {
    block: u32,
    relays: usize,
    incoming: usize,
    #[serde(with = "mica_host::json::money")]
    redeemable: Balance,
    channels: Vec<PaidLine>,
    ended: u64,
    #[serde(with = "mica_host::json::money")]
    earned: Balance,
    #[serde(with = "mica_host::json::money")]
    passed_on: Balance,
}

/// A channel of the hub's own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PaidLine {
    channel: String,
    payee: String,
    #[serde(with = "mica_host::json::money")]
    deposit: Balance,
    #[serde(with = "mica_host::json::money")]
    free: Balance,
}

impl From<&HubStatus> for HubState {
    fn from(status: &HubStatus) -> Self {
        let channels = status.channels.iter().map(|own| PaidLine {
            channel: own.channel.to_string(),
            payee: own.payee.to_string(),
            deposit: own.deposit,
            free: own.free,
        });
        Self {
            block: status.block,
            relays: status.relays,
            incoming: status.incoming,
            redeemable: status.redeemable,
            channels: channels.collect(),
            ended: status.ended,
            earned: status.earned,
            passed_on: status.passed_on,
        }
    }
}

impl HubState {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .channels
            .iter()
            .map(|own| {
                let money = [own.deposit, own.free].map(amount::format);
                [[own.channel.clone(), own.payee.clone()].as_slice(), &money].concat()
            })
            .collect();
        format!(
            "as of block {}: {} stages are paid now; {} ended, {} in and {} out\n{} can be \
             redeemed from {} channels\n{}",
            self.block,
            self.relays,
            self.ended,
            amount::format(self.earned),
            amount::format(self.passed_on),
            amount::format(self.redeemable),
            self.incoming,
            table(&["CHANNEL", "PAYEE", "DEPOSIT", "FREE"], &rows)
        )
    }
}

/// A channel of the hub's wallet on chain.
#[derive(Serialize)]
pub(crate) struct ChannelLine {
    channel: String,
    /// `to` whom the hub pays, or `from` whom it is paid.
    direction: &'static str,
    account: String,
    deposit: Money,
    claimed: Money,
    state: String,
}

impl ChannelLine {
    /// A channel from which the hub pays.
    pub(crate) fn paid(id: ChannelId, channel: &Channel<AccountId>) -> Self {
        Self::new(id, channel, "to", channel.payee)
    }

    /// A channel from which the hub is paid.
    pub(crate) fn owed(id: ChannelId, channel: &Channel<AccountId>) -> Self {
        Self::new(id, channel, "from", channel.payer)
    }

    fn new(
        id: ChannelId,
        channel: &Channel<AccountId>,
        direction: &'static str,
        account: AccountId,
    ) -> Self {
        let state = match channel.state {
            ChannelState::Open => "open".to_owned(),
            ChannelState::Closing(closing) => {
                format!("closing until block {} of the market's clock", closing.ends)
            }
        };
        Self {
            channel: id.to_string(),
            direction,
            account: account.to_string(),
            deposit: Money(channel.deposit),
            claimed: Money(channel.claimed),
            state,
        }
    }
}

/// Channels, for people.
pub(crate) fn channels_text(lines: &[ChannelLine]) -> String {
    if lines.is_empty() {
        return "no channels: `mica hub run` opens those to workers, and payers open theirs".into();
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let money = [line.deposit, line.claimed].map(|money| amount::format(money.0));
            let place = [line.direction.to_owned(), line.account.clone(), line.channel.clone()];
            [place.as_slice(), &money, std::slice::from_ref(&line.state)].concat()
        })
        .collect();
    table(&["", "ACCOUNT", "CHANNEL", "DEPOSIT", "CLAIMED", "STATE"], &rows)
}

#[cfg(test)]
mod tests {
    use mica_hub::PaidChannel;

    use super::*;

    #[test]
    fn what_a_hub_writes_of_itself_reads_back() {
        let status = HubStatus {
            block: 7,
            relays: 2,
            earned: u128::MAX,
            channels: vec![PaidChannel {
                channel: ChannelId([1; 32]),
                payee: [2; 32].into(),
                deposit: 10,
                free: 4,
            }],
            ..HubStatus::default()
        };
        let state = HubState::from(&status);
        let bytes = serde_json::to_vec_pretty(&state).expect("it is JSON");
        let back: HubState = serde_json::from_slice(&bytes).expect("it reads");
        assert_eq!(back, state);
        assert!(back.to_text().contains("as of block 7"));
    }
}

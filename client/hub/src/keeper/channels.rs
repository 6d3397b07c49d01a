//! Channels of the hub's own: opened and topped up ahead of time, so that no payer waits for a
//! block.
//!
//! One to every worker that serves, and another one where all but [`SPARE_LANES`] lanes are in use,
//! until there are as many as there may be or the money is used up.

use std::collections::BTreeMap;

use mica_chain::{AccountId, Call};
use mica_primitives::{Balance, Channel, ChannelId, ChannelOpening, ChannelState, MAX_LANES};
use mica_protocol::hub::HubTable;

use super::Figures;

/// Most openings of one extrinsic: as many as the chain takes in one call.
const MAX_OPENINGS: usize = 32;
/// Fees that the account keeps for redeems: without them what it is owed is lost.
const RESERVE: Balance = 100;
/// A channel of the hub's own is topped up when less than one part in so many of what it is kept
/// good for is left.
const LOW: Balance = 2;
/// A payee of whose channels all but so many lanes are in use gets another one.
const SPARE_LANES: usize = 4;
/// Most channels to one payee: more lanes than a worker serves one account on.
const MAX_PER_PAYEE: usize = 8;

/// Channels to open and top up, as far as the money goes.
pub(crate) fn channels(
    table: &HubTable,
    figures: &Figures<'_>,
    own: &BTreeMap<ChannelId, Channel<AccountId>>,
    wanted: &[AccountId],
) -> Vec<Call> {
    let mut left = figures.money.spendable().saturating_sub(figures.fee.saturating_mul(RESERVE));
    let deposit = figures.config.deposit.max(figures.parameters.min_deposit);
    let mut calls = Vec::new();
    for (_, ledger) in table.outgoing_channels() {
        let facts = ledger.facts();
        let lacking = deposit.saturating_sub(ledger.free());
        let is_used = facts.ends.is_none() && ledger.lost_lanes() < MAX_LANES as usize;
        if is_used && ledger.free() < deposit / LOW && lacking <= left {
            left = left.saturating_sub(lacking);
            let total = facts.deposit.saturating_add(lacking);
            calls.push(Call::TopUpTo { channel: facts.channel, total });
        }
    }
    let leased: BTreeMap<ChannelId, usize> =
        table.outgoing_channels().map(|(_, ledger)| (ledger.channel(), ledger.leased())).collect();
    let payees = payees(&leased, own);
    let is_paid = |payee: &AccountId| {
        payees.get(&payee.0).is_some_and(|paid| paid.has_spare || paid.channels >= MAX_PER_PAYEE)
    };
    let most =
        figures.config.max_channels.min(figures.parameters.max_channels_per_account as usize);
    let room = most.saturating_sub(own.len()).min(MAX_OPENINGS);
    let cost = deposit.saturating_add(figures.parameters.storage_deposit).max(1);
    let affordable = usize::try_from(left / cost).unwrap_or(usize::MAX);
    let new = wanted.iter().filter(|payee| !is_paid(payee));
    let openings: Vec<ChannelOpening<AccountId>> = new
        .take(room.min(affordable))
        .map(|payee| ChannelOpening {
            payee: *payee,
            signer: figures.signer,
            deposit,
            window: figures.window,
        })
        .collect();
    if !openings.is_empty() {
        calls.push(Call::OpenMany(openings));
    }
    calls
}

/// How a payee is paid.
#[derive(Clone, Copy, Default)]
struct Paid {
    /// Open channels.
    channels: usize,
    /// Whether one of them has lanes to spare.
    has_spare: bool,
}

/// Who is paid on the hub's open channels, of which so many lanes are leased. Lanes that are lost
/// are no reason for another channel: that would give whoever took them more.
fn payees(
    leased: &BTreeMap<ChannelId, usize>,
    own: &BTreeMap<ChannelId, Channel<AccountId>>,
) -> BTreeMap<[u8; 32], Paid> {
    let mut payees: BTreeMap<[u8; 32], Paid> = BTreeMap::new();
    for (id, channel) in own.iter().filter(|(_, own)| own.state == ChannelState::Open) {
        let leased = leased.get(id).copied().unwrap_or(0);
        let paid = payees.entry(channel.payee.0).or_default();
        paid.channels += 1;
        paid.has_spare |= leased + SPARE_LANES <= MAX_LANES as usize;
    }
    payees
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use mica_chain::Account;
    use mica_primitives::ChannelParameters;
    use mica_protocol::{
        Now,
        channel::ChannelFacts,
        hub::{HubOffer, Payee},
        messages::HubFee,
        signing,
        stage::StageIdentity,
    };

    use super::*;
    use crate::config::HubConfig;

    const DEPOSIT: Balance = 1_000;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[1; 32])
    }

    fn parameters() -> ChannelParameters {
        ChannelParameters {
            min_deposit: 10,
            min_window: 20,
            max_window: 1_000,
            max_channels_per_account: 3,
            storage_deposit: 100,
        }
    }

    fn figures<'a>(
        config: &'a HubConfig,
        parameters: &'a ChannelParameters,
        free: Balance,
    ) -> Figures<'a> {
        let money = Account { free, ..Account::default() };
        let now = Now::new(0, 50);
        let signer = signing::public_key(&key());
        Figures { config, parameters, now, fee: 1, money, window: 20, signer }
    }

    fn channel(payee: u8, deposit: Balance) -> (ChannelId, Channel<AccountId>) {
        let channel = Channel {
            payer: [9; 32].into(),
            payee: [payee; 32].into(),
            signer: signing::public_key(&key()),
            deposit,
            claimed: 0,
            lanes: Default::default(),
            window: 20,
            state: ChannelState::Open,
        };
        (ChannelId([payee; 32]), channel)
    }

    fn table(own: &BTreeMap<ChannelId, Channel<AccountId>>) -> HubTable {
        let offer = HubOffer {
            account: [9; 32],
            fee: HubFee::default(),
            credit_positions: 1,
            credit_money: 1_000,
            min_window: 1,
            least_promise: 0,
            max_relays: 1,
        };
        let mut table = HubTable::new(StageIdentity::new(key(), [0; 32]), offer);
        for (id, channel) in own {
            let payee = Payee { account: channel.payee.0, peer: None };
            let facts = ChannelFacts::new(*id, channel);
            table.pay_from(payee, key(), facts, Vec::new(), Vec::new()).expect("own channel");
        }
        table
    }

    #[test]
    fn every_worker_gets_a_channel_as_far_as_room_and_money_go() {
        let config = HubConfig { deposit: DEPOSIT, max_channels: 8, ..HubConfig::default() };
        let (parameters, own) = (parameters(), BTreeMap::from([channel(1, DEPOSIT)]));
        let wanted: Vec<AccountId> = (1..=4).map(|payee| [payee; 32].into()).collect();
        let opened = |free| {
            let figures = figures(&config, &parameters, free);
            match channels(&table(&own), &figures, &own, &wanted).pop() {
                Some(Call::OpenMany(openings)) => {
                    openings.iter().map(|opening| opening.payee.0[0]).collect()
                }
                Some(other) => panic!("{other}"),
                None => Vec::new(),
            }
        };
        assert_eq!(opened(1_000_000), [2, 3], "three channels are the most");
        assert_eq!(opened(100 + 1_100), [2], "with the fees that are kept back");
        assert_eq!(opened(100 + 1_099), [0u8; 0]);
    }

    #[test]
    fn whose_lanes_are_nearly_all_in_use_gets_another_channel() {
        let mut own = BTreeMap::from([channel(1, DEPOSIT)]);
        let spare = |leased: &[(u8, usize)], own: &BTreeMap<ChannelId, Channel<AccountId>>| {
            let leased: BTreeMap<ChannelId, usize> =
                leased.iter().map(|(id, lanes)| (ChannelId([*id; 32]), *lanes)).collect();
            let paid = payees(&leased, own)[&[1; 32]];
            (paid.channels, paid.has_spare)
        };
        assert_eq!(spare(&[], &own), (1, true), "it was just opened");
        assert_eq!(spare(&[(1, 12)], &own), (1, true));
        assert_eq!(spare(&[(1, 13)], &own), (1, false));
        let (_, another) = channel(1, DEPOSIT);
        own.insert(ChannelId([2; 32]), another);
        assert_eq!(spare(&[(1, 16), (2, 0)], &own), (2, true));
    }

    #[test]
    fn what_runs_low_is_topped_up() {
        let config = HubConfig { deposit: DEPOSIT, ..HubConfig::default() };
        let (parameters, own) = (parameters(), BTreeMap::from([channel(1, 499), channel(2, 500)]));
        let figures = figures(&config, &parameters, 1_000_000);
        let calls = channels(&table(&own), &figures, &own, &[]);
        let total = Call::TopUpTo { channel: ChannelId([1; 32]), total: DEPOSIT };
        assert_eq!(calls, [total]);
    }
}

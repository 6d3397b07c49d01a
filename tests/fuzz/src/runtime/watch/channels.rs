//! Channels over time: what was put in and taken out never falls, nobody takes more than was signed
//! for, windows end where they may, and what is over leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mica_primitives::{Balance, Channel, ChannelId, ChannelState, settlement::longest_close};
use mica_runtime::{AccountId, Clock, Runtime};
use pallet_mica_channels::{Channels as Stored, NextChannel};
use sp_runtime::traits::BlockNumberProvider;

use super::{super::calls::promises::Promises, facts::Facts};

/// Most channels that are remembered after their end.
const MAX_FINISHED: usize = 64;

/// The channels before a block.
pub(super) struct Channels {
    open: BTreeMap<ChannelId, Channel<AccountId>>,
    finished: VecDeque<ChannelId>,
    next: u64,
}

impl Channels {
    pub(super) fn now() -> Self {
        let open = Stored::<Runtime>::iter().collect();
        Self { open, finished: VecDeque::new(), next: NextChannel::<Runtime>::get() }
    }

    pub(super) fn finished(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.finished.iter().copied()
    }

    /// Adds to `lost` what payers paid.
    pub(super) fn check(
        &mut self,
        facts: &Facts,
        promises: &Promises,
        principals: &BTreeSet<AccountId>,
        lost: &mut BTreeMap<AccountId, Balance>,
    ) {
        let now = Self::now();
        let opened = facts.opened.len() as u64;
        assert_eq!(now.next, self.next + opened, "every opening has a number of its own");
        for (id, channel) in &now.open {
            assert!(!self.finished.contains(id), "{id} came back");
            match self.open.get(id) {
                Some(before) => check_step(before, channel),
                None => assert!(facts.opened.contains_key(id), "{id} came from nowhere"),
            }
            check_promised(*id, channel, promises);
            check_window(channel);
        }
        for (id, closed) in &facts.closed {
            let before = self.open.get(id);
            assert!(before.is_some() || facts.opened.contains_key(id), "{id} ends from nowhere");
            assert!(!now.open.contains_key(id), "{id} is over and still there");
            if let Some(before) = before {
                assert!(closed.claimed >= before.claimed, "{id}: a claim fell at the end");
                let deposit = closed.claimed + closed.released;
                assert!(deposit >= before.deposit, "{id}: a deposit fell at the end");
                // A payer that submits a close says itself what it pays.
                if !principals.contains(&before.payer) {
                    assert!(closed.claimed <= promised(*id, promises).max(before.claimed));
                }
            }
            self.finished.push_back(*id);
        }
        for id in self.open.keys().filter(|id| !now.open.contains_key(id)) {
            assert!(facts.closed.contains_key(id), "{id} vanished");
        }
        self.finished.drain(..self.finished.len().saturating_sub(MAX_FINISHED));
        self.count_losses(facts, lost);
        (self.open, self.next) = (now.open, now.next);
    }

    fn count_losses(&self, facts: &Facts, lost: &mut BTreeMap<AccountId, Balance>) {
        let touched: BTreeSet<_> = facts.paid.keys().chain(facts.closed.keys()).collect();
        for id in touched {
            let before = self.open.get(id);
            let payer = before.map(|channel| &channel.payer).or_else(|| facts.opened.get(id));
            let payer = payer.expect("a channel that pays is known");
            let claimed = before.map_or(0, |channel| channel.claimed);
            let paid = facts.paid.get(id).copied().unwrap_or_default();
            // What a close paid beside the vouchers is in its total.
            let all = facts.closed.get(id).map_or(paid, |closed| closed.claimed - claimed);
            assert!(all >= paid, "{id} paid {paid} and says {all}");
            *lost.entry(payer.clone()).or_default() += all;
        }
    }
}

/// Nothing of a channel runs back.
fn check_step(before: &Channel<AccountId>, after: &Channel<AccountId>) {
    let fixed = |channel: &Channel<AccountId>| {
        (channel.payer.clone(), channel.payee.clone(), channel.signer, channel.window)
    };
    assert_eq!(fixed(before), fixed(after), "a channel's terms changed");
    assert!(after.deposit >= before.deposit && after.claimed >= before.claimed, "{after:?}");
    for (number, lane) in &before.lanes {
        let now = after.lanes.get(number).expect("a lane stays");
        let is_onward = now.seq >= lane.seq
            && now.shown >= lane.shown
            && now.cumulative >= lane.cumulative
            && now.claimed >= lane.claimed;
        assert!(is_onward, "lane {number} ran back: {lane:?} to {now:?}");
    }
    if let ChannelState::Closing(before) = before.state {
        let ChannelState::Closing(after) = after.state else { panic!("a close was taken back") };
        assert!(after.at == before.at && after.ends >= before.ends, "{before:?} to {after:?}");
        assert!(after.extended >= before.extended, "{before:?} to {after:?}");
    }
}

/// No more was paid than was put in and than the channel's key signed for.
fn check_promised(id: ChannelId, channel: &Channel<AccountId>, promises: &Promises) {
    assert!(channel.claimed <= channel.deposit, "{id} paid more than its deposit");
    for (number, lane) in &channel.lanes {
        let signed = promises.lanes.get(&(id, *number)).copied().unwrap_or_default();
        assert!(lane.cumulative <= signed, "{id}/{number}: {lane:?}, and {signed} was signed");
        assert!(lane.claimed <= lane.cumulative, "{id}/{number}: {lane:?}");
    }
}

/// The most that the channel's key signed for, on all lanes together or as a final total.
fn promised(id: ChannelId, promises: &Promises) -> Balance {
    let lanes = promises.lanes.range((id, 0)..=(id, u16::MAX));
    let lanes = lanes.fold(0, |sum: Balance, (_, most)| sum.saturating_add(*most));
    lanes.max(promises.totals.get(&id).copied().unwrap_or_default())
}

/// `at < ends`, at most three extensions, and an end that its payee could count on.
fn check_window(channel: &Channel<AccountId>) {
    let ChannelState::Closing(closing) = channel.state else { return };
    let now = Clock::current_block_number();
    assert!(closing.at <= now && closing.ends > closing.at, "{closing:?} at {now}");
    assert!(closing.extended <= 3, "{closing:?}");
    assert!(closing.ends >= closing.at + channel.window, "{closing:?}");
    assert!(closing.ends - closing.at <= longest_close(channel.window), "{closing:?}");
}

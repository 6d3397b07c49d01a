//! What the hub can claim from the chain: promises to redeem, and agreed ends of channels.

use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, MAX_LANES};

use super::HubTable;
use crate::{channel::Redeemable, clock::Now, messages::CloseConsent, stage::refusal::Refusal};

impl HubTable {
    /// Every lane for which the chain would pay the hub in `block`, and whether a relay runs on it:
    /// what that one promises grows, and each redeem costs a fee.
    ///
    /// While ticks of an earlier voucher of a lane may be shown that are worth more than the newest
    /// one, that earlier one is given, with the ticks that are known: a redeem of a newer one would
    /// make it stale.
    pub fn redeemable(&self, now: Now) -> Vec<(Redeemable, bool)> {
        let lanes = self.incoming.values().flat_map(|ledger| ledger.redeemable(now.block));
        let is_busy = |due: &Redeemable| {
            let voucher = &due.redeem.voucher;
            let lane = (voucher.channel, voucher.lane);
            self.relays.values().any(|relay| (relay.channel, relay.lane) == lane)
        };
        lanes
            .filter_map(|due| {
                let (busy, due) = (is_busy(&due), self.at_most_earlier(due)?);
                Some((due, busy))
            })
            .collect()
    }

    /// What can be redeemed of a lane without making stale what may be worth more.
    fn at_most_earlier(&self, due: Redeemable) -> Option<Redeemable> {
        let place = (due.redeem.voucher.channel, due.redeem.voucher.lane);
        let ledger = self.incoming.get(&place.0)?;
        let Some(chain) = self.earlier.oldest(place, ledger.promised(place.1)) else {
            return Some(due);
        };
        if chain.held.voucher.seq >= due.redeem.voucher.seq {
            return Some(due);
        }
        let promised = chain.held.promised()?;
        let gain = promised.saturating_sub(ledger.facts().lane(place.1).claimed).min(due.gain);
        (gain > 0).then(|| Redeemable { redeem: chain.held.clone(), gain })
    }

    /// Whether ticks of this payer's may still be shown that the hub does not know: until then it
    /// does not end the channel.
    pub fn may_be_shown_more(&self, channel: &ChannelId) -> bool {
        self.incoming.get(channel).is_some_and(|ledger| {
            let mut lanes = 0..MAX_LANES as LaneId;
            lanes.any(|lane| self.earlier.oldest((*channel, lane), ledger.promised(lane)).is_some())
        })
    }

    /// Payers' agreements to the end of their channels that the chain would take in `block`, on
    /// channels on which no relay runs and no more can be shown; those that it would not are
    /// forgotten. Each with what it brings, base units.
    pub fn consents(&mut self, block: BlockNumber) -> Vec<(CloseConsent, Balance)> {
        self.consents.keep(&self.incoming, block);
        self.consents.ready(&self.incoming, |id| self.is_busy(id) || self.may_be_shown_more(id))
    }

    /// Takes a payer's agreement to the end of its channel.
    pub(super) fn consent(&mut self, now: Now, consent: CloseConsent) -> Result<(), Refusal> {
        let channel = consent.close.channel;
        let is_busy = self.is_busy(&channel);
        let (ledger, genesis) = (self.incoming.get(&channel), self.identity.genesis());
        self.consents.take(consent, ledger, is_busy, now.block, genesis)
    }
}

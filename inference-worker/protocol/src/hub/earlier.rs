//! Chains of payers over which the hub has promised more than it was shown, from the moment when it
//! promises nothing more over them: when the payer begins another chain, gives its exact sum, or
//! leaves.
//!
//! The payee may still show the chain ticks that the payer has kept from the hub, until the promise
//! ends. As long as that can be, the hub keeps the payer's voucher over that chain. It is older
//! than the lane's newest one and redeemable all the same, as long as the hub redeems no newer one:
//! so whoever is shown a tick, the hub can claim it.
//!
//! What one lane of a payer promises is the most of its vouchers, never their sum. A payer that
//! goes on to other sessions on the lane can leave the hub without a part of it; it is certain then
//! who did that, because nobody else has the preimages.

use std::collections::BTreeMap;

use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32, LaneId, Redeem};

use crate::limits::{HUB_MARGIN_BLOCKS, MAX_EARLIER_CHAINS, MAX_EARLIER_CHAINS_PER_LANE};

/// The channel and lane on which a payer promises.
type Place = (ChannelId, LaneId);

/// A chain over which somebody may still show ticks.
#[derive(Clone, Debug)]
pub(super) struct EarlierChain {
    /// The payer's voucher, with the last tick that the hub knows.
    pub(super) held: Redeem,
    /// Ticks of it that the hub's promises reach to.
    pub(super) reach: u16,
    /// Last block in which one of them can be redeemed.
    pub(super) expires: BlockNumber,
    /// What the voucher that came after it promised without ticks; nothing before there is one.
    pub(super) next: Option<Balance>,
}

impl EarlierChain {
    fn place(&self) -> Place {
        (self.held.voucher.channel, self.held.voucher.lane)
    }

    pub(super) fn anchor(&self) -> Option<Hash32> {
        self.held.voucher.tick.map(|tick| tick.anchor)
    }

    /// What the voucher promises with `n` ticks.
    pub(super) fn with_ticks(&self, n: u16) -> Balance {
        let voucher = &self.held.voucher;
        let ticks = voucher.tick.map_or(0, |tick| tick.unit.saturating_mul(n.into()));
        voucher.cumulative.saturating_add(ticks)
    }

    /// Whether somebody may show more of it than the hub knows.
    fn hides(&self) -> bool {
        self.held.tick.map_or(0, |proof| proof.n) < self.reach
    }

    /// The last block in which the hub hears of what was shown in time: the promise's last one, and
    /// a part of the margin for that block to become final.
    const fn until(&self) -> BlockNumber {
        self.expires.saturating_add(HUB_MARGIN_BLOCKS / 4)
    }
}

/// All of them, by the payer's lane.
#[derive(Debug, Default)]
pub(super) struct EarlierChains {
    lanes: BTreeMap<Place, Vec<EarlierChain>>,
    count: usize,
}

impl EarlierChains {
    /// Remembers a chain, if somebody may show more of it. Of a lane with too many, the one that
    /// promises least is forgotten: the lane is worth the most of them.
    pub(super) fn note(&mut self, chain: EarlierChain) {
        if !chain.hides() || chain.anchor().is_none() {
            return;
        }
        let lane = self.lanes.entry(chain.place()).or_default();
        if let Some(known) = lane.iter_mut().find(|known| known.anchor() == chain.anchor()) {
            *known = chain;
            return;
        }
        if lane.len() >= MAX_EARLIER_CHAINS_PER_LANE || self.count >= MAX_EARLIER_CHAINS {
            let all = lane.iter().enumerate();
            let least = all.min_by_key(|(_, chain)| chain.with_ticks(chain.reach));
            // Without one of its own the lane has none to give up.
            let Some(least) = least.map(|(index, _)| index) else { return };
            lane.swap_remove(least);
            self.count -= 1;
        }
        lane.push(chain);
        self.count += 1;
    }

    /// The lane has a newer voucher.
    pub(super) fn replaced(&mut self, place: Place, voucher: &mica_primitives::Voucher) {
        let anchor = voucher.tick.map(|tick| tick.anchor);
        let before = self.lanes.get_mut(&place).into_iter().flatten();
        for chain in before.filter(|chain| chain.next.is_none() && chain.anchor() != anchor) {
            chain.next = Some(voucher.cumulative);
        }
    }

    /// The chain with this anchor.
    pub(super) fn find(&self, anchor: &Hash32) -> Option<&EarlierChain> {
        self.lanes.values().flatten().find(|chain| chain.anchor() == Some(*anchor))
    }

    /// The oldest voucher of the lane over which more may come than the `promised` that the lane is
    /// good for now.
    pub(super) fn oldest(&self, place: Place, promised: Balance) -> Option<&EarlierChain> {
        let lane = self.lanes.get(&place).into_iter().flatten();
        let worth = lane.filter(|chain| chain.with_ticks(chain.reach) > promised);
        worth.min_by_key(|chain| chain.held.voucher.seq)
    }

    /// Forgets what nobody can show any more.
    pub(super) fn keep(&mut self, block: BlockNumber) {
        self.lanes.retain(|_, lane| {
            lane.retain(|chain| chain.until() >= block);
            !lane.is_empty()
        });
        self.count = self.lanes.values().map(Vec::len).sum();
    }

    /// Forgets a payer's channel, which is gone.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.lanes.retain(|(of, _), _| of != channel);
        self.count = self.lanes.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use mica_primitives::{Tick, Voucher};

    use super::*;

    fn chain(number: u64, cumulative: Balance, reach: u16) -> EarlierChain {
        let mut anchor = [0; 32];
        anchor[..8].copy_from_slice(&number.to_le_bytes());
        let voucher = Voucher {
            channel: ChannelId([1; 32]),
            lane: 0,
            seq: number,
            cumulative,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 1_000,
            tick: Some(Tick { anchor, unit: 10, max: 100 }),
            lock: None,
            bounty: 0,
        };
        let held = Redeem { voucher, signature: [0; 64], tick: None, preimage: None };
        EarlierChain { held, reach, expires: 500, next: None }
    }

    const PLACE: Place = (ChannelId([1; 32]), 0);

    #[test]
    fn a_chain_is_kept_until_nobody_can_show_more_of_it() {
        let mut chains = EarlierChains::default();
        chains.note(chain(1, 0, 0));
        assert_eq!(chains.count, 0, "nothing of it is hidden");
        chains.note(chain(2, 0, 8));
        assert_eq!(chains.oldest(PLACE, 79).map(|chain| chain.held.voucher.seq), Some(2));
        assert!(chains.oldest(PLACE, 80).is_none(), "the lane is good for that");
        chains.keep(500 + HUB_MARGIN_BLOCKS / 4);
        assert_eq!(chains.count, 1);
        chains.keep(501 + HUB_MARGIN_BLOCKS / 4);
        assert_eq!((chains.count, chains.lanes.len()), (0, 0));
    }

    #[test]
    fn a_lane_has_as_many_as_there_may_be_and_keeps_the_dearest() {
        let mut chains = EarlierChains::default();
        chains.note(chain(0, 1_000_000, 8));
        for number in 1..=MAX_EARLIER_CHAINS_PER_LANE as u64 {
            chains.note(chain(number, number.into(), 8));
        }
        assert_eq!(chains.count, MAX_EARLIER_CHAINS_PER_LANE);
        assert!(chains.find(&[0; 32]).is_some(), "it is the one that can bring most");
        chains.forget(&ChannelId([1; 32]));
        assert_eq!(chains.count, 0);
    }

    #[test]
    fn what_came_after_it_is_noted_once() {
        let mut chains = EarlierChains::default();
        chains.note(chain(1, 0, 8));
        chains.replaced(PLACE, &chain(1, 0, 8).held.voucher);
        let next = |chains: &EarlierChains| {
            let mut anchor = [0; 32];
            anchor[0] = 1;
            chains.find(&anchor).expect("kept").next
        };
        assert_eq!(next(&chains), None, "more ticks of the same chain");
        for (number, cumulative) in [(2, 30), (3, 70)] {
            chains.replaced(PLACE, &chain(number, cumulative, 8).held.voucher);
        }
        assert_eq!(next(&chains), Some(30));
    }
}

//! Chains of payers over which the hub has promised more than it was shown, from the moment when it
//! promises nothing more over them: when the payer begins another chain, gives its exact sum, or
//! leaves.
//!
//! The payee may still show the chain ticks that the payer has kept from the hub, until the promise
//! ends. As long as that can be, the hub keeps the payer's voucher over that chain. It is older
//! than the lane's newest one and redeemable all the same, as long as the hub redeems no newer one:
//! so whoever is shown a tick, the hub can claim it.
//!
//! What one lane of a payer promises is the most of its vouchers, never their sum, and so it is
//! with a lane of the hub's own. As long as a payer's lane pays to **one** lane of the hub's own,
//! both have the same vouchers in the same order: whichever of them a payee shows, the hub is
//! promised as much for it. A payer that goes on to another lane of the hub's own can leave it
//! without a part: one payee shows what was hidden, another is paid what came after, and the hub
//! gets the greater of the two. So a chain is **exposed** from the moment when its lane is used to
//! pay on another one, and an account may have no more exposed, over all its lanes and channels,
//! than one credit window. On each pair of lanes only one chain can be shown that is worth more
//! than the others, so the longest of a pair counts.
//!
//! Whoever takes that is known for certain, because nobody else has the preimages; but for those
//! that prepay a worker's room, which a worker is shown before it accepts or refuses.

use codec::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32, LaneId, Redeem};

use crate::{
    limits::{
        HUB_MARGIN_BLOCKS, MAX_EARLIER_CHAINS, MAX_EARLIER_CHAINS_PER_LANE, MAX_LEDGERS, MAX_RELAYS,
    },
    messages::Account,
};

/// Chains of a channel that are few: half of the places are for channels that have no more.
const FEW: usize = MAX_EARLIER_CHAINS / 2 / MAX_LEDGERS;

/// A channel and a lane of it.
pub(super) type Place = (ChannelId, LaneId);

/// A chain over which somebody may still show ticks, as it is kept on disk.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct EarlierChain {
    /// Whose it is.
    pub(super) account: Account,
    /// The lane of the hub's own on which it was promised on.
    pub(super) own: Place,
    /// Whether the payer's lane has paid on another one since.
    pub(super) is_exposed: bool,
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
    /// The payer's channel and lane.
    pub fn place(&self) -> (ChannelId, LaneId) {
        (self.held.voucher.channel, self.held.voucher.lane)
    }

    /// Its anchor; every chain has one.
    pub fn anchor(&self) -> Option<Hash32> {
        self.held.voucher.tick.map(|tick| tick.anchor)
    }

    /// What the voucher promises with `n` ticks.
    pub(super) fn with_ticks(&self, n: u16) -> Balance {
        let voucher = &self.held.voucher;
        let ticks = voucher.tick.map_or(0, |tick| tick.unit.saturating_mul(n.into()));
        voucher.cumulative.saturating_add(ticks)
    }

    /// Ticks of it that somebody may show and the hub does not know.
    fn hidden(&self) -> u16 {
        self.reach.saturating_sub(self.held.tick.map_or(0, |proof| proof.n))
    }

    /// What the hub gets for those, base units.
    fn hidden_money(&self) -> Balance {
        let unit = self.held.voucher.tick.map_or(0, |tick| tick.unit);
        unit.saturating_mul(self.hidden().into())
    }

    /// Whether somebody may show more of it than the hub knows.
    pub(super) fn hides(&self) -> bool {
        self.hidden() > 0
    }

    /// The last block in which the hub hears of what was shown in time: the promise's last one, and
    /// a part of the margin for that block to become final.
    const fn until(&self) -> BlockNumber {
        self.expires.saturating_add(HUB_MARGIN_BLOCKS / 4)
    }
}

/// What somebody may take from the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Exposed {
    pub(super) positions: u32,
    /// The same in base units.
    pub(super) money: Balance,
}

impl Exposed {
    /// With so much more.
    pub(super) fn and(self, positions: u32, money: Balance) -> Self {
        Self {
            positions: self.positions.saturating_add(positions),
            money: self.money.saturating_add(money),
        }
    }

    /// Whether it is more than `other`, in either way.
    pub(super) const fn exceeds(&self, other: &Self) -> bool {
        self.positions > other.positions || self.money > other.money
    }
}

/// All of them, by the payer's lane.
#[derive(Debug, Default)]
pub(super) struct EarlierChains {
    lanes: BTreeMap<Place, Vec<EarlierChain>>,
    count: usize,
}

impl EarlierChains {
    /// Remembers a chain, if somebody may show more of it. Returns one that is forgotten for it: of
    /// a lane with too many the one that promises least, because the lane is worth the most of
    /// them, and one that is exposed only if all are.
    pub(super) fn note(&mut self, chain: EarlierChain) -> Option<EarlierChain> {
        if !chain.hides() || chain.anchor().is_none() {
            return None;
        }
        self.insert(chain)
    }

    /// Takes back what was remembered before a restart.
    pub(super) fn insert(&mut self, chain: EarlierChain) -> Option<EarlierChain> {
        let lane = self.lanes.entry(chain.place()).or_default();
        if let Some(known) = lane.iter_mut().find(|known| known.anchor() == chain.anchor()) {
            *known = chain;
            return None;
        }
        let mut forgotten = None;
        if lane.len() >= MAX_EARLIER_CHAINS_PER_LANE || self.count >= MAX_EARLIER_CHAINS {
            let all = lane.iter().enumerate();
            let least =
                all.min_by_key(|(_, chain)| (chain.is_exposed, chain.with_ticks(chain.reach)));
            // Without one of its own the lane has none to give up.
            let Some(least) = least.map(|(index, _)| index) else {
                self.lanes.remove(&chain.place());
                return Some(chain);
            };
            forgotten = Some(lane.swap_remove(least));
            self.count -= 1;
        }
        lane.push(chain);
        self.count += 1;
        forgotten
    }

    /// Whether one more relay may begin on the lane, which is good for `promised`: there is a place
    /// for its chain, or one that nobody can be paid with.
    pub(super) fn has_room(&self, place: Place, promised: Balance) -> bool {
        let lane = self.lanes.get(&place).into_iter().flatten();
        let counting =
            lane.filter(|chain| chain.is_exposed || chain.with_ticks(chain.reach) > promised);
        // Whoever has many takes no place from those that have few.
        let lanes = self.lanes.range((place.0, LaneId::MIN)..=(place.0, LaneId::MAX));
        let has_few = lanes.map(|(_, lane)| lane.len()).sum::<usize>() < FEW;
        let most = if has_few { MAX_EARLIER_CHAINS } else { MAX_EARLIER_CHAINS / 2 };
        // One for what runs on the lane now, and one for what begins.
        counting.count() + 2 <= MAX_EARLIER_CHAINS_PER_LANE && self.count + MAX_RELAYS < most
    }

    /// The lane has a newer voucher. Returns the chains of which that is the first.
    pub(super) fn replaced(
        &mut self,
        place: Place,
        voucher: &mica_primitives::Voucher,
    ) -> Vec<EarlierChain> {
        let anchor = voucher.tick.map(|tick| tick.anchor);
        let before = self.lanes.get_mut(&place).into_iter().flatten();
        let changed = before.filter(|chain| chain.next.is_none() && chain.anchor() != anchor);
        changed
            .map(|chain| {
                chain.next = Some(voucher.cumulative);
                chain.clone()
            })
            .collect()
    }

    /// The lane of the hub's own on which the payer's lane was last paid on, while that matters.
    pub(super) fn paired(&self, place: Place) -> Option<Place> {
        let lane = self.lanes.get(&place).into_iter().flatten();
        let together = lane.filter(|chain| !chain.is_exposed);
        together.max_by_key(|chain| chain.held.voucher.seq).map(|chain| chain.own)
    }

    /// The lanes of the hub's own that some payer's lane was last paid on, of these channels.
    pub(super) fn all_paired(&self, channels: &[ChannelId]) -> BTreeSet<Place> {
        let chains = self.lanes.values().flatten().filter(|chain| !chain.is_exposed);
        let own = chains.map(|chain| chain.own);
        own.filter(|(channel, _)| channels.contains(channel)).collect()
    }

    /// What an account has exposed already, and what it has once its lane pays on `own`, where
    /// `running` is the chain that is paid over there now.
    pub(super) fn exposed(
        &self,
        account: &Account,
        (place, own): (Place, Place),
        running: Option<&EarlierChain>,
    ) -> (Exposed, Exposed) {
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        let chains = self.lanes.values().flatten().chain(running);
        for chain in chains.filter(|chain| chain.account == *account) {
            let pair = (chain.place(), chain.own);
            let longest = |pairs: &mut BTreeMap<(Place, Place), Exposed>| {
                let known = pairs.entry(pair).or_default();
                known.positions = known.positions.max(chain.hidden().into());
                known.money = known.money.max(chain.hidden_money());
            };
            if chain.is_exposed {
                longest(&mut before);
            }
            if chain.is_exposed || (chain.place() == place && chain.own != own) {
                longest(&mut after);
            }
        }
        let sum = |pairs: BTreeMap<(Place, Place), Exposed>| {
            let all = pairs.into_values();
            all.fold(Exposed::default(), |sum, pair| sum.and(pair.positions, pair.money))
        };
        (sum(before), sum(after))
    }

    /// From now on the payer's lane pays on `own`. Returns the chains that are exposed by it.
    pub(super) fn expose(&mut self, place: Place, own: Place) -> Vec<EarlierChain> {
        let lane = self.lanes.get_mut(&place).into_iter().flatten();
        let others = lane.filter(|chain| !chain.is_exposed && chain.own != own);
        others
            .map(|chain| {
                chain.is_exposed = true;
                chain.clone()
            })
            .collect()
    }

    /// What each lane of a payer's channel comes to at most.
    pub(super) fn most(&self, channel: ChannelId) -> impl Iterator<Item = (LaneId, Balance)> + '_ {
        let lanes = self.lanes.range((channel, LaneId::MIN)..=(channel, LaneId::MAX));
        lanes.map(|((_, lane), chains)| {
            let most = chains.iter().map(|chain| chain.with_ticks(chain.reach)).max();
            (*lane, most.unwrap_or(0))
        })
    }

    /// The channels of all chains.
    pub(super) fn channels(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.lanes.keys().map(|(channel, _)| *channel)
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

    /// Forgets what nobody can show any more, and returns it.
    pub(super) fn keep(&mut self, block: BlockNumber) -> Vec<EarlierChain> {
        self.retain(|chain| chain.until() >= block)
    }

    /// Forgets a payer's channel, which is gone: but for what is exposed, which the account still
    /// has.
    pub(super) fn forget(&mut self, channel: &ChannelId) -> Vec<EarlierChain> {
        self.retain(|chain| chain.is_exposed || chain.held.voucher.channel != *channel)
    }

    fn retain(&mut self, stays: impl Fn(&EarlierChain) -> bool) -> Vec<EarlierChain> {
        let mut forgotten = Vec::new();
        self.lanes.retain(|_, lane| {
            forgotten.extend(lane.extract_if(.., |chain| !stays(chain)));
            !lane.is_empty()
        });
        self.count -= forgotten.len();
        forgotten
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
        let (account, own) = ([5; 32], OWN);
        EarlierChain { account, own, is_exposed: false, held, reach, expires: 500, next: None }
    }

    const PLACE: Place = (ChannelId([1; 32]), 0);
    const OWN: Place = (ChannelId([9; 32]), 3);
    const OTHER: Place = (ChannelId([9; 32]), 4);

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

    #[test]
    fn what_is_paid_on_another_lane_is_exposed_and_the_longest_of_a_pair_counts() {
        let mut chains = EarlierChains::default();
        for (number, reach) in [(1, 8), (2, 12), (3, 5)] {
            chains.note(chain(number, 0, reach));
        }
        let account = [5; 32];
        assert_eq!(chains.paired(PLACE), Some(OWN));
        // A position costs ten.
        let exposed = |positions: u32| Exposed { positions, money: 10 * Balance::from(positions) };
        let (none, longest) = (exposed(0), exposed(12));
        assert_eq!(chains.exposed(&account, (PLACE, OWN), None), (none, none), "the same pair");
        assert_eq!(chains.exposed(&account, (PLACE, OTHER), None), (none, longest));
        assert_eq!(chains.exposed(&[6; 32], (PLACE, OTHER), None), (none, none), "another's");
        assert_eq!(chains.expose(PLACE, OTHER).len(), 3);
        assert!(chains.expose(PLACE, OTHER).is_empty(), "once");
        let running = EarlierChain { own: OTHER, ..chain(4, 0, 7) };
        let both = chains.exposed(&account, (PLACE, OWN), Some(&running));
        assert_eq!(both, (longest, exposed(19)));
        assert_eq!(chains.paired(PLACE), None);
        // A channel that is gone takes nothing of that with it, and time does.
        assert!(chains.forget(&PLACE.0).is_empty());
        assert_eq!(chains.exposed(&account, (PLACE, OTHER), None), (longest, longest));
        assert_eq!(chains.keep(501 + HUB_MARGIN_BLOCKS / 4).len(), 3);
        assert_eq!(chains.exposed(&account, (PLACE, OTHER), None), (none, none));
    }

    /// Attack: some channels leave so many chains that nobody else has room.
    #[test]
    fn whoever_leaves_many_chains_takes_no_room_from_those_with_few() {
        let mut chains = EarlierChains::default();
        let place = |number: u64| {
            let mut channel = [2; 32];
            channel[..8].copy_from_slice(&(number / 16).to_le_bytes());
            (ChannelId(channel), (number % 16) as LaneId)
        };
        let mut number = 0;
        while chains.has_room(place(number / 40), 0) {
            let mut chain = chain(number, 0, 8);
            (chain.held.voucher.channel, chain.held.voucher.lane) = place(number / 40);
            assert!(chains.note(chain).is_none());
            number += 1;
        }
        assert!(!chains.has_room(place(0), 80), "it has many");
        assert!(chains.has_room(PLACE, 0), "it has none");
        for few in 0..FEW as u64 {
            assert!(chains.has_room(PLACE, 0));
            chains.note(chain(1_000_000 + few, 0, 8));
        }
        assert!(!chains.has_room(PLACE, 0));
    }

    #[test]
    fn a_lane_whose_chains_all_count_takes_no_more() {
        let mut chains = EarlierChains::default();
        for number in 1..=MAX_EARLIER_CHAINS_PER_LANE as u64 - 1 {
            chains.note(chain(number, 0, 8));
        }
        assert!(!chains.has_room(PLACE, 0));
        assert!(chains.has_room(PLACE, 80), "nobody can be paid with them");
        assert!(chains.has_room((ChannelId([2; 32]), 0), 0), "another lane");
    }
}

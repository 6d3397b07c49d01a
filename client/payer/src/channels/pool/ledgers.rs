//! What the pool knows of its channels, behind one lock: ledgers, fees that wait for a session, and
//! what the user is still to be told. No chain and no disk here.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use mica_chain::{AccountId, SubmitError, Submitted};
use mica_primitives::{Balance, ChannelId, LaneId};
use mica_protocol::channel::{PayerLane, PayerLaneRecord, PayerLedger};

use super::super::{Need, notices::Notices};

/// What a session holds to its fees; the sum is with the [`Ledgers`].
#[derive(Debug)]
pub(super) struct FeeClaim;

/// The channels of one payer.
#[derive(Default)]
pub(super) struct Ledgers {
    pub(super) open: BTreeMap<ChannelId, OpenChannel>,
    /// Whether the chain was read since something happened that may have changed it.
    pub(super) is_fresh: bool,
    /// Fees that no session has taken yet.
    fees: Balance,
    /// Fees that sessions have taken and not settled yet. One whose session is gone without
    /// settling is the next session's.
    claimed: Vec<(Weak<FeeClaim>, Balance)>,
    /// No top-up ahead before then.
    pub(super) pause: Option<Instant>,
    /// How often the chain began anew: leases of an earlier one are void.
    pub(super) epoch: u64,
    /// What the user is still to be told.
    pub(super) notices: Notices,
}

pub(super) struct OpenChannel {
    pub(super) payee: AccountId,
    pub(super) ledger: PayerLedger,
    /// Whether its vouchers are signed by a key from before the present one: it is used up, and
    /// nothing more is put into it.
    pub(super) is_earlier: bool,
    /// Whether the database knows whose it is.
    pub(super) is_recorded: bool,
    /// Lanes that sessions hold.
    pub(super) leased: usize,
    /// The chain does not show it now; it stays while sessions hold lanes, so that none of them is
    /// leased twice.
    pub(super) is_gone: bool,
}

impl OpenChannel {
    /// A channel of which no lane is leased.
    pub(super) const fn new(payee: AccountId, ledger: PayerLedger) -> Self {
        Self { payee, ledger, is_earlier: false, is_recorded: false, leased: 0, is_gone: false }
    }

    /// Whether sessions may pay what is needed on it.
    pub(super) fn pays(&self, need: &Need) -> bool {
        let is_long_enough = self.ledger.facts().window >= need.window;
        self.payee == need.payee && is_long_enough && !self.is_gone
    }

    /// Whether the channel has so many lanes for one more session, whatever is left in it.
    pub(super) fn has_free_lanes(&mut self, count: usize) -> bool {
        let leased: Vec<PayerLane> = (0..count).map_while(|_| self.ledger.lease(0).ok()).collect();
        leased.iter().for_each(|lane| self.ledger.give_back(lane.record().clone()));
        leased.len() == count
    }
}

impl Ledgers {
    /// A lane with its whole budget for every need, in their order, or nothing.
    pub(super) fn lease(&mut self, needs: &[Need]) -> Option<Vec<(ChannelId, PayerLane)>> {
        let mut lanes: Vec<(ChannelId, PayerLane)> = Vec::with_capacity(needs.len());
        for need in needs {
            // Those of earlier keys first: what is in them is used up.
            let found = [true, false].into_iter().find_map(|is_earlier| {
                let mut candidates = self
                    .open
                    .iter_mut()
                    .filter(|(_, open)| open.pays(need) && open.is_earlier == is_earlier);
                candidates.find_map(|(id, open)| {
                    let lane = open.ledger.lease_for(need.budget, need.worker.0).ok()?;
                    if open.ledger.reserve(need.credit) > open.ledger.free() {
                        open.ledger.give_back(lane.record().clone());
                        return None;
                    }
                    open.leased += 1;
                    Some((*id, lane))
                })
            });
            let Some(leased) = found else {
                // Unused lanes go back as they were.
                for (_, lane) in lanes {
                    self.give_back(lane.record().clone());
                }
                return None;
            };
            lanes.push(leased);
        }
        Some(lanes)
    }

    /// Holds a lane without a budget, if nobody has it.
    pub(super) fn hold(&mut self, channel: ChannelId, lane: LaneId) -> bool {
        let Some(open) = self.open.get_mut(&channel) else { return false };
        let is_held = open.ledger.hold(lane);
        open.leased += usize::from(is_held);
        is_held
    }

    /// Ends the lease of a lane.
    pub(super) fn give_back(&mut self, record: PayerLaneRecord) {
        if let Some(open) = self.open.get_mut(&record.channel) {
            open.leased = open.leased.saturating_sub(1);
            open.ledger.give_back(record);
        }
    }

    /// Keeps fees for the next session.
    pub(super) const fn carry_fees(&mut self, fees: Balance) {
        self.fees = self.fees.saturating_add(fees);
    }

    /// Passes on what became of an extrinsic; the fee of one that failed is the next session's.
    pub(super) fn account_for(
        &mut self,
        sent: Result<Submitted, SubmitError>,
    ) -> Result<Submitted, SubmitError> {
        sent.inspect_err(|error| self.carry_fees(error.fee_spent()))
    }

    /// A session takes over what no other has an account of.
    pub(super) fn claim_fees(&mut self) -> Arc<FeeClaim> {
        let (kept, lost): (Vec<_>, Vec<_>) =
            self.claimed.drain(..).partition(|(claim, _)| claim.strong_count() > 0);
        self.claimed = kept;
        lost.into_iter().for_each(|(_, fees)| self.carry_fees(fees));
        let claim = Arc::new(FeeClaim);
        let fees = std::mem::take(&mut self.fees);
        self.claimed.push((Arc::downgrade(&claim), fees));
        claim
    }

    /// Adds fees that were paid for this session alone.
    pub(super) fn add_fees(&mut self, claim: &Arc<FeeClaim>, fees: Balance) {
        let is_own = |other: &Weak<FeeClaim>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(claim));
        match self.claimed.iter_mut().find(|(other, _)| is_own(other)) {
            Some((_, sum)) => *sum = sum.saturating_add(fees),
            None => self.carry_fees(fees),
        }
    }

    /// Ends a session's claim; returns its fees, base units.
    pub(super) fn settle_fees(&mut self, claim: &Arc<FeeClaim>) -> Balance {
        let is_own = |other: &Weak<FeeClaim>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(claim));
        let place = self.claimed.iter().position(|(other, _)| is_own(other));
        place.map_or(0, |place| self.claimed.swap_remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use mica_protocol::{channel::ChannelFacts, signing};

    use super::*;

    const PAYEE: [u8; 32] = [7; 32];

    fn with_channel(deposit: Balance) -> Ledgers {
        let key = SigningKey::from_bytes(&[1; 32]);
        let facts = ChannelFacts {
            channel: ChannelId([2; 32]),
            payer: [6; 32],
            signer: signing::public_key(&key),
            deposit,
            lanes: BTreeMap::new(),
            window: 1_200,
            ends: None,
        };
        let ledger = PayerLedger::new([3; 32], key, facts).expect("our own key");
        let mut ledgers = Ledgers { is_fresh: true, ..Ledgers::default() };
        ledgers.open.insert(ChannelId([2; 32]), OpenChannel::new(PAYEE.into(), ledger));
        ledgers
    }

    fn need(payee: [u8; 32], budget: Balance) -> Need {
        let payee = payee.into();
        Need { payee, peer: [0; 32], budget, worker: payee, credit: 0, window: 0 }
    }

    #[test]
    fn the_fee_of_a_failed_opening_is_carried_to_the_next_session_and_to_no_other() {
        let mut ledgers = with_channel(100);
        let failed =
            SubmitError::NotFinal { what: "opening".into(), block: 1, extrinsic: [0; 32], fee: 5 };
        assert!(ledgers.account_for(Err(failed)).is_err());
        ledgers.carry_fees(2);
        let (next, other) = (ledgers.claim_fees(), ledgers.claim_fees());
        ledgers.add_fees(&next, 3);
        assert_eq!(ledgers.settle_fees(&other), 0);
        assert_eq!(ledgers.settle_fees(&next), 10, "the next session's, and its own");
        assert_eq!(ledgers.settle_fees(&next), 0, "once");
        let unsent = SubmitError::Expired { what: "opening".into(), last: 1 };
        assert!(ledgers.account_for(Err(unsent)).is_err());
        let claim = ledgers.claim_fees();
        assert_eq!(ledgers.settle_fees(&claim), 0, "what is in no block costs nothing");
    }

    #[test]
    fn the_fees_of_a_session_that_is_dropped_are_the_next_ones() {
        let mut ledgers = with_channel(100);
        ledgers.carry_fees(4);
        let dropped = ledgers.claim_fees();
        ledgers.add_fees(&dropped, 3);
        drop(dropped);
        let next = ledgers.claim_fees();
        assert_eq!(ledgers.settle_fees(&next), 7);
    }

    #[test]
    fn channels_of_earlier_hot_keys_are_used_up_first() {
        let mut ledgers = with_channel(100);
        let (id, key) = (ChannelId([9; 32]), SigningKey::from_bytes(&[2; 32]));
        let facts = ChannelFacts {
            channel: id,
            signer: signing::public_key(&key),
            ..ledgers.open[&ChannelId([2; 32])].ledger.facts().clone()
        };
        let ledger = PayerLedger::new([3; 32], key, facts).expect("its own key");
        let open = OpenChannel { is_earlier: true, ..OpenChannel::new(PAYEE.into(), ledger) };
        ledgers.open.insert(id, open);
        let leased =
            |ledgers: &mut Ledgers| ledgers.lease(&[need(PAYEE, 60)]).map(|lanes| lanes[0].0);
        assert_eq!(leased(&mut ledgers), Some(id), "the old one");
        assert_eq!(leased(&mut ledgers), Some(ChannelId([2; 32])), "40 are left in the old one");
        assert_eq!(leased(&mut ledgers), None);
    }

    #[test]
    fn a_worker_that_a_hub_pays_is_paid_on_its_lane_again() {
        let mut ledgers = with_channel(100);
        let through = |worker: u8| Need { worker: [worker; 32].into(), ..need(PAYEE, 10) };
        let mut lane = |worker: u8| {
            let leased = ledgers.lease(&[through(worker)]).expect("there is enough");
            let record = leased[0].1.record().clone();
            ledgers.give_back(record.clone());
            record.lane
        };
        assert_eq!([lane(5), lane(6), lane(5), lane(6), lane(7)], [0, 1, 0, 1, 2]);
    }

    #[test]
    fn a_hubs_credit_is_left_free_for_each_lane_of_earlier_sessions() {
        let mut ledgers = with_channel(100);
        let through = |worker: u8, budget| Need {
            worker: [worker; 32].into(),
            credit: 20,
            ..need(PAYEE, budget)
        };
        let leased = ledgers.lease(&[through(5, 50), through(6, 50)]).expect("nothing was before");
        leased.into_iter().for_each(|(_, lane)| ledgers.give_back(lane.record().clone()));
        let mut has_lanes = |needs: &[Need]| match ledgers.lease(needs) {
            Some(leased) => {
                leased.into_iter().for_each(|(_, lane)| ledgers.give_back(lane.record().clone()));
                true
            }
            None => false,
        };
        assert!(!has_lanes(&[through(5, 81)]), "the other lane needs its 20");
        assert!(has_lanes(&[through(5, 80)]));
        assert!(has_lanes(&[through(5, 50), through(6, 50)]), "both are used again");
    }

    #[test]
    fn a_program_that_starts_again_pays_a_worker_on_its_lane() {
        let mut ledgers = with_channel(100);
        let open = ledgers.open.get_mut(&ChannelId([2; 32])).expect("there is one");
        [(0, 5), (1, 6)].iter().for_each(|(lane, to)| open.ledger.restore_user(*lane, [*to; 32]));
        let through = |worker: u8| Need { worker: [worker; 32].into(), ..need(PAYEE, 10) };
        let leased = ledgers.lease(&[through(6), through(7), through(5)]).expect("enough");
        let lanes: Vec<LaneId> = leased.iter().map(|(_, lane)| lane.record().lane).collect();
        assert_eq!(lanes, [1, 2, 0]);
    }

    #[test]
    fn needs_are_met_all_or_not_at_all() {
        let mut ledgers = with_channel(100);
        let stranger = need([8; 32], 1);
        assert!(ledgers.lease(&[need(PAYEE, 60), stranger]).is_none());
        let open = &ledgers.open[&ChannelId([2; 32])];
        assert_eq!((open.leased, open.ledger.free()), (0, 100), "nothing is kept of half a path");
        let leased = ledgers.lease(&[need(PAYEE, 60)]).expect("there is enough");
        assert!(ledgers.lease(&[need(PAYEE, 60)]).is_none(), "40 are left");
        ledgers.give_back(leased[0].1.record().clone());
        assert!(ledgers.lease(&[need(PAYEE, 60)]).is_some());
    }
}

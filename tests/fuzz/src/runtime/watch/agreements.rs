//! Agreements over time: they move only onward, end once, divide their escrow to the unit, pay no
//! more than the payer signed for, and cost the worker no more than its forfeit.

use std::collections::BTreeMap;

use mica_primitives::{Agreement, AgreementId, AgreementState, Balance};
use mica_runtime::{AccountId, Clock, Runtime};
use pallet_mica_sla::{Agreements as Stored, NextDue, NextId};
use sp_runtime::traits::BlockNumberProvider;

use super::{
    super::calls::{agreements::price, promises::Promises},
    facts::{Ended, Facts},
};

/// The agreements before a block.
pub(super) struct Agreements {
    open: BTreeMap<AgreementId, Agreement<AccountId>>,
    next: AgreementId,
}

impl Agreements {
    pub(super) fn now() -> Self {
        Self { open: Stored::<Runtime>::iter().collect(), next: NextId::<Runtime>::get() }
    }

    /// Adds to `lost` what payers paid and lost; what workers lost is there already.
    pub(super) fn check(
        &mut self,
        facts: &Facts,
        promises: &Promises,
        lost: &mut BTreeMap<AccountId, Balance>,
    ) {
        let now = Self::now();
        assert_eq!(now.next, self.next + facts.proposed.len() as u64, "a number was given twice");
        let due = NextDue::<Runtime>::get().unwrap_or_default();
        for (id, agreement) in &now.open {
            match self.open.get(id) {
                Some(before) => check_step(before, agreement),
                None => assert!(facts.proposed.contains(id), "{id} came from nowhere"),
            }
            let until = agreement.state.until();
            assert!(until >= due, "{id} should have ended in block {until}");
        }
        for (id, ended) in &facts.ended {
            assert!(!now.open.contains_key(id), "{id} is over and still there");
            if let Some(agreement) = self.open.get(id) {
                check_end(*id, agreement, ended, promises);
                let payer = lost.entry(agreement.payer.clone()).or_default();
                *payer += ended.paid + ended.burned;
            } else {
                assert!(facts.proposed.contains(id), "{id} ends from nowhere");
            }
        }
        for id in self.open.keys().filter(|id| !now.open.contains_key(id)) {
            assert!(facts.ended.contains_key(id), "{id} vanished");
        }
        *self = now;
    }
}

const fn rank(state: &AgreementState) -> u8 {
    match state {
        AgreementState::Proposed { .. } => 0,
        AgreementState::Active { .. } => 1,
        AgreementState::Requested { .. } => 2,
        AgreementState::Working { .. } => 3,
    }
}

fn check_step(before: &Agreement<AccountId>, after: &Agreement<AccountId>) {
    assert!(
        before.payer == after.payer
            && before.worker == after.worker
            && before.terms == after.terms
            && before.escrow == after.escrow,
        "an agreement's terms changed: {before:?} to {after:?}"
    );
    let (from, to) = (rank(&before.state), rank(&after.state));
    assert!(from <= to, "an agreement ran back: {before:?} to {after:?}");
    assert!(from != to || before.state == after.state, "{before:?} to {after:?}");
    if let AgreementState::Working { anchor, .. } = after.state {
        assert!(anchor <= Clock::current_block_number(), "work began in the future");
    }
}

fn check_end(
    id: AgreementId,
    agreement: &Agreement<AccountId>,
    ended: &Ended,
    promises: &Promises,
) {
    let Ended { paid, refunded, burned, forfeited } = *ended;
    assert_eq!(paid + refunded + burned, agreement.escrow, "{id}: the escrow is divided");
    let tokens = promises.tokens.get(&id).copied().unwrap_or_default();
    assert!(paid <= price(agreement, tokens), "{id}: paid {paid}, signed for {tokens} tokens");
    let forfeit = agreement.terms.forfeit().unwrap_or_default();
    assert!(forfeited <= forfeit, "{id}: {forfeited} of stake is more than {forfeit}");
    assert!(burned <= 2 * forfeited, "{id}: a dispute destroyed more than it may: {ended:?}");
}

//! The invariants of the pallet's manual, recomputed from storage.

use alloc::collections::BTreeMap;
use frame_support::{
    ensure,
    traits::{Get, fungible::InspectHold},
};
use mica_primitives::Balance;
use sp_runtime::TryRuntimeError;

use crate::{
    Agenda, Agreements, ByAccount, Config, HoldReason, NextId, Pallet, PayerLoad, WorkerLoad,
    WorkerLoads,
};

impl<T: Config> Pallet<T> {
    /// Checks every agreement on its own, then what they sum up to.
    pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut payers: BTreeMap<T::AccountId, (Balance, u32)> = BTreeMap::new();
        let mut workers: BTreeMap<T::AccountId, WorkerLoad> = BTreeMap::new();
        let (mut count, mut waiting) = (0usize, 0usize);
        for (id, agreement) in Agreements::<T>::iter() {
            count += 1;
            ensure!(id < NextId::<T>::get(), "an agreement has a number that was not given out");
            ensure!(
                agreement.payer != agreement.worker,
                "an agreement is of one account with itself"
            );
            ensure!(
                agreement.terms.escrow() == Some(agreement.escrow),
                "an escrow is not the price of its terms"
            );
            ensure!(agreement.escrow >= T::MinEscrow::get(), "an escrow is below the minimum");
            ensure!(
                ByAccount::<T>::contains_key(&agreement.payer, id),
                "an agreement is missing from its payer's index"
            );
            ensure!(
                ByAccount::<T>::contains_key(&agreement.worker, id),
                "an agreement is missing from its worker's index"
            );
            let ends = agreement.state.ends();
            if Agenda::<T>::contains_key(ends, id) {
                waiting += 1;
            } else {
                ensure!(ends <= Self::now(), "an agreement that is not due is not on the agenda");
            }
            let (held, number) = payers.entry(agreement.payer).or_default();
            *held += agreement.escrow;
            *number += 1;
            if agreement.state.is_open() {
                let load = workers.entry(agreement.worker).or_default();
                load.open += 1;
                load.at_risk += agreement.terms.risk().ok_or("an accepted risk overflows")?;
            }
        }
        ensure!(
            ByAccount::<T>::iter().count() == 2 * count,
            "the index holds an agreement that is over"
        );
        ensure!(
            Agenda::<T>::iter().count() == waiting,
            "the agenda holds an agreement that is over"
        );
        for (payer, (held, number)) in &payers {
            ensure!(
                PayerLoad::<T>::get(payer) == *number,
                "a payer's number of agreements is wrong"
            );
            let on_hold = T::Currency::balance_on_hold(&HoldReason::Escrow.into(), payer);
            ensure!(on_hold == *held, "a payer's hold is not the sum of its escrows");
        }
        ensure!(
            PayerLoad::<T>::iter().count() == payers.len(),
            "a payer without agreements is remembered"
        );
        for (worker, load) in &workers {
            ensure!(WorkerLoads::<T>::get(worker) == *load, "a worker's load is wrong");
        }
        ensure!(
            WorkerLoads::<T>::iter().count() == workers.len(),
            "a worker without agreements is remembered"
        );
        Ok(())
    }
}

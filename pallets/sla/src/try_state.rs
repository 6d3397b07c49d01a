//! The invariants of the pallet's manual, recomputed from storage.

use alloc::collections::BTreeMap;
use frame_support::{
    ensure,
    traits::{Get, fungible::InspectHold},
};
use mica_primitives::Balance;
use sp_runtime::TryRuntimeError;

use crate::{
    Agenda, Agreements, Books, ByAccount, Config, HoldReason, NextId, Pallet, PayerLoad,
    WorkerLoad, WorkerLoads,
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
            let until = agreement.state.until();
            if Agenda::<T>::contains_key(until, id) {
                waiting += 1;
            } else {
                ensure!(until <= Self::now(), "an agreement that is not due is not on the agenda");
            }
            let deposit = agreement.terms.deposit().ok_or("a deposit overflows")?;
            let forfeit = agreement.terms.forfeit().ok_or("a forfeit overflows")?;
            ensure!(forfeit <= deposit / 2, "a forfeit is more than half of the deposit");
            let (held, number) = payers.entry(agreement.payer).or_default();
            *held += agreement.escrow;
            *number += 1;
            if agreement.state.is_open() {
                let load = workers.entry(agreement.worker).or_default();
                load.open += 1;
                load.at_risk += forfeit;
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
            ensure!(*held > 0, "a payer has agreements and no escrow");
        }
        Self::check_escrow(&payers)?;
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

    /// Every account of the chain has on hold what its agreements ask for, and no more; and the
    /// books say the same of all together.
    fn check_escrow(
        payers: &BTreeMap<T::AccountId, (Balance, u32)>,
    ) -> Result<(), TryRuntimeError> {
        let (mut all, mut found) = (0, 0);
        for account in frame_system::Account::<T>::iter_keys() {
            let on_hold = T::Currency::balance_on_hold(&HoldReason::Escrow.into(), &account);
            match payers.get(&account) {
                Some((held, _)) => {
                    ensure!(on_hold == *held, "a payer's hold is not the sum of its escrows");
                    found += 1;
                }
                None => ensure!(on_hold == 0, "an escrow has no agreement"),
            }
            all += on_hold;
        }
        ensure!(found == payers.len(), "a payer has no account");
        ensure!(Books::<T>::get().held() == Some(all), "the books do not balance");
        Ok(())
    }
}

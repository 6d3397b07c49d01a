//! Holds and reserves: of each account and for each reason exactly what the books of the pallets
//! say, over all pallets together.

use std::collections::BTreeMap;

use mica_primitives::Balance;
use mica_runtime::{AccountId, Runtime, RuntimeHoldReason};
use pallet_balances::Holds;
use pallet_mica_channels::{Channels, HoldReason as ChannelsReason, Payers};
use pallet_mica_registry::{HoldReason as RegistryReason, Models, Workers};
use pallet_mica_sla::{Books, HoldReason as SlaReason};
use pallet_multisig::Multisigs;
use pallet_proxy::{Announcements, Proxies};
use pallet_referenda::{ReferendumInfo, ReferendumInfoFor};

pub(super) fn check() {
    let mut held: BTreeMap<AccountId, Balance> = BTreeMap::new();
    let mut by_reason: Vec<(RuntimeHoldReason, Balance)> = Vec::new();
    for (account, holds) in Holds::<Runtime>::iter() {
        for hold in holds {
            assert!(hold.amount > 0, "a hold of nothing: {:?} of {account}", hold.id);
            *held.entry(account.clone()).or_default() += hold.amount;
            match by_reason.iter_mut().find(|(reason, _)| *reason == hold.id) {
                Some((_, sum)) => *sum += hold.amount,
                None => by_reason.push((hold.id, hold.amount)),
            }
        }
    }
    let sum = |reason: RuntimeHoldReason| {
        by_reason.iter().find(|(found, _)| *found == reason).map_or(0, |(_, sum)| *sum)
    };
    check_reasons(sum);
    reserve(&mut held);
    for (account, info) in frame_system::Account::<Runtime>::iter() {
        let known = held.remove(&account).unwrap_or_default();
        assert_eq!(info.data.reserved, known, "{account}: what is kept back has reasons");
    }
    assert!(held.values().all(|amount| *amount == 0), "money is kept back of nobody: {held:?}");
}

fn check_reasons(sum: impl Fn(RuntimeHoldReason) -> Balance) {
    let unclaimed: Balance =
        Channels::<Runtime>::iter_values().map(|channel| channel.deposit - channel.claimed).sum();
    assert_eq!(sum(ChannelsReason::Deposit.into()), unclaimed, "deposits of channels");
    let storage: Balance = Payers::<Runtime>::iter_values().map(|record| record.storage).sum();
    assert_eq!(sum(ChannelsReason::Storage.into()), storage, "deposits for channels' storage");
    let models: Balance = Models::<Runtime>::iter_values().map(|model| model.deposit).sum();
    assert_eq!(sum(RegistryReason::ModelDeposit.into()), models, "deposits of models");
    let stakes: Balance = Workers::<Runtime>::iter_values().map(|worker| worker.stake).sum();
    assert_eq!(sum(RegistryReason::Stake.into()), stakes, "stakes of workers");
    let escrow = Books::<Runtime>::get().held();
    assert_eq!(Some(sum(SlaReason::Escrow.into())), escrow, "escrows");
    let pauses: Balance = pallet_safe_mode::Deposits::<Runtime>::iter_values().sum();
    let reason = pallet_safe_mode::HoldReason::EnterOrExtend;
    assert_eq!(sum(reason.into()), pauses, "deposits for safe mode");
    let bonds: Balance =
        pallet_staking::Ledger::<Runtime>::iter_values().map(|ledger| ledger.total).sum();
    assert_eq!(sum(pallet_staking::HoldReason::Staking.into()), bonds, "bonds");
}

/// Adds what is reserved without a hold.
fn reserve(held: &mut BTreeMap<AccountId, Balance>) {
    let mut add = |account: AccountId, amount: Balance| {
        *held.entry(account).or_default() += amount;
    };
    Proxies::<Runtime>::iter().for_each(|(account, (_, deposit))| add(account, deposit));
    Announcements::<Runtime>::iter().for_each(|(account, (_, deposit))| add(account, deposit));
    Multisigs::<Runtime>::iter_values().for_each(|call| add(call.depositor, call.deposit));
    for info in ReferendumInfoFor::<Runtime>::iter_values() {
        let deposits = match info {
            ReferendumInfo::Ongoing(status) => {
                [Some(status.submission_deposit), status.decision_deposit]
            }
            ReferendumInfo::Approved(_, submission, decision)
            | ReferendumInfo::Rejected(_, submission, decision)
            | ReferendumInfo::Cancelled(_, submission, decision)
            | ReferendumInfo::TimedOut(_, submission, decision) => [submission, decision],
            ReferendumInfo::Killed(_) => [None, None],
        };
        deposits.into_iter().flatten().for_each(|deposit| add(deposit.who, deposit.amount));
    }
}

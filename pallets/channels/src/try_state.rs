//! The invariants of the pallet's manual, recomputed from storage.

use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use mica_primitives::{Balance, Channel, ChannelState, MAX_LANES};
use sp_runtime::TryRuntimeError;

use crate::{ByPayee, ByPayer, Channels, Config, HoldReason, MAX_EXTENSIONS, Pallet, Payers};

impl<T: Config> Pallet<T> {
    /// Checks every channel on its own, then what they sum up to.
    pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut held: BTreeMap<T::AccountId, (Balance, u32)> = BTreeMap::new();
        let mut count = 0usize;
        for (id, channel) in Channels::<T>::iter() {
            count += 1;
            check_channel(&channel)?;
            ensure!(
                ByPayer::<T>::contains_key(&channel.payer, id),
                "a channel is missing from its payer's index"
            );
            ensure!(
                ByPayee::<T>::contains_key(&channel.payee, id),
                "a channel is missing from its payee's index"
            );
            let (sum, open) = held.entry(channel.payer).or_default();
            *sum += channel.deposit - channel.claimed;
            *open += 1;
        }
        ensure!(
            ByPayer::<T>::iter().count() == count,
            "the payers' index holds a channel that is over"
        );
        ensure!(
            ByPayee::<T>::iter().count() == count,
            "the payees' index holds a channel that is over"
        );
        for (payer, record) in Payers::<T>::iter() {
            let open = held.get(&payer).map_or(0, |(_, open)| *open);
            ensure!(open > 0, "a payer without channels has a record");
            ensure!(record.open == open, "a payer's number of channels is wrong");
        }
        ensure!(held.keys().all(Payers::<T>::contains_key), "a payer with channels has no record");
        // Every account there is: a hold without a channel would be money that nobody gets back.
        for account in frame_system::Account::<T>::iter_keys() {
            let sum = held.get(&account).map_or(0, |(sum, _)| *sum);
            let deposits = T::Currency::balance_on_hold(&HoldReason::Deposit.into(), &account);
            ensure!(deposits == sum, "a payer's hold is not the unclaimed part of its deposits");
            let storage = T::Currency::balance_on_hold(&HoldReason::Storage.into(), &account);
            ensure!(
                storage == Payers::<T>::get(&account).storage,
                "a payer's hold for storage is not what its record says"
            );
        }
        Ok(())
    }
}

fn check_channel<AccountId: PartialEq>(
    channel: &Channel<AccountId>,
) -> Result<(), TryRuntimeError> {
    ensure!(channel.payer != channel.payee, "a channel pays its own payer");
    ensure!(channel.claimed <= channel.deposit, "more was claimed than deposited");
    let claimed: Balance = channel.lanes.values().map(|lane| lane.claimed).sum();
    ensure!(claimed == channel.claimed, "the lanes' claims do not add up");
    for (lane, state) in &channel.lanes {
        ensure!(u32::from(*lane) < MAX_LANES, "a lane is out of range");
        ensure!(state.claimed <= state.cumulative, "a lane was paid more than promised");
    }
    if let ChannelState::Closing(closing) = &channel.state {
        ensure!(closing.ends > closing.at, "a window has no block");
        ensure!(closing.extended <= MAX_EXTENSIONS, "a window was extended too often");
    }
    Ok(())
}

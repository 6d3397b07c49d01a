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
            let (sum, open) = held.remove(&payer).unwrap_or_default();
            ensure!(record.open == open, "a payer's number of channels is wrong");
            ensure!(record.next >= u64::from(open), "a payer's counter is below its channels");
            let on_hold = T::Currency::balance_on_hold(&HoldReason::Deposit.into(), &payer);
            ensure!(on_hold == sum, "a payer's hold is not the unclaimed part of its deposits");
        }
        ensure!(held.is_empty(), "a payer with channels has no record");
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

//! Workers: registration, and what a worker may change about itself while it stays.

use core::str::from_utf8;
use frame_support::{
    ensure,
    pallet_prelude::{DispatchError, DispatchResult},
    traits::{Get, fungible::hold::Mutate},
};
use mica_primitives::{
    Balance, LayerRange, ModelId, PublicKey, WorkerAddresses, WorkerRecord, WorkerStatus,
    hooks::OpenAgreements,
};

use crate::{Config, Error, Event, HoldReason, Models, Pallet, PeerOwner, Workers};

impl<T: Config> Pallet<T> {
    /// What a worker must hold to serve `range`.
    pub(crate) fn min_stake(range: LayerRange) -> Balance {
        T::MinStakePerLayer::get().saturating_mul(range.len().into())
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn do_register(
        account: T::AccountId,
        model: ModelId,
        range: LayerRange,
        cost_us_per_layer_token: u32,
        list_price_per_layer_token: Balance,
        peer: PublicKey,
        addresses: WorkerAddresses,
        stake: Balance,
    ) -> DispatchResult {
        ensure!(!Workers::<T>::contains_key(&account), Error::<T>::AlreadyRegistered);
        Self::ensure_range(model, range)?;
        ensure!(cost_us_per_layer_token > 0, Error::<T>::ZeroCost);
        ensure!(are_dialable(&addresses), Error::<T>::BadAddress);
        ensure!(!PeerOwner::<T>::contains_key(peer), Error::<T>::PeerKeyTaken);
        ensure!(stake >= Self::min_stake(range), Error::<T>::StakeTooLow);
        T::Currency::hold(&HoldReason::Stake.into(), &account, stake)?;

        let now = Self::now();
        let record = WorkerRecord {
            account: account.clone(),
            model,
            range,
            cost_us_per_layer_token,
            list_price_per_layer_token,
            peer,
            addresses,
            stake,
            status: WorkerStatus::Active,
            since: now,
            last_heartbeat: now,
            last_price_change: now,
        };
        PeerOwner::<T>::insert(peer, &account);
        Self::list(&record);
        Self::shift_coverage(&record, None, Some(range));
        Workers::<T>::insert(&account, record);
        Self::deposit_event(Event::WorkerRegistered { worker: account, model, range });
        Ok(())
    }

    pub(crate) fn do_set_price(who: &T::AccountId, price: Balance) -> DispatchResult {
        let mut record = Self::staying(who)?;
        let now = Self::now();
        ensure!(
            now.saturating_sub(record.last_price_change) >= T::PriceInterval::get(),
            Error::<T>::PriceTooSoon
        );
        record.list_price_per_layer_token = price;
        record.last_price_change = now;
        Self::put(record);
        Self::deposit_event(Event::PriceChanged { worker: who.clone(), price });
        Ok(())
    }

    pub(crate) fn do_set_cost(who: &T::AccountId, cost_us: u32) -> DispatchResult {
        let mut record = Self::staying(who)?;
        ensure!(cost_us > 0, Error::<T>::ZeroCost);
        record.cost_us_per_layer_token = cost_us;
        Self::put(record);
        Self::deposit_event(Event::CostChanged { worker: who.clone(), cost_us });
        Ok(())
    }

    pub(crate) fn do_set_addresses(
        who: &T::AccountId,
        addresses: WorkerAddresses,
    ) -> DispatchResult {
        let mut record = Self::staying(who)?;
        ensure!(are_dialable(&addresses), Error::<T>::BadAddress);
        record.addresses = addresses;
        Self::put(record);
        Self::deposit_event(Event::AddressesChanged { worker: who.clone() });
        Ok(())
    }

    /// Returns the number of shards that were written.
    pub(crate) fn do_set_range(who: &T::AccountId, to: LayerRange) -> Result<u32, DispatchError> {
        let mut record = Self::staying(who)?;
        let from = record.range;
        ensure!(from != to, Error::<T>::RangeUnchanged);
        Self::ensure_range(record.model, to)?;
        ensure!(record.stake >= Self::min_stake(to), Error::<T>::StakeTooLow);
        ensure!(!T::OpenAgreements::has_open_agreements(who), Error::<T>::BoundByAgreement);
        let shards = match record.status {
            WorkerStatus::Active => {
                ensure!(!Self::would_uncover(record.model, from, to), Error::<T>::WouldUncover);
                Self::shift_coverage(&record, Some(from), Some(to))
            }
            // Covers nothing, so there is nothing to uncover.
            WorkerStatus::Jailed | WorkerStatus::Unbonding { .. } => 0,
        };
        record.range = to;
        record.since = Self::now();
        Self::put(record);
        Self::deposit_event(Event::RangeChanged { worker: who.clone(), from, to });
        Ok(shards)
    }

    fn ensure_range(model: ModelId, range: LayerRange) -> DispatchResult {
        let model = Models::<T>::get(model).ok_or(Error::<T>::UnknownModel)?;
        ensure!(range.is_valid_for(model.manifest.layers), Error::<T>::BadRange);
        Ok(())
    }
}

/// Whether every address can be a multiaddress in its text form; whether anybody answers there is
/// not for the chain to know.
fn are_dialable(addresses: &WorkerAddresses) -> bool {
    addresses.iter().all(|address| from_utf8(address).is_ok_and(|text| text.starts_with('/')))
}

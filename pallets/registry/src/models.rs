//! Models: registered under the hash of their manifest, removed by their owner once nobody serves
//! them.

use core::str::from_utf8;
use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{Get, fungible::hold::Mutate, tokens::Precision},
};
use mica_primitives::{MarketUnits, ModelId, ModelManifest, ModelRecord, layers::MAX_LAYERS};

use crate::{Config, Counts, Error, Event, HoldReason, Models, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register_model(
        owner: T::AccountId,
        manifest: ModelManifest,
        units: MarketUnits,
    ) -> DispatchResult {
        ensure!(is_sound(&manifest), Error::<T>::BadManifest);
        ensure!(units.price_unit > 0 && units.cost_unit_us > 0, Error::<T>::BadUnits);
        let model = manifest.id();
        ensure!(!Models::<T>::contains_key(model), Error::<T>::ModelExists);
        let deposit = T::ModelDeposit::get();
        T::Currency::hold(&HoldReason::ModelDeposit.into(), &owner, deposit)?;
        Models::<T>::insert(model, ModelRecord { owner: owner.clone(), manifest, units, deposit });
        Self::deposit_event(Event::ModelRegistered { model, owner });
        Ok(())
    }

    pub(crate) fn do_remove_model(who: &T::AccountId, model: ModelId) -> DispatchResult {
        let record = Models::<T>::get(model).ok_or(Error::<T>::UnknownModel)?;
        ensure!(record.owner == *who, Error::<T>::NotOwner);
        ensure!(Counts::<T>::get(model) == 0, Error::<T>::ModelInUse);
        T::Currency::release(
            &HoldReason::ModelDeposit.into(),
            who,
            record.deposit,
            Precision::Exact,
        )?;
        Models::<T>::remove(model);
        Self::deposit_event(Event::ModelRemoved { model });
        Ok(())
    }
}

/// Whether a manifest names something that can be computed.
fn is_sound(manifest: &ModelManifest) -> bool {
    let named = |bytes: &[u8]| !bytes.is_empty() && from_utf8(bytes).is_ok();
    named(&manifest.name)
        && named(&manifest.architecture)
        && named(&manifest.quantisation)
        && (1..=MAX_LAYERS).contains(&manifest.layers)
        && manifest.hidden > 0
        && manifest.vocabulary > 0
        && manifest.context > 0
}

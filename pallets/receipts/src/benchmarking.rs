//! Benchmarks of what the pallet does in `on_idle`; what it does during a redeem is measured with
//! the redeem.

use frame_benchmarking::v2::*;
use frame_support::{traits::Get, weights::Weight};
use mica_primitives::{
    ChannelId,
    hooks::{OnRedeem, Redeemed},
    settlement::Submitter,
};
use sp_runtime::traits::BlockNumberProvider;

use crate::{Config, Head, Pallet, Roots, Tail, WeightInfo};

fn redeemed<T: Config>() -> Redeemed<T::AccountId> {
    Redeemed {
        payer: account("payer", 0, 0),
        payee: account("payee", 0, 0),
        channel: ChannelId([1; 32]),
        lane: 3,
        seq: 1,
        receipts_root: [5; 32],
        receipts: 7,
        by: Submitter::Other,
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn on_idle_base() {
        #[block]
        {
            Pallet::<T>::remove_old(T::WeightInfo::on_idle_base());
        }
        assert_eq!(Head::<T>::get(), Tail::<T>::get());
    }

    #[benchmark]
    fn remove_root() {
        let redeemed = redeemed::<T>();
        Pallet::<T>::on_redeem(&redeemed);
        T::BlockNumberProvider::set_block_number(
            T::AuditWindow::get().saturating_add(T::BlockNumberProvider::current_block_number()),
        );
        #[block]
        {
            Pallet::<T>::remove_old(Weight::MAX);
        }
        assert!(!Roots::<T>::contains_key(redeemed.channel, (redeemed.lane, redeemed.by)));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

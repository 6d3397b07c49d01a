//! Worst cases of every call: an end that pays, slashes the worker's real stake and jails it.

use frame_benchmarking::v2::*;
use frame_support::traits::{Get, fungible::Mutate};
use frame_system::RawOrigin;
use mica_primitives::{
    AgreementId, AgreementState, Balance, Hash32, LayerRange, Progress, Signature, Terms,
    WorkerStatus,
    hooks::{BenchmarkWorkers, Workers},
};
use sp_core::{crypto::KeyTypeId, ed25519};
use sp_runtime::traits::BlockNumberProvider;

use crate::{Agreements, Call, Config, NextDue, NextId, Pallet};

/// Where benchmark keys lie in the host's keystore.
const KEYS: KeyTypeId = KeyTypeId(*b"mica");

/// Hash of a request.
const REQUEST: Hash32 = [2; 32];

/// An agreement about to be made, and the one key that signs for everybody.
struct Scene<T: Config> {
    payer: T::AccountId,
    worker: T::AccountId,
    terms: Terms,
    key: ed25519::Public,
}

/// A funded payer, a registered worker with no more stake than it must have, and terms for one
/// token on credit.
fn scene<T: Config>() -> Scene<T> {
    let key = sp_io::crypto::ed25519_generate(KEYS, None);
    let (payer, worker): (T::AccountId, T::AccountId) =
        (account("payer", 0, 0), account("worker", 0, 0));
    let model = T::BenchmarkWorkers::register_worker(&worker, key.0);
    let record = T::Workers::worker(&worker).expect("the worker was registered above");
    let price: Balance = T::MinEscrow::get();
    T::Currency::set_balance(&payer, price.saturating_mul(1_000));
    let terms = Terms {
        model,
        range: LayerRange { first: record.range.first, end: record.range.first + 1 },
        tokens: 1,
        price_per_layer_token: price,
        window: 2,
        start_blocks: 1,
        first_blocks: 1,
        work_blocks: 1,
        signer: key.0,
    };
    Scene { payer, worker, terms, key }
}

fn sign(key: &ed25519::Public, bytes: &[u8]) -> Signature {
    sp_io::crypto::ed25519_sign(KEYS, key, bytes).expect("the key was generated above").0
}

/// Whether the slash took the worker out of service, which is the most that one costs.
fn is_jailed<T: Config>(worker: &T::AccountId) -> bool {
    T::Workers::worker(worker).is_some_and(|record| record.status == WorkerStatus::Jailed)
}

impl<T: Config> Scene<T> {
    fn proposed(&self) -> AgreementId {
        let id = NextId::<T>::get();
        Pallet::<T>::do_propose(self.payer.clone(), self.worker.clone(), self.terms)
            .expect("a funded payer proposes");
        id
    }

    fn accepted(&self) -> AgreementId {
        let id = self.proposed();
        Pallet::<T>::do_accept(&self.worker, id).expect("the stake covers one agreement");
        id
    }

    fn requested(&self) -> AgreementId {
        let id = self.accepted();
        Pallet::<T>::do_request(&self.payer, id, REQUEST).expect("the worker has accepted");
        id
    }

    /// All that was agreed on, too late: paid and a failure.
    fn late(&self, agreement: AgreementId) -> (Progress, Signature) {
        let progress = Progress {
            agreement,
            tokens: 1,
            ended: true,
            elapsed_blocks: u32::MAX,
            receipts_root: [1; 32],
            receipts: 1,
        };
        (progress, sign(&self.key, &progress.signing_bytes(&Pallet::<T>::genesis())))
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn propose() {
        let scene = scene::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), scene.worker, scene.terms);
        assert_eq!(NextId::<T>::get(), 1);
    }

    #[benchmark]
    fn accept() {
        let scene = scene::<T>();
        let id = scene.proposed();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.worker), id);
        assert!(Agreements::<T>::get(id).is_some_and(|agreement| agreement.state.is_open()));
    }

    #[benchmark]
    fn cancel() {
        let scene = scene::<T>();
        let id = scene.proposed();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), id);
        assert!(Agreements::<T>::get(id).is_none());
    }

    #[benchmark]
    fn request() {
        let scene = scene::<T>();
        let id = scene.accepted();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), id, REQUEST);
        assert!(
            Agreements::<T>::get(id)
                .is_some_and(|found| matches!(found.state, AgreementState::Requested { .. }))
        );
    }

    #[benchmark]
    fn acknowledge() {
        let scene = scene::<T>();
        let agreement = scene.requested();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.worker), agreement, REQUEST);
        assert!(
            Agreements::<T>::get(agreement)
                .is_some_and(|found| matches!(found.state, AgreementState::Working { .. }))
        );
    }

    #[benchmark]
    fn claim() {
        let scene = scene::<T>();
        let id = scene.requested();
        let (progress, signature) = scene.late(id);
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.worker.clone()), progress, signature);
        assert!(Agreements::<T>::get(id).is_none());
        assert!(is_jailed::<T>(&scene.worker));
    }

    #[benchmark]
    fn dispute() {
        let scene = scene::<T>();
        let id = scene.requested();
        let progress = scene.late(id);
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.worker.clone()), id, Some(progress));
        assert!(Agreements::<T>::get(id).is_none());
        assert!(is_jailed::<T>(&scene.worker));
    }

    #[benchmark]
    fn settle() {
        let scene = scene::<T>();
        let id = scene.requested();
        T::Clock::set_block_number(Pallet::<T>::now() + T::AnswerPeriod::get());
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), id);
        assert!(Agreements::<T>::get(id).is_none());
        assert!(is_jailed::<T>(&scene.worker));
    }

    /// One block of the agenda on which nothing is due.
    #[benchmark]
    fn agenda() {
        // The first block would begin only with the measurement.
        T::Clock::set_block_number(1);
        let now = Pallet::<T>::now();
        NextDue::<T>::put(now);
        #[block]
        {
            Pallet::<T>::settle_due();
        }
        assert_eq!(NextDue::<T>::get(), Some(now + 1));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

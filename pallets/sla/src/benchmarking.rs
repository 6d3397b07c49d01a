//! Worst cases of every call: an end in breach, with a slash of the worker's real stake.

use frame_benchmarking::v2::*;
use frame_support::traits::{Get, fungible::Mutate};
use frame_system::RawOrigin;
use mica_primitives::{
    Acknowledgement, AgreementId, AgreementState, Balance, Claim, Completion, LayerRange, Progress,
    Signature, Terms,
    hooks::{BenchmarkWorkers, Workers},
};
use sp_core::{crypto::KeyTypeId, ed25519};
use sp_runtime::traits::BlockNumberProvider;

use crate::{Agreements, Call, Config, NextDue, NextId, Pallet};

/// Where benchmark keys lie in the host's keystore.
const KEYS: KeyTypeId = KeyTypeId(*b"mica");

/// An agreement about to be made, and the one key that signs for everybody.
struct Scene<T: Config> {
    payer: T::AccountId,
    worker: T::AccountId,
    terms: Terms,
    key: ed25519::Public,
}

/// A funded payer, a registered worker, and terms for a tenth of what the worker's stake covers at
/// most.
fn scene<T: Config>() -> Scene<T> {
    let key = sp_io::crypto::ed25519_generate(KEYS, None);
    let (payer, worker): (T::AccountId, T::AccountId) =
        (account("payer", 0, 0), account("worker", 0, 0));
    let model = T::BenchmarkWorkers::register_worker(&worker, key.0);
    let record = T::Workers::worker(&worker).expect("the worker was registered above");
    let price: Balance = T::MinEscrow::get();
    T::Currency::set_balance(&payer, price.saturating_mul(1_000));
    let range = LayerRange { first: record.range.first, end: record.range.first + 1 };
    let terms = Terms {
        model,
        range,
        tokens: 1,
        price_per_layer_token: price,
        max_latency_ms: 1_000,
        min_throughput_millitokens_per_s: 0,
        penalty: price,
        duration: 1,
        signer: key.0,
    };
    Scene { payer, worker, terms, key }
}

fn sign(key: &ed25519::Public, bytes: &[u8]) -> Signature {
    sp_io::crypto::ed25519_sign(KEYS, key, bytes).expect("the key was generated above").0
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

    /// The worker claims nothing of the work.
    fn claimed(&self) -> AgreementId {
        let id = self.accepted();
        self.claim(id, 0);
        id
    }

    /// The worker claims all of the work, unsigned.
    fn overclaimed(&self) -> AgreementId {
        let id = self.accepted();
        self.claim(id, 1);
        id
    }

    fn claim(&self, id: AgreementId, tokens: u32) {
        let claim = Claim { tokens, signed: 0, receipts_root: [1; 32], receipts: 1 };
        Pallet::<T>::do_claim(&self.worker, id, claim, None).expect("a bound worker claims");
    }

    fn acknowledgement(&self, agreement: AgreementId) -> (Acknowledgement, Signature) {
        let acknowledgement =
            Acknowledgement { agreement, request_hash: [2; 32], anchor: Pallet::<T>::now() };
        let signature = sign(&self.key, &acknowledgement.signing_bytes(&Pallet::<T>::genesis()));
        (acknowledgement, signature)
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
    fn complete() {
        let scene = scene::<T>();
        let agreement = scene.accepted();
        let late = Completion {
            agreement,
            tokens: 1,
            elapsed_ms: u64::MAX,
            receipts_root: [1; 32],
            receipts: 1,
        };
        let signature = sign(&scene.key, &late.signing_bytes(&Pallet::<T>::genesis()));
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), late, signature);
        assert!(Agreements::<T>::get(agreement).is_none());
    }

    #[benchmark]
    fn claim() {
        let scene = scene::<T>();
        let id = scene.accepted();
        let signature = sign(
            &scene.key,
            &Progress { agreement: id, tokens: 1 }.signing_bytes(&Pallet::<T>::genesis()),
        );
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.worker), id, 1, [1; 32], 1, Some((1, signature)));
        assert!(
            Agreements::<T>::get(id)
                .is_some_and(|found| matches!(found.state, AgreementState::Claimed { .. }))
        );
    }

    #[benchmark]
    fn object() {
        let scene = scene::<T>();
        let id = scene.overclaimed();
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), id);
        assert!(
            Agreements::<T>::get(id)
                .is_some_and(|found| matches!(found.state, AgreementState::Disputed { .. }))
        );
    }

    #[benchmark]
    fn acknowledge() {
        let scene = scene::<T>();
        let id = scene.claimed();
        let (acknowledgement, signature) = scene.acknowledgement(id);
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), acknowledgement, signature);
        assert!(Agreements::<T>::get(id).is_none());
    }

    #[benchmark]
    fn settle() {
        let scene = scene::<T>();
        let id = scene.accepted();
        let (acknowledgement, signature) = scene.acknowledgement(id);
        Pallet::<T>::do_acknowledge(&scene.payer, &acknowledgement, &signature)
            .expect("the worker's key signed");
        T::Clock::set_block_number(Pallet::<T>::now() + scene.terms.duration + 1);
        #[extrinsic_call]
        _(RawOrigin::Signed(scene.payer), id);
        assert!(Agreements::<T>::get(id).is_none());
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

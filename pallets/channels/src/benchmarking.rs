//! Worst cases of every call: full lanes, and a payee whose account does not exist yet.

use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{Get, fungible::Mutate};
use frame_system::RawOrigin;
use mica_primitives::{
    Balance, BlockNumber, ChannelId, ChannelOpening, ChannelState, CooperativeClose, Hash32,
    MAX_LANES, MAX_TICKS, PublicKey, Redeem, Signature, Tick, TickProof, Voucher,
};
use sp_core::{crypto::KeyTypeId, ed25519};
use sp_runtime::traits::BlockNumberProvider;

use crate::{Call, Channels, Config, MAX_OPENINGS, NextChannel, Pallet, Payers};

/// Where benchmark keys lie in the host's keystore.
const KEYS: KeyTypeId = KeyTypeId(*b"mica");

fn hot_key() -> ed25519::Public {
    sp_io::crypto::ed25519_generate(KEYS, None)
}

fn sign(key: &ed25519::Public, bytes: &[u8]) -> Signature {
    sp_io::crypto::ed25519_sign(KEYS, key, bytes).expect("the key was generated above").0
}

fn deposit<T: Config>() -> Balance {
    T::MinDeposit::get().saturating_mul(1_000)
}

fn funded<T: Config>(name: &'static str) -> T::AccountId {
    let account = account(name, 0, 0);
    T::Currency::set_balance(&account, deposit::<T>().saturating_mul(1_000));
    account
}

/// A channel from a funded payer to a payee that has nothing. Returns (payer, payee, channel).
fn opened<T: Config>(signer: PublicKey) -> (T::AccountId, T::AccountId, ChannelId) {
    let (payer, payee): (_, T::AccountId) = (funded::<T>("payer"), account("payee", 0, 0));
    let next = NextChannel::<T>::get();
    let opening = ChannelOpening {
        payee: payee.clone(),
        signer,
        deposit: deposit::<T>(),
        window: T::MinWindow::get(),
    };
    Pallet::<T>::do_open(&payer, opening).expect("a funded payer opens");
    let id = ChannelId::derive(&Pallet::<T>::genesis(), &payer, &payee, next);
    (payer, payee, id)
}

fn signed<T: Config>(key: &ed25519::Public, voucher: Voucher, tick: Option<TickProof>) -> Redeem {
    let signature = sign(key, &voucher.signing_bytes(&Pallet::<T>::genesis()));
    Redeem { voucher, signature, tick, preimage: None }
}

/// Uses all lanes but the first, so that the channel is as large as it gets.
fn fill_lanes<T: Config>(key: &ed25519::Public, payee: &T::AccountId, channel: ChannelId) {
    for lane in 1..MAX_LANES as u16 {
        let voucher = plain::<T>(channel, lane);
        Pallet::<T>::do_redeem(payee, &signed::<T>(key, voucher, None)).expect("a fresh lane pays");
    }
}

fn plain<T: Config>(channel: ChannelId, lane: u16) -> Voucher {
    let cumulative = T::MinDeposit::get();
    Voucher {
        channel,
        lane,
        seq: 1,
        cumulative,
        receipts_root: [1; 32],
        receipts: 1,
        expires: BlockNumber::MAX,
        tick: None,
        lock: None,
        bounty: 0,
    }
}

fn hashed(n: u32) -> Hash32 {
    (0..n).fold([7; 32], |value, _| sp_io::hashing::blake2_256(&value))
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn open() {
        let payer = funded::<T>("payer");
        let payee: T::AccountId = account("payee", 0, 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(payer.clone()), payee, [1; 32], deposit::<T>(), T::MinWindow::get());
        assert_eq!(Payers::<T>::get(&payer).open, 1);
    }

    #[benchmark]
    fn open_many(k: Linear<1, MAX_OPENINGS>) {
        let payer = funded::<T>("payer");
        let openings: Vec<_> = (0..k)
            .map(|i| ChannelOpening {
                payee: account("payee", i, 0),
                signer: [1; 32],
                deposit: deposit::<T>(),
                window: T::MinWindow::get(),
            })
            .collect();
        #[extrinsic_call]
        _(
            RawOrigin::Signed(payer.clone()),
            openings.try_into().expect("at most as many as a call takes"),
        );
        assert_eq!(Payers::<T>::get(&payer).open, k);
    }

    #[benchmark]
    fn top_up_to() {
        let key = hot_key();
        let (payer, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        let total = deposit::<T>().saturating_mul(2);
        #[extrinsic_call]
        _(RawOrigin::Signed(payer), id, total);
        assert_eq!(Channels::<T>::get(id).map(|channel| channel.deposit), Some(total));
    }

    #[benchmark]
    fn redeem(n: Linear<0, { MAX_TICKS as u32 }>) {
        let key = hot_key();
        let (payer, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        // In the last tenth of a window, so that it is extended as well.
        Pallet::<T>::do_close(&payer, id).expect("a payer closes");
        T::Clock::set_block_number(Pallet::<T>::now() + T::MinWindow::get() - 1);
        let tick = Tick { anchor: hashed(n), unit: 1, max: MAX_TICKS };
        // By a watcher, which is paid as well; whoever submits it, the receipts are fixed.
        let bounty = T::MinDeposit::get();
        let voucher = Voucher { tick: Some(tick), bounty, ..plain::<T>(id, 0) };
        let shown =
            signed::<T>(&key, voucher, Some(TickProof { n: n as u16, preimage: hashed(0) }));
        let watcher = funded::<T>("watcher");
        #[extrinsic_call]
        _(RawOrigin::Signed(watcher), shown);
        assert_eq!(
            Channels::<T>::get(id).map(|channel| channel.lanes.len()),
            Some(MAX_LANES as usize)
        );
    }

    #[benchmark]
    fn redeem_by_payee(n: Linear<0, { MAX_TICKS as u32 }>) {
        let key = hot_key();
        let (payer, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        // In the last tenth of a window, so that it is extended as well.
        Pallet::<T>::do_close(&payer, id).expect("a payer closes");
        T::Clock::set_block_number(Pallet::<T>::now() + T::MinWindow::get() - 1);
        let tick = Tick { anchor: hashed(n), unit: 1, max: MAX_TICKS };
        let voucher = Voucher { tick: Some(tick), ..plain::<T>(id, 0) };
        let shown =
            signed::<T>(&key, voucher, Some(TickProof { n: n as u16, preimage: hashed(0) }));
        #[extrinsic_call]
        redeem(RawOrigin::Signed(payee), shown);
        assert_eq!(
            Channels::<T>::get(id).map(|channel| channel.lanes.len()),
            Some(MAX_LANES as usize)
        );
    }

    #[benchmark]
    fn close() {
        let key = hot_key();
        let (_, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        #[extrinsic_call]
        _(RawOrigin::Signed(payee), id);
        assert!(Channels::<T>::get(id).is_none());
    }

    #[benchmark]
    fn close_cooperatively() {
        let key = hot_key();
        let (_, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        let agreed =
            CooperativeClose { channel: id, total: deposit::<T>(), expires: BlockNumber::MAX };
        let signature = sign(&key, &agreed.signing_bytes(&Pallet::<T>::genesis()));
        #[extrinsic_call]
        _(RawOrigin::Signed(payee), agreed, signature);
        assert!(Channels::<T>::get(id).is_none());
    }

    #[benchmark]
    fn finish() {
        let key = hot_key();
        let (payer, payee, id) = opened::<T>(key.0);
        fill_lanes::<T>(&key, &payee, id);
        Pallet::<T>::do_close(&payer, id).expect("a payer closes");
        let Some(ChannelState::Closing(closing)) =
            Channels::<T>::get(id).map(|channel| channel.state)
        else {
            unreachable!("a payer's close starts a window")
        };
        T::Clock::set_block_number(closing.ends);
        #[extrinsic_call]
        _(RawOrigin::Signed(payer), id);
        assert!(Channels::<T>::get(id).is_none());
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

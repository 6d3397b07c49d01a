//! What a transaction can make a node do: it decodes no further than its bound, and nothing weighs
//! less than it costs.

use frame_support::MAX_EXTRINSIC_DEPTH;
use mica_primitives::shard::MAX_SHARDS;
use mica_runtime::{Runtime, RuntimeCall};
use pallet_mica_registry::WeightInfo as _;
use pallet_mica_sla::WeightInfo as _;
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::Alice;
use sp_runtime::transaction_validity::InvalidTransaction;

mod chain;
use chain::{genesis_of, make_block, signed};

/// A batch in a batch, and so on.
fn nested(depth: u32) -> RuntimeCall {
    let mut call = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
    for _ in 0..depth {
        call = RuntimeCall::Utility(pallet_utility::Call::batch { calls: vec![call] });
    }
    call
}

/// Attack: a few hundred bytes that a decoder follows until its stack is used up.
#[test]
fn calls_nested_beyond_the_bound_do_not_decode() {
    // Native frames are larger than those of the Wasm, and a test's own stack is small.
    let on_a_large_stack = std::thread::Builder::new().stack_size(256 << 20).spawn(|| {
        genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
            make_block(1, 0, 0, vec![]);
            let deep = signed(Alice, 0, nested(MAX_EXTRINSIC_DEPTH));
            let deeper = signed(Alice, 1, nested(MAX_EXTRINSIC_DEPTH + 1));
            let results = make_block(2, 0, 0, vec![deep, deeper]);
            assert!(results[0].is_ok(), "{:?}", results[0]);
            assert_eq!(results[1], Err(InvalidTransaction::Call.into()));
        });
    });
    on_a_large_stack.expect("a thread begins").join().expect("it finds what it should");
}

/// A forfeit may take the worker with the widest range out of service, which writes every one of
/// its shards.
#[test]
fn a_bad_end_of_an_agreement_weighs_what_jailing_the_widest_worker_takes() {
    type Ends = <Runtime as pallet_mica_sla::Config>::WeightInfo;
    type Jails = <Runtime as pallet_mica_registry::Config>::WeightInfo;
    let jail = Jails::jail(MAX_SHARDS.into()).ref_time();
    for end in [Ends::claim(), Ends::dispute(), Ends::settle()] {
        assert!(end.ref_time() >= jail, "{end:?} is less than {jail}");
    }
}

//! Heartbeats while somebody fills the blocks, and what an account without money can send: through
//! the validation and the blocks of the whole runtime.

use frame_support::{assert_ok, dispatch::DispatchClass, storage::with_transaction};
use mica_primitives::{
    ChannelId, Heartbeat, LayerRange, MAX_TICKS, MarketUnits, ModelManifest, PeerClaim, Redeem,
    TickProof, UNIT, Voucher, WorkerStatus,
};
use mica_runtime::{
    AccountId, Balances, Executive, Hash, Registry, Runtime, RuntimeCall, System,
    UncheckedExtrinsic,
    configs::{
        system::RuntimeBlockWeights,
        transaction_payment::{MAX_TIP, TIP_TOO_HIGH},
    },
    constants::{EXISTENTIAL_DEPOSIT, HEARTBEAT_INTERVAL, MIN_STAKE_PER_LAYER, OFFLINE_AFTER},
};
use pallet_transaction_payment::NextFeeMultiplier;
use sp_core::{Pair, ed25519};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, One};
use sp_runtime::{
    ApplyExtrinsicResult, DispatchError, FixedPointNumber, FixedU128, MultiAddress,
    TransactionOutcome,
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
    },
};

mod chain;
use chain::{apply, genesis_of, make_block, make_block_with, signed};

/// The worker's peer key.
fn peer() -> ed25519::Pair {
    ed25519::Pair::from_seed(&[7; 32])
}

fn genesis() -> [u8; 32] {
    System::block_hash(0).0
}

fn manifest() -> ModelManifest {
    ModelManifest {
        name: b"tiny".to_vec().try_into().expect("short"),
        architecture: b"llama".to_vec().try_into().expect("short"),
        quantisation: b"Q8_0".to_vec().try_into().expect("short"),
        layers: 16,
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

fn registry(call: pallet_mica_registry::Call<Runtime>) -> RuntimeCall {
    RuntimeCall::Registry(call)
}

/// Block 1, and block 2 with a model and a worker of `account`, which has nothing but its stake.
fn start(account: Sr25519Keyring) {
    make_block(1, 0, 0, vec![]);
    let worker = account.to_account_id();
    let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
    let proof = peer().sign(&PeerClaim { account: worker.clone() }.signing_bytes(&genesis())).0;
    let register = pallet_mica_registry::Call::register {
        model: manifest().id(),
        range: LayerRange { first: 0, end: 1 },
        cost_us: 1,
        list_price: 1,
        peer: peer().public().0,
        proof,
        addresses: Default::default(),
        stake: MIN_STAKE_PER_LAYER,
    };
    let transfer = |dest: MultiAddress<AccountId, ()>, value| {
        RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest, value })
    };
    let results = make_block(
        2,
        0,
        0,
        vec![
            signed(
                Alice,
                0,
                registry(pallet_mica_registry::Call::register_model {
                    manifest: manifest(),
                    units,
                }),
            ),
            signed(Alice, 1, transfer(worker.into(), MIN_STAKE_PER_LAYER + UNIT)),
            signed(account, 0, registry(register)),
        ],
    );
    for result in results {
        assert_ok!(result.expect("valid"));
    }
}

/// The worker's heartbeat in block `at`, as anybody may send it.
fn beat(worker: Sr25519Keyring, at: u32) -> UncheckedExtrinsic {
    let beat = Heartbeat { worker: worker.to_account_id(), at };
    let signature = peer().sign(&beat.signing_bytes(&genesis())).0;
    UncheckedExtrinsic::new_bare(registry(pallet_mica_registry::Call::heartbeat {
        beat,
        signature,
    }))
}

/// What the pool of a node says of `transaction`.
fn validate(transaction: UncheckedExtrinsic) -> TransactionValidity {
    // A node forgets what validation does to the state.
    with_transaction(|| {
        let said =
            Executive::validate_transaction(TransactionSource::External, transaction, Hash::zero());
        TransactionOutcome::Rollback(Ok::<_, DispatchError>(said))
    })
    .expect("the closure does not fail")
}

/// Costs `ticks` hashes and fails at the first look, so that it fills a block in no time.
fn filler(ticks: u16) -> RuntimeCall {
    let voucher = Voucher {
        channel: ChannelId([0; 32]),
        lane: 0,
        seq: 1,
        cumulative: 0,
        receipts_root: [0; 32],
        receipts: 0,
        expires: 0,
        tick: None,
        lock: None,
        bounty: 0,
    };
    let tick = Some(TickProof { n: ticks, preimage: [0; 32] });
    let redeem = Redeem { voucher, signature: [0; 64], tick, preimage: None };
    RuntimeCall::Channels(pallet_mica_channels::Call::redeem { redeem })
}

/// The lightest call.
fn remark() -> RuntimeCall {
    RuntimeCall::System(frame_system::Call::remark { remark: vec![] })
}

const FULL: ApplyExtrinsicResult =
    Err(TransactionValidityError::Invalid(InvalidTransaction::ExhaustsResources));

/// Makes block `number`: Bob fills it to the last transaction that an ordinary account can send,
/// then come `others`. Returns what became of them.
fn full_block(
    number: u32,
    nonce: &mut u32,
    others: impl FnOnce() -> Vec<UncheckedExtrinsic>,
) -> Vec<ApplyExtrinsicResult> {
    make_block_with(number, 0, 0, || {
        for call in [filler(u16::MAX), filler(4_096), filler(256), filler(0), remark()] {
            loop {
                let result = apply(signed(Bob, *nonce, call.clone()));
                if result == FULL {
                    break;
                }
                // What it does does not matter; it is in the block and paid for.
                let _ = result.expect("Bob can pay");
                *nonce += 1;
            }
        }
        others().into_iter().map(apply).collect()
    })
}

fn is_online(worker: Sr25519Keyring) -> bool {
    Registry::worker(&worker.to_account_id()).expect("registered").1
}

#[test]
fn heartbeats_keep_their_place_while_every_block_is_full() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        start(One);
        let (mut nonce, mut beats) = (0, 0);
        for number in 3..=3 + OFFLINE_AFTER + HEARTBEAT_INTERVAL {
            let is_due = number == 2 + HEARTBEAT_INTERVAL * (beats + 1);
            let results = full_block(number, &mut nonce, || {
                let ordinary = signed(Charlie, 0, remark());
                let beat = is_due.then(|| beat(One, number));
                [ordinary].into_iter().chain(beat).collect()
            });
            assert_eq!(results[0], FULL, "block {number} has room left");
            if let Some(result) = results.get(1) {
                assert_ok!(result.expect("there is room for a heartbeat"));
                beats += 1;
            }
            assert!(is_online(One), "block {number}");
        }
        assert!(beats >= 3);
        assert_eq!(
            Registry::worker(&One.to_account_id()).expect("there").0.status,
            WorkerStatus::Active
        );
    });
}

/// Attack: a crowd of workers fills every block with heartbeats, which are free and go first, until
/// windows are over in which others must redeem.
#[test]
fn heartbeats_leave_room_for_redeems() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        start(One);
        let last = 2 + HEARTBEAT_INTERVAL;
        for number in 3..last {
            make_block(number, 0, 0, vec![]);
        }
        let results = make_block_with(last, 0, 0, || {
            let weights = RuntimeBlockWeights::get();
            let most = weights.get(DispatchClass::Operational).max_total.expect("it is bounded");
            frame_system::BlockWeight::<Runtime>::mutate(|used| {
                used.set(most, DispatchClass::Operational);
            });
            let others = [beat(One, last), signed(Bob, 0, filler(MAX_TICKS))];
            others.into_iter().map(apply).collect::<Vec<_>>()
        });
        assert_eq!(results[0], FULL, "heartbeats have had their part");
        assert!(results[1].is_ok(), "{:?}", results[1]);
    });
}

/// In a pool it comes before whatever pays, with any tip.
#[test]
fn no_tip_is_worth_more_than_a_heartbeat() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        start(One);
        for number in 3..=2 + HEARTBEAT_INTERVAL {
            make_block(number, 0, 0, vec![]);
        }
        let heartbeat = validate(beat(One, 2 + HEARTBEAT_INTERVAL)).expect("it is due");
        // The lightest call, of which a block holds most: what its tip is multiplied with.
        let tipped = |tip| validate(chain::signed_with_tip(Bob, 0, remark(), tip));
        assert!(heartbeat.priority > tipped(MAX_TIP).expect("Bob can pay").priority);
        let too_high = InvalidTransaction::Custom(TIP_TOO_HIGH).into();
        assert_eq!(tipped(MAX_TIP + 1), Err(too_high));
        assert_eq!(tipped(900_000 * UNIT), Err(too_high));
        assert!(heartbeat.requires.is_empty(), "it waits for nothing");
    });
}

/// An account that has nothing to pay with gets one heartbeat per interval into a pool, and no
/// second one behind it.
#[test]
fn an_account_without_money_queues_one_heartbeat() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        start(One);
        let last = 2 + HEARTBEAT_INTERVAL;
        let all = RuntimeCall::Balances(pallet_balances::Call::transfer_all {
            dest: Bob.to_account_id().into(),
            keep_alive: true,
        });
        let results = make_block(3, 0, 0, vec![signed(One, 1, all)]);
        assert_ok!(results[0].expect("valid"));
        let free = Balances::free_balance(One.to_account_id());
        assert!(free <= 2 * EXISTENTIAL_DEPOSIT, "it has {free} left");
        for number in 4..=last + 5 {
            make_block(number, 0, 0, vec![]);
        }
        // A pool holds one transaction of each tag.
        let tags: Vec<_> = (last..=last + 5)
            .map(|at| validate(beat(One, at)).expect("it is due").provides)
            .collect();
        assert!(tags.iter().all(|tag| tag.len() == 1 && *tag == tags[0]));
        // Signed by the account it is like any other transaction that nobody pays for.
        for nonce in 2..10 {
            let UncheckedExtrinsic { function, .. } = beat(One, last);
            let refused = validate(signed(One, nonce, function));
            assert_eq!(refused, Err(InvalidTransaction::Payment.into()));
        }
        assert_eq!(validate(beat(Bob, last)), Err(InvalidTransaction::BadSigner.into()));
        // Once it is in a block, none is due for an interval.
        let number = last + 6;
        let results = make_block(number, 0, 0, vec![beat(One, last), beat(One, last + 1)]);
        assert_ok!(results[0].expect("valid"));
        assert_eq!(results[1], Err(InvalidTransaction::Future.into()));
    });
}

#[test]
fn fees_rise_while_blocks_are_full() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        start(One);
        let before = NextFeeMultiplier::<Runtime>::get();
        let mut nonce = 0;
        for number in 3..103 {
            full_block(number, &mut nonce, Vec::new);
        }
        let rise = NextFeeMultiplier::<Runtime>::get() / before;
        assert!(rise > FixedU128::saturating_from_integer(2), "100 full blocks raise fees {rise}");
    });
}

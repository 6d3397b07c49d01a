//! A chain in memory: the real runtime, from a real preset, through whole blocks.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod schedule;

use codec::Encode;
use frame_support::{genesis_builder_helper, storage::with_transaction};
use mica_primitives::{ChannelId, Redeem, Voucher};
use mica_runtime::{
    AccountId, Balance, BlockNumber, Executive, Hash, Header, Nonce, Runtime, RuntimeCall,
    RuntimeGenesisConfig, Signature, System, TxExtension, UncheckedExtrinsic, VERSION,
    constants::SLOT_DURATION_MS, genesis,
};
use serde_json::Value;
use sp_consensus_babe::{
    BABE_ENGINE_ID,
    digests::{PreDigest, SecondaryPlainPreDigest},
};
use sp_core::{Pair, ed25519, sr25519};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    ApplyExtrinsicResult, Digest, DigestItem, DispatchError, TransactionOutcome,
    generic::{Era, SignedPayload},
    traits::Header as _,
};

/// The slot of block 1; any will do, the first block fixes the genesis slot.
pub const FIRST_SLOT: u64 = 500_000_000;

/// Merges a preset's patch into the default genesis (RFC 7386 without deletion, which presets do
/// not use).
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

/// The state after the genesis of `preset`.
pub fn genesis_of(preset: &str) -> TestExternalities {
    let patch = genesis::get_preset(&preset.into()).expect("the preset exists");
    genesis_from(serde_json::from_slice(&patch).expect("it is JSON"))
}

/// The preset of four as the network tests drill it: an election in every session, short times, and
/// slots that are seldom drawn by lot.
pub fn drill() -> Value {
    let preset = genesis::get_preset(&LOCAL_TESTNET_RUNTIME_PRESET.into()).expect("it exists");
    let mut patch: Value = serde_json::from_slice(&preset).expect("it is JSON");
    merge(
        &mut patch,
        serde_json::json!({
            "timing": { "timing": "Drill" },
            "babe": { "epochConfig": { "c": [1, 100] } },
            "staking": { "forceEra": "ForceAlways" },
        }),
    );
    patch
}

/// The state after the genesis that `patch` makes of the default one.
pub fn genesis_from(patch: Value) -> TestExternalities {
    let mut state = TestExternalities::new_empty();
    state.execute_with(|| {
        let default = genesis_builder_helper::get_preset::<RuntimeGenesisConfig>(&None, |_| None)
            .expect("a default exists");
        let mut config: Value = serde_json::from_slice(&default).expect("it is JSON");
        merge(&mut config, patch);
        genesis_builder_helper::build_state::<RuntimeGenesisConfig>(
            config.to_string().into_bytes(),
        )
        .expect("the state is valid");
        System::set_block_number(0);
        // As the first block's header will name it: what is signed before that is of this chain.
        frame_system::BlockHash::<Runtime>::insert(0, Hash::zero());
    });
    state
}

/// Makes block `number`, as validator `author`, with `transactions`; returns what became of each.
///
/// `number` must be the next one; `skipped` slots stay empty before it.
pub fn make_block(
    number: BlockNumber,
    author: u32,
    skipped: u64,
    transactions: Vec<UncheckedExtrinsic>,
) -> Vec<ApplyExtrinsicResult> {
    block_in_slot(number, author, FIRST_SLOT + u64::from(number) + skipped, None, transactions)
}

/// The same with whatever `fill` applies to it.
pub fn make_block_with<T>(
    number: BlockNumber,
    author: u32,
    skipped: u64,
    fill: impl FnOnce() -> T,
) -> T {
    block_with(number, author, FIRST_SLOT + u64::from(number) + skipped, None, fill)
}

/// A block in `slot`, by an author whose node knows block `last_final` to be final; one that does
/// not say so without it.
pub fn block_in_slot(
    number: BlockNumber,
    author: u32,
    slot: u64,
    last_final: Option<BlockNumber>,
    transactions: Vec<UncheckedExtrinsic>,
) -> Vec<ApplyExtrinsicResult> {
    block_with(number, author, slot, last_final, || transactions.into_iter().map(apply).collect())
}

/// Puts `transaction` into the block that is being made, as an author does: one that does not fit
/// or is not valid leaves nothing behind, not even the number that it used up.
pub fn apply(transaction: UncheckedExtrinsic) -> ApplyExtrinsicResult {
    with_transaction(|| match Executive::apply_extrinsic(transaction) {
        Ok(done) => TransactionOutcome::Commit(Ok::<_, DispatchError>(Ok(done))),
        Err(refused) => TransactionOutcome::Rollback(Ok(Err(refused))),
    })
    .expect("the closure does not fail")
}

/// The same with whatever `fill` applies to it.
pub fn block_with<T>(
    number: BlockNumber,
    author: u32,
    slot: u64,
    last_final: Option<BlockNumber>,
    fill: impl FnOnce() -> T,
) -> T {
    let results = unchecked_block(number, author, slot, last_final, fill);
    check_state();
    results
}

/// The same without a look at the state afterwards.
pub fn unchecked_block<T>(
    number: BlockNumber,
    author: u32,
    slot: u64,
    last_final: Option<BlockNumber>,
    fill: impl FnOnce() -> T,
) -> T {
    let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest {
        authority_index: author,
        slot: slot.into(),
    });
    let digest = Digest { logs: vec![DigestItem::PreRuntime(BABE_ENGINE_ID, claim.encode())] };
    let parent = if number == 1 { Hash::zero() } else { System::block_hash(number - 1) };
    Executive::initialize_block(&Header::new(number, Hash::zero(), Hash::zero(), parent, digest));

    let time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * SLOT_DURATION_MS });
    Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(time))
        .expect("the inherent is valid")
        .expect("and succeeds");
    if let Some(number) = last_final {
        let hint = RuntimeCall::Clock(pallet_mica_clock::Call::note_final { number });
        Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(hint))
            .expect("the inherent is valid")
            .expect("and succeeds");
    }
    let results = fill();
    let header = Executive::finalize_block();
    frame_system::BlockHash::<Runtime>::insert(number, header.hash());
    results
}

/// `call`, signed by `who` as its `nonce`-th transaction.
pub fn signed(who: Sr25519Keyring, nonce: Nonce, call: RuntimeCall) -> UncheckedExtrinsic {
    signed_with_tip(who, nonce, call, 0)
}

/// The same with a `tip`, base units.
pub fn signed_with_tip(
    who: Sr25519Keyring,
    nonce: Nonce,
    call: RuntimeCall,
    tip: Balance,
) -> UncheckedExtrinsic {
    signed_by(&who.pair(), nonce, call, tip)
}

/// The same by whoever holds `pair`: a name's pair takes a thousand times longer to derive than to
/// sign with.
pub fn signed_by(
    pair: &sr25519::Pair,
    nonce: Nonce,
    call: RuntimeCall,
    tip: Balance,
) -> UncheckedExtrinsic {
    let extension: TxExtension = (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckEra::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(tip),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
        frame_system::WeightReclaim::new(),
    );
    let genesis = System::block_hash(0);
    let implicit = (
        (),
        (),
        VERSION.spec_version,
        VERSION.transaction_version,
        genesis,
        genesis,
        (),
        (),
        (),
        None,
        (),
    );
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|bytes| pair.sign(bytes));
    let account = AccountId::from(pair.public().0);
    UncheckedExtrinsic::new_signed(call, account.into(), Signature::Sr25519(signature), extension)
}

/// A redeem of what `signer` promises on the first lane of a channel, with as many receipts as
/// vouchers.
pub fn promise(
    signer: &ed25519::Pair,
    channel: ChannelId,
    seq: u64,
    cumulative: Balance,
) -> Redeem {
    let voucher = Voucher {
        channel,
        lane: 0,
        seq,
        cumulative,
        receipts_root: [seq as u8; 32],
        receipts: seq,
        expires: u32::MAX,
        tick: None,
        lock: None,
        bounty: 0,
    };
    let genesis = System::block_hash(0).0;
    let signature = signer.sign(&voucher.signing_bytes(&genesis)).0;
    Redeem { voucher, signature, tick: None, preimage: None }
}

/// Checks the invariants of every pallet, ours and the SDK's: a native build has the feature
/// `try-runtime` of each.
///
/// # Panics
/// If some do not hold, with the names of those pallets.
pub fn check_state() {
    use frame_support::traits::{PalletsInfoAccess, TryState, TryStateSelect};
    use mica_runtime::AllPalletsWithSystem;

    let check = |which| AllPalletsWithSystem::try_state(System::block_number(), which);
    if check(TryStateSelect::All).is_ok() {
        return;
    }
    // Of all together only a log says which.
    for pallet in AllPalletsWithSystem::infos() {
        let result = check(TryStateSelect::Only(vec![pallet.name.as_bytes().to_vec()]));
        assert!(result.is_ok(), "invariants of {}: {result:?}", pallet.name);
    }
    panic!("invariants hold of each pallet alone and not of all");
}

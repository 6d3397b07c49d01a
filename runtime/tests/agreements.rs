//! Agreements in the whole runtime: the registry's real stake answers for them, fees and all.

use frame_support::{
    assert_ok,
    traits::{Get, fungible::Inspect},
    weights::Weight,
};
use mica_primitives::{
    AgreementId, LayerRange, MarketUnits, ModelManifest, PeerClaim, Progress, Terms, WorkerRecord,
    WorkerStatus, hooks::Workers,
};
use mica_runtime::{
    AccountId, Balances, Registry, Runtime, RuntimeCall, Sla, System,
    configs::system::RuntimeBlockWeights,
    constants::{MILLI, MIN_STAKE_PER_LAYER, durations::TEST},
};
use pallet_mica_registry::Call as RegistryCall;
use pallet_mica_sla::{Call as SlaCall, WeightInfo, weights::SubstrateWeight};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_io::TestExternalities;
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{self, Alice, Bob},
};

mod chain;
use chain::{genesis_of, make_block, signed};

const LAYERS: u16 = 8;
const ANSWER_PERIOD: u32 = TEST.answer_period;
/// Price of one position through all layers.
const TOKEN: u128 = LAYERS as u128 * MILLI;

fn manifest() -> ModelManifest {
    let text = |text: &str| text.as_bytes().to_vec();
    ModelManifest {
        name: text("small").try_into().expect("short"),
        architecture: text("llama").try_into().expect("short"),
        quantisation: text("Q8_0").try_into().expect("short"),
        layers: LAYERS,
        hidden: 64,
        vocabulary: 256,
        context: 128,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

/// Makes the next block, which must not refuse `call`.
fn submit(who: Sr25519Keyring, call: RuntimeCall) {
    let nonce = System::account_nonce(who.to_account_id());
    let results = make_block(System::block_number() + 1, 0, 0, vec![signed(who, nonce, call)]);
    assert_ok!(results[0].expect("the transaction is valid"));
}

fn sla(who: Sr25519Keyring, call: SlaCall<Runtime>) {
    submit(who, RuntimeCall::Sla(call));
}

/// A chain on which Bob serves all layers of a model, with the least stake that it must have.
fn market() -> TestExternalities {
    let mut state = genesis_of(DEV_RUNTIME_PRESET);
    state.execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
        let register_model = RegistryCall::register_model { manifest: manifest(), units };
        submit(Alice, RuntimeCall::Registry(register_model));
        let claim = PeerClaim { account: Bob.to_account_id() };
        let proof = Ed25519Keyring::Bob.sign(&claim.signing_bytes(&System::block_hash(0).0)).0;
        let register = RegistryCall::register {
            model: manifest().id(),
            range: LayerRange { first: 0, end: LAYERS },
            cost_us: 1,
            list_price: MILLI,
            peer: Ed25519Keyring::Bob.public().0,
            proof,
            addresses: Default::default(),
            stake: u128::from(LAYERS) * MIN_STAKE_PER_LAYER,
        };
        submit(Bob, RuntimeCall::Registry(register));
    });
    state
}

/// Alice and Bob agree on ten tokens with a window of four.
fn agree() -> AgreementId {
    let agreement = pallet_mica_sla::NextId::<Runtime>::get();
    let terms = Terms {
        model: manifest().id(),
        range: LayerRange { first: 0, end: LAYERS },
        tokens: 10,
        price_per_layer_token: MILLI,
        window: 4,
        start_blocks: 10,
        first_blocks: 2,
        work_blocks: 10,
        signer: Ed25519Keyring::Alice.public().0,
    };
    sla(Alice, SlaCall::propose { worker: Bob.to_account_id(), terms });
    sla(Bob, SlaCall::accept { agreement });
    agreement
}

/// The same, and Bob has acknowledged a request.
fn working() -> AgreementId {
    let agreement = agree();
    sla(Bob, SlaCall::acknowledge { agreement, request_hash: [5; 32] });
    agreement
}

fn received(agreement: AgreementId, tokens: u32, ended: bool) -> (Progress, [u8; 64]) {
    let (elapsed_blocks, receipts_root, receipts) = (1, [4; 32], 1);
    let progress = Progress { agreement, tokens, ended, elapsed_blocks, receipts_root, receipts };
    let bytes = progress.signing_bytes(&System::block_hash(0).0);
    (progress, Ed25519Keyring::Alice.sign(&bytes).0)
}

fn worker() -> WorkerRecord<AccountId> {
    <Registry as Workers<AccountId>>::worker(&Bob.to_account_id()).expect("Bob is registered")
}

fn balance(who: Sr25519Keyring) -> u128 {
    Balances::total_balance(&who.to_account_id())
}

#[test]
fn a_silent_worker_forfeits_real_stake_and_is_jailed() {
    market().execute_with(|| {
        let agreement = agree();
        sla(Alice, SlaCall::request { agreement, request_hash: [5; 32] });
        let (stake, payer) = (worker().stake, balance(Alice));
        for _ in 0..=ANSWER_PERIOD {
            make_block(System::block_number() + 1, 0, 0, vec![]);
        }
        assert_eq!(Sla::agreement(agreement), None);
        assert_eq!(worker().stake, stake - 2 * TOKEN);
        assert_eq!(worker().status, WorkerStatus::Jailed);
        assert_eq!(balance(Alice), payer);
        let held = pallet_mica_sla::Books::<Runtime>::get().held();
        assert_eq!(held, Some(0));
    });
}

#[test]
fn a_worker_that_began_and_is_silent_loses_what_a_dispute_would_cost_it() {
    market().execute_with(|| {
        let agreement = working();
        let (stake, payer) = (worker().stake, balance(Alice));
        // Two blocks for what comes before the first token, ten for the work, one for the heads.
        for _ in 0..=2 + 10 + 1 + ANSWER_PERIOD {
            make_block(System::block_number() + 1, 0, 0, vec![]);
        }
        assert_eq!(Sla::agreement(agreement), None);
        assert_eq!(worker().stake, stake - 2 * TOKEN);
        assert_eq!(balance(Alice), payer);
    });
}

#[test]
fn an_end_token_ends_an_agreement_and_the_payer_pays_for_what_came() {
    market().execute_with(|| {
        let agreement = working();
        let (stake, payer, payee) = (worker().stake, balance(Alice), balance(Bob));
        let (progress, signature) = received(agreement, 3, true);
        sla(Bob, SlaCall::claim { progress, signature });
        assert_eq!(balance(Bob), payee + 3 * TOKEN, "a claim costs no fee");
        assert_eq!(Sla::agreement(agreement), None);
        assert_eq!(balance(Alice), payer - 3 * TOKEN);
        assert_eq!((worker().stake, worker().status), (stake, WorkerStatus::Active));
    });
}

#[test]
fn a_dispute_burns_a_window_of_the_payers_and_half_of_one_of_the_workers() {
    market().execute_with(|| {
        let agreement = working();
        let (stake, payer, payee) = (worker().stake, balance(Alice), balance(Bob));
        let progress = Some(received(agreement, 3, false));
        sla(Bob, SlaCall::dispute { agreement, progress });
        // No fee: silence, which costs the same stake, must not be cheaper.
        assert_eq!(balance(Bob), payee + 3 * TOKEN - 2 * TOKEN);
        assert_eq!(balance(Alice), payer - 3 * TOKEN - 4 * TOKEN);
        assert_eq!(worker().stake, stake - 2 * TOKEN);
        assert_eq!(worker().status, WorkerStatus::Jailed);
    });
}

/// Whatever is due, the agenda leaves the block to its transactions.
#[test]
fn settlements_take_a_tenth_of_a_block_at_most() {
    type Costs = SubstrateWeight<Runtime>;
    let most: u32 = <Runtime as pallet_mica_sla::Config>::MaxSettlementsPerBlock::get();
    let agenda: Weight =
        Costs::agenda().saturating_add(Costs::settle()).saturating_mul(most.into());
    let block = RuntimeBlockWeights::get().max_block;
    assert!(agenda.ref_time() <= block.ref_time() / 10, "{agenda:?} of {block:?}");
}

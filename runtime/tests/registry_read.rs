//! How long the registry's list of ten thousand workers takes, in the Wasm that nodes execute.
//!
//! `cargo test --release --workspace --test registry_read -- --ignored --nocapture` prints a row of
//! the table that `scripts/bench-chain.sh` makes.

use std::{borrow::Cow, io::Write, time::Instant};

use codec::{Decode, Encode};
use frame_support::traits::fungible::Mutate;
use mica_primitives::{
    LayerRange, MarketUnits, ModelId, ModelManifest, PeerClaim, UNIT, WorkerAddresses, WorkerRecord,
};
use mica_runtime::{
    AccountId, Balances, Registry, RuntimeOrigin, System, constants::MIN_STAKE_PER_LAYER,
};
use sc_executor::WasmExecutor;
use sp_core::{
    Pair, ed25519,
    traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::Alice;

mod chain;
use chain::genesis_of;

const WORKERS: u32 = 10_000;
/// Most milliseconds that one call may take.
const MOST_MS: f64 = 50.0;

fn manifest() -> ModelManifest {
    ModelManifest {
        name: b"tiny".to_vec().try_into().expect("short"),
        architecture: b"llama".to_vec().try_into().expect("short"),
        quantisation: b"Q8_0".to_vec().try_into().expect("short"),
        layers: 32,
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

/// What a worker that can be reached by TCP and by QUIC publishes.
fn addresses() -> WorkerAddresses {
    let texts = ["/ip4/203.0.113.77/tcp/4001", "/ip4/203.0.113.77/udp/4001/quic-v1"];
    texts
        .map(|text| text.as_bytes().to_vec().try_into().expect("short"))
        .to_vec()
        .try_into()
        .expect("few")
}

fn register(model: ModelId, number: u32) {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    let (account, peer) = (AccountId::new(seed), ed25519::Pair::from_seed(&seed));
    Balances::mint_into(&account, MIN_STAKE_PER_LAYER + UNIT).expect("minted");
    let claim = PeerClaim { account: account.clone() };
    let first = (number % 32) as u16;
    Registry::register(
        RuntimeOrigin::signed(account),
        model,
        LayerRange { first, end: first + 1 },
        10,
        1_000_000,
        peer.public().0,
        peer.sign(&claim.signing_bytes(&System::block_hash(0).0)).0,
        addresses(),
        MIN_STAKE_PER_LAYER,
    )
    .expect("a funded worker registers");
}

#[test]
#[ignore = "it measures: run it alone, in release"]
fn ten_thousand_workers_are_read_in_one_call_within_fifty_milliseconds() {
    let model = manifest().id();
    let mut state = genesis_of(DEV_RUNTIME_PRESET);
    state.execute_with(|| {
        System::set_block_number(1);
        let units = MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 };
        Registry::register_model(RuntimeOrigin::signed(Alice.to_account_id()), manifest(), units)
            .expect("Alice is rich");
        (0..WORKERS).for_each(|number| register(model, number));
    });
    state.commit_all().expect("the state is sound");

    let executor = WasmExecutor::<sp_io::SubstrateHostFunctions>::builder().build();
    let wasm = mica_runtime::WASM_BINARY.expect("the runtime was built for Wasm");
    let fetcher = WrappedRuntimeCode(Cow::Borrowed(wasm));
    let code = RuntimeCode { code_fetcher: &fetcher, heap_pages: None, hash: vec![1] };
    let arguments = (model, None::<LayerRange>, None::<AccountId>, WORKERS).encode();
    let mut times_ms = Vec::new();
    for _ in 0..10 {
        let (mut ext, start) = (state.ext(), Instant::now());
        let context = CallContext::Offchain;
        let (answer, _) =
            executor.call(&mut ext, &code, "RegistryApi_workers", &arguments, context);
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        let answer = answer.expect("the call succeeds");
        let workers = Vec::<(WorkerRecord<AccountId>, bool)>::decode(&mut &answer[..]);
        assert_eq!(workers.expect("a list").len(), WORKERS as usize);
    }
    // The first call compiles the Wasm.
    let mut times_ms = times_ms.split_off(1);
    times_ms.sort_by(f64::total_cmp);
    let (best, median) = (times_ms[0], times_ms[times_ms.len() / 2]);
    let _ = writeln!(
        std::io::stdout(),
        "| registry of 10,000 workers, read in one call by the Wasm runtime | {best:.1} ms, median \
         {median:.1} | at most {MOST_MS} ms |"
    );
    assert!(best <= MOST_MS, "{best} ms");
}

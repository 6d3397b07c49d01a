//! A runtime of balances and agreements for the tests. Workers and their stake live in a ledger of
//! the test's own.

use std::collections::BTreeMap;

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU128, Hooks, fungible::Mutate, tokens::Preservation},
};
use mica_primitives::{
    Acknowledgement, Agreement, AgreementId, Completion, Hash32, LayerRange, ModelId, Progress,
    PublicKey, Signature, Terms, WorkerRecord, WorkerStatus,
    hooks::{Offence, SlashWorker, Slashed, Workers},
};
use sp_core::{Pair, ed25519};
use sp_runtime::{BuildStorage, Percent, traits::BlockNumberProvider};

use crate as pallet_mica_sla;

pub const PAYER: u64 = 1;
pub const WORKER: u64 = 2;
pub const STRANGER: u64 = 3;
pub const OTHER_WORKER: u64 = 4;
pub const FUNDS: u128 = 1_000_000;
pub const ED: u128 = 10;
pub const MIN_ESCROW: u128 = 100;
pub const STAKE: u128 = 100_000;
pub const MODEL: ModelId = ModelId([7; 32]);
pub const PROPOSAL: u32 = 10;
pub const CHALLENGE: u32 = 8;
pub const DISPUTE: u32 = 12;
pub const PER_BLOCK: u32 = 4;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Sla: pallet_mica_sla,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountData = pallet_balances::AccountData<u128>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = u128;
    type ExistentialDeposit = ConstU128<ED>;
    type AccountStore = System;
}

parameter_types! {
    pub static Registered: BTreeMap<u64, WorkerRecord<u64>> = BTreeMap::new();
    pub static Punished: Vec<(u64, u128, Offence, Option<u64>)> = Vec::new();
    pub const AtRisk: Percent = Percent::from_percent(50);
}

/// Keeps stake as a number and takes it from free balance: half burned, half to the reporter, once
/// per offence.
pub struct Ledger;
impl Workers<u64> for Ledger {
    fn worker(account: &u64) -> Option<WorkerRecord<u64>> {
        Registered::get().get(account).cloned()
    }
}

impl SlashWorker<u64> for Ledger {
    fn slash(worker: &u64, amount: u128, offence: Offence, reporter: Option<&u64>) -> Slashed {
        let stake = Registered::get().get(worker).map_or(0, |record| record.stake);
        let amount = amount.min(stake);
        if amount == 0 || Punished::get().iter().any(|(_, _, known, _)| *known == offence) {
            return Slashed::default();
        }
        let reward = if reporter.is_some() { amount / 2 } else { 0 };
        if let Some(reporter) = reporter.filter(|_| reward > 0) {
            Balances::transfer(worker, reporter, reward, Preservation::Preserve)
                .expect("stake is funded");
        }
        let burned = amount - reward;
        let (exact, force) = (
            frame_support::traits::tokens::Precision::Exact,
            frame_support::traits::tokens::Fortitude::Force,
        );
        Balances::burn_from(worker, burned, Preservation::Preserve, exact, force)
            .expect("stake is funded");
        change(*worker, |record| record.stake -= amount);
        Punished::mutate(|list| list.push((*worker, amount, offence, reporter.copied())));
        Slashed { burned, reward }
    }
}

impl mica_primitives::hooks::BenchmarkWorkers<u64> for Ledger {
    fn register_worker(worker: &u64, peer: PublicKey) -> ModelId {
        Balances::set_balance(worker, FUNDS);
        register(*worker, peer);
        MODEL
    }
}

/// The system's block number, which a benchmark may set.
pub struct Clock;
impl BlockNumberProvider for Clock {
    type BlockNumber = u32;
    fn current_block_number() -> u32 {
        System::block_number()
    }
    fn set_block_number(block: u32) {
        System::set_block_number(block);
    }
}

impl pallet_mica_sla::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = Clock;
    type Workers = Ledger;
    type SlashWorker = Ledger;
    type MinEscrow = ConstU128<MIN_ESCROW>;
    type ProposalPeriod = ConstU32<PROPOSAL>;
    type MaxDuration = ConstU32<100>;
    type ChallengePeriod = ConstU32<CHALLENGE>;
    type DisputePeriod = ConstU32<DISPUTE>;
    type MaxPerPayer = ConstU32<12>;
    type MaxPerWorker = ConstU32<10>;
    type MaxStakeAtRisk = AtRisk;
    type MaxSettlementsPerBlock = ConstU32<PER_BLOCK>;
    type BenchmarkWorkers = Ledger;
    type WeightInfo = ();
}

/// A chain at block 1 with a payer and two workers. `try_state` runs when the test's closure is
/// over.
pub fn test(run: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        run();
        Sla::do_try_state().expect("invariants hold");
    });
}

pub fn new_test_ext() -> sp_io::TestExternalities {
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .expect("default genesis builds");
    pallet_balances::GenesisConfig::<Test> {
        balances: [PAYER, WORKER, STRANGER, OTHER_WORKER].map(|account| (account, FUNDS)).to_vec(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .expect("balances build");
    let mut ext = sp_io::TestExternalities::new(storage);
    ext.register_extension(sp_keystore::KeystoreExt::new(
        sp_keystore::testing::MemoryKeystore::new(),
    ));
    ext.execute_with(|| {
        Registered::set(BTreeMap::new());
        Punished::set(Vec::new());
        register(WORKER, key(WORKER).public().0);
        register(OTHER_WORKER, key(OTHER_WORKER).public().0);
        System::set_block_number(1);
        Sla::on_initialize(1);
    });
    ext
}

/// Changes a worker's record in the ledger.
pub fn change(account: u64, by: impl FnOnce(&mut WorkerRecord<u64>)) {
    Registered::mutate(|workers| {
        if let Some(record) = workers.get_mut(&account) {
            by(record);
        }
    });
}

/// Enters a worker of all eight layers of [`MODEL`] into the ledger.
pub fn register(account: u64, peer: PublicKey) {
    let record = WorkerRecord {
        account,
        model: MODEL,
        range: LayerRange { first: 0, end: 8 },
        cost_us_per_layer_token: 1,
        list_price_per_layer_token: 1,
        peer,
        addresses: Default::default(),
        stake: STAKE,
        status: WorkerStatus::Active,
        since: 0,
        last_heartbeat: 0,
        last_price_change: 0,
    };
    Registered::mutate(|workers| workers.insert(account, record));
}

/// Runs every block up to `block`.
pub fn run_to(block: u32) {
    while System::block_number() < block {
        let next = System::block_number() + 1;
        System::set_block_number(next);
        Sla::on_initialize(next);
    }
}

pub fn key(account: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[account as u8; 32])
}

pub fn genesis() -> Hash32 {
    System::block_hash(0).0
}

pub fn sign(account: u64, bytes: &[u8]) -> Signature {
    key(account).sign(bytes).0
}

/// 100 tokens of 4 layers at 5: an escrow of 2,000, a penalty of 300, 200 ms a token, 20 blocks.
pub fn terms() -> Terms {
    Terms {
        model: MODEL,
        range: LayerRange { first: 2, end: 6 },
        tokens: 100,
        price_per_layer_token: 5,
        max_latency_ms: 200,
        min_throughput_millitokens_per_s: 5_000,
        penalty: 300,
        duration: 20,
        signer: key(PAYER).public().0,
    }
}

pub const ESCROW: u128 = 2_000;

pub fn proposed() -> AgreementId {
    proposed_with(terms())
}

pub fn proposed_with(terms: Terms) -> AgreementId {
    let id = crate::NextId::<Test>::get();
    Sla::propose(RuntimeOrigin::signed(PAYER), WORKER, terms).expect("terms are good");
    id
}

pub fn accepted() -> AgreementId {
    let id = proposed();
    Sla::accept(RuntimeOrigin::signed(WORKER), id).expect("worker accepts");
    id
}

/// Claims `tokens`, of which the payer signed for `signed`.
pub fn claim(
    id: AgreementId,
    tokens: u32,
    signed: u32,
) -> frame_support::pallet_prelude::DispatchResult {
    let progress = (signed > 0).then(|| (signed, progress(id, signed, PAYER)));
    Sla::claim(RuntimeOrigin::signed(WORKER), id, tokens, [3; 32], 7, progress)
}

/// The signature of `signer`'s key under `tokens` received.
pub fn progress(agreement: AgreementId, tokens: u32, signer: u64) -> Signature {
    sign(signer, &Progress { agreement, tokens }.signing_bytes(&genesis()))
}

pub fn object(id: AgreementId) -> frame_support::pallet_prelude::DispatchResult {
    Sla::object(RuntimeOrigin::signed(PAYER), id)
}

pub fn get(id: AgreementId) -> Agreement<u64> {
    crate::Agreements::<Test>::get(id).expect("agreement exists")
}

pub fn is_over(id: AgreementId) -> bool {
    crate::Agreements::<Test>::get(id).is_none()
}

/// A measurement with the signature of `signer`'s key.
pub fn measured(
    agreement: AgreementId,
    tokens: u32,
    elapsed_ms: u64,
    signer: u64,
) -> (Completion, Signature) {
    let completion =
        Completion { agreement, tokens, elapsed_ms, receipts_root: [3; 32], receipts: 7 };
    let signature = sign(signer, &completion.signing_bytes(&genesis()));
    (completion, signature)
}

pub fn complete(
    who: u64,
    (completion, signature): (Completion, Signature),
) -> frame_support::pallet_prelude::DispatchResult {
    Sla::complete(RuntimeOrigin::signed(who), completion, signature)
}

/// Submits an acknowledgement with the signature of `signer`'s key.
pub fn acknowledge(
    agreement: AgreementId,
    signer: u64,
) -> frame_support::pallet_prelude::DispatchResult {
    let acknowledgement =
        Acknowledgement { agreement, request_hash: [5; 32], anchor: System::block_number() };
    let signature = sign(signer, &acknowledgement.signing_bytes(&genesis()));
    Sla::acknowledge(RuntimeOrigin::signed(PAYER), acknowledgement, signature)
}

pub fn held(account: u64) -> u128 {
    use frame_support::traits::fungible::InspectHold;
    Balances::balance_on_hold(&crate::HoldReason::Escrow.into(), &account)
}

pub fn free(account: u64) -> u128 {
    Balances::free_balance(account)
}

/// The pallet's events so far, and forgets them.
pub fn events() -> Vec<crate::Event<Test>> {
    let found = System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Sla(event) => Some(event),
            _ => None,
        })
        .collect();
    System::reset_events();
    found
}

//! A runtime of balances and agreements for the tests. Workers and their stake live in a ledger of
//! the test's own that keeps the registry's rules: a slash burns, once per offence, and jails. The
//! clock is not the system's.

use std::collections::BTreeMap;

use frame_support::{
    derive_impl,
    pallet_prelude::{DispatchResult, DispatchResultWithPostInfo, Pays},
    parameter_types,
    traits::{
        ConstU32, ConstU128, Hooks,
        fungible::Mutate,
        tokens::{Fortitude, Precision, Preservation},
    },
    weights::Weight,
};
use mica_primitives::{
    Agreement, AgreementId, Hash32, LayerRange, ModelId, Progress, PublicKey, Signature, Terms,
    WorkerRecord, WorkerStatus,
    hooks::{Offence, SlashWorker, Slashed, Workers},
};
use sp_core::{Pair, ed25519};
use sp_runtime::{BuildStorage, Perbill, Percent, traits::BlockNumberProvider};

use crate as pallet_mica_sla;

pub const PAYER: u64 = 1;
pub const WORKER: u64 = 2;
pub const STRANGER: u64 = 3;
pub const OTHER_WORKER: u64 = 4;
pub const FUNDS: u128 = 1_000_000;
pub const ED: u128 = 10;
pub const MIN_ESCROW: u128 = 100;
pub const STAKE: u128 = 100_000;
pub const MIN_STAKE: u128 = 20_000;
pub const MODEL: ModelId = ModelId([7; 32]);
pub const PROPOSAL: u32 = 10;
pub const ANSWER: u32 = 8;
pub const PER_BLOCK: u32 = 4;
/// What the agenda weighs here per block that it looks at, and per settlement.
pub const LOOK_WEIGHT: u64 = 3;
pub const SETTLE_WEIGHT: u64 = 1_000;

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
    pub static Now: u32 = 1;
    pub const AtRisk: Percent = Percent::from_percent(50);
}

/// A reporter's part of a slash, as in the runtime.
const REWARD: Perbill = Perbill::from_percent(25);

/// Keeps stake as a number and takes it from free balance.
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
        let reward = reporter.map_or(0, |_| REWARD.mul_floor(amount));
        if let Some(reporter) = reporter.filter(|_| reward > 0) {
            Balances::transfer(worker, reporter, reward, Preservation::Preserve)
                .expect("stake is funded");
        }
        let burned = amount - reward;
        let (keep, exact, force) = (Preservation::Preserve, Precision::Exact, Fortitude::Force);
        Balances::burn_from(worker, burned, keep, exact, force).expect("stake is funded");
        change(*worker, |record| {
            record.stake -= amount;
            if record.stake < MIN_STAKE {
                record.status = WorkerStatus::Jailed;
            }
        });
        Punished::mutate(|list| list.push((*worker, amount, offence, reporter.copied())));
        Slashed { burned, reward }
    }
}

impl mica_primitives::hooks::BenchmarkWorkers<u64> for Ledger {
    fn register_worker(worker: &u64, peer: PublicKey) -> ModelId {
        Balances::set_balance(worker, FUNDS);
        register(*worker, peer);
        change(*worker, |record| record.stake = MIN_STAKE);
        MODEL
    }
}

/// A clock of its own, as the runtime's, which may stand still while blocks are made.
pub struct Clock;
impl BlockNumberProvider for Clock {
    type BlockNumber = u32;
    fn current_block_number() -> u32 {
        Now::get()
    }
    fn set_block_number(block: u32) {
        Now::set(block);
    }
}

/// Weights that tell which term a sum is made of.
pub struct TestWeight;
impl crate::WeightInfo for TestWeight {
    fn propose() -> Weight {
        Weight::zero()
    }
    fn accept() -> Weight {
        Weight::zero()
    }
    fn cancel() -> Weight {
        Weight::zero()
    }
    fn request() -> Weight {
        Weight::zero()
    }
    fn acknowledge() -> Weight {
        Weight::zero()
    }
    fn claim() -> Weight {
        Weight::zero()
    }
    fn dispute() -> Weight {
        Weight::zero()
    }
    fn settle() -> Weight {
        Weight::from_parts(SETTLE_WEIGHT, 0)
    }
    fn agenda() -> Weight {
        Weight::from_parts(LOOK_WEIGHT, 0)
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
    type AnswerPeriod = ConstU32<ANSWER>;
    type MaxPerPayer = ConstU32<12>;
    type MaxPerWorker = ConstU32<10>;
    type MaxStakeAtRisk = AtRisk;
    type MaxSettlementsPerBlock = ConstU32<PER_BLOCK>;
    type BenchmarkWorkers = Ledger;
    type WeightInfo = TestWeight;
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
        Now::set(1);
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

/// Runs every block until the clock shows `block`; the invariants hold after each.
pub fn run_to(block: u32) {
    while Now::get() < block {
        make_block(1);
    }
}

/// Makes the next block, in whose beginning the clock goes on by `ticks`.
pub fn make_block(ticks: u32) -> Weight {
    let next = System::block_number() + 1;
    System::set_block_number(next);
    Now::set(Now::get() + ticks);
    let used = Sla::on_initialize(next);
    Sla::do_try_state().expect("invariants hold in every block");
    used
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

/// 100 tokens of 4 layers at 5, and a window of 16: an escrow of 2,000 and a deposit of 320, a
/// forfeit of 160. Ten blocks for the request, three for what comes before the first token, twenty
/// for the work.
pub fn terms() -> Terms {
    Terms {
        model: MODEL,
        range: LayerRange { first: 2, end: 6 },
        tokens: 100,
        price_per_layer_token: 5,
        window: 16,
        start_blocks: 10,
        first_blocks: 3,
        work_blocks: 20,
        signer: key(PAYER).public().0,
    }
}

pub const TOKEN: u128 = 20;
pub const DEPOSIT: u128 = 320;
pub const FORFEIT: u128 = 160;
pub const ESCROW: u128 = 2_000 + DEPOSIT;

/// First block in which an agreement that was accepted in block 1 is over, if nothing of the
/// request comes on chain.
pub const LIFE: u32 = 1 + 10 + 1;

/// Most blocks that all tokens may take.
pub const WORK: u32 = 3 + 20 + 1;

pub fn proposed() -> AgreementId {
    proposed_with(terms())
}

pub fn proposed_with(terms: Terms) -> AgreementId {
    let id = crate::NextId::<Test>::get();
    Sla::propose(RuntimeOrigin::signed(PAYER), WORKER, terms).expect("terms are good");
    id
}

pub fn accepted() -> AgreementId {
    accepted_with(terms())
}

pub fn accepted_with(terms: Terms) -> AgreementId {
    let id = proposed_with(terms);
    Sla::accept(RuntimeOrigin::signed(WORKER), id).expect("worker accepts");
    id
}

/// One that was accepted and acknowledged in this block.
pub fn working() -> AgreementId {
    let id = accepted();
    acknowledge(id).expect("worker acknowledges");
    id
}

/// The payer's word that it has `tokens`, in time.
pub fn received(agreement: AgreementId, tokens: u32) -> Progress {
    Progress {
        agreement,
        tokens,
        ended: false,
        elapsed_blocks: 0,
        receipts_root: [3; 32],
        receipts: 7,
    }
}

/// The same with the signature of `signer`'s key.
pub fn signed_by(signer: u64, progress: Progress) -> (Progress, Signature) {
    (progress, sign(signer, &progress.signing_bytes(&genesis())))
}

/// The worker claims with what the payer's key signed.
pub fn claim(progress: Progress) -> DispatchResult {
    let (progress, signature) = signed_by(PAYER, progress);
    without_fee(Sla::claim(RuntimeOrigin::signed(WORKER), progress, signature))
}

/// The worker disputes with what the payer's key signed, or with nothing.
pub fn dispute(id: AgreementId, progress: Option<Progress>) -> DispatchResult {
    let progress = progress.map(|progress| signed_by(PAYER, progress));
    without_fee(Sla::dispute(RuntimeOrigin::signed(WORKER), id, progress))
}

/// What became of a claim or a dispute. One that succeeds costs no fee.
pub fn without_fee(result: DispatchResultWithPostInfo) -> DispatchResult {
    let info = result.map_err(|failed| failed.error)?;
    assert_eq!(info.pays_fee, Pays::No);
    Ok(())
}

/// The payer asks on chain for an acknowledgement of [`HASH`].
pub fn request(id: AgreementId) -> DispatchResult {
    Sla::request(RuntimeOrigin::signed(PAYER), id, HASH)
}

pub const HASH: Hash32 = [5; 32];

/// The worker acknowledges [`HASH`].
pub fn acknowledge(id: AgreementId) -> DispatchResult {
    Sla::acknowledge(RuntimeOrigin::signed(WORKER), id, HASH)
}

pub fn get(id: AgreementId) -> Agreement<u64> {
    crate::Agreements::<Test>::get(id).expect("agreement exists")
}

pub fn is_over(id: AgreementId) -> bool {
    crate::Agreements::<Test>::get(id).is_none()
}

pub fn held(account: u64) -> u128 {
    use frame_support::traits::fungible::InspectHold;
    Balances::balance_on_hold(&crate::HoldReason::Escrow.into(), &account)
}

pub fn free(account: u64) -> u128 {
    Balances::free_balance(account)
}

/// What `account` owns, compared with the start. A worker's stake is part of its free balance here.
pub fn change_of(account: u64) -> i128 {
    (free(account) + held(account)) as i128 - FUNDS as i128
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

//! A runtime with the clock alone; the tests choose validators, authors and what halts.

use codec::Encode;
use frame_support::{
    ConsensusEngineId, derive_impl, parameter_types,
    traits::{FindAuthor, Hooks, ValidatorSet},
};
use mica_primitives::BlockNumber;
use sp_runtime::{BuildStorage, Digest, DigestItem, DispatchResult, traits::ConvertInto};
use sp_staking::SessionIndex;

use crate as pallet_mica_clock;

type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Clock: pallet_mica_clock,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

pub const BOUND: BlockNumber = 10;
const ENGINE: ConsensusEngineId = *b"test";

parameter_types! {
    pub const StallBound: BlockNumber = BOUND;
    pub const MaxAuthors: u32 = 100;
    pub static Halted: bool = false;
    pub static Validators: Vec<u64> = vec![0, 1, 2, 3];
    pub static Session: SessionIndex = 0;
    /// Voters of the next session, and those of them that author.
    pub static NextVoters: (u32, u32) = (4, 4);
    pub static Recovered: Vec<(BlockNumber, BlockNumber)> = vec![];
}

pub struct Authors;
impl ValidatorSet<u64> for Authors {
    type ValidatorId = u64;
    type ValidatorIdOf = ConvertInto;
    fn session_index() -> SessionIndex {
        Session::get()
    }
    fn validators() -> Vec<u64> {
        Validators::get()
    }
}

/// The author stands in the digest as it is.
pub struct FromDigest;
impl FindAuthor<u64> for FromDigest {
    fn find_author<'a, I>(digests: I) -> Option<u64>
    where
        I: 'a + IntoIterator<Item = (ConsensusEngineId, &'a [u8])>,
    {
        let (_, bytes) = digests.into_iter().find(|(engine, _)| *engine == ENGINE)?;
        codec::Decode::decode(&mut &*bytes).ok()
    }
}

pub struct Recover;
impl crate::RecoverFinality for Recover {
    fn next_voters() -> (u32, u32) {
        NextVoters::get()
    }
    fn recover(delay: BlockNumber, last_final: BlockNumber) -> DispatchResult {
        Recovered::mutate(|all| all.push((delay, last_final)));
        Ok(())
    }
}

impl crate::Config for Test {
    type Authors = Authors;
    type FindAuthor = FromDigest;
    type Halted = Halted;
    type RecoverFinality = Recover;
    type RecoverOrigin = frame_system::EnsureRoot<u64>;
    type StallBound = StallBound;
    type MaxAuthors = MaxAuthors;
    type WeightInfo = ();
}

/// Empty storage at block 0.
pub fn new_test_ext() -> sp_io::TestExternalities {
    // A property's cases share a thread.
    Halted::set(false);
    Session::set(0);
    Validators::set(vec![0, 1, 2, 3]);
    NextVoters::set((4, 4));
    Recovered::set(vec![]);
    let storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .expect("an empty genesis builds");
    sp_io::TestExternalities::from(storage)
}

/// Runs `test` on fresh storage and checks the invariants afterwards.
pub fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        test();
        Clock::do_try_state().expect("invariants hold after the test");
    });
}

/// Begins the next block, by `author`.
pub fn begin(author: u64) -> BlockNumber {
    let block = System::block_number() + 1;
    let digest = Digest { logs: vec![DigestItem::PreRuntime(ENGINE, author.encode())] };
    System::initialize(&block, &Default::default(), &digest);
    Clock::on_initialize(block);
    block
}

/// Ends the block.
pub fn end() {
    Clock::on_finalize(System::block_number());
    Clock::do_try_state().expect("invariants hold after each block");
}

/// One block by `author`, whose node knows `last` to be final.
pub fn block(author: u64, last: BlockNumber) {
    begin(author);
    Clock::note_final(RuntimeOrigin::none(), last).expect("the hint is valid");
    end();
}

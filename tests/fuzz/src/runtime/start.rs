//! The states in which a history begins: the preset's genesis, a market in full swing, and the same
//! market so much later that everything that anybody waits for is about to be free.
//!
//! Each is made once per thread, by real blocks. A history runs inside a storage transaction that
//! is rolled back at its end, so the next one begins in the same state.

use std::cell::RefCell;

use frame_support::storage::with_transaction_unchecked;
use mica_primitives::UNIT;
use mica_runtime::{Clock, System};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_io::TestExternalities;
use sp_runtime::{TransactionOutcome, traits::BlockNumberProvider};

use super::{
    World,
    calls::{self, amounts::transfer, channels, registry, staking},
    people::{NEWCOMERS, OWNER, PAYERS, PROXY, STRANGER, WORKERS},
};
use crate::chain;

/// Blocks of the clock by which the late market is later: a little less than a worker's unbonding.
const LATER: u32 = 1_780;

/// Where a history begins.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// At the first block of the preset with four validators.
    Genesis,
    /// With models, workers, channels, agreements, nominators, newcomers and proxies.
    Market,
    /// After some of these have left, [`LATER`] blocks on.
    Late,
}

thread_local! {
    static STATES: RefCell<[Option<TestExternalities>; 3]> = const { RefCell::new([None, None, None]) };
}

impl Start {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Genesis, Self::Market, Self::Late];

    /// Runs `history` on this state. What it does to it is forgotten.
    pub(crate) fn run<R>(self, history: impl FnOnce() -> R) -> R {
        let place = self as usize;
        // A history that panics takes the state with it: it is made anew.
        let state = STATES.with_borrow_mut(|states| states[place].take());
        let mut state = state.unwrap_or_else(|| self.make());
        let result = state.execute_with(|| {
            with_transaction_unchecked(|| TransactionOutcome::Rollback(history()))
        });
        STATES.with_borrow_mut(|states| states[place] = Some(state));
        result
    }

    fn make(self) -> TestExternalities {
        let mut state = match self {
            Self::Genesis => chain::genesis_of(LOCAL_TESTNET_RUNTIME_PRESET),
            Self::Market => Self::Genesis.make(),
            Self::Late => Self::Market.make(),
        };
        match self {
            Self::Genesis => state.execute_with(|| {
                chain::block_in_slot(1, 0, chain::FIRST_SLOT, None, vec![]);
            }),
            Self::Market => state.execute_with(|| open_market(&mut World::begin())),
            Self::Late => {
                state.execute_with(|| leave_market(&mut World::begin()));
                while state.execute_with(pass_time) {
                    commit(&mut state);
                }
            }
        }
        commit(&mut state);
        state
    }
}

/// Moves what changed into the state below, so that the root of the next block is quick to compute.
fn commit(state: &mut TestExternalities) {
    state.commit_all().expect("no transaction is open");
}

/// People get money, workers register, channels are opened, agreements proposed and accepted.
fn open_market(world: &mut World) {
    world.block_of(vec![
        (PAYERS[0], transfer(NEWCOMERS[0], 200_000 * UNIT)),
        (PAYERS[0], transfer(NEWCOMERS[1], 110_000 * UNIT)),
        (PAYERS[1], transfer(PROXY, 1_000 * UNIT)),
        (PAYERS[1], transfer(STRANGER, 150 * UNIT)),
        (OWNER, registry::register_model(0)),
        (OWNER, registry::register_model(1)),
    ]);
    world.block_of(vec![
        (WORKERS[0], registry::register(WORKERS[0], 0, 0, 8, 1_000 * UNIT)),
        (WORKERS[1], registry::register(WORKERS[1], 0, 8, 16, 500 * UNIT)),
        (WORKERS[2], registry::register(WORKERS[2], 0, 0, 16, 400 * UNIT)),
        (NEWCOMERS[0], staking::bond(150_000 * UNIT)),
        (NEWCOMERS[0], staking::set_keys(NEWCOMERS[0])),
        (NEWCOMERS[0], staking::validate()),
        (OWNER, staking::bond(50_000 * UNIT)),
        (OWNER, staking::nominate(&[6, 10])),
    ]);
    let open = |payee, window| channels::open(PAYERS[0], payee, 1_000 * UNIT, window);
    world.block_of(vec![
        (PAYERS[0], open(WORKERS[0], 20)),
        (PAYERS[0], open(WORKERS[1], 1_200)),
        (PAYERS[0], open(STRANGER, 40)),
        (PAYERS[1], channels::open(PAYERS[1], WORKERS[2], 2 * UNIT, 60)),
        (PAYERS[0], calls::agreements::propose(PAYERS[0], WORKERS[0], 0, 8, 40)),
        (PAYERS[1], calls::agreements::propose(PAYERS[1], WORKERS[2], 0, 16, 100)),
        (WORKERS[0], calls::agreements::accept(0)),
    ]);
    world.block_of(calls::wrapped::proxies());
}

/// The second worker leaves, the nominator unbonds, a payer asks to close.
fn leave_market(world: &mut World) {
    world.block_of(vec![
        (WORKERS[1], registry::unregister()),
        (OWNER, staking::unbond(20_000 * UNIT)),
        (WORKERS[1], channels::close_all(WORKERS[1])),
    ]);
}

/// Makes some of the blocks until the late market; returns whether there are more to make. The
/// other workers beat, the validators take turns and let every second slot pass.
fn pass_time() -> bool {
    let mut world = World::begin();
    for _ in 0..100 {
        if Clock::current_block_number() >= LATER {
            return false;
        }
        let beats = calls::beats::due(System::block_number());
        world.quiet_block(beats);
    }
    true
}

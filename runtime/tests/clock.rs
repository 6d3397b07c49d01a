//! The market's clock in the composed runtime: windows stand while finality stalls.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::UNIT;
use mica_runtime::{
    AccountId, BlockNumber, Channels, Clock, Grandpa, Registry, Runtime, RuntimeOrigin, SafeMode,
    Seats, Session, System,
    constants::{STALL_BOUND, durations::TEST},
};
use sp_consensus_grandpa::ScheduledChange;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::{Alice, Bob};
use sp_runtime::traits::BlockNumberProvider;

mod chain;
use chain::{
    check_state, drill, genesis_from, genesis_of,
    schedule::{LastFinal, Schedule, epoch_slots},
};

fn now() -> BlockNumber {
    Clock::current_block_number()
}

/// Four validators whose blocks become final.
fn running() -> Schedule {
    let mut chain = Schedule::begin();
    chain.last_final = LastFinal::Follows;
    chain.make_blocks(10);
    assert_eq!(now(), System::block_number());
    chain
}

/// Nothing becomes final any more; makes blocks until the clock stands.
fn stall(chain: &mut Schedule) {
    chain.last_final = LastFinal::Stalled(System::block_number() - 2);
    chain.make_blocks(STALL_BOUND + 8);
    assert!(Clock::clock().stands);
}

#[test]
fn the_clock_stands_while_finality_stalls_and_goes_on_after() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = running();
        let began = System::block_number();
        stall(&mut chain);
        let stood_at = now();
        // It stood as soon as the bound was passed, at four validators by four blocks later.
        assert_eq!(stood_at, began - 2 + STALL_BOUND + 4 + 1);
        chain.make_blocks(100);
        assert_eq!(now(), stood_at);
        check_state();
        chain.last_final = LastFinal::Follows;
        chain.make_blocks(30);
        assert!(!Clock::clock().stands);
        let behind = System::block_number() - now();
        chain.make_blocks(20);
        assert_eq!(System::block_number() - now(), behind, "it runs with the blocks again");
        assert!(behind > 100);
        check_state();
    });
}

#[test]
fn without_hints_the_clock_follows_the_blocks() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Schedule::begin();
        chain.make_blocks(3 * STALL_BOUND);
        assert_eq!(now(), System::block_number());
    });
}

#[test]
fn a_channels_window_does_not_run_while_the_clock_stands() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = running();
        let window: u32 = <Runtime as pallet_mica_channels::Config>::MinWindow::get();
        let payer = || RuntimeOrigin::signed(Alice.to_account_id());
        assert_ok!(Channels::open(payer(), Bob.to_account_id(), [1; 32], UNIT, window));
        let (channel, _) = Channels::channels_of(&Alice.to_account_id())[0].clone();
        stall(&mut chain);
        assert_ok!(Channels::close(payer(), channel));
        // Blocks for several windows pass; the payee, who waits for final blocks, loses none.
        chain.make_blocks(5 * window);
        assert_noop!(
            Channels::finish(payer(), channel),
            pallet_mica_channels::Error::<Runtime>::WindowRuns
        );
        chain.last_final = LastFinal::Follows;
        let resumed = now();
        while now() == resumed {
            chain.make_blocks(1);
        }
        chain.make_blocks(window - 2);
        assert_noop!(
            Channels::finish(payer(), channel),
            pallet_mica_channels::Error::<Runtime>::WindowRuns
        );
        chain.make_blocks(1);
        assert_ok!(Channels::finish(payer(), channel));
        check_state();
    });
}

#[test]
fn the_clock_stands_while_safe_mode_holds_and_blocks_keep_their_hints() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = running();
        assert_ok!(SafeMode::force_enter(RuntimeOrigin::root()));
        let stood_at = now();
        chain.make_blocks(20);
        assert_eq!(now(), stood_at);
        assert!(Clock::clock().last_final > Some(System::block_number() - 10));
        assert_ok!(SafeMode::force_exit(RuntimeOrigin::root()));
        chain.make_blocks(3);
        assert_eq!(now(), stood_at + 3);
        check_state();
    });
}

#[test]
fn every_market_pallet_reads_this_clock() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        type ClockOfChannels = <Runtime as pallet_mica_channels::Config>::Clock;
        type ClockOfSla = <Runtime as pallet_mica_sla::Config>::Clock;
        type ClockOfRegistry = <Runtime as pallet_mica_registry::Config>::BlockNumberProvider;
        type ClockOfReceipts = <Runtime as pallet_mica_receipts::Config>::BlockNumberProvider;
        pallet_mica_clock::Now::<Runtime>::put(77);
        System::set_block_number(99);
        for read in [
            ClockOfChannels::current_block_number(),
            ClockOfSla::current_block_number(),
            ClockOfRegistry::current_block_number(),
            ClockOfReceipts::current_block_number(),
        ] {
            assert_eq!(read, 77);
        }
        let _ = Registry::parameters();
    });
}

#[test]
fn recovery_changes_the_voters_by_force_at_the_next_session() {
    const DELAY: BlockNumber = 25;
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = running();
        let root = RuntimeOrigin::root;
        assert_noop!(
            Clock::recover_finality(root(), DELAY, 9),
            pallet_mica_clock::Error::<Runtime>::NotStalled
        );
        stall(&mut chain);
        let last_final = Clock::clock().last_final.expect("authors said it");
        let set = Grandpa::current_set_id();
        assert_noop!(
            Clock::recover_finality(root(), DELAY, last_final + 1),
            pallet_mica_clock::Error::<Runtime>::NotKnownFinal
        );
        assert_ok!(Clock::recover_finality(root(), DELAY, last_final));
        let mut signalled = None;
        for _ in 0..epoch_slots() + 1 {
            chain.pass_slot();
            signalled = signalled.or_else(forced_change);
        }
        let (median, change) = signalled.expect("the next session's first block signals it");
        assert_eq!((median, change.delay), (last_final, DELAY));
        assert_eq!(change.next_authorities.len(), Session::validators().len());
        assert_eq!(Grandpa::current_set_id(), set + 1);
        chain.make_blocks(DELAY);
        assert!(Grandpa::pending_change().is_none(), "it is in force");
        check_state();
    });
}

#[test]
fn recovery_waits_until_an_election_has_replaced_the_lost_voters() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = running();
        stall(&mut chain);
        // Past the first era's election, so that the next one is a hundred slots away.
        chain.pass_slots(60);
        let lost = Session::validators().split_off(2);
        chain.away = lost.clone();
        let recover = || {
            let last_final = Clock::clock().last_final.expect("authors said it");
            Clock::recover_finality(RuntimeOrigin::root(), 25, last_final)
        };
        let named = || Session::queued_keys().iter().any(|(account, _)| lost.contains(account));
        let works = |account: &AccountId| Seats::working().contains(account);
        let era = epoch_slots() * u64::from(TEST.sessions_per_era);
        let mut pass_until = |is_so: &dyn Fn() -> bool| {
            let passed = (0..3 * era).any(|_| {
                chain.pass_slot();
                is_so()
            });
            assert!(passed, "three eras are enough");
        };
        pass_until(&|| !lost.iter().any(works));
        assert!(named(), "both are idle long before the next election");
        assert_noop!(recover(), pallet_mica_clock::Error::<Runtime>::VotersLost);
        pass_until(&|| !named());
        assert_ok!(recover());
        check_state();
    });
}

/// The network test walks the same way with real nodes, three seconds a slot.
#[test]
fn in_a_drill_the_lost_voters_are_replaced_within_minutes() {
    genesis_from(drill()).execute_with(|| {
        let mut chain = running();
        chain.last_final = LastFinal::Stalled(System::block_number() - 2);
        let lost = Session::validators().split_off(2);
        chain.away = lost.clone();
        let is_in = |who: &AccountId| {
            Session::validators().contains(who)
                || Session::queued_keys().iter().any(|(account, _)| account == who)
        };
        let ready = || !lost.iter().any(is_in) && Clock::clock().stands;
        let slots = (1..80).find(|_| {
            chain.pass_slot();
            ready()
        });
        assert!(slots.is_some(), "more than four minutes");
        let last_final = Clock::clock().last_final.expect("authors said it");
        assert_ok!(Clock::recover_finality(RuntimeOrigin::root(), 5, last_final));
        let passed = (0..=epoch_slots()).any(|_| {
            chain.pass_slot();
            forced_change().is_some()
        });
        assert!(passed, "the next session announces it");
        check_state();
    });
}

/// The forced change that this block's digest signals to the nodes.
fn forced_change() -> Option<(BlockNumber, ScheduledChange<BlockNumber>)> {
    use sp_consensus_grandpa::{ConsensusLog, GRANDPA_ENGINE_ID};
    System::digest().logs.iter().find_map(|log| {
        match log.consensus_try_to::<ConsensusLog<BlockNumber>>(&GRANDPA_ENGINE_ID)? {
            ConsensusLog::ForcedChange(median, change) => Some((median, change)),
            _ => None,
        }
    })
}

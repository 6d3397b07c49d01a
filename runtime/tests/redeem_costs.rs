//! How large a redeem is, and how many a block takes: blocks are filled by the real runtime, with
//! its weights and its limits of time and of bytes, until it refuses another.
//!
//! With `--nocapture` it prints the rows of the table that `scripts/bench-chain.sh` makes.

use std::{collections::BTreeSet, io::Write};

use codec::Encode;
use frame_support::assert_ok;
use mica_primitives::{
    BlockNumber, ChannelId, Lock, MAX_LANES, Redeem, Tick, TickProof, UNIT, Voucher,
    domain::blake2_256,
};
use mica_runtime::{
    Channels, Executive, Hash, Nonce, RuntimeCall, RuntimeOrigin, System, UncheckedExtrinsic,
    constants::HOURS,
};
use sp_core::{Pair, ed25519};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::{Alice, Bob};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

mod chain;
use chain::{genesis_of, make_block, make_block_with, signed};

/// Most bytes of a signed extrinsic that redeems.
const MOST_BYTES: usize = 400;
/// Fewest redeems that a block must take.
const LEAST_PER_BLOCK: u32 = 1_000;
/// Redeems that a payee with several lanes or channels sends together.
const BATCH: u32 = 32;
/// Channels whose lanes are redeemed in turn: more lanes than a block takes redeems.
const CHANNELS: usize = 80;
/// Ticks that a redeem shows after a short answer.
const TICKS: u16 = 32;

/// What becomes a row of the table.
fn report(what: &str, found: impl std::fmt::Display, wanted: &str) {
    let _ = writeln!(std::io::stdout(), "| {what} | {found} | {wanted} |");
}

fn key() -> ed25519::Pair {
    ed25519::Pair::from_seed(&[7; 32])
}

/// A voucher without a tick chain or a lock.
fn plain(channel: ChannelId, lane: u16, seq: u64) -> Voucher {
    Voucher {
        channel,
        lane,
        seq,
        cumulative: u128::from(seq) * 1_000_000,
        receipts_root: [seq as u8; 32],
        receipts: seq,
        expires: BlockNumber::MAX,
        tick: None,
        lock: None,
        bounty: 0,
    }
}

fn redeem(voucher: Voucher) -> Redeem {
    let genesis: Hash = System::block_hash(0);
    let signature = key().sign(&voucher.signing_bytes(&genesis.0)).0;
    Redeem { voucher, signature, tick: None, preimage: None }
}

/// `voucher` with the end of a chain whose last `n` ticks are shown.
fn ticking(voucher: Voucher, n: u16) -> Redeem {
    let preimage = [3; 32];
    let anchor = (0..n).fold(preimage, |value, _| blake2_256(&value));
    let tick = Some(Tick { anchor, unit: 1, max: 1_024 });
    Redeem { tick: Some(TickProof { n, preimage }), ..redeem(Voucher { tick, ..voucher }) }
}

fn locked(voucher: Voucher) -> Redeem {
    let preimage = [4; 32];
    let lock =
        Some(Lock { hash: blake2_256(&preimage), amount: 1_000_000, expires: BlockNumber::MAX });
    Redeem { preimage: Some(preimage), ..redeem(Voucher { lock, ..voucher }) }
}

fn call(redeem: Redeem) -> RuntimeCall {
    RuntimeCall::Channels(pallet_mica_channels::Call::redeem { redeem })
}

/// Opens a channel from Alice to Bob.
fn open() -> ChannelId {
    let (payer, payee) = (Alice.to_account_id(), Bob.to_account_id());
    let before: BTreeSet<ChannelId> =
        Channels::channels_of(&payer).into_iter().map(|(id, _)| id).collect();
    assert_ok!(Channels::open(
        RuntimeOrigin::signed(payer.clone()),
        payee,
        key().public().0,
        1_000 * UNIT,
        HOURS
    ));
    let mut now = Channels::channels_of(&payer).into_iter().map(|(id, _)| id);
    now.find(|id| !before.contains(id)).expect("it is there")
}

/// A chain that has made a block.
fn on_a_chain(run: impl FnOnce()) {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        run();
    });
}

/// Fills block `number` with what `next` makes of an ever higher number and Bob's nonce; returns
/// how many it took.
fn fill(number: BlockNumber, mut next: impl FnMut(u32, Nonce) -> UncheckedExtrinsic) -> u32 {
    let first = System::account_nonce(Bob.to_account_id());
    make_block_with(number, 0, 0, || {
        for taken in 0.. {
            match Executive::apply_extrinsic(next(taken, first + taken)) {
                Ok(done) => done.expect("a new voucher that pays"),
                Err(TransactionValidityError::Invalid(InvalidTransaction::ExhaustsResources)) => {
                    return taken;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        unreachable!("a block is full some time")
    })
}

/// Fills block `number` with batches of what `next` makes; returns how many redeems it took.
fn fill_with_batches(number: BlockNumber, mut next: impl FnMut() -> Redeem) -> u32 {
    let batches = fill(number, |_, nonce| {
        let calls = (0..BATCH).map(|_| call(next())).collect();
        signed(Bob, nonce, RuntimeCall::Utility(pallet_utility::Call::force_batch { calls }))
    });
    BATCH * batches
}

#[test]
fn a_signed_redeem_has_at_most_four_hundred_bytes() {
    on_a_chain(|| {
        let large = Voucher { cumulative: u128::MAX, ..plain(open(), 15, u64::MAX / 1_000_000) };
        for (what, redeem) in [
            ("without a tick", redeem(large.clone())),
            ("with a tick", ticking(large.clone(), 2)),
            ("with a lock", locked(large)),
        ] {
            let bytes = signed(Bob, u32::MAX, call(redeem)).encode().len();
            report(
                &format!("a redeem {what}, signed"),
                format!("{bytes} bytes"),
                &format!("at most {MOST_BYTES} bytes"),
            );
            assert!(bytes <= MOST_BYTES, "{what}: {bytes}");
        }
    });
}

#[test]
fn a_block_takes_a_thousand_redeems() {
    on_a_chain(|| {
        let channels: Vec<ChannelId> = (0..CHANNELS).map(|_| open()).collect();
        let lanes = u64::from(MAX_LANES);
        let all = channels.len() as u64 * lanes;
        let mut made = 0;
        // On the lanes of all channels in turn.
        let mut next = move || {
            let (place, round) = (made % all, made / all);
            made += 1;
            plain(channels[(place / lanes) as usize], (place % lanes) as u16, round + 1)
        };
        let wanted = format!("at least {LEAST_PER_BLOCK}");

        let first = fill_with_batches(2, || redeem(next()));
        report(&format!("redeems in a block, {BATCH} together, the first of each lane"), first, "");
        assert!(u64::from(first) < all, "there are lanes for more");
        // Up to the last lane, so that each has its root.
        let rest = fill_with_batches(3, || redeem(next()));
        assert!(u64::from(first + rest) > all, "every lane was used");

        let later = fill_with_batches(4, || redeem(next()));
        report(&format!("redeems in a block, {BATCH} together, later ones"), later, &wanted);
        let ticks = fill_with_batches(5, || ticking(next(), TICKS));
        report(&format!("the same, {TICKS} ticks shown by each"), ticks, "");
        let alone = fill(6, |_, nonce| signed(Bob, nonce, call(redeem(next()))));
        report("redeems in a block, an extrinsic each, later ones", alone, "");
        assert!(later >= LEAST_PER_BLOCK, "{later}");
        assert!(first < later && alone < ticks && ticks <= later, "{first} {alone} {ticks}");
    });
}

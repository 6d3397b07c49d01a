//! The composed runtime, natively, under any history: people, blocks, slots, eras, a clock that
//! stalls.
//!
//! An input is a sequence of steps. Most are a block with some calls by payers, payees, workers,
//! validators, nominators, a proxy, root and a stranger, signed and paid for like all others, or
//! damaged. Others let time pass: empty blocks, skipped slots, whole sessions, authors that stay
//! away or say that nothing becomes final. Every block goes through the runtime's own
//! `Executive`.
//!
//! After each block the state of every pallet is checked (`try_state`), and then what no pallet
//! sees alone: the [`watch`] knows the state before, what was signed and what happened.
//!
//! [`seeds`] has the corpus; `tests/histories.rs` breaks the state on purpose and sees that it is
//! noticed.
//! `FUZZ_TRACE=1 make fuzz TARGET=runtime INPUT=file` tells what happens in one input.

mod calls;
mod people;
pub mod seeds;
mod start;
mod watch;

use std::{collections::BTreeSet, sync::LazyLock};

use codec::Encode;
use frame_support::{storage::with_transaction_unchecked, traits::Contains};
use mica_primitives::{BlockNumber, Hash32};
use mica_runtime::{
    AccountId, Babe, Executive, RuntimeCall, SafeMode, Session, System, UncheckedExtrinsic,
    configs::safe_mode::InSafeMode,
};
use sp_runtime::{
    ApplyExtrinsicResult, TransactionOutcome,
    generic::Preamble,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};

use crate::{
    chain::{self, schedule::Schedule},
    outcome::Outcome,
    reader::Reader,
};
use calls::{Sent, promises::Promises, wrapped::principals};
pub use people::account;
use people::{STASHES, Who, person};
use start::Start;
use watch::Watch;

/// Most blocks of one input.
const MAX_BLOCKS: u32 = 240;
/// Most slots that are passed over because their authors are away.
const MAX_AWAY: u32 = 64;

/// Most characters of a call that are told.
const MAX_TRACED: usize = 400;

/// Whether to tell what happens.
static TRACE: LazyLock<bool> = LazyLock::new(|| std::env::var_os("FUZZ_TRACE").is_some());

/// Runs the history in `bytes`. Returns which calls were made and what they came to, whatever the
/// order.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::new();
    run_with(bytes, |_| {}).iter().flatten().for_each(|byte| outcome.note(u64::from(*byte)));
    outcome.number()
}

/// The same; `between` is called after each step that makes blocks, with how many there were.
/// Returns what [`kind_and_result`] makes of everything that was sent.
pub fn run_with(bytes: &[u8], mut between: impl FnMut(u32)) -> BTreeSet<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    reader.pick(&Start::ALL).run(|| {
        let mut world = World::begin();
        while !reader.is_empty() && world.blocks < MAX_BLOCKS {
            let before = world.blocks;
            world.step(&mut reader);
            if world.blocks > before {
                between(world.blocks);
            }
        }
        world.seen
    })
}

/// A transaction's call, by the numbers of its pallet and of itself, and what became of it.
pub fn kind_and_result(kind: &[u8], result: ApplyExtrinsicResult) -> Vec<u8> {
    (kind, result).encode()
}

/// The chain's first hash, to which everything that is signed is bound.
fn genesis_hash() -> Hash32 {
    System::block_hash(0).0
}

/// What authors say of finality.
#[derive(Clone, Copy)]
enum Finality {
    /// All but the last two blocks are final.
    Follows,
    /// Nothing.
    Unsaid,
    /// Nothing after this block is final.
    Stalled(BlockNumber),
    /// Every second author has seen nothing after this block.
    Apart(BlockNumber),
}

/// A chain, and the people around it.
struct World {
    slot: u64,
    finality: Finality,
    /// Validators that make no blocks.
    away: BTreeSet<AccountId>,
    promises: Promises,
    watch: Watch,
    blocks: u32,
    /// Wrapped calls that are being put together.
    depth: u32,
    /// In whose name something was sent in this block.
    principals: BTreeSet<AccountId>,
    /// Calls and what they came to.
    seen: BTreeSet<Vec<u8>>,
}

impl World {
    /// Goes on from the state as it is.
    fn begin() -> Self {
        Self {
            slot: *Babe::current_slot(),
            finality: Finality::Follows,
            away: BTreeSet::new(),
            promises: Promises::default(),
            watch: Watch::begin(),
            blocks: 0,
            depth: 0,
            principals: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self, reader: &mut Reader<'_>) {
        match reader.below(16) {
            0 => self.pass_blocks(1 + reader.below(24), 0),
            1 => self.pass_blocks(1, 1 + reader.below(40) as u64),
            2 => self.pass_blocks(1 + reader.below(12), chain::schedule::epoch_slots()),
            3 => self.change_finality(reader),
            4 => self.change_authors(reader),
            _ => {
                let calls = 1 + reader.below(6);
                self.block(0, |world| (0..calls).for_each(|_| world.act(reader)));
            }
        }
    }

    fn pass_blocks(&mut self, count: usize, skipped: u64) {
        for _ in 0..count {
            self.block(skipped, |_| {});
        }
    }

    fn change_finality(&mut self, reader: &mut Reader<'_>) {
        let last = System::block_number().saturating_sub(u32::from(reader.byte()));
        self.finality = match reader.below(6) {
            0 => Finality::Unsaid,
            1 | 2 => Finality::Stalled(last),
            3 => Finality::Apart(last),
            _ => Finality::Follows,
        };
    }

    fn change_authors(&mut self, reader: &mut Reader<'_>) {
        let away = reader.byte();
        let is_away = |place: &(usize, &Who)| away & (1 << place.0) != 0;
        self.away =
            STASHES.iter().enumerate().filter(is_away).map(|(_, who)| account(*who)).collect();
    }

    /// The next slot with somebody to fill it, after `skipped` empty ones, and its author.
    fn next_author(&mut self, skipped: u64) -> u32 {
        self.slot += skipped;
        for _ in 0..MAX_AWAY {
            self.slot += 1;
            let (validators, author) = Schedule::author(self.slot);
            let is_disabled = Session::disabled_validators().contains(&author);
            if !is_disabled && !self.away.contains(&validators[author as usize]) {
                return author;
            }
        }
        // All are away: they come back.
        self.away.clear();
        self.next_author(0)
    }

    fn hint(&self, author: u32) -> Option<BlockNumber> {
        let parent = System::block_number();
        match self.finality {
            Finality::Unsaid => None,
            Finality::Stalled(last) => Some(last),
            Finality::Apart(last) if author % 2 == 1 => Some(last),
            Finality::Follows | Finality::Apart(_) => Some(parent.saturating_sub(2)),
        }
    }

    /// Makes a block with whatever `fill` sends, and checks the state after it.
    fn block(&mut self, skipped: u64, fill: impl FnOnce(&mut Self)) {
        let author = self.next_author(skipped);
        let (number, hint) = (System::block_number() + 1, self.hint(author));
        self.principals.clear();
        if *TRACE {
            eprintln!("block {number} in slot {} by {author}, final {hint:?}", self.slot);
        }
        chain::block_with(number, author, self.slot, hint, || fill(self));
        self.watch.after(&self.promises, &self.principals);
        self.blocks += 1;
    }

    /// Makes a block of calls that all succeed.
    fn block_of(&mut self, calls: Vec<Sent>) {
        self.block(0, |world| {
            for (who, call) in calls {
                let name = format!("{call:?}");
                let result = world.sign_and_apply(who, call, 0);
                assert!(matches!(result, Ok(Ok(()))), "{name}: {result:?}");
            }
        });
    }

    /// Makes a block of unsigned calls by any author, in the second slot from the last. Nothing is
    /// checked: this is for the time before a history begins.
    fn quiet_block(&mut self, calls: Vec<RuntimeCall>) {
        let number = System::block_number() + 1;
        self.slot += 2;
        let (validators, _) = Schedule::author(self.slot);
        let author = number % validators.len() as u32;
        chain::unchecked_block(number, author, self.slot, self.hint(author), || {
            for call in calls {
                let result = apply(UncheckedExtrinsic::new_bare(call));
                assert!(matches!(result, Ok(Ok(()))), "{result:?}");
            }
        });
    }

    /// Sends the next call of the input.
    fn act(&mut self, reader: &mut Reader<'_>) {
        if reader.below(8) == 0 {
            let beat = calls::beats::next(reader);
            let result = apply(UncheckedExtrinsic::new_bare(beat.call));
            let is_full = result == Err(InvalidTransaction::ExhaustsResources.into());
            assert!(is_full || result.is_ok() == beat.is_due, "a heartbeat is taken when due");
            self.seen.insert(kind_and_result(&[], result));
            return;
        }
        let (who, call) = calls::next(self, reader);
        let kind = call.encode()[..2].to_vec();
        let result = match reader.below(24) {
            0 => self.damaged(who, call, reader),
            1 => self.sign_and_apply(who, call, calls::amounts::usual(reader)),
            _ => self.sign_and_apply(who, call, 0),
        };
        self.seen.insert(kind_and_result(&kind, result));
    }

    fn sign_and_apply(&mut self, who: Who, call: RuntimeCall, tip: u128) -> ApplyExtrinsicResult {
        principals(&call, &account(who), &mut self.principals);
        let is_refused = SafeMode::is_entered() && !InSafeMode::contains(&call);
        let nonce = System::account_nonce(account(who));
        let result = apply(chain::signed_by(&person(who).pair, nonce, call, tip));
        assert!(!(is_refused && result == Ok(Ok(()))), "safe mode lets nothing through");
        result
    }

    /// Sends a transaction that nobody signed like that: it never gets into a block.
    fn damaged(
        &mut self,
        who: Who,
        call: RuntimeCall,
        reader: &mut Reader<'_>,
    ) -> ApplyExtrinsicResult {
        let nonce = System::account_nonce(account(who));
        let (pair, other) = (&person(who).pair, frame_system::Call::remark { remark: vec![9] });
        let transaction = match reader.below(3) {
            0 => chain::signed_by(pair, nonce + 1, call, 0),
            1 => chain::signed_by(pair, nonce.wrapping_sub(1), call, 0),
            _ => {
                let mut transaction = chain::signed_by(pair, nonce, other.into(), 0);
                transaction.function = call;
                transaction
            }
        };
        let result = apply(transaction);
        assert!(matches!(result, Err(TransactionValidityError::Invalid(_))), "{result:?}");
        result
    }
}

/// Applies a transaction as an author does: one that is refused leaves nothing behind.
fn apply(transaction: UncheckedExtrinsic) -> ApplyExtrinsicResult {
    let text = (*TRACE).then(|| {
        let sender = match &transaction.preamble {
            Preamble::Signed(sender, ..) => people::name(sender),
            _ => "nobody".to_owned(),
        };
        format!("{sender}: {:?}", transaction.function)
    });
    let result = with_transaction_unchecked(|| match Executive::apply_extrinsic(transaction) {
        Ok(done) => TransactionOutcome::Commit(Ok(done)),
        Err(refused) => TransactionOutcome::Rollback(Err(refused)),
    });
    if let Some(text) = text {
        eprintln!("  {}: {result:?}", text.chars().take(MAX_TRACED).collect::<String>());
    }
    result
}

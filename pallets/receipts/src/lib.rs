//! # Receipts: what payers accepted for their money, kept long enough to be proved wrong
//!
//! ## Overview
//! A worker signs a receipt for every chunk of positions that it computes. The payer collects them
//! in an append-only tree per lane and puts the tree's root into each voucher. When the voucher is
//! redeemed, the root is **fixed**: neither side can exchange a receipt for another afterwards.
//! This pallet keeps that root for an audit window and then forgets it.
//!
//! ## Roles
//! * The channels pallet reports each redeemed voucher through [`OnRedeem`].
//! * Payers, workers and auditors look roots up through [`runtime_api`].
//!
//! The pallet has no calls: nobody can write a root but by redeeming a voucher that the payer
//! signed.
//!
//! ## Two roots of a lane
//! A voucher that its payee submits fixes a root with the payee's consent. One that somebody else
//! submits fixes its root as well, in a place of its own, or a worker would redeem through a second
//! account and answer for nothing. A payer may pin a root there that it made up. That harms nobody:
//! it replaces no root of the payee, and a dispute needs a receipt with the worker's signature
//! under the root. Whoever audits a lane reads both: a worker may have fixed an old root itself and
//! let a second account redeem what came later.
//!
//! The payee's root gives way to no root over fewer receipts while its window is open: a worker in
//! league with its payer could hide receipts behind it. In the other place anybody who has a
//! voucher may stand, so there the last one counts.
//!
//! ## State of a root
//! ```text
//!   redeem with receipts                     block + AuditWindow reached, and the queue has come round
//!   ────────────────────▶ Fixed{seq, root, count, block} ───────────────────────────────────────────▶ (gone)
//!                          │  ▲
//!                          └──┘ redeem with a higher seq and no fewer receipts: the window starts again
//! ```
//! A voucher without receipts fixes nothing and leaves an earlier root as it is.
//!
//! ## Removal
//! Every root stands in a queue once, with the block in which it was queued. `on_idle` looks at no
//! more than `MaxRemovalsPerBlock` entries from the front and at none that the block has no weight
//! left for: it removes a root whose window is over, sends one that was renewed meanwhile to the
//! back, and stops at the first that was queued less than a window ago. Nobody can hold up the
//! queue by renewing, and a queue cannot be full, so a redeem cannot fail here. A root stays
//! readable for at least `AuditWindow` blocks after its last redeem and, unless blocks leave no
//! weight, is stored for less than twice that long. Reads do not see one whose window is over: by
//! then nobody can be held to it.
//!
//! What it costs to fill the queue: a root needs a redeem that pays, paid by weight, on a lane of a
//! channel with a deposit, at most two for each of 16 lanes.
//!
//! ## Invariants (`Pallet::do_try_state`)
//! 1. The queue's numbers are `Head .. Tail`, without a gap, nothing lies outside, and the blocks
//!    of queueing never fall.
//! 2. Each root stands in the queue exactly once, and each entry of the queue has a root.
//! 3. A root has at least one receipt, on a lane below 16, and was not fixed in the future.
//!
//! ## Where audits and disputes join
//! Sampling needs three things that are here: the root and its count ([`Roots`]), who signed it
//! (`worker`, whose peer key the registry knows), and the block in which it was fixed, so that the
//! randomness that picks leaves can come from a later one. A dispute names (channel, lane, seq),
//! proves its leaf under the root, and must be opened while the root is here; the registry's
//! `LongestDispute` has to be at least `AuditWindow` plus the rounds of a dispute, so that the
//! stake is still on hold at its end.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod queue;

pub mod runtime_api;
pub mod weights;

// Benchmarks run once each as tests.
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;

pub use pallet::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use mica_primitives::{
        BlockNumber, ChannelId, Hash32, LaneId, ReceiptRoot, settlement::Submitter,
    };
    use sp_runtime::traits::BlockNumberProvider;

    use crate::WeightInfo;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The clock of the audit window.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;
        /// Blocks that a root is kept after it was fixed.
        #[pallet::constant]
        type AuditWindow: Get<BlockNumber>;
        /// Most entries of the queue that one block looks at. Should be no less than the redeems
        /// that a block can hold.
        #[pallet::constant]
        type MaxRemovalsPerBlock: Get<u32>;
        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// One entry of the queue.
    #[derive(
        Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct Queued {
        /// The root's channel.
        pub channel: ChannelId,
        /// The root's lane.
        pub lane: LaneId,
        /// Who submitted its voucher.
        pub by: Submitter,
        /// Block in which the entry came to the back of the queue.
        pub since: BlockNumber,
    }

    /// The last root of each lane that the payee fixed, and the last that somebody else fixed,
    /// while they are within their audit window.
    #[pallet::storage]
    pub type Roots<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        ChannelId,
        Twox64Concat,
        (LaneId, Submitter),
        ReceiptRoot<T::AccountId>,
    >;

    /// Lanes with a root, by their number in the queue.
    #[pallet::storage]
    pub type Queue<T: Config> = StorageMap<_, Twox64Concat, u64, Queued>;

    /// Number of the queue's first entry.
    #[pallet::storage]
    pub type Head<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Number that the queue's next entry gets.
    #[pallet::storage]
    pub type Tail<T: Config> = StorageValue<_, u64, ValueQuery>;

    #[pallet::event]
    #[allow(missing_docs, reason = "the sentence of a variant speaks of its fields")]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A root is fixed: what it covers can be audited from now on.
        RootFixed {
            channel: ChannelId,
            lane: LaneId,
            seq: u64,
            root: Hash32,
            count: u64,
            worker: T::AccountId,
        },
        /// A root's audit window is over.
        RootRemoved { channel: ChannelId, lane: LaneId },
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Removes roots whose window is over; see the crate's documentation.
        fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
            Self::remove_old(remaining)
        }

        fn integrity_test() {
            assert!(T::AuditWindow::get() > 0, "a root must be readable for a while");
            assert!(T::MaxRemovalsPerBlock::get() > 0, "roots must be removed at some time");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}

use alloc::vec::Vec;
use frame_support::traits::Get;
use mica_primitives::{
    BlockNumber, ChannelId, LaneId, ReceiptRoot,
    hooks::{OnRedeem, Redeemed, Saved},
    settlement::Submitter,
};
use sp_runtime::traits::BlockNumberProvider;

impl<T: Config> Pallet<T> {
    /// The roots of a lane whose audit windows are open: the payee's, then the one that somebody
    /// else fixed.
    pub fn roots(channel: ChannelId, lane: LaneId) -> Vec<ReceiptRoot<T::AccountId>> {
        let places = [Submitter::Payee, Submitter::Other];
        places.into_iter().filter_map(|by| Self::root(channel, lane, by)).collect()
    }

    /// The root that redeems `by` the payee or by somebody else have fixed on a lane, while its
    /// audit window is open.
    pub fn root(
        channel: ChannelId,
        lane: LaneId,
        by: Submitter,
    ) -> Option<ReceiptRoot<T::AccountId>> {
        Roots::<T>::get(channel, (lane, by)).filter(Self::is_open)
    }

    /// Whether the audit window of `root` is open.
    pub(crate) fn is_open(root: &ReceiptRoot<T::AccountId>) -> bool {
        Self::now().saturating_sub(root.block) < T::AuditWindow::get()
    }

    /// Blocks that a root is kept after it was fixed.
    pub fn audit_window() -> BlockNumber {
        T::AuditWindow::get()
    }

    /// This block, on the clock of the audit window.
    fn now() -> BlockNumber {
        T::BlockNumberProvider::current_block_number()
    }
}

/// What a redeem need not read and write if its root has a place in the queue already: the queue's
/// end and the entry there.
const QUEUE: Saved = Saved { reads: 1, writes: 2 };
/// What it need not if it fixes no root: the root is not written either.
const QUEUE_AND_ROOT: Saved = Saved { reads: QUEUE.reads, writes: QUEUE.writes + 1 };

impl<T: Config> OnRedeem<T::AccountId> for Pallet<T> {
    fn on_redeem(redeemed: &Redeemed<T::AccountId>) -> Saved {
        let Redeemed { payer, payee, channel, lane, seq, receipts_root, receipts, by } = redeemed;
        if *receipts == 0 {
            return QUEUE_AND_ROOT;
        }
        let fixed = ReceiptRoot {
            seq: *seq,
            root: *receipts_root,
            count: *receipts,
            payer: payer.clone(),
            worker: payee.clone(),
            by: *by,
            block: Self::now(),
        };
        let place = (*lane, *by);
        let kept = Self::root(*channel, *lane, *by).is_some_and(|known| known.count > *receipts);
        if kept && *by == Submitter::Payee {
            return QUEUE_AND_ROOT;
        }
        let queued = Roots::<T>::contains_key(channel, place);
        if !queued {
            Self::push(*channel, place);
        }
        Roots::<T>::insert(channel, place, fixed);
        Self::deposit_event(Event::RootFixed {
            channel: *channel,
            lane: *lane,
            seq: *seq,
            root: *receipts_root,
            count: *receipts,
            worker: payee.clone(),
        });
        if queued { QUEUE } else { Saved::default() }
    }
}

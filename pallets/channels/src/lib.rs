//! # Payment channels
//!
//! A payer puts a deposit on hold for one payee and then pays off chain, voucher by voucher and
//! tick by tick. The chain sees an opening, a redeem now and then, and an end. Channels are
//! unidirectional: money moves from the payer's hold to the payee and never back, except for what
//! is left when the channel ends.
//!
//! ## Roles
//! * **payer**: opens, tops up, may ask to close. Its wallet's key stays cold: vouchers are signed
//!   by the channel's **signer**, an ed25519 hot key that can promise no more than the deposit.
//! * **payee**: redeems vouchers, may close at any time.
//! * **anybody**: may submit a redeem for a payee that is offline, and may finish a channel whose
//!   window is over.
//!
//! ## State machine
//! ```text
//!          open                    close by the payer               finish (now >= ends)
//!   (none) ─────▶ Open ───────────────────────────▶ Closing{ends} ─────────────────────▶ (none)
//!                 │ ▲ redeem, top_up_to              │ ▲ redeem (now < ends)               ▲
//!                 │ └─┘                              │ └─┘ in the last tenth: ends moves   │
//!                 └── close by the payee, or close_cooperatively: at once ─────────────────┘
//! ```
//! A finished channel leaves nothing behind, and neither does a payer without channels: both keep
//! [`Config::StorageDeposit`] on hold for exactly as long as they occupy storage. An id is a digest
//! over [`NextChannel`], one counter of the whole chain that every opening moves and nothing
//! resets. So no id is ever used twice and no old voucher fits a new channel, whichever accounts
//! come and go in between.
//!
//! ## What a redeem pays
//! ```text
//! promised = cumulative + n · unit + lock.amount          n ticks shown, Hⁿ(preimage) = anchor, n <= max <= 1024;
//!                                                         the lock counts if H(preimage) = hash and now <= lock.expires
//! paid     = min(promised − lane.claimed, deposit − claimed)
//! ```
//! It is accepted if the signer signed the voucher for this chain and this channel, `now <=
//! expires`, `seq` is not lower than the lane's, `promised` is not lower than the lane's unless the
//! payee submits it, and something is left to do (below). What the deposit cannot cover is an
//! event, [`Event::Shortfall`], and may be redeemed with the same voucher after a top-up. A voucher
//! carries ticks or a lock, never both. Who claims a lock shows its preimage to everybody
//! ([`Event::Unlocked`]): with it a hub claims from its own payer.
//!
//! **Only the payee moves `seq`.** The channel's signer belongs to the payer. If a redeem by
//! anybody could raise `seq`, the payer would sign a newer voucher for less, submit it, and make
//! the payee's better one stale. For the same reason one voucher may be redeemed again with a
//! further tick: somebody else may have shown an earlier one.
//!
//! **Every newer voucher that pays fixes its receipts**, whoever submits it: [`Config::OnRedeem`]
//! hears of it, and of who it was. A worker that redeems through a second account answers for its
//! receipts as if it had come itself. A root over receipts that the payee never signed, which a
//! payer could pin like this, binds nobody: whoever accuses a worker shows a receipt that the
//! worker signed. The root of the payee's own submission, which is its consent, is kept beside it
//! and never replaced by one that somebody else submitted.
//!
//! **A redeem that pays nothing** is an error ([`Error::NothingToPay`]), so that a replay costs its
//! sender a fee and the chain nothing, with one exception: the payee may always fix the receipts of
//! a voucher that is newer than the last it fixed, even one that promises less than was paid
//! meanwhile. Otherwise a payer could keep it from that by paying one unit more.
//!
//! **A bounty** makes it worth a stranger's while to redeem for a payee that is away. The submitter
//! keeps `min(voucher.bounty, paid / 16)` of what it redeems, from the middle of a closing
//! channel's window on. Before that the payee has its own chance, and an open channel takes nothing
//! from it by waiting. The payer signs the bounty and could redeem through an account of its own;
//! what it wins back like this is a sixteenth of what its payee has not redeemed in half a window.
//! A worker lends to a closing channel only until some time before that, and redeems what it then
//! holds: one that is awake loses nothing.
//!
//! The rules of this section and the next are pure functions in [`mica_primitives::settlement`],
//! which payers' and payees' ledgers call as well; `tests/ledgers.rs` drives both ledgers and this
//! pallet with the same histories.
//!
//! ## Closing
//! `Closing.ends = now + window`. A redeem is possible while `now < ends`, `finish` from `now >=
//! ends` on: no block allows both. A redeem that pays in the last tenth of the window moves `ends`
//! to `now + window/10`, at most [`MAX_EXTENSIONS`] times, so that a payee with many lanes is not
//! shut out by full blocks. Any amount that the payee redeems itself does; what somebody else
//! redeems must be a sixteenth of what is left, or a payer could use all extensions up for three
//! units. `Clock` decides what a block is: a runtime that can halt calls stops
//! the clock with them.
//!
//! With [`Pallet::close_cooperatively`] both agree on a final total. A payee must stop serving from
//! the moment it signs one: until `expires` the payer may use it.
//!
//! ## Bounds and griefing
//! * [`Config::MaxChannelsPerPayer`] channels, 16 lanes each, 1024 hashes a redeem, 32 openings a
//!   call.
//! * The number of channels *to* a payee has no bound on purpose: a list with a bound could be
//!   filled by strangers. Every entry is paid for by the deposit of its channel, reads are paged,
//!   and a payee may close what it does not want at once.
//! * A deposit is at least [`Config::MinDeposit`]. It may be claimed to the last unit; what a
//!   channel occupies is paid for by [`Config::StorageDeposit`] beside it, which is on hold from
//!   the payer until the channel's end.
//! * Nobody opens a channel to a worker that is leaving. Those that were opened before keep it from
//!   its stake until it has closed them, one call each, many in a batch. Whoever opened them to
//!   hold it up has paid a fee for each as well, and has its deposits on hold meanwhile.
//! * Payments ignore freezes on the payer's account ([`Fortitude::Force`]): what is on hold here
//!   was promised before.
//! * A payee without an account cannot be paid less than the existential deposit; the redeem fails
//!   and changes nothing.
//!
//! ## Invariants (checked by `try_state`)
//! 1. `balance_on_hold(payer) = Σ (deposit − claimed)` over the payer's channels, and what it has
//!    on hold for storage is what its record says. No account without channels has anything on
//!    hold.
//! 2. `claimed = Σ lane.claimed <= deposit`, `lane.claimed <= lane.cumulative`.
//! 3. `Closing.ends > Closing.at`, `extended <= 3`.
//! 4. Both indices hold exactly the channels that exist; `Payers.open` counts them, and a payer
//!    without channels has no record.
//! 5. No lane's `seq`, `shown`, `cumulative` or `claimed` ever falls (`redeem` refuses to write
//!    such a lane).
//!
//! [`Fortitude::Force`]: frame_support::traits::tokens::Fortitude::Force
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod close;
mod open;
mod reads;
mod redeem;
pub mod runtime_api;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
pub mod weights;

// Benchmarks run once each as tests.
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use mica_primitives::settlement::MAX_EXTENSIONS;
pub use open::PayerRecord;
pub use pallet::*;
pub use weights::WeightInfo;

/// Most channels that one call opens.
pub const MAX_OPENINGS: u32 = 32;
/// Most channels that one page of a read holds.
pub const MAX_PAGE: u32 = 256;

#[allow(clippy::large_enum_variant, reason = "a call has its fields as arguments")]
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{self, Inspect},
    };
    use frame_system::pallet_prelude::*;
    use mica_primitives::{
        Balance, BlockNumber, Channel, ChannelId, ChannelOpening, CooperativeClose, Hash32, LaneId,
        PublicKey, Redeem, Signature,
        hooks::{OnRedeem, Payees, PeerKeys},
    };
    use sp_core::H256;
    use sp_runtime::traits::BlockNumberProvider;

    use crate::{MAX_OPENINGS, PayerRecord, WeightInfo};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>, Hash = H256> {
        /// The money.
        type Currency: fungible::Mutate<Self::AccountId, Balance = Balance>
            + fungible::hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// The runtime's reasons for holds.
        type RuntimeHoldReason: From<HoldReason>;

        /// What counts as a block for windows and expiry. The system's block number, or a clock
        /// that stands still while calls are halted.
        type Clock: BlockNumberProvider<BlockNumber = BlockNumber>;

        /// Who knows the key with which a payee signs a cooperative close.
        type PeerKeys: PeerKeys<Self::AccountId>;

        /// Who knows to whom no channel may be opened any more.
        type Payees: Payees<Self::AccountId>;

        /// Who hears of the receipts that a redeem fixed.
        type OnRedeem: OnRedeem<Self::AccountId>;

        /// Least deposit; at least the existential deposit.
        #[pallet::constant]
        type MinDeposit: Get<Balance>;

        /// Held from the payer beside the deposit while a channel exists.
        #[pallet::constant]
        type StorageDeposit: Get<Balance>;

        /// Least close window in blocks, at least 10: longer than a payee's watcher may be offline.
        #[pallet::constant]
        type MinWindow: Get<BlockNumber>;

        /// Most blocks of a close window.
        #[pallet::constant]
        type MaxWindow: Get<BlockNumber>;

        /// Most channels that one account pays from at one time.
        #[pallet::constant]
        type MaxChannelsPerPayer: Get<u32>;

        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The unclaimed part of a channel's deposit.
        Deposit,
        /// A channel occupies storage.
        Storage,
    }

    /// The channels. Their ids are digests over a counter that only the chain moves, so nobody
    /// chooses them.
    #[pallet::storage]
    pub type Channels<T: Config> = StorageMap<_, Identity, ChannelId, Channel<T::AccountId>>;

    /// Number of the next channel, whoever opens it. Never falls, so that no channel id comes back.
    #[pallet::storage]
    pub type NextChannel<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Per payer with a channel: how many it has, and what it has on hold for their storage.
    #[pallet::storage]
    pub type Payers<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, PayerRecord, ValueQuery>;

    /// The channels of a payer.
    #[pallet::storage]
    pub type ByPayer<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, ChannelId, ()>;

    /// The channels to a payee.
    #[pallet::storage]
    pub type ByPayee<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, ChannelId, ()>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A channel was opened.
        Opened {
            /// The channel.
            channel: ChannelId,
            /// Who pays.
            payer: T::AccountId,
            /// Who is paid.
            payee: T::AccountId,
            /// Base units on hold.
            deposit: Balance,
        },
        /// A channel's deposit was raised.
        ToppedUp {
            /// The channel.
            channel: ChannelId,
            /// The deposit from now on, base units.
            total: Balance,
        },
        /// A voucher was redeemed.
        Redeemed {
            /// The channel.
            channel: ChannelId,
            /// The lane.
            lane: LaneId,
            /// Number of the voucher.
            seq: u64,
            /// Base units that left the hold now: all of them the payee's, but for a bounty.
            paid: Balance,
            /// Root of the receipts in the voucher.
            receipts_root: Hash32,
            /// Number of receipts under the root.
            receipts: u64,
        },
        /// A voucher's lock was opened: what is shown here opens every lock of the same hash.
        Unlocked {
            /// The channel.
            channel: ChannelId,
            /// The lane.
            lane: LaneId,
            /// What the hash was made of.
            preimage: Hash32,
        },
        /// Somebody redeemed for a payee that was away.
        BountyPaid {
            /// The channel.
            channel: ChannelId,
            /// Who redeemed.
            to: T::AccountId,
            /// Base units of the last redeem that it keeps.
            amount: Balance,
        },
        /// A voucher promised more than the deposit could pay.
        Shortfall {
            /// The channel.
            channel: ChannelId,
            /// The lane.
            lane: LaneId,
            /// Base units promised on the lane and not paid.
            missing: Balance,
        },
        /// The payer asked to close.
        CloseRequested {
            /// The channel.
            channel: ChannelId,
            /// First block in which it may be finished.
            ends: BlockNumber,
        },
        /// A late redeem moved the end of a closing channel.
        Extended {
            /// The channel.
            channel: ChannelId,
            /// First block in which it may be finished.
            ends: BlockNumber,
        },
        /// A channel is over.
        Closed {
            /// The channel.
            channel: ChannelId,
            /// Base units that the payee received in all.
            claimed: Balance,
            /// Base units that went back to the payer.
            released: Balance,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such channel: it was never opened here, or it is over.
        NoChannel,
        /// Payer and payee are one account.
        SelfPayment,
        /// The deposit is below the minimum.
        DepositTooLow,
        /// The close window is shorter or longer than the chain allows.
        WindowOutOfRange,
        /// The payee is a worker that is leaving: pay another.
        PayeeLeaves,
        /// The payer has as many channels as it may have: close one first.
        TooManyChannels,
        /// The batch holds no opening.
        NothingToOpen,
        /// Only the payer may do this.
        NotPayer,
        /// Only the payer or the payee may do this.
        NotParty,
        /// The new total is below the deposit, which never falls.
        DepositNeverFalls,
        /// The channel is closing already: open a new one.
        AlreadyClosing,
        /// The channel is open: its payer must ask to close first.
        NotClosing,
        /// The payee's window still runs: wait for its end.
        WindowRuns,
        /// The payee's window is over.
        WindowOver,
        /// There are lanes 0 to 15 only.
        LaneOutOfRange,
        /// The voucher or the agreement has expired.
        Expired,
        /// The signature is not by the key that must sign, over these bytes, for this chain.
        BadSignature,
        /// The tick proof does not lie on the voucher's chain, or the voucher has none.
        BadTick,
        /// The preimage does not open the voucher's lock, there is none, or the voucher has a tick
        /// chain as well.
        BadLock,
        /// The preimage comes after the lock's last block: redeem without it.
        LockExpired,
        /// The promised amount does not fit a balance.
        AmountOverflow,
        /// A newer voucher of the lane was redeemed, or the number is 0.
        StaleVoucher,
        /// More than this was promised on the lane before, and the payee did not submit it.
        AmountFell,
        /// Everything promised was paid before, or the deposit is used up.
        NothingToPay,
        /// The agreed total is below what was claimed or above the deposit.
        TotalOutOfRange,
        /// The payee has no registered peer key: it must submit the agreement itself.
        NoPeerKey,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(
                T::MinDeposit::get() >= T::Currency::minimum_balance(),
                "a deposit must be able to create its payee's account"
            );
            assert!(T::StorageDeposit::get() > 0, "storage costs a deposit");
            assert!(T::MinWindow::get() >= 10, "a tenth of a window must be at least one block");
            assert!(
                T::MinWindow::get() <= T::MaxWindow::get(),
                "the least window must not be above the most"
            );
            assert!(
                T::MaxChannelsPerPayer::get() >= MAX_OPENINGS,
                "a path must fit into one account's channels"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Opens a channel to `payee` with `deposit` on hold, and `StorageDeposit` beside it.
        ///
        /// Origin: signed, the payer. `signer` signs its vouchers; `window` is what the payee has
        /// to redeem after a close.
        ///
        /// Errors: `SelfPayment`, `DepositTooLow`, `WindowOutOfRange`, `PayeeLeaves`,
        /// `TooManyChannels`, and those of a hold. Event: `Opened`.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::open())]
        pub fn open(
            origin: OriginFor<T>,
            payee: T::AccountId,
            signer: PublicKey,
            deposit: Balance,
            window: BlockNumber,
        ) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_open(&payer, ChannelOpening { payee, signer, deposit, window })
        }

        /// Opens a channel to every stage of a path: all or none.
        ///
        /// Origin: signed, the payer. Errors: `NothingToOpen`, and those of [`Pallet::open`].
        /// Event: `Opened` for each.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::open_many(openings.len() as u32))]
        pub fn open_many(
            origin: OriginFor<T>,
            openings: BoundedVec<ChannelOpening<T::AccountId>, ConstU32<MAX_OPENINGS>>,
        ) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            ensure!(!openings.is_empty(), Error::<T>::NothingToOpen);
            openings.into_iter().try_for_each(|opening| Self::do_open(&payer, opening))
        }

        /// Raises the deposit to `total`. Sent twice it does nothing the second time, so a retry is
        /// safe.
        ///
        /// Origin: signed, the payer. Errors: `NoChannel`, `NotPayer`, `AlreadyClosing`,
        /// `DepositNeverFalls`, and those of a hold. Event: `ToppedUp` if the deposit rose.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::top_up_to())]
        pub fn top_up_to(
            origin: OriginFor<T>,
            channel: ChannelId,
            total: Balance,
        ) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_top_up_to(&payer, channel, total)
        }

        /// Pays the payee what a voucher promises. See the pallet's manual for the rules.
        ///
        /// Origin: signed, anybody; the payee is paid, but for a bounty, and only the payee's own
        /// submission moves `seq`. Weight: one signature, one hash per tick, and what those write
        /// that hear of the receipts. What was not needed is given back: a bounty and another
        /// account if the payee submits itself, a place for a root if the lane has one.
        ///
        /// Errors: `NoChannel`, `WindowOver`, `LaneOutOfRange`, `Expired`, `StaleVoucher`,
        /// `BadTick`, `BadLock`, `LockExpired`, `AmountOverflow`, `AmountFell`, `NothingToPay`,
        /// `BadSignature`. Events: `Unlocked`, `Redeemed`, `Shortfall`, `Extended`, `BountyPaid`.
        #[pallet::call_index(3)]
        #[pallet::weight(Pallet::<T>::most_weight(redeem.shown_ticks()))]
        pub fn redeem(origin: OriginFor<T>, redeem: Redeem) -> DispatchResultWithPostInfo {
            let submitter = ensure_signed(origin)?;
            let (by, saved) = Self::do_redeem(&submitter, &redeem)?;
            Ok(Some(Self::weight_taken(redeem.shown_ticks(), by, saved)).into())
        }

        /// Ends the channel: at once for the payee, after the window for the payer.
        ///
        /// Origin: signed, payer or payee. Errors: `NoChannel`, `NotParty`, `AlreadyClosing`.
        /// Events: `Closed` or `CloseRequested`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::close())]
        pub fn close(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_close(&who, channel)
        }

        /// Ends the channel at once with a total that both agreed on.
        ///
        /// Origin: signed, payer or payee. `signature` is the other side's: the payee's peer key if
        /// the payer submits, the channel's signer if the payee does.
        ///
        /// Errors: `NoChannel`, `NotParty`, `Expired`, `TotalOutOfRange`, `NoPeerKey`,
        /// `BadSignature`. Event: `Closed`.
        #[pallet::call_index(5)]
        // One read more than measured: the payee's record, when the payer submits.
        #[pallet::weight(T::WeightInfo::close_cooperatively().saturating_add(T::DbWeight::get().reads(1)))]
        pub fn close_cooperatively(
            origin: OriginFor<T>,
            close: CooperativeClose,
            signature: Signature,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_close_cooperatively(&who, &close, &signature)
        }

        /// Releases what is left of a closing channel after its window, and removes it.
        ///
        /// Origin: signed, anybody. Errors: `NoChannel`, `NotClosing`, `WindowRuns`. Event:
        /// `Closed`.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::finish())]
        pub fn finish(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_finish(channel)
        }
    }
}

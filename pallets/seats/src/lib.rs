//! # Seats: who may validate, and who loses the place
//!
//! ## Overview
//! GRANDPA counts every validator's vote alike, whatever its stake, and finality needs more than
//! two thirds of the votes. So a seat is worth more than the stake behind it says: without further
//! rules two cheap validators that never vote stop finality of a set of four for good. This pallet
//! has three rules that stand between an election and the set:
//!
//! * **A seat costs.** Of an election's winners, in falling order of backing, the most are kept
//!   whose last one has at least half of their average backing. In the average nobody counts for
//!   more than twice the best backing outside of the best third of the proven: fewer than a third
//!   with great stakes drop nobody, and fewer than two thirds with small ones make no seat cheap. A
//!   third of the seats then holds at least a sixth of the stake that counts in them, and a twelfth
//!   of what counts of all proven winners, seated or not.
//! * **Newcomers stay fewer than a third.** A validator is *proven* if it sits in the current set
//!   and has authored a block there; everybody else is a newcomer. Beside `p` proven at most `c`
//!   newcomers get seats, the best backed ones, with `c <= (p + c − 1) / 3`: if none of them ever
//!   votes, finality goes on. They never take a seat that a proven one has without them.
//! * **Idle ones go.** Who misses [`Config::IdleAfter`] of its own slots in a row, without a block
//!   in between, is reported as an offender at the session's end, chilled, and no longer proven. So
//!   is who authors and of whom no vote is seen for [`Config::SilentAfter`] windows in a row.
//!
//! [`rules`] has the first two as pure functions; the runtime's election calls them.
//!
//! ## Whose slot it was
//! BABE draws slots by lot in secret, so a missed lot cannot be seen. But for each slot one
//! *secondary* author is computed from the epoch's randomness, in public, and must fill the slot if
//! nobody won it. A slot without a block was therefore missed by its secondary author, without
//! doubt. Such slots are counted, up to the block that follows them, under the randomness and the
//! validators of their own epoch: those before the end of a session when it ends
//! ([`Pallet::end_session`]), the others when a block begins.
//!
//! The author of the block that begins a session is not judged in it: who is chilled is disabled
//! too, and a block by a disabled author is none. It is judged with the next session.
//!
//! What is forgiven: a gap of more than [`Config::MaxGap`] slots says that the network failed;
//! nobody is blamed for it. Nor is a validator for its slots while it is disabled
//! ([`Slots::disabled`]): nodes refuse what it would author.
//!
//! ## Who votes
//! The header of a block does not say who voted for it. So authors hand in the precommits of the
//! last round that their nodes know, by the inherent [`Call::note_votes`]. Who authors and is in
//! none of them, while more than half of the validators hand some in, is silent. Nobody is judged
//! while finality stalls. Who was found silent is not proven again before a vote of it is seen,
//! whatever it authors. `votes.rs` says how windows are counted.
//!
//! What is not seen: who votes seldom, once in a window, and who signs votes for the chain alone
//! and sends them to no voter. The bound on newcomers and the price of a seat stand against that.
//!
//! What may be seen wrongly: authors that build on no block of one validator make it look idle. The
//! validator of the next slots alone can drop one block; to hide eight in a row takes most of the
//! authors. So a slash waits where money is at stake, and governance can cancel it
//! (`Staking.cancel_deferred_slash`).
//!
//! ## The offence
//! ```text
//! fraction = 0.1 % of the stake                          for one idle validator of n
//! fraction = min(3 · (k − 1) / n, 1) · 7 %, at least 0.1 %   for k of n in one session
//! ```
//! One that fails alone loses little. A third that fails together, which is what stops finality,
//! loses 7 %. Staking slashes once per era and offender, the most that was reported; it takes the
//! nominators' part as well.
//!
//! ## Life of a record
//! ```text
//!   elected ──▶ newcomer ── authors ──▶ proven ── authors: missed = 0 ─┐
//!                  │                      │ ▲                          │
//!                  │ missed = IdleAfter   │ └──────────────────────────┘
//!                  └────────▶ reported, chilled ◀── missed = IdleAfter
//!   not in the set when the next one is elected ──▶ (gone)
//! ```
//! The validators of the genesis count as proven: whoever started the chain vouches for them. Their
//! absence is noticed as everybody's.
//!
//! ## Bounds
//! Records exist for the current and the next set only, at most `2 · MaxValidators`; what is known
//! of voters, for the current set only. A block carries votes once, at most one per validator; a
//! window takes votes at most `2 · MaxValidators` times. A block looks at no more than `2 · MaxGap`
//! slots, a session's end at no more than `MaxValidators` records. One session's end reports at
//! most [`Config::MaxReports`] validators, because a slash touches every nominator; all idle ones
//! are chilled at once, and the rest is reported at the next session's end. How much each loses
//! counts all that were idle together.
//!
//! ## Invariants (`Pallet::do_try_state`)
//! 1. There are at most `2 · MaxValidators` records.
//! 2. A record says something: it is proven, or has missed a slot.
//! 3. The last slot is not ahead of the block's.
//! 4. What is known of a voter says something, and who has voted in a window is not silent.
//! 5. The window did not begin, and votes were not handed in, after this block.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod duties;
mod offence;
#[cfg(feature = "std")]
pub mod rounds;
pub mod rules;
mod votes;
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

pub use duties::{Chill, Slots};
pub use offence::{Idle, OffenderOf};
pub use pallet::*;
pub use votes::{Ballot, Precommits, Vote, VoteOf, Voters};
pub use weights::WeightInfo;

use alloc::vec::Vec;

use frame_support::traits::{Get, ValidatorSet, ValidatorSetWithIdentification};
use sp_inherents::InherentIdentifier;

/// Names the inherent's data: [`Precommits`] of the last round that the author's node knows.
pub const INHERENT_IDENTIFIER: InherentIdentifier = *b"micavote";

#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use sp_consensus_grandpa::RoundNumber;
    use sp_inherents::MakeFatalError;
    use sp_staking::{SessionIndex, offence::ReportOffence};

    use super::*;
    use crate::votes::{BallotsOf, PrecommitsOf};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The validators in force, and how a report identifies them.
        type ValidatorSet: ValidatorSetWithIdentification<Self::AccountId, ValidatorId = Self::AccountId>;

        /// The schedule of blocks.
        type Slots: Slots<Self::AccountId>;

        /// The voters for finality.
        type Voters: Voters<Self::AccountId>;

        /// Who hears of idle validators.
        type ReportIdle: ReportOffence<Self::AccountId, OffenderOf<Self>, Idle<OffenderOf<Self>>>;

        /// Who takes them out of elections.
        type Chill: Chill<Self::AccountId>;

        /// Slots of its own that a validator may miss in a row before it counts as idle.
        #[pallet::constant]
        type IdleAfter: Get<u32>;

        /// Windows in a row in which a validator may author and not vote before it counts as idle.
        #[pallet::constant]
        type SilentAfter: Get<u32>;

        /// Most slots in a row without a block for which anybody is blamed.
        #[pallet::constant]
        type MaxGap: Get<u32>;

        /// Most validators that one session's end reports.
        #[pallet::constant]
        type MaxReports: Get<u32>;

        /// What the report of one validator costs whoever hears of it.
        type ReportWeight: Get<Weight>;

        /// Most validators of a session.
        #[pallet::constant]
        type MaxValidators: Get<u32>;

        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// What is known of a validator's work.
    #[derive(
        Clone,
        Copy,
        PartialEq,
        Eq,
        Debug,
        Default,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct Record {
        /// Whether it has authored since it came into the set and was not idle since.
        pub proven: bool,
        /// Its own slots that it has missed since its last block.
        pub missed: u32,
    }

    /// Records of validators, of the current and the next set. One that says nothing is not kept.
    #[pallet::storage]
    pub type Records<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Record, ValueQuery>;

    /// Slot of the last block; nothing before the first.
    #[pallet::storage]
    pub type LastSlot<T: Config> = StorageValue<_, u64>;

    /// What is known of the validators of the current set as voters. One of which nothing is known
    /// is not kept.
    #[pallet::storage]
    pub type Ballots<T: Config> = StorageValue<_, BallotsOf<T>, ValueQuery>;

    /// Block in which the window of votes began: votes for earlier ones are not taken.
    #[pallet::storage]
    pub type VotesSince<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    /// Block in which votes were handed in last.
    #[pallet::storage]
    pub type LastVotes<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    #[pallet::event]
    #[allow(missing_docs, reason = "the sentence of a variant speaks of its fields")]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A validator missed `missed` of its own slots in a row; it is reported and chilled.
        Idle { validator: T::AccountId, missed: u32, session: SessionIndex },
        /// A validator authored, and no vote of it was seen, for `windows` windows in a row; it is
        /// reported and chilled.
        Silent { validator: T::AccountId, windows: u32, session: SessionIndex },
        /// Winners of an election that got no seat: too little backing, or too many newcomers.
        Unseated { winners: u32, seats: u32 },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// This block has carried votes already.
        AlreadyNoted,
        /// This block's author is none of the validators in force.
        NoAuthor,
        /// The votes are not in the voters' order, or there are two of one voter.
        NotInOrder,
        /// A vote names a voter that is not there.
        UnknownVoter,
        /// A signature is not of that voter for a block of this chain in this window.
        NotAVote,
        /// The votes are not of more than two thirds of the validators: such a round decides
        /// nothing.
        TooFewVotes,
        /// The author has handed in votes in this window, and these are of nobody new.
        NothingNew,
    }

    /// The validators of the genesis are vouched for.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        #[serde(skip)]
        #[doc(hidden)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            for validator in T::ValidatorSet::validators() {
                Records::<T>::insert(validator, Record { proven: true, missed: 0 });
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Counts the slots since the last block that belong to this epoch, and this block.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::count_block()
        }

        fn integrity_test() {
            assert!(T::IdleAfter::get() > 0, "nobody is idle that has missed nothing");
            assert!(T::SilentAfter::get() > 0, "nobody is silent that was never asked");
            assert!(T::MaxGap::get() > 0, "a missed slot must count");
            assert!(T::MaxReports::get() > 0, "somebody must be reported");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Hands in `votes` for finality, the precommits of round `round` of the voters in force,
        /// in the voters' order.
        ///
        /// Origin: none; an inherent, at most one per block, and none is needed. Weight: by the
        /// number of votes, charged to the block. Errors, which make the block invalid: all of
        /// [`Error`]. An author's runtime makes the inherent only of what it takes.
        #[pallet::call_index(0)]
        #[pallet::weight((
            T::WeightInfo::note_votes(votes.len() as u32).saturating_add(
                // A hash for each vote; a key's owner for each voter.
                T::DbWeight::get().reads(2 * u64::from(T::MaxValidators::get()) + 8)
            ),
            DispatchClass::Mandatory,
        ))]
        pub fn note_votes(
            origin: OriginFor<T>,
            round: RoundNumber,
            votes: BoundedVec<VoteOf<T>, T::MaxValidators>,
        ) -> DispatchResult {
            ensure_none(origin)?;
            Self::take_votes(round, &votes)?;
            Ok(())
        }
    }

    #[pallet::inherent]
    impl<T: Config> ProvideInherent for Pallet<T> {
        type Call = Call<T>;
        type Error = MakeFatalError<()>;
        const INHERENT_IDENTIFIER: InherentIdentifier = INHERENT_IDENTIFIER;

        /// Of what the node knows, what this block can carry. An importer compares it with nothing:
        /// every node may know something else.
        fn create_inherent(data: &InherentData) -> Option<Self::Call> {
            let handed = data.get_data::<PrecommitsOf<T>>(&INHERENT_IDENTIFIER).ok().flatten()?;
            let round = handed.round;
            let votes = Self::usable_votes(handed);
            Self::useful_votes(&T::Voters::voters(), &votes).ok()?;
            Some(Call::note_votes { round, votes: votes.try_into().ok()? })
        }

        fn is_inherent(call: &Self::Call) -> bool {
            matches!(call, Call::note_votes { .. })
        }
    }
}

impl<T: Config> Pallet<T> {
    /// All that sit in the current set and have authored there, without those that were found
    /// silent and have not voted since.
    pub fn proven() -> alloc::collections::BTreeSet<T::AccountId> {
        let ballots = Ballots::<T>::get();
        let is_silent =
            |who: &T::AccountId| ballots.get(who).is_some_and(|ballot| ballot.found_silent);
        T::ValidatorSet::validators()
            .into_iter()
            .filter(|validator| Records::<T>::get(validator).proven && !is_silent(validator))
            .collect()
    }

    /// The proven that have not missed so many slots by now that they count as idle.
    pub fn working() -> alloc::collections::BTreeSet<T::AccountId> {
        let mut working = Self::proven();
        working.retain(|validator| Records::<T>::get(validator).missed < T::IdleAfter::get());
        working
    }

    /// Notes an election's result: `seats` of `winners` winners got one. Forgets everybody who is
    /// not in the current set: whoever comes back after a time outside is a newcomer again.
    pub fn elected(winners: usize, seats: &[T::AccountId]) {
        let current = T::ValidatorSet::validators();
        let gone: Vec<T::AccountId> =
            Records::<T>::iter_keys().filter(|account| !current.contains(account)).collect();
        gone.iter().for_each(Records::<T>::remove);
        if winners > seats.len() {
            Self::deposit_event(Event::Unseated {
                winners: winners as u32,
                seats: seats.len() as u32,
            });
        }
    }
}

//! Counting votes for finality: what authors hand in, and who is silent.
//!
//! The chain takes the precommits of one round if they are of more than two thirds of the
//! validators, signed by the set in force for blocks of this chain in this window, and if they say
//! something new: the first that this author hands in, or the first of some voter. So a network
//! whose finality stalls hands in nothing, and old votes are not taken twice.
//! ```text
//!   a window is open ──▶ a session ends ──▶ have more than half of the validators handed in?
//!          ▲                                      │ no            │ yes
//!          ├──────────────────────────────────────┘               ▼
//!          └──────────────────── the next one begins ◀── judge who was silent
//!   silent: one of the voters, authored after the first votes of the window were handed in, and is
//!           in none of them
//! ```
//! An author's node hands in the votes of a round that it has completed, and it completes none
//! before it has voted in it itself. So a validator that votes has its vote in what it hands in, in
//! each of its blocks, however late that is for the others. They can therefore not make it look
//! silent by leaving its votes out, unless they build past all of its blocks. A node that has
//! completed no round of its set yet hands in the votes that decided, perhaps without its own; so
//! one silent window blames nobody. Who authors nothing is judged by its missed slots, not here.
//!
//! A change of the voters by force may take longer than a session, and then validators of a newer
//! set are not among the voters. Nobody is blamed who cannot vote.

use alloc::{collections::BTreeSet, vec::Vec};

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use finality_grandpa::{Message, Precommit};
use frame_support::{
    BoundedBTreeMap, ensure,
    traits::{Get, ValidatorSet},
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use sp_consensus_grandpa::{
    AuthorityId, AuthoritySignature, RoundNumber, SetId, check_message_signature,
};

use crate::{Ballots, Config, Error, LastVotes, Pallet, Slots, VotesSince};

/// What the pallet must know of the voters for finality.
pub trait Voters<AccountId> {
    /// Id of the set of voters in force, which its votes are signed for.
    fn set_id() -> SetId;
    /// The validators in force with the keys that they vote with; nobody while the voters are not
    /// those validators.
    fn voters() -> Vec<(AccountId, AuthorityId)>;
}

/// Who hands in whose votes.
pub(crate) struct Witness<AccountId> {
    /// This block's author.
    pub(crate) author: AccountId,
    /// The voters.
    pub(crate) names: Vec<AccountId>,
}

/// The inherent's data: the precommits of one round, as the author's node has them. The set that
/// they are signed for is not said; the runtime takes those of the set in force.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Precommits<Hash, Number> {
    /// The round.
    pub round: RoundNumber,
    /// Voter's key, block that it votes for, that block's number, and signature.
    pub votes: Vec<(AuthorityId, Hash, Number, AuthoritySignature)>,
}

/// A precommit as a block carries it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Vote<Hash, Number> {
    /// Index of the voter among [`Voters::voters`].
    pub voter: u32,
    /// The block that it votes for.
    pub hash: Hash,
    /// That block's number.
    pub number: Number,
    /// Its signature of the vote in its round and set.
    pub signature: AuthoritySignature,
}

/// A precommit of the runtime `T`.
pub type VoteOf<T> = Vote<<T as frame_system::Config>::Hash, BlockNumberFor<T>>;
/// The inherent's data in the runtime `T`.
pub(crate) type PrecommitsOf<T> = Precommits<<T as frame_system::Config>::Hash, BlockNumberFor<T>>;
/// What is known of each voter in the runtime `T`.
pub(crate) type BallotsOf<T> =
    BoundedBTreeMap<<T as frame_system::Config>::AccountId, Ballot, <T as Config>::MaxValidators>;

/// What is known of a validator as a voter. The first three are of the window that is open.
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
pub struct Ballot {
    /// Whether it has handed in votes.
    pub handed_in: bool,
    /// Whether it has authored after somebody had handed in votes: its own block could have carried
    /// its vote.
    pub authored: bool,
    /// Whether a vote of it was handed in.
    pub voted: bool,
    /// Windows in a row in which it authored and no vote of it was handed in.
    pub silent: u32,
    /// Whether it was found silent, and no vote of it was seen since.
    pub found_silent: bool,
}

impl Ballot {
    /// Ends the window; whether somebody `can_vote` is said by the set of voters in force.
    fn close(&mut self, can_vote: bool) {
        let was_silent = can_vote && self.authored && !self.voted;
        *self = Self {
            silent: self.silent.saturating_add(u32::from(was_silent)),
            found_silent: self.found_silent,
            ..Self::default()
        };
    }

    /// Takes note of a vote.
    fn vote(&mut self) {
        *self = Self { voted: true, silent: 0, found_silent: false, ..*self };
    }
}

impl<T: Config> Pallet<T> {
    /// The votes of `handed` that a block can carry: one of each voter, in the voters' order,
    /// without those that are not valid here.
    pub(crate) fn usable_votes(handed: PrecommitsOf<T>) -> Vec<VoteOf<T>> {
        let Precommits { round, votes } = handed;
        let (set, voters) = (T::Voters::set_id(), T::Voters::voters());
        let mut usable: Vec<VoteOf<T>> = votes
            .into_iter()
            .filter_map(|(key, hash, number, signature)| {
                let voter = voters.iter().position(|(_, voter)| *voter == key)?;
                let vote = Vote { voter: voter as u32, hash, number, signature };
                Self::is_vote(round, set, &key, &vote).then_some(vote)
            })
            .collect();
        usable.sort_by_key(|vote| vote.voter);
        // Who votes for two blocks in one round is an offender of GRANDPA's own, and votes.
        usable.dedup_by_key(|vote| vote.voter);
        usable
    }

    /// Takes the votes of round `round` that this block's author hands in.
    pub(crate) fn take_votes(round: RoundNumber, votes: &[VoteOf<T>]) -> Result<(), Error<T>> {
        let now = frame_system::Pallet::<T>::block_number();
        ensure!(LastVotes::<T>::get() < now, Error::<T>::AlreadyNoted);
        ensure!(votes.is_sorted_by(|a, b| a.voter < b.voter), Error::<T>::NotInOrder);
        let (set, voters) = (T::Voters::set_id(), T::Voters::voters());
        let Witness { author, names } = Self::useful_votes(&voters, votes)?;
        for vote in votes {
            let (_, key) = voters.get(vote.voter as usize).ok_or(Error::<T>::UnknownVoter)?;
            ensure!(Self::is_vote(round, set, key, vote), Error::<T>::NotAVote);
        }
        LastVotes::<T>::put(now);
        Self::record_votes(&author, &names);
        Ok(())
    }

    /// This block's author and who voted, if `votes` are of more than two thirds of the validators
    /// and say something new: the first that this author hands in, or the first of some voter.
    pub(crate) fn useful_votes(
        voters: &[(T::AccountId, AuthorityId)],
        votes: &[VoteOf<T>],
    ) -> Result<Witness<T::AccountId>, Error<T>> {
        let validators = T::ValidatorSet::validators();
        ensure!(3 * votes.len() > 2 * validators.len(), Error::<T>::TooFewVotes);
        let author = T::Slots::author().and_then(|index| validators.get(index as usize));
        let author = author.ok_or(Error::<T>::NoAuthor)?;
        let names: Vec<T::AccountId> = votes
            .iter()
            .filter_map(|vote| voters.get(vote.voter as usize))
            .map(|(name, _)| name.clone())
            .collect();
        let ballots = Ballots::<T>::get();
        let handed_in = ballots.get(author).is_some_and(|ballot| ballot.handed_in);
        let is_known = |name: &T::AccountId| ballots.get(name).is_some_and(|ballot| ballot.voted);
        ensure!(!handed_in || !names.iter().all(is_known), Error::<T>::NothingNew);
        Ok(Witness { author: author.clone(), names })
    }

    /// Whether `vote` is one of whoever has `key` for a block of this chain and of this window.
    fn is_vote(round: RoundNumber, set: SetId, key: &AuthorityId, vote: &VoteOf<T>) -> bool {
        let Vote { hash, number, ref signature, .. } = *vote;
        let is_here = number >= VotesSince::<T>::get()
            && number < frame_system::Pallet::<T>::block_number()
            // The hash of a block that is too old is the default.
            && hash != T::Hash::default()
            && hash == frame_system::Pallet::<T>::block_hash(number);
        let message = Message::Precommit(Precommit { target_hash: hash, target_number: number });
        is_here && check_message_signature(&message, key, signature, round, set).is_valid()
    }

    /// Notes that `author` has handed in votes of `names`.
    pub(crate) fn record_votes(author: &T::AccountId, names: &[T::AccountId]) {
        let mut ballots = Self::ballots(&T::ValidatorSet::validators());
        Self::mark(&mut ballots, author, |ballot| ballot.handed_in = true);
        for name in names {
            Self::mark(&mut ballots, name, Ballot::vote);
        }
        Ballots::<T>::put(ballots);
    }

    /// Notes a block of `author`, once votes of this window are known.
    pub(crate) fn note_author(author: &T::AccountId) {
        let ballots = Ballots::<T>::get();
        let is_noted = ballots.get(author).is_some_and(|ballot| ballot.authored);
        if is_noted || !ballots.values().any(|ballot| ballot.handed_in) {
            return;
        }
        let mut ballots = Self::ballots(&T::ValidatorSet::validators());
        Self::mark(&mut ballots, author, |ballot| ballot.authored = true);
        Ballots::<T>::put(ballots);
    }

    /// Ends the window if more than half of `validators` have handed in votes; returns who has been
    /// silent for so many windows that it counts as idle.
    pub(crate) fn end_window(validators: &[T::AccountId]) -> Vec<T::AccountId> {
        let mut ballots = Self::ballots(validators);
        let witnesses = ballots.values().filter(|ballot| ballot.handed_in).count();
        if 2 * witnesses > validators.len() {
            let voters = T::Voters::voters();
            let voters: BTreeSet<_> = voters.into_iter().map(|(name, _)| name).collect();
            ballots.iter_mut().for_each(|(name, ballot)| ballot.close(voters.contains(name)));
            ballots.retain(|_, ballot| *ballot != Ballot::default());
            VotesSince::<T>::put(frame_system::Pallet::<T>::block_number());
        }
        let silent = ballots
            .iter()
            .filter(|(_, ballot)| ballot.silent >= T::SilentAfter::get())
            .map(|(name, _)| name.clone())
            .collect();
        Ballots::<T>::put(ballots);
        silent
    }

    /// What is known of `validators` as voters; what is known of others is forgotten.
    fn ballots(validators: &[T::AccountId]) -> BallotsOf<T> {
        let mut ballots = Ballots::<T>::get();
        ballots.retain(|name, _| validators.contains(name));
        ballots
    }

    fn mark(ballots: &mut BallotsOf<T>, name: &T::AccountId, change: impl FnOnce(&mut Ballot)) {
        let mut ballot = ballots.get(name).copied().unwrap_or_default();
        change(&mut ballot);
        // Full only if there are more validators than the bound, which the election keeps.
        let _full = ballots.try_insert(name.clone(), ballot);
    }
}

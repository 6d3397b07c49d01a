//! Who is silent, who may say so, and what an author may hand in.

use finality_grandpa::{Message, Precommit};
use frame_support::{
    BoundedVec, assert_noop,
    inherent::{InherentData, ProvideInherent},
    traits::Hooks,
};
use sp_consensus_grandpa::{AuthorityId, AuthoritySignature, localized_payload};

use crate::{
    Ballots, Call, Error, Event, INHERENT_IDENTIFIER, Precommits, Vote, VoteOf, VotesSince, mock::*,
};

const ALL: [u64; 4] = [10, 11, 12, 13];
/// Three of four decide.
const WITHOUT_13: [u64; 3] = [10, 11, 12];
/// Blocks of a session.
const SESSION: u32 = 12;

type Hash = <Test as frame_system::Config>::Hash;
type Signed = (AuthorityId, Hash, u32, AuthoritySignature);

/// `voter`'s precommit in round 1 for block `number`.
fn precommit(voter: u64, number: u32) -> Signed {
    let hash = System::block_hash(number);
    let message = Message::Precommit(Precommit { target_hash: hash, target_number: number });
    let signature = key_of(voter).sign(&localized_payload(1, SetId::get(), &message));
    (key_of(voter).public().into(), hash, number, signature.into())
}

/// Begins the next block, by the validator at index `author`.
fn begin(author: u32) {
    let number = System::block_number() + 1;
    System::set_block_number(number);
    let parent = Hash::from_low_u64_be(number.into());
    frame_system::BlockHash::<Test>::insert(number - 1, parent);
    Current::set(Some((number.into(), author)));
    Seats::on_initialize(number);
}

/// What a node that has the precommits of `voters` for the parent block would put into this block.
fn inherent(voters: &[u64]) -> Option<(u64, BoundedVec<VoteOf<Test>, MaxValidators>)> {
    let parent = System::block_number() - 1;
    inherent_of(voters.iter().map(|voter| precommit(*voter, parent)).collect())
}

fn inherent_of(votes: Vec<Signed>) -> Option<(u64, BoundedVec<VoteOf<Test>, MaxValidators>)> {
    let mut data = InherentData::new();
    data.put_data(INHERENT_IDENTIFIER, &Precommits { round: 1, votes }).expect("the first");
    match Seats::create_inherent(&data)? {
        Call::note_votes { round, votes } => Some((round, votes)),
        other => panic!("{other:?}"),
    }
}

/// A block by the validator at index `author`, whose node knows `voters`; whether it says so.
fn vote(author: u32, voters: &[u64]) -> bool {
    begin(author);
    let inherent = inherent(voters);
    let carries = inherent.is_some();
    if let Some((round, votes)) = inherent {
        Seats::note_votes(RuntimeOrigin::none(), round, votes).expect("what it made it takes");
    }
    Seats::do_try_state().expect("invariants hold after each block");
    carries
}

/// A session in which `authors` make blocks in turn, and the node of each knows what `known` says.
fn session(index: u32, authors: &[u32], known: impl Fn(u32) -> Vec<u64>) {
    for block in 0..SESSION {
        let author = authors[block as usize % authors.len()];
        vote(author, &known(author));
    }
    Seats::end_session(index);
    Seats::do_try_state().expect("invariants hold after each session");
}

fn is_proven(validator: u64) -> bool {
    Seats::proven().contains(&validator)
}

#[test]
fn who_authors_and_never_votes_is_reported_chilled_and_not_proven_until_it_votes() {
    run(|| {
        session(0, &[0, 1, 2, 3], |_| WITHOUT_13.to_vec());
        assert_eq!(Reports::get(), [], "one window is forgiven");
        assert!(is_proven(13));
        session(1, &[0, 1, 2, 3], |_| WITHOUT_13.to_vec());
        assert_eq!(Reports::get(), [(1, vec![13])]);
        assert_eq!(Chilled::get(), [13]);
        let events = System::read_events_for_pallet::<Event<Test>>();
        assert!(events.contains(&Event::Silent { validator: 13, windows: 2, session: 1 }));
        // Blocks alone do not make it proven again; a vote does.
        vote(3, &WITHOUT_13);
        assert!(!is_proven(13));
        vote(3, &ALL);
        assert!(is_proven(13));
        session(2, &[0, 1, 2, 3], |_| ALL.to_vec());
        session(3, &[0, 1, 2, 3], |_| ALL.to_vec());
        assert_eq!(Reports::get().len(), 1);
    });
}

#[test]
fn a_vote_in_between_is_work() {
    run(|| {
        for index in 0..6 {
            session(index, &[0, 1, 2, 3], |_| {
                if index % 2 == 0 { WITHOUT_13.to_vec() } else { ALL.to_vec() }
            });
        }
        assert_eq!(Reports::get(), []);
    });
}

/// Attack: most of the authors leave one validator's votes out.
#[test]
fn a_majority_that_leaves_votes_out_blames_nobody_that_authors() {
    run(|| {
        for index in 0..4 {
            session(index, &[0, 1, 2, 3], |author| {
                if author == 3 { ALL.to_vec() } else { WITHOUT_13.to_vec() }
            });
        }
        assert_eq!(Reports::get(), []);
        assert!(is_proven(13));
    });
}

#[test]
fn a_stall_of_finality_blames_nobody() {
    run(|| {
        // Half of the votes decide nothing.
        for index in 0..4 {
            session(index, &[0, 1, 2, 3], |_| vec![10, 11]);
        }
        assert!(Ballots::<Test>::get().is_empty());
        assert_eq!(Reports::get(), []);
    });
}

#[test]
fn while_too_few_hand_in_votes_the_window_stays_open() {
    run(|| {
        let known = |author: u32| if author < 2 { WITHOUT_13.to_vec() } else { vec![] };
        for index in 0..5 {
            session(index, &[0, 1, 2, 3], known);
        }
        assert_eq!(VotesSince::<Test>::get(), 0);
        assert_eq!(Reports::get(), []);
        // With a third of them it is judged, as one window.
        session(5, &[0, 1, 2, 3], |_| WITHOUT_13.to_vec());
        assert_eq!(VotesSince::<Test>::get(), System::block_number());
        assert_eq!(Ballots::<Test>::get().get(&13).map(|ballot| ballot.silent), Some(1));
    });
}

#[test]
fn who_authors_nothing_is_not_judged_by_its_votes() {
    run(|| {
        for index in 0..4 {
            session(index, &[0, 1, 2], |_| WITHOUT_13.to_vec());
        }
        assert_eq!(Reports::get(), []);
    });
}

/// A change of the voters by force that takes longer than a session leaves validators without a
/// vote: their keys are in no set.
#[test]
fn who_is_not_among_the_voters_is_not_silent() {
    run(|| {
        Validators::set(vec![10, 11, 12, 13, 14]);
        Voteless::set(vec![14]);
        for index in 0..4 {
            session(index, &[0, 1, 2, 3, 4], |_| ALL.to_vec());
        }
        assert_eq!(Reports::get(), []);
        assert!(is_proven(14));
        // When it can vote and does not, it is.
        Voteless::set(vec![]);
        for index in 4..6 {
            session(index, &[0, 1, 2, 3, 4], |_| ALL.to_vec());
        }
        assert_eq!(Reports::get(), [(5, vec![14])]);
    });
}

#[test]
fn a_block_carries_only_what_is_new() {
    run(|| {
        assert!(vote(0, &WITHOUT_13));
        assert!(!vote(0, &WITHOUT_13), "it has said so");
        assert!(vote(1, &WITHOUT_13), "another author has not");
        assert!(vote(0, &ALL), "a voter that was not seen yet");
        assert!(!vote(1, &ALL));
        begin(2);
        let (round, votes) = inherent(&ALL).expect("this author's first");
        let note = |votes| Seats::note_votes(RuntimeOrigin::none(), round, votes);
        note(votes.clone()).expect("the first of its block");
        assert_noop!(note(votes.clone()), Error::<Test>::AlreadyNoted);
        begin(2);
        assert_noop!(note(votes), Error::<Test>::NothingNew);
    });
}

#[test]
fn votes_of_an_earlier_window_are_not_taken_again() {
    run(|| {
        begin(0);
        let old: Vec<Signed> = ALL.iter().map(|voter| precommit(*voter, 1)).collect();
        assert!(inherent_of(old.clone()).is_some());
        session(0, &[0, 1, 2, 3], |_| ALL.to_vec());
        begin(0);
        assert!(inherent_of(old).is_none());
        begin(0);
        assert!(inherent(&ALL).is_some());
    });
}

#[test]
fn an_author_makes_no_inherent_of_what_is_not_valid() {
    run(|| {
        begin(0);
        // A vote for a block that is not of this chain, and one with another's signature.
        let mut votes: Vec<Signed> = ALL.iter().map(|voter| precommit(*voter, 1)).collect();
        votes[3].3 = votes[2].3.clone();
        let (_, taken) = inherent_of(votes.clone()).expect("three are left");
        assert_eq!(taken.len(), 3);
        votes[2].1 = Hash::repeat_byte(9);
        assert!(inherent_of(votes).is_none(), "two decide nothing");
        // Votes of another set; and one that votes for two blocks counts once.
        SetId::set(8);
        let votes: Vec<Signed> = ALL.iter().map(|voter| precommit(*voter, 1)).collect();
        SetId::set(7);
        assert!(inherent_of(votes).is_none());
        let twice = [10, 10, 11].map(|voter| precommit(voter, 1)).to_vec();
        assert!(inherent_of(twice).is_none());
    });
}

#[test]
fn a_call_with_anything_wrong_is_refused() {
    run(|| {
        begin(0);
        let (round, good) = inherent(&ALL).expect("all voted");
        let refused = |round, votes: Vec<VoteOf<Test>>, error: Error<Test>| {
            let votes = BoundedVec::try_from(votes).expect("within the bound");
            assert_noop!(Seats::note_votes(RuntimeOrigin::none(), round, votes), error);
        };
        let changed = |change: fn(&mut Vote<Hash, u32>)| {
            let mut votes = good.to_vec();
            change(&mut votes[3]);
            votes
        };
        refused(round + 1, good.to_vec(), Error::NotAVote);
        refused(round, changed(|vote| vote.voter = 4), Error::UnknownVoter);
        refused(round, changed(|vote| vote.voter = 2), Error::NotInOrder);
        refused(round, changed(|vote| vote.number = 2), Error::NotAVote);
        refused(round, changed(|vote| vote.hash = Hash::repeat_byte(9)), Error::NotAVote);
        refused(round, changed(|vote| vote.hash = Hash::zero()), Error::NotAVote);
        refused(round, good[..2].to_vec(), Error::TooFewVotes);
        SetId::set(8);
        refused(round, good.to_vec(), Error::NotAVote);
        SetId::set(7);
        Current::set(None);
        refused(round, good.to_vec(), Error::NoAuthor);
        let signed = Seats::note_votes(RuntimeOrigin::signed(10), round, good);
        assert!(signed.is_err(), "nobody sends it as a transaction");
    });
}

#[test]
fn more_silent_ones_than_a_session_reports_lose_their_standing_at_once() {
    run(|| {
        // Three of ten are silent; a session reports two.
        Validators::set((10..20).collect());
        let voters: Vec<u64> = (10..17).collect();
        let authors: Vec<u32> = (0..10).collect();
        // A session has twelve blocks: each authors once at least.
        for index in 0..2 {
            session(index, &authors, |_| voters.clone());
        }
        assert_eq!(Chilled::get(), [17, 18, 19]);
        assert_eq!(Reports::get(), [(1, vec![17, 18])]);
        assert_eq!(Together::get(), 3);
        session(2, &authors, |_| voters.clone());
        assert_eq!(Reports::get(), [(1, vec![17, 18]), (2, vec![19])]);
        assert!((17..20).all(|silent| !is_proven(silent)), "blocks alone do not help");
    });
}

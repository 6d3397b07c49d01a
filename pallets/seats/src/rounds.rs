//! What an author's node knows of votes: GRANDPA's own record of the rounds that it has completed.
//!
//! A node that votes completes no round before it has voted in it, and writes each one down with
//! all votes that it has seen. The justification of the last final block says less: a node takes it
//! from others if they were faster, and then its own vote is not in it.

use codec::{Decode, Encode};
use finality_grandpa::{Message, SignedMessage, round::State};
use sp_consensus_grandpa::{AuthorityId, AuthoritySignature, RoundNumber};

use crate::Precommits;

/// Where GRANDPA's client keeps the record, among what a node's database has beside blocks.
pub const COMPLETED_ROUNDS_KEY: &[u8] = b"grandpa_completed_round";

type Signed<Hash, Number> = SignedMessage<Hash, Number, AuthoritySignature, AuthorityId>;

/// The beginning of the record; what follows is not read.
#[derive(Encode, Decode)]
enum VoterSet<Hash, Number> {
    #[codec(index = 0)]
    Live(Vec<Round<Hash, Number>>),
    #[codec(index = 1)]
    Paused(Vec<Round<Hash, Number>>),
}

#[derive(Encode, Decode)]
struct Round<Hash, Number> {
    number: RoundNumber,
    state: State<Hash, Number>,
    base: (Hash, Number),
    votes: Vec<Signed<Hash, Number>>,
}

/// The precommits of the newest round in GRANDPA's `record` that has any; nothing if it has none,
/// as after a change of the voters, or is none.
pub fn completed<Hash: Decode, Number: Decode>(record: &[u8]) -> Option<Precommits<Hash, Number>> {
    let (VoterSet::Live(rounds) | VoterSet::Paused(rounds)) =
        VoterSet::decode(&mut &record[..]).ok()?;
    // The newest comes first.
    rounds.into_iter().map(precommits).find(|known| !known.votes.is_empty())
}

fn precommits<Hash, Number>(round: Round<Hash, Number>) -> Precommits<Hash, Number> {
    let votes = round.votes.into_iter().filter_map(|signed| {
        let SignedMessage { message, signature, id } = signed;
        match message {
            Message::Precommit(vote) => Some((id, vote.target_hash, vote.target_number, signature)),
            Message::Prevote(_) | Message::PrimaryPropose(_) => None,
        }
    });
    Precommits { round: round.number, votes: votes.collect() }
}

#[cfg(test)]
mod tests {
    use finality_grandpa::{Precommit, Prevote};
    use sp_keyring::Ed25519Keyring::{self, Alice, Bob, Charlie};

    use super::*;

    type Known = Precommits<u64, u32>;

    fn signed(by: Ed25519Keyring, message: Message<u64, u32>) -> Signed<u64, u32> {
        SignedMessage { message, signature: by.sign(b"a vote").into(), id: by.public().into() }
    }

    fn precommit(by: Ed25519Keyring, target_number: u32) -> Signed<u64, u32> {
        let target_hash = target_number.into();
        signed(by, Message::Precommit(Precommit { target_hash, target_number }))
    }

    fn round(number: RoundNumber, votes: Vec<Signed<u64, u32>>) -> Round<u64, u32> {
        Round { number, state: State::genesis((0, 0)), base: (0, 0), votes }
    }

    /// As GRANDPA's client writes it: set, voters and the votes of this node follow on the rounds.
    fn record(rounds: Vec<Round<u64, u32>>) -> Vec<u8> {
        let rest = (7_u64, vec![AuthorityId::from(Alice.public())], 1_u8, 5_u64, 0_u8);
        [VoterSet::Live(rounds).encode(), rest.encode()].concat()
    }

    #[test]
    fn the_precommits_of_the_newest_round_are_found() {
        let prevote = Message::Prevote(Prevote { target_hash: 8, target_number: 8 });
        let newest = vec![
            signed(Alice, prevote),
            precommit(Alice, 8),
            precommit(Bob, 9),
            precommit(Charlie, 8),
        ];
        let older = vec![precommit(Alice, 5)];
        let found: Known = completed(&record(vec![round(4, newest), round(3, older.clone())]))
            .expect("there are some");
        let voters: Vec<(AuthorityId, u32)> =
            found.votes.iter().map(|(id, _, number, _)| (id.clone(), *number)).collect();
        let expected = [(Alice, 8), (Bob, 9), (Charlie, 8)];
        assert_eq!(voters, expected.map(|(who, number)| (who.public().into(), number)));
        assert_eq!(found.round, 4);
        let before: Known =
            completed(&record(vec![round(4, vec![]), round(3, older)])).expect("there is one");
        assert_eq!((before.round, before.votes.len()), (3, 1));
    }

    #[test]
    fn a_record_without_votes_or_of_another_kind_says_nothing() {
        assert_eq!(completed(&record(vec![round(0, vec![])])), None::<Known>);
        let paused = VoterSet::Paused(vec![round(1, vec![precommit(Bob, 2)])]).encode();
        assert_eq!(completed(&paused).map(|known: Known| known.round), Some(1));
        for bytes in [&[][..], &[2], &[0, 255, 255, 255, 255]] {
            assert_eq!(completed(bytes), None::<Known>);
        }
    }
}

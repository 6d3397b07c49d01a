//! Two blocks for one slot, and two votes in one round: reported with a proof, they cost stake.

use codec::{Decode, Encode};
use frame_support::{assert_noop, assert_ok, traits::KeyOwnerProofSystem};
use mica_runtime::{
    Babe, BlockNumber, Grandpa, Hash, Header, Historical, Runtime, RuntimeOrigin, Session, Staking,
    System, genesis::VALIDATOR_BOND,
};
use sp_consensus_babe::{
    AuthorityId as BabeId, KEY_TYPE as BABE_KEY,
    digests::{CompatibleDigestItem, PreDigest, SecondaryPlainPreDigest},
};
use sp_consensus_grandpa::{KEY_TYPE as GRANDPA_KEY, localized_payload};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{Digest, DigestItem, Perbill, traits::Header as _};
use sp_session::MembershipProof;

mod chain;
use chain::{check_state, genesis_of, schedule::Schedule};

/// Index of Bob among the validators, whose keys are the development key of that name.
fn bob() -> u32 {
    let bob = Sr25519Keyring::BobStash.to_account_id();
    Session::validators().iter().position(|stash| *stash == bob).expect("a validator") as u32
}

/// A header for the current slot by Bob, told from others by `mark`.
fn header(mark: u8) -> Header {
    let slot = Babe::current_slot();
    let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index: bob(), slot });
    let digest = Digest { logs: vec![DigestItem::babe_pre_digest(claim)] };
    let state = Hash::repeat_byte(mark);
    let mut header = Header::new(System::block_number(), Hash::zero(), state, Hash::zero(), digest);
    let signature = Sr25519Keyring::Bob.sign(header.hash().as_ref());
    header.digest_mut().push(DigestItem::babe_seal(signature.into()));
    header
}

fn two_blocks() -> sp_consensus_babe::EquivocationProof<Header> {
    sp_consensus_babe::EquivocationProof {
        offender: BabeId::from(Sr25519Keyring::Bob.public()),
        slot: Babe::current_slot(),
        first_header: header(1),
        second_header: header(2),
    }
}

/// Two prevotes of Bob in round 1 of the current set, by their SCALE form.
fn two_votes() -> sp_consensus_grandpa::EquivocationProof<Hash, BlockNumber> {
    const PREVOTE: u8 = 0;
    const ROUND: u64 = 1;
    let set = Grandpa::current_set_id();
    let vote = |mark: u8| {
        let target = (Hash::repeat_byte(mark), BlockNumber::from(mark));
        let payload = localized_payload(ROUND, set, &(PREVOTE, target));
        (target, Ed25519Keyring::Bob.sign(&payload))
    };
    let identity = Ed25519Keyring::Bob.public();
    let bytes = (set, PREVOTE, ROUND, identity, vote(3), vote(4)).encode();
    Decode::decode(&mut &bytes[..]).expect("the layout of a proof")
}

fn owner_of(key: impl AsRef<[u8]>, kind: sp_core::crypto::KeyTypeId) -> MembershipProof {
    Historical::prove((kind, key)).expect("the key is of a validator")
}

/// What is left of Bob's bond.
fn bond() -> u128 {
    let bob = Sr25519Keyring::BobStash.to_account_id();
    Staking::ledger(bob.into()).expect("bonded").active
}

/// A chain with an active era, some blocks old.
fn run(test: impl FnOnce()) {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let mut chain = Schedule::begin();
        chain.make_blocks(30);
        test();
        check_state();
    });
}

/// One equivocator of four loses `(3 / 4)²` of its stake.
fn slashed() -> u128 {
    VALIDATOR_BOND - Perbill::from_rational(9u32, 16) * VALIDATOR_BOND
}

#[test]
fn two_blocks_for_one_slot_cost_stake_once() {
    run(|| {
        let owner = owner_of(Sr25519Keyring::Bob.public().0, BABE_KEY);
        let report = || {
            Babe::report_equivocation_unsigned(
                RuntimeOrigin::none(),
                Box::new(two_blocks()),
                owner.clone(),
            )
        };
        assert_ok!(report());
        assert_eq!(bond(), slashed());
        assert!(Session::disabled_validators().contains(&bob()));
        assert_noop!(report(), pallet_babe::Error::<Runtime>::DuplicateOffenceReport);
        assert_eq!(bond(), slashed());
    });
}

#[test]
fn two_votes_in_one_round_cost_stake_once() {
    run(|| {
        let owner = owner_of(Ed25519Keyring::Bob.public().0, GRANDPA_KEY);
        let report = || {
            Grandpa::report_equivocation_unsigned(
                RuntimeOrigin::none(),
                Box::new(two_votes()),
                owner.clone(),
            )
        };
        assert_ok!(report());
        assert_eq!(bond(), slashed());
        assert_noop!(report(), pallet_grandpa::Error::<Runtime>::DuplicateOffenceReport);
    });
}

#[test]
fn a_report_without_a_second_signature_costs_nothing() {
    run(|| {
        let owner = owner_of(Sr25519Keyring::Bob.public().0, BABE_KEY);
        let mut proof = two_blocks();
        proof.second_header.digest_mut().logs.pop();
        let other = Sr25519Keyring::Alice.sign(proof.second_header.hash().as_ref());
        proof.second_header.digest_mut().push(DigestItem::babe_seal(other.into()));
        assert_noop!(
            Babe::report_equivocation_unsigned(RuntimeOrigin::none(), Box::new(proof), owner),
            pallet_babe::Error::<Runtime>::InvalidEquivocationProof
        );
        let mut votes = two_votes();
        let owner = owner_of(Ed25519Keyring::Bob.public().0, GRANDPA_KEY);
        votes = Decode::decode(
            &mut &{
                // The same vote twice is no second vote.
                let bytes = votes.encode();
                let vote = 32 + 4 + 64;
                let first = bytes.len() - 2 * vote;
                [&bytes[..first + vote], &bytes[first..first + vote]].concat()
            }[..],
        )
        .expect("the layout of a proof");
        assert_noop!(
            Grandpa::report_equivocation_unsigned(RuntimeOrigin::none(), Box::new(votes), owner),
            pallet_grandpa::Error::<Runtime>::InvalidEquivocationProof
        );
        assert_eq!(bond(), VALIDATOR_BOND);
    });
}

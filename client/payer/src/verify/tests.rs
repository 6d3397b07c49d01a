use ed25519_dalek::{Signer, SigningKey};
use mica_primitives::{ChannelId, LayerRange, Leaf, ModelId};
use mica_protocol::receipts::Culprits;

use super::*;
use crate::store::StageRecord;

const GENESIS: Hash32 = [5; 32];
const LEAF: u32 = 16;

fn key(stage: u8) -> SigningKey {
    SigningKey::from_bytes(&[stage + 1; 32])
}

/// An honest session: `prompt` and `answer` token counts over three stages.
fn honest(prompt: u32, answer: u32) -> (SessionRecord, Vec<Vec<Receipt>>) {
    let layers = [(0, 3), (3, 5), (5, 8)];
    let rows = prompt + answer - 1;
    let stages = layers.iter().zip(0u8..).map(|((first, end), stage)| StageRecord {
        worker: [stage; 32],
        peer: key(stage).verifying_key().to_bytes(),
        layers: LayerRange { first: *first, end: *end },
        channel: ChannelId([stage; 32]),
        lane: 0,
        price_per_layer_token: 1,
        paid: 1,
        first_receipt: 0,
        receipts: rows.div_ceil(LEAF).into(),
    });
    let record = SessionRecord {
        session: [1; 32],
        genesis: GENESIS,
        started_unix_ms: 0,
        model: ModelId([2; 32]),
        profile: [3; 32],
        prompt: (100..100 + prompt).collect(),
        tokens: (500..500 + answer).collect(),
        stages: stages.collect(),
        is_closed: true,
    };
    let receipts = (0..3).map(|stage| sign_stage(&record, stage, rows)).collect();
    (record, receipts)
}

fn hash_of(ids: &[u32]) -> Hash32 {
    *blake3::hash(&ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>()).as_bytes()
}

fn sign_stage(record: &SessionRecord, stage: usize, rows: u32) -> Vec<Receipt> {
    let all: Vec<u32> = record.prompt.iter().chain(&record.tokens).copied().collect();
    let mut kv_root = [0; 32];
    let windows = (0..rows).step_by(LEAF as usize).map(|first| (first, (first + LEAF).min(rows)));
    let leaves = windows.map(|(first, end)| {
        let between =
            |stage: usize| *blake3::hash(format!("{stage} {first}").as_bytes()).as_bytes();
        let h_in = if stage == 0 {
            hash_of(&all[first as usize..end as usize])
        } else {
            between(stage - 1)
        };
        let drawn_from = (first as usize).max(record.prompt.len() - 1);
        let drawn: Vec<u32> = (drawn_from..end as usize).map(|row| all[row + 1]).collect();
        let h_out = if stage == record.stages.len() - 1 { hash_of(&drawn) } else { between(stage) };
        kv_root = Leaf::next_kv_root(&kv_root, &h_in);
        let layers = record.stages[stage].layers;
        let leaf = Leaf {
            session: record.session,
            lane: 0,
            first_position: first,
            positions: end - first,
            layers,
            profile: record.profile,
            h_in,
            h_out,
            kv_root,
            trace_root: [0; 32],
        };
        sign(leaf, stage)
    });
    leaves.collect()
}

fn sign(leaf: Leaf, stage: usize) -> Receipt {
    let key = key(u8::try_from(stage).expect("few stages"));
    Receipt { signature: key.sign(&Receipt::signing_bytes(&leaf, &GENESIS)).to_bytes(), leaf }
}

#[test]
fn honest_sessions_of_all_lengths_verify() {
    for (prompt, answer) in [(1, 1), (1, 40), (16, 1), (17, 16), (40, 9), (33, 31)] {
        let (record, receipts) = honest(prompt, answer);
        let counts = session(&record, &receipts)
            .unwrap_or_else(|error| panic!("{prompt}+{answer}: {error}"));
        assert!(
            counts.iter().all(|count| *count == u64::from((prompt + answer - 1).div_ceil(LEAF)))
        );
    }
}

/// Changes one signed leaf and signs it again, as a lying worker would.
fn lie(stage: usize, index: usize, change: impl Fn(&mut Leaf)) -> VerifyError {
    let (record, mut receipts) = honest(20, 30);
    let mut leaf = receipts[stage][index].leaf;
    change(&mut leaf);
    receipts[stage][index] = sign(leaf, stage);
    session(&record, &receipts).expect_err("a lie")
}

/// Whom a lie is traced to.
fn culprits(error: &VerifyError) -> Culprits {
    match error {
        VerifyError::Receipts(error) => error.culprits(),
        other => panic!("not about receipts: {other}"),
    }
}

#[test]
fn every_lie_is_found_and_traced() {
    let stage = |stage| Culprits::Stage(stage);
    let pair = |sender| Culprits::Pair { sender, receiver: sender + 1 };
    assert_eq!(culprits(&lie(0, 1, |leaf| leaf.session = [9; 32])), stage(0));
    assert_eq!(culprits(&lie(1, 0, |leaf| leaf.lane = 1)), stage(1));
    assert_eq!(culprits(&lie(1, 0, |leaf| leaf.layers.end = 6)), stage(1));
    assert_eq!(culprits(&lie(2, 0, |leaf| leaf.profile = [0; 32])), stage(2));
    assert_eq!(culprits(&lie(1, 1, |leaf| leaf.first_position = 15)), stage(1));
    assert_eq!(culprits(&lie(1, 1, |leaf| leaf.positions = 0)), stage(1));
    assert_eq!(culprits(&lie(1, 3, |leaf| leaf.positions = u32::MAX)), stage(1));
    assert_eq!(culprits(&lie(1, 1, |leaf| leaf.kv_root = [9; 32])), stage(1));
    assert_eq!(culprits(&lie(1, 1, |leaf| leaf.h_in = [9; 32])), stage(1));
    let other_tokens = |leaf: &mut Leaf| {
        leaf.h_in = [9; 32];
        leaf.kv_root = Leaf::next_kv_root(&[0; 32], &leaf.h_in);
    };
    // The payer itself sent the prompt to the first stage.
    assert_eq!(culprits(&lie(0, 0, other_tokens)), stage(0));
    assert_eq!(culprits(&lie(2, 2, |leaf| leaf.h_out = [9; 32])), stage(2));
    assert_eq!(culprits(&lie(1, 2, |leaf| leaf.h_out = [9; 32])), pair(1));
    assert_eq!(culprits(&lie(0, 2, |leaf| leaf.h_out = [9; 32])), pair(0));
}

#[test]
fn forged_and_missing_receipts_are_found() {
    let (record, mut receipts) = honest(20, 30);
    receipts[1][2].signature[3] ^= 1;
    assert_eq!(session(&record, &receipts), Err(receipts::VerifyError::BadSignature(1).into()));
    let (record, mut receipts) = honest(20, 30);
    let leaf = receipts[1][0].leaf;
    receipts[1][0] = sign(leaf, 2);
    assert_eq!(session(&record, &receipts), Err(receipts::VerifyError::BadSignature(1).into()));
    let (record, mut receipts) = honest(20, 30);
    receipts[2].pop();
    assert_eq!(
        session(&record, &receipts),
        Err(VerifyError::Missing { stage: 2, found: 3, expected: 4 })
    );
    assert!(matches!(session(&record, &receipts[..1]), Err(VerifyError::Missing { stage: 1, .. })));
}

#[test]
fn another_answer_or_another_chain_does_not_verify() {
    let (record, receipts) = honest(20, 30);
    let mut changed = record.clone();
    changed.tokens[29] += 1;
    assert!(matches!(session(&changed, &receipts), Err(VerifyError::Receipts(_))));
    let mut changed = record.clone();
    changed.prompt[0] += 1;
    assert_eq!(
        culprits(&session(&changed, &receipts).expect_err("another prompt")),
        Culprits::Stage(0)
    );
    let mut changed = record.clone();
    changed.tokens.truncate(10);
    assert!(session(&changed, &receipts).is_err());
    let mut changed = record;
    changed.genesis = [6; 32];
    assert_eq!(session(&changed, &receipts), Err(receipts::VerifyError::BadSignature(0).into()));
}

#[test]
fn the_root_is_the_tree_over_the_leaves() {
    let (_, receipts) = honest(20, 30);
    assert_eq!(root(&[]), [0; 32]);
    assert_ne!(root(&receipts[0]), root(&receipts[0][..3]));
    assert_ne!(root(&receipts[0]), root(&receipts[1]));
}

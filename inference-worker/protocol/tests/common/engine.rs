//! Arithmetic in place of an engine: every layer mixes its input with all that it has seen, so that
//! a lost, repeated or reordered row changes every token after it, and any split of layers and any
//! chunking gives the same tokens.
#![allow(dead_code, reason = "each test crate uses its own part")]

use mica_primitives::LayerRange;
use mica_protocol::{
    SessionId,
    messages::Payload,
    probability::{Candidate, Candidates, LogProbabilities, LogProbability},
    stage::{ComputeJob, ComputeResult, Drawn, JobOutput},
};
use std::collections::BTreeMap;

pub const HIDDEN: u32 = 4;
pub const VOCABULARY: u32 = 97;
const ROW_BYTES: usize = HIDDEN as usize * 4;

fn mix(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

/// One worker's sessions' caches.
#[derive(Default)]
pub struct FakeEngine {
    caches: BTreeMap<SessionId, Cache>,
}

struct Cache {
    layers: LayerRange,
    states: Vec<[u8; 32]>,
    positions: u32,
}

impl FakeEngine {
    pub fn open(&mut self, session: SessionId, layers: LayerRange) {
        let states = vec![[0; 32]; usize::from(layers.len())];
        assert!(
            self.caches.insert(session, Cache { layers, states, positions: 0 }).is_none(),
            "a cache was opened twice"
        );
    }

    pub fn drop_cache(&mut self, session: &SessionId) {
        assert!(self.caches.remove(session).is_some(), "a cache was dropped that is not there");
    }

    pub fn caches(&self) -> usize {
        self.caches.len()
    }

    /// Computes; nothing if the cache was dropped while the job was on its way.
    pub fn compute(&mut self, job: &ComputeJob) -> Option<ComputeResult> {
        let cache = self.caches.get_mut(&job.session)?;
        assert_eq!(cache.positions, job.first_position, "the cache holds other positions");
        cache.positions += u32::from(job.rows);
        let mut rows: Vec<[u8; ROW_BYTES]> = match &job.payload {
            Payload::Tokens(ids) => ids
                .iter()
                .map(|id| mix(&[&id.to_le_bytes()])[..ROW_BYTES].try_into().expect("length"))
                .collect(),
            Payload::Hidden(bytes) => {
                bytes.chunks(ROW_BYTES).map(|row| row.try_into().expect("length")).collect()
            }
        };
        assert_eq!(rows.len(), usize::from(job.rows));
        for (state, layer) in cache.states.iter_mut().zip(cache.layers.layers()) {
            for row in &mut rows {
                *state = mix(&[&layer.to_le_bytes(), state, row]);
                row.copy_from_slice(&state[..ROW_BYTES]);
            }
        }
        Some(match job.want {
            JobOutput::Hidden => ComputeResult::Hidden(rows.concat()),
            JobOutput::Nothing => ComputeResult::Sampled(None),
            JobOutput::Sample { sampling, position, logprobs } => {
                let last = rows.last().expect("at least one row");
                let drawn = mix(&[last, &sampling.seed.to_le_bytes(), &position.to_le_bytes()]);
                let id = u32::from_le_bytes(drawn[..4].try_into().expect("length")) % VOCABULARY;
                ComputeResult::Sampled(Some(Drawn {
                    id,
                    log_probabilities: logprobs.map(|count| likely(id, count)),
                }))
            }
        })
    }
}

/// The drawn token is the second of the most likely ones; each is half as likely as the one before.
pub fn likely(drawn: u32, count: u8) -> LogProbabilities {
    let at = |place: u32| LogProbability::new(-f64::from(place + 1) * std::f64::consts::LN_2);
    let id = |place: u32| (drawn + VOCABULARY + place - 1) % VOCABULARY;
    let top =
        (0..u32::from(count)).map(|place| Candidate { id: id(place), log_probability: at(place) });
    LogProbabilities { drawn: at(1), top: Candidates::truncate_from(top.collect()) }
}

/// What one process makes of a prompt: tokens until `max_new` or an end id.
pub fn reference(
    layers: u16,
    prompt: &[u32],
    seed: u64,
    max_new: usize,
    end_ids: &[u32],
) -> Vec<u32> {
    let session = SessionId([255; 32]);
    let mut engine = FakeEngine::default();
    engine.open(session, LayerRange { first: 0, end: layers });
    let sampling = mica_protocol::session::Sampling { seed, ..Default::default() };
    let (mut tokens, mut next, mut position) = (Vec::new(), prompt.to_vec(), 0);
    loop {
        let rows = next.len() as u16;
        let want =
            JobOutput::Sample { sampling, position: position + u32::from(rows), logprobs: None };
        let job = ComputeJob {
            session,
            first_position: position,
            rows,
            payload: Payload::Tokens(next),
            want,
        };
        position += u32::from(rows);
        let Some(ComputeResult::Sampled(Some(Drawn { id, .. }))) = engine.compute(&job) else {
            panic!("no token")
        };
        tokens.push(id);
        if tokens.len() == max_new || end_ids.contains(&id) {
            return tokens;
        }
        next = vec![id];
    }
}

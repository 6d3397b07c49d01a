//! How long each stage takes for a token, as far as its payer can see.
//!
//! While an answer is decoded, the last stage's token starts the next round at the first stage, and
//! each stage signs a receipt for every sixteen positions. So a stage's time is what lies between
//! the arrival of its receipt and that of the stage before it (of the token, for the first one) for
//! the same position: its computation and the way to it. What a session counts is the median.
//!
//! A receipt names the bytes that left the stage, so nobody can send it early; who sends it late
//! makes itself look slow, and the stage after it fast. What a path takes in all cannot be shifted.

use std::collections::BTreeMap;

use mica_primitives::PublicKey;
use mica_protocol::{Message, limits::LEAF_POSITIONS};
use tokio::time::Duration;

/// Most measurements of one stage in one session.
const MAX_SAMPLES: usize = 64;
/// Most positions of which arrivals are kept: those of a window, and those that come out of order.
const MAX_ARRIVALS: usize = 256;
/// Tokens from which on the pace of a path of one stage is known without receipts.
const MIN_TOKENS: u32 = 4;

/// Takes the arrival of tokens and receipts of one session.
pub(super) struct StageTimer {
    prompt_positions: u32,
    stages: Vec<StageTimes>,
    /// When the token came that is computed at a position.
    tokens: BTreeMap<u32, Duration>,
    /// The first and the last token's, and how many came.
    pace: Option<(Duration, Duration, u32)>,
}

struct StageTimes {
    peer: PublicKey,
    layers: u16,
    /// When the receipt came of which a position is the last one.
    receipts: BTreeMap<u32, Duration>,
    samples_us: Vec<u32>,
}

impl StageTimer {
    /// Of a session with a prompt of so many positions over these stages: peers and layers.
    pub(super) fn new(
        prompt_positions: u32,
        stages: impl Iterator<Item = (PublicKey, u16)>,
    ) -> Self {
        let stages = stages.map(|(peer, layers)| StageTimes {
            peer,
            layers,
            receipts: BTreeMap::new(),
            samples_us: Vec::new(),
        });
        Self { prompt_positions, stages: stages.collect(), tokens: BTreeMap::new(), pace: None }
    }

    /// Takes note of a message that came from `peer`, `at` after the session began.
    pub(super) fn saw(&mut self, peer: &PublicKey, message: &Message, at: Duration) {
        match message {
            Message::Token(token) if self.stages.last().is_some_and(|last| last.peer == *peer) => {
                let (first, _, count) = self.pace.unwrap_or((at, at, 0));
                self.pace = Some((first, at, count.saturating_add(1)));
                keep(&mut self.tokens, token.position, at);
            }
            Message::Receipt(receipt) => {
                let leaf = &receipt.receipt.leaf;
                let last = leaf.first_position.saturating_add(leaf.positions).saturating_sub(1);
                // One that the end of the session cut short comes when it is asked for.
                let is_whole = last % LEAF_POSITIONS == LEAF_POSITIONS - 1;
                let is_decoded = leaf.first_position >= self.prompt_positions;
                let stage = self.stages.iter().position(|stage| stage.peer == *peer);
                if let Some(stage) = stage.filter(|_| is_whole && is_decoded) {
                    keep(&mut self.stages[stage].receipts, last, at);
                    self.sample(stage, last);
                    self.sample(stage + 1, last);
                }
            }
            _ => {}
        }
    }

    /// Measures a stage at a position, if both arrivals are known.
    fn sample(&mut self, stage: usize, position: u32) {
        let begun = match stage.checked_sub(1) {
            Some(before) => self.stages.get(before).and_then(|s| s.receipts.get(&position)),
            None => self.tokens.get(&position),
        };
        let Some(begun) = begun.copied() else { return };
        let Some(stage) = self.stages.get_mut(stage) else { return };
        if let Some(ended) = stage.receipts.get(&position)
            && stage.samples_us.len() < MAX_SAMPLES
        {
            stage.samples_us.push(micros(ended.saturating_sub(begun)));
        }
    }

    /// What a token took at each stage, µs per layer; nothing for a stage of which too little was
    /// seen.
    pub(super) fn costs_us(mut self) -> Vec<Option<u32>> {
        let is_alone = self.stages.len() == 1;
        let pace_us = self
            .pace
            .filter(|(_, _, count)| is_alone && *count >= MIN_TOKENS)
            .map(|(first, last, count)| micros(last.saturating_sub(first)) / (count - 1).max(1));
        let cost_us = |stage: &mut StageTimes| {
            let samples = &mut stage.samples_us;
            let middle = samples.len() / 2;
            let median = samples.get(middle).is_some().then(|| {
                let (_, median, _) = samples.select_nth_unstable(middle);
                *median
            });
            let step_us = pace_us.or(median)?;
            Some((step_us / u32::from(stage.layers.max(1))).max(1))
        };
        self.stages.iter_mut().map(cost_us).collect()
    }
}

/// Keeps an arrival; the earliest position makes room.
fn keep(arrivals: &mut BTreeMap<u32, Duration>, position: u32, at: Duration) {
    arrivals.entry(position).or_insert(at);
    if arrivals.len() > MAX_ARRIVALS {
        arrivals.pop_first();
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use mica_primitives::{LayerRange, Leaf, Receipt};
    use mica_protocol::{
        SessionId,
        messages::{SessionReceipt, Token},
    };

    use super::*;

    fn token(position: u32) -> Message {
        let session = SessionId([0; 32]);
        Message::Token(Token { session, position, id: 1, stop: None, log_probabilities: None })
    }

    fn receipt(first_position: u32, positions: u32) -> Message {
        let leaf = Leaf {
            session: [0; 32],
            lane: 0,
            first_position,
            positions,
            layers: LayerRange { first: 0, end: 1 },
            profile: [0; 32],
            h_in: [0; 32],
            h_out: [0; 32],
            kv_root: [0; 32],
            trace_root: [0; 32],
        };
        Message::Receipt(SessionReceipt { receipt: Receipt { leaf, signature: [0; 64] } })
    }

    #[test]
    fn a_stages_time_lies_between_its_receipt_and_the_one_before_it() {
        let mut timer = StageTimer::new(16, [([1; 32], 2), ([2; 32], 4)].into_iter());
        let ms = Duration::from_millis;
        for window in 0..3u32 {
            let (last, begun) = (16 * window + 31, u64::from(window) * 1_000);
            timer.saw(&[2; 32], &token(last), ms(begun));
            timer.saw(&[1; 32], &receipt(16 * window + 16, 16), ms(begun + 20));
            timer.saw(&[2; 32], &receipt(16 * window + 16, 16), ms(begun + 60));
        }
        assert_eq!(timer.costs_us(), [Some(10_000), Some(10_000)]);
    }

    #[test]
    fn receipts_of_the_prompt_and_of_strangers_say_nothing() {
        let mut timer = StageTimer::new(17, [([1; 32], 1), ([2; 32], 1)].into_iter());
        let ms = Duration::from_millis;
        timer.saw(&[2; 32], &token(31), ms(0));
        timer.saw(&[1; 32], &receipt(16, 16), ms(5));
        timer.saw(&[9; 32], &receipt(32, 16), ms(5));
        timer.saw(&[1; 32], &token(47), ms(6));
        timer.saw(&[1; 32], &receipt(32, 16), ms(9));
        assert_eq!(timer.costs_us(), [None, None]);
    }

    #[test]
    fn receipts_out_of_order_count_and_a_flood_is_bounded() {
        let mut timer = StageTimer::new(0, [([1; 32], 1), ([2; 32], 1)].into_iter());
        let ms = Duration::from_millis;
        timer.saw(&[2; 32], &token(15), ms(0));
        timer.saw(&[2; 32], &receipt(0, 16), ms(30));
        timer.saw(&[1; 32], &receipt(0, 16), ms(40));
        for position in 16..2_000 {
            timer.saw(&[1; 32], &receipt(position, 1), ms(50));
            timer.saw(&[2; 32], &receipt(position, 1), ms(51));
        }
        assert!(timer.stages.iter().all(|stage| stage.receipts.len() <= MAX_ARRIVALS));
        assert!(timer.stages.iter().all(|stage| stage.samples_us.len() <= MAX_SAMPLES));
        assert_eq!(
            timer.costs_us(),
            [Some(40_000), Some(1_000)],
            "the late receipt is its own fault"
        );
    }

    #[test]
    fn a_path_of_one_stage_needs_no_receipts() {
        let mut timer = StageTimer::new(3, [([1; 32], 8)].into_iter());
        for position in 3..8u32 {
            timer.saw(&[1; 32], &token(position), Duration::from_millis(8 * u64::from(position)));
        }
        assert_eq!(timer.costs_us(), [Some(1_000)]);
    }
}

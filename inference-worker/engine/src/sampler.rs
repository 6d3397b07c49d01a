//! The choice of the next token: a pure function of logits, settings, seed and position.

mod likelihood;

pub use likelihood::{Likelihood, log_probabilities};

use mica_kernels::{math, reduce};

/// How the next token is chosen. Equal settings, logits and position give the same token on every
/// machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    /// Logits are divided by this; 0 or less: the best token, always.
    pub temperature: f32,
    /// Only the best `top_k` tokens; 0 for all.
    pub top_k: u32,
    /// Only the best tokens whose probabilities reach this; 1 or more for all.
    pub top_p: f32,
    /// Names the stream of random numbers; the position names the number in it.
    pub seed: u64,
}

impl Sampler {
    /// Always the best token.
    pub const fn greedy() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }

    /// The token after `position` positions with these logits (not empty, no NaN).
    ///
    /// Tokens are ordered by logit, equal ones by id; weights are `e^((logit − best)/temperature)`
    /// in f32, summed in that order; the number from the generator picks the token at which the sum
    /// passes it. 0 for empty logits.
    pub fn sample(&self, logits: &[f32], position: u32) -> u32 {
        // NaN settings count as greedy.
        if self.temperature.is_nan() || self.temperature <= 0.0 || self.top_k == 1 {
            return reduce::argmax(logits).unwrap_or(0) as u32;
        }
        let order = best(logits, if self.top_k == 0 { logits.len() } else { self.top_k as usize });
        let Some(&(best, _)) = order.first() else { return 0 };
        let weights: Vec<f32> =
            order.iter().map(|&(logit, _)| math::exp((logit - best) / self.temperature)).collect();
        let (kept, total) = self.nucleus(&weights);
        let target = uniform(self.seed, position) * total;
        let mut sum = 0.0;
        for (&weight, &(_, id)) in weights[..kept].iter().zip(&order) {
            sum += weight;
            if sum > target {
                return id;
            }
        }
        order[kept - 1].1
    }

    /// Number of the first weights that together reach `top_p` of all, at least one, and their sum.
    fn nucleus(&self, weights: &[f32]) -> (usize, f32) {
        let all = weights.iter().fold(0.0, |sum, weight| sum + weight);
        let bound = all * self.top_p.clamp(0.0, 1.0);
        let mut sum = 0.0;
        for (index, weight) in weights.iter().enumerate() {
            sum += weight;
            if self.top_p < 1.0 && sum >= bound {
                return (index + 1, sum);
            }
        }
        (weights.len(), sum)
    }
}

/// The `count` tokens with the largest logits, or all if there are fewer: largest first, equal ones
/// by id.
fn best(logits: &[f32], count: usize) -> Vec<(f32, u32)> {
    let mut order: Vec<u64> =
        logits.iter().zip(0..).map(|(logit, id)| best_first(*logit, id)).collect();
    if count < order.len() {
        order.select_nth_unstable(count);
        order.truncate(count);
    }
    order.sort_unstable();
    let ids = order.into_iter().map(|key| key as u32);
    ids.map(|id| (logits[id as usize], id)).collect()
}

/// A number for each candidate that sorts as the candidates do: larger logits first (as
/// [`f32::total_cmp`] orders them), then smaller ids. Its lower half is the id.
fn best_first(logit: f32, id: u32) -> u64 {
    let bits = logit.to_bits();
    // Negative numbers have all bits turned, others only their sign: then they ascend. The other
    // way round they descend.
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!ascending) << 32 | u64::from(id)
}

/// A number in `[0, 1)` with 24 bits, from a counter: two rounds of a 64-bit finaliser over seed
/// and position.
fn uniform(seed: u64, position: u32) -> f32 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let key = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let bits = mix(key ^ u64::from(position).wrapping_mul(0xd1b5_4a32_d192_ed03)) >> 40;
    bits as f32 / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_temperature_and_one_candidate_are_greedy() {
        let logits = [1.0, 5.0, 5.0, 2.0];
        assert_eq!(Sampler::greedy().sample(&logits, 7), 1);
        assert_eq!(
            Sampler { temperature: 9.0, top_k: 1, top_p: 1.0, seed: 3 }.sample(&logits, 7),
            1
        );
        assert_eq!(
            Sampler { temperature: f32::NAN, top_k: 0, top_p: 1.0, seed: 3 }.sample(&logits, 7),
            1
        );
        assert_eq!(
            Sampler { temperature: 1.0, top_k: 0, top_p: 0.0, seed: 3 }.sample(&logits, 7),
            1
        );
        assert_eq!(Sampler::greedy().sample(&[], 0), 0);
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let logits = [0.0, 2.0f32.ln(), f32::NEG_INFINITY, 0.0];
        let mut counts = [0u32; 4];
        let sampler = Sampler { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 42 };
        for position in 0..40_000 {
            counts[sampler.sample(&logits, position) as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        for (count, share) in counts.iter().zip([0.25, 0.5, 0.0, 0.25]) {
            assert!((f64::from(*count) / 40_000.0 - share).abs() < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn candidates_are_ordered_by_logit_and_then_by_id() {
        let logits =
            [1.0, -1.0, 0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1.0, 1.0e-40, -1.0e-40, 3.0];
        let mut by_key: Vec<u32> = (0..logits.len() as u32).collect();
        let mut by_comparison = by_key.clone();
        by_key.sort_unstable_by_key(|&id| best_first(logits[id as usize], id));
        by_comparison
            .sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        assert_eq!(by_key, by_comparison);
    }

    #[test]
    fn the_stream_is_a_stored_one() {
        let logits: Vec<f32> = (0..50).map(|i| (i * 7 % 13) as f32 / 3.0).collect();
        let sampler = Sampler { temperature: 0.8, top_k: 40, top_p: 0.95, seed: 1234 };
        let tokens: Vec<u32> = (0..12).map(|position| sampler.sample(&logits, position)).collect();
        assert_eq!(tokens, STORED);
    }

    const STORED: [u32; 12] = [24, 9, 20, 3, 48, 46, 27, 24, 48, 22, 11, 48];

    proptest! {
        #[test]
        fn a_sample_is_one_of_the_candidates(
            logits in prop::collection::vec(-20.0f32..20.0, 1..60), top_k in 0u32..70, top_p in 0.0f32..1.2,
            temperature in 0.01f32..3.0, seed in any::<u64>(), position in any::<u32>(),
        ) {
            let sampler = Sampler { temperature, top_k, top_p, seed };
            let token = sampler.sample(&logits, position);
            prop_assert_eq!(token, sampler.sample(&logits, position));
            let better = logits.iter().enumerate().filter(|&(id, &l)| l > logits[token as usize] || (l == logits[token as usize] && id < token as usize)).count();
            prop_assert!(top_k == 0 || better < top_k as usize);
        }
    }
}

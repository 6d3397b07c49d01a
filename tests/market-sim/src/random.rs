//! Random numbers by counter: each is a function of the seed, what it is for, whom it concerns and
//! when, so that it does not matter which thread asks first.

/// What a random number is for; each purpose has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Cost of a worker.
    Cost = 1,
    /// Expense of a worker.
    Expense,
    /// First price of a worker.
    Price,
    /// Number of layers that a worker has room for.
    Room,
    /// First range of a worker.
    Place,
    /// Honest or which kind of strategic actor.
    Kind,
    /// Name of a worker, by which guardians are drawn.
    Name,
    /// Whether it is a worker's turn to move.
    Turn,
    /// Whether a worker leaves and another takes its slot.
    Churn,
    /// Whether a worker is among those who leave in the shock.
    Shock,
    /// Preference of a payer.
    Payer,
    /// Taste of a payer for a worker.
    Taste,
    /// Pick of a sample.
    Sample,
    /// Seed of one of many worlds.
    Start,
}

/// A random word.
pub fn word(seed: u64, purpose: Purpose, who: u64, when: u64) -> u64 {
    mix(mix(mix(mix(seed) ^ purpose as u64) ^ who) ^ when)
}

/// A random number, evenly from `[0, 1)`.
pub fn unit(seed: u64, purpose: Purpose, who: u64, when: u64) -> f64 {
    // 53 bits fill a float's mantissa.
    (word(seed, purpose, who, when) >> 11) as f64 / (1u64 << 53) as f64
}

/// A random number whose logarithm is even, from `low` to `high`; both positive.
pub fn log_even(low: f64, high: f64, unit: f64) -> f64 {
    low * (high / low).powf(unit)
}

/// A standard Gumbel variable, the taste that makes payers choose by eq. 3.
pub fn gumbel(unit: f64) -> f64 {
    -(-(unit.max(f64::MIN_POSITIVE)).ln()).ln()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_even_and_differ_by_every_argument() {
        let draws = 100_000;
        let mean = (0..draws).map(|i| unit(7, Purpose::Cost, i, 0)).sum::<f64>() / draws as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let one = word(1, Purpose::Cost, 2, 3);
        for other in [
            word(2, Purpose::Cost, 2, 3),
            word(1, Purpose::Price, 2, 3),
            word(1, Purpose::Cost, 3, 3),
            word(1, Purpose::Cost, 2, 4),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one, word(1, Purpose::Cost, 2, 3));
    }

    #[test]
    fn tastes_have_the_mean_and_spread_of_a_gumbel_variable() {
        let draws = 200_000;
        let tastes: Vec<f64> = (0..draws).map(|i| gumbel(unit(1, Purpose::Taste, i, 0))).collect();
        let mean = tastes.iter().sum::<f64>() / draws as f64;
        let spread = tastes.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / draws as f64;
        assert!((mean - 0.5772).abs() < 0.01, "Euler's constant: {mean}");
        assert!((spread - 1.6449).abs() < 0.03, "π²/6: {spread}");
    }
}

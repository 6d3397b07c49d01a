//! The terms under which a payer buys: one name and one unit per limit, wherever it comes from.

use mica_primitives::{Balance, UNIT};

/// Most base units for one answer, unless its payer says otherwise: 0.1 MICA. A prompt of 50 tokens
/// and an answer of 128 cost that from workers without rivals on a model of 80 layers, whose
/// pricing ends at about six times the first price (178 × 80 × 6 × 0.000001 MICA, rounded up).
pub const DEFAULT_MAX_TOTAL: Balance = UNIT / 10;

/// Which path is taken, and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// α of P2P-LLM eq. 1: 0 for time alone, 1 for money alone.
    pub alpha: f64,
    /// Most base units per token, all layers together.
    pub max_price_per_token: Option<Balance>,
    /// Most µs per token.
    pub deadline_us: Option<u64>,
    /// Most base units for the whole session.
    pub max_total: Option<Balance>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            max_price_per_token: None,
            deadline_us: None,
            max_total: Some(DEFAULT_MAX_TOTAL),
        }
    }
}

impl Terms {
    /// The same with what `overrides` says; what it leaves out stays.
    pub fn with(self, overrides: &TermsOverrides) -> Self {
        Self {
            alpha: overrides.alpha.unwrap_or(self.alpha),
            max_price_per_token: overrides.max_price_per_token.or(self.max_price_per_token),
            deadline_us: overrides.deadline_us.or(self.deadline_us),
            max_total: overrides.max_total.or(self.max_total),
        }
    }

    /// The stricter limit of both, each; α stays.
    pub fn bounded_by(self, other: &Self) -> Self {
        Self {
            alpha: self.alpha,
            max_price_per_token: stricter(self.max_price_per_token, other.max_price_per_token),
            deadline_us: stricter(self.deadline_us, other.deadline_us),
            max_total: stricter(self.max_total, other.max_total),
        }
    }
}

/// Terms that are given in part: by options, headers or settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TermsOverrides {
    /// As in [`Terms`].
    pub alpha: Option<f64>,
    /// As in [`Terms`].
    pub max_price_per_token: Option<Balance>,
    /// As in [`Terms`].
    pub deadline_us: Option<u64>,
    /// As in [`Terms`].
    pub max_total: Option<Balance>,
}

/// Users write a deadline in milliseconds; the market counts microseconds.
pub const fn deadline_us(deadline_ms: u64) -> u64 {
    deadline_ms.saturating_mul(1000)
}

fn stricter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_and_the_stricter_limit_counts() {
        let own = Terms { max_price_per_token: Some(7), deadline_us: Some(9), ..Terms::default() };
        let overrides = TermsOverrides {
            alpha: Some(1.0),
            deadline_us: Some(deadline_us(2)),
            ..TermsOverrides::default()
        };
        let changed = own.with(&overrides);
        assert_eq!(
            (changed.alpha, changed.max_price_per_token, changed.deadline_us, changed.max_total),
            (1.0, Some(7), Some(2000), Some(DEFAULT_MAX_TOTAL))
        );
        let other = Terms { max_price_per_token: Some(8), max_total: Some(5), ..own };
        let both = changed.bounded_by(&other);
        assert_eq!(
            (both.alpha, both.max_price_per_token, both.deadline_us, both.max_total),
            (1.0, Some(7), Some(9), Some(5))
        );
    }
}

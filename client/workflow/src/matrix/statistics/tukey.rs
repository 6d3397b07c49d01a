//! Tukey's honestly significant differences: which pairs of groups differ, with one error rate for
//! all pairs together.

use serde::Serialize;

use super::{LEVEL, NotApplicable, check, mean, quantile, tail, within};

/// Two groups compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Index of one group.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Mean of the second less mean of the first.
    pub difference: f64,
    /// The interval that holds the true difference with 95 % confidence, for all pairs at once.
    pub interval: (f64, f64),
    /// Probability of such a difference between any two groups if all had one mean.
    pub p: f64,
}

impl Pair {
    /// Whether the groups differ at the 5 % level.
    pub fn differs(&self) -> bool {
        self.p < 1.0 - LEVEL
    }
}

/// All pairs of some groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tukey {
    /// The studentized range that 5 % of samples exceed.
    pub critical: f64,
    /// The pairs, in the groups' order.
    pub pairs: Vec<Pair>,
}

/// Compares each group with each other; groups may have different sizes (Tukey–Kramer), none is
/// empty.
///
/// # Errors
/// [`NotApplicable`] if there is nothing to compare or no spread to compare with.
pub fn tukey_hsd(groups: &[Vec<f64>]) -> Result<Tukey, NotApplicable> {
    check(groups)?;
    let (inside, df) = within(groups);
    let variance = inside / df as f64;
    let critical = quantile(1.0 - LEVEL, groups.len(), df);
    let mut pairs = Vec::new();
    for (first, one) in groups.iter().enumerate() {
        for (second, other) in groups.iter().enumerate().skip(first + 1) {
            let difference = mean(other) - mean(one);
            let error =
                (variance / 2.0 * (1.0 / one.len() as f64 + 1.0 / other.len() as f64)).sqrt();
            let q = difference.abs() / error;
            if !q.is_finite() {
                return Err(NotApplicable::NoVariance);
            }
            let reach = critical * error;
            let p = tail(q, groups.len(), df);
            pairs.push(Pair {
                first,
                second,
                difference,
                interval: (difference - reach, difference + reach),
                p,
            });
        }
    }
    Ok(Tukey { critical, pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_that_stands_out_is_found() {
        let groups = [vec![1.0, 2.0, 3.0], vec![1.5, 2.5, 2.0, 2.2], vec![9.0, 10.0, 11.0]];
        let tukey = tukey_hsd(&groups).expect("applicable");
        let differs: Vec<(usize, usize, bool)> =
            tukey.pairs.iter().map(|pair| (pair.first, pair.second, pair.differs())).collect();
        assert_eq!(differs, [(0, 1, false), (0, 2, true), (1, 2, true)]);
        for pair in &tukey.pairs {
            let excludes_zero = pair.interval.0 > 0.0 || pair.interval.1 < 0.0;
            assert_eq!(excludes_zero, pair.differs(), "interval and probability agree: {pair:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        assert_eq!(tukey_hsd(&[vec![1.0, 2.0]]), Err(NotApplicable::OneGroup));
        assert_eq!(tukey_hsd(&[vec![1.0], vec![2.0]]), Err(NotApplicable::OneValueEach));
        assert_eq!(tukey_hsd(&[vec![5.0; 4], vec![6.0; 2]]), Err(NotApplicable::NoVariance));
        assert_eq!(tukey_hsd(&[vec![0.0, 1e-200], vec![1.0, 1.0]]), Err(NotApplicable::NoVariance));
    }
}

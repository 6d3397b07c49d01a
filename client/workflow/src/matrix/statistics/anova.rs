//! One-way analysis of variance: do the means of several groups differ by more than their spread
//! explains?

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::{NotApplicable, check, mean, within};

/// The result of one analysis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Anova {
    /// Variance between the groups over variance within them.
    pub f: f64,
    /// Probability of an `f` at least as large if all groups had one mean.
    pub p: f64,
    /// Groups less one.
    pub between_df: usize,
    /// Values less groups.
    pub within_df: usize,
    /// Share of the whole variation that the grouping explains (η²), from 0 to 1.
    pub eta_squared: f64,
}

/// Compares the means of `groups`, none of which is empty.
///
/// # Errors
/// [`NotApplicable`] if there is nothing to compare or no spread to compare with.
pub fn one_way(groups: &[Vec<f64>]) -> Result<Anova, NotApplicable> {
    check(groups)?;
    let (inside, within_df) = within(groups);
    let between_df = groups.len() - 1;
    let count: usize = groups.iter().map(Vec::len).sum();
    let grand = groups.iter().flatten().sum::<f64>() / count as f64;
    let outside: f64 =
        groups.iter().map(|group| group.len() as f64 * (mean(group) - grand).powi(2)).sum();
    let f = (outside / between_df as f64) / (inside / within_df as f64);
    // Spreads too small for the machine's numbers are none.
    let distribution =
        FisherSnedecor::new(between_df as f64, within_df as f64).ok().filter(|_| f.is_finite());
    let p = distribution.ok_or(NotApplicable::NoVariance)?.sf(f).clamp(0.0, 1.0);
    Ok(Anova { f, p, between_df, within_df, eta_squared: outside / (outside + inside) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_means_give_zero_and_a_probability_of_one() {
        let anova = one_way(&[vec![1.0, 2.0, 3.0], vec![3.0, 1.0, 2.0]]).expect("applicable");
        assert_eq!((anova.f, anova.p, anova.between_df, anova.within_df), (0.0, 1.0, 1, 4));
        assert_eq!(anova.eta_squared, 0.0);
    }

    /// By hand: means 2 and 5, grand mean 3.5; between 6 × 1.5² = 13.5, within 2 + 2 = 4; f = 13.5
    /// / (4 / 4).
    #[test]
    fn a_small_example_by_hand() {
        let anova = one_way(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]).expect("applicable");
        assert!(
            (anova.f - 13.5).abs() < 1e-12 && (anova.eta_squared - 13.5 / 17.5).abs() < 1e-12,
            "{anova:?}"
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        assert_eq!(one_way(&[]), Err(NotApplicable::OneGroup));
        assert_eq!(one_way(&[vec![1.0, 2.0]]), Err(NotApplicable::OneGroup));
        assert_eq!(one_way(&[vec![1.0], vec![2.0]]), Err(NotApplicable::OneValueEach));
        assert_eq!(one_way(&[vec![0.1; 3], vec![0.2; 3]]), Err(NotApplicable::NoVariance));
        // The squares of these differences are zero to the machine.
        assert_eq!(one_way(&[vec![0.0, 1e-200], vec![1.0, 1.0]]), Err(NotApplicable::NoVariance));
    }
}

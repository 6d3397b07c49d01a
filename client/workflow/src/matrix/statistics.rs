//! The statistics of a matrix: means, one-way analysis of variance, Tukey's honestly significant
//! differences, correlation.
//!
//! Every function takes plain numbers and is pure. What cannot be computed is a [`NotApplicable`]
//! with its reason, so that no infinite or undefined number ever reaches a report. Agreement with
//! SciPy and statsmodels is tested on a stored table (`client/workflow/tests/statistics.rs`).

mod anova;
mod correlation;
mod describe;
mod studentized_range;
mod tukey;

pub use anova::{Anova, one_way};
pub use correlation::pearson;
pub use describe::Summary;
pub use studentized_range::{quantile, tail};
pub use tukey::{Pair, Tukey, tukey_hsd};

/// Confidence level of intervals and tests.
pub const LEVEL: f64 = 0.95;

/// Why a test cannot be made with the values at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotApplicable {
    /// Nothing to compare.
    #[error("there are fewer than two groups")]
    OneGroup,
    /// No group has a second value, so nothing is known of the spread.
    #[error("no group has more than one value: repeat the measurement")]
    OneValueEach,
    /// The values within each group are equal.
    #[error("the values do not vary within the groups")]
    NoVariance,
}

/// Whether the sample allows a comparison of means. Empty groups must have been left out.
fn check(groups: &[Vec<f64>]) -> Result<(), NotApplicable> {
    if groups.len() < 2 {
        return Err(NotApplicable::OneGroup);
    }
    if groups.iter().all(|group| group.len() < 2) {
        return Err(NotApplicable::OneValueEach);
    }
    let is_constant = |group: &Vec<f64>| group.windows(2).all(|pair| pair.first() == pair.last());
    if groups.iter().all(is_constant) { Err(NotApplicable::NoVariance) } else { Ok(()) }
}

/// Arithmetic mean; 0 of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Sum of squared distances from the mean, in two passes so that large means do not swallow small
/// spreads.
fn squares(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum()
}

/// Squared distances within all groups, and their degrees of freedom.
fn within(groups: &[Vec<f64>]) -> (f64, usize) {
    let count: usize = groups.iter().map(Vec::len).sum();
    (groups.iter().map(|group| squares(group)).sum(), count.saturating_sub(groups.len()))
}

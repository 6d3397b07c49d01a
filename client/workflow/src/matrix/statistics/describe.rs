//! What a group of values looks like.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{LEVEL, mean, squares};

/// A group of values in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample; `None` of one value.
    pub deviation: Option<f64>,
    /// The mean lies within this distance with 95 % confidence (Student's t); `None` of one value.
    pub confidence: Option<f64>,
    /// Smallest.
    pub least: f64,
    /// A quarter is below.
    pub lower_quartile: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub upper_quartile: f64,
    /// Largest.
    pub most: f64,
}

impl Summary {
    /// Of `values`, which are finite; `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let count = sorted.len();
        let deviation = (count > 1).then(|| (squares(values) / (count - 1) as f64).sqrt());
        let confidence = deviation.and_then(|deviation| {
            let student = StudentsT::new(0.0, 1.0, (count - 1) as f64).ok()?;
            let half = student.inverse_cdf(0.5 + LEVEL / 2.0) * deviation / (count as f64).sqrt();
            half.is_finite().then_some(half)
        });
        Some(Self {
            count,
            mean: mean(values),
            deviation,
            confidence,
            least,
            lower_quartile: share(&sorted, 0.25),
            median: share(&sorted, 0.5),
            upper_quartile: share(&sorted, 0.75),
            most,
        })
    }
}

/// The value below which `part` of `sorted` lies, between two values by linear interpolation.
fn share(sorted: &[f64], part: f64) -> f64 {
    let place = part * sorted.len().saturating_sub(1) as f64;
    let (below, weight) = (place.floor() as usize, place.fract());
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    at(below) + weight * (at(below + 1) - at(below))
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn a_group_in_numbers() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).expect("values");
        assert_eq!((summary.count, summary.mean, summary.least, summary.most), (4, 2.5, 1.0, 4.0));
        assert_eq!(
            (summary.lower_quartile, summary.median, summary.upper_quartile),
            (1.75, 2.5, 3.25)
        );
        assert!((summary.deviation.expect("four values") - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_spread_and_nothing_has_no_summary() {
        let one = Summary::of(&[7.0]).expect("a value");
        assert_eq!((one.mean, one.deviation, one.confidence, one.median), (7.0, None, None, 7.0));
        assert_eq!(Summary::of(&[]), None);
    }
}

//! Pearson's correlation.

use super::mean;

/// Correlation of pairs of values, from -1 to 1; `None` if fewer than two pairs are there or one
/// side does not vary.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let varies = |values: &[f64]| values.windows(2).any(|pair| pair.first() != pair.last());
    if !varies(&first) || !varies(&second) {
        return None;
    }
    let (centre, other_centre) = (mean(&first), mean(&second));
    let (mut together, mut alone, mut other) = (0.0, 0.0, 0.0);
    for (one, two) in pairs {
        let (one, two) = (one - centre, two - other_centre);
        together += one * two;
        alone += one * one;
        other += two * two;
    }
    let correlation = together / (alone.sqrt() * other.sqrt());
    correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::pearson;

    #[test]
    fn lines_correlate_fully_and_constants_not_at_all() {
        let line = |slope: f64| {
            (0..5).map(|x| (f64::from(x), slope * f64::from(x) + 1.0)).collect::<Vec<_>>()
        };
        assert!((pearson(&line(2.0)).expect("varies") - 1.0).abs() < 1e-12);
        assert!((pearson(&line(-0.5)).expect("varies") + 1.0).abs() < 1e-12);
        assert_eq!(pearson(&line(0.0)), None);
        assert_eq!(pearson(&[(1.0, 2.0)]), None);
        assert_eq!(pearson(&[]), None);
        assert_eq!(pearson(&[(0.0, 1.0), (1e-200, 2.0)]), None, "too small a spread is none");
    }
}

//! The studentized range distribution: the range of `k` normal means over their estimated standard
//! deviation.
//!
//! No crate at hand has it, so it is integrated here: over the estimate `s` of the deviation (a chi
//! distribution), and inside over the largest of the `k` values. Both integrands are smooth, so
//! Gauss–Legendre panels of 16 points converge fast; the panels over `s` are also cut where the
//! inner probability changes. The error stays below 1e-9 for 2 to 64 groups.

use std::sync::LazyLock;

use statrs::function::{erf::erfc, gamma::ln_gamma};

/// Points of a panel.
const POINTS: usize = 16;
/// Normal deviates beyond this do not count: the tail is below 1e-15.
const NORMAL_EDGE: f64 = 8.0;
/// Ranges of standard normal values beyond this do not occur: their probability is below 1e-13 for
/// 64 values.
const RANGE_EDGE: f64 = 14.0;
/// Width of a panel over the range.
const RANGE_PANEL: f64 = 2.0;
/// Standard deviations of `s` on either side of 1 that count.
const CHI_EDGE: f64 = 9.0;
/// Panels over that width.
const CHI_PANELS: usize = 6;
/// Most steps towards a quantile; about ten are needed.
const MAX_STEPS: usize = 200;

/// Places in (-1, 1) and their weights.
static RULE: LazyLock<[(f64, f64); POINTS]> = LazyLock::new(gauss_legendre);

/// The largest of the values: its place, its share of the integral, and the normal probability
/// below it.
static LARGEST: LazyLock<Vec<(f64, f64, f64)>> = LazyLock::new(|| {
    let edges: Vec<f64> =
        (0..=8).map(|edge| -NORMAL_EDGE + 2.0 * NORMAL_EDGE * f64::from(edge) / 8.0).collect();
    let density = |z: f64| (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    panels(&edges).map(|(z, weight)| (z, weight * density(z), normal(z))).collect()
});

/// Probability that the studentized range of `groups` means with `df` degrees of freedom is larger
/// than `q`.
///
/// `groups` is at least 2 and `df` at least 1; fewer are taken as these.
pub fn tail(q: f64, groups: usize, df: usize) -> f64 {
    if q <= 0.0 {
        return 1.0;
    }
    let (groups, df) = (groups.max(2), df.max(1) as f64);
    let width = CHI_EDGE / (2.0 * df).sqrt();
    let (low, high) = ((1.0 - width).max(0.0), (1.0 + width).min(RANGE_EDGE / q));
    if high <= low {
        return 0.0;
    }
    let step = 2.0 * width / CHI_PANELS as f64;
    let mut edges = vec![low, high];
    edges.extend((1..CHI_PANELS).map(|edge| 1.0 - width + step * edge as f64));
    edges
        .extend((1..(RANGE_EDGE / RANGE_PANEL) as usize).map(|edge| edge as f64 * RANGE_PANEL / q));
    edges.retain(|edge| (low..=high).contains(edge));
    edges.sort_by(f64::total_cmp);
    let half = df / 2.0;
    let constant = std::f64::consts::LN_2 + half * half.ln() - ln_gamma(half);
    let density = |s: f64| (constant + (df - 1.0) * s.ln() - half * s * s).exp();
    let probability: f64 =
        panels(&edges).map(|(s, weight)| weight * density(s) * range_tail(q * s, groups)).sum();
    probability.clamp(0.0, 1.0)
}

/// The `q` that is exceeded with probability `beyond`, which lies strictly between 0 and 1.
pub fn quantile(beyond: f64, groups: usize, df: usize) -> f64 {
    let beyond = beyond.clamp(1e-12, 1.0 - 1e-12);
    let excess = |q: f64| tail(q, groups, df) - beyond;
    let (mut low, mut high) = (0.0, 4.0);
    let (mut at_low, mut at_high) = (1.0 - beyond, excess(high));
    for _ in 0..MAX_STEPS {
        if at_high <= 0.0 {
            break;
        }
        (low, at_low) = (high, at_high);
        high *= 2.0;
        at_high = excess(high);
    }
    // False position; an end that stays a second time is given half its weight, so that both ends
    // move (Illinois).
    let mut moved_low = None;
    for _ in 0..MAX_STEPS {
        if high - low < 1e-10 * high {
            break;
        }
        let next = (low * at_high - high * at_low) / (at_high - at_low);
        let at_next = excess(next);
        if at_next.abs() < 1e-14 {
            return next;
        }
        let moves_low = at_next > 0.0;
        let stays = if moved_low == Some(moves_low) { 0.5 } else { 1.0 };
        if moves_low {
            (low, at_low, at_high) = (next, at_next, at_high * stays);
        } else {
            (high, at_high, at_low) = (next, at_next, at_low * stays);
        }
        moved_low = Some(moves_low);
    }
    (low + high) / 2.0
}

/// Probability that the range of `groups` standard normal values is larger than `range`.
fn range_tail(range: f64, groups: usize) -> f64 {
    let others = i32::try_from(groups - 1).unwrap_or(i32::MAX);
    let within: f64 = LARGEST
        .iter()
        .map(|(z, weight, below)| weight * (below - normal(z - range)).max(0.0).powi(others))
        .sum();
    (1.0 - groups as f64 * within).max(0.0)
}

/// Probability that a standard normal value is below `z`.
fn normal(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Places and weights over all panels between neighbouring `edges`.
fn panels(edges: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    edges.windows(2).flat_map(|pair| {
        let (low, high) = (pair[0], pair[1]);
        let (centre, half) = ((low + high) / 2.0, (high - low) / 2.0);
        RULE.iter().map(move |(place, weight)| (centre + half * place, half * weight))
    })
}

/// The roots of the Legendre polynomial of degree [`POINTS`], by Newton's method.
fn gauss_legendre() -> [(f64, f64); POINTS] {
    std::array::from_fn(|index| {
        let mut x = (std::f64::consts::PI * (index as f64 + 0.75) / (POINTS as f64 + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..8 {
            let (mut before, mut now) = (1.0, x);
            for degree in 2..=POINTS {
                let degree = degree as f64;
                (before, now) =
                    (now, ((2.0 * degree - 1.0) * x * now - (degree - 1.0) * before) / degree);
            }
            slope = POINTS as f64 * (x * now - before) / (x * x - 1.0);
            x -= now / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_integrates_polynomials() {
        let integral =
            |power: i32| RULE.iter().map(|(x, weight)| weight * x.powi(power)).sum::<f64>();
        assert!((integral(0) - 2.0).abs() < 1e-13);
        assert!((integral(30) - 2.0 / 31.0).abs() < 1e-13);
        assert!(integral(31).abs() < 1e-13);
    }

    /// The range of two values is √2 times a folded Student's t.
    #[test]
    fn two_groups_are_student_s_test() {
        use statrs::distribution::{ContinuousCDF, StudentsT};
        for df in [1, 2, 3, 7, 30, 500, 20_000] {
            let student = StudentsT::new(0.0, 1.0, df as f64).expect("degrees of freedom");
            for q in [0.1, 0.7, 1.5, 3.0, 6.0, 15.0, 80.0] {
                let expected = 2.0 * student.sf(q / std::f64::consts::SQRT_2);
                assert!(
                    (tail(q, 2, df) - expected).abs() < 1e-9,
                    "q {q} df {df}: {} {expected}",
                    tail(q, 2, df)
                );
            }
        }
    }

    #[test]
    fn quantiles_undo_tails_and_edges_hold() {
        for (groups, df) in [(2, 1), (3, 2), (5, 75), (10, 5), (64, 1000)] {
            for beyond in [0.5, 0.05, 0.001] {
                let q = quantile(beyond, groups, df);
                assert!((tail(q, groups, df) - beyond).abs() < 1e-9, "{groups} {df} {beyond}: {q}");
            }
        }
        assert_eq!(tail(0.0, 3, 10), 1.0);
        assert_eq!(tail(-1.0, 3, 10), 1.0);
        assert!(tail(1e9, 3, 10) < 1e-12);
    }
}

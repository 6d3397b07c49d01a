//! Numbers with units, as people read them.

use super::Unit;

/// What numbers of `unit` are divided by so that `most` of them reads well, and their name after
/// that.
pub(crate) fn scale(unit: Unit, most: f64) -> (f64, &'static str) {
    let steps: &[(f64, &str)] = match unit {
        Unit::Nanoseconds => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
        Unit::Tokens => &[(1.0, "tokens")],
        Unit::TokensPerSecond => &[(1.0, "tokens/s")],
        Unit::BaseUnits => &[(1e12, "MICA"), (1e9, "mMICA"), (1e6, "µMICA"), (1.0, "base units")],
    };
    steps
        .iter()
        .find(|(size, _)| most.abs() >= *size)
        .or(steps.last())
        .copied()
        .unwrap_or((1.0, ""))
}

/// `value` with four significant digits and no more zeros than needed.
pub(crate) fn significant(value: f64) -> String {
    const DIGITS: i32 = 4;
    if value == 0.0 || !value.is_finite() {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = usize::try_from(DIGITS - 1 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Places of ticks from 0 to at least `most`, three to six of them, at round numbers.
pub(super) fn ticks(most: f64) -> Vec<f64> {
    let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
    let rough = most / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let count = (most / step * 0.999).ceil().clamp(1.0, 6.0) as usize;
    (0..=count).map(|index| index as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_the_numbers() {
        assert_eq!(scale(Unit::Nanoseconds, 2e9).1, "s");
        assert_eq!(scale(Unit::Nanoseconds, 2e5).1, "µs");
        assert_eq!(scale(Unit::Nanoseconds, 0.0), (1.0, "ns"));
        assert_eq!(scale(Unit::BaseUnits, 5e9), (1e9, "mMICA"));
        assert_eq!(scale(Unit::Tokens, 1e9), (1.0, "tokens"));
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1234.5678, "1235"),
            (12.0, "12"),
            (0.001234567, "0.001235"),
            (-7.65432, "-7.654"),
            (123456.0, "123456"),
            (1e-9, "1.000e-9"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn ticks_are_round_few_and_reach_the_end() {
        for most in [1e-12, 0.3, 1.0, 7.0, 9.99, 10.0, 44.0, 1e3, 123_456.0, 1e18] {
            let ticks = ticks(most);
            assert!((3..=7).contains(&ticks.len()), "{most}: {ticks:?}");
            assert!(ticks.last().is_some_and(|last| *last >= most * 0.99), "{most}: {ticks:?}");
        }
        assert_eq!(ticks(0.0).first(), Some(&0.0));
        assert!(ticks(f64::NAN).iter().all(|tick| tick.is_finite()));
    }
}

//! Elementary functions from `+ − × ÷` alone, because every libm rounds differently.
//!
//! The f32 functions run in the hot path and have no branches, so that they can run in wide
//! registers. The f64 ones only make constants (rotation angles), where an argument of 100,000
//! radians must still be reduced accurately.

/// Adding and taking away 1.5·2²³ rounds an f32 below 2²² in size to the nearest integer, ties to
/// even.
pub(crate) const ROUND: f32 = 12_582_912.0;
/// The same for f64, below 2⁵¹.
const ROUND_64: f64 = 6_755_399_441_055_744.0;

/// eˣ. Relative error at most 2⁻²²; 0 below −87; the value at 88 above 88, so never an infinity.
/// NaN gives NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let bounded = if x > 88.0 { 88.0 } else { x };
    let shifted = bounded * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts; the first has few enough bits that its product with n is exact.
    let r = (bounded - n * (355.0 / 512.0)) - n * -2.121_944_4e-4;
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let power_of_two = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { p * power_of_two }
}

/// x·σ(x) = x / (1 + e⁻ˣ).
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// x·σ(√(8/π)·(x + 0.044715·x³)): GELU by its usual approximation, which is written with tanh
/// elsewhere.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    x / (1.0 + exp(-x * (1.595_769 + 0.071_354_814 * (x * x))))
}

/// min(g, 7)·σ(1.702·min(g, 7)) · (u between −7 and 7, plus 1): the gated unit of gpt-oss.
#[inline(always)]
pub fn clamped_swiglu(gate: f32, up: f32) -> f32 {
    // Comparisons that leave a NaN what it is.
    let gate = if gate > 7.0 { 7.0 } else { gate };
    let up = if up > 7.0 { 7.0 } else { up };
    let up = if up < -7.0 { -7.0 } else { up };
    gate / (1.0 + exp(-(gate * 1.702))) * (up + 1.0)
}

/// √x rounded to nearest even, as IEEE 754 demands of the instruction. Negative: NaN.
pub fn sqrt(x: f32) -> f32 {
    if x.is_nan() || x < 0.0 {
        return f32::NAN;
    }
    if x == 0.0 || x == f32::INFINITY {
        return x;
    }
    let bits = x.to_bits();
    let (mut mantissa, mut exponent) = (u64::from(bits & 0x7f_ffff), (bits >> 23) as i32 - 150);
    if exponent == -150 {
        let shift = mantissa.leading_zeros() as i32 - 40;
        mantissa <<= shift;
        exponent = -149 - shift;
    } else {
        mantissa |= 1 << 23;
    }
    // x = mantissa · 2^exponent with 24 bits of mantissa; an even exponent and 26 more bits give a
    // root of 25 bits or more.
    let shift = 26 + (exponent & 1);
    let square = mantissa << shift;
    let (mut root, mut rest, mut bit) = (0u64, square, 1u64 << 50);
    while bit != 0 {
        if rest >= root + bit {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    // The root has 25 or 26 bits; what is left over makes a tie impossible to mistake.
    let exponent = (exponent - shift) / 2;
    let sticky = u64::from(rest != 0);
    let wide = (root << 1) | sticky;
    // u64 → f32 rounds to nearest even; a multiplication by a power of two is exact here.
    (wide as f32) * power_of_two(exponent - 1)
}

fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// eˣ for |x| ≤ 700; relative error below 1e-14.
pub fn exp_64(x: f64) -> f64 {
    let n = (x * core::f64::consts::LOG2_E + ROUND_64) - ROUND_64;
    let r = (x - n * 6.931_471_803_691_238e-1) - n * 1.908_214_929_270_587_7e-10;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..=17 {
        term = term * r / f64::from(k);
        sum += term;
    }
    sum * f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// Natural logarithm of a positive normal number; absolute error below 1e-14 · (1 + |ln x|).
pub fn ln_64(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (1023 << 52));
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let (mut power, mut sum) = (s, 0.0);
    for k in 0..14 {
        sum += power / f64::from(2 * k + 1);
        power *= square;
    }
    exponent as f64 * core::f64::consts::LN_2 + 2.0 * sum
}

/// (sin x, cos x) for |x| ≤ 2²⁰; absolute error below 1e-14.
pub fn sin_cos_64(x: f64) -> (f64, f64) {
    let n = (x * core::f64::consts::FRAC_2_PI + ROUND_64) - ROUND_64;
    // π/2 in three parts of 33 bits: products with n < 2²⁰ are exact.
    let r = ((x - n * 1.570_796_326_734_125_6) - n * 6.077_100_506_303_966e-11)
        - n * 2.022_266_248_795_950_6e-21;
    let square = r * r;
    let (mut sin, mut cos) = (1.0, 1.0);
    for k in (1..=10).rev() {
        let twice = f64::from(2 * k);
        sin = 1.0 - square / (twice * (twice + 1.0)) * sin;
        cos = 1.0 - square / (twice * (twice - 1.0)) * cos;
    }
    sin *= r;
    match (n as i64) & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_stays_within_its_bound() {
        let mut worst = 0.0f64;
        for step in 0..2_000_000 {
            let x = -87.0 + f64::from(step) * (175.0 / 2_000_000.0);
            let x = x as f32;
            let truth = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - truth) / truth).abs());
        }
        assert!(worst < 2.0f64.powi(-22), "relative error {worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1.0e30), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::INFINITY).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn silu_has_its_limits() {
        assert_eq!(silu(0.0), 0.0);
        assert_eq!(silu(100.0), 100.0);
        assert!(silu(-100.0).abs() < 1.0e-30);
        assert!(silu(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_is_its_approximation_by_tanh() {
        for step in -4000..4000 {
            let x = step as f32 / 400.0;
            let wide = f64::from(x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let truth = 0.5 * wide * (1.0 + inner.tanh());
            assert!((f64::from(gelu(x)) - truth).abs() < 1.0e-6 * (1.0 + truth.abs()), "{x}");
        }
        assert!(gelu(f32::NAN).is_nan() && gelu(-100.0).abs() < 1.0e-30 && gelu(100.0) == 100.0);
    }

    #[test]
    fn the_clamped_unit_has_its_limits() {
        let silu_like = |g: f64| g / (1.0 + (-1.702 * g).exp());
        for (gate, up, truth) in [
            (1.5, 2.0, silu_like(1.5) * 3.0),
            (100.0, 100.0, silu_like(7.0) * 8.0),
            (-2.0, -100.0, silu_like(-2.0) * -6.0),
        ] {
            let found = f64::from(clamped_swiglu(gate, up));
            assert!((found - truth).abs() < 1.0e-5, "{gate} {up}: {found} {truth}");
        }
        assert!(clamped_swiglu(f32::NAN, 1.0).is_nan() && clamped_swiglu(1.0, f32::NAN).is_nan());
    }

    #[test]
    fn the_f64_functions_stay_within_their_bounds() {
        for step in 1..200_000 {
            let x = f64::from(step) * 0.7;
            let (sin, cos) = sin_cos_64(x);
            assert!((sin - x.sin()).abs() < 1.0e-14 && (cos - x.cos()).abs() < 1.0e-14, "{x}");
            assert!((ln_64(x) - x.ln()).abs() < 1.0e-14 * (1.0 + x.ln().abs()), "{x}");
            let small = (x - 70_000.0) / 1000.0;
            assert!((exp_64(small) / small.exp() - 1.0).abs() < 1.0e-13, "{small}");
        }
        assert_eq!(sin_cos_64(0.0), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn sqrt_is_the_correctly_rounded_one(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            let (ours, truth) = (sqrt(x), x.sqrt());
            prop_assert!(ours.to_bits() == truth.to_bits() || (ours.is_nan() && truth.is_nan()), "{x:e}: {ours:e} {truth:e}");
        }
    }

    #[test]
    fn sqrt_of_the_special_numbers() {
        for x in [
            0.0,
            -0.0,
            1.0,
            4.0,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            f32::from_bits(0x7f_ffff),
            f32::MAX,
            f32::INFINITY,
        ] {
            assert_eq!(sqrt(x).to_bits(), x.sqrt().to_bits(), "{x:e}");
        }
        assert!(sqrt(-1.0).is_nan());
    }
}

//! IEEE half precision by integer arithmetic: the same on CPUs with and without conversion
//! instructions.

/// Exact value of the half-precision number with bits `half`. Infinities and NaNs stay what they
/// are.
#[inline(always)]
pub fn to_f32(half: u16) -> f32 {
    let magnitude = u32::from(half & 0x7fff) << 13;
    // The exponent's bias differs by 112; a multiplication moves it, for denormals too, and is
    // exact.
    let scaled = f32::from_bits(magnitude) * f32::from_bits((112 + 127) << 23);
    let special = if magnitude >= 0x1f << 23 { 0xff << 23 } else { 0 };
    f32::from_bits(scaled.to_bits() | special | (u32::from(half & 0x8000) << 16))
}

/// Value of the bfloat16 number with bits `half`: an f32 whose lower bits are zero.
#[inline(always)]
pub fn from_bf16(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// Nearest half-precision number, ties to even. Beyond the largest: infinity; NaN stays a NaN.
#[inline(always)]
pub fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Denormal or zero: adding 0.5 puts the last kept bit at the end of the mantissa, and the
        // FPU rounds to nearest even.
        ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()) as u16
    } else {
        let odd = (magnitude >> 13) & 1;
        ((magnitude - (112 << 23) + 0x0fff + odd) >> 13) as u16
    };
    sign | half
}

/// Converts a row; `from` and `to` have one length.
#[inline(always)]
pub fn widen(from: &[u16], to: &mut [f32]) {
    for (value, &half) in to.iter_mut().zip(from) {
        *value = to_f32(half);
    }
}

/// Rounds a row; `from` and `to` have one length.
#[inline(always)]
pub fn narrow(from: &[f32], to: &mut [u16]) {
    for (half, &value) in to.iter_mut().zip(from) {
        *half = from_f32(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_widens_to_its_value() {
        for bits in 0..=u16::MAX {
            let (ours, oracle) = (to_f32(bits), half::f16::from_bits(bits).to_f32());
            assert!(
                ours.to_bits() == oracle.to_bits() || (ours.is_nan() && oracle.is_nan()),
                "{bits:#06x}"
            );
        }
    }

    #[test]
    fn every_half_its_neighbours_and_midpoints_round_to_nearest_even() {
        for bits in 0..=u16::MAX {
            let value = to_f32(bits);
            let next = to_f32(bits.wrapping_add(1));
            for candidate in [
                value,
                next,
                (value + next) / 2.0,
                f32::from_bits(value.to_bits() ^ 1),
                value * 1.000_01,
            ] {
                let (ours, oracle) =
                    (from_f32(candidate), half::f16::from_f32(candidate).to_bits());
                assert!(
                    ours == oracle || (candidate.is_nan() && to_f32(ours).is_nan()),
                    "{candidate:e}: {ours:#06x} {oracle:#06x}"
                );
            }
        }
        assert_eq!(from_f32(65520.0), 0x7c00);
        assert_eq!(from_f32(65519.0), 0x7bff);
    }
}

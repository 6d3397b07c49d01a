//! Operations that touch every element once, each in the order in which it is written.

use crate::{Isa, math};

/// `x[i] += y[i]`: a bias.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    isa.run(|| {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y;
        }
    });
}

/// `x[i] += y[i] · scale`, the product rounded first: a residual connection, or an expert's part of
/// a mixture. A scale of 1 is [`add`] to the bit.
pub fn add_scaled(isa: Isa, x: &mut [f32], y: &[f32], scale: f32) {
    isa.run(|| {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y * scale;
        }
    });
}

/// `x[i] *= scale`.
pub fn scale(isa: Isa, x: &mut [f32], scale: f32) {
    isa.run(|| x.iter_mut().for_each(|x| *x *= scale));
}

/// `x[i] /= divisor`.
pub fn divide(isa: Isa, x: &mut [f32], divisor: f32) {
    isa.run(|| x.iter_mut().for_each(|x| *x /= divisor));
}

/// `gate[i] = silu(gate[i]) · up[i]`: the gate of SwiGLU.
pub fn silu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    isa.run(|| {
        for (gate, &up) in gate.iter_mut().zip(up) {
            *gate = math::silu(*gate) * up;
        }
    });
}

/// `gate[i] = gelu(gate[i]) · up[i]`: the gate of GeGLU.
pub fn gelu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    isa.run(|| {
        for (gate, &up) in gate.iter_mut().zip(up) {
            *gate = math::gelu(*gate) * up;
        }
    });
}

/// `gate[i] = clamped_swiglu(gate[i], up[i])`: see [`math::clamped_swiglu`].
pub fn clamped_swiglu(isa: Isa, gate: &mut [f32], up: &[f32]) {
    isa.run(|| {
        for (gate, &up) in gate.iter_mut().zip(up) {
            *gate = math::clamped_swiglu(*gate, up);
        }
    });
}

/// Whether no element is a NaN or an infinity.
pub fn all_finite(isa: Isa, x: &[f32]) -> bool {
    isa.run(|| x.iter().fold(0, |worst, x| worst.max(x.to_bits() & 0x7fff_ffff)) < 0x7f80_0000)
}

/// In place: `x[i] = e^(x[i] − max)`, divided by their sum (order of [`crate::reduce`]). An empty
/// row stays empty.
pub fn softmax(isa: Isa, x: &mut [f32]) {
    isa.run(|| {
        let largest = crate::reduce::max(x);
        for x in x.iter_mut() {
            *x = math::exp(*x - largest);
        }
        let total = crate::reduce::sum(x);
        for x in x.iter_mut() {
            *x /= total;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finite_means_no_nan_and_no_infinity() {
        let isa = Isa::best();
        assert!(all_finite(isa, &[]));
        assert!(all_finite(isa, &[f32::MAX, -0.0, f32::from_bits(1)]));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(isa, &[1.0, bad, 2.0]));
        }
    }

    #[test]
    fn a_scale_of_one_changes_no_bit() {
        let values = [1.5, -0.0, 0.0, 1.0e-42, f32::MAX, -3.25];
        for isa in Isa::available() {
            let (mut added, mut scaled, mut same) = ([0.1; 6], [0.1; 6], values);
            add(isa, &mut added, &values);
            add_scaled(isa, &mut scaled, &values, 1.0);
            scale(isa, &mut same, 1.0);
            divide(isa, &mut same, 1.0);
            assert_eq!(added.map(f32::to_bits), scaled.map(f32::to_bits));
            assert_eq!(same.map(f32::to_bits), values.map(f32::to_bits));
            add_scaled(isa, &mut added, &[2.0; 6], 0.25);
            assert_eq!(added[0], (0.1 + 1.5) + 0.5);
        }
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_inputs() {
        let mut x = [1.0e4, 1.0e4, -1.0e30];
        softmax(Isa::scalar(), &mut x);
        assert_eq!(x, [0.5, 0.5, 0.0]);
    }
}

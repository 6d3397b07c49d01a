//! Operations that touch every element once, each in the order in which it is written.

use crate::{Isa, math};

/// `x[i] += y[i]`: a residual connection.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    isa.run(|| {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y;
        }
    });
}

/// `gate[i] = silu(gate[i]) · up[i]`: the gate of SwiGLU.
pub fn silu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    isa.run(|| {
        for (gate, &up) in gate.iter_mut().zip(up) {
            *gate = math::silu(*gate) * up;
        }
    });
}

/// Whether no element is a NaN or an infinity.
pub fn all_finite(isa: Isa, x: &[f32]) -> bool {
    isa.run(|| x.iter().fold(0, |worst, x| worst.max(x.to_bits() & 0x7fff_ffff)) < 0x7f80_0000)
}

/// In place: `x[i] = e^(x[i] − max)`, divided by their sum (order of [`crate::reduce`]). An empty row stays empty.
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
    fn softmax_sums_to_one_and_survives_large_inputs() {
        let mut x = [1.0e4, 1.0e4, -1.0e30];
        softmax(Isa::scalar(), &mut x);
        assert_eq!(x, [0.5, 0.5, 0.0]);
    }
}

//! The choice of experts in a mixture.

use crate::{Isa, elementwise};

/// Chooses the `chosen.len()` experts with the largest logits, of equals the one with the lower id,
/// and weighs them.
///
/// `chosen` gets their ids, ascending; `weights`, as long, the softmax over their logits in that
/// order. A mixture adds up its experts in that order. A NaN counts as larger than everything, so
/// that it stays visible in the weights.
///
/// # Panics
/// If there are more to choose than `logits`, or if `weights` has another length than `chosen`.
pub fn choose(isa: Isa, logits: &[f32], chosen: &mut [usize], weights: &mut [f32]) {
    assert!(
        chosen.len() <= logits.len() && weights.len() == chosen.len(),
        "experts to choose do not fit"
    );
    for count in 0..chosen.len() {
        let mut best: Option<usize> = None;
        for (id, &logit) in logits.iter().enumerate() {
            let better = best.is_none_or(|best| {
                logit > logits[best] || (logit.is_nan() && !logits[best].is_nan())
            });
            if better && !chosen[..count].contains(&id) {
                best = Some(id);
            }
        }
        // There are at least as many logits as experts to choose, so that one was left.
        chosen[count] = best.unwrap_or(0);
    }
    chosen.sort_unstable();
    for (weight, &id) in weights.iter_mut().zip(chosen.iter()) {
        *weight = logits[id];
    }
    elementwise::softmax(isa, weights);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_go_to_the_lower_id_and_weights_are_their_softmax() {
        let (mut chosen, mut weights) = ([9; 3], [9.0; 3]);
        choose(Isa::scalar(), &[1.0, 2.0, 2.0, 0.5, 2.0, 2.0], &mut chosen, &mut weights);
        assert_eq!(chosen, [1, 2, 4]);
        assert_eq!(weights, [1.0 / 3.0; 3]);
        choose(Isa::scalar(), &[f32::NEG_INFINITY; 3], &mut chosen, &mut weights);
        assert_eq!(chosen, [0, 1, 2]);
    }

    #[test]
    fn a_nan_stays_visible() {
        let (mut chosen, mut weights) = ([0; 2], [0.0; 2]);
        choose(Isa::scalar(), &[1.0, f32::INFINITY, f32::NAN, 5.0], &mut chosen, &mut weights);
        assert!(chosen == [1, 2] && weights.iter().all(|weight| weight.is_nan()));
    }

    proptest! {
        #[test]
        fn they_are_the_first_of_the_sorted_ones(steps in prop::collection::vec(-8i8..8, 1..40), used in 1usize..8) {
            let logits: Vec<f32> = steps.iter().map(|&step| f32::from(step) / 2.0).collect();
            let used = used.min(logits.len());
            let mut order: Vec<usize> = (0..logits.len()).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
            let mut expected = order[..used].to_vec();
            expected.sort_unstable();
            for isa in Isa::available() {
                let (mut chosen, mut weights) = (vec![0; used], vec![0.0; used]);
                choose(isa, &logits, &mut chosen, &mut weights);
                prop_assert_eq!(&chosen, &expected);
                let total: f32 = weights.iter().sum();
                prop_assert!((total - 1.0).abs() < 1.0e-5);
            }
        }
    }
}

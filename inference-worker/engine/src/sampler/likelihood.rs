//! How likely the model considered a token.
//!
//! Receipts do not cover these numbers, so they may use the machine's own `exp` and `ln`, in f64;
//! they do not decide which token is drawn.

use mica_kernels::reduce;

use super::best;

/// Natural logarithms of probabilities over the whole vocabulary, before any temperature.
#[derive(Clone, PartialEq, Debug)]
pub struct Likelihood {
    /// Of the token that was asked about; −∞ outside the vocabulary.
    pub token: f64,
    /// Ids and log probabilities of the most likely tokens, most likely first, equal ones by id.
    pub top: Vec<(u32, f64)>,
}

/// Log probabilities of `token` and of the `count` most likely tokens, by a softmax over `logits`
/// (`[vocabulary]`) as they are: neither temperature nor top-k nor top-p plays a part. In no
/// receipt. NaN if the logits are no distribution.
pub fn log_probabilities(logits: &[f32], token: u32, count: usize) -> Likelihood {
    let largest = f64::from(reduce::max(logits));
    let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    let of = |logit: f32| f64::from(logit) - largest - total.ln();
    Likelihood {
        token: logits.get(token as usize).map_or(f64::NEG_INFINITY, |&logit| of(logit)),
        top: best(logits, count).into_iter().map(|(logit, id)| (id, of(logit))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_tokens_come_by_id_and_nothing_is_counted_twice() {
        let logits = [0.0, 1.0, f32::NEG_INFINITY, 1.0, 1.0];
        let found = log_probabilities(&logits, 0, 3);
        assert_eq!(found.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3, 4]);
        let total = 1.0 + 3.0 * std::f64::consts::E;
        assert!(
            (found.token + total.ln()).abs() < 1e-12
                && (found.top[0].1 - 1.0 + total.ln()).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(
            log_probabilities(&logits, 2, 0),
            Likelihood { token: f64::NEG_INFINITY, top: vec![] }
        );
        assert_eq!(
            log_probabilities(&logits, 5, 9).token,
            f64::NEG_INFINITY,
            "outside the vocabulary"
        );
        assert_eq!(log_probabilities(&logits, 1, 9).top.len(), 5, "no more than there are");
    }

    #[test]
    fn large_logits_do_not_overflow_and_no_distribution_is_told_as_such() {
        assert_eq!(
            log_probabilities(&[3e38, -3e38], 0, 1),
            Likelihood { token: 0.0, top: vec![(0, 0.0)] }
        );
        assert!(log_probabilities(&[f32::NEG_INFINITY; 3], 1, 1).token.is_nan());
        assert_eq!(
            log_probabilities(&[], 0, 4),
            Likelihood { token: f64::NEG_INFINITY, top: vec![] }
        );
    }

    proptest! {
        #[test]
        fn they_are_a_distribution_in_the_order_of_the_logits(
            logits in prop::collection::vec(-40.0f32..40.0, 1..200), token in 0u32..200, count in 0usize..210,
        ) {
            let all = log_probabilities(&logits, token, logits.len());
            let sum: f64 = all.top.iter().map(|(_, value)| value.exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12, "{sum}");
            let mut by_hand: Vec<u32> = (0..logits.len() as u32).collect();
            by_hand.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
            prop_assert_eq!(all.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), by_hand);
            let some = log_probabilities(&logits, token, count);
            prop_assert_eq!(&some.top, &all.top[..count.min(logits.len())]);
            let own = all.top.iter().find(|(id, _)| *id == token).map_or(f64::NEG_INFINITY, |(_, value)| *value);
            prop_assert_eq!(some.token, own);
        }
    }
}

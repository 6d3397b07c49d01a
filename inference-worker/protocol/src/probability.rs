//! How probable the last stage considered tokens, in numbers that read the same on every machine.
//!
//! They are the worker's claim. No receipt covers them: a payer can detect contradictions among
//! them but cannot verify them.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, Encode, MaxEncodedLen};

use crate::{limits::MAX_TOP_LOG_PROBABILITIES, session::MICRO};

/// Natural logarithm of a probability, in millionths below 0; what is too far below is the least
/// that fits, about −4295.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, MaxEncodedLen)]
pub struct LogProbability(u32);

impl LogProbability {
    /// Rounded to millionths. What is above 0 becomes 0; what is no number is no probability and
    /// becomes the least.
    pub fn new(value: f64) -> Self {
        let micro = (-value * f64::from(MICRO)).round();
        // A cast ends at the type's bounds.
        Self(if micro.is_nan() { u32::MAX } else { micro as u32 })
    }

    /// The logarithm, finite and at most 0.
    pub fn value(self) -> f64 {
        // Not a negation, which would give −0.
        0.0 - f64::from(self.0) / f64::from(MICRO)
    }

    const fn is_less_likely_than(self, other: Self) -> bool {
        self.0 > other.0
    }
}

/// A token that could have been drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct Candidate {
    /// Its id.
    pub id: u32,
    /// How likely it was.
    pub log_probability: LogProbability,
}

/// Candidates for one token.
pub type Candidates = BoundedVec<Candidate, ConstU32<MAX_TOP_LOG_PROBABILITIES>>;

/// How likely a drawn token was, over the whole vocabulary and before any temperature, and which
/// would have been likelier.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LogProbabilities {
    /// Of the token that was drawn.
    pub drawn: LogProbability,
    /// The most likely tokens, most likely first; the drawn one may be among them.
    pub top: Candidates,
}

impl LogProbabilities {
    /// Whether they can belong to the drawn token `id`, when `asked` of the most likely ones were
    /// asked for.
    ///
    /// # Errors
    /// The first thing that contradicts itself.
    pub fn check(&self, id: u32, asked: u8) -> Result<(), &'static str> {
        if self.top.len() > usize::from(asked) {
            return Err("more log probabilities came than were asked for");
        }
        if self
            .top
            .windows(2)
            .any(|pair| pair[0].log_probability.is_less_likely_than(pair[1].log_probability))
        {
            return Err("a less likely token comes before a more likely one");
        }
        let is_repeated = |(index, candidate): (usize, &Candidate)| {
            self.top[..index].iter().any(|other| other.id == candidate.id)
        };
        if self.top.iter().enumerate().any(is_repeated) {
            return Err("a token is twice among the most likely ones");
        }
        let fits = match self.top.iter().find(|candidate| candidate.id == id) {
            Some(own) => own.log_probability == self.drawn,
            None => self
                .top
                .last()
                .is_none_or(|last| !last.log_probability.is_less_likely_than(self.drawn)),
        };
        if fits {
            Ok(())
        } else {
            Err("the token's log probability does not fit those of the most likely ones")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u32, value: f64) -> Candidate {
        Candidate { id, log_probability: LogProbability::new(value) }
    }

    fn likely(drawn: f64, top: &[(u32, f64)]) -> LogProbabilities {
        let top = top.iter().map(|&(id, value)| candidate(id, value)).collect();
        LogProbabilities { drawn: LogProbability::new(drawn), top: Candidates::truncate_from(top) }
    }

    #[test]
    fn every_number_becomes_one_that_a_logarithm_can_be() {
        for (value, expected) in
            [(-0.607413, -0.607413), (-1e-9, 0.0), (0.0, 0.0), (-0.0, 0.0), (1e-7, 0.0), (3.0, 0.0)]
        {
            assert_eq!(LogProbability::new(value).value(), expected, "{value}");
            assert!(
                LogProbability::new(value).value().is_sign_positive() || expected < 0.0,
                "no -0 for {value}"
            );
        }
        let least = LogProbability::new(f64::NEG_INFINITY);
        assert!(least.value() < -4_000.0 && least.value().is_finite());
        assert_eq!([LogProbability::new(f64::NAN), LogProbability::new(-1e300)], [least; 2]);
        assert_eq!(LogProbability::new(f64::INFINITY).value(), 0.0);
    }

    #[test]
    fn what_an_honest_worker_can_say_is_taken() {
        assert_eq!(likely(-0.7, &[]).check(5, 0), Ok(()));
        assert_eq!(likely(-0.5, &[(5, -0.5), (2, -1.5), (9, -1.5)]).check(5, 3), Ok(()));
        assert_eq!(likely(-1.5, &[(5, -0.5), (2, -1.5)]).check(2, 2), Ok(()));
        assert_eq!(
            likely(-4.0, &[(5, -0.5), (2, -1.5)]).check(7, 2),
            Ok(()),
            "drawn from further below"
        );
        assert_eq!(
            likely(-1.5, &[(5, -0.5), (2, -1.5)]).check(7, 2),
            Ok(()),
            "equals of the last one"
        );
        assert_eq!(likely(-0.5, &[(5, -0.5)]).check(5, 20), Ok(()), "a vocabulary of one");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused =
            |likely: LogProbabilities, asked| likely.check(5, asked).expect_err("refused");
        assert!(refused(likely(-0.5, &[(5, -0.5)]), 0).contains("more"));
        assert!(
            refused(likely(-0.5, &[(5, -0.5), (2, -2.0), (3, -1.0)]), 3).contains("comes before")
        );
        assert!(refused(likely(-0.5, &[(5, -0.5), (2, -1.0), (2, -2.0)]), 3).contains("twice"));
        assert!(refused(likely(-0.4, &[(5, -0.5), (2, -1.0)]), 2).contains("does not fit"));
        assert!(
            refused(likely(-0.4, &[(4, -0.3), (2, -1.0)]), 2).contains("does not fit"),
            "it belongs among them"
        );
    }
}

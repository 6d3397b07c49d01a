//! What a session is: its name, its lengths, how its tokens are drawn, and what a stage is paid for
//! each position.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, Encode, MaxEncodedLen};
use core::fmt;
use mica_primitives::{Balance, Hash32};

use crate::limits::{
    MAX_END_IDS, MAX_SESSION_POSITIONS, MAX_TOP_LOG_PROBABILITIES, MIN_CREDIT_AND_EXPOSURE,
};

/// Name of a session: 32 random bytes drawn by the payer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, MaxEncodedLen)]
pub struct SessionId(pub Hash32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One in fixed point for [`Sampling`]'s fields.
pub const MICRO: u32 = 1_000_000;

/// How the last stage draws a token from the logits. Fixed point, so that every machine reads the
/// same value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen)]
pub struct Sampling {
    /// Millionths; 0 takes the most likely token (the lowest id among equals). At most 100 ·
    /// [`MICRO`].
    pub temperature_micro: u32,
    /// Most likely tokens to draw from; 0 for all.
    pub top_k: u32,
    /// Millionths of probability to draw from, `1..=MICRO`; 0 for all.
    pub top_p_micro: u32,
    /// Seed of the counter-based generator; position and seed fix the draw.
    pub seed: u64,
}

impl Sampling {
    /// From the fractions that people write; values are rounded to millionths.
    pub fn new(temperature: f32, top_k: u32, top_p: f32, seed: u64) -> Self {
        let micro = |value: f32| (f64::from(value.max(0.0)) * f64::from(MICRO)).round() as u32;
        Self { temperature_micro: micro(temperature), top_k, top_p_micro: micro(top_p), seed }
    }

    /// Temperature as the sampler takes it.
    pub fn temperature(&self) -> f32 {
        self.temperature_micro as f32 / MICRO as f32
    }

    /// Share of probability to draw from, 1 for all.
    pub fn top_p(&self) -> f32 {
        if self.top_p_micro == 0 { 1.0 } else { self.top_p_micro as f32 / MICRO as f32 }
    }
}

/// Token ids that end the answer.
pub type EndIds = BoundedVec<u32, ConstU32<MAX_END_IDS>>;

/// How long a session may become and how its tokens are drawn.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SessionSpec {
    /// Positions of the prompt, at least 1.
    pub prompt_positions: u32,
    /// Most tokens to generate, at least 1.
    pub max_new_tokens: u32,
    /// Room in the cache: exactly `prompt_positions + max_new_tokens − 1`, because the last token is
    /// never fed back, and nobody reserves what it does not need.
    pub max_positions: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Ids after which generation stops.
    pub end_ids: EndIds,
    /// Whether log probabilities come with each token: its own, and those of this many most likely
    /// ones, at most [`MAX_TOP_LOG_PROBABILITIES`].
    pub logprobs: Option<u8>,
}

/// Why lengths or sampling settings are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No prompt.
    #[error("the prompt is empty: send at least one token")]
    EmptyPrompt,
    /// Nothing to generate.
    #[error("max_new_tokens is 0: ask for at least one token")]
    NothingToGenerate,
    /// More than the cache was asked for.
    #[error(
        "prompt and answer need {needed} positions and max_positions is {room}: raise it or ask \
         for less"
    )]
    TooShort {
        /// Positions needed.
        needed: u64,
        /// Positions asked for.
        room: u32,
    },
    /// More than prompt and answer can use.
    #[error(
        "prompt and answer need {needed} positions and max_positions is {room}: reserve no more \
         than is needed"
    )]
    TooMuchRoom {
        /// Positions needed.
        needed: u64,
        /// Positions asked for.
        room: u32,
    },
    /// More than any session may have.
    #[error("max_positions is {0} and may be {MAX_SESSION_POSITIONS}: shorten prompt or answer")]
    TooLong(u32),
    /// Temperature or top-p out of range.
    #[error("temperature must be at most 100 and top_p at most 1")]
    BadSampling,
    /// More log probabilities than a token may have.
    #[error(
        "{0} log probabilities are asked for with each token and there may be \
         {MAX_TOP_LOG_PROBABILITIES}: ask for fewer"
    )]
    TooManyLogprobs(u8),
}

impl SessionSpec {
    /// Positions that prompt and answer can take together.
    pub fn needed_positions(&self) -> u64 {
        (u64::from(self.prompt_positions) + u64::from(self.max_new_tokens)).saturating_sub(1)
    }

    /// Whether the lengths fit each other and the settings are in range.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.prompt_positions == 0 {
            return Err(SpecError::EmptyPrompt);
        }
        if self.max_new_tokens == 0 {
            return Err(SpecError::NothingToGenerate);
        }
        if self.max_positions > MAX_SESSION_POSITIONS {
            return Err(SpecError::TooLong(self.max_positions));
        }
        if self.needed_positions() > u64::from(self.max_positions) {
            return Err(SpecError::TooShort {
                needed: self.needed_positions(),
                room: self.max_positions,
            });
        }
        if self.needed_positions() < u64::from(self.max_positions) {
            return Err(SpecError::TooMuchRoom {
                needed: self.needed_positions(),
                room: self.max_positions,
            });
        }
        if self.sampling.temperature_micro > 100 * MICRO || self.sampling.top_p_micro > MICRO {
            return Err(SpecError::BadSampling);
        }
        match self.logprobs.filter(|count| u32::from(*count) > MAX_TOP_LOG_PROBABILITIES) {
            Some(count) => Err(SpecError::TooManyLogprobs(count)),
            None => Ok(()),
        }
    }
}

/// What one stage is paid, and how far each side goes ahead of the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub struct PaymentTerms {
    /// Base units per layer and position, at least 1.
    pub price_per_layer_token: Balance,
    /// Positions that the worker computes before it is paid for them.
    pub credit_positions: u16,
    /// Positions that the payer pays for before verified receipts cover them.
    pub exposure_positions: u16,
}

/// Why terms are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// Nothing is paid, or more than money can count.
    #[error(
        "a price of {0} base units over these layers cannot be paid: offer at least 1, and less \
         than the supply"
    )]
    BadPrice(Balance),
    /// Payer and worker would wait for each other.
    #[error(
        "credit {credit} and exposure {exposure} must add up to {MIN_CREDIT_AND_EXPOSURE} \
         positions: raise the exposure"
    )]
    Standstill {
        /// Positions of credit.
        credit: u16,
        /// Positions of exposure.
        exposure: u16,
    },
}

impl PaymentTerms {
    /// Base units per position for a stage of `layers` layers; nothing on overflow.
    pub fn unit(&self, layers: u16) -> Option<Balance> {
        self.price_per_layer_token.checked_mul(layers.into())
    }

    /// The unit, if the terms can work for a stage of `layers` layers.
    ///
    /// # Errors
    /// See [`TermsError`].
    pub fn check(&self, layers: u16) -> Result<Balance, TermsError> {
        let sum = self.credit_positions.saturating_add(self.exposure_positions);
        if sum < MIN_CREDIT_AND_EXPOSURE {
            return Err(TermsError::Standstill {
                credit: self.credit_positions,
                exposure: self.exposure_positions,
            });
        }
        match self.unit(layers) {
            Some(unit) if unit > 0 && unit.checked_mul(MAX_SESSION_POSITIONS.into()).is_some() => {
                Ok(unit)
            }
            _ => Err(TermsError::BadPrice(self.price_per_layer_token)),
        }
    }
}

/// Why a session stopped generating.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen)]
pub enum StopReason {
    /// The token is one of the session's end ids.
    #[codec(index = 0)]
    EndId,
    /// As many tokens as were asked for.
    #[codec(index = 1)]
    MaxNewTokens,
    /// The cache is full.
    #[codec(index = 2)]
    MaxPositions,
    /// The payer asked to stop after the next token.
    #[codec(index = 3)]
    Asked,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SessionSpec {
        SessionSpec {
            prompt_positions: 10,
            max_new_tokens: 5,
            max_positions: 14,
            sampling: Sampling::default(),
            end_ids: EndIds::default(),
            logprobs: None,
        }
    }

    #[test]
    fn lengths_that_just_fit_are_taken_and_one_more_is_not() {
        assert_eq!(spec().check(), Ok(()));
        assert_eq!(
            SessionSpec { max_positions: 13, ..spec() }.check(),
            Err(SpecError::TooShort { needed: 14, room: 13 })
        );
        assert_eq!(
            SessionSpec { max_positions: 15, ..spec() }.check(),
            Err(SpecError::TooMuchRoom { needed: 14, room: 15 }),
            "room that nobody can use"
        );
        assert_eq!(
            SessionSpec { prompt_positions: 0, ..spec() }.check(),
            Err(SpecError::EmptyPrompt)
        );
        assert_eq!(
            SessionSpec { max_new_tokens: 0, ..spec() }.check(),
            Err(SpecError::NothingToGenerate)
        );
        let long = MAX_SESSION_POSITIONS + 1;
        assert_eq!(
            SessionSpec { max_positions: long, ..spec() }.check(),
            Err(SpecError::TooLong(long))
        );
        let all = SessionSpec { prompt_positions: u32::MAX, max_new_tokens: u32::MAX, ..spec() };
        assert!(matches!(all.check(), Err(SpecError::TooShort { .. })));
    }

    #[test]
    fn sampling_out_of_range_is_refused() {
        let with = |sampling| SessionSpec { sampling, ..spec() }.check();
        assert_eq!(with(Sampling::new(0.7, 40, 0.95, 1)), Ok(()));
        assert_eq!(
            with(Sampling { top_p_micro: MICRO + 1, ..Sampling::default() }),
            Err(SpecError::BadSampling)
        );
        assert_eq!(
            with(Sampling { temperature_micro: u32::MAX, ..Sampling::default() }),
            Err(SpecError::BadSampling)
        );
        assert_eq!(Sampling::new(0.7, 40, 0.95, 1).temperature(), 0.7);
        assert_eq!(Sampling::default().top_p(), 1.0);
    }

    #[test]
    fn more_log_probabilities_than_a_token_may_have_are_refused() {
        let with = |logprobs| SessionSpec { logprobs, ..spec() }.check();
        assert_eq!([with(Some(0)), with(Some(20))], [Ok(()); 2]);
        assert_eq!(with(Some(21)), Err(SpecError::TooManyLogprobs(21)));
        assert_eq!(with(Some(u8::MAX)), Err(SpecError::TooManyLogprobs(u8::MAX)));
    }

    #[test]
    fn terms_that_would_stand_still_or_cannot_be_counted_are_refused() {
        let terms =
            PaymentTerms { price_per_layer_token: 3, credit_positions: 16, exposure_positions: 15 };
        assert_eq!(terms.check(4), Ok(12));
        let still = PaymentTerms { exposure_positions: 14, ..terms };
        assert_eq!(still.check(4), Err(TermsError::Standstill { credit: 16, exposure: 14 }));
        assert_eq!(
            PaymentTerms { price_per_layer_token: 0, ..terms }.check(4),
            Err(TermsError::BadPrice(0))
        );
        let huge = PaymentTerms { price_per_layer_token: Balance::MAX, ..terms };
        assert_eq!(huge.check(4), Err(TermsError::BadPrice(Balance::MAX)));
        assert_eq!(huge.check(1), Err(TermsError::BadPrice(Balance::MAX)));
    }
}

//! Service-level agreements: price, time and penalty, agreed before the work and settled by the
//! chain.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Balance, BlockNumber, Hash32, LayerRange, ModelId, PublicKey, domain::signing_bytes};

/// Most tokens that a worker may claim beyond those that the payer signed for. What a lie about a
/// claim can move is their price, so a payer signs a [`Progress`] at least this often, and a worker
/// that goes further works on credit.
pub const MAX_UNSIGNED_TOKENS: u32 = 48;

/// Number of an agreement, given by the chain in order.
pub type AgreementId = u64;

/// What a payer proposes and a worker accepts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Terms {
    /// The model.
    pub model: ModelId,
    /// The layers.
    pub range: LayerRange,
    /// Positions to be computed.
    pub tokens: u32,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Most milliseconds from one token to the next, over the whole agreement's average.
    pub max_latency_ms: u32,
    /// Least tokens per thousand seconds.
    pub min_throughput_millitokens_per_s: u32,
    /// What the worker pays from its stake on a breach.
    pub penalty: Balance,
    /// Blocks, from acceptance, in which the work must be completed.
    pub duration: BlockNumber,
    /// The payer's ed25519 hot key: it signs what the payer measured.
    pub signer: PublicKey,
}

impl Terms {
    /// `tokens · layers · price`: what the payer puts in escrow. Nothing on overflow.
    pub fn escrow(&self) -> Option<Balance> {
        self.price_of(self.tokens)
    }

    /// Base units for `tokens` positions. Nothing on overflow.
    pub fn price_of(&self, tokens: u32) -> Option<Balance> {
        Balance::from(tokens)
            .checked_mul(self.range.len().into())?
            .checked_mul(self.price_per_layer_token)
    }

    /// What the worker's stake must cover while the agreement is open: the penalty of a breach, or
    /// as much as the payer loses when a claim stays disputed, whichever is more. Nothing on
    /// overflow.
    pub fn risk(&self) -> Option<Balance> {
        self.escrow().map(|escrow| escrow.max(self.penalty))
    }
}

/// Where an agreement stands. Finished ones are removed.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum AgreementState {
    /// Waits for the worker until `until`, then is refunded.
    Proposed {
        /// First block in which the proposal is void.
        until: BlockNumber,
    },
    /// The worker is bound until `deadline`.
    Active {
        /// Last block in which the work may be completed.
        deadline: BlockNumber,
        /// Hash of the request whose receipt the worker has acknowledged on chain: with it, missing
        /// the deadline is a breach.
        acknowledged: Option<Hash32>,
    },
    /// The worker claims to be done; the payer may object until `until`.
    Claimed {
        /// First block in which the worker is paid.
        until: BlockNumber,
        /// What the worker claims.
        claim: Claim,
    },
    /// The payer objected: until `until` the two may still settle with a co-signed completion, then
    /// both lose the unsigned part.
    Disputed {
        /// First block in which both lose.
        until: BlockNumber,
        /// What the worker claims.
        claim: Claim,
    },
}

impl AgreementState {
    /// The block in whose beginning the agreement ends by itself if nobody acts before.
    pub const fn ends(&self) -> BlockNumber {
        match self {
            Self::Proposed { until }
            | Self::Claimed { until, .. }
            | Self::Disputed { until, .. } => *until,
            Self::Active { deadline, .. } => deadline.saturating_add(1),
        }
    }

    /// Whether the worker is bound: it accepted, and nothing has been settled.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Proposed { .. })
    }
}

/// What a worker says that it delivered.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Claim {
    /// Tokens delivered.
    pub tokens: u32,
    /// Those of them for which the payer signed a [`Progress`].
    pub signed: u32,
    /// Root of the receipts for them.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
}

/// An agreement as the chain knows it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Agreement<AccountId> {
    /// Who pays.
    pub payer: AccountId,
    /// Who works.
    pub worker: AccountId,
    /// What was agreed.
    pub terms: Terms,
    /// Base units held from the payer.
    pub escrow: Balance,
    /// Where it stands.
    pub state: AgreementState,
}

impl Claim {
    /// The most that may be claimed of `tokens` when the payer signed for `signed`: as far as a
    /// worker goes on credit.
    pub fn reach(tokens: u32, signed: u32) -> u32 {
        tokens.min(signed.saturating_add(MAX_UNSIGNED_TOKENS))
    }

    /// Whether the worker stopped before it had to: it claims less than it could have.
    pub fn is_short_of(&self, terms: &Terms) -> bool {
        self.tokens < Self::reach(terms.tokens, self.signed)
    }
}

/// A payer's word that it has received `tokens`. Signed by the terms' signer, again and again while
/// the work goes on; the highest counts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Progress {
    /// The agreement.
    pub agreement: AgreementId,
    /// Tokens received since its beginning.
    pub tokens: u32,
}

impl Progress {
    /// `domain("progress") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("progress", genesis, self)
    }
}

/// A worker's word that it holds everything that it needs to do the work. Signed by its peer key
/// before it starts.
///
/// From here latency is measured, and from here the payer cannot be blamed for a missed deadline: a
/// worker signs it only when the whole request has arrived and there is time left to do the work.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Acknowledgement {
    /// The agreement.
    pub agreement: AgreementId,
    /// blake3 of the request's bytes.
    pub request_hash: Hash32,
    /// A recent block at the time of signing.
    pub anchor: BlockNumber,
}

impl Acknowledgement {
    /// `domain("acknowledgement") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("acknowledgement", genesis, self)
    }
}

/// What both sides measured at the end. Signed by the one who does not submit it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Completion {
    /// The agreement.
    pub agreement: AgreementId,
    /// Tokens delivered.
    pub tokens: u32,
    /// Milliseconds from the worker's signed acknowledgement to the last token.
    pub elapsed_ms: u64,
    /// Root of the receipts.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
}

impl Completion {
    /// `domain("completion") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("completion", genesis, self)
    }

    /// Whether the measurements break `terms`: too few tokens, too slow on average, or below the
    /// throughput.
    pub fn breaches(&self, terms: &Terms) -> bool {
        let tokens = u128::from(self.tokens);
        let elapsed_ms = u128::from(self.elapsed_ms);
        self.tokens < terms.tokens
            || elapsed_ms > u128::from(terms.max_latency_ms) * tokens
            || elapsed_ms * u128::from(terms.min_throughput_millitokens_per_s) > tokens * 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            model: ModelId([1; 32]),
            range: LayerRange { first: 2, end: 6 },
            tokens: 100,
            price_per_layer_token: 5,
            max_latency_ms: 200,
            min_throughput_millitokens_per_s: 5_000,
            penalty: 300,
            duration: 10,
            signer: [2; 32],
        }
    }

    fn measured(tokens: u32, elapsed_ms: u64) -> Completion {
        Completion { agreement: 0, tokens, elapsed_ms, receipts_root: [0; 32], receipts: 0 }
    }

    #[test]
    fn the_escrow_is_tokens_times_layers_times_price() {
        assert_eq!(terms().escrow(), Some(2_000));
        assert_eq!(terms().risk(), Some(2_000));
        assert_eq!(Terms { penalty: 2_001, ..terms() }.risk(), Some(2_001));
        assert_eq!(Terms { price_per_layer_token: Balance::MAX, ..terms() }.escrow(), None);
    }

    #[test]
    fn a_limit_reached_exactly_is_kept() {
        assert!(!measured(100, 20_000).breaches(&terms()));
        assert!(measured(100, 20_001).breaches(&terms()));
        assert!(measured(99, 1).breaches(&terms()));
        let slow = Terms { max_latency_ms: u32::MAX, ..terms() };
        assert!(!measured(100, 20_000).breaches(&slow));
        assert!(measured(100, 20_001).breaches(&slow));
    }

    #[test]
    fn a_claim_reaches_a_window_beyond_what_was_signed() {
        assert_eq!(Claim::reach(100, 0), 48);
        assert_eq!(Claim::reach(100, 60), 100);
        assert_eq!(Claim::reach(u32::MAX, u32::MAX), u32::MAX);
        let claim = Claim { tokens: 47, signed: 0, receipts_root: [0; 32], receipts: 0 };
        assert!(claim.is_short_of(&terms()));
        assert!(!Claim { tokens: 48, ..claim }.is_short_of(&terms()));
    }

    #[test]
    fn an_agreement_ends_after_its_deadline_and_at_its_until() {
        assert_eq!(AgreementState::Active { deadline: 9, acknowledged: None }.ends(), 10);
        assert_eq!(AgreementState::Proposed { until: 9 }.ends(), 9);
        assert!(!AgreementState::Proposed { until: 9 }.is_open());
    }
}

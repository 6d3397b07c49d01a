//! Service-level agreements: price, time and penalty, agreed before the work and settled by the chain.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Balance, BlockNumber, Hash32, LayerRange, ModelId, domain::signing_bytes};

/// Number of an agreement, given by the chain in order.
pub type AgreementId = u64;

/// What a payer proposes and a worker accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
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
}

impl Terms {
    /// `tokens · layers · price`: what the payer puts in escrow. Nothing on overflow.
    pub fn escrow(&self) -> Option<Balance> {
        Balance::from(self.tokens).checked_mul(self.range.len().into())?.checked_mul(self.price_per_layer_token)
    }
}

/// Where an agreement stands. Finished ones are removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
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
    },
    /// The worker claims to be done; the payer may object until `until`.
    Claimed {
        /// First block in which the worker is paid.
        until: BlockNumber,
        /// Tokens that the worker claims.
        tokens: u32,
        /// Root of the receipts for them.
        receipts_root: Hash32,
        /// Number of receipts under the root.
        receipts: u64,
        /// The deadline of the work, kept for a rejected claim.
        deadline: BlockNumber,
    },
}

/// An agreement as the chain knows it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
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

/// What both sides measured at the end. Signed by the one who does not submit it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
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

    /// Whether the measurements break `terms`: too few tokens, too slow on average, or below the throughput.
    pub fn breaches(&self, terms: &Terms) -> bool {
        let tokens = u128::from(self.tokens);
        let elapsed_ms = u128::from(self.elapsed_ms);
        self.tokens < terms.tokens
            || elapsed_ms > u128::from(terms.max_latency_ms) * tokens
            || elapsed_ms * u128::from(terms.min_throughput_millitokens_per_s) > tokens * 1_000_000
    }
}

//! Service-level agreements: price, time and what a failure costs, agreed before the work and
//! settled by the chain. The rules, and why no lie pays under them, are in the manual of
//! `pallet_mica_sla`.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Balance, BlockNumber, Hash32, LayerRange, ModelId, PublicKey, domain::signing_bytes};

/// Number of an agreement, given by the chain in order.
pub type AgreementId = u64;

/// What a payer proposes and a worker accepts. Blocks are those of the market's clock.
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
    /// Most positions to be computed, those of the prompt included: fewer if the generation ends
    /// before.
    pub tokens: u32,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// The credit window, in tokens, at least 2. The worker goes at most half of it ahead of the
    /// payer's signatures, and its price is the most that a lie of one side costs the other.
    pub window: u32,
    /// Blocks, from acceptance, in which the request may come: the worker is bound for nothing for
    /// so long, if none comes.
    pub start_blocks: BlockNumber,
    /// Blocks, from the worker's acknowledgement of the request, by which the first tokens may come
    /// later than in proportion: a long prompt is read before anything is generated.
    pub first_blocks: BlockNumber,
    /// Blocks for the work, beside `first_blocks`, if all tokens are computed; fewer tokens have
    /// fewer in proportion. At least 1.
    pub work_blocks: BlockNumber,
    /// The payer's ed25519 hot key: it signs what the payer received.
    pub signer: PublicKey,
}

impl Terms {
    /// Base units for `tokens` positions. Nothing on overflow.
    pub fn price_of(&self, tokens: u32) -> Option<Balance> {
        Balance::from(tokens)
            .checked_mul(self.range.len().into())?
            .checked_mul(self.price_per_layer_token)
    }

    /// The price of a credit window: what the payer deposits beside the price of the work, and what
    /// of it burns when the worker disputes. Nothing on overflow.
    pub fn deposit(&self) -> Option<Balance> {
        self.price_of(self.window)
    }

    /// What the payer puts in escrow: the price of all tokens, and the deposit. Nothing on
    /// overflow.
    pub fn escrow(&self) -> Option<Balance> {
        self.price_of(self.tokens)?.checked_add(self.deposit()?)
    }

    /// Most tokens that the worker computes ahead of the payer's signatures: half a window.
    pub const fn credit(&self) -> u32 {
        self.window / 2
    }

    /// What the worker's stake loses when the agreement ends in failure: the price of the tokens on
    /// credit, so at most half of the deposit. Nothing on overflow.
    pub fn forfeit(&self) -> Option<Balance> {
        self.price_of(self.credit())
    }

    /// Most blocks that `tokens` may take: `first_blocks`, their part of `work_blocks`, rounded up,
    /// and one for the different heads that the two may see.
    pub fn blocks_for(&self, tokens: u32) -> BlockNumber {
        let part = u64::from(self.work_blocks) * u64::from(tokens.min(self.tokens));
        let blocks = part.div_ceil(u64::from(self.tokens.max(1)));
        // A part of a `u32` is one.
        let part = u32::try_from(blocks).unwrap_or(BlockNumber::MAX);
        self.first_blocks.saturating_add(part).saturating_add(1)
    }

    /// Whether `progress` is all that was agreed on: every token, or an early end that the payer
    /// signed, and in time.
    pub fn are_met_by(&self, progress: &Progress) -> bool {
        (progress.tokens == self.tokens || progress.ended)
            && progress.elapsed_blocks <= self.blocks_for(progress.tokens)
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
    /// Waits for the worker; by itself it ends in a refund.
    Proposed {
        /// First block in which the proposal is void.
        until: BlockNumber,
    },
    /// The worker is bound, and nothing of the request is on chain; by itself it ends in a refund.
    Active {
        /// First block in which it is over.
        until: BlockNumber,
    },
    /// The payer says on chain that it sent the request; silence is the worker's failure.
    Requested {
        /// blake3 of the request.
        request_hash: Hash32,
        /// First block in which it is over.
        until: BlockNumber,
    },
    /// The worker's acknowledgement of the request is on chain; silence is the worker's failure.
    Working {
        /// blake3 of the request that the worker acknowledged.
        request_hash: Hash32,
        /// The acknowledgement's block, from which the time for the work counts.
        anchor: BlockNumber,
        /// First block in which it is over.
        until: BlockNumber,
    },
}

impl AgreementState {
    /// The block in whose beginning the agreement ends by itself if nobody acts before.
    pub const fn until(&self) -> BlockNumber {
        match self {
            Self::Proposed { until }
            | Self::Active { until, .. }
            | Self::Requested { until, .. }
            | Self::Working { until, .. } => *until,
        }
    }

    /// Whether the worker is bound: it accepted, and nothing has been settled.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Proposed { .. })
    }
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

/// A payer's word on what it has received. Signed by the terms' signer at least once per half
/// window, and at the end; the worker shows the one that pays it most.
///
/// A worker takes it only if every number is true as far as it knows.
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
    /// Tokens received since its beginning: what is paid.
    pub tokens: u32,
    /// Whether the generation is over: the last token was an end token, or the payer wants no more.
    /// Then fewer tokens than agreed on are no failure.
    pub ended: bool,
    /// Blocks of the market's clock that the worker took: from the acknowledgement's block to the
    /// head at which the last of the tokens arrived, less the part of that time in which the worker
    /// waited for input. So others of a path, and the payer, are slow at nobody's cost but theirs.
    pub elapsed_blocks: BlockNumber,
    /// Root of the receipts that the payer accepted for the tokens.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
}

impl Progress {
    /// `domain("progress") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("progress", genesis, self)
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
            window: 16,
            start_blocks: 5,
            first_blocks: 0,
            work_blocks: 10,
            signer: [2; 32],
        }
    }

    fn received(tokens: u32, ended: bool, elapsed_blocks: u32) -> Progress {
        let (receipts_root, receipts) = ([0; 32], 0);
        Progress { agreement: 0, tokens, ended, elapsed_blocks, receipts_root, receipts }
    }

    #[test]
    fn the_escrow_is_the_price_of_the_tokens_and_of_a_window() {
        assert_eq!(terms().deposit(), Some(320));
        assert_eq!(terms().escrow(), Some(2_320));
        assert_eq!(terms().forfeit(), Some(160));
        assert_eq!(Terms { price_per_layer_token: Balance::MAX, ..terms() }.escrow(), None);
        // Half of an odd window is rounded down, so that two forfeits never exceed the deposit.
        assert_eq!(Terms { window: 3, ..terms() }.forfeit(), Some(20));
        assert_eq!(Terms { window: 3, ..terms() }.deposit(), Some(60));
    }

    #[test]
    fn tokens_have_their_part_of_the_time_and_a_block() {
        assert_eq!(terms().blocks_for(100), 11);
        assert_eq!(terms().blocks_for(0), 1);
        assert_eq!(terms().blocks_for(10), 2);
        assert_eq!(terms().blocks_for(11), 3);
        assert_eq!(terms().blocks_for(u32::MAX), 11, "no more than for all of them");
        let huge = Terms { work_blocks: u32::MAX, tokens: u32::MAX, ..terms() };
        assert_eq!(huge.blocks_for(u32::MAX), u32::MAX);
    }

    /// The first token of a long prompt may take longer than its part, and so may an early end.
    #[test]
    fn the_time_before_the_first_token_is_not_in_proportion() {
        let terms = Terms { first_blocks: 7, ..terms() };
        assert_eq!(terms.blocks_for(0), 8);
        assert_eq!(terms.blocks_for(1), 9);
        assert_eq!(terms.blocks_for(100), 18);
        assert!(terms.are_met_by(&received(1, true, 9)));
        assert!(!terms.are_met_by(&received(1, true, 10)));
        let huge = Terms { first_blocks: u32::MAX, ..terms };
        assert_eq!(huge.blocks_for(100), u32::MAX);
    }

    #[test]
    fn all_tokens_or_a_signed_end_meet_the_terms_if_they_are_in_time() {
        assert!(terms().are_met_by(&received(100, false, 11)));
        assert!(!terms().are_met_by(&received(100, false, 12)));
        assert!(!terms().are_met_by(&received(99, false, 1)));
        assert!(terms().are_met_by(&received(10, true, 2)));
        assert!(!terms().are_met_by(&received(10, true, 3)), "ten tokens in the time of twenty");
        assert!(terms().are_met_by(&received(0, true, 0)));
    }

    #[test]
    fn every_state_says_when_it_is_over_and_whether_it_binds() {
        assert!(!AgreementState::Proposed { until: 9 }.is_open());
        for state in [
            AgreementState::Active { until: 9 },
            AgreementState::Requested { request_hash: [0; 32], until: 9 },
            AgreementState::Working { request_hash: [0; 32], anchor: 1, until: 9 },
        ] {
            assert!(state.is_open());
            assert_eq!(state.until(), 9);
        }
    }
}

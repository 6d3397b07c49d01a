//! Quotes: what a worker asks, signed, so that a payer can hold it to that.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, BlockNumber, Hash32, LayerRange, ModelId, PublicKey, Signature, domain::signing_bytes,
};

use crate::signing;

/// Asks a worker what it serves and for how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct QuoteRequest {
    /// The model that the asker wants served.
    pub model: ModelId,
    /// Returned in the quote, so that an old one is not taken for the answer.
    pub nonce: u64,
}

/// A worker's offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Quote {
    /// The worker's peer key.
    pub peer: PublicKey,
    /// The asker's number; 0 in quotes that nobody asked for.
    pub nonce: u64,
    /// The model.
    pub model: ModelId,
    /// Profile of the exact computation.
    pub profile: Hash32,
    /// The layers served.
    pub range: LayerRange,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Base units for 1,000 positions of room, held for one second: what an opening prepays (see
    /// [`crate::holding`]).
    pub holding_price: Balance,
    /// Measured cost, µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Positions that the worker computes before it is paid for them.
    pub credit_positions: u16,
    /// Positions for which the cache has room now.
    pub free_positions: u32,
    /// Sessions that the worker would take now.
    pub free_sessions: u16,
    /// Last block in which the worker keeps to this price.
    pub valid_until: BlockNumber,
}

/// A quote and its worker's signature over `domain("quote") ‖ SCALE(quote)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedQuote {
    /// The offer.
    pub quote: Quote,
    /// ed25519 by `quote.peer`.
    pub signature: Signature,
}

impl SignedQuote {
    /// Signs `quote` with the worker's peer key.
    pub fn sign(quote: Quote, key: &SigningKey, genesis: &Hash32) -> Self {
        Self { signature: signing::sign(key, &signing_bytes("quote", genesis, &quote)), quote }
    }

    /// Whether the worker named in it has signed it.
    pub fn verify(&self, genesis: &Hash32) -> bool {
        signing::verify(
            &self.quote.peer,
            &signing_bytes("quote", genesis, &self.quote),
            &self.signature,
        )
    }
}

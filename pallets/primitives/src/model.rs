//! Models: weights, tokenizer and chat template under one name.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

use crate::{Balance, Hash32};

/// blake3 of a model's SCALE-encoded manifest.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct ModelId(pub Hash32);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that fixes what a model computes. Two files with one manifest give the same bytes.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ModelManifest {
    /// Name for people, UTF-8.
    pub name: BoundedVec<u8, ConstU32<64>>,
    /// GGUF's `general.architecture`, for example `llama`.
    pub architecture: BoundedVec<u8, ConstU32<32>>,
    /// Name of the quantisation of the layers' matrices, for example `Q8_0`.
    pub quantisation: BoundedVec<u8, ConstU32<16>>,
    /// Number of transformer blocks, `1..=MAX_LAYERS`.
    pub layers: u16,
    /// Width of the hidden state; 4·hidden bytes cross the wire per position.
    pub hidden: u32,
    /// Number of token ids.
    pub vocabulary: u32,
    /// Most positions that a session may hold.
    pub context: u32,
    /// blake3 over the tensors, in the file's order: (name, type, shape, blake3 of the bytes) each.
    pub weights_root: Hash32,
    /// blake3 over tokenizer and chat template.
    pub tokenizer_hash: Hash32,
    /// Profile of the exact computation: kernel version, tables, tile sizes.
    pub profile: Hash32,
}

impl ModelManifest {
    /// The name of the model on chain.
    pub fn id(&self) -> ModelId {
        ModelId(*blake3::hash(&self.encode()).as_bytes())
    }
}

/// What one unit of a path's weight is worth in money and in time, fixed per model.
///
/// P2P-LLM eq. 1 adds a price to a cost. These constants are the exchange rate: at α = ½ a payer
/// gives `price_unit` for saving `cost_unit_us` per layer-token. They are constants on purpose:
/// normalised by live prices, nobody pays for raising all prices together and they drift for ever.
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
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct MarketUnits {
    /// Base units per layer-token, at least 1.
    pub price_unit: Balance,
    /// Microseconds per layer-token, at least 1.
    pub cost_unit_us: u32,
}

/// A model as the chain knows it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ModelRecord<AccountId> {
    /// Who registered it and gets the deposit back.
    pub owner: AccountId,
    /// What it is.
    pub manifest: ModelManifest,
    /// Exchange rate between money and time.
    pub units: MarketUnits,
    /// Held from the owner while the model is registered.
    pub deposit: Balance,
}

//! Shards of the registry: one child trie per (model, bucket of layers).
//!
//! A worker that serves layers 32..48 needs to know who else does, and nothing about the rest of
//! the market. Each bucket of [`SHARD_LAYERS`] layers of each model therefore has a trie of its
//! own, whose root can be proved and whose changes can be followed alone. Both sides must agree on
//! the names and the bytes inside:
//!
//! | key in the shard | value |
//! |---|---|
//! | [`COVERAGE_KEY`] | `[u32; SHARD_LAYERS]`: active workers on each layer of the bucket; absent when all are zero |
//! | [`member_key`] of an account | [`LayerRange`]: the whole range of that active worker |

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{LayerRange, ModelId, domain::blake2_256, layers::MAX_LAYERS};

/// Layers in one bucket.
pub const SHARD_LAYERS: u16 = 16;
/// Most buckets that one model has.
pub const MAX_SHARDS: u16 = MAX_LAYERS.div_ceil(SHARD_LAYERS);
/// What the identifier of every shard's trie begins with.
pub const TRIE_PREFIX: &[u8] = b"mica/shard/v1";
/// Key of a shard's counts.
pub const COVERAGE_KEY: &[u8] = b"c";

/// Active workers on each layer of one bucket.
pub type ShardCoverage = [u32; SHARD_LAYERS as usize];

/// The name of one shard.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Shard {
    /// The model.
    pub model: ModelId,
    /// The bucket: layers `bucket · SHARD_LAYERS ..` of it.
    pub bucket: u16,
}

impl Shard {
    /// Identifier of the shard's default child trie: `"mica/shard/v1" ‖ model ‖ bucket (u16, big
    /// endian)`.
    pub fn trie_id(&self) -> Vec<u8> {
        let mut id = TRIE_PREFIX.to_vec();
        id.extend_from_slice(&self.model.0);
        id.extend_from_slice(&self.bucket.to_be_bytes());
        id
    }

    /// First layer of the bucket.
    pub const fn first_layer(&self) -> u16 {
        self.bucket.saturating_mul(SHARD_LAYERS)
    }

    /// The buckets that `range` touches, in order; none for an empty range.
    pub fn buckets(range: LayerRange) -> core::ops::Range<u16> {
        if range.is_empty() {
            return 0..0;
        }
        range.first / SHARD_LAYERS..(range.end - 1) / SHARD_LAYERS + 1
    }
}

/// Key of a member inside a shard: `"m" ‖ first 16 bytes of blake2-256 ‖ SCALE(account)`; the
/// prefix keeps a chosen account from making a deep trie.
pub fn member_key(account: &impl Encode) -> Vec<u8> {
    let encoded = account.encode();
    let mut key = Vec::with_capacity(1 + 16 + encoded.len());
    key.push(b'm');
    key.extend_from_slice(&blake2_256(&encoded)[..16]);
    key.extend_from_slice(&encoded);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_touches_the_buckets_that_hold_its_first_and_last_layer() {
        let buckets = |first, end| Shard::buckets(LayerRange { first, end });
        assert_eq!(buckets(0, 16), 0..1);
        assert_eq!(buckets(0, 17), 0..2);
        assert_eq!(buckets(15, 16), 0..1);
        assert_eq!(buckets(16, 48), 1..3);
        assert_eq!(buckets(0, MAX_LAYERS), 0..MAX_SHARDS);
    }

    #[test]
    fn an_empty_or_reversed_range_touches_none() {
        assert!(Shard::buckets(LayerRange { first: 5, end: 5 }).is_empty());
        assert!(Shard::buckets(LayerRange { first: 6, end: 5 }).is_empty());
    }

    #[test]
    fn shards_of_other_models_and_buckets_have_other_names() {
        let shard = |model, bucket| Shard { model: ModelId([model; 32]), bucket }.trie_id();
        assert_ne!(shard(1, 0), shard(1, 1));
        assert_ne!(shard(1, 0), shard(2, 0));
    }
}

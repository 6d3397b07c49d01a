//! Receipts of computation: what a stage says that it computed, in a form that can be proved wrong.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Hash32, LaneId, LayerRange, Signature, domain::signing_bytes};

/// Context string of the leaf hash (`blake3::derive_key`).
pub const LEAF_CONTEXT: &str = "mica/leaf/v1";
/// Context string of the inner nodes' hash.
pub const NODE_CONTEXT: &str = "mica/node/v1";
/// Children of an inner node.
pub const TREE_ARITY: usize = 16;

/// One chunk of positions through one stage. Its blake3 is a leaf of the lane's receipt tree.
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
pub struct Leaf {
    /// The session.
    pub session: Hash32,
    /// The lane that pays for it.
    pub lane: LaneId,
    /// First position of the chunk.
    pub first_position: u32,
    /// Number of positions, at least 1.
    pub positions: u32,
    /// The layers computed.
    pub layers: LayerRange,
    /// Profile of the exact computation.
    pub profile: Hash32,
    /// blake3 of the input's bytes as they crossed the wire: f32 little-endian rows, or u32
    /// little-endian token ids into layer 0.
    pub h_in: Hash32,
    /// blake3 of the output's bytes as they crossed the wire: f32 little-endian rows, or, from the
    /// last layer, the token ids sampled (u32 little-endian, empty while prefill has none).
    pub h_out: Hash32,
    /// Chains the cache: blake3 over the previous leaf's `kv_root` and this leaf's `h_in`; zeros
    /// before the first.
    pub kv_root: Hash32,
    /// Root over the outputs of every operation; zeros unless a trace was asked for.
    pub trace_root: Hash32,
}

impl Leaf {
    /// `blake3.derive_key("mica/leaf/v1")(SCALE(self))`.
    pub fn hash(&self) -> Hash32 {
        blake3::derive_key(LEAF_CONTEXT, &self.encode())
    }

    /// `kv_root` of the leaf that follows one with `kv_root` = `previous` when its input hashes to
    /// `h_in`.
    pub fn next_kv_root(previous: &Hash32, h_in: &Hash32) -> Hash32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous);
        hasher.update(h_in);
        *hasher.finalize().as_bytes()
    }
}

/// A leaf, signed by the stage's peer key.
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
pub struct Receipt {
    /// What was computed.
    pub leaf: Leaf,
    /// ed25519 over [`Receipt::signing_bytes`].
    pub signature: Signature,
}

impl Receipt {
    /// `domain("receipt") ‖ leaf hash`.
    pub fn signing_bytes(leaf: &Leaf, genesis: &Hash32) -> Vec<u8> {
        signing_bytes("receipt", genesis, &leaf.hash())
    }
}

/// Append-only 16-ary tree of leaf hashes; keeps one open node per level, so at most 16 hashes for
/// every 4 bits of its length.
///
/// `root` = the node hash over the levels' open nodes folded upwards; an empty tree has the root of
/// zeros. Inner nodes hash with another context than leaves, so that no node can pass for a leaf.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct ReceiptTree {
    count: u64,
    levels: Vec<Vec<Hash32>>,
}

impl ReceiptTree {
    /// Number of leaves.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash32) {
        self.count += 1;
        let mut carry = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(TREE_ARITY));
            }
            let open = &mut self.levels[level];
            open.push(carry);
            if open.len() < TREE_ARITY {
                return;
            }
            carry = node(open);
            open.clear();
        }
    }

    /// Root over all leaves so far.
    pub fn root(&self) -> Hash32 {
        let mut carry: Option<Hash32> = None;
        for open in &self.levels {
            let mut children = open.clone();
            children.extend(carry);
            carry = match children.len() {
                0 => None,
                _ => Some(node(&children)),
            };
        }
        carry.unwrap_or([0; 32])
    }
}

/// Hash of an inner node: its number of children and their hashes.
fn node(children: &[Hash32]) -> Hash32 {
    let mut hasher = blake3::Hasher::new_derive_key(NODE_CONTEXT);
    hasher.update(&[children.len() as u8]);
    children.iter().for_each(|child| {
        hasher.update(child);
    });
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_has_its_own_root() {
        let mut tree = ReceiptTree::default();
        assert_eq!(tree.root(), [0; 32]);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..600u32 {
            tree.push(*blake3::hash(&i.to_le_bytes()).as_bytes());
            assert_eq!(tree.count(), u64::from(i) + 1);
            assert!(seen.insert(tree.root()), "root of {} leaves was seen before", i + 1);
        }
    }

    #[test]
    fn the_order_of_leaves_matters() {
        let (mut ab, mut ba) = (ReceiptTree::default(), ReceiptTree::default());
        ab.push([1; 32]);
        ab.push([2; 32]);
        ba.push([2; 32]);
        ba.push([1; 32]);
        assert_ne!(ab.root(), ba.root());
    }
}

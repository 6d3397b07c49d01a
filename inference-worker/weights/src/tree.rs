//! Pieces of a blob, and the tree of hashes that leads from each to the blob's hash.
//!
//! The tree is blake3's own, cut off above pieces of [`PIECE_BYTES`]; its root is the hash of the
//! blob. A piece travels with the hashes beside its way to the root, 64 bytes for each level.

use std::io::{self, Read};

use bao_tree::{
    BaoTree, BlockSize, ChunkNum, ChunkRanges,
    io::{
        BaoContentItem,
        outboard::PostOrderMemOutboard,
        sync::{DecodeResponseIter, ReadAt, encode_ranges_validated, outboard_post_order},
    },
};
use mica_primitives::Hash32;

/// Bytes of a piece; a blob's last one may be shorter.
pub const PIECE_BYTES: usize = 256 << 10;
/// The same, as a power of two of blake3's chunks.
const PIECE: BlockSize = BlockSize::from_chunk_log(8);
/// blake3's chunks of a piece.
const PIECE_CHUNKS: u64 = (PIECE_BYTES / 1024) as u64;
/// Bytes of the longest piece with its hashes: a tree of 2⁶⁴ bytes has fewer than 54 levels.
pub(crate) const MAX_ENCODED_BYTES: usize = PIECE_BYTES + 54 * 64;

/// Number of pieces of a blob.
pub(crate) fn pieces(bytes: u64) -> u32 {
    // An index has no blob with more.
    u32::try_from(bytes.div_ceil(PIECE_BYTES as u64)).unwrap_or(u32::MAX)
}

/// Where a piece begins, and its length.
pub(crate) fn span(bytes: u64, piece: u32) -> (u64, usize) {
    let start = u64::from(piece) * PIECE_BYTES as u64;
    (start, bytes.saturating_sub(start).min(PIECE_BYTES as u64) as usize)
}

fn chunks(piece: u32) -> ChunkRanges {
    let first = u64::from(piece) * PIECE_CHUNKS;
    ChunkRanges::from(ChunkNum(first)..ChunkNum(first + PIECE_CHUNKS))
}

/// The hashes above the pieces of a blob: 64 bytes for each piece but one.
pub(crate) struct Tree(PostOrderMemOutboard);

impl Tree {
    /// Reads all of a blob of `bytes` bytes and hashes it.
    ///
    /// # Errors
    /// If it cannot be read to its end.
    pub(crate) fn of(bytes: u64, data: impl Read) -> io::Result<Self> {
        let tree = BaoTree::new(bytes, PIECE);
        let mut hashes = Vec::new();
        let root = outboard_post_order(data, tree, &mut hashes)?;
        Ok(Self(PostOrderMemOutboard { root, tree, data: hashes }))
    }

    /// The blob's hash.
    pub(crate) fn root(&self) -> Hash32 {
        *self.0.root.as_bytes()
    }

    /// A piece with its hashes, for [`decode`].
    ///
    /// # Errors
    /// If it cannot be read or is not what was hashed.
    pub(crate) fn encode(&self, piece: u32, data: impl ReadAt) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(MAX_ENCODED_BYTES);
        encode_ranges_validated(data, &self.0, &chunks(piece), &mut out)
            .map_err(|error| io::Error::other(format!("it has changed on disk: {error}")))?;
        Ok(out)
    }
}

/// The bytes of a piece of the blob with the hash `root` and `bytes` bytes; nothing if `encoded` is
/// not that piece.
pub(crate) fn decode(root: &Hash32, bytes: u64, piece: u32, encoded: &[u8]) -> Option<Vec<u8>> {
    let (_, length) = span(bytes, piece);
    let mut rest = encoded;
    let mut found = Vec::with_capacity(length);
    let (tree, ranges) = (BaoTree::new(bytes, PIECE), chunks(piece));
    for item in DecodeResponseIter::new((*root).into(), tree, &mut rest, &ranges) {
        match item.ok()? {
            BaoContentItem::Leaf(leaf) => found.extend_from_slice(&leaf.data),
            BaoContentItem::Parent(_) => {}
        }
    }
    (rest.is_empty() && found.len() == length).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
    }

    #[test]
    fn every_piece_of_blobs_of_many_sizes_comes_through_and_the_root_is_the_hash() {
        let piece = PIECE_BYTES;
        for bytes in [1, 1023, 1024, 1025, piece - 1, piece, piece + 1, 3 * piece, 5 * piece + 7] {
            let data = blob(bytes);
            let tree = Tree::of(bytes as u64, &data[..]).expect("it reads");
            assert_eq!(tree.root(), *blake3::hash(&data).as_bytes(), "{bytes}");
            let mut joined = Vec::new();
            for number in 0..pieces(bytes as u64) {
                let encoded = tree.encode(number, &data[..]).expect("it encodes");
                assert!(encoded.len() <= MAX_ENCODED_BYTES);
                let found = decode(&tree.root(), bytes as u64, number, &encoded);
                joined.extend(found.expect("it decodes"));
            }
            assert_eq!(joined, data, "{bytes}");
        }
    }

    #[test]
    fn any_wrong_byte_is_noticed() {
        let data = blob(3 * PIECE_BYTES + 100);
        let bytes = data.len() as u64;
        let tree = Tree::of(bytes, &data[..]).expect("it reads");
        let encoded = tree.encode(1, &data[..]).expect("it encodes");
        for at in (0..encoded.len()).step_by(997).chain(0..130).chain([encoded.len() - 1]) {
            let mut wrong = encoded.clone();
            wrong[at] ^= 1;
            assert_eq!(decode(&tree.root(), bytes, 1, &wrong), None, "byte {at}");
        }
        for cut in [0, 1, 63, 64, 65, encoded.len() / 2, encoded.len() - 1] {
            assert_eq!(decode(&tree.root(), bytes, 1, &encoded[..cut]), None, "cut at {cut}");
        }
        let longer = [&encoded[..], &[0]].concat();
        assert_eq!(decode(&tree.root(), bytes, 1, &longer), None, "what follows is refused");
        assert_eq!(decode(&tree.root(), bytes, 2, &encoded), None, "another piece");
        assert_eq!(decode(&[7; 32], bytes, 1, &encoded), None, "another blob");
    }

    #[test]
    fn what_has_changed_on_disk_is_not_sent() {
        let mut data = blob(3 * PIECE_BYTES);
        let tree = Tree::of(data.len() as u64, &data[..]).expect("it reads");
        data[PIECE_BYTES + 5] ^= 1;
        assert!(tree.encode(0, &data[..]).is_ok());
        assert!(tree.encode(1, &data[..]).is_err());
        assert!(tree.encode(2, &data[..PIECE_BYTES]).is_err());
    }
}

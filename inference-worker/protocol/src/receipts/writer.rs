//! Writing receipts: bytes are hashed as they pass, a leaf is complete at the next multiple of
//! sixteen positions.
//!
//! Leaves end at absolute positions, not at steps, so that every stage of a path writes the same
//! windows regardless of chunking, and a payer can compare neighbours leaf by leaf.

use ed25519_dalek::SigningKey;
use mica_primitives::{Hash32, LaneId, LayerRange, Leaf, PublicKey, Receipt};
use std::collections::VecDeque;

use crate::{SessionId, limits::LEAF_POSITIONS, signing};

/// What all leaves of a session have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterScope {
    /// The session.
    pub session: SessionId,
    /// The lane that pays.
    pub lane: LaneId,
    /// The layers computed.
    pub layers: LayerRange,
    /// Profile of the exact computation.
    pub profile: Hash32,
}

#[derive(Clone, Debug)]
struct Window {
    first: u32,
    rows_in: u32,
    rows_out: u32,
    hash_in: blake3::Hasher,
    hash_out: blake3::Hasher,
}

impl Window {
    fn new(first: u32) -> Self {
        Self {
            first,
            rows_in: 0,
            rows_out: 0,
            hash_in: blake3::Hasher::new(),
            hash_out: blake3::Hasher::new(),
        }
    }

    const fn end(&self) -> u32 {
        self.first - self.first % LEAF_POSITIONS + LEAF_POSITIONS
    }
}

/// Builds a session's leaves at one stage.
#[derive(Clone, Debug)]
pub struct ReceiptWriter {
    scope: WriterScope,
    kv_root: Hash32,
    /// Windows with input that are not complete.
    windows: VecDeque<Window>,
    next_in: u32,
}

impl ReceiptWriter {
    /// A writer at position 0.
    pub const fn new(scope: WriterScope) -> Self {
        Self { scope, kv_root: [0; 32], windows: VecDeque::new(), next_in: 0 }
    }

    /// Takes the input of the next `rows` positions: `bytes` divides evenly into rows.
    pub fn input(&mut self, rows: u16, bytes: &[u8]) {
        let row_bytes = bytes.len() / usize::from(rows.max(1));
        for row in 0..usize::from(rows) {
            let position = self.next_in;
            if self.windows.back().is_none_or(|window| window.end() == position) {
                self.windows.push_back(Window::new(position));
            }
            if let Some(window) = self.windows.back_mut() {
                window.hash_in.update(&bytes[row * row_bytes..(row + 1) * row_bytes]);
                window.rows_in += 1;
            }
            self.next_in += 1;
        }
    }

    /// Takes the hidden states that left the stage for the next `rows` positions; returns the
    /// leaves that they complete.
    pub fn output_hidden(&mut self, rows: u16, bytes: &[u8]) -> Vec<Leaf> {
        let row_bytes = bytes.len() / usize::from(rows.max(1));
        let mut leaves = Vec::new();
        for row in 0..usize::from(rows) {
            leaves.extend(self.output_row(&bytes[row * row_bytes..(row + 1) * row_bytes]));
        }
        leaves
    }

    /// Takes what the last stage made of the next `rows` positions: a token drawn from the last
    /// row, or nothing.
    pub fn output_sampled(&mut self, rows: u16, sampled: Option<u32>) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for row in 0..rows {
            let id = sampled.filter(|_| row + 1 == rows).map(u32::to_le_bytes);
            leaves.extend(self.output_row(id.as_ref().map_or(&[][..], |id| &id[..])));
        }
        leaves
    }

    /// The leaf of the positions since the last one, when the session ends. Nothing if there are
    /// none, or if a step's output never came.
    pub fn flush(&mut self) -> Option<Leaf> {
        let window = self.windows.pop_front()?;
        (window.rows_in == window.rows_out && self.windows.is_empty()).then(|| self.leaf(&window))
    }

    fn output_row(&mut self, bytes: &[u8]) -> Option<Leaf> {
        let window = self.windows.front_mut()?;
        window.hash_out.update(bytes);
        window.rows_out += 1;
        if window.first + window.rows_out < window.end() {
            return None;
        }
        let window = self.windows.pop_front()?;
        Some(self.leaf(&window))
    }

    fn leaf(&mut self, window: &Window) -> Leaf {
        let WriterScope { session, lane, layers, profile } = self.scope;
        let h_in = *window.hash_in.finalize().as_bytes();
        self.kv_root = Leaf::next_kv_root(&self.kv_root, &h_in);
        Leaf {
            session: session.0,
            lane,
            first_position: window.first,
            positions: window.rows_out,
            layers,
            profile,
            h_in,
            h_out: *window.hash_out.finalize().as_bytes(),
            kv_root: self.kv_root,
            trace_root: [0; 32],
        }
    }
}

/// Signs a leaf with the stage's peer key.
pub fn sign_leaf(leaf: Leaf, key: &SigningKey, genesis: &Hash32) -> Receipt {
    Receipt { signature: signing::sign(key, &Receipt::signing_bytes(&leaf, genesis)), leaf }
}

/// Whether the stage with this peer key has signed `receipt`.
pub fn is_signed(receipt: &Receipt, peer: &PublicKey, genesis: &Hash32) -> bool {
    signing::verify(peer, &Receipt::signing_bytes(&receipt.leaf, genesis), &receipt.signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn writer() -> ReceiptWriter {
        let layers = LayerRange { first: 0, end: 2 };
        ReceiptWriter::new(WriterScope {
            session: SessionId([1; 32]),
            lane: 3,
            layers,
            profile: [2; 32],
        })
    }

    #[test]
    fn a_window_ends_at_the_multiple_and_a_flush_takes_the_rest() {
        let mut writer = writer();
        writer.input(16, &[1; 64]);
        let leaves = writer.output_hidden(16, &[2; 128]);
        assert_eq!(leaves.len(), 1);
        assert_eq!((leaves[0].first_position, leaves[0].positions), (0, 16));
        assert_eq!(leaves[0].h_in, *blake3::hash(&[1; 64]).as_bytes());
        assert_eq!(leaves[0].kv_root, Leaf::next_kv_root(&[0; 32], &leaves[0].h_in));
        writer.input(3, &[5; 12]);
        assert!(writer.output_hidden(3, &[6; 24]).is_empty());
        let rest = writer.flush().expect("three positions");
        assert_eq!((rest.first_position, rest.positions), (16, 3));
        assert_eq!(rest.kv_root, Leaf::next_kv_root(&leaves[0].kv_root, &rest.h_in));
        assert_eq!(writer.flush(), None);
    }

    #[test]
    fn input_whose_output_never_came_gives_no_receipt() {
        let mut writer = writer();
        writer.input(2, &[1; 8]);
        assert_eq!(writer.flush(), None);
    }

    #[test]
    fn the_last_stage_hashes_the_tokens_it_drew() {
        let mut writer = writer();
        writer.input(3, &[0; 12]);
        writer.output_sampled(3, Some(7));
        writer.input(1, &[0; 4]);
        writer.output_sampled(1, Some(256));
        let leaf = writer.flush().expect("four positions");
        assert_eq!(leaf.h_out, *blake3::hash(&[7, 0, 0, 0, 0, 1, 0, 0]).as_bytes());
    }

    proptest! {
        #[test]
        fn chunks_do_not_change_the_leaves(chunks in prop::collection::vec(1u16..=16, 1..30)) {
            let total: u16 = chunks.iter().sum();
            let bytes: Vec<u8> = (0..u32::from(total) * 4).map(|i| i as u8).collect();
            let whole = {
                let (mut writer, mut leaves) = (writer(), Vec::new());
                for row in bytes.chunks(4) {
                    writer.input(1, row);
                    leaves.extend(writer.output_hidden(1, row));
                }
                leaves.extend(writer.flush());
                leaves
            };
            let (mut writer, mut leaves, mut at) = (writer(), Vec::new(), 0);
            for chunk in chunks {
                let end = at + usize::from(chunk) * 4;
                writer.input(chunk, &bytes[at..end]);
                leaves.extend(writer.output_hidden(chunk, &bytes[at..end]));
                at = end;
            }
            leaves.extend(writer.flush());
            prop_assert_eq!(leaves, whole);
        }
    }
}

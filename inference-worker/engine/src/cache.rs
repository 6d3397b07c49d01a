//! Keys and values of one session, in half precision.

use mica_kernels::f16;
use mica_primitives::LayerRange;

/// What a session's layers remember. Grows with the positions, up to the bound it was made with; belongs to one model.
#[derive(Debug)]
pub struct KvCache {
    /// `[layer, kv head]`, each `[positions, head_size]`.
    pub(crate) keys: Vec<Vec<u16>>,
    pub(crate) values: Vec<Vec<u16>>,
    layers: LayerRange,
    kv_heads: usize,
    head_size: usize,
    len: usize,
    max_positions: usize,
}

impl KvCache {
    pub(crate) fn new(layers: LayerRange, kv_heads: usize, head_size: usize, max_positions: usize) -> Self {
        let heads = || vec![Vec::new(); usize::from(layers.len()) * kv_heads];
        Self { keys: heads(), values: heads(), layers, kv_heads, head_size, len: 0, max_positions }
    }

    /// The layers that it is for: what [`Model::forward`](crate::Model::forward) runs with it.
    pub const fn layers(&self) -> LayerRange {
        self.layers
    }

    /// Positions computed so far; the next row gets this position.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was computed yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Most positions that it may hold.
    pub const fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Forgets all positions from `len` on; nothing if it is not that long.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        for head in self.keys.iter_mut().chain(&mut self.values) {
            head.truncate(self.len * self.head_size);
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    pub(crate) fn fits(&self, served: LayerRange, kv_heads: usize, head_size: usize) -> bool {
        served.covers(self.layers) && self.kv_heads == kv_heads && self.head_size == head_size
    }

    /// Index of a head's keys and values.
    pub(crate) const fn head(&self, layer: usize, kv_head: usize) -> usize {
        layer * self.kv_heads + kv_head
    }

    /// Appends rows of one layer, `keys` and `values`: `[rows, kv_heads, head_size]`, rounded to half precision.
    pub(crate) fn append(&mut self, layer: usize, keys: &[f32], values: &[f32]) {
        for (from, to) in [(keys, &mut self.keys), (values, &mut self.values)] {
            for row in from.chunks_exact(self.kv_heads * self.head_size) {
                for (kv_head, values) in row.chunks_exact(self.head_size).enumerate() {
                    let head = &mut to[layer * self.kv_heads + kv_head];
                    head.extend(values.iter().map(|&value| f16::from_f32(value)));
                }
            }
        }
    }

    /// Takes rows that all layers have appended into the count.
    pub(crate) fn commit(&mut self, rows: usize) {
        self.len += rows;
    }
}

/// Bytes that one position of a range of `layers` layers takes.
pub(crate) const fn bytes_per_position(layers: usize, kv_heads: usize, head_size: usize) -> usize {
    2 * size_of::<u16>() * layers * kv_heads * head_size
}

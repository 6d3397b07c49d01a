//! Keys and values of one session, in half precision, in pages of 64 positions.

mod pool;

use std::ops::Range;

use mica_kernels::{TILE, f16};
use mica_primitives::LayerRange;

use crate::{config::ModelConfig, error::ForwardError};
use pool::Page;

pub use pool::KvPool;

/// Positions of a page: a tile of attention.
pub const PAGE_POSITIONS: usize = TILE;

/// What a session's layers remember. Takes pages from its model's pool as positions are computed,
/// up to the bound it was made with, and gives them back when it is cut back or dropped.
#[derive(Debug)]
pub struct KvCache {
    pool: KvPool,
    /// By layer, then by tile of positions.
    pages: Vec<Vec<Page>>,
    layers: LayerRange,
    kv_heads: usize,
    head_size: usize,
    len: usize,
    max_positions: usize,
    /// Pages set aside in the pool.
    reserved: usize,
}

impl KvCache {
    /// An empty cache whose pages are set aside.
    ///
    /// # Errors
    /// [`ForwardError::CacheBudget`] if the pool does not have that many.
    pub(crate) fn new(
        pool: &KvPool,
        layers: LayerRange,
        config: &ModelConfig,
        max_positions: usize,
    ) -> Result<Self, ForwardError> {
        let count = usize::from(layers.len());
        let reserved = pages(layers, max_positions);
        pool.reserve(reserved)?;
        Ok(Self {
            pool: pool.clone(),
            pages: (0..count).map(|_| Vec::new()).collect(),
            layers,
            kv_heads: config.kv_heads,
            head_size: config.head_size,
            len: 0,
            max_positions,
            reserved,
        })
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

    /// Bytes of the pages that it holds now.
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(Vec::len).sum::<usize>() * self.pool.page_bytes()
    }

    /// Forgets all positions from `len` on; nothing if it is not that long. Pages without positions
    /// go back to the pool, but stay set aside for this cache.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let tiles = self.len.div_ceil(TILE);
        for pages in &mut self.pages {
            if pages.len() > tiles {
                self.pool.give_back(pages.drain(tiles..));
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Whether it was made by the model with that pool.
    pub(crate) fn is_of(&self, pool: &KvPool) -> bool {
        self.pool.is(pool)
    }

    /// Takes the pages for `rows` further positions. They are within the bound, so that the pages
    /// were set aside.
    pub(crate) fn extend(&mut self, rows: usize) {
        let tiles = (self.len + rows).div_ceil(TILE);
        for pages in &mut self.pages {
            while pages.len() < tiles {
                pages.push(self.pool.take());
            }
        }
    }

    /// Stores rows of one layer from position `first` on, `keys` and `values`: `[rows, kv_heads,
    /// head_size]`, rounded to half precision. The positions are among those that
    /// [`KvCache::extend`] made room for.
    pub(crate) fn store(&mut self, layer: usize, first: usize, keys: &[f32], values: &[f32]) {
        let (size, width) = (self.head_size, self.kv_heads * self.head_size);
        for (row, (keys, values)) in
            keys.chunks_exact(width).zip(values.chunks_exact(width)).enumerate()
        {
            let position = first + row;
            let page = &mut self.pages[layer][position / TILE];
            let heads = page
                .chunks_exact_mut(2 * TILE * size)
                .zip(keys.chunks_exact(size).zip(values.chunks_exact(size)));
            for (page, (key, value)) in heads {
                let (page_keys, page_values) = page.split_at_mut(TILE * size);
                let at = place(position, size);
                f16::narrow(key, &mut page_keys[at.clone()]);
                f16::narrow(value, &mut page_values[at]);
            }
        }
    }

    /// Keys and values of one head of one layer, at the positions of tile `tile`: `[64, head_size]`
    /// each.
    pub(crate) fn tile(&self, layer: usize, kv_head: usize, tile: usize) -> (&[u16], &[u16]) {
        let half = TILE * self.head_size;
        self.pages[layer][tile][kv_head * 2 * half..][..2 * half].split_at(half)
    }

    /// Takes rows that all layers have stored into the count.
    pub(crate) fn commit(&mut self, rows: usize) {
        self.len += rows;
    }
}

impl Drop for KvCache {
    fn drop(&mut self) {
        self.clear();
        self.pool.release(self.reserved);
    }
}

/// Where a position's elements are in its page's keys or values.
const fn place(position: usize, head_size: usize) -> Range<usize> {
    let start = position % TILE * head_size;
    start..start + head_size
}

/// Pages of a session.
pub(crate) fn pages(layers: LayerRange, max_positions: usize) -> usize {
    max_positions.div_ceil(TILE).saturating_mul(layers.len().into())
}

/// Bytes that one position of a range of `layers` layers takes.
pub(crate) const fn bytes_per_position(layers: usize, kv_heads: usize, head_size: usize) -> usize {
    2 * size_of::<u16>() * layers * kv_heads * head_size
}

//! One transformer block over the rows of several sessions.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use mica_kernels::{
    Columns,
    attention::{Shape, attend},
    elementwise, math, norm, rope,
};

use super::{
    BatchItem, Model,
    product::{Gated, Product},
    scratch::{Angles, Scratch},
    weights::{FeedForward, Layer, Linear, Swiglu},
};
use crate::{arch::Pairs, cache::KvCache};

/// Query rows that a thread takes at once through one key/value head.
const ATTENTION_ROWS: usize = 16;

/// Consecutive rows of one session.
pub(super) struct Segment {
    /// Which of the batch's sessions.
    pub item: usize,
    /// Position of the first row.
    pub first_position: usize,
    /// Where the rows are among those that are computed together.
    pub rows: Range<usize>,
}

/// One key/value head and some consecutive query rows of one session.
struct Attention<'a> {
    cache: &'a KvCache,
    kv_head: usize,
    first_position: usize,
    /// `[rows, heads · head_size]`.
    queries: &'a [f32],
    out: Columns<'a>,
}

impl Model {
    /// The rows of `segments`, `scratch.x: [rows, hidden]`, through the blocks `layers` of the
    /// model, which all their caches are for. Keys and values are stored in the caches, uncounted.
    pub(super) fn blocks(
        &self,
        items: &mut [BatchItem<'_>],
        segments: &[Segment],
        scratch: &mut Scratch,
        layers: Range<usize>,
    ) {
        self.rotations(segments, scratch);
        for (index, layer) in self.weights.layers[layers].iter().enumerate() {
            self.norm(&scratch.x, &layer.attention_norm, &mut scratch.normed);
            self.attention(index, layer, items, segments, scratch);
            let [behind_attention, behind_feed_forward] = match &layer.norms_behind {
                Some([first, second]) => [Some(first), Some(second)],
                None => [None, None],
            };
            self.add(behind_attention, scratch);
            self.norm(&scratch.x, &layer.feed_forward_norm, &mut scratch.normed);
            match &layer.feed_forward {
                FeedForward::Dense(swiglu) => self.dense(swiglu, scratch),
                FeedForward::Experts { router, experts, used } => {
                    self.experts(router, experts, *used, scratch)
                }
            }
            self.add(behind_feed_forward, scratch);
        }
    }

    /// Cosines and sines of the rows' positions, the same for all layers of a kind.
    fn rotations(&self, segments: &[Segment], scratch: &mut Scratch) {
        self.angles(&self.rotations.everywhere, segments, &mut scratch.everywhere);
        if let Some(frequencies) = &self.rotations.in_windows {
            self.angles(frequencies, segments, &mut scratch.in_windows);
        }
    }

    fn angles(&self, frequencies: &[f64], segments: &[Segment], angles: &mut Angles) {
        let (pairs, Angles { cos, sin }) = (frequencies.len(), angles);
        let rows = segments.last().map_or(0, |segment| segment.rows.end);
        cos.resize(rows * pairs, 0.0);
        sin.resize(rows * pairs, 0.0);
        for segment in segments {
            for (row, position) in segment.rows.clone().zip(segment.first_position..) {
                let range = row * pairs..(row + 1) * pairs;
                let (cos, sin) = (&mut cos[range.clone()], &mut sin[range]);
                // A position is below the context, which is at most 2²⁰.
                rope::angles(position as u32, frequencies, cos, sin);
            }
        }
        for values in [cos, sin] {
            elementwise::scale(self.isa, values, self.config.rope.magnitude);
        }
    }

    /// `out = norm(x)`, row by row.
    pub(super) fn norm(&self, x: &[f32], weight: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        let width = weight.len();
        let chunk = self.chunk(x.len() / width, width) * width;
        self.pool.each(x.chunks(chunk).zip(out.chunks_mut(chunk)), |(x, out), _| {
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                norm::rms_norm(self.isa, x, weight, self.config.norm_epsilon, out);
            }
        });
    }

    /// `x += delta · residual_scale`, with `norm(delta)` if there are weights for it.
    fn add(&self, norm: Option<&Vec<f32>>, scratch: &mut Scratch) {
        let Scratch { x, delta, normed, .. } = scratch;
        let delta = match norm {
            Some(weight) => {
                self.norm(delta, weight, normed);
                normed
            }
            None => delta,
        };
        let chunk =
            self.chunk(x.len() / self.config.hidden, self.config.hidden) * self.config.hidden;
        self.pool.each(x.chunks_mut(chunk).zip(delta.chunks(chunk)), |(x, delta), _| {
            elementwise::add_scaled(self.isa, x, delta, self.config.residual_scale);
        });
    }

    /// Attention over `scratch.normed`, into `scratch.delta`. `index` is the layer's in the caches.
    fn attention(
        &self,
        index: usize,
        layer: &Layer,
        items: &mut [BatchItem<'_>],
        segments: &[Segment],
        scratch: &mut Scratch,
    ) {
        let (hidden, width) = (self.config.hidden, self.config.heads * self.config.head_size);
        let rows = scratch.x.len() / hidden;
        let forms = [&layer.query, &layer.key, &layer.value].map(|linear| linear.matrix.forms());
        let forms = forms.into_iter().reduce(mica_kernels::Forms::union).unwrap_or_default();
        let Scratch { activations, normed, query, key, value, attended, delta, .. } = scratch;
        self.load_rows(activations, normed, hidden, forms);
        let linears =
            [(&layer.query, &mut *query), (&layer.key, &mut *key), (&layer.value, &mut *value)];
        self.products(linears.map(|(Linear { matrix, .. }, out)| {
            out.resize(rows * matrix.rows(), 0.0);
            Product { matrix, x: activations, out }
        }));
        let angles = match (layer.window, &self.rotations.in_windows) {
            (Some(_), Some(_)) => &scratch.in_windows,
            _ => &scratch.everywhere,
        };
        self.place(layer, query, key, value, angles);
        let kv_width = self.config.kv_heads * self.config.head_size;
        for Segment { item, first_position, rows } in segments {
            let range = rows.start * kv_width..rows.end * kv_width;
            items[*item].cache.store(index, *first_position, &key[range.clone()], &value[range]);
        }
        attended.resize(rows * width, 0.0);
        self.attend((index, layer), items, segments, query, attended, &mut scratch.threads);
        let Linear { matrix, bias } = &layer.attention_output;
        self.load_rows(activations, attended, width, matrix.forms());
        delta.resize(rows * hidden, 0.0);
        self.products([Product { matrix, x: activations, out: delta }]);
        if let Some(bias) = bias {
            for delta in delta.chunks_exact_mut(hidden) {
                elementwise::add(self.isa, delta, bias);
            }
        }
    }

    /// Gives queries and keys their biases, norms and positions, and values their bias.
    fn place(
        &self,
        layer: &Layer,
        query: &mut [f32],
        key: &mut [f32],
        value: &mut [f32],
        angles: &Angles,
    ) {
        let (isa, size, pairs) = (self.isa, self.config.head_size, self.config.rotated / 2);
        let (width, kv_width) = (self.config.heads * size, self.config.kv_heads * size);
        let rotate = match self.config.description.pairs {
            Pairs::Neighbours => rope::rotate,
            Pairs::Halves => rope::rotate_halves,
        };
        let place = |heads: &mut [f32],
                     linear: &Linear,
                     norm: Option<&Vec<f32>>,
                     cos: &[f32],
                     sin: &[f32]| {
            if let Some(bias) = &linear.bias {
                elementwise::add(isa, heads, bias);
            }
            if let Some(norm) = norm {
                norm::rms_norm_heads(isa, heads, norm, self.config.norm_epsilon);
            }
            rotate(isa, heads, size, cos, sin);
        };
        let [query_norm, key_norm] = match &layer.head_norms {
            Some([query, key]) => [Some(query), Some(key)],
            None => [None, None],
        };
        let chunk = self.chunk(query.len() / width, width);
        let rows = query
            .chunks_mut(chunk * width)
            .zip(key.chunks_mut(chunk * kv_width))
            .zip(value.chunks_mut(chunk * kv_width));
        let rows = rows.zip(angles.cos.chunks(chunk * pairs).zip(angles.sin.chunks(chunk * pairs)));
        self.pool.each(rows, |(((query, key), value), (cos, sin)), _| {
            let rows = query
                .chunks_exact_mut(width)
                .zip(key.chunks_exact_mut(kv_width))
                .zip(value.chunks_exact_mut(kv_width));
            for (((query, key), value), (cos, sin)) in
                rows.zip(cos.chunks_exact(pairs).zip(sin.chunks_exact(pairs)))
            {
                place(query, &layer.query, query_norm, cos, sin);
                place(key, &layer.key, key_norm, cos, sin);
                if let Some(bias) = &layer.value.bias {
                    elementwise::add(isa, value, bias);
                }
            }
        });
    }

    /// Every row of `query: [rows, heads · head_size]` over the positions of its session up to its
    /// own.
    fn attend(
        &self,
        layer: (usize, &Layer),
        items: &[BatchItem<'_>],
        segments: &[Segment],
        query: &[f32],
        attended: &mut [f32],
        memory: &mut Vec<Mutex<Vec<f32>>>,
    ) {
        let (head_size, kv_heads) = (self.config.head_size, self.config.kv_heads);
        let (group, width) = (self.config.heads / kv_heads, self.config.heads * head_size);
        let (mut parts, mut cost, mut rest) = (Vec::new(), 0, attended);
        for segment in segments {
            let cache = &*items[segment.item].cache;
            for start in segment.rows.clone().step_by(ATTENTION_ROWS) {
                let rows = ATTENTION_ROWS.min(segment.rows.end - start);
                let first_position = segment.first_position + (start - segment.rows.start);
                let queries = &query[start * width..(start + rows) * width];
                let (out, others) = rest.split_at_mut(rows * width);
                rest = others;
                cost += 2 * rows * width * (first_position + rows);
                let mut heads = Columns::new(out, width);
                for kv_head in 0..kv_heads {
                    let (out, others) = heads.split_at(group * head_size);
                    heads = others;
                    parts.push(Attention { cache, kv_head, first_position, queries, out });
                }
            }
        }
        memory.resize_with(self.pool.threads(), Mutex::default);
        let memory = &*memory;
        self.share(parts, cost, |part, thread| {
            // A thread's memory is its own; a panic leaves nothing in it that matters.
            let mut memory = memory[thread].lock().unwrap_or_else(PoisonError::into_inner);
            self.attend_head(layer, part, &mut memory);
        });
    }

    fn attend_head(
        &self,
        (index, layer): (usize, &Layer),
        part: Attention<'_>,
        memory: &mut Vec<f32>,
    ) {
        let Attention { cache, kv_head, first_position, queries, mut out } = part;
        let (head_size, group) = (self.config.head_size, self.config.heads / self.config.kv_heads);
        let (width, own) = (self.config.heads * head_size, group * head_size);
        let rows = out.rows();
        let shape = Shape { head_size, group, first_position, rows, window: layer.window };
        let sinks = match &*layer.sinks {
            [] => &[],
            sinks => &sinks[kv_head * group..][..group],
        };
        let scale =
            self.config.attention_scale.unwrap_or_else(|| 1.0 / math::sqrt(head_size as f32));
        let tile = |tile: usize| cache.tile(index, kv_head, tile);
        memory.resize(memory.len().max(shape.scratch_len() + 2 * rows * own), 0.0);
        let (gathered, rest) = memory.split_at_mut(rows * own);
        let (results, scratch) = rest.split_at_mut(rows * own);
        for (gathered, query) in gathered.chunks_exact_mut(own).zip(queries.chunks_exact(width)) {
            gathered.copy_from_slice(&query[kv_head * own..][..own]);
        }
        attend(self.isa, shape, scale, sinks, gathered, tile, scratch, results);
        for (row, result) in results.chunks_exact(own).enumerate() {
            out.row(row, 0, own).copy_from_slice(result);
        }
    }

    /// A dense feed-forward block over `scratch.normed`, into `scratch.delta`.
    fn dense(&self, swiglu: &Swiglu, scratch: &mut Scratch) {
        let Scratch { activations, normed, gate, up, delta, .. } = scratch;
        let (hidden, inner) = (self.config.hidden, self.config.feed_forward);
        let rows = normed.len() / hidden;
        let forms = swiglu.gate.matrix.forms().union(swiglu.up.matrix.forms());
        self.load_rows(activations, normed, hidden, forms);
        gate.resize(rows * inner, 0.0);
        up.resize(rows * inner, 0.0);
        self.gated([Gated { swiglu, x: activations, gate, up }]);
        let matrix = &swiglu.down.matrix;
        self.load_rows(activations, gate, inner, matrix.forms());
        delta.resize(rows * hidden, 0.0);
        self.products([Product { matrix, x: activations, out: delta }]);
    }
}

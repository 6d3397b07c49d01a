//! One step of one session through the layers.
//!
//! Long inputs are cut into pieces of [`PIECE`] rows inside, so that memory stays bounded; since every row's bytes are those that
//! it would have alone, the cut cannot be seen.

use std::ops::Range;

use mica_kernels::{
    Activations, Matrix,
    attention::{Shape, attend},
    elementwise, math, norm, rope,
};

use super::{ForwardError, Input, Model, Output, Want, weights::Layer};
use crate::cache::KvCache;

/// Rows computed together.
const PIECE: usize = 64;

/// Products that are worth waking a thread for.
const PRODUCTS_PER_THREAD: usize = 1 << 17;

/// Memory of one piece, used again by every layer.
#[derive(Default)]
struct Scratch {
    activations: Activations,
    /// Parts of a product by thread, before they are put into rows.
    parts: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    /// Queries by key/value head.
    grouped: Vec<f32>,
    /// Output of attention and its working memory, by key/value head.
    attended: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Model {
    /// Computes the positions that follow the cache's, one per row of `input`, through the layers that the cache is for.
    ///
    /// A range without the last layer gives `Hidden` `[rows, hidden]`; one with it gives `Logits` `[vocabulary]` of the last row
    /// or `Nothing`, as `want` says. The bytes depend on the session's inputs alone: not on how they were cut into steps or
    /// layers over machines, nor on threads or instruction set.
    ///
    /// # Errors
    /// [`ForwardError`]; the cache is then as it was before.
    pub fn forward(&self, cache: &mut KvCache, input: Input<'_>, want: Want) -> Result<Output, ForwardError> {
        let held = cache.len();
        let outcome = self.step(cache, input, want);
        if outcome.is_err() {
            cache.truncate(held);
        }
        outcome
    }

    fn step(&self, cache: &mut KvCache, input: Input<'_>, want: Want) -> Result<Output, ForwardError> {
        let hidden = self.config.hidden;
        let rows = self.check(cache, input)?;
        let ends_model = cache.layers().end == self.config.layers;
        // Rows of a step that did not end (a panic) are in the cache but not counted.
        cache.truncate(cache.len());
        let mut scratch = Scratch::default();
        let mut output = Vec::new();
        let mut last = Vec::new();
        for start in (0..rows).step_by(PIECE) {
            let end = (start + PIECE).min(rows);
            let mut x = match input {
                Input::Tokens(tokens) => self.weights.embed(&tokens[start..end], hidden)?,
                Input::Hidden(values) => values[start * hidden..end * hidden].to_vec(),
            };
            self.layers(cache, &mut x, &mut scratch);
            cache.commit(end - start);
            if !elementwise::all_finite(self.isa, &x) {
                return Err(ForwardError::NotFinite { where_: "outputs of the layers" });
            }
            if ends_model {
                last = x.split_off(x.len() - hidden);
            } else {
                output.extend_from_slice(&x);
            }
        }
        match (self.weights.head.as_ref().filter(|_| ends_model), want) {
            (None, _) => Ok(Output::Hidden(output)),
            (Some(_), Want::Nothing) => Ok(Output::Nothing),
            (Some(head), Want::LastLogits) => {
                let mut normed = vec![0.0; hidden];
                norm::rms_norm(self.isa, &last, &head.norm, self.config.norm_epsilon, &mut normed);
                scratch.activations.load(self.isa, &normed, hidden, head.output.forms());
                let mut logits = Vec::new();
                self.product(&head.output, &scratch.activations, &mut scratch.parts, &mut logits);
                if !elementwise::all_finite(self.isa, &logits) {
                    return Err(ForwardError::NotFinite { where_: "logits" });
                }
                Ok(Output::Logits(logits))
            }
        }
    }

    /// Checks everything that comes from outside; returns the number of rows.
    fn check(&self, cache: &KvCache, input: Input<'_>) -> Result<usize, ForwardError> {
        let (hidden, vocabulary, first) = (self.config.hidden, self.config.vocabulary, cache.layers().first);
        if !cache.fits(self.range, self.config.kv_heads, self.config.head_size) {
            return Err(ForwardError::ForeignCache);
        }
        let rows = match input {
            Input::Tokens(tokens) if first == 0 => match tokens.iter().find(|&&token| token as usize >= vocabulary) {
                Some(&token) => return Err(ForwardError::Token { token, vocabulary }),
                None => tokens.len(),
            },
            Input::Hidden(values) if first != 0 => {
                if !values.len().is_multiple_of(hidden) {
                    return Err(ForwardError::RaggedRows { values: values.len(), hidden });
                }
                if !elementwise::all_finite(self.isa, values) {
                    return Err(ForwardError::NotFinite { where_: "hidden states received" });
                }
                values.len() / hidden
            }
            Input::Tokens(_) => return Err(ForwardError::WrongInput { first, takes: "hidden states" }),
            Input::Hidden(_) => return Err(ForwardError::WrongInput { first, takes: "tokens" }),
        };
        let (held, limit) = (cache.len(), cache.max_positions());
        match rows {
            0 => Err(ForwardError::Empty),
            rows if rows > limit - held => Err(ForwardError::CacheFull { held, rows, limit }),
            rows => Ok(rows),
        }
    }

    /// `x: [rows, hidden]` through the cache's layers, in place. The rows' keys and values are appended to the cache, uncounted.
    fn layers(&self, cache: &mut KvCache, x: &mut [f32], scratch: &mut Scratch) {
        let rows = x.len() / self.config.hidden;
        self.rotations(cache.len(), rows, scratch);
        let skipped = usize::from(cache.layers().first - self.range.first);
        let wanted = self.weights.layers.iter().skip(skipped).take(cache.layers().len().into());
        for (index, layer) in wanted.enumerate() {
            self.attention(cache, index, layer, x, scratch);
            self.feed_forward(layer, x, scratch);
        }
    }

    /// Cosines and sines `[rows, rotated / 2]` of the rows' positions, the same for all layers.
    fn rotations(&self, first_position: usize, rows: usize, scratch: &mut Scratch) {
        let pairs = self.frequencies.len();
        scratch.cos.resize(rows * pairs, 0.0);
        scratch.sin.resize(rows * pairs, 0.0);
        for row in 0..rows {
            let range = row * pairs..(row + 1) * pairs;
            // A position is below the context, which is at most 2²⁰.
            let position = (first_position + row) as u32;
            rope::angles(position, &self.frequencies, &mut scratch.cos[range.clone()], &mut scratch.sin[range]);
        }
    }

    fn attention(&self, cache: &mut KvCache, index: usize, layer: &Layer, x: &mut [f32], scratch: &mut Scratch) {
        let config = &self.config;
        let (head_size, kv_heads) = (config.head_size, config.kv_heads);
        let (rows, group) = (x.len() / config.hidden, config.heads / kv_heads);
        self.norm(x, &layer.attention_norm, &mut scratch.normed);
        let forms = layer.query.forms().union(layer.key.forms()).union(layer.value.forms());
        scratch.activations.load(self.isa, &scratch.normed, config.hidden, forms);
        self.product(&layer.query, &scratch.activations, &mut scratch.parts, &mut scratch.query);
        self.product(&layer.key, &scratch.activations, &mut scratch.parts, &mut scratch.key);
        self.product(&layer.value, &scratch.activations, &mut scratch.parts, &mut scratch.value);
        for (row, angles) in
            scratch.cos.chunks_exact(self.frequencies.len()).zip(scratch.sin.chunks_exact(self.frequencies.len())).enumerate()
        {
            for (heads, values) in [(config.heads, &mut scratch.query), (kv_heads, &mut scratch.key)] {
                let row = &mut values[row * heads * head_size..][..heads * head_size];
                rope::rotate(self.isa, row, head_size, angles.0, angles.1);
            }
        }
        cache.append(index, &scratch.key, &scratch.value);

        let shape = Shape { head_size, group, first_position: cache.len(), rows };
        let (width, outputs) = (group * head_size, rows * group * head_size);
        regroup(&scratch.query, &mut scratch.grouped, rows, kv_heads, width);
        let stride = outputs + shape.scratch_len();
        scratch.attended.resize(kv_heads * stride, 0.0);
        let products = 2 * rows * (shape.first_position + rows) * width;
        let scale = 1.0 / math::sqrt(head_size as f32);
        let (grouped, cache) = (&scratch.grouped, &*cache);
        let one_head = |kv_head: usize, memory: &mut [f32]| {
            let (out, scratch) = memory.split_at_mut(outputs);
            let head = cache.head(index, kv_head);
            let queries = &grouped[kv_head * outputs..][..outputs];
            attend(self.isa, shape, scale, queries, &cache.keys[head], &cache.values[head], scratch, out);
        };
        let least = PRODUCTS_PER_THREAD.div_ceil(products);
        self.pool.split(
            kv_heads,
            least,
            &mut scratch.attended,
            |heads| heads.len() * stride,
            |heads, memory| {
                for (kv_head, memory) in heads.zip(memory.chunks_exact_mut(stride)) {
                    one_head(kv_head, memory);
                }
            },
        );
        // Back to rows of all heads; `query` has that shape and is free now.
        for (kv_head, memory) in scratch.attended.chunks_exact(stride).enumerate() {
            for (row, values) in memory[..outputs].chunks_exact(width).enumerate() {
                scratch.query[(row * kv_heads + kv_head) * width..][..width].copy_from_slice(values);
            }
        }
        scratch.activations.load(self.isa, &scratch.query, config.heads * head_size, layer.attention_output.forms());
        self.product(&layer.attention_output, &scratch.activations, &mut scratch.parts, &mut scratch.normed);
        elementwise::add(self.isa, x, &scratch.normed);
    }

    fn feed_forward(&self, layer: &Layer, x: &mut [f32], scratch: &mut Scratch) {
        let config = &self.config;
        self.norm(x, &layer.feed_forward_norm, &mut scratch.normed);
        scratch.activations.load(self.isa, &scratch.normed, config.hidden, layer.gate.forms().union(layer.up.forms()));
        self.product(&layer.gate, &scratch.activations, &mut scratch.parts, &mut scratch.gate);
        self.product(&layer.up, &scratch.activations, &mut scratch.parts, &mut scratch.up);
        elementwise::silu_mul(self.isa, &mut scratch.gate, &scratch.up);
        scratch.activations.load(self.isa, &scratch.gate, config.feed_forward, layer.down.forms());
        self.product(&layer.down, &scratch.activations, &mut scratch.parts, &mut scratch.normed);
        elementwise::add(self.isa, x, &scratch.normed);
    }

    fn norm(&self, x: &[f32], weight: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        for (x, out) in x.chunks_exact(weight.len()).zip(out.chunks_exact_mut(weight.len())) {
            norm::rms_norm(self.isa, x, weight, self.config.norm_epsilon, out);
        }
    }

    /// `out: [x.rows, matrix.rows]`, the groups of rows shared out to the threads.
    fn product(&self, matrix: &Matrix, x: &Activations, parts: &mut Vec<f32>, out: &mut Vec<f32>) {
        let (rows, width) = (x.rows(), matrix.rows());
        let least = PRODUCTS_PER_THREAD.div_ceil(matrix.columns() * mica_kernels::LANES * rows);
        let task = |groups: Range<usize>, piece: &mut [f32]| matrix.matmul(self.isa, x, groups, piece);
        let weight = |groups: &Range<usize>| rows * matrix.group_rows(groups);
        out.resize(rows * width, 0.0);
        if rows == 1 {
            return self.pool.split(matrix.groups(), least, out, weight, task);
        }
        parts.resize(rows * width, 0.0);
        self.pool.split(matrix.groups(), least, parts, weight, task);
        let mut rest = parts.as_slice();
        for groups in self.pool.ranges(matrix.groups(), least) {
            let first = groups.start * mica_kernels::LANES;
            let (part, tail) = rest.split_at(weight(&groups));
            let part_width = matrix.group_rows(&groups).max(1);
            for (row, values) in part.chunks_exact(part_width).enumerate() {
                out[row * width + first..][..part_width].copy_from_slice(values);
            }
            rest = tail;
        }
    }
}

/// `[rows, groups, width]` to `[groups, rows, width]`.
fn regroup(from: &[f32], to: &mut Vec<f32>, rows: usize, groups: usize, width: usize) {
    to.resize(from.len(), 0.0);
    for (row, values) in from.chunks_exact(groups * width).enumerate() {
        for (group, values) in values.chunks_exact(width).enumerate() {
            to[(group * rows + row) * width..][..width].copy_from_slice(values);
        }
    }
}

//! Steps of sessions through the layers, one session at a time or batched.
//!
//! Rows of different sessions at different positions pass the matrices together, so that weights
//! are read once for all of them; only attention looks at one session at a time. Steps of many rows
//! are split into pieces of [`PIECE`], so that memory stays bounded. Every row's bytes are those
//! that it would have alone, so neither is visible from outside.

use std::ops::Range;

use mica_kernels::elementwise;
use mica_primitives::LayerRange;

use super::{Input, Model, Output, Want, block::Segment, product::Product, scratch::Scratch};
use crate::{cache::KvCache, error::ForwardError};

/// Rows computed together: enough that fetching the weights hardly counts, and few enough that
/// their activations stay in the caches.
const PIECE: usize = 128;

/// Memory of steps that is kept for the next ones.
const KEPT_SCRATCH: usize = 2;

/// One session's step in a batch.
pub struct BatchItem<'a> {
    /// The session's cache.
    pub cache: &'a mut KvCache,
    /// Its next positions.
    pub input: Input<'a>,
    /// What it wants of the last layer.
    pub want: Want,
}

/// How far an item is.
struct Progress {
    /// Positions before the step.
    held: usize,
    rows: usize,
    done: usize,
    /// Rows that leave the range.
    hidden: Vec<f32>,
    /// Logits of rows, in their order.
    logits: Vec<f32>,
    outcome: Option<Result<Output, ForwardError>>,
}

impl Model {
    /// Computes the positions that follow the cache's, one per row of `input`, through the layers
    /// that the cache is for.
    ///
    /// A range without the last layer gives `Hidden` `[rows, hidden]`; one with it gives `Logits`
    /// of the last row or of every row, or `Nothing`, as `want` says. The bytes depend on the
    /// session's inputs alone: not on how they were cut into steps or layers over machines, nor on
    /// threads, instruction set or other sessions.
    ///
    /// # Errors
    /// [`ForwardError`]; the cache is then as it was before.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        input: Input<'_>,
        want: Want,
    ) -> Result<Output, ForwardError> {
        // One item gives one outcome.
        self.forward_batch(&mut [BatchItem { cache, input, want }])
            .pop()
            .unwrap_or(Err(ForwardError::Empty))
    }

    /// As [`Model::forward`] for several sessions at once: one outcome per item, in their order.
    /// Each is what the item would have had alone; one that fails does not touch the others. Items
    /// may be for different layers of the range, but those for the same ones share their work.
    pub fn forward_batch(&self, items: &mut [BatchItem<'_>]) -> Vec<Result<Output, ForwardError>> {
        let mut progress: Vec<Progress> = items.iter().map(|item| self.begin(item)).collect();
        let mut scratch = self.lock_scratch().pop().unwrap_or_default();
        while let Some(first) = progress.iter().position(|progress| progress.outcome.is_none()) {
            let layers = items[first].cache.layers();
            let segments = plan(items, &progress, layers);
            self.piece(items, &mut progress, &segments, layers, &mut scratch);
        }
        let mut kept = self.lock_scratch();
        if kept.len() < KEPT_SCRATCH {
            kept.push(scratch);
        }
        drop(kept);
        // The loop ends when all have an outcome.
        progress
            .into_iter()
            .map(|progress| progress.outcome.unwrap_or(Err(ForwardError::Empty)))
            .collect()
    }

    fn begin(&self, item: &BatchItem<'_>) -> Progress {
        let held = item.cache.len();
        let (rows, outcome) = match self.check(item.cache, item.input) {
            Ok(rows) => (rows, None),
            Err(error) => (0, Some(Err(error))),
        };
        Progress { held, rows, done: 0, hidden: Vec::new(), logits: Vec::new(), outcome }
    }

    /// Checks everything that comes from outside; returns the number of rows.
    fn check(&self, cache: &KvCache, input: Input<'_>) -> Result<usize, ForwardError> {
        let (hidden, vocabulary, first) =
            (self.config.hidden, self.config.vocabulary, cache.layers().first);
        if !cache.is_of(&self.kv_pool) {
            return Err(ForwardError::ForeignCache);
        }
        let rows = match input {
            Input::Tokens(tokens) if first == 0 => {
                match tokens.iter().find(|&&token| token as usize >= vocabulary) {
                    Some(&token) => return Err(ForwardError::Token { token, vocabulary }),
                    None => tokens.len(),
                }
            }
            Input::Hidden(values) if first != 0 => {
                if !values.len().is_multiple_of(hidden) {
                    return Err(ForwardError::RaggedRows { values: values.len(), hidden });
                }
                if !elementwise::all_finite(self.isa, values) {
                    return Err(ForwardError::NotFinite { where_: "hidden states received" });
                }
                values.len() / hidden
            }
            Input::Tokens(_) => {
                return Err(ForwardError::WrongInput { first, takes: "hidden states" });
            }
            Input::Hidden(_) => return Err(ForwardError::WrongInput { first, takes: "tokens" }),
        };
        let (held, limit) = (cache.len(), cache.max_positions());
        match rows {
            0 => Err(ForwardError::Empty),
            rows if rows > limit - held => Err(ForwardError::CacheFull { held, rows, limit }),
            rows => Ok(rows),
        }
    }

    /// Computes the rows of `segments`, whose items are all for `layers`, and notes what comes of
    /// them.
    fn piece(
        &self,
        items: &mut [BatchItem<'_>],
        progress: &mut [Progress],
        segments: &[Segment],
        layers: LayerRange,
        scratch: &mut Scratch,
    ) {
        let hidden = self.config.hidden;
        let ends_model = layers.end == self.config.layers;
        self.enter(items, progress, segments, scratch);
        let first = usize::from(layers.first - self.range.first);
        self.blocks(items, segments, scratch, first..first + usize::from(layers.len()));
        let mut wants_logits = Vec::new();
        for Segment { item, rows, .. } in segments {
            let (item, index, progress) = (&mut items[*item], *item, &mut progress[*item]);
            let x = &scratch.x[rows.start * hidden..rows.end * hidden];
            if !elementwise::all_finite(self.isa, x) {
                item.cache.truncate(progress.held);
                progress.outcome =
                    Some(Err(ForwardError::NotFinite { where_: "outputs of the layers" }));
                continue;
            }
            item.cache.commit(rows.len());
            progress.done += rows.len();
            if !ends_model {
                progress.hidden.extend_from_slice(x);
            }
            let is_done = progress.done == progress.rows;
            match (ends_model, item.want) {
                (false, _) if is_done => {
                    progress.outcome =
                        Some(Ok(Output::Hidden(std::mem::take(&mut progress.hidden))))
                }
                (true, Want::Nothing) if is_done => progress.outcome = Some(Ok(Output::Nothing)),
                (true, Want::LastLogits) if is_done => {
                    wants_logits.push((index, rows.end - 1..rows.end))
                }
                (true, Want::EveryLogits) => wants_logits.push((index, rows.clone())),
                (false, _) | (true, Want::Nothing | Want::LastLogits) => {}
            }
        }
        self.logits(items, progress, &wants_logits, scratch);
    }

    /// The rows that enter the first layer, and room for them in the caches.
    fn enter(
        &self,
        items: &mut [BatchItem<'_>],
        progress: &[Progress],
        segments: &[Segment],
        scratch: &mut Scratch,
    ) {
        let hidden = self.config.hidden;
        scratch.x.clear();
        for Segment { item, rows, .. } in segments {
            let BatchItem { cache, input, .. } = &mut items[*item];
            cache.extend(rows.len());
            let (start, end) = (progress[*item].done, progress[*item].done + rows.len());
            match input {
                Input::Tokens(tokens) => {
                    let before = scratch.x.len();
                    scratch.x.resize(before + rows.len() * hidden, 0.0);
                    let x = &mut scratch.x[before..];
                    for (x, &token) in x.chunks_exact_mut(hidden).zip(&tokens[start..end]) {
                        // Tokens are taken by caches that begin with layer 0, which comes with the
                        // embedding.
                        if self.weights.embed(token, x).is_none() {
                            x.fill(f32::NAN);
                        }
                    }
                    elementwise::scale(self.isa, x, self.config.embedding_scale);
                }
                Input::Hidden(values) => {
                    scratch.x.extend_from_slice(&values[start * hidden..end * hidden])
                }
            }
        }
    }

    /// The logits of the rows of `scratch.x` that their items want them of, which end those items
    /// that are done.
    fn logits(
        &self,
        items: &mut [BatchItem<'_>],
        progress: &mut [Progress],
        wanted: &[(usize, Range<usize>)],
        scratch: &mut Scratch,
    ) {
        let Some(head) = self.weights.head.as_ref().filter(|_| !wanted.is_empty()) else { return };
        let (hidden, vocabulary) = (self.config.hidden, self.config.vocabulary);
        let rows: usize = wanted.iter().map(|(_, rows)| rows.len()).sum();
        let mut last = Vec::with_capacity(rows * hidden);
        for (_, rows) in wanted {
            last.extend_from_slice(&scratch.x[rows.start * hidden..rows.end * hidden]);
        }
        self.norm(&last, &head.norm, &mut scratch.normed);
        self.load_rows(&mut scratch.activations, &scratch.normed, hidden, head.output.forms());
        let mut logits = vec![0.0; rows * vocabulary];
        self.products([Product {
            matrix: &head.output,
            x: &scratch.activations,
            out: &mut logits,
        }]);
        elementwise::divide(self.isa, &mut logits, self.config.logit_scale);
        for (item, rows) in wanted.iter().rev() {
            // From the end, so that the only item of most steps takes the memory as it is.
            let own = match logits.len() - rows.len() * vocabulary {
                0 => std::mem::take(&mut logits),
                start => logits.split_off(start),
            };
            let progress = &mut progress[*item];
            if !elementwise::all_finite(self.isa, &own) {
                items[*item].cache.truncate(progress.held);
                progress.outcome = Some(Err(ForwardError::NotFinite { where_: "logits" }));
                continue;
            }
            if progress.logits.is_empty() {
                progress.logits = own;
            } else {
                progress.logits.extend_from_slice(&own);
            }
            if progress.done == progress.rows {
                progress.outcome = Some(Ok(Output::Logits(std::mem::take(&mut progress.logits))));
            }
        }
    }
}

/// The next rows, at most [`PIECE`], of the items that are for `layers` and have no outcome yet.
fn plan(items: &[BatchItem<'_>], progress: &[Progress], layers: LayerRange) -> Vec<Segment> {
    let (mut segments, mut taken) = (Vec::new(), 0);
    for (item, (BatchItem { cache, .. }, progress)) in items.iter().zip(progress).enumerate() {
        if progress.outcome.is_some() || cache.layers() != layers || taken == PIECE {
            continue;
        }
        let rows = (progress.rows - progress.done).min(PIECE - taken);
        segments.push(Segment { item, first_position: cache.len(), rows: taken..taken + rows });
        taken += rows;
    }
    segments
}

//! The coverage index: how many active workers serve each layer, and who they are, in one child
//! trie per shard.
//!
//! Names and bytes are fixed by [`mica_primitives::shard`]. A shard holds nothing at all when
//! nobody serves its layers.

use alloc::{vec, vec::Vec};
use frame_support::{
    defensive,
    storage::child::{self, ChildInfo},
};
use mica_primitives::{
    LayerRange, ModelId, WorkerRecord,
    shard::{COVERAGE_KEY, SHARD_LAYERS, Shard, ShardCoverage, member_key},
};

use crate::{Config, Models, Pallet};

/// Number of shards that `range` touches: the measure of a call's weight.
pub(crate) fn shards_of(range: LayerRange) -> u32 {
    Shard::buckets(range).len() as u32
}

/// The child trie of a shard.
pub(crate) fn trie(shard: Shard) -> ChildInfo {
    ChildInfo::new_default_from_vec(shard.trie_id())
}

/// Counts of one shard; zeros where nobody serves.
pub(crate) fn counts(shard: Shard) -> ShardCoverage {
    child::get_or_default(&trie(shard), COVERAGE_KEY)
}

impl<T: Config> Pallet<T> {
    /// Takes `worker` from the layers of `from` and adds it to those of `to`. Returns the number of
    /// shards that were written.
    pub(crate) fn shift_coverage(
        worker: &WorkerRecord<T::AccountId>,
        from: Option<LayerRange>,
        to: Option<LayerRange>,
    ) -> u32 {
        let buckets = |range: Option<LayerRange>| range.map_or(0..0, Shard::buckets);
        let (old, new) = (buckets(from), buckets(to));
        let mut touched: Vec<u16> = old.chain(new.clone()).collect();
        touched.sort_unstable();
        touched.dedup();
        let member = member_key(&worker.account);
        for &bucket in &touched {
            let shard = Shard { model: worker.model, bucket };
            let trie = trie(shard);
            let mut counts: ShardCoverage = child::get_or_default(&trie, COVERAGE_KEY);
            for (layer, count) in (shard.first_layer()..).zip(counts.iter_mut()) {
                if from.is_some_and(|range| range.contains(layer)) {
                    *count = count.checked_sub(1).unwrap_or_else(|| {
                        defensive!("a worker left a layer that nobody covered");
                        0
                    });
                }
                if to.is_some_and(|range| range.contains(layer)) {
                    *count = count.saturating_add(1);
                }
            }
            match counts.iter().any(|count| *count > 0) {
                true => child::put(&trie, COVERAGE_KEY, &counts),
                false => child::kill(&trie, COVERAGE_KEY),
            }
            match to.filter(|_| new.contains(&bucket)) {
                Some(range) => child::put(&trie, &member, &range),
                None => child::kill(&trie, &member),
            }
        }
        touched.len() as u32
    }

    /// Whether a layer of `from` that is not in `to` has a single active worker.
    pub(crate) fn would_uncover(model: ModelId, from: LayerRange, to: LayerRange) -> bool {
        Shard::buckets(from).any(|bucket| {
            let shard = Shard { model, bucket };
            (shard.first_layer()..)
                .zip(counts(shard))
                .any(|(layer, count)| from.contains(layer) && !to.contains(layer) && count <= 1)
        })
    }

    /// Active workers on each layer of `model`; nothing for an unknown one.
    pub(crate) fn coverage_of(model: ModelId) -> Vec<u32> {
        let layers = Models::<T>::get(model).map_or(0, |record| record.manifest.layers);
        let mut coverage = vec![0; usize::from(layers)];
        for (bucket, part) in (0..).zip(coverage.chunks_mut(SHARD_LAYERS.into())) {
            let counts = counts(Shard { model, bucket });
            part.copy_from_slice(&counts[..part.len()]);
        }
        coverage
    }
}

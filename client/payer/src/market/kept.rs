//! Large markets are kept on disk: reading ten thousand workers takes longer than finding a path
//! among them.
//!
//! A kept snapshot only says whom to ask. Whatever a question relies on is asked for again: the
//! quote from the worker itself, its registration from the chain ([`super::Quotes`]). A small
//! market is read anew for each question, and so is one of which the snapshot is older than
//! [`MAX_AGE_BLOCKS`].

use codec::{Decode, DecodeAll, Encode};
use mica_chain::AccountId;
use mica_primitives::{BlockNumber, Hash32, ModelId, ModelRecord, WorkerRecord};

use super::{ModelSnapshot, WorkerSnapshot};
use crate::store::{Store, StoreError};

/// Workers from which on a market is kept.
pub(crate) const KEPT_FROM: usize = 256;
/// Age from which on a snapshot is read anew first: ten minutes.
const MAX_AGE_BLOCKS: BlockNumber = 200;
/// Age from which on it is replaced while it is used: half a minute.
const REPLACED_AFTER_BLOCKS: BlockNumber = 10;

/// A model and its workers on disk, under the number of its form.
#[derive(Encode, Decode)]
enum Stored {
    /// The block, the model, its workers and whether they are online.
    #[codec(index = 1)]
    V1(BlockNumber, ModelRecord<AccountId>, Vec<(WorkerRecord<AccountId>, bool)>),
}

/// Keeps `snapshot`, read at `block`.
///
/// # Errors
/// [`StoreError`] if it is too large or cannot be written.
pub(crate) fn keep(
    store: &Store,
    genesis: Hash32,
    snapshot: ModelSnapshot,
    block: BlockNumber,
) -> Result<(), StoreError> {
    let workers = snapshot.workers.into_iter().map(|worker| (worker.record, worker.is_online));
    let bytes = Stored::V1(block, snapshot.record, workers.collect()).encode();
    store.keep_snapshot(genesis, snapshot.id, &bytes)
}

/// What was kept of `model`, if it is not too old at block `now`, and whether it should be
/// replaced. What cannot be read is as good as nothing.
pub(crate) fn kept(
    store: &Store,
    genesis: Hash32,
    model: ModelId,
    now: BlockNumber,
) -> Option<(ModelSnapshot, bool)> {
    let bytes = store.snapshot(genesis, model).ok()??;
    let Stored::V1(block, record, workers) = Stored::decode_all(&mut &bytes[..]).ok()?;
    let age = now.checked_sub(block).filter(|age| *age <= MAX_AGE_BLOCKS)?;
    let workers = workers
        .into_iter()
        .map(|(record, is_online)| WorkerSnapshot { record, is_online })
        .collect();
    let snapshot = ModelSnapshot { id: model, record, workers, is_kept: true };
    Some((snapshot, age > REPLACED_AFTER_BLOCKS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::snapshot::tests::{snapshot, worker};

    #[test]
    fn a_snapshot_is_kept_for_a_while_and_never_used_before_its_block() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(&folder.path().join("state.redb")).expect("opened");
        let market = snapshot(8, vec![worker(1, 0, 8, 5, 6)]);
        let at = |now| kept(&store, [1; 32], market.id, now);
        assert!(at(0).is_none());
        keep(&store, [1; 32], market.clone(), 100).expect("kept");
        let (found, is_old) = at(100).expect("found");
        assert_eq!(found.workers[0].record, market.workers[0].record);
        assert!(found.is_kept && !is_old && found.workers[0].is_online);
        assert!(at(99).is_none(), "the chain began anew");
        assert!(at(111).expect("found").1);
        assert!(at(300).is_some() && at(301).is_none());
        store.keep_snapshot([1; 32], market.id, &[9, 9]).expect("kept");
        assert!(at(100).is_none(), "another version");
    }
}

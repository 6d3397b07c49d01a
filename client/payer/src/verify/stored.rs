//! Verifies a session as the payer's database has it: its receipts, and the roots over its lanes.

use mica_chain::{AccountId, ReadError, View};
use mica_primitives::{BlockNumber, Hash32, Receipt, ReceiptRoot};

use super::{VerifyError, root, session};
use crate::store::{SessionRecord, StageRecord, Store, StoreError};

/// Most receipts of one lane that are read.
const MAX_RECEIPTS: u64 = 1 << 20;

/// Why a stored session does not verify, or cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// Its receipts are wrong.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// They cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One stage of a session whose receipts verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedStage {
    /// Receipts of the session.
    pub receipts: u64,
    /// Root over all receipts of the lane: the one that our last voucher names. Over those of the
    /// session if it was paid through a hub, whose lane has those of others as well.
    pub lane_root: Hash32,
    /// Block in which the chain fixed a root over these receipts; nothing if the chain was not
    /// asked, has not fixed one, or keeps it no longer.
    pub fixed_in_block: Option<BlockNumber>,
}

/// Verifies the receipts of `record`, stage by stage, with what `store` has of them. With a `view`
/// the roots are compared with those that the chain has fixed.
///
/// # Errors
/// [`StoredError::Verify`] with the first thing that is wrong.
pub async fn stored(
    store: &Store,
    view: Option<&View>,
    record: &SessionRecord,
) -> Result<Vec<VerifiedStage>, StoredError> {
    let of_session = |stage: &StageRecord| {
        store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)
    };
    let receipts: Vec<Vec<Receipt>> =
        record.stages.iter().map(of_session).collect::<Result<_, _>>()?;
    let counts = session(record, &receipts)?;
    let mut stages = Vec::with_capacity(record.stages.len());
    for (index, (stage, receipts)) in record.stages.iter().zip(counts).enumerate() {
        let (lane_root, fixed_in_block) = roots(store, view, stage, index).await?;
        stages.push(VerifiedStage { receipts, lane_root, fixed_in_block });
    }
    Ok(stages)
}

/// Compares the root over all receipts of the stage's lane with our last voucher's and with the
/// chain's.
async fn roots(
    store: &Store,
    view: Option<&View>,
    stage: &StageRecord,
    index: usize,
) -> Result<(Hash32, Option<BlockNumber>), StoredError> {
    if store.channel(stage.channel)?.is_none() {
        // Of a hub's lane only this session's receipts are known here.
        let own = store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)?;
        return Ok((root(&own), None));
    }
    let lane = store.receipts(stage.channel, stage.lane, 0, MAX_RECEIPTS)?;
    let lane_root = root(&lane);
    let ours = store.lanes(stage.channel)?.into_iter().find(|record| record.lane == stage.lane);
    let by_voucher = ours.map(|record| (record.receipts.root(), record.receipts.count()));
    if by_voucher != Some((lane_root, lane.len() as u64)) {
        return Err(VerifyError::Root { stage: index, by: "that our voucher names" }.into());
    }
    let Some(view) = view else { return Ok((lane_root, None)) };
    // Each names a number of receipts of ours: whoever redeemed, we signed the voucher.
    let fixed = view.receipt_roots(stage.channel, stage.lane).await?;
    let is_ours = |fixed: &ReceiptRoot<AccountId>| {
        let prefix = usize::try_from(fixed.count).ok().and_then(|count| lane.get(..count));
        fixed.worker.0 == stage.worker && prefix.is_some_and(|prefix| root(prefix) == fixed.root)
    };
    if !fixed.iter().all(is_ours) {
        return Err(VerifyError::Root { stage: index, by: "that the chain has fixed" }.into());
    }
    let most = fixed.iter().max_by_key(|fixed| fixed.count);
    Ok((lane_root, most.map(|fixed| fixed.block)))
}

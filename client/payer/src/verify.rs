//! Checks stored receipts again, from nothing but what was stored: who signed what, that nothing is
//! missing, that neighbours agree.
//!
//! For every stage of a session: each receipt is signed by the worker's registered key, speaks of
//! this session, lane, layers and profile, joins the one before without a gap, and continues its
//! chain of caches. The first stage must have read the prompt and the answer, the last must have
//! drawn the answer, and what stage k gave out is what stage k+1 took in. The root over the whole
//! lane can then be compared with the last voucher and with the root that the chain fixed.
//!
//! The rules are those by which a payer checks receipts as they come ([`PathVerifier`]); here they
//! run over what was kept.
//!
//! Limits: this shows that the workers agree with each other and with the tokens. That the
//! arithmetic is right is for audits.

mod stored;

pub use stored::{StoredError, VerifiedStage, stored};

use mica_primitives::{Hash32, Receipt, ReceiptTree};
use mica_protocol::{
    SessionId, StageNumber,
    receipts::{self, Ending, PathVerifier, StageFacts},
};

use crate::store::SessionRecord;

/// What is wrong with a session's receipts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Nothing stored under this name.
    #[error("no session '{0}' is stored: see `mica receipt list`")]
    NoSession(String),
    /// Fewer receipts than the session says.
    #[error(
        "stage {}: {found} of {expected} receipts are stored; the database is incomplete: restore it from a backup",
        StageNumber(*.stage)
    )]
    Missing {
        /// The stage, from 0.
        stage: usize,
        /// Receipts stored.
        found: usize,
        /// Receipts of the session.
        expected: u64,
    },
    /// A receipt is wrong, or two contradict each other.
    #[error("{0}; keep the database, it is the evidence")]
    Receipts(#[from] receipts::VerifyError),
    /// A receipt that nothing contradicts, and nothing confirms.
    #[error(
        "stage {} has receipts for positions of which no token is stored; the database is incomplete: restore it from a backup",
        StageNumber(*.0)
    )]
    Unconfirmed(usize),
    /// The root over the lane differs from the one that was fixed.
    #[error("stage {}: the receipts' root is not the one {by}; keep the database and compare it with a backup", StageNumber(*.stage))]
    Root {
        /// The stage, from 0.
        stage: usize,
        /// Where the other root stands.
        by: &'static str,
    },
}

/// Checks all receipts of one session; `receipts[k]` are stage k's, in order. Returns how many each
/// stage has.
///
/// # Errors
/// The first thing that is wrong.
pub fn session(record: &SessionRecord, receipts: &[Vec<Receipt>]) -> Result<Vec<u64>, VerifyError> {
    let facts: Vec<StageFacts> = record
        .stages
        .iter()
        .map(|stage| StageFacts { peer: stage.peer, lane: stage.lane, layers: stage.layers })
        .collect();
    let mut verifier =
        PathVerifier::new(SessionId(record.session), record.profile, record.genesis, &facts);
    verifier.prompt(&record.prompt)?;
    verifier.prompt_complete()?;
    for id in &record.tokens {
        verifier.token(*id)?;
    }
    let mut verified = vec![0u64; record.stages.len()];
    for (stage, of_session) in record.stages.iter().enumerate() {
        let found = receipts.get(stage).map_or(&[][..], Vec::as_slice);
        if found.len() as u64 != of_session.receipts {
            return Err(VerifyError::Missing {
                stage,
                found: found.len(),
                expected: of_session.receipts,
            });
        }
        for (index, receipt) in found.iter().enumerate() {
            let ending = if index + 1 == found.len() { Ending::Flushing } else { Ending::Running };
            for checked in verifier.accept(stage, receipt, ending)? {
                if let Some(count) = verified.get_mut(checked.stage) {
                    *count += 1;
                }
            }
        }
    }
    match verified.iter().zip(&record.stages).position(|(count, stage)| *count != stage.receipts) {
        Some(stage) => Err(VerifyError::Unconfirmed(stage)),
        None => Ok(verified),
    }
}

/// Root over the receipts of a lane from its first on.
pub fn root(receipts: &[Receipt]) -> Hash32 {
    let mut tree = ReceiptTree::default();
    receipts.iter().for_each(|receipt| tree.push(receipt.leaf.hash()));
    tree.root()
}

#[cfg(test)]
mod tests;

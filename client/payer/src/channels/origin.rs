//! Whether the chain is the one that the records are of: its genesis and its first block, compared
//! each time that channels are read.
//!
//! What is not known tells nothing: a node that is still fetching the chain never makes anybody put
//! records aside.

use std::time::Duration;

use mica_chain::{Chain, ChainOrigin};
use mica_primitives::Hash32;
use tokio::time::Instant;

use super::ChannelError;
use crate::store::Store;

/// Longest wait for the first final block of a chain of which there are records.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two polls.
const POLL: Duration = Duration::from_millis(500);

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainComparison {
    /// It is the chain of the records, or nothing tells otherwise.
    Same,
    /// It is not known here yet; this is its first block.
    Unknown(Hash32),
    /// It began anew.
    Restarted {
        /// Hash of the first block that the records go with.
        old: Hash32,
        /// Hash of the first block now.
        new: Hash32,
    },
}

/// Compares where `chain` begins with where the one of `store`'s records did. Changes nothing.
///
/// # Errors
/// [`ChannelError::OtherChain`], [`ChannelError::NothingFinal`], or what chain and database say.
pub async fn compare_chain(chain: &Chain, store: &Store) -> Result<ChainComparison, ChannelError> {
    let genesis = chain.genesis_hash();
    let known = ChainOrigin { genesis, first_block: store.first_block(genesis)? };
    let found = find(chain, known.first_block.is_some()).await?;
    if found.genesis != genesis {
        return Err(ChannelError::OtherChain {
            url: chain.url().to_owned(),
            found: hex::encode(found.genesis),
        });
    }
    Ok(match (known.first_block, found.first_block) {
        (Some(old), Some(new)) if known.differs_from(&found) => {
            ChainComparison::Restarted { old, new }
        }
        (None, Some(new)) => ChainComparison::Unknown(new),
        _ => ChainComparison::Same,
    })
}

/// Where the chain begins. If that is `needed`, the first final block is waited for: before it the
/// chain may be a new one, and money would be locked on it for records of another.
async fn find(chain: &Chain, needed: bool) -> Result<ChainOrigin, ChannelError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = chain.origin().await?;
        if found.first_block.is_some() || !needed || chain.finalized().await?.number > 0 {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(ChannelError::NothingFinal { url: chain.url().to_owned() });
        }
        tokio::time::sleep(POLL).await;
    }
}

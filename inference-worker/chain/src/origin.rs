//! Which chain a node is on: the genesis block, and the first block after it.
//!
//! A restarted development chain has the same genesis block as the one before but none of its
//! state. Its first block has a different timestamp, and so a different hash.

use mica_primitives::Hash32;

use crate::{Chain, ReadError, connection::within};

/// Where a chain begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainOrigin {
    /// Hash of block 0.
    pub genesis: Hash32,
    /// Hash of block 1. Nothing until it is final, and where the node has not fetched old blocks
    /// yet.
    pub first_block: Option<Hash32>,
}

impl ChainOrigin {
    /// Whether both are known to differ: another genesis, or another first block. What is not known
    /// yet tells nothing.
    pub fn differs_from(&self, other: &Self) -> bool {
        let other_first =
            self.first_block.zip(other.first_block).is_some_and(|(ours, theirs)| ours != theirs);
        self.genesis != other.genesis || other_first
    }
}

impl Chain {
    /// Where the node's chain begins, as far as the node can tell.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn origin(&self) -> Result<ChainOrigin, ReadError> {
        // Asked again, because the node behind the address may be another one than when the
        // connection was made.
        let genesis =
            within("chain_getBlockHash", self.methods().chain_get_block_hash(Some(0u32.into())))
                .await?;
        let genesis = genesis.map_or(self.genesis_hash(), |hash| hash.0);
        if self.finalized().await?.number == 0 {
            return Ok(ChainOrigin { genesis, first_block: None });
        }
        let first =
            within("chain_getBlockHash", self.methods().chain_get_block_hash(Some(1u32.into())))
                .await?;
        Ok(ChainOrigin { genesis, first_block: first.map(|hash| hash.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::ChainOrigin;

    #[test]
    fn only_what_both_know_can_differ() {
        let known = ChainOrigin { genesis: [1; 32], first_block: Some([2; 32]) };
        let young = ChainOrigin { first_block: None, ..known };
        assert!(
            !known.differs_from(&known)
                && !known.differs_from(&young)
                && !young.differs_from(&known)
        );
        assert!(known.differs_from(&ChainOrigin { first_block: Some([3; 32]), ..known }));
        assert!(young.differs_from(&ChainOrigin { genesis: [4; 32], ..young }));
    }
}

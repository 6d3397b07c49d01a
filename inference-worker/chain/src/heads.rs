//! Blocks by number and hash, and the stream of them.

use mica_primitives::{BlockNumber, Hash32};
use subxt::client::Blocks;

use crate::{
    ReadError,
    connection::{Config, root_cause},
};

/// A block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: Hash32,
}

/// Blocks as they come.
pub struct Heads {
    blocks: Blocks<Config>,
}

impl Heads {
    pub(crate) fn new(blocks: Blocks<Config>) -> Self {
        Self { blocks }
    }

    /// Waits for the next block, for as long as it takes; nothing when the subscription has ended
    /// and must be opened again.
    ///
    /// # Errors
    /// [`ReadError::Node`] if a block could not be read; the stream goes on.
    pub async fn next(&mut self) -> Option<Result<Head, ReadError>> {
        Some(match self.blocks.next().await? {
            Ok(block) => Ok(Head { number: block.number() as BlockNumber, hash: block.hash().0 }),
            Err(error) => Err(ReadError::Node {
                what: "subscription of blocks".to_owned(),
                reason: root_cause(&error),
            }),
        })
    }
}

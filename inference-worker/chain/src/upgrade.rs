//! Runtime upgrades: which runtime reads what.
//!
//! The block that stores new code is still made by the old runtime, and so are its events; its
//! state already answers by the new one, which makes the next block. So an extrinsic is made for
//! the runtime that the newest block ends with, and events are read by the one that the block began
//! with. A signature names the version of the runtime that it is for, and is good for no other.

use codec::Compact;
use mica_primitives::{BlockNumber, Hash32};
use subxt::{
    ArcMetadata, OnlineClientAtBlock,
    backend::{Backend, BlockRef},
    dynamic::Value,
    events::Events,
};

use crate::{
    Chain, Head, ReadError,
    connection::{Config, missing, within},
    view::decode,
};

/// The events of a block, as the runtime that made it meant them.
pub(crate) struct Written {
    /// The block.
    pub head: Head,
    /// Its events.
    pub events: Events<Config>,
    /// That runtime, which also names the errors among them.
    pub metadata: ArcMetadata,
}

impl Chain {
    /// The version of the runtime that makes the block after `block`.
    pub(crate) async fn version_after(&self, block: Hash32) -> Result<u32, ReadError> {
        let asked = self.methods().state_get_runtime_version(Some(block.into()));
        within("state_getRuntimeVersion", asked).await.map(|version| version.spec_version)
    }

    /// The events of `block`.
    pub(crate) async fn written(&self, block: Hash32) -> Result<Written, ReadError> {
        let at = self.client_at(block).await?;
        let head = Head { number: at.block_number() as BlockNumber, hash: block };
        let events = within("System.Events", at.events().fetch()).await?;
        if made_by(&at).await? == at.spec_version() {
            return Ok(Written { head, events, metadata: at.metadata() });
        }
        let header = within("chain_getHeader", self.backend().block_header(block.into()))
            .await?
            .ok_or_else(|| missing(&block))?;
        let before = self.client_at(header.parent_hash.0).await?;
        let events = before.events().from_bytes(events.bytes().to_vec());
        Ok(Written { head, events, metadata: before.metadata() })
    }

    /// What subxt knows of `block`, with the runtime that makes the block after it.
    async fn client_at(&self, block: Hash32) -> Result<OnlineClientAtBlock<Config>, ReadError> {
        let block = BlockRef::from_hash(block.into());
        within("chain_getHeader", self.client().at_block(block)).await
    }
}

/// The version of the runtime that made the block of `at`.
async fn made_by(at: &OnlineClientAtBlock<Config>) -> Result<u32, ReadError> {
    const WHAT: &str = "System.LastRuntimeUpgrade";
    let address = subxt::dynamic::storage::<(), Value>("System", "LastRuntimeUpgrade");
    let Some(stored) = within(WHAT, at.storage().try_fetch(address, ())).await? else {
        return Ok(at.spec_version());
    };
    let (Compact(version), _name): (Compact<u32>, String) = decode(WHAT, stored.bytes())?;
    Ok(version)
}

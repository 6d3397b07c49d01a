//! Two blocks of one validator for one slot: noticed when the second is imported, and reported to
//! the chain, which slashes it.
//!
//! BABE's own import has such a check, but it sees headers whose seals were taken off before, and
//! the chain takes no proof without seals. What it hands in is in the pool after this report, for
//! the same slot and offender, and goes no further.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use mica_runtime::{Hash, Header, opaque::Block};
use sc_consensus::{BlockCheckParams, BlockImport, BlockImportParams, ImportResult};
use sc_consensus_babe::find_pre_digest;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_api::{ApiError, ApiExt, ProvideRuntimeApi};
use sp_consensus::BlockOrigin;
use sp_consensus_babe::{AuthorityId, BabeApi, EquivocationProof, Slot};

use super::FullClient;

/// Slots before the newest of which blocks are remembered: longer than blocks are under way.
const SLOTS: u64 = 1_000;

/// A block's slot and author.
type Place = (Slot, AuthorityId);

/// A block import that looks at what passes through it.
#[derive(Clone)]
pub(crate) struct Watched<Inner> {
    inner: Inner,
    client: Arc<FullClient>,
    pool: OffchainTransactionPoolFactory<Block>,
    /// The first block of each author for each of the last [`SLOTS`] slots, with its seal. Blocks
    /// are verified before they come here, so there is one at most for each validator and slot.
    first: Arc<Mutex<BTreeMap<Place, Header>>>,
}

impl<Inner> Watched<Inner> {
    /// Looks at what goes to `inner`, and hands reports in to `pool`.
    pub(crate) fn new(
        inner: Inner,
        client: Arc<FullClient>,
        pool: OffchainTransactionPoolFactory<Block>,
    ) -> Self {
        Self { inner, client, pool, first: Arc::default() }
    }

    /// Looks at a block that was verified; what cannot be found out or reported is only logged.
    fn look_at(&self, header: Header) {
        match self.second(header).and_then(|proof| proof.map_or(Ok(()), |proof| self.report(proof)))
        {
            Ok(()) => {}
            Err(error) => tracing::warn!("two blocks for one slot could not be reported: {error}"),
        }
    }

    /// The proof, if this is another block of the same author for the same slot.
    fn second(&self, header: Header) -> Result<Option<EquivocationProof<Header>>, ApiError> {
        let Ok(claim) = find_pre_digest::<Block>(&header) else { return Ok(None) };
        let (slot, index) = (claim.slot(), claim.authority_index() as usize);
        let api = self.client.runtime_api();
        let mut epoch = api.current_epoch(header.parent_hash)?;
        if slot >= epoch.start_slot.saturating_add(epoch.duration) {
            epoch = self.client.runtime_api().next_epoch(header.parent_hash)?;
        }
        let Some((offender, _)) = epoch.authorities.get(index).cloned() else { return Ok(None) };
        let first_header = self.first_of((slot, offender.clone()), &header);
        Ok(first_header.map(|first_header| EquivocationProof {
            offender,
            slot,
            first_header,
            second_header: header,
        }))
    }

    /// The other block that is known of this place. The first one is remembered.
    fn first_of(&self, place: Place, header: &Header) -> Option<Header> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = first.last_key_value().map_or(place.0, |((slot, _), _)| *slot.max(&place.0));
        let oldest = newest.saturating_sub(SLOTS);
        first.retain(|(slot, _), _| *slot >= oldest);
        if place.0 < oldest {
            return None;
        }
        let known = first.entry(place).or_insert_with(|| header.clone());
        (known.hash() != header.hash()).then(|| known.clone())
    }

    fn report(&self, proof: EquivocationProof<Header>) -> Result<(), ApiError> {
        tracing::info!("two blocks of one validator for slot {}", *proof.slot);
        let best = self.client.chain_info().best_hash;
        // At the parent its session is in force; at the best block, if this one begins a session.
        let owner = |at: Hash| {
            let api = self.client.runtime_api();
            api.generate_key_ownership_proof(at, proof.slot, proof.offender.clone())
        };
        let owned = match owner(proof.second_header.parent_hash)? {
            Some(owned) => Some(owned),
            None => owner(best)?,
        };
        let Some(owned) = owned else { return Ok(()) };
        let mut api = self.client.runtime_api();
        api.register_extension(self.pool.offchain_transaction_pool(best));
        api.submit_report_equivocation_unsigned_extrinsic(best, proof, owned)?;
        Ok(())
    }
}

#[async_trait]
impl<Inner> BlockImport<Block> for Watched<Inner>
where
    Inner: BlockImport<Block> + Send + Sync,
{
    type Error = Inner::Error;

    async fn check_block(
        &self,
        block: BlockCheckParams<Block>,
    ) -> Result<ImportResult, Self::Error> {
        self.inner.check_block(block).await
    }

    async fn import_block(
        &self,
        block: BlockImportParams<Block>,
    ) -> Result<ImportResult, Self::Error> {
        // What is synchronised from long ago has no consequences any more. A node's own blocks do
        // not come through here.
        if block.origin == BlockOrigin::NetworkBroadcast {
            self.look_at(block.post_header());
        }
        self.inner.import_block(block).await
    }
}

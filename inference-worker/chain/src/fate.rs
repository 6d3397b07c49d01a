//! What became of an extrinsic: looked up by its hash in the blocks of the best chain, no matter
//! who sent it or what the node reported about it.

use std::ops::RangeInclusive;

use mica_primitives::{Balance, BlockNumber, Hash32, domain::blake2_256};
use subxt::{
    backend::Backend,
    rpcs::{client::rpc_params, methods::legacy::Bytes},
};

use crate::{
    AccountId, Chain, ChainEvent, DispatchFailure, Head, MicaEvent, ReadError,
    connection::{missing, root_cause, within},
    upgrade::Written,
};

/// Most blocks that are looked through for one extrinsic.
pub const MAX_BLOCKS_SEARCHED: BlockNumber = 2_400;
/// First byte of a `Result` that is an error.
const IS_ERROR: u8 = 1;

/// What a block says of an extrinsic that it holds.
#[derive(Clone, Debug)]
pub struct Included {
    /// The block.
    pub block: Head,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
    /// What it cost its signer, base units; 0 if it was free. Spent whether it failed or not.
    pub fee: Balance,
    /// Why it did nothing; nothing if it did what it should.
    pub failure: Option<DispatchFailure>,
    /// The events that it left, in order.
    pub events: Vec<ChainEvent>,
}

/// What is known of an extrinsic.
#[derive(Clone, Debug)]
pub enum Fate {
    /// A block of the best chain holds it.
    Included(Box<Included>),
    /// The node's pool has it, and none of the blocks that were searched.
    Waiting,
    /// None of these blocks holds it, nor does the node's pool.
    Nowhere(RangeInclusive<BlockNumber>),
}

/// A search that goes on from look to look. Blocks that were final at a look are not read again.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Hash of the extrinsic: the newest, until a block holds one.
    pub extrinsic: Hash32,
    /// Hashes of others that say the same with the same nonce, so that only one of all can be in a
    /// block.
    pub others: Vec<Hash32>,
    /// The first block that may hold it.
    pub from: BlockNumber,
    /// The last block that may hold it.
    pub to: BlockNumber,
    /// Hash of the block that last held it: it is looked at before any other.
    pub seen: Option<Hash32>,
    /// What the signature of the newest binds it to; nothing if it has none.
    pub signed: Option<Signed>,
}

/// What a signature binds an extrinsic to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed {
    /// Who signed.
    pub by: AccountId,
    /// The number of the signer's extrinsic: no two with the same are in blocks.
    pub nonce: u64,
    /// The version of the runtime.
    pub version: u32,
}

impl Search {
    fn is_one_of_it(&self, extrinsic: &Hash32) -> bool {
        self.extrinsic == *extrinsic || self.others.contains(extrinsic)
    }
}

/// Where an extrinsic was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Hash of the block.
    pub block: Hash32,
    /// Whether the block is final.
    pub is_final: bool,
}

impl Chain {
    /// What became of the extrinsic with this hash, as far as the last `blocks` blocks and the
    /// node's pool tell.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn fate(&self, extrinsic: Hash32, blocks: BlockNumber) -> Result<Fate, ReadError> {
        // Looked at first, so that one that goes from the pool into a block in between is not
        // missed.
        let waiting: Vec<Bytes> = within(
            "author_pendingExtrinsics",
            self.rpc().request("author_pendingExtrinsics", rpc_params![]),
        )
        .await?;
        let best = self.best().await?.number;
        let from = best.saturating_sub(blocks.min(MAX_BLOCKS_SEARCHED)).saturating_add(1);
        let mut search =
            Search { extrinsic, others: Vec::new(), from, to: best, seen: None, signed: None };
        Ok(match self.search(&mut search).await? {
            Some(place) => Fate::Included(Box::new(self.included(place, extrinsic).await?)),
            None if waiting.iter().any(|bytes| blake2_256(bytes) == extrinsic) => Fate::Waiting,
            None => Fate::Nowhere(from..=best),
        })
    }

    /// Looks through the blocks in which the extrinsic may be and that are not known to be without
    /// it.
    pub(crate) async fn search(&self, search: &mut Search) -> Result<Option<Place>, ReadError> {
        let (last_head, best) = (self.finalized().await?, self.best().await?.number);
        let last = last_head.number;
        if let Some(block) = search.seen
            && let Some(number) = self.number_in_best_chain(block).await?
        {
            return Ok(Some(Place { block, is_final: number <= last }));
        }
        // Neither versions nor nonces fall: then no later block can hold it.
        if let Some(signed) = search.signed
            && (self.version_after(last_head.hash).await? > signed.version
                || u64::from(self.at(last_head).account(signed.by).await?.nonce) > signed.nonce)
        {
            search.to = search.to.min(last);
        }
        for number in (search.from..=search.to.min(best)).rev() {
            let hash = within(
                "chain_getBlockHash",
                self.methods().chain_get_block_hash(Some(number.into())),
            )
            .await?;
            // A node whose best chain has just become shorter.
            let Some(hash) = hash else { continue };
            let body = within("chain_getBlock", self.backend().block_body(hash))
                .await?
                .ok_or_else(|| missing(&hash.0))?;
            let hashes = body.iter().map(|bytes| blake2_256(bytes));
            let mut ours = hashes.filter(|hash| search.is_one_of_it(hash));
            if let Some(found) = ours.next() {
                search.others.push(search.extrinsic);
                (search.extrinsic, search.seen) = (found, Some(hash.0));
                return Ok(Some(Place { block: hash.0, is_final: number <= last }));
            }
        }
        search.from = search.from.max(last.saturating_add(1));
        Ok(None)
    }

    /// The block's number; nothing if it is not of the best chain, or not any more.
    async fn number_in_best_chain(&self, block: Hash32) -> Result<Option<BlockNumber>, ReadError> {
        let Some(header) =
            within("chain_getHeader", self.backend().block_header(block.into())).await?
        else {
            return Ok(None);
        };
        let best = within(
            "chain_getBlockHash",
            self.methods().chain_get_block_hash(Some(header.number.into())),
        )
        .await?;
        Ok((best.map(|hash| hash.0) == Some(block)).then_some(header.number as BlockNumber))
    }

    /// Reads what the extrinsic did in the block that holds it.
    pub(crate) async fn included(
        &self,
        place: Place,
        extrinsic: Hash32,
    ) -> Result<Included, ReadError> {
        let Place { block: hash, is_final } = place;
        let Written { head: block, events: written, metadata } = self.written(hash).await?;
        let body = within("chain_getBlock", self.backend().block_body(hash.into()))
            .await?
            .ok_or_else(|| missing(&hash))?;
        let shape = |reason: String| ReadError::Shape { what: "System.Events".to_owned(), reason };
        let index = body.iter().position(|bytes| blake2_256(bytes) == extrinsic);
        let index = index.ok_or_else(|| {
            shape("the block does not hold the extrinsic that it was said to hold".to_owned())
        })?;
        let (mut events, mut failure) = (Vec::new(), None);
        for event in written.iter() {
            let event = event.map_err(|error| shape(root_cause(&error)))?;
            let event = ChainEvent::from_subxt(&event);
            if event.extrinsic.is_none_or(|of| usize::try_from(of) != Ok(index)) {
                continue;
            }
            let refused = match (event.pallet.as_str(), event.name.as_str()) {
                ("System", "ExtrinsicFailed") => Some(&event.fields[..]),
                // A proxy's extrinsic succeeds whatever became of the call inside it.
                ("Proxy", "ProxyExecuted") => event.fields.strip_prefix(&[IS_ERROR]),
                _ => None,
            };
            if let Some(error) = refused {
                failure = Some(DispatchFailure::decode(error, &metadata));
            }
            events.push(event);
        }
        let fees = events.iter().filter_map(|event| match event.event {
            Some(MicaEvent::FeePaid { fee, .. }) => Some(fee),
            _ => None,
        });
        let fee = fees.fold(0, Balance::saturating_add);
        Ok(Included { block, is_final, fee, failure, events })
    }
}

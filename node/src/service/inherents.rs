//! The inherents that a block's author adds: the slot, the time, what is final, and who voted for
//! it. An importer creates the same ones to check them.

use std::sync::Arc;

use mica_runtime::{BlockNumber, Hash, opaque::Block};
use pallet_mica_clock::INHERENT_IDENTIFIER;
use pallet_mica_seats::{
    INHERENT_IDENTIFIER as VOTES_IDENTIFIER, Precommits,
    rounds::{COMPLETED_ROUNDS_KEY, completed},
};
use sc_client_api::{AuxStore, HeaderBackend};
use sc_consensus_grandpa::{GrandpaJustification, best_justification};
use sp_consensus_babe::{SlotDuration, inherents::InherentDataProvider as SlotProvider};
use sp_inherents::{
    CreateInherentDataProviders, Error, InherentData, InherentDataProvider, InherentIdentifier,
};
use sp_timestamp::InherentDataProvider as TimeProvider;

use super::FullClient;

/// Takes slot and time from the system clock, and finality and its votes from the client.
#[derive(Clone)]
pub(crate) struct Inherents {
    /// Length of a slot, from the runtime.
    pub slot_duration: SlotDuration,
    /// Knows which block is final.
    pub client: Arc<FullClient>,
}

#[async_trait::async_trait]
impl CreateInherentDataProviders<Block, ()> for Inherents {
    type InherentDataProviders = (SlotProvider, TimeProvider, FinalityHint, Votes);

    async fn create_inherent_data_providers(
        &self,
        _parent: Hash,
        (): (),
    ) -> Result<Self::InherentDataProviders, Box<dyn std::error::Error + Send + Sync>> {
        let time = TimeProvider::from_system_time();
        let slot = SlotProvider::from_timestamp_and_slot_duration(*time, self.slot_duration);
        let hint = FinalityHint { number: self.client.info().finalized_number };
        Ok((slot, time, hint, Votes { precommits: self.votes() }))
    }
}

impl Inherents {
    /// The votes of the last round that this node has completed, among which is its own; before it
    /// has completed one of its set, those that made the last final block final, which others may
    /// have sent. A block needs none, so one is made also if they cannot be read.
    fn votes(&self) -> Option<Precommits<Hash, BlockNumber>> {
        let record = self.client.get_aux(COMPLETED_ROUNDS_KEY).ok().flatten();
        record.and_then(|record| completed(&record)).or_else(|| {
            // Finality writes it with each block that it takes for final.
            let last = best_justification::<_, Block>(&*self.client).ok().flatten();
            last.map(precommits)
        })
    }
}

/// What this node knows of finality, for the market's clock. A runtime without that clock ignores
/// it, and no importer compares it with its own: every node may know something else.
pub(crate) struct FinalityHint {
    /// Number of the best final block.
    number: BlockNumber,
}

#[async_trait::async_trait]
impl InherentDataProvider for FinalityHint {
    async fn provide_inherent_data(&self, data: &mut InherentData) -> Result<(), Error> {
        data.put_data(INHERENT_IDENTIFIER, &self.number)
    }

    async fn try_handle_error(
        &self,
        _identifier: &InherentIdentifier,
        _error: &[u8],
    ) -> Option<Result<(), Error>> {
        None
    }
}

/// The votes for finality that this node knows. The runtime takes what is new to the chain; no
/// importer compares it with its own.
pub(crate) struct Votes {
    /// Nothing before the first block is final.
    precommits: Option<Precommits<Hash, BlockNumber>>,
}

/// The votes of `last`, without the headers that prove what they have in common.
fn precommits(last: GrandpaJustification<Block>) -> Precommits<Hash, BlockNumber> {
    let last = last.justification;
    let votes = last.commit.precommits.into_iter().map(|vote| {
        let target = vote.precommit;
        (vote.id, target.target_hash, target.target_number, vote.signature)
    });
    Precommits { round: last.round, votes: votes.collect() }
}

#[async_trait::async_trait]
impl InherentDataProvider for Votes {
    async fn provide_inherent_data(&self, data: &mut InherentData) -> Result<(), Error> {
        let Some(precommits) = &self.precommits else { return Ok(()) };
        data.put_data(VOTES_IDENTIFIER, precommits)
    }

    async fn try_handle_error(
        &self,
        _identifier: &InherentIdentifier,
        _error: &[u8],
    ) -> Option<Result<(), Error>> {
        None
    }
}

//! The inherents that a block's author adds: the slot, the time, and what is final. An importer
//! creates the same ones to check them.

use std::sync::Arc;

use mica_runtime::{BlockNumber, Hash, opaque::Block};
use pallet_mica_clock::INHERENT_IDENTIFIER;
use sc_client_api::HeaderBackend;
use sp_consensus_babe::{SlotDuration, inherents::InherentDataProvider as SlotProvider};
use sp_inherents::{
    CreateInherentDataProviders, Error, InherentData, InherentDataProvider, InherentIdentifier,
};
use sp_timestamp::InherentDataProvider as TimeProvider;

use super::FullClient;

/// Takes slot and time from the system clock, and finality from the client.
#[derive(Clone)]
pub(crate) struct Inherents {
    /// Length of a slot, from the runtime.
    pub slot_duration: SlotDuration,
    /// Knows which block is final.
    pub client: Arc<FullClient>,
}

#[async_trait::async_trait]
impl CreateInherentDataProviders<Block, ()> for Inherents {
    type InherentDataProviders = (SlotProvider, TimeProvider, FinalityHint);

    async fn create_inherent_data_providers(
        &self,
        _parent: Hash,
        (): (),
    ) -> Result<Self::InherentDataProviders, Box<dyn std::error::Error + Send + Sync>> {
        let time = TimeProvider::from_system_time();
        let slot = SlotProvider::from_timestamp_and_slot_duration(*time, self.slot_duration);
        let hint = FinalityHint { number: self.client.info().finalized_number };
        Ok((slot, time, hint))
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

//! The inherents that a block's author adds: the slot and the time. An importer creates the same
//! ones to check them.

use mica_runtime::{Hash, opaque::Block};
use sp_consensus_babe::{SlotDuration, inherents::InherentDataProvider as SlotProvider};
use sp_inherents::CreateInherentDataProviders;
use sp_timestamp::InherentDataProvider as TimeProvider;

/// Takes slot and time from the system clock.
#[derive(Clone)]
pub(crate) struct SlotAndTime {
    /// Length of a slot, from the runtime.
    pub slot_duration: SlotDuration,
}

#[async_trait::async_trait]
impl CreateInherentDataProviders<Block, ()> for SlotAndTime {
    type InherentDataProviders = (SlotProvider, TimeProvider);

    async fn create_inherent_data_providers(
        &self,
        _parent: Hash,
        (): (),
    ) -> Result<Self::InherentDataProviders, Box<dyn std::error::Error + Send + Sync>> {
        let time = TimeProvider::from_system_time();
        Ok((SlotProvider::from_timestamp_and_slot_duration(*time, self.slot_duration), time))
    }
}

//! BABE: authors a block in each slot that one of our keys wins.

use std::sync::Arc;

use mica_runtime::opaque::Block;
use sc_consensus_babe::{BabeLink, BabeParams, SlotProportion};
use sc_network_sync::SyncingService;
use sc_service::{TaskManager, error::Error as ServiceError};
use sc_telemetry::TelemetryHandle;
use sp_keystore::KeystorePtr;
use substrate_prometheus_endpoint::Registry;

use super::{BabeImport, FullClient, FullPool, FullSelectChain, inherents::Inherents};

/// Share of a slot in which a block may be built; the rest is for propagating it.
const PROPOSAL_SHARE_OF_SLOT: f32 = 0.5;

/// What an author needs.
pub(crate) struct Authoring {
    pub client: Arc<FullClient>,
    pub select_chain: FullSelectChain,
    pub transaction_pool: Arc<FullPool>,
    pub keystore: KeystorePtr,
    pub block_import: BabeImport,
    pub babe_link: BabeLink<Block>,
    pub sync_service: Arc<SyncingService<Block>>,
    pub force_authoring: bool,
    pub prometheus_registry: Option<Registry>,
    pub telemetry: Option<TelemetryHandle>,
}

impl Authoring {
    /// Starts the author; if it ends, the node ends.
    pub(crate) fn spawn(self, task_manager: &TaskManager) -> Result<(), ServiceError> {
        let proposer = sc_basic_authorship::ProposerFactory::new(
            task_manager.spawn_handle(),
            self.client.clone(),
            self.transaction_pool,
            self.prometheus_registry.as_ref(),
            self.telemetry.clone(),
        );
        let inherents = Inherents {
            slot_duration: self.babe_link.config().slot_duration(),
            client: self.client.clone(),
        };
        let babe = sc_consensus_babe::start_babe(BabeParams {
            keystore: self.keystore,
            client: self.client,
            select_chain: self.select_chain,
            env: proposer,
            block_import: self.block_import,
            sync_oracle: self.sync_service.clone(),
            justification_sync_link: self.sync_service,
            create_inherent_data_providers: inherents,
            force_authoring: self.force_authoring,
            // Never slower, however far finality is behind: who is gone is noticed and replaced,
            // and finality recovered, by blocks; at one block in a hundred slots it takes weeks.
            backoff_authoring_blocks: None::<()>,
            babe_link: self.babe_link,
            block_proposal_slot_portion: SlotProportion::new(PROPOSAL_SHARE_OF_SLOT),
            max_block_proposal_slot_portion: None,
            telemetry: self.telemetry,
        })?;
        task_manager.spawn_essential_handle().spawn_blocking(
            "babe-proposer",
            Some("block-authoring"),
            babe,
        );
        Ok(())
    }
}

//! GRANDPA: votes on finality with our keys, or just follows the votes of others.

use std::{sync::Arc, time::Duration};

use mica_runtime::opaque::Block;
use sc_consensus_grandpa::{Config, GrandpaParams, SharedVoterState, VotingRulesBuilder};
use sc_network::{
    config::Role,
    service::traits::{NetworkService, NotificationService},
    types::ProtocolName,
};
use sc_network_sync::SyncingService;
use sc_service::{TaskManager, error::Error as ServiceError};
use sc_telemetry::TelemetryHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_keystore::KeystorePtr;
use substrate_prometheus_endpoint::Registry;

use super::{FullPool, GrandpaLink, JUSTIFICATION_PERIOD};

/// Expected time for a vote to reach all nodes.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// What a voter needs.
pub(crate) struct Finality {
    pub role: Role,
    pub node_name: String,
    pub keystore: Option<KeystorePtr>,
    pub link: GrandpaLink,
    pub protocol: ProtocolName,
    pub notifications: Box<dyn NotificationService>,
    pub network: Arc<dyn NetworkService>,
    pub sync_service: Arc<SyncingService<Block>>,
    pub transaction_pool: Arc<FullPool>,
    pub voter_state: SharedVoterState,
    pub prometheus_registry: Option<Registry>,
    pub telemetry: Option<TelemetryHandle>,
}

impl Finality {
    /// Starts the voter; if it ends, the node ends.
    pub(crate) fn spawn(self, task_manager: &TaskManager) -> Result<(), ServiceError> {
        let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
            config: Config {
                gossip_duration: GOSSIP_DURATION,
                justification_generation_period: JUSTIFICATION_PERIOD,
                observer_enabled: false,
                local_role: self.role,
                name: Some(self.node_name),
                keystore: self.keystore,
                telemetry: self.telemetry.clone(),
                protocol_name: self.protocol,
            },
            link: self.link,
            network: self.network,
            sync: self.sync_service,
            notification_service: self.notifications,
            voting_rule: VotingRulesBuilder::default().build(),
            prometheus_registry: self.prometheus_registry,
            shared_voter_state: self.voter_state,
            telemetry: self.telemetry,
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(self.transaction_pool),
        })?;
        task_manager.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
        Ok(())
    }
}

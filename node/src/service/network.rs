//! The network, and what answers over it and over RPC.

use std::sync::Arc;

use futures::FutureExt;
use mica_runtime::{Hash, opaque::Block};
use sc_client_api::{Backend, BlockBackend};
use sc_consensus::DefaultImportQueue;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_grandpa::{
    FinalityProofProvider, SharedVoterState, warp_proof::NetworkProvider as WarpProofs,
};
use sc_network::{
    NetworkBackend, NotificationMetrics,
    config::FullNetworkConfiguration,
    service::traits::{NetworkService, NotificationService},
    types::ProtocolName,
};
use sc_network_sync::SyncingService;
use sc_service::{Configuration, TaskManager, WarpSyncConfig, error::Error as ServiceError};
use sc_telemetry::Telemetry;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_keystore::KeystorePtr;

use super::{FullBackend, FullClient, FullPool, FullSelectChain, GrandpaLink, rpc};

/// What the tasks of a node share.
pub(crate) struct Parts {
    pub client: Arc<FullClient>,
    pub backend: Arc<FullBackend>,
    pub keystore: KeystorePtr,
    pub transaction_pool: Arc<FullPool>,
    pub select_chain: FullSelectChain,
}

/// The running network, as far as consensus needs it.
pub(crate) struct Network {
    pub service: Arc<dyn NetworkService>,
    pub sync_service: Arc<SyncingService<Block>>,
    /// Nothing with `--no-grandpa`.
    pub votes: Option<Votes>,
}

/// Where votes for finality come and go.
pub(crate) struct Votes {
    pub protocol: ProtocolName,
    pub notifications: Box<dyn NotificationService>,
}

impl Network {
    /// Starts the network, and what everybody may ask of a node: blocks, transactions, RPC.
    pub(crate) fn start<N: NetworkBackend<Block, Hash>>(
        config: Configuration,
        parts: &Parts,
        import_queue: DefaultImportQueue<Block>,
        grandpa_link: &GrandpaLink,
        sources: rpc::Sources,
        task_manager: &mut TaskManager,
        telemetry: Option<&mut Telemetry>,
    ) -> Result<Self, ServiceError> {
        let mut net_config = FullNetworkConfiguration::<Block, Hash, N>::new(
            &config.network,
            config.prometheus_registry().cloned(),
        );
        let metrics = N::register_notification_metrics(config.prometheus_registry());
        // A protocol that nobody listens to would end every connection.
        let votes = (!config.disable_grandpa)
            .then(|| parts.add_grandpa(&config, &mut net_config, metrics.clone()))
            .transpose()?;
        let (service, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
            sc_service::build_network(sc_service::BuildNetworkParams {
                config: &config,
                net_config,
                client: parts.client.clone(),
                transaction_pool: parts.transaction_pool.clone(),
                spawn_handle: task_manager.spawn_handle(),
                spawn_essential_handle: task_manager.spawn_essential_handle(),
                import_queue,
                block_announce_validator_builder: None,
                warp_sync_config: Some(parts.warp_sync(grandpa_link)),
                block_relay: None,
                metrics,
                gap_sync_body_policy: None,
            })?;
        if config.offchain_worker.enabled {
            parts.spawn_offchain_workers(&config, &service, task_manager)?;
        }
        sc_service::spawn_tasks(sc_service::SpawnTasksParams {
            config,
            client: parts.client.clone(),
            backend: parts.backend.clone(),
            task_manager,
            keystore: parts.keystore.clone(),
            transaction_pool: parts.transaction_pool.clone(),
            rpc_builder: Box::new(move |executor| {
                rpc::module(sources.clone(), executor).map_err(ServiceError::Application)
            }),
            network: service.clone(),
            system_rpc_tx,
            tx_handler_controller,
            sync_service: sync_service.clone(),
            telemetry,
            tracing_execute_block: None,
        })?;
        Ok(Self { service, sync_service, votes })
    }
}

impl Parts {
    /// Lets GRANDPA's votes pass over the network.
    fn add_grandpa<N: NetworkBackend<Block, Hash>>(
        &self,
        config: &Configuration,
        net_config: &mut FullNetworkConfiguration<Block, Hash, N>,
        metrics: NotificationMetrics,
    ) -> Result<Votes, ServiceError> {
        let genesis_hash = self.client.block_hash(0)?.ok_or_else(|| {
            ServiceError::Other(
                "the database has no genesis block: run `mica-node purge-chain`".into(),
            )
        })?;
        let protocol =
            sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
        let (peers, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
            protocol.clone(),
            metrics,
            net_config.peer_store_handle(),
        );
        net_config.add_notification_protocol(peers);
        Ok(Votes { protocol, notifications })
    }

    /// Proofs with which a new node skips most of the chain.
    fn warp_sync(&self, grandpa_link: &GrandpaLink) -> WarpSyncConfig<Block> {
        WarpSyncConfig::WithProvider(Arc::new(WarpProofs::new(
            self.backend.clone(),
            grandpa_link.shared_authority_set().clone(),
            Vec::new(),
        )))
    }

    fn spawn_offchain_workers(
        &self,
        config: &Configuration,
        network: &Arc<dyn NetworkService>,
        task_manager: &TaskManager,
    ) -> Result<(), ServiceError> {
        let pool = OffchainTransactionPoolFactory::new(self.transaction_pool.clone());
        let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
            runtime_api_provider: self.client.clone(),
            is_validator: config.role.is_authority(),
            keystore: Some(self.keystore.clone()),
            offchain_db: self.backend.offchain_storage(),
            transaction_pool: Some(pool),
            network_provider: Arc::new(network.clone()),
            // No pallet of ours asks the outside world.
            enable_http_requests: false,
            custom_extensions: |_| Vec::new(),
        })?;
        task_manager.spawn_handle().spawn(
            "offchain-workers-runner",
            "offchain-worker",
            workers.run(self.client.clone(), task_manager.spawn_handle()).boxed(),
        );
        Ok(())
    }

    /// What the RPC server looks into.
    pub(crate) fn rpc_sources(
        &self,
        config: &Configuration,
        babe: BabeWorkerHandle<Block>,
        grandpa_link: &GrandpaLink,
        voter_state: SharedVoterState,
    ) -> rpc::Sources {
        rpc::Sources {
            client: self.client.clone(),
            chain_spec: config.chain_spec.cloned_box().into(),
            pool: self.transaction_pool.clone(),
            select_chain: self.select_chain.clone(),
            keystore: self.keystore.clone(),
            babe,
            voter_state,
            authority_set: grandpa_link.shared_authority_set().clone(),
            justifications: grandpa_link.justification_stream(),
            finality_proofs: FinalityProofProvider::new_for_service(
                self.backend.clone(),
                Some(grandpa_link.shared_authority_set().clone()),
            ),
        }
    }
}

//! The running node: network, RPC, authoring and finality over the parts of [`super::partial`].

use std::sync::Arc;

use futures::FutureExt;
use mica_runtime::{Hash, opaque::Block};
use sc_client_api::{Backend, BlockBackend};
use sc_consensus_grandpa::{
    FinalityProofProvider, SharedVoterState, warp_proof::NetworkProvider as WarpProofs,
};
use sc_network::NetworkBackend;
use sc_service::{
    Configuration, PartialComponents, TaskManager, WarpSyncConfig, error::Error as ServiceError,
};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;

use super::{Consensus, authoring::Authoring, finality::Finality, partial, rpc};

/// Starts a node with network backend `N`; it runs until the returned task manager ends.
///
/// # Errors
/// If a part cannot be built, for example because a port is taken.
pub fn start<N: NetworkBackend<Block, Hash>>(
    config: Configuration,
) -> Result<TaskManager, ServiceError> {
    let PartialComponents {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: Consensus { block_import, babe_link, babe_worker, grandpa_link, mut telemetry },
    } = partial(&config)?;

    let genesis_hash = client.block_hash(0)?.ok_or_else(|| {
        ServiceError::Other("the database has no genesis block: run `mica-node purge-chain`".into())
    })?;

    let mut net_config = sc_network::config::FullNetworkConfiguration::<Block, Hash, N>::new(
        &config.network,
        config.prometheus_registry().cloned(),
    );
    let metrics = N::register_notification_metrics(config.prometheus_registry());
    let grandpa_protocol =
        sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
    let (grandpa_peers, grandpa_notifications) =
        sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
            grandpa_protocol.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
    net_config.add_notification_protocol(grandpa_peers);

    let warp_proofs = Arc::new(WarpProofs::new(
        backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        Vec::new(),
    ));
    let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
        sc_service::build_network(sc_service::BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_proofs)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    if config.offchain_worker.enabled {
        let offchain_workers =
            sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
                runtime_api_provider: client.clone(),
                is_validator: config.role.is_authority(),
                keystore: Some(keystore_container.keystore()),
                offchain_db: backend.offchain_storage(),
                transaction_pool: Some(OffchainTransactionPoolFactory::new(
                    transaction_pool.clone(),
                )),
                network_provider: Arc::new(network.clone()),
                // No pallet of ours asks the outside world.
                enable_http_requests: false,
                custom_extensions: |_| Vec::new(),
            })?;
        task_manager.spawn_handle().spawn(
            "offchain-workers-runner",
            "offchain-worker",
            offchain_workers.run(client.clone(), task_manager.spawn_handle()).boxed(),
        );
    }

    let role = config.role;
    let force_authoring = config.force_authoring;
    let node_name = config.network.node_name.clone();
    let votes = !config.disable_grandpa;
    let prometheus_registry = config.prometheus_registry().cloned();
    let voter_state = SharedVoterState::empty();

    let sources = rpc::Sources {
        client: client.clone(),
        pool: transaction_pool.clone(),
        select_chain: select_chain.clone(),
        keystore: keystore_container.keystore(),
        babe: babe_worker,
        voter_state: voter_state.clone(),
        authority_set: grandpa_link.shared_authority_set().clone(),
        justifications: grandpa_link.justification_stream(),
        finality_proofs: FinalityProofProvider::new_for_service(
            backend.clone(),
            Some(grandpa_link.shared_authority_set().clone()),
        ),
    };
    sc_service::spawn_tasks(sc_service::SpawnTasksParams {
        config,
        client: client.clone(),
        backend,
        task_manager: &mut task_manager,
        keystore: keystore_container.keystore(),
        transaction_pool: transaction_pool.clone(),
        rpc_builder: Box::new(move |executor| {
            rpc::module(sources.clone(), executor)
                .map_err(|error| ServiceError::Application(error.into()))
        }),
        network: network.clone(),
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;

    let telemetry_handle = telemetry.as_ref().map(|telemetry| telemetry.handle());
    if role.is_authority() {
        Authoring {
            client,
            select_chain,
            transaction_pool: transaction_pool.clone(),
            keystore: keystore_container.keystore(),
            block_import,
            babe_link,
            sync_service: sync_service.clone(),
            force_authoring,
            prometheus_registry: prometheus_registry.clone(),
            telemetry: telemetry_handle.clone(),
        }
        .spawn(&task_manager)?;
    }
    if votes {
        Finality {
            role,
            node_name,
            // Only an authority votes; everybody else only listens, and needs no keys.
            keystore: role.is_authority().then(|| keystore_container.keystore()),
            link: grandpa_link,
            protocol: grandpa_protocol,
            notifications: grandpa_notifications,
            network,
            sync_service,
            transaction_pool,
            voter_state,
            prometheus_registry,
            telemetry: telemetry_handle,
        }
        .spawn(&task_manager)?;
    }
    Ok(task_manager)
}

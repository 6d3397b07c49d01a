//! The running node: network, RPC, authoring and finality over the parts of [`super::partial`].

use mica_runtime::{Hash, opaque::Block};
use sc_consensus_grandpa::SharedVoterState;
use sc_network::{Multiaddr, NetworkBackend, config::Role};
use sc_service::{Configuration, PartialComponents, TaskManager, error::Error as ServiceError};
use substrate_prometheus_endpoint::Registry;

use super::{
    Consensus,
    authoring::Authoring,
    discovery::Discovery,
    finality::Finality,
    network::{Network, Parts, Votes},
    partial,
};

/// What consensus needs of the configuration, which the network and the RPC server take.
struct Settings {
    role: Role,
    node_name: String,
    force_authoring: bool,
    public_addresses: Vec<Multiaddr>,
    private_addresses: bool,
    prometheus_registry: Option<Registry>,
}

impl Settings {
    fn of(config: &Configuration) -> Self {
        Self {
            role: config.role,
            node_name: config.network.node_name.clone(),
            force_authoring: config.force_authoring,
            public_addresses: config.network.public_addresses.clone(),
            private_addresses: config.network.allow_non_globals_in_dht,
            prometheus_registry: config.prometheus_registry().cloned(),
        }
    }
}

/// Starts a node with network backend `N`; it runs until the returned task manager ends.
///
/// # Errors
/// If a part cannot be built, for example because a port is taken.
pub(crate) fn start<N: NetworkBackend<Block, Hash>>(
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
    let keystore = keystore_container.keystore();
    let parts = Parts { client, backend, keystore, transaction_pool, select_chain };
    let settings = Settings::of(&config);
    let voter_state = SharedVoterState::empty();
    let rpc = parts.rpc_sources(&config, babe_worker, &grandpa_link, voter_state.clone());
    let network = Network::start::<N>(
        config,
        &parts,
        import_queue,
        &grandpa_link,
        rpc,
        &mut task_manager,
        telemetry.as_mut(),
    )?;
    let Settings {
        role,
        node_name,
        force_authoring,
        public_addresses,
        private_addresses,
        prometheus_registry,
    } = settings;
    let telemetry = telemetry.as_ref().map(|telemetry| telemetry.handle());
    if role.is_authority() {
        Discovery {
            client: parts.client.clone(),
            network: network.service.clone(),
            keystore: parts.keystore.clone(),
            public_addresses,
            private_addresses,
            prometheus_registry: prometheus_registry.clone(),
        }
        .spawn(&task_manager);
        Authoring {
            client: parts.client,
            select_chain: parts.select_chain,
            transaction_pool: parts.transaction_pool.clone(),
            keystore: parts.keystore.clone(),
            block_import,
            babe_link,
            sync_service: network.sync_service.clone(),
            force_authoring,
            prometheus_registry: prometheus_registry.clone(),
            telemetry: telemetry.clone(),
        }
        .spawn(&task_manager)?;
    }
    if let Some(Votes { protocol, notifications }) = network.votes {
        Finality {
            role,
            node_name,
            // Only an authority votes; everybody else only listens, and needs no keys.
            keystore: role.is_authority().then_some(parts.keystore),
            link: grandpa_link,
            protocol,
            notifications,
            network: network.service,
            sync_service: network.sync_service,
            transaction_pool: parts.transaction_pool,
            voter_state,
            prometheus_registry,
            telemetry,
        }
        .spawn(&task_manager)?;
    }
    Ok(task_manager)
}

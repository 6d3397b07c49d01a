//! Authority discovery: a validator publishes its addresses in the DHT, signed with a session key,
//! and looks up those of the others, so that a set of validators finds each other whatever their
//! bootnodes know.

use std::sync::Arc;

use futures::StreamExt;
use sc_authority_discovery::{Role, WorkerConfig, new_worker_and_service_with_config};
use sc_network::{Event, Multiaddr, service::traits::NetworkService};
use sc_service::TaskManager;
use sp_keystore::KeystorePtr;
use substrate_prometheus_endpoint::Registry;

use super::FullClient;

/// What discovery needs.
pub(crate) struct Discovery {
    pub client: Arc<FullClient>,
    pub network: Arc<dyn NetworkService>,
    pub keystore: KeystorePtr,
    /// Addresses that the operator says are its own.
    pub public_addresses: Vec<Multiaddr>,
    /// Whether private addresses are published too, as on a chain for tests.
    pub private_addresses: bool,
    pub prometheus_registry: Option<Registry>,
}

impl Discovery {
    /// Starts it. A node whose discovery ends keeps the peers that it has.
    pub(crate) fn spawn(self, task_manager: &TaskManager) {
        let events = self.network.event_stream("authority-discovery");
        let answers = events.filter_map(|event| async move {
            match event {
                Event::Dht(answer) => Some(answer),
                _ => None,
            }
        });
        let (worker, _service) = new_worker_and_service_with_config(
            WorkerConfig {
                publish_non_global_ips: self.private_addresses,
                public_addresses: self.public_addresses,
                ..WorkerConfig::default()
            },
            self.client,
            Arc::new(self.network),
            Box::pin(answers),
            Role::PublishAndDiscover(self.keystore),
            self.prometheus_registry,
            task_manager.spawn_handle(),
        );
        task_manager.spawn_handle().spawn("authority-discovery", Some("networking"), worker.run());
    }
}

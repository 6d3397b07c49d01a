//! Assembles a node: this file has the parts that every task needs, [`start`] the running node, and
//! the modules below block authoring, finality and RPC.

use std::sync::Arc;

use mica_runtime::{apis::RuntimeApi, opaque::Block};
use sc_executor::WasmExecutor;
use sc_service::{Configuration, PartialComponents, error::Error as ServiceError};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool::TransactionPoolHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;

mod authoring;
mod discovery;
mod equivocation;
mod finality;
mod inherents;
mod network;
mod node;
mod rpc;

pub(crate) use node::start;

use equivocation::Watched;
use inherents::Inherents;

/// The client: database, Wasm runtime and the runtime's APIs.
pub(crate) type FullClient =
    sc_service::TFullClient<Block, RuntimeApi, WasmExecutor<sp_io::SubstrateHostFunctions>>;
/// The database.
pub(crate) type FullBackend = sc_service::TFullBackend<Block>;
/// The longest chain is the best one.
pub(crate) type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
/// The transaction pool.
pub(crate) type FullPool = TransactionPoolHandle<Block, FullClient>;

type GrandpaImport =
    sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type BabeImport = sc_consensus_babe::BabeBlockImport<
    Block,
    FullClient,
    GrandpaImport,
    Inherents,
    FullSelectChain,
>;
type GrandpaLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, FullSelectChain>;

/// Blocks between justifications that the node keeps, so that a client can be given a proof of
/// finality for any block cheaply.
const JUSTIFICATION_PERIOD: u32 = 512;
/// Lines that wait for the telemetry server before new ones are dropped.
const TELEMETRY_BUFFER: usize = 16;

/// The parts of consensus that the running node needs.
pub(crate) struct Consensus {
    block_import: BabeImport,
    babe_link: sc_consensus_babe::BabeLink<Block>,
    babe_worker: sc_consensus_babe::BabeWorkerHandle<Block>,
    grandpa_link: GrandpaLink,
    telemetry: Option<Telemetry>,
}

/// The parts of a node that every task needs.
pub(crate) type Partial = PartialComponents<
    FullClient,
    FullBackend,
    FullSelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    FullPool,
    Consensus,
>;

/// Opens the database and builds client, pool and import queue: a node without network, authoring
/// or RPC.
///
/// # Errors
/// If the database, the keystore or the runtime cannot be opened.
pub(crate) fn partial(config: &Configuration) -> Result<Partial, ServiceError> {
    let telemetry = telemetry(config)?;
    let executor = sc_service::new_wasm_executor::<sp_io::SubstrateHostFunctions>(&config.executor);
    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            executor,
            Vec::new(),
        )?;
    let client = Arc::new(client);
    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager.spawn_handle().spawn("telemetry", None, worker.run());
        telemetry
    });

    let select_chain = FullSelectChain::new(backend.clone());
    let transaction_pool = Arc::new(
        sc_transaction_pool::Builder::new(
            task_manager.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build(),
    );

    let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        telemetry.as_ref().map(Telemetry::handle),
    )?;
    let justification_import = grandpa_import.clone();

    let babe_config = sc_consensus_babe::configuration(&*client)?;
    let slot_duration = babe_config.slot_duration();
    let (block_import, babe_link) = sc_consensus_babe::block_import(
        babe_config,
        grandpa_import,
        client.clone(),
        Inherents { slot_duration, client: client.clone() },
        select_chain.clone(),
        OffchainTransactionPoolFactory::new(transaction_pool.clone()),
    )?;
    let (import_queue, babe_worker) =
        sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
            link: babe_link.clone(),
            block_import: Watched::new(
                block_import.clone(),
                client.clone(),
                OffchainTransactionPoolFactory::new(transaction_pool.clone()),
            ),
            justification_import: Some(Box::new(justification_import)),
            client: client.clone(),
            slot_duration,
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            telemetry: telemetry.as_ref().map(Telemetry::handle),
        })?;

    Ok(PartialComponents {
        client,
        backend,
        task_manager,
        keystore_container,
        select_chain,
        import_queue,
        transaction_pool,
        other: Consensus { block_import, babe_link, babe_worker, grandpa_link, telemetry },
    })
}

/// What sends reports to telemetry servers, with the task that does it; nothing without servers.
fn telemetry(
    config: &Configuration,
) -> Result<Option<(TelemetryWorker, Telemetry)>, sc_telemetry::Error> {
    let endpoints = config.telemetry_endpoints.clone();
    let Some(endpoints) = endpoints.filter(|endpoints| !endpoints.is_empty()) else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(TELEMETRY_BUFFER)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    Ok(Some((worker, telemetry)))
}

//! JSON-RPC methods beyond those of every Substrate node: nonces, fees, the state of BABE and
//! GRANDPA, and the specification with which light clients begin.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use mica_runtime::{BlockNumber, Hash, opaque::Block};
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_babe_rpc::{Babe, BabeApiServer};
use sc_consensus_grandpa::{
    FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_service::ChainSpec;
use sc_sync_state_rpc::{SyncState, SyncStateApiServer};
use sp_keystore::KeystorePtr;
use substrate_frame_rpc_system::{System, SystemApiServer};

use super::{FullBackend, FullClient, FullPool, FullSelectChain};

/// What the handlers read.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The chain.
    pub client: Arc<FullClient>,
    /// Its specification, for `sync_state_genSyncSpec`.
    pub chain_spec: Arc<dyn ChainSpec>,
    /// Pending transactions, for the next nonce.
    pub pool: Arc<FullPool>,
    /// The best chain, for `babe_epochAuthorship`.
    pub select_chain: FullSelectChain,
    /// Our session keys, for the same.
    pub keystore: KeystorePtr,
    /// BABE's epochs.
    pub babe: BabeWorkerHandle<Block>,
    /// GRANDPA's round.
    pub voter_state: SharedVoterState,
    /// GRANDPA's voters.
    pub authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    /// New justifications.
    pub justifications: GrandpaJustificationStream<Block>,
    /// Proofs of finality for old blocks.
    pub finality_proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
}

/// All the handlers in one module.
///
/// # Errors
/// If two handlers claim one method's name, or the specification has no place for a light client's
/// beginning.
pub(crate) fn module(
    sources: Sources,
    executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>> {
    let Sources {
        client,
        chain_spec,
        pool,
        select_chain,
        keystore,
        babe,
        voter_state,
        authority_set,
        justifications,
        finality_proofs,
    } = sources;
    let mut module = RpcModule::new(());
    module.merge(System::new(client.clone(), pool).into_rpc())?;
    module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
    let sync_state = SyncState::new(
        chain_spec.cloned_box(),
        client.clone(),
        authority_set.clone(),
        babe.clone(),
    )?;
    module.merge(sync_state.into_rpc())?;
    module.merge(Babe::new(client, babe, keystore, select_chain).into_rpc())?;
    module.merge(
        Grandpa::new(executor, authority_set, voter_state, justifications, finality_proofs)
            .into_rpc(),
    )?;
    Ok(module)
}

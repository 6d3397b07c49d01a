//! The connection to a node: opened once, reconnects by itself, shared by cloning.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use codec::Encode;
use mica_host::lock;
use mica_primitives::{BlockNumber, Hash32, domain::blake2_256};
use subxt::{
    OnlineClient, SubstrateConfig,
    backend::{Backend, LegacyBackend},
    config::RpcConfigFor,
    rpcs::{
        client::{
            ReconnectingRpcClient, RpcClient,
            reconnecting_rpc_client::{ExponentialBackoff, PingConfig},
        },
        methods::LegacyRpcMethods,
    },
};

use crate::{AccountId, ConnectError, Head, Heads, ReadError, View};

/// Longest wait for one answer of the node.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause between two attempts to mend the connection.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);
/// How often a connection is tried on which nothing happens.
const PING_INTERVAL: Duration = Duration::from_secs(4);
/// A connection on which nothing came for so long is made anew: this machine's address may have
/// changed, and then nobody says that it is dead.
const INACTIVE: Duration = Duration::from_secs(8);
/// The pallet by which a Mica runtime is known.
const KNOWN_BY: &str = "Channels";

pub(crate) type Config = SubstrateConfig;

/// A connection to a Mica node. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    genesis: Hash32,
    backend: Arc<LegacyBackend<Config>>,
    rpc: RpcClient,
    methods: LegacyRpcMethods<RpcConfigFor<Config>>,
    client: OnlineClient<Config>,
    /// One lock per account that signs here: held from the choice of a nonce until the pool has the
    /// extrinsic.
    nonces: Mutex<BTreeMap<AccountId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Chain {
    /// Connects to `url` (`ws://` or `wss://`) and checks that a Mica chain answers.
    ///
    /// A connection that is lost later is mended in the background; requests wait for it within
    /// their deadline.
    ///
    /// # Errors
    /// [`ConnectError`] says whether the address, the node or its chain is wrong.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        if !(url.starts_with("ws://") || url.starts_with("wss://")) {
            return Err(ConnectError::Url { url: url.to_owned() });
        }
        let unreachable =
            |reason: String| ConnectError::Unreachable { url: url.to_owned(), reason };
        let late = || unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
        // A first plain attempt gives the reason at once; the mending client would try for ever in
        // silence.
        let probe = RpcClient::from_insecure_url(url);
        tokio::time::timeout(CONNECT_TIMEOUT, probe)
            .await
            .map_err(|_| late())?
            .map_err(|error| unreachable(root_cause(&error)))?;
        let mending = ReconnectingRpcClient::builder()
            .retry_policy(ExponentialBackoff::from_millis(50).max_delay(RECONNECT_PAUSE))
            .request_timeout(REQUEST_TIMEOUT)
            .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(INACTIVE))
            .build(url);
        let mending = tokio::time::timeout(CONNECT_TIMEOUT, mending)
            .await
            .map_err(|_| late())?
            .map_err(|error| unreachable(root_cause(&error)))?;
        let rpc = RpcClient::new(mending);
        let backend = Arc::new(LegacyBackend::builder().build(rpc.clone()));
        let client = tokio::time::timeout(
            CONNECT_TIMEOUT,
            OnlineClient::from_backend_with_config(Config::new(), backend.clone()),
        )
        .await
        .map_err(|_| late())?
        .map_err(|error| unreachable(root_cause(&error)))?;
        let block = tokio::time::timeout(CONNECT_TIMEOUT, client.at_current_block())
            .await
            .map_err(|_| late())?;
        let block = block.map_err(|error| unreachable(root_cause(&error)))?;
        if block.metadata_ref().pallet_by_name(KNOWN_BY).is_none() {
            return Err(ConnectError::Foreign { url: url.to_owned(), pallet: KNOWN_BY });
        }
        let genesis = client.genesis_hash().0;
        let methods = LegacyRpcMethods::new(rpc.clone());
        let inner = Inner {
            url: url.to_owned(),
            genesis,
            backend,
            rpc,
            methods,
            client,
            nonces: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The address of the node.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Hash of block 0: part of every signed message, so that none can be replayed on another
    /// chain.
    pub fn genesis_hash(&self) -> Hash32 {
        self.inner.genesis
    }

    /// The last finalized block.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn finalized(&self) -> Result<Head, ReadError> {
        let block =
            within("chain_getFinalizedHead", self.backend().latest_finalized_block_ref()).await?;
        let hash = block.hash();
        let header = within("chain_getHeader", self.backend().block_header(hash))
            .await?
            .ok_or_else(|| missing(&hash.0))?;
        Ok(Head { number: header.number as BlockNumber, hash: hash.0 })
    }

    /// The newest block of the best chain, which may still be replaced.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn best(&self) -> Result<Head, ReadError> {
        let header = within("chain_getHeader", self.inner.methods.chain_get_header(None))
            .await?
            .ok_or_else(|| missing(&[0; 32]))?;
        Ok(Head { number: header.number as BlockNumber, hash: blake2_256(&header.encode()) })
    }

    /// Reads as of the last finalized block: what it says cannot be undone.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn at_finalized(&self) -> Result<View, ReadError> {
        self.finalized().await.map(|head| View::new(self.clone(), head))
    }

    /// Reads as of the newest block, which may still be replaced.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn at_best(&self) -> Result<View, ReadError> {
        self.best().await.map(|head| View::new(self.clone(), head))
    }

    /// Reads as of one block.
    pub fn at(&self, head: Head) -> View {
        View::new(self.clone(), head)
    }

    /// Finalized blocks as they come, without gaps.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn finalized_heads(&self) -> Result<Heads, ReadError> {
        within("chain_subscribeFinalizedHeads", self.client().stream_blocks()).await.map(Heads::new)
    }

    /// New blocks of the best chain as they come.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn best_heads(&self) -> Result<Heads, ReadError> {
        within("chain_subscribeNewHeads", self.client().stream_best_blocks()).await.map(Heads::new)
    }

    pub(crate) fn backend(&self) -> &LegacyBackend<Config> {
        &self.inner.backend
    }

    pub(crate) fn rpc(&self) -> &RpcClient {
        &self.inner.rpc
    }

    pub(crate) fn methods(&self) -> &LegacyRpcMethods<RpcConfigFor<Config>> {
        &self.inner.methods
    }

    pub(crate) fn client(&self) -> &OnlineClient<Config> {
        &self.inner.client
    }

    pub(crate) fn nonce_lock(&self, account: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.inner.nonces).entry(account).or_default().clone()
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({})", self.inner.url)
    }
}

/// Waits for `future` at most [`REQUEST_TIMEOUT`] and names the request in its error.
pub(crate) async fn within<T, E: std::error::Error>(
    what: &str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, ReadError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            Err(ReadError::Node { what: what.to_owned(), reason: root_cause(&error) })
        }
        Err(_) => {
            Err(ReadError::Timeout { what: what.to_owned(), seconds: REQUEST_TIMEOUT.as_secs() })
        }
    }
}

/// The message of an error and of all that caused it, without saying anything twice.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = cause.source();
    }
    // Each layer below says so again.
    printable(&text.replace("RPC error: ", "").replace("client error: ", ""))
}

/// A node's words without control characters: they end up on a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

pub(crate) fn missing(hash: &Hash32) -> ReadError {
    ReadError::Node {
        what: "chain_getHeader".to_owned(),
        reason: format!("the node knows no block 0x{}", hex::encode(hash)),
    }
}

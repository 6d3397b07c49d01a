//! A worker that may have weights, and a stream to it.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use mica_net::{Mdns, Net, NetConfig, Offence, StartError};
use mica_primitives::{Hash32, ModelId, PublicKey, WorkerAddresses};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    bits::Bits,
    index::{Blob, Index},
    protocol::{self, MAX_REPLY_BYTES, Reply, Request, WINDOW},
    tree,
};

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream that is being opened.
pub type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Duplex>, PeerError>> + Send + 'a>>;

/// Somebody who may have weights.
pub trait Peer: Send + Sync {
    /// Who it is, for people.
    fn name(&self) -> String;

    /// Opens a stream to it.
    fn open(&self) -> Opening<'_>;

    /// It sent other bytes than the hash says, on purpose: nobody does that by mistake.
    fn lied(&self);
}

/// Why a peer gives nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It cannot be reached.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The stream broke, or what came is no reply.
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
    /// No reply in time.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// All of it did not come in time.
    #[error("it is too slow")]
    Slow,
    /// It does not have it.
    #[error("it does not hold this model")]
    Absent,
    /// It sent other bytes than the hash says, or another kind of reply than was asked for.
    #[error("it sent wrong bytes and is asked no more")]
    Lied,
}

impl PeerError {
    /// Whether it may go better a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Broken(_) | Self::Late | Self::Slow)
    }
}

/// A node of our own that dials those who have weights, for as long as something is fetched.
pub struct Dialler {
    net: Net,
    _events: AbortOnDropHandle<()>,
}

impl Dialler {
    /// Starts one with a new name. It learns addresses from `bootstrap` and, if `mdns` says so, on
    /// the LAN.
    ///
    /// # Errors
    /// [`StartError`] if the network does not start.
    pub fn start(bootstrap: &[String], mdns: Mdns) -> Result<Self, StartError> {
        let config =
            NetConfig { bootstrap: bootstrap.to_vec(), mdns, ..NetConfig::new(rand::random()) };
        let (net, mut events) = Net::start(config)?;
        // Nobody has anything to say on links, but a full queue would stop everything.
        let events = tokio::spawn(async move { while events.recv().await.is_some() {} });
        Ok(Self { net, _events: AbortOnDropHandle::new(events) })
    }

    /// A worker with this peer key, at these addresses as the registry has them.
    pub fn peer(&self, key: PublicKey, addresses: &WorkerAddresses) -> Arc<dyn Peer> {
        let (net, addresses) = (self.net.clone(), mica_net::address_texts(addresses));
        Arc::new(NetPeer { net, key, addresses })
    }

    /// Closes all connections.
    pub async fn stop(self) {
        self.net.stop().await;
    }
}

/// A worker on the network.
pub struct NetPeer {
    /// Our own node.
    pub net: Net,
    /// Its peer key.
    pub key: PublicKey,
    /// Where it may be dialled.
    pub addresses: Vec<String>,
}

impl Peer for NetPeer {
    fn name(&self) -> String {
        format!("peer {}", hex::encode(&self.key[..4]))
    }

    fn open(&self) -> Opening<'_> {
        Box::pin(async {
            let stream = self.net.open_weights(self.key, &self.addresses).await;
            let stream = stream.map_err(|error| PeerError::Unreachable(error.to_string()))?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
    }

    fn lied(&self) {
        self.net.strike(self.key, Offence::WrongWeights);
    }
}

/// An open stream with requests under way.
pub(crate) struct Asking {
    stream: Box<dyn Duplex>,
    /// Bytes that came, of all replies.
    pub(crate) received: u64,
}

impl Asking {
    pub(crate) async fn open(peer: &dyn Peer) -> Result<Self, PeerError> {
        let stream = timeout(2 * PATIENCE, peer.open()).await.map_err(|_| PeerError::Late)??;
        Ok(Self { stream, received: 0 })
    }

    /// Puts a request on its way.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<(), PeerError> {
        let writing = async {
            protocol::write(&mut self.stream, request).await?;
            self.stream.flush().await
        };
        Ok(timeout(PATIENCE, writing).await.map_err(|_| PeerError::Late)??)
    }

    /// The reply to the request that is under way for longest.
    pub(crate) async fn reply(&mut self) -> Result<Reply, PeerError> {
        let read = protocol::read::<Reply>(&mut self.stream, MAX_REPLY_BYTES);
        let reply = timeout(PATIENCE, read).await.map_err(|_| PeerError::Late)??;
        let reply = reply.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        self.received += match &reply {
            Reply::Index(bytes) | Reply::Held(bytes) | Reply::Piece(bytes) => {
                bytes.len() as u64 + 8
            }
            Reply::Absent => 5,
        };
        Ok(reply)
    }

    /// A model's index, which may be made up.
    pub(crate) async fn index(&mut self, id: ModelId) -> Result<Index, PeerError> {
        self.ask(&Request::Index(id)).await?;
        match self.reply().await? {
            Reply::Index(bytes) => Index::from_bytes(&bytes).map_err(|_| PeerError::Lied),
            Reply::Absent => Err(PeerError::Absent),
            _ => Err(PeerError::Lied),
        }
    }

    /// Which of so many tensors of a model it holds.
    pub(crate) async fn held(&mut self, id: ModelId, tensors: usize) -> Result<Bits, PeerError> {
        self.ask(&Request::Held(id)).await?;
        match self.reply().await? {
            Reply::Held(bytes) => Ok(Bits::from_bytes(&bytes, tensors)),
            Reply::Absent => Err(PeerError::Absent),
            _ => Err(PeerError::Lied),
        }
    }

    /// All of a blob, verified. `on_bytes` is told of what came.
    pub(crate) async fn blob(
        &mut self,
        blob: &Blob,
        mut on_bytes: impl FnMut(u64),
    ) -> Result<Vec<u8>, PeerError> {
        let (count, mut asked) = (tree::pieces(blob.bytes), 0);
        let mut found = Vec::new();
        for piece in 0..count {
            while asked < count && asked < piece + WINDOW as u32 {
                self.ask(&Request::Piece { hash: blob.hash, piece: asked }).await?;
                asked += 1;
            }
            let bytes = self.piece(&blob.hash, blob.bytes, piece).await?;
            on_bytes(bytes.len() as u64);
            found.extend_from_slice(&bytes);
        }
        Ok(found)
    }

    /// The piece that was asked for, verified.
    pub(crate) async fn piece(
        &mut self,
        hash: &Hash32,
        bytes: u64,
        piece: u32,
    ) -> Result<Vec<u8>, PeerError> {
        let encoded = match self.reply().await? {
            Reply::Piece(encoded) => encoded,
            Reply::Absent => return Err(PeerError::Absent),
            _ => return Err(PeerError::Lied),
        };
        let hash = *hash;
        let decoded =
            tokio::task::spawn_blocking(move || tree::decode(&hash, bytes, piece, &encoded)).await;
        decoded.map_err(io::Error::other)?.ok_or(PeerError::Lied)
    }
}

//! Why a hub does not run.

use mica_chain::{ReadError, SubmitError};
use mica_net::StartError;
use mica_payer::{channels::ChannelError, store::StoreError};
use mica_protocol::channel::LedgerError;

/// Why a hub does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What a redeem costs cannot be asked.
    #[error(transparent)]
    Fee(#[from] SubmitError),
    /// The database failed: nothing that depends on it was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain is not the one of the records, or nothing is final on it.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A record is damaged.
    #[error(
        "a record of what the hub was promised is damaged ({0}): restore state.redb from a backup"
    )]
    Record(#[from] LedgerError),
    /// The metrics cannot be served there.
    #[error(
        "the metrics cannot be served on {address} ({source}): free that port, or name another \
         address with --metrics"
    )]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Nobody listens to the network any more.
    #[error("the network has stopped: start the hub again")]
    NetworkStopped,
}

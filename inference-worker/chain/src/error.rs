//! What can go wrong, one enum per operation, each with what to do about it.

use thiserror::Error;

use crate::DispatchFailure;

/// Why there is no connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not of a WebSocket.
    #[error("`{url}` is no node address: write it as ws://host:port or wss://host:port")]
    Url {
        /// As it was given.
        url: String,
    },
    /// Nobody answers.
    #[error("no node answers at {url} ({reason}): start one with `mica-node --dev` or name another with --node-url")]
    Unreachable {
        /// The address that was tried.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// It answers but is no Mica chain.
    #[error("{url} is not a Mica chain (its runtime has no pallet `{pallet}`): name another node with --node-url")]
    Foreign {
        /// The address that was tried.
        url: String,
        /// The pallet that every Mica runtime has.
        pallet: &'static str,
    },
}

/// Why a read failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The node did not answer in time; the connection mends itself.
    #[error("the node did not answer `{what}` within {seconds} s: check that it runs and is reachable, then try again")]
    Timeout {
        /// What was asked.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The node answered with an error.
    #[error("the node could not answer `{what}`: {reason}")]
    Node {
        /// What was asked.
        what: String,
        /// What the node said.
        reason: String,
    },
    /// The answer has another shape than this build knows.
    #[error("the answer to `{what}` is not what this build knows ({reason}): update the program or the node so that they match")]
    Shape {
        /// What was asked.
        what: String,
        /// What the decoder said.
        reason: String,
    },
}

/// Why a submission failed. After [`SubmitError::Timeout`] the extrinsic may still be included: read the chain before trying again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The runtime knows no such call.
    #[error("the chain has no call `{pallet}.{call}`: update the program or the node so that they match")]
    UnknownCall {
        /// Name of the pallet.
        pallet: &'static str,
        /// Name of the call.
        call: &'static str,
    },
    /// The account cannot pay the fee.
    #[error("account {account} cannot pay the fee: send it some MICA (`mica wallet transfer {account} 1`)")]
    NoFunds {
        /// The account.
        account: String,
    },
    /// The pool or the chain refused the extrinsic before it ran.
    #[error("the node refused {what}: {reason}")]
    Refused {
        /// The call.
        what: String,
        /// What the node said.
        reason: String,
    },
    /// It ran and failed; the fee is spent.
    #[error("{what} failed: {failure}")]
    Failed {
        /// The call.
        what: String,
        /// What the runtime said.
        failure: DispatchFailure,
    },
    /// Nothing was heard for too long.
    #[error("{what} was sent but not included within {seconds} s: check that the chain makes blocks before trying again")]
    Timeout {
        /// The call.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The connection was lost after it was sent.
    #[error("{what} was sent but the node was lost ({reason}): it may still be included, so read the chain before trying again")]
    Lost {
        /// The call.
        what: String,
        /// What the connection said.
        reason: String,
    },
    /// A read that the submission needs failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

//! What can go wrong, one enum per operation, each with what to do about it.

use mica_primitives::{Balance, BlockNumber, Hash32};
use thiserror::Error;

use crate::{DispatchFailure, amount};

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
    #[error(
        "no node answers at {url} ({reason}): start one with `mica-node --dev` or name another \
         with --node-url"
    )]
    Unreachable {
        /// The address that was tried.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// It answers but is no Mica chain.
    #[error(
        "{url} is not a Mica chain (its runtime has no pallet `{pallet}`): name another node with \
         --node-url"
    )]
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
    #[error(
        "the node did not answer `{what}` within {seconds} s: check that it runs and is \
         reachable, then try again"
    )]
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
    #[error(
        "the answer to `{what}` is not what this build knows ({reason}): update the program or \
         the node so that they match"
    )]
    Shape {
        /// What was asked.
        what: String,
        /// What the decoder said.
        reason: String,
    },
}

/// Why a submission failed, and whether it cost a fee.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The runtime knows no such call.
    #[error(
        "the chain has no call `{pallet}.{call}`: update the program or the node so that they \
         match"
    )]
    UnknownCall {
        /// Name of the pallet.
        pallet: &'static str,
        /// Name of the call.
        call: &'static str,
    },
    /// The account cannot pay the fee.
    #[error(
        "account {account} cannot pay the fee and keep its existential deposit; nothing was sent: \
         send it some MICA from another account (`mica wallet transfer {account} 1MICA --wallet \
         OTHER`)"
    )]
    NoFunds {
        /// The account.
        account: String,
    },
    /// The pool refused the extrinsic before it ran.
    #[error("the node refused {what}, and nothing was done: {reason}")]
    Refused {
        /// The call.
        what: String,
        /// What the node said.
        reason: String,
    },
    /// It ran and failed; the fee is spent.
    #[error("{what} failed in block {block}: {failure}; nothing was moved{}{}", lost(.fee), open(*.is_final))]
    Failed {
        /// The call.
        what: String,
        /// What the runtime said.
        failure: Box<DispatchFailure>,
        /// The block that holds it.
        block: BlockNumber,
        /// Whether that can no longer change.
        is_final: bool,
        /// What it cost the signer, base units; 0 if it was free.
        fee: Balance,
    },
    /// It did what it should in a block that was not final in time.
    #[error(
        "{what} is done in block {block} (fee {}), and that block is not final yet: do not send it again; \
         `mica wallet status 0x{}` tells when it is final, `mica doctor` whether finality stands still",
        amount::format(*.fee), hex::encode(.extrinsic)
    )]
    NotFinal {
        /// The call.
        what: String,
        /// The block that holds it.
        block: BlockNumber,
        /// Its hash.
        extrinsic: Hash32,
        /// What it cost the signer, base units.
        fee: Balance,
    },
    /// It was sent, and whether a block holds it is not known.
    #[error(
        "{what} was sent, and it is not known whether it is done ({reason}): do not send it again before \
         `mica wallet status 0x{}` has told; no block after block {last} can have it",
        hex::encode(.extrinsic)
    )]
    Unknown {
        /// The call.
        what: String,
        /// Its hash.
        extrinsic: Hash32,
        /// The last block that may hold it.
        last: BlockNumber,
        /// What is known instead.
        reason: String,
    },
    /// It was sent, no final block holds it, and none can hold it any more.
    #[error(
        "{what} was sent and is in no block up to block {last}, after which it is not valid: \
         nothing was done, so send it again"
    )]
    Expired {
        /// The call.
        what: String,
        /// The last block that might have held it.
        last: BlockNumber,
    },
    /// A read that the submission needs failed; nothing was sent.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SubmitError {
    /// The fee that is known to be spent all the same, base units.
    pub fn fee_spent(&self) -> Balance {
        match self {
            Self::Failed { fee, .. } | Self::NotFinal { fee, .. } => *fee,
            _ => 0,
        }
    }
}

fn open(is_final: bool) -> &'static str {
    if is_final { "" } else { " (that block is not final yet, so this may still change)" }
}

fn lost(fee: &Balance) -> String {
    match fee {
        0 => String::new(),
        fee => format!(", and the fee of {} is spent", amount::format(*fee)),
    }
}

//! What a program wants to know of a failure besides its class and its message.

use mica_chain::SubmitError;
use mica_primitives::{Balance, BlockNumber};
use serde::Serialize;

use super::CommandError;
use crate::exit_code::Classified;
use mica_payer::channels::ChannelError;
use mica_payer::funds::Shortfall;
use mica_payer::session::SessionError;

/// What is known; amounts are base units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Money that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Balance>,
    /// The most that can be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<Balance>,
    /// The least that can arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<Balance>,
    /// A fee that was spent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_lost: Option<Balance>,
    /// A fee that was spent for what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<Balance>,
    /// The runtime's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whose account stood in the way: `sender` or `receiver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concerns: Option<&'static str>,
    /// Hash of the extrinsic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extrinsic: Option<String>,
    /// The block that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockNumber>,
    /// The last block that may hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block: Option<BlockNumber>,
}

/// An error as programs read it.
#[derive(Serialize)]
struct Document {
    error: Told,
}

#[derive(Serialize)]
struct Told {
    class: &'static str,
    code: u8,
    message: String,
    #[serde(flatten)]
    details: Details,
}

impl CommandError {
    /// The error as one line of JSON: class, exit code, message, and what else is known of it.
    pub fn document(&self) -> String {
        let class = self.class();
        let told = Told {
            class: class.name(),
            code: class.code(),
            message: self.to_string(),
            details: self.details(),
        };
        // Texts and numbers under fixed names are always JSON.
        serde_json::to_string(&Document { error: told }).unwrap_or_else(|error| error.to_string())
    }

    /// What is known of it.
    pub fn details(&self) -> Details {
        match self {
            Self::NoFunds(short)
            | Self::Channel(ChannelError::NoFunds(short))
            | Self::Session(SessionError::Channel(ChannelError::NoFunds(short))) => {
                Details { missing: Some(Shortfall::missing(short)), ..Details::default() }
            }
            Self::TooMuchToSend { short, most, .. } => {
                Details { missing: Some(short.missing()), most: Some(*most), ..Details::default() }
            }
            Self::TooLittleToArrive { least, .. } => {
                Details { least: Some(*least), ..Details::default() }
            }
            Self::Submit(error)
            | Self::Channel(ChannelError::Submit(error))
            | Self::Session(SessionError::Channel(ChannelError::Submit(error))) => {
                of_submission(error)
            }
            _ => Details::default(),
        }
    }
}

fn of_submission(error: &SubmitError) -> Details {
    let hex = |hash: &[u8; 32]| Some(format!("0x{}", hex::encode(hash)));
    match error {
        SubmitError::Failed { failure, block, fee, .. } => Details {
            fee_lost: Some(*fee),
            failure: Some(format!("{}.{}", failure.pallet, failure.name)),
            concerns: failure.concerns().map(mica_chain::Party::name),
            block: Some(*block),
            ..Details::default()
        },
        SubmitError::NotFinal { block, extrinsic, fee, .. } => Details {
            fee: Some(*fee),
            block: Some(*block),
            extrinsic: hex(extrinsic),
            ..Details::default()
        },
        SubmitError::Unknown { extrinsic, last, .. } => {
            Details { extrinsic: hex(extrinsic), last_block: Some(*last), ..Details::default() }
        }
        _ => Details::default(),
    }
}

//! An error as programs read it: class, exit code, message, and what else is known of it.

use mica_chain::SubmitError;
use mica_host::json::Money;
use mica_primitives::BlockNumber;
use serde::Serialize;

use super::sent::hash;
use crate::error::CommandError;
use crate::exit_code::Classified;
use mica_payer::channels::ChannelError;
use mica_payer::funds::Shortfall;
use mica_payer::session::SessionError;

/// What is known besides class and message.
#[derive(Default, Serialize)]
struct Details {
    /// Money that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Money>,
    /// The most that can be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<Money>,
    /// The least that can arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<Money>,
    /// A fee that was spent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_lost: Option<Money>,
    /// A fee that was spent for what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Money>,
    /// The runtime's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// Whose account stood in the way: `sender` or `receiver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    concerns: Option<&'static str>,
    /// Hash of the extrinsic.
    #[serde(skip_serializing_if = "Option::is_none")]
    extrinsic: Option<String>,
    /// The block that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockNumber>,
    /// The last block that may hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_block: Option<BlockNumber>,
}

#[derive(Serialize)]
struct Document {
    error: Failure,
}

#[derive(Serialize)]
struct Failure {
    class: &'static str,
    code: u8,
    message: String,
    #[serde(flatten)]
    details: Details,
}

/// The error as one line of JSON.
pub fn document(error: &CommandError) -> String {
    let class = error.class();
    let failure = Failure {
        class: class.name(),
        code: class.code(),
        message: mica_text::lines(&error.to_string()),
        details: details(error),
    };
    // Texts and numbers under fixed names are always JSON.
    serde_json::to_string(&Document { error: failure }).unwrap_or_else(|error| error.to_string())
}

fn details(error: &CommandError) -> Details {
    match error {
        CommandError::NoFunds(short)
        | CommandError::Channel(ChannelError::NoFunds(short))
        | CommandError::Session(SessionError::Channel(ChannelError::NoFunds(short))) => {
            Details { missing: Some(Money(Shortfall::missing(short))), ..Details::default() }
        }
        CommandError::TooMuchToSend { short, most, .. } => Details {
            missing: Some(Money(short.missing())),
            most: Some(Money(*most)),
            ..Details::default()
        },
        CommandError::TooLittleToArrive { least, .. } => {
            Details { least: Some(Money(*least)), ..Details::default() }
        }
        CommandError::Submit(error)
        | CommandError::Channel(ChannelError::Submit(error))
        | CommandError::Session(SessionError::Channel(ChannelError::Submit(error))) => {
            of_submission(error)
        }
        _ => Details::default(),
    }
}

fn of_submission(error: &SubmitError) -> Details {
    match error {
        SubmitError::Failed { failure, block, fee, .. } => Details {
            fee_lost: Some(Money(*fee)),
            failure: Some(format!("{}.{}", failure.pallet, failure.name)),
            concerns: failure.concerns().map(mica_chain::Party::name),
            block: Some(*block),
            ..Details::default()
        },
        SubmitError::NotFinal { block, extrinsic, fee, .. } => Details {
            fee: Some(Money(*fee)),
            block: Some(*block),
            extrinsic: Some(hash(extrinsic)),
            ..Details::default()
        },
        SubmitError::Unknown { extrinsic, last, .. } => Details {
            extrinsic: Some(hash(extrinsic)),
            last_block: Some(*last),
            ..Details::default()
        },
        _ => Details::default(),
    }
}

//! `mica wallet verify`: whether an account signed a message. The exit code says it as well.

use clap::Args;
use mica_chain::AccountId;

use super::sign::MessageArgs;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_address;
use crate::render::wallet::VerifiedSignature;
use mica_wallet::message;

/// Options of `mica wallet verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The signature, 0x and 128 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = message::parse_signature)]
    signature: [u8; 64],
    /// Who is said to have signed [default: the wallet's account]
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_address)]
    signer: Option<AccountId>,
    #[command(flatten)]
    message: MessageArgs,
}

/// Runs `mica wallet verify`.
///
/// # Errors
/// [`CommandError::BadSignature`] if it is not that account's over that message.
pub(super) fn run(context: &Context, arguments: &VerifyArgs) -> Result<(), CommandError> {
    let account = match arguments.signer {
        Some(account) => account,
        None => context.account()?,
    };
    let message = arguments.message.read()?;
    if !message::verify(&account, &message, &arguments.signature) {
        return Err(CommandError::BadSignature(account.to_string()));
    }
    let verified = VerifiedSignature { address: account.to_string(), valid: true };
    Ok(context.output.show(&verified, VerifiedSignature::to_text)?)
}

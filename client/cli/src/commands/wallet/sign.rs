//! `mica wallet sign`: signs a message with the account's key.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::Signature;
use mica_wallet::files;
use mica_wallet::message::{self, MAX_MESSAGE_BYTES};

/// Where a message comes from.
#[derive(Debug, Args)]
pub(super) struct MessageArgs {
    /// The message; `-` reads standard input to its end
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    message: Option<String>,
    /// File that holds the message, byte for byte
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl MessageArgs {
    /// The message's bytes.
    ///
    /// # Errors
    /// [`CommandError`] if they cannot be read or are too many.
    pub(super) fn read(&self) -> Result<Vec<u8>, CommandError> {
        match (&self.message, &self.file) {
            (_, Some(path)) => Ok(files::read_bounded(path, MAX_MESSAGE_BYTES)?),
            (Some(text), None) if text != "-" => Ok(text.clone().into_bytes()),
            _ => {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .take(MAX_MESSAGE_BYTES + 1)
                    .read_to_end(&mut bytes)
                    .map_err(CommandError::Input)?;
                if bytes.len() as u64 > MAX_MESSAGE_BYTES {
                    let path = Path::new("standard input").into();
                    return Err(
                        files::FileError::TooLarge { path, limit: MAX_MESSAGE_BYTES }.into()
                    );
                }
                Ok(bytes)
            }
        }
    }
}

/// Options of `mica wallet sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    #[command(flatten)]
    message: MessageArgs,
}

/// Runs `mica wallet sign`.
///
/// # Errors
/// [`CommandError`] if the message cannot be read or the wallet does not open.
pub(super) fn run(context: &Context, arguments: &SignArgs) -> Result<(), CommandError> {
    let message = arguments.message.read()?;
    let (_, signer) = context.unlock()?;
    let signature = format!("0x{}", hex::encode(message::sign(&signer, &message)));
    let signature = Signature { address: signer.account().to_string(), signature };
    Ok(context.output.show(&signature, |shown| shown.signature.clone())?)
}

//! `mica wallet list`: the wallets on this machine, and which of them is used.

use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::{self, WalletEntry};

/// Runs `mica wallet list`.
///
/// # Errors
/// [`CommandError`] if the folder cannot be read.
pub(super) fn run(context: &Context) -> Result<(), CommandError> {
    let wallets = context.keystore().list()?.into_iter().map(|(wallet, file)| {
        let selected = wallet == context.settings.wallet;
        match file {
            Ok(file) => WalletEntry {
                wallet,
                selected,
                address: Some(file.address),
                kind: Some(file.kind),
                error: None,
            },
            Err(error) => WalletEntry {
                wallet,
                selected,
                address: None,
                kind: None,
                error: Some(error.to_string()),
            },
        }
    });
    let wallets: Vec<WalletEntry> = wallets.collect();
    Ok(context.output.show(&wallets, |wallets| wallet::list(wallets))?)
}

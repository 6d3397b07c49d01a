//! `mica wallet list`: the wallets on this machine, and which of them is used.

use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use crate::output::table;
use mica_wallet::SecretKind;

#[derive(Serialize)]
struct Listed {
    wallet: String,
    selected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<SecretKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs `mica wallet list`.
///
/// # Errors
/// [`CommandError`] if the folder cannot be read.
pub fn run(context: &Context) -> Result<(), CommandError> {
    let wallets = context.keystore().list()?.into_iter().map(|(wallet, file)| {
        let selected = wallet == context.settings.wallet;
        match file {
            Ok(file) => Listed {
                wallet,
                selected,
                address: Some(file.address),
                kind: Some(file.kind),
                error: None,
            },
            Err(error) => Listed {
                wallet,
                selected,
                address: None,
                kind: None,
                error: Some(error.to_string()),
            },
        }
    });
    Ok(context.output.show(&wallets.collect::<Vec<_>>(), |wallets| {
        if wallets.is_empty() {
            return "no wallets yet: make one with `mica wallet new`".into();
        }
        let row = |listed: &Listed| {
            let mark = if listed.selected { "*" } else { "" };
            let address =
                listed.address.clone().or_else(|| listed.error.clone()).unwrap_or_default();
            vec![mark.to_owned(), listed.wallet.clone(), address]
        };
        table(&[" ", "WALLET", "ADDRESS"], &wallets.iter().map(row).collect::<Vec<_>>())
    })?)
}

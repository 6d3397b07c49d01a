//! `mica wallet show`: what a wallet's file says in clear. No password is asked for.

use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use mica_wallet::SecretKind;

#[derive(Serialize)]
struct Shown {
    wallet: String,
    address: String,
    public_key: String,
    channel_signer: String,
    kind: SecretKind,
    path: String,
    file: String,
    hot_key: &'static str,
    hot_key_file: String,
}

/// Runs `mica wallet show`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or its file is broken.
pub fn run(context: &Context) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    let file = keystore.read(&wallet)?;
    let account = context.account()?;
    let hot_key = match keystore.hot_key(&wallet, &file) {
        Ok(Some(_)) => "ready",
        Ok(None) => "missing",
        Err(_) => "unusable",
    };
    let shown = Shown {
        address: file.address,
        public_key: format!("0x{}", hex::encode(account.0)),
        channel_signer: format!("0x{}", file.channel_signer),
        kind: file.kind,
        path: file.path,
        file: keystore.path(&wallet)?.display().to_string(),
        hot_key,
        hot_key_file: keystore.hot_path(&wallet)?.display().to_string(),
        wallet,
    };
    Ok(context.output.show(&shown, |shown| {
        let path = if shown.path.is_empty() { "none" } else { &shown.path };
        format!(
            "wallet      {}\naddress     {}\npublic key  {}\nhot key     {} ({})\nmade from   a \
             {}\npath        {path}\nfile        {}\n",
            shown.wallet,
            shown.address,
            shown.public_key,
            shown.channel_signer,
            shown.hot_key,
            shown.kind,
            shown.file
        )
    })?)
}

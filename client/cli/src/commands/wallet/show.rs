//! `mica wallet show`: what a wallet's file says in clear. No password is asked for.

use crate::context::Context;
use crate::error::CommandError;
use crate::render::sent::hash;
use crate::render::wallet::WalletDetails;

/// Runs `mica wallet show`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or its file is broken.
pub(super) fn run(context: &Context) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    let file = keystore.read(&wallet)?;
    let account = context.account()?;
    let hot_key = match keystore.hot_key(&wallet, &file) {
        Ok(Some(_)) => "ready",
        Ok(None) => "missing",
        Err(_) => "unusable",
    };
    let details = WalletDetails {
        address: file.address,
        public_key: hash(&account.0),
        channel_signer: format!("0x{}", file.channel_signer),
        kind: file.kind,
        path: file.path,
        file: keystore.path(&wallet)?.display().to_string(),
        hot_key,
        hot_key_file: keystore.hot_path(&wallet)?.display().to_string(),
        wallet,
    };
    Ok(context.output.show(&details, WalletDetails::to_text)?)
}

//! `mica wallet rotate-hot-key`: another key signs the vouchers of new channels.

use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::HotKeyChange;
use mica_wallet::KeystoreError;

/// Runs `mica wallet rotate-hot-key`.
///
/// # Errors
/// [`CommandError`]; the old key is the present one still then.
pub(super) fn run(context: &Context) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    let file = keystore.read(&wallet)?;
    // The number after that of an older copy may be one that was used before.
    if let Err(error @ KeystoreError::OlderWallet(_)) = keystore.hot_key(&wallet, &file) {
        return Err(error.into());
    }
    let present = file.hot_key;
    let password = context.passwords().existing(&wallet)?;
    let file = keystore.set_hot_key(&wallet, &password, present.saturating_add(1))?;
    let change = HotKeyChange {
        wallet,
        hot_key: file.hot_key,
        channel_signer: format!("0x{}", file.channel_signer),
    };
    Ok(context.output.show(&change, HotKeyChange::to_text)?)
}

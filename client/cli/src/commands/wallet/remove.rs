//! `mica wallet remove`: deletes a wallet's files, after the user has given its password and
//! confirmed.

use crate::confirm::Unattended;
use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::RemovedWallet;

/// Runs `mica wallet remove`.
///
/// # Errors
/// [`CommandError`]; the wallet is still there then.
pub(super) fn run(context: &Context) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    let address = keystore.read(&wallet)?.address;
    // The password keeps others at this terminal from it, and shows that the right wallet is meant.
    keystore.unlock(&wallet, &context.passwords().existing(&wallet)?)?;
    let question = format!(
        "Delete wallet '{wallet}' ({address})? Without its phrase or a backup its money is lost."
    );
    context.confirmation().of(&question, Unattended::Refuse)?;
    keystore.remove(&wallet)?;
    let removed = RemovedWallet { wallet, address };
    Ok(context.output.show(&removed, RemovedWallet::to_text)?)
}

//! `mica wallet change-password`: encrypts a wallet with another password, in one step.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::context::Context;
use crate::error::CommandError;
use crate::password_prompt;
use crate::render::wallet::PasswordChange;
use mica_wallet::PasswordRole;

/// Options of `mica wallet change-password`.
#[derive(Debug, Args)]
pub struct ChangePasswordArgs {
    /// File whose first line is the new password (or set MICA_NEW_PASSWORD)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    new_password_file: Option<PathBuf>,
}

/// Runs `mica wallet change-password`.
///
/// # Errors
/// [`CommandError`]; the old password still opens the wallet then.
pub(super) fn run(context: &Context, arguments: ChangePasswordArgs) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    keystore.read(&wallet)?;
    let old = context.passwords().existing(&wallet)?;
    // A wrong password is told before anybody thinks of a new one.
    keystore.unlock(&wallet, &old)?;
    let new = password_prompt::source(PasswordRole::NewWallet, arguments.new_password_file)
        .fresh(&format!("wallet '{wallet}'"))?;
    keystore.change_password(&wallet, &old, &new)?;
    let change = PasswordChange { wallet, changed: true };
    Ok(context.output.show(&change, PasswordChange::to_text)?)
}

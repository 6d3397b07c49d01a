//! `mica wallet …`: one file per subcommand.

mod balance;
mod change_password;
mod export;
mod find_hot_key;
mod import;
mod list;
mod new;
mod remove;
mod rotate_hot_key;
mod show;
mod sign;
mod status;
mod transfer;
mod verify;

use clap::Subcommand;

use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::CreatedWallet;
use mica_wallet::Secret;

/// `mica wallet …`
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a wallet; shows its phrase once
    New(new::NewArgs),
    /// Make a wallet from a phrase, a seed or a polkadot-js file
    Import(import::ImportArgs),
    /// Wallets on this machine
    List,
    /// What a wallet's file says without its password
    Show,
    /// Give a wallet's secret out: its phrase, or a file for polkadot-js
    Export(export::ExportArgs),
    /// Delete a wallet from this machine
    Remove,
    /// Encrypt a wallet with another password
    ChangePassword(change_password::ChangePasswordArgs),
    /// Sign the vouchers of new channels with another hot key
    RotateHotKey,
    /// Find the hot keys of open channels, for a wallet that was made again from its words
    FindHotKey,
    /// Sign a message with the account's key
    Sign(sign::SignArgs),
    /// Check who signed a message
    Verify(verify::VerifyArgs),
    /// Money of a wallet or of any account
    Balance(balance::BalanceArgs),
    /// Send money
    Transfer(transfer::TransferArgs),
    /// Say what became of an extrinsic: final, in a block, failed, or not found
    Status(status::StatusArgs),
}

/// Runs `mica wallet …`.
///
/// # Errors
/// [`CommandError`]; a failed command has changed nothing.
pub(crate) async fn run(context: &Context, command: WalletCommand) -> Result<(), CommandError> {
    match command {
        WalletCommand::New(arguments) => new::run(context, arguments),
        WalletCommand::Import(arguments) => import::run(context, &arguments),
        WalletCommand::List => list::run(context),
        WalletCommand::Show => show::run(context),
        WalletCommand::Export(arguments) => export::run(context, &arguments),
        WalletCommand::Remove => remove::run(context),
        WalletCommand::ChangePassword(arguments) => change_password::run(context, arguments),
        WalletCommand::RotateHotKey => rotate_hot_key::run(context),
        WalletCommand::FindHotKey => find_hot_key::run(context).await,
        WalletCommand::Sign(arguments) => sign::run(context, &arguments),
        WalletCommand::Verify(arguments) => verify::run(context, &arguments),
        WalletCommand::Balance(arguments) => balance::run(context, &arguments).await,
        WalletCommand::Transfer(arguments) => transfer::run(context, &arguments).await,
        WalletCommand::Status(arguments) => status::run(context, &arguments).await,
    }
}

/// Seals `secret` under the chosen name, after a password was given.
fn create<'a>(context: &'a Context, secret: &Secret) -> Result<CreatedWallet<'a>, CommandError> {
    let wallet = context.settings.wallet.as_str();
    let keystore = context.keystore();
    keystore.check_free(wallet)?;
    let password = context.passwords().new_wallet(wallet)?;
    context.home.create()?;
    let file = keystore.create(wallet, secret, &password)?;
    let path = keystore.path(wallet)?.display().to_string();
    Ok(CreatedWallet {
        wallet,
        address: file.address,
        channel_signer: file.channel_signer,
        path: file.path,
        file: path,
        phrase: None,
    })
}

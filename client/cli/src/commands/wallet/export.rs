//! `mica wallet export`: gives a wallet's secret out, as its phrase or as an account file for
//! polkadot-js.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueHint};

use crate::context::Context;
use crate::error::CommandError;
use crate::password_prompt;
use crate::render::wallet::{ExportedFile, Phrase};
use mica_wallet::files;
use mica_wallet::{PasswordRole, polkadot_js};

/// Options of `mica wallet export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Show the phrase and the path
    #[arg(long, required_unless_present = "polkadot_js", conflicts_with = "polkadot_js")]
    phrase: bool,
    /// Write an encrypted account file that polkadot-js reads; a file that is there already is left
    /// as it is
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    polkadot_js: Option<PathBuf>,
    /// File whose first line is the password for that file (or set MICA_FILE_PASSWORD)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "polkadot_js")]
    file_password_file: Option<PathBuf>,
}

/// Runs `mica wallet export`.
///
/// # Errors
/// [`CommandError`]; nothing was written then.
pub(super) fn run(context: &Context, arguments: &ExportArgs) -> Result<(), CommandError> {
    let wallet = context.settings.wallet.as_str();
    let Some(path) = &arguments.polkadot_js else {
        let (secret, _) = context.unlock()?;
        let phrase = secret.phrase()?;
        let exported = Phrase { wallet, phrase: &phrase, path: secret.path().as_str() };
        return Ok(context.output.show(&exported, Phrase::to_text)?);
    };
    if path.symlink_metadata().is_ok() {
        return Err(files::FileError::Exists(path.clone()).into());
    }
    let (_, signer) = context.unlock()?;
    let password =
        password_prompt::source(PasswordRole::File, arguments.file_password_file.clone())
            .fresh(&path.display().to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let json = polkadot_js::seal(
        &signer,
        wallet,
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        &password,
    )?;
    files::write_new_private(path, &json)?;
    let exported = ExportedFile {
        wallet,
        address: signer.account().to_string(),
        file: path.display().to_string(),
    };
    Ok(context.output.show(&exported, ExportedFile::to_text)?)
}

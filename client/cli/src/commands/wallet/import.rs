//! `mica wallet import`: a wallet from a phrase, a seed, or an account file of polkadot-js.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use mica_chain::DerivationPath;
use zeroize::Zeroizing;

use super::create;
use crate::context::Context;
use crate::error::CommandError;
use crate::password_prompt;
use crate::render::wallet::CreatedWallet;
use mica_wallet::files;
use mica_wallet::{PasswordRole, PathReader, Secret, SecretKind, polkadot_js};

/// Most bytes of a phrase with its path.
const MAX_PHRASE_BYTES: u64 = 1024;

/// Options of `mica wallet import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File that holds the phrase or seed; without it it is typed unseen, or the first line of
    /// standard input is taken
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    phrase_file: Option<PathBuf>,
    /// Account file of polkadot-js, or of a wallet that follows it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["phrase_file", "derive"])]
    polkadot_js: Option<PathBuf>,
    /// File whose first line is the password of the polkadot-js file (or set MICA_FILE_PASSWORD)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "polkadot_js")]
    file_password_file: Option<PathBuf>,
    /// Derivation path from the phrase to the account, for example //savings or //hard/soft
    #[arg(long, value_name = "PATH")]
    derive: Option<String>,
    /// Take a derivation path that wallets read differently, as subkey reads it: only for an
    /// account that is in use with it
    #[arg(long, conflicts_with = "polkadot_js")]
    path_as_subkey: bool,
}

/// Runs `mica wallet import`.
///
/// # Errors
/// [`CommandError`]; no wallet was made then.
pub(super) fn run(context: &Context, arguments: &ImportArgs) -> Result<(), CommandError> {
    context.keystore().check_free(&context.settings.wallet)?;
    let secret = match &arguments.polkadot_js {
        Some(path) => from_polkadot_js(path, arguments.file_password_file.clone())?,
        None => from_text(arguments)?,
    };
    let created = create(context, &secret)?;
    Ok(context.output.show(&created, CreatedWallet::to_text)?)
}

fn from_text(arguments: &ImportArgs) -> Result<Secret, CommandError> {
    let bytes = match &arguments.phrase_file {
        Some(path) => Zeroizing::new(files::read_bounded(path, MAX_PHRASE_BYTES)?),
        None => read_line()?,
    };
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    let read: PathReader =
        if arguments.path_as_subkey { DerivationPath::as_subkey } else { str::parse };
    let secret = Secret::from_text_with(&text, read)?;
    match &arguments.derive {
        Some(_) if !secret.path().is_empty() => Err(CommandError::Usage(
            "the phrase has a derivation path already: leave it or --derive out".into(),
        )),
        Some(path) => Ok(secret
            .with_path(read(path).map_err(|error| CommandError::Usage(error.to_string()))?)?),
        None => Ok(secret),
    }
}

fn from_polkadot_js(path: &Path, password_file: Option<PathBuf>) -> Result<Secret, CommandError> {
    let json = files::read_bounded(path, polkadot_js::MAX_FILE_BYTES)?;
    let heading = polkadot_js::heading(&json)?;
    let what = format!("{} (account {})", path.display(), heading.address);
    let password = password_prompt::source(PasswordRole::File, password_file).of(&what)?;
    let key = polkadot_js::open(&json, &password)?;
    Ok(Secret::from_bytes(SecretKind::Key, key, DerivationPath::default())?)
}

/// One line from standard input. At a terminal nothing is shown of it: whoever looks on, and
/// whatever records the screen, would have the money.
fn read_line() -> Result<Zeroizing<Vec<u8>>, CommandError> {
    const QUESTION: &str = "Words of the phrase, with spaces between them (they are not shown): ";
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(QUESTION).map_err(CommandError::Input)?;
        return Ok(Zeroizing::new(typed.into_bytes()));
    }
    let mut phrase = Zeroizing::new(Vec::with_capacity(MAX_PHRASE_BYTES as usize));
    for byte in std::io::stdin().lock().take(MAX_PHRASE_BYTES).bytes() {
        match byte.map_err(CommandError::Input)? {
            b'\n' => break,
            byte => phrase.push(byte),
        }
    }
    Ok(phrase)
}

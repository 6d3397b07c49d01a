//! `mica-worker init`: creates a worker's folder and says which account to fund.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use mica_chain::Signer;
use mica_host::files::Staged;
use mica_protocol::signing;
use serde_json::json;

use crate::{
    config::TEMPLATE,
    data_dir::{DataDir, FolderError},
    keys::{KeyError, Keys, SecretReader},
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// Secret URI of the account: words, a 0x seed, or a development key such as //Bob. Without it
    /// a new account is made. Other users of this machine may see it: prefer the environment.
    #[arg(long, env = "MICA_WORKER_SURI", hide_env_values = true, value_name = "SECRET")]
    suri: Option<String>,
    /// Read a derivation path that wallets read differently as subkey does
    #[arg(long, requires = "suri")]
    path_as_subkey: bool,
    /// One JSON object instead of sentences; the words of a new account are in it.
    #[arg(long)]
    json: bool,
}

/// Why no worker was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The folder cannot be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is one already.
    #[error(
        "{} exists: this folder has a worker already; choose another --data-dir", .0.display()
    )]
    Exists(PathBuf),
    /// The configuration cannot be written.
    #[error("cannot write {}: check the folder's permissions and the free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keys are refused.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Makes keys and configuration.
///
/// # Errors
/// If the folder has a worker already, the secret is no key, or something cannot be written.
pub(crate) fn run(args: &Args, folder: &DataDir) -> Result<(), InitError> {
    folder.create()?;
    let config = folder.config();
    if config.exists() {
        return Err(InitError::Exists(config));
    }
    let staged = Staged::new(&config, TEMPLATE.as_bytes())
        .map_err(|source| InitError::Write { path: config.clone(), source })?;
    let read: SecretReader =
        if args.path_as_subkey { Signer::from_suri_as_subkey } else { Signer::from_suri };
    let created = Keys::create(folder.path(), args.suri.as_deref(), read)?;
    staged.name_new().map_err(|source| InitError::Write { path: config.clone(), source })?;
    let account = created.keys.account.account().to_string();
    let peer = hex::encode(signing::public_key(&created.keys.peer));
    let words = created.words.as_ref().map(|words| words.as_str());
    let mut out = std::io::stdout().lock();
    if args.json {
        let folder = folder.path().display().to_string();
        writeln!(
            out,
            "{}",
            json!({ "account": account, "peer": peer, "data_dir": folder, "config": config, "words": words })
        )?;
        return Ok(());
    }
    writeln!(out, "account        {account}")?;
    writeln!(out, "peer key       {peer}")?;
    writeln!(out, "configuration  {}", config.display())?;
    if let Some(words) = words {
        writeln!(
            out,
            "\nThe account's words. Write them down: they are the only way back to its money.\n\n    {words}\n"
        )?;
    }
    writeln!(
        out,
        "Next: send the account its stake and a little for fees (`mica wallet transfer {account} \
         110`),"
    )?;
    writeln!(out, "look through the configuration, then start with `mica-worker run`.")?;
    Ok(())
}

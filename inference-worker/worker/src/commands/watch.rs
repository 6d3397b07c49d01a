//! `mica-worker watch`: redeems what closing channels owe, for workers that cannot do it
//! themselves.
//!
//! A worker that is down while a payer closes its channel loses what it has not redeemed. This
//! watches the chain for any number of workers' folders, or for copies of them on another machine:
//! no model, no network, no lock, and nothing is written there. Anybody may show a voucher to the
//! chain, and only its payee is paid; the watcher pays the fee.
//!
//! It leaves a running worker the first part of a window, so that not both pay a fee. What a folder
//! does not know cannot be redeemed: a copy is as good as it is new.
//!
//! Payers leave a part of what is redeemed for an absent worker to whoever does it, from the middle
//! of the window on. With `--for-bounties` only what pays its fee like that is redeemed: somebody
//! may watch for workers that are nothing to it.

pub(super) mod folder;
mod rounds;

use std::{io, path::PathBuf};

use mica_chain::{Chain, ConnectError, ReadError};

use self::{
    folder::WatchedFolder,
    rounds::{Pay, Watch},
};
use super::signals::stop_on_signal;
use crate::{
    config::{Config, ConfigError},
    data_dir::DataDir,
    keys::{KeyError, Keys},
    report::{Form, Reporter},
    store::StoreError,
};

/// Most folders: more are too many for one process.
const MAX_FOLDERS: usize = 1_000;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of a worker, or a copy of one; may be repeated [default: the folder of --data-dir].
    #[arg(long, value_name = "FOLDER")]
    data: Vec<PathBuf>,
    /// WebSocket address of a node [default: the one in the first folder's config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// File with the secret of the account that pays the fees, like account.key in a worker's
    /// folder [default: each folder's own].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Redeem only what leaves more than the fee to the account that pays it: a bounty, from the
    /// middle of a closing channel's window on.
    #[arg(long, requires = "key")]
    for_bounties: bool,
    /// Tell events as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No node is named.
    #[error("no node is named: give --node-url, or a folder with a config.toml")]
    Config(#[from] ConfigError),
    /// Nobody pays the fees.
    #[error("nobody pays the fees: give --key, or a folder with the worker's own")]
    Key(#[from] KeyError),
    /// Too many folders.
    #[error(
        "{0} folders are too many for one process (the most is {MAX_FOLDERS}): start another for \
         some of them"
    )]
    TooMany(usize),
    /// A folder's records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Signals cannot be heard.
    #[error(transparent)]
    Signal(#[from] io::Error),
}

/// Watches until it is told to stop.
///
/// # Errors
/// Whatever keeps it from the beginning; later it goes on, and tells what went wrong.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), WatchError> {
    let reporter = Reporter::new(if args.json { Form::Json } else { Form::Text });
    let places: Vec<DataDir> = match args.data.is_empty() {
        true => vec![folder.clone()],
        false => args.data.into_iter().map(DataDir::at).collect(),
    };
    if places.len() > MAX_FOLDERS {
        return Err(WatchError::TooMany(places.len()));
    }
    let first = places.first().unwrap_or(folder);
    let url = match args.node_url {
        Some(url) => url,
        None => Config::read(&first.config())?.node_url,
    };
    let shared = args.key.as_deref().map(Keys::read_account).transpose()?;
    let stop = stop_on_signal()?;
    let chain = Chain::connect(&url).await?;
    let origin = chain.origin().await?;
    let mut folders = Vec::with_capacity(places.len());
    for place in places {
        let signer = match &shared {
            Some(signer) => signer.clone(),
            None => Keys::read_account_of(place.path())?,
        };
        let mut folder = WatchedFolder::new(place, signer);
        folder.read(&origin, reporter)?;
        folders.push(folder);
    }
    let pay = if args.for_bounties { Pay::Bounty } else { Pay::Payee };
    let watch = Watch::new(chain, origin, reporter, folders, pay);
    stop.run_until_cancelled(watch.run()).await;
    Ok(())
}

//! `mica-worker hand-over`: from an account key that can do everything to an operator's key that
//! can only work.
//!
//! The stake account names a new key as its proxy for daily work and gives it a little for fees.
//! From then on the worker signs with that key; the stake account's own is put into a file to be
//! carried away. It is still needed to stake more, to leave, and to take the stake back.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use mica_chain::{
    AccountId, Call, Chain, ConnectError, ProxyKind, ReadError, SubmitError, Until, amount,
};
use mica_primitives::{Balance, UNIT};
use serde_json::json;

use crate::{
    config::{Config, ConfigError},
    data_dir::{DataDir, FolderError},
    keys::{KeyError, Keys},
};

/// What the operator's account gets for fees, unless somebody says otherwise.
const FEES: Balance = UNIT;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// WebSocket address of a node [default: the one of config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// What the operator's key gets for fees [default: 1 MICA].
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    fees: Option<Balance>,
    /// Let it accept agreements too: each puts a part of the stake at risk, up to half of it.
    #[arg(long)]
    agreements: bool,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandOverError {
    /// The folder is in use or cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The settings cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key cannot be read or written.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// It is done already.
    #[error("this worker signs with an operator's key already, for account {0}")]
    Done(AccountId),
    /// The stake account does not work yet.
    #[error(
        "account {0} is not registered, and an operator cannot register it: run `mica-worker \
         register` first, then hand over"
    )]
    NotRegistered(AccountId),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The chain refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// What was done.
struct HandedOver {
    stake: AccountId,
    operator: AccountId,
    cold: PathBuf,
}

/// Names the operator's key to the chain, then puts it in the account key's place.
///
/// # Errors
/// [`HandOverError`]. Asked for again it goes on where it stopped: the chain is asked first, and
/// the account key keeps its place until the chain knows the other one.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), HandOverError> {
    // A worker that runs has the old key in its memory.
    let _lock = folder.lock()?;
    let config = Config::read(&folder.config())?;
    Keys::resume_hand_over(folder.path())?;
    let signer = Keys::read_account_of(folder.path())?;
    let stake = signer.account();
    if signer.is_proxy() {
        return Err(HandOverError::Done(stake));
    }
    let chain = Chain::connect(args.node_url.as_deref().unwrap_or(&config.node_url)).await?;
    if chain.at_best().await?.worker(stake).await?.is_none() {
        return Err(HandOverError::NotRegistered(stake));
    }
    let operator = Keys::next_operator(folder.path())?.account();
    let may = if args.agreements { ProxyKind::WorkerWithAgreements } else { ProxyKind::Worker };
    let calls = vec![
        Call::AddProxy { delegate: operator, may },
        Call::Transfer { to: operator, amount: args.fees.unwrap_or(FEES) },
    ];
    match chain.submit(&signer, Call::BatchAll(calls), Until::Finalized).await {
        Ok(_) => {}
        // It was interrupted after the chain knew it.
        Err(SubmitError::Failed { failure, .. }) if failure.is("Proxy", "Duplicate") => {}
        Err(error) => return Err(error.into()),
    }
    let cold = Keys::hand_over(folder.path(), stake)?;
    show(&HandedOver { stake, operator, cold }, args.json)
}

fn show(done: &HandedOver, as_json: bool) -> Result<(), HandOverError> {
    let HandedOver { stake, operator, cold } = done;
    let (stake, operator) = (stake.to_string(), operator.to_string());
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json!({ "account": stake, "operator": operator, "cold_key": cold }))?;
        return Ok(());
    }
    writeln!(out, "account   {stake} holds the stake and is paid")?;
    writeln!(out, "operator  {operator} signs from now on; keep a little money for fees in it")?;
    writeln!(out, "\nMove {} to where no network is: it is the key of the stake.", cold.display())?;
    Ok(())
}

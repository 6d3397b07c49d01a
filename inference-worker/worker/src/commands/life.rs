//! The life of a worker's stake: `leave`, `withdraw` and `stake add`.
//!
//! What only the account's own key may do (`Registry.unregister`, `withdraw`, `top_up_stake`) is
//! done with it where it is at hand: as the folder's `account.key`, as the `cold.key` that
//! `hand-over` made, or as a file that is named. An operator's key does the rest, and what is left
//! is said with the command that does it.

mod collect;
pub(crate) mod leave;
pub(crate) mod stake;
mod stop;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use mica_chain::{AccountId, Chain, ConnectError, ReadError, Signer, SubmitError, amount};
use mica_primitives::{Balance, BlockNumber};

use crate::{
    config::{Config, ConfigError},
    daemon::register::FundsError,
    data_dir::{DataDir, FolderError},
    keys::{KeyError, Keys},
    report::{Event, Form, Reporter},
    store::StoreError,
};

/// What is left for fees when money is put on hold, base units.
const FEE_RESERVE: Balance = mica_primitives::UNIT / 100;
/// What a block takes, for saying how long something lasts.
const BLOCK_SECONDS: u64 = 3;

/// How these commands reach the chain, and whose key they may use.
#[derive(clap::Args)]
pub(crate) struct ChainArgs {
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// File with the account's own key, for a worker that signs with an operator's [default:
    /// cold.key in the folder, if it is still there].
    #[arg(long, value_name = "FILE")]
    cold_key: Option<PathBuf>,
    /// Tell events as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Why a command about the stake did not come to its end. Asked for again, each goes on where it
/// stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifeError {
    /// The folder is in use or cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The settings cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The chain refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The account lacks money.
    #[error(transparent)]
    Funds(#[from] FundsError),
    /// The key that was named is another account's.
    #[error(
        "{} is the key of account {found}, and this folder's worker is account {expected}: name \
         the key that `mica-worker hand-over` made, or another --data-dir", path.display()
    )]
    OtherAccount {
        /// The file.
        path: PathBuf,
        /// Whose key it is.
        found: AccountId,
        /// Whose it should be.
        expected: AccountId,
    },
    /// Only the account's own key may do what is left.
    #[error(
        "what is left needs the account's own key: {what} for account {account}. Where that key \
         is, run `{command}`"
    )]
    NeedsOwnKey {
        /// The account with the stake.
        account: AccountId,
        /// What is left.
        what: &'static str,
        /// What does it there.
        command: String,
    },
    /// It has no stake.
    #[error("account {0} is not registered: there is no stake of a worker to take or to raise")]
    NotRegistered(AccountId),
    /// It is serving.
    #[error(
        "account {0} is not leaving, so its stake stays: run `mica-worker leave`, which gives it \
         back at the end"
    )]
    NotLeaving(AccountId),
    /// It is leaving.
    #[error(
        "this account is leaving, and its stake cannot be raised any more: take it back with \
         `mica-worker withdraw`, and register again with `mica-worker run`"
    )]
    Leaving,
    /// The stake is not free yet.
    #[error(
        "the stake is free at block {until} of the market's clock, in {blocks} blocks ({}): run \
         `mica-worker withdraw` then", duration(*blocks)
    )]
    StillBonded {
        /// First block in which it can be withdrawn.
        until: BlockNumber,
        /// Blocks until then.
        blocks: BlockNumber,
    },
    /// Channels hold the stake.
    #[error(
        "{0} channels still pay this account, and the chain keeps the stake until they are \
         closed: run `mica-worker leave` with the worker's folder, which redeems what they owe \
         and closes them"
    )]
    Channels(usize),
    /// Something that is owed was not redeemed.
    #[error(
        "{} are owed and were not redeemed, so nothing was closed: see the warnings above, and \
         run `mica-worker leave` again", amount::format(*.0)
    )]
    StillOwed(Balance),
    /// The worker that runs does not end.
    #[error(
        "the mica-worker that runs with this folder (process {pid}) has not ended after \
         {seconds} s: stop it yourself, and run `mica-worker leave` again"
    )]
    StillRuns {
        /// Process id.
        pid: i32,
        /// How long was waited.
        seconds: u64,
    },
    /// It cannot be told to end.
    #[error(
        "a mica-worker runs with this folder and cannot be told to stop ({0}): stop it yourself, \
         and run `mica-worker leave` again"
    )]
    CannotStop(String),
    /// Neither an option nor settings name a node.
    #[error("no node is named: give --node-url, or a folder with a config.toml")]
    NoNode,
    /// Signals cannot be heard.
    #[error(transparent)]
    Signal(io::Error),
}

/// A chain, a worker's account, and the keys that are at hand for it.
struct Life {
    chain: Chain,
    account: AccountId,
    /// May do everything.
    own: Option<Signer>,
    /// The folder's key: of the account, or of its operator.
    daily: Option<Signer>,
    config: Option<Config>,
    reporter: Reporter,
}

impl Life {
    /// Reads the keys and connects. The folder may have no worker if the key and the node are
    /// named.
    async fn open(args: &ChainArgs, folder: &DataDir) -> Result<Self, LifeError> {
        let reporter = Reporter::new(if args.json { Form::Json } else { Form::Text });
        let named = match &args.cold_key {
            Some(path) => Some((path.clone(), Keys::read_account(path)?)),
            None => None,
        };
        let is_elsewhere = named.is_some() && !folder.config().exists();
        let config = match is_elsewhere {
            true => None,
            false => Some(Config::read(&folder.config())?),
        };
        let daily = match is_elsewhere {
            true => None,
            false => Some(Keys::read_account_of(folder.path())?),
        };
        let account = match (&named, &daily) {
            (Some((path, own)), Some(daily)) if own.account() != daily.account() => {
                return Err(LifeError::OtherAccount {
                    path: path.clone(),
                    found: own.account(),
                    expected: daily.account(),
                });
            }
            (Some((_, own)), _) => own.account(),
            (None, Some(daily)) => daily.account(),
            // Without a key that is named the folder's was read.
            (None, None) => return Err(FolderError::NoHome.into()),
        };
        let own = match (named, &daily) {
            (Some((_, own)), _) => Some(own),
            (None, Some(daily)) if !daily.is_proxy() => Some(daily.clone()),
            _ => Keys::read_cold(folder.path())?.filter(|cold| cold.account() == account),
        };
        let url = match (&args.node_url, &config) {
            (Some(url), _) => url.clone(),
            (None, Some(config)) => config.node_url.clone(),
            (None, None) => return Err(LifeError::NoNode),
        };
        let chain = Chain::connect(&url).await?;
        Ok(Self { chain, account, own, daily, config, reporter })
    }

    /// The account's own key, for `what`.
    ///
    /// # Errors
    /// [`LifeError::NeedsOwnKey`] names the command that does it where the key is.
    fn own_key(&self, what: &'static str, command: &str) -> Result<&Signer, LifeError> {
        self.own.as_ref().ok_or_else(|| LifeError::NeedsOwnKey {
            account: self.account,
            what,
            command: format!(
                "mica-worker {command} --cold-key cold.key --node-url {}",
                self.chain.url()
            ),
        })
    }

    fn warn(&self, text: String) {
        self.reporter.emit(&Event::Warning { text });
    }
}

/// Blocks as a time, for people.
fn duration(blocks: BlockNumber) -> String {
    let seconds = u64::from(blocks).saturating_mul(BLOCK_SECONDS);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("about {seconds} s"),
        (0, 0, minutes) => format!("about {minutes} min"),
        (0, hours, minutes) => format!("about {hours} h {minutes} min"),
        (days, hours, _) => format!("about {days} days {hours} h"),
    }
}

/// A line that is written over, on a terminal alone.
struct Progress {
    is_shown: bool,
    width: usize,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: io::IsTerminal::is_terminal(&io::stderr()), width: 0 }
    }

    fn show(&mut self, text: &str) {
        if self.is_shown {
            let width = text.chars().count();
            let rest = self.width.saturating_sub(width);
            // A terminal that is gone is no reason to stop.
            let _ = write!(io::stderr(), "\r{text}{:rest$}", "");
            let _ = io::stderr().flush();
            self.width = width;
        }
    }

    /// Takes the line away.
    fn clear(&mut self) {
        self.show("");
        if self.is_shown {
            let _ = write!(io::stderr(), "\r");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_as_a_time() {
        assert_eq!(duration(3), "about 9 s");
        assert_eq!(duration(20), "about 1 min");
        assert_eq!(duration(1_230), "about 1 h 1 min");
        assert_eq!(duration(28 * 28_800 + 1_200), "about 28 days 1 h");
        assert!(duration(BlockNumber::MAX).starts_with("about 149130 days"));
    }

    #[test]
    fn what_an_operators_key_may_not_do_is_said_with_the_command() {
        let error = LifeError::NeedsOwnKey {
            account: AccountId::from([7; 32]),
            what: "take the stake back",
            command: "mica-worker withdraw --cold-key cold.key".to_owned(),
        };
        let text = error.to_string();
        assert!(text.contains("take the stake back") && text.contains("--cold-key"), "{text}");
    }
}

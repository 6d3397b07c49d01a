//! The payer's channels on chain: opened and topped up as a path needs them, closed and finished
//! when it is done.
//!
//! Whatever is missing for a path goes into one extrinsic. A channel counts as ours only if our key
//! signs for it; what was promised on it is read from the payer's own database, which knows more
//! than the chain until workers redeem.
//!
//! **When the database is older than the promises** (a backup put back, a file deleted, the wallet
//! under a second home folder) workers refuse the next voucher and show what they hold. It proves
//! itself by our own signature, so it is written down and counts, and the session goes on in
//! another lane. **When the chain is not the one of the records** ([`compare_chain`]) they are put
//! aside.

mod agreement;
mod notices;
mod origin;
mod pool;

pub use agreement::AgreementError;
pub(crate) use notices::NoticeFilter;
pub use origin::{ChainComparison, compare_chain};
pub use pool::Deposits;
pub(crate) use pool::{ChannelPool, Claim, LaneGuard, Lease};

use std::time::Duration;

use mica_chain::{AccountId, Call, Chain, ConnectError, ReadError, SubmitError, Submitted, Until};
use mica_primitives::{Balance, BlockNumber, Channel, ChannelId, ChannelState, PublicKey};
use mica_protocol::channel::{ChannelFacts, LeaseError, PayerLedger};
use tokio::time::Instant;

use crate::funds::Shortfall;
use crate::store::{Store, StoreError};
use mica_wallet::{AccountKey, ChannelSigners, Secret, UnlockError};

/// What the account's key is asked for.
const OPENING: &str = "opening or topping up channels";
/// What the account's key is asked for.
pub const CLOSING: &str = "closing channels";
/// How often the chain is asked whether a channel is gone.
const POLL: Duration = Duration::from_millis(500);

/// Why channels cannot be made ready or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Not enough money for the deposits and the fee.
    #[error("{0} for the deposits and the fee, or lower --max-tokens")]
    NoFunds(Shortfall),
    /// The channel is not where it should be after it was opened.
    #[error("the chain took the extrinsic but shows no channel to {0}: run the command again")]
    NotThere(String),
    /// The chain began anew while something was paid on the one before.
    #[error("the chain began anew, and what ran on the one before is over: run the command again")]
    ChainRestarted,
    /// The node has changed its chain while this program ran.
    #[error(
        "the node at {url} is on another chain now (genesis 0x{found}): start this program again"
    )]
    OtherChain {
        /// The node.
        url: String,
        /// Its genesis hash now.
        found: String,
    },
    /// Nothing is final yet on a chain of which there are records.
    #[error(
        "the node at {url} shows no final block yet: it is still fetching the chain, or the chain \
         has just begun; wait a moment"
    )]
    NothingFinal {
        /// The node.
        url: String,
    },
    /// The part of the program that opens channels failed.
    #[error("opening channels broke off: run the command again")]
    BrokenOff,
    /// No such channel of this payer.
    #[error("this wallet has no channel {0}: see `mica channel list`")]
    Unknown(ChannelId),
    /// The payee did not close and the window is not over.
    #[error(
        "{left} of the channels are still open after {seconds} s; their windows end at block \
         {ends}: run `mica channel close` again then"
    )]
    StillOpen {
        /// How many.
        left: usize,
        /// How long it was waited for.
        seconds: u64,
        /// The last window's end.
        ends: BlockNumber,
    },
    /// The records do not fit the channel.
    #[error(transparent)]
    Ledger(#[from] LeaseError),
    /// Reading the chain failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An extrinsic failed.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account's key is needed and stays locked.
    #[error(transparent)]
    Locked(#[from] UnlockError),
}

/// Who pays: the account, the key that signs vouchers, and the chain.
#[derive(Clone)]
pub struct Payer {
    /// The chain.
    pub chain: Chain,
    /// The account's key, opened only for what changes the chain.
    pub account: AccountKey,
    /// The keys that sign vouchers: the one of new channels, and those of older ones.
    pub signer: ChannelSigners,
}

/// Channels that are gone.
#[derive(Clone, Debug)]
pub struct ClosedChannels {
    /// The extrinsics that it took here.
    pub finished: Vec<Submitted>,
    /// Fees of extrinsics for which a payee was faster, base units.
    pub lost: Balance,
    /// The first block without the channels.
    pub block: BlockNumber,
}

/// What a stage of a path will need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Who is to be paid.
    pub payee: AccountId,
    /// The payee's peer key.
    pub peer: PublicKey,
    /// The most that the session can spend there, base units.
    pub budget: Balance,
    /// Who is paid in the end: the payee, or the worker that a hub pays. Its sessions take the same
    /// lane again, which a hub asks for.
    pub worker: AccountId,
    /// What the payee promises on a lane before it is shown for what, base units, if it is a hub:
    /// so much is left free for each lane of earlier sessions.
    pub credit: Balance,
    /// Least window of a channel for it, blocks, where the payee asks for more than usual.
    pub window: BlockNumber,
}

impl Payer {
    /// The payer of `secret` on the chain of the node at `url`.
    ///
    /// # Errors
    /// [`ConnectError`] if the node does not answer or is no Mica node.
    pub async fn connect(url: &str, secret: &Secret) -> Result<Self, ConnectError> {
        Ok(Self {
            chain: Chain::connect(url).await?,
            account: secret.account().clone().into(),
            signer: secret.channel_signer().into(),
        })
    }

    /// The account that pays.
    pub fn id(&self) -> AccountId {
        self.account.account()
    }

    /// The ledger of a channel with everything that was ever promised on it.
    fn ledger(
        &self,
        store: &Store,
        id: ChannelId,
        channel: &Channel<AccountId>,
    ) -> Result<PayerLedger, ChannelError> {
        let key = self.signer.of(&channel.signer).ok_or(LeaseError::WrongSigner)?;
        let mut ledger = PayerLedger::new(
            self.chain.genesis_hash(),
            key.clone(),
            ChannelFacts::new(id, channel),
        )?;
        for record in store.lanes(id)? {
            ledger.restore(record)?;
        }
        store.retired(id)?.into_iter().for_each(|lane| ledger.retire(lane));
        Ok(ledger)
    }

    /// Asks the chain to close `channels`, in one extrinsic; those whose window is over are
    /// finished instead. Nothing if there is nothing to do.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`] if one is not this payer's; [`ChannelError::Submit`] if the chain
    /// refuses.
    pub async fn close(&self, channels: &[ChannelId]) -> Result<Option<Submitted>, ChannelError> {
        match self.closing(channels).await? {
            Some(call) => Ok(Some(
                self.chain.submit(&self.account.signer(CLOSING)?, call, Until::InBlock).await?,
            )),
            None => Ok(None),
        }
    }

    /// The extrinsic that [`Self::close`] would send.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`] if one is not this payer's.
    pub async fn closing(&self, channels: &[ChannelId]) -> Result<Option<Call>, ChannelError> {
        let view = self.chain.at_best().await?;
        let now = view.clock().await?.now;
        let mut calls = Vec::new();
        for id in channels {
            let channel = view
                .channel(*id)
                .await?
                .filter(|channel| channel.payer == self.id())
                .ok_or(ChannelError::Unknown(*id))?;
            match channel.state {
                ChannelState::Open => calls.push(Call::Close(*id)),
                ChannelState::Closing(closing) if now >= closing.ends => {
                    calls.push(Call::Finish(*id))
                }
                ChannelState::Closing(_) => {}
            }
        }
        Ok(match calls.len() {
            0 => None,
            1 => Some(calls.remove(0)),
            _ => Some(Call::BatchAll(calls)),
        })
    }

    /// Waits until `channels` are gone: closed by their payees, or finished here once their windows
    /// are over.
    ///
    /// # Errors
    /// [`ChannelError::StillOpen`] at the deadline.
    pub async fn await_closed(
        &self,
        channels: &[ChannelId],
        patience: Duration,
    ) -> Result<ClosedChannels, ChannelError> {
        let deadline = Instant::now() + patience;
        let (mut finished, mut lost) = (Vec::new(), 0 as Balance);
        loop {
            let view = self.chain.at_best().await?;
            let now = view.clock().await?.now;
            let (mut left, mut due, mut ends) = (0, Vec::new(), 0);
            for id in channels {
                let Some(channel) = view.channel(*id).await? else { continue };
                left += 1;
                if let ChannelState::Closing(closing) = channel.state {
                    ends = ends.max(closing.ends);
                    if now >= closing.ends {
                        due.push(*id);
                    }
                }
            }
            if left == 0 {
                return Ok(ClosedChannels { finished, lost, block: view.number() });
            }
            if Instant::now() >= deadline {
                return Err(ChannelError::StillOpen { left, seconds: patience.as_secs(), ends });
            }
            if !due.is_empty() {
                match self.close(&due).await {
                    Ok(submitted) => finished.extend(submitted),
                    // The payee was faster.
                    Err(ChannelError::Unknown(_)) => {}
                    Err(ChannelError::Submit(SubmitError::Failed { fee, .. })) => {
                        lost = lost.saturating_add(fee)
                    }
                    Err(error) => return Err(error),
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

//! The payer's channels on chain: opened and topped up as a path needs them, closed and finished when it is done.
//!
//! Whatever is missing for a path goes into one extrinsic. A channel counts as ours only if our key signs for it; what was
//! promised on it is read from the payer's own database, which knows more than the chain until workers redeem.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use mica_chain::{AccountId, Call, Chain, ReadError, SubmitError, Submitted, Until, View, amount};
use mica_primitives::{Balance, BlockNumber, Channel, ChannelId, ChannelOpening, ChannelState, PublicKey};
use mica_protocol::channel::{ChannelFacts, LeaseError, PayerLedger};
use tokio::time::Instant;

use crate::{
    error::{ErrorClass, submit_class},
    store::{Change, ChannelRecord, Store, StoreError},
    wallet::{AccountKey, UnlockError},
};

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
    #[error(
        "account {account} has {} free, and the deposits and the fee need {}: send it some more MICA, or lower --max-tokens",
        amount::format(*.free), amount::format(*.need)
    )]
    NoFunds {
        /// The account.
        account: String,
        /// Base units free.
        free: Balance,
        /// Base units needed.
        need: Balance,
    },
    /// The channel is not where it should be after it was opened.
    #[error("the chain took the extrinsic but shows no channel to {0}: run the command again")]
    NotThere(String),
    /// No such channel of this payer.
    #[error("this wallet has no channel {0}: see `mica channel list`")]
    Unknown(ChannelId),
    /// The payee did not close and the window is not over.
    #[error(
        "{left} of the channels are still open after {seconds} s; their windows end at block {ends}: run `mica channel close` again then"
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

impl ChannelError {
    /// Its class, which fixes the exit code.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoFunds { .. } => ErrorClass::Funds,
            Self::Unknown(_) => ErrorClass::Usage,
            Self::Submit(error) => submit_class(error),
            Self::Store(_) => ErrorClass::Storage,
            Self::Locked(_) => ErrorClass::Wallet,
            Self::Read(_) | Self::NotThere(_) => ErrorClass::Node,
            Self::StillOpen { .. } | Self::Ledger(_) => ErrorClass::Refused,
        }
    }
}

/// Who pays: the account, the key that signs vouchers, and the chain.
#[derive(Clone)]
pub struct Payer {
    /// The chain.
    pub chain: Chain,
    /// The account's key, opened only for what changes the chain.
    pub account: AccountKey,
    /// The channel signer.
    pub signer: SigningKey,
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
}

/// What a path needs before it can be paid, as of one block.
pub struct Prepared {
    needs: Vec<Need>,
    ledgers: Vec<Option<PayerLedger>>,
    /// The extrinsic that is missing; nothing if every channel is open and has enough left.
    pub call: Option<Call>,
    /// Base units that it would lock.
    pub deposits: Balance,
    /// Its estimated fee.
    fee: Balance,
    /// What the account has free.
    free: Balance,
}

impl Prepared {
    fn check_funds(&self, account: AccountId) -> Result<(), ChannelError> {
        let need = self.deposits.saturating_add(self.fee);
        if self.free < need { Err(ChannelError::NoFunds { account: account.to_string(), free: self.free, need }) } else { Ok(()) }
    }
}

/// A channel that is ready, and what it took.
pub struct Ready {
    /// One ledger per need, in their order.
    pub ledgers: Vec<PayerLedger>,
    /// The extrinsic, if one was needed.
    pub submitted: Option<Submitted>,
}

impl Payer {
    /// The account that pays.
    pub fn id(&self) -> AccountId {
        self.account.account()
    }

    /// The ledger of a channel with everything that was ever promised on it.
    fn ledger(&self, store: &Store, id: ChannelId, channel: &Channel<AccountId>) -> Result<PayerLedger, ChannelError> {
        let mut ledger = PayerLedger::new(self.chain.genesis_hash(), self.signer.clone(), ChannelFacts::new(id, channel))?;
        for record in store.lanes(id)? {
            ledger.restore(record)?;
        }
        Ok(ledger)
    }

    /// The open channel to `payee` with most left, if there is one.
    async fn best(&self, store: &Store, view: &View, payee: AccountId) -> Result<Option<PayerLedger>, ChannelError> {
        let key = self.signer.verifying_key().to_bytes();
        let mut best: Option<PayerLedger> = None;
        for (id, channel) in view.channels_of(self.id()).await? {
            if channel.payee != payee || channel.signer != key || channel.state != ChannelState::Open {
                continue;
            }
            let ledger = self.ledger(store, id, &channel)?;
            // A channel whose lanes are all in use can take no session, whatever is left in it.
            if self.ledger(store, id, &channel)?.lease(0).is_ok() && best.as_ref().is_none_or(|best| ledger.free() > best.free()) {
                best = Some(ledger);
            }
        }
        Ok(best)
    }

    /// Makes sure that every need has an open channel with enough left; opens and tops up in one extrinsic.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`] before anything is sent; [`ChannelError::Submit`] if the chain refuses.
    pub async fn ensure(&self, store: &Store, needs: &[Need]) -> Result<Ready, ChannelError> {
        let prepared = self.prepare(store, needs).await?;
        self.carry_out(store, prepared).await
    }

    /// Finds out what is missing. Sends nothing and opens no key.
    ///
    /// # Errors
    /// [`ChannelError`] if the chain or the database cannot be read.
    pub async fn prepare(&self, store: &Store, needs: &[Need]) -> Result<Prepared, ChannelError> {
        let view = self.chain.at_best().await?;
        let parameters = view.channel_parameters().await?;
        let (mut openings, mut calls, mut deposits) = (Vec::new(), Vec::new(), 0u128);
        let mut ledgers = Vec::with_capacity(needs.len());
        for need in needs {
            let found = self.best(store, &view, need.payee).await?;
            match &found {
                Some(ledger) if ledger.free() >= need.budget => {}
                Some(ledger) => {
                    let more = need.budget.saturating_sub(ledger.free());
                    let total = ledger.facts().deposit.saturating_add(more);
                    calls.push(Call::TopUpTo { channel: ledger.channel(), total });
                    deposits = deposits.saturating_add(more);
                }
                None => {
                    let deposit = need.budget.max(parameters.min_deposit);
                    let signer = self.signer.verifying_key().to_bytes();
                    openings.push(ChannelOpening { payee: need.payee, signer, deposit, window: parameters.min_window });
                    deposits = deposits.saturating_add(deposit);
                }
            }
            ledgers.push(found);
        }
        if !openings.is_empty() {
            calls.push(Call::OpenMany(openings));
        }
        let call = match calls.len() {
            0 => None,
            1 => Some(calls.remove(0)),
            _ => Some(Call::BatchAll(calls)),
        };
        let (free, fee) = match &call {
            Some(call) => (view.account(self.id()).await?.free, self.chain.estimate_fee_for(self.id(), call).await?),
            None => (0, 0),
        };
        Ok(Prepared { needs: needs.to_vec(), ledgers, call, deposits, fee, free })
    }

    /// Opens the account's key if something must be sent for `prepared`; asks for the password then, unless the money is missing.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`], [`ChannelError::Locked`].
    pub fn unlock_for(&self, prepared: &Prepared) -> Result<(), ChannelError> {
        prepared.check_funds(self.id())?;
        if prepared.call.is_some() {
            self.account.signer(OPENING)?;
        }
        Ok(())
    }

    /// Sends what is missing, if anything is.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub async fn carry_out(&self, store: &Store, prepared: Prepared) -> Result<Ready, ChannelError> {
        prepared.check_funds(self.id())?;
        let Prepared { needs, ledgers, call, .. } = prepared;
        let Some(call) = call else {
            return Ok(Ready { ledgers: ledgers.into_iter().flatten().collect(), submitted: None });
        };
        let submitted = self.chain.submit(&self.account.signer(OPENING)?, call, Until::InBlock).await?;
        let view = self.chain.at(submitted.block);
        let mut ready = Vec::with_capacity(needs.len());
        for need in &needs {
            let ledger =
                self.best(store, &view, need.payee).await?.ok_or_else(|| ChannelError::NotThere(need.payee.to_string()))?;
            let record = ChannelRecord {
                genesis: self.chain.genesis_hash(),
                payer: self.id().0,
                payee: need.payee.0,
                peer: need.peer,
                signer: self.signer.verifying_key().to_bytes(),
            };
            store.apply(&[Change::Channel(ledger.channel(), record)])?;
            ready.push(ledger);
        }
        Ok(Ready { ledgers: ready, submitted: Some(submitted) })
    }

    /// Asks the chain to close `channels`, in one extrinsic; those whose window is over are finished instead. Nothing if there is
    /// nothing to do.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`] if one is not this payer's; [`ChannelError::Submit`] if the chain refuses.
    pub async fn close(&self, channels: &[ChannelId]) -> Result<Option<Submitted>, ChannelError> {
        match self.closing(channels).await? {
            Some(call) => Ok(Some(self.chain.submit(&self.account.signer(CLOSING)?, call, Until::InBlock).await?)),
            None => Ok(None),
        }
    }

    /// The extrinsic that [`Self::close`] would send.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`] if one is not this payer's.
    pub async fn closing(&self, channels: &[ChannelId]) -> Result<Option<Call>, ChannelError> {
        let view = self.chain.at_best().await?;
        let mut calls = Vec::new();
        for id in channels {
            let channel =
                view.channel(*id).await?.filter(|channel| channel.payer == self.id()).ok_or(ChannelError::Unknown(*id))?;
            match channel.state {
                ChannelState::Open => calls.push(Call::Close(*id)),
                ChannelState::Closing(closing) if view.number() >= closing.ends => calls.push(Call::Finish(*id)),
                ChannelState::Closing(_) => {}
            }
        }
        Ok(match calls.len() {
            0 => None,
            1 => Some(calls.remove(0)),
            _ => Some(Call::BatchAll(calls)),
        })
    }

    /// Waits until `channels` are gone: closed by their payees, or finished here once their windows are over.
    /// Returns the extrinsics that this took and the first block without them.
    ///
    /// # Errors
    /// [`ChannelError::StillOpen`] at the deadline.
    pub async fn await_closed(
        &self,
        channels: &[ChannelId],
        patience: Duration,
    ) -> Result<(Vec<Submitted>, BlockNumber), ChannelError> {
        let deadline = Instant::now() + patience;
        let mut finished = Vec::new();
        loop {
            let view = self.chain.at_best().await?;
            let (mut left, mut due, mut ends) = (0, Vec::new(), 0);
            for id in channels {
                let Some(channel) = view.channel(*id).await? else { continue };
                left += 1;
                if let ChannelState::Closing(closing) = channel.state {
                    ends = ends.max(closing.ends);
                    if view.number() >= closing.ends {
                        due.push(*id);
                    }
                }
            }
            if left == 0 {
                return Ok((finished, view.number()));
            }
            if Instant::now() >= deadline {
                return Err(ChannelError::StillOpen { left, seconds: patience.as_secs(), ends });
            }
            if !due.is_empty() {
                match self.close(&due).await {
                    Ok(submitted) => finished.extend(submitted),
                    // The payee was faster.
                    Err(ChannelError::Unknown(_) | ChannelError::Submit(SubmitError::Failed { .. })) => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

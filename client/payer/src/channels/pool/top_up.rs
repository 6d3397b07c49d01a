//! What channels lack for a path, and the extrinsic that opens or tops them up: when a session
//! waits for it, or ahead of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mica_chain::{Account, AccountId, Call, Signer, Submitted, Until};
use mica_primitives::{Balance, BlockNumber, ChannelId, ChannelOpening, ChannelParameters};
use mica_protocol::channel::PayerLedger;
use mica_wallet::UnlockError;

use super::{
    super::{ChannelError, Need, OPENING},
    ChannelPool,
};
use crate::funds;

/// A channel is topped up ahead when it is good for less than one part in this many of its
/// headroom.
const LOW: u32 = 2;
/// Pause after a top-up ahead that failed.
const PAUSE: Duration = Duration::from_secs(60);

/// What a path needs before it can be paid.
pub(crate) struct Missing {
    /// The extrinsic; nothing if every channel is open and has enough left.
    pub(crate) call: Option<Call>,
    /// Base units that it would lock.
    pub(crate) deposits: Balance,
    /// Its estimated fee.
    fee: Balance,
    /// The account's money.
    money: Account,
    /// What to wait for once it is sent.
    until: Until,
}

/// An extrinsic before its fee is known.
struct PlannedCall {
    call: Option<Call>,
    deposits: Balance,
    until: Until,
}

/// What every new channel has.
#[derive(Clone, Copy)]
struct Opening {
    /// The chain's least deposit, base units.
    min_deposit: Balance,
    /// What is on hold beside the deposit while the channel exists, base units.
    storage_deposit: Balance,
    /// Blocks that the payee has to redeem after a request to close.
    window: BlockNumber,
}

impl Missing {
    fn check_funds(&self, account: AccountId) -> Result<(), ChannelError> {
        match self.call {
            Some(_) => funds::check(account, &self.money, self.deposits, self.fee)
                .map_err(ChannelError::NoFunds),
            None => Ok(()),
        }
    }
}

impl ChannelPool {
    /// What is missing for `needs`, as of the newest block. Sends nothing and opens no key.
    ///
    /// # Errors
    /// [`ChannelError`] if the chain or the database cannot be read.
    pub(crate) async fn missing(&self, needs: &[Need]) -> Result<Missing, ChannelError> {
        self.missing_for(needs, 1).await
    }

    /// The same where every channel has to be good for `least` sessions.
    async fn missing_for(&self, needs: &[Need], least: u32) -> Result<Missing, ChannelError> {
        self.refresh().await?;
        let view = self.payer.chain.at_best().await?;
        let parameters = view.channel_parameters().await?;
        let window = window(self.window().await?, self.deposits.window, parameters.max_window);
        let ChannelParameters { min_deposit, storage_deposit, .. } = parameters;
        let opening = Opening { min_deposit, storage_deposit, window };
        let money = view.account(self.payer.id()).await?;
        let mut planned = self.plan_call(needs, least, self.deposits.headroom, &opening);
        let mut fee = self.fee(&planned).await?;
        if money.missing(planned.deposits, fee) > 0 {
            // Too little for comfort may still be enough for these.
            planned = self.plan_call(needs, least, least, &opening);
            fee = self.fee(&planned).await?;
        }
        let PlannedCall { call, deposits, until } = planned;
        Ok(Missing { call, deposits, fee, money, until })
    }

    async fn fee(&self, planned: &PlannedCall) -> Result<Balance, ChannelError> {
        match &planned.call {
            Some(call) => Ok(self.payer.chain.estimate_fee_for(self.payer.id(), call).await?),
            None => Ok(0),
        }
    }

    /// Opens the account's key if something must be sent for `needs`; asks for the password then,
    /// unless the money is missing.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`], [`ChannelError::Locked`].
    pub(crate) async fn unlock_for(&self, needs: &[Need]) -> Result<(), ChannelError> {
        if self.payer.account.is_locked() {
            let missing = self.missing(needs).await?;
            missing.check_funds(self.payer.id())?;
            if missing.call.is_some() {
                self.signer()?;
            }
        }
        Ok(())
    }

    /// The fee of an extrinsic that failed is the next session's.
    pub(super) async fn submit(&self, missing: Missing) -> Result<Option<Submitted>, ChannelError> {
        missing.check_funds(self.payer.id())?;
        let Some(call) = missing.call else { return Ok(None) };
        let signer = self.signer()?;
        let sent = self.payer.chain.submit(&signer, call, missing.until).await;
        Ok(Some(self.lock().account_for(sent)?))
    }

    /// The account's key, which may take a part of a second to open.
    fn signer(&self) -> Result<Signer, UnlockError> {
        tokio::task::block_in_place(|| self.payer.account.signer(OPENING))
    }

    /// Sessions that a channel still has to be good for; below that it is topped up ahead.
    fn least(&self) -> u32 {
        self.deposits.headroom / LOW
    }

    /// Tops up in the background what will soon be too little for sessions like this one.
    pub(super) fn top_up_ahead(self: &Arc<Self>, needs: &[Need]) {
        if !self.deposits.ahead
            || self.least() < 2
            || self.payer.account.is_locked()
            || self.closing.is_cancelled()
            || !self.is_low(needs)
        {
            return;
        }
        // Whoever sends already tops up for all.
        let Ok(sending) = self.sending.clone().try_lock_owned() else { return };
        let (pool, needs) = (self.clone(), needs.to_vec());
        self.follow(OPENING, async move {
            let _sending = sending;
            if let Err(error) = pool.top_up(&needs).await {
                tracing::warn!(%error, "channels were not topped up ahead of time");
                pool.lock().pause = Some(Instant::now() + PAUSE);
            }
        });
    }

    /// The fee of a top-up ahead is the next session's.
    async fn top_up(&self, needs: &[Need]) -> Result<(), ChannelError> {
        let missing = self.missing_for(needs, self.least()).await?;
        if self.closing.is_cancelled() {
            return Ok(());
        }
        if let Some(submitted) = self.submit(missing).await? {
            self.carry_fees(submitted.fee);
            self.refresh().await?;
        }
        Ok(())
    }

    fn is_low(&self, needs: &[Need]) -> bool {
        let ledgers = self.lock();
        if ledgers.pause.is_some_and(|pause| Instant::now() < pause) {
            return false;
        }
        by_payee(needs).iter().any(|(need, _)| {
            let channels = ledgers.open.values().filter(|open| open.pays(need));
            let most = channels.map(|open| free_for(need, &open.ledger)).max();
            most.is_none_or(|most| most < need.budget.saturating_mul(self.least().into()))
        })
    }

    /// What gives every need a channel with enough left for `least` sessions: enough for `headroom`
    /// of them then.
    fn plan_call(
        &self,
        needs: &[Need],
        least: u32,
        headroom: u32,
        opening: &Opening,
    ) -> PlannedCall {
        let Opening { min_deposit, storage_deposit, window } = *opening;
        let mut ledgers = self.lock();
        let (mut openings, mut calls, mut deposits) = (Vec::new(), Vec::new(), 0u128);
        for (need, lanes) in by_payee(needs) {
            let mut best: Option<(ChannelId, Balance, &PayerLedger)> = None;
            let (wanted, least) = (
                need.budget.saturating_mul(headroom.into()),
                need.budget.saturating_mul(least.into()),
            );
            let mut is_enough = false;
            for (id, open) in &mut ledgers.open {
                if !open.pays(&need) || !open.has_free_lanes(lanes) {
                    continue;
                }
                let free = free_for(&need, &open.ledger);
                is_enough |= free >= least;
                // Nothing more goes into a channel of an earlier key.
                if !open.is_earlier && best.is_none_or(|(_, most, _)| most <= free) {
                    best = Some((*id, free, &open.ledger));
                }
            }
            if is_enough {
                continue;
            }
            match best {
                Some((channel, _, ledger)) => {
                    let more = ledger.lacks(wanted.saturating_add(ledger.reserve(need.credit)));
                    calls.push(Call::TopUpTo {
                        channel,
                        total: ledger.facts().deposit.saturating_add(more),
                    });
                    deposits = deposits.saturating_add(more);
                }
                None => {
                    let deposit = wanted.max(min_deposit);
                    let signer = self.payer.signer.current_public();
                    let window = window.max(need.window);
                    openings.push(ChannelOpening { payee: need.payee, signer, deposit, window });
                    deposits = deposits.saturating_add(deposit).saturating_add(storage_deposit);
                }
            }
        }
        // A worker waits for a channel that it does not know, but takes the deposit that it knows
        // for all there is.
        let until = if calls.is_empty() { Until::InBlock } else { Until::Finalized };
        if !openings.is_empty() {
            calls.push(Call::OpenMany(openings));
        }
        let call = match calls.len() {
            0 => None,
            1 => calls.pop(),
            _ => Some(Call::BatchAll(calls)),
        };
        PlannedCall { call, deposits, until }
    }
}

/// What sessions may spend, beside what the payee wants to be left for earlier ones.
fn free_for(need: &Need, ledger: &PayerLedger) -> Balance {
    ledger.free().saturating_sub(ledger.reserve(need.credit))
}

/// What is needed of each payee, and on how many lanes: a hub is paid for several stages.
fn by_payee(needs: &[Need]) -> Vec<(Need, usize)> {
    let mut all: Vec<(Need, usize)> = Vec::with_capacity(needs.len());
    for need in needs {
        match all.iter_mut().find(|(other, _)| other.payee == need.payee) {
            Some((sum, lanes)) => {
                sum.budget = sum.budget.saturating_add(need.budget);
                sum.credit = sum.credit.max(need.credit);
                *lanes += 1;
            }
            None => all.push((need.clone(), 1)),
        }
    }
    all
}

/// The window of a new channel, blocks: what the payer wants, if that is more than usual, and no
/// more than the chain allows.
fn window(usual: BlockNumber, wanted: Option<BlockNumber>, most: BlockNumber) -> BlockNumber {
    wanted.unwrap_or_default().min(most).max(usual)
}

#[cfg(test)]
mod tests {
    use super::{Need, by_payee, window};

    #[test]
    fn a_hub_that_is_paid_for_several_stages_gets_one_channel() {
        let need = |payee: u8, budget| {
            let payee = [payee; 32].into();
            Need { payee, peer: [0; 32], budget, worker: payee, credit: 0, window: 0 }
        };
        let all = by_payee(&[need(1, 10), need(2, 5), need(1, 20)]);
        assert_eq!(all, [(need(1, 30), 2), (need(2, 5), 1)]);
    }

    #[test]
    fn a_payer_gives_more_time_than_usual_and_never_less() {
        assert_eq!(window(1_200, None, 200_000), 1_200);
        assert_eq!(window(1_200, Some(2_400), 200_000), 2_400);
        assert_eq!(window(1_200, Some(20), 200_000), 1_200);
        assert_eq!(window(1_200, Some(u32::MAX), 200_000), 200_000, "the chain would refuse it");
    }
}

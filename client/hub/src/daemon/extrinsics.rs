//! What is sent to the chain, and what became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use mica_chain::{AccountId, Call, MicaEvent, ReadError, SubmitError, Submitted, Until};
use mica_primitives::ChannelId;
use mica_protocol::{channel::ChannelFacts, hub::HubInput, messages::CloseConsent};
use tokio::time::Instant;

use super::Daemon;
use crate::error::HubError;
use crate::event::{HubEvent, Sent};
use crate::keeper::{self, Figures};

/// What the account's key is asked for.
const PURPOSE: &str = "channels of the hub, and redeems";
/// Longest wait for an extrinsic.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause after an extrinsic that failed.
const PAUSE: Duration = Duration::from_secs(30);

impl Daemon {
    /// Sends what is to be sent to the chain, if nothing is under way; only redeems at the `end`.
    pub(super) fn keep(&mut self, end: bool) {
        let is_paused = self.pause.is_some_and(|pause| Instant::now() < pause);
        let Some(news) = self.newest.as_ref().filter(|_| self.extrinsics.is_empty()) else {
            return;
        };
        if is_paused && !end {
            return;
        }
        let figures = Figures {
            config: &self.config,
            parameters: &self.parameters,
            now: self.now(),
            fee: self.fee,
            money: news.money,
            window: self.window,
            signer: self.payer.signer.current_public(),
        };
        let agreed = keeper::agreed(&mut self.table, &figures);
        let ends: BTreeSet<ChannelId> = agreed.iter().map(|agreed| agreed.close.channel).collect();
        let mut calls: Vec<Call> = agreed
            .into_iter()
            .map(|CloseConsent { close, signature }| Call::CloseCooperatively { close, signature })
            .collect();
        let redeems = keeper::redeems(&self.table, &figures, end).into_iter();
        // All that is owed there is in the end.
        let redeems = redeems.filter(|redeem| !ends.contains(&redeem.voucher.channel));
        calls.extend(redeems.map(|redeem| Call::Redeem(Box::new(redeem))));
        if !end {
            let closes = keeper::closes(&self.table, &figures).into_iter();
            calls.extend(closes.filter(|channel| !ends.contains(channel)).map(Call::Close));
            let workers = self.workers.keys().map(|account| AccountId::from(*account));
            let wanted: Vec<AccountId> = self.config.pay.iter().copied().chain(workers).collect();
            calls.extend(keeper::channels(&self.table, &figures, &news.own, &wanted));
        }
        let call = match calls.len() {
            0 => return,
            1 => calls.remove(0),
            // Each for itself: one that fails keeps no other from being paid.
            _ => Call::ForceBatch(calls),
        };
        let (chain, account) = (self.payer.chain.clone(), self.payer.account.clone());
        self.extrinsics.spawn(async move {
            let signer = tokio::task::block_in_place(|| account.signer(PURPOSE));
            let signer = match signer {
                Ok(signer) => signer,
                Err(error) => {
                    tracing::error!(%error, "the account's key stays locked");
                    return Err(SubmitError::Refused {
                        what: PURPOSE.to_owned(),
                        reason: error.to_string(),
                    });
                }
            };
            // Final, so that what is read next shows it: nothing is sent twice.
            chain.submit_watched(&signer, call, Until::Finalized, PATIENCE, &mut |_| {}).await
        });
    }

    /// Tells what became of an extrinsic.
    pub(super) fn sent(&mut self, done: Option<Result<Submitted, SubmitError>>) {
        let submitted = match done {
            Some(Ok(submitted)) => submitted,
            Some(Err(error)) => {
                self.pause = Some(Instant::now() + PAUSE);
                self.status.failures += 1;
                self.status.chain_fees = self.status.chain_fees.saturating_add(error.fee_spent());
                let text = format!("an extrinsic of the hub failed and is tried again: {error}");
                (self.listener)(HubEvent::Warning(&text));
                return;
            }
            // It panicked.
            None => return self.pause = Some(Instant::now() + PAUSE),
        };
        let mut sent =
            Sent { fee: submitted.fee, block: submitted.block.number, ..Sent::default() };
        for event in submitted.known() {
            match event {
                MicaEvent::Redeemed { paid, .. } => {
                    sent.redeemed = sent.redeemed.saturating_add(*paid);
                }
                MicaEvent::Closed { .. } => sent.closed += 1,
                MicaEvent::Opened { .. } => sent.opened += 1,
                MicaEvent::ToppedUp { .. } => sent.topped_up += 1,
                _ => {}
            }
        }
        self.status.redeemed = self.status.redeemed.saturating_add(sent.redeemed);
        self.status.chain_fees = self.status.chain_fees.saturating_add(sent.fee);
        (self.listener)(HubEvent::Sent(&sent));
    }

    /// The end: what is owed and pays is redeemed, everything is written.
    pub(super) async fn end(mut self) -> Result<(), HubError> {
        self.pending.write(&self.store)?;
        while let Some(done) = self.extrinsics.join_next().await {
            self.sent(done.ok());
        }
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "what is owed is redeemed after the next start");
        } else {
            self.keep(true);
        }
        while let Some(done) = self.extrinsics.join_next().await {
            self.sent(done.ok());
        }
        self.net.stop().await;
        Ok(())
    }

    /// Learns what the chain has paid meanwhile, so that nothing is sent twice.
    async fn refresh(&mut self) -> Result<(), ReadError> {
        let view = self.payer.chain.at_finalized().await?;
        for channel in self.table.incoming_channels().collect::<Vec<_>>() {
            let found = view.channel(channel).await?;
            let facts = found.map(|found| ChannelFacts::new(channel, &found));
            self.input(HubInput::Incoming { channel, facts });
        }
        Ok(())
    }
}

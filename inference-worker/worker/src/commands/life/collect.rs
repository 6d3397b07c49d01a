//! Everything that channels owe, redeemed; and the channels closed, because the chain keeps the
//! stake of an account that channels pay.

use std::collections::BTreeMap;

use mica_chain::{Call, MicaEvent, Signer, SubmitError, Submitted, Until};
use mica_primitives::{Balance, ChannelId};
use mica_protocol::channel::{ChannelFacts, PayeeLedger};
use tokio::task::JoinSet;

use super::{Life, LifeError};
use crate::{
    commands::watch::folder::promises, daemon::redeem::PATIENCE, data_dir::DataDir, report::Event,
    store::snapshot,
};

/// Rounds in which what failed is tried again.
const ROUNDS: usize = 3;
/// Most redeems at once.
const MAX_IN_FLIGHT: usize = 32;
/// Channels that one extrinsic closes.
const CLOSES: usize = 32;
/// Channels that are read at once.
const PAGE: u32 = 256;
/// Most channels that are closed.
const MAX_CHANNELS: usize = 100_000;

impl Life {
    /// Redeems whatever the folder's records promise and that brings more than its fee. Returns
    /// what is left, base units: less than its fee each.
    ///
    /// # Errors
    /// [`LifeError::StillOwed`] if something that is worth its fee is still owed after several
    /// attempts.
    pub(super) async fn redeem_all(&self, folder: &DataDir) -> Result<Balance, LifeError> {
        let Some(signer) = self.daily.as_ref().or(self.own.as_ref()) else { return Ok(0) };
        let origin = self.chain.origin().await?;
        let name = folder.path().display().to_string();
        let mut ledgers = promises(snapshot(folder)?, &origin, &name, self.reporter);
        let mut left = self.owed(&mut ledgers, signer).await?;
        for _ in 0..ROUNDS {
            if left.due.is_empty() {
                return Ok(left.trifles);
            }
            self.redeem(std::mem::take(&mut left.due), signer).await;
            left = self.owed(&mut ledgers, signer).await?;
        }
        match left.due.is_empty() {
            true => Ok(left.trifles),
            false => {
                let owed = left.due.iter().fold(0, |sum: Balance, due| sum.saturating_add(due.1));
                Err(LifeError::StillOwed(owed))
            }
        }
    }

    /// What the chain would pay now.
    async fn owed(
        &self,
        ledgers: &mut BTreeMap<ChannelId, PayeeLedger>,
        signer: &Signer,
    ) -> Result<Owed, LifeError> {
        let view = self.chain.at_best().await?;
        let now = view.clock().await?.now;
        let mut owed = Owed::default();
        for (id, ledger) in ledgers {
            let Some(channel) = view.channel(*id).await? else { continue };
            ledger.update(ChannelFacts::new(*id, &channel));
            for lane in ledger.redeemable(now) {
                let call = Call::Redeem(Box::new(lane.redeem));
                // Without an answer nothing is lost over the fee.
                let fee = self.chain.estimate_fee(signer, &call).await.unwrap_or(0);
                match lane.gain > fee {
                    true => owed.due.push((call, lane.gain)),
                    false => owed.trifles = owed.trifles.saturating_add(lane.gain),
                }
            }
        }
        Ok(owed)
    }

    async fn redeem(&self, due: Vec<(Call, Balance)>, signer: &Signer) {
        let mut due = due.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < MAX_IN_FLIGHT {
                let Some((call, _)) = due.next() else { break };
                let (chain, signer) = (self.chain.clone(), signer.clone());
                running.spawn(async move {
                    let until = Until::Finalized;
                    chain.submit_watched(&signer, call, until, PATIENCE, &mut |_| {}).await
                });
            }
            match running.join_next().await {
                None => return,
                Some(Ok(Ok(submitted))) => self.tell_redeemed(&submitted),
                // Somebody was faster, or it is done and not final: the next look tells.
                Some(Ok(Err(SubmitError::NotFinal { .. }))) => {}
                Some(Ok(Err(error))) => self.warn(format!("not redeemed this time: {error}")),
                Some(Err(_)) => self.warn("a redeem was cut off".to_owned()),
            }
        }
    }

    fn tell_redeemed(&self, submitted: &Submitted) {
        for event in submitted.known() {
            if let MicaEvent::Redeemed { channel, lane, seq, paid, receipts, .. } = *event {
                self.reporter.emit(&Event::Redeemed {
                    channel,
                    lane,
                    seq,
                    paid,
                    receipts,
                    fee: submitted.fee,
                    block: submitted.block.number,
                });
            }
        }
    }

    /// Closes every channel that pays this account, as its payee: at once, and the payer has the
    /// rest back.
    ///
    /// # Errors
    /// [`LifeError::Channels`] if some are still open after several attempts.
    pub(super) async fn close_all(&self) -> Result<(), LifeError> {
        let Some(signer) = self.daily.as_ref().or(self.own.as_ref()) else { return Ok(()) };
        let mut open = self.channels().await?;
        for _ in 0..ROUNDS {
            if open.is_empty() {
                return Ok(());
            }
            for some in open.chunks(CLOSES) {
                let calls = some.iter().map(|channel| Call::Close(*channel)).collect();
                let call = Call::ForceBatch(calls);
                let until = Until::InBlock;
                let closed =
                    self.chain.submit_watched(signer, call, until, PATIENCE, &mut |_| {}).await;
                match closed {
                    Ok(submitted) => self.tell_closed(&submitted),
                    Err(error) => self.warn(format!("channels were not closed: {error}")),
                }
            }
            open = self.channels().await?;
        }
        if open.is_empty() { Ok(()) } else { Err(LifeError::Channels(open.len())) }
    }

    fn tell_closed(&self, submitted: &Submitted) {
        for event in submitted.known() {
            if let MicaEvent::Closed { channel, .. } = *event {
                let block = submitted.block.number;
                self.reporter.emit(&Event::ChannelClosed { channel, block });
            }
        }
    }

    /// Channels that pay this account, at most [`MAX_CHANNELS`].
    pub(super) async fn channels(&self) -> Result<Vec<ChannelId>, LifeError> {
        let view = self.chain.at_best().await?;
        let mut all: Vec<ChannelId> = Vec::new();
        while all.len() < MAX_CHANNELS {
            let page = view.channels_to(self.account, all.last().copied(), PAGE).await?;
            if page.is_empty() {
                break;
            }
            all.extend(page.into_iter().map(|(id, _)| id));
        }
        Ok(all)
    }
}

/// What channels owe.
#[derive(Default)]
struct Owed {
    /// What to submit, and what it brings, base units: more than its fee.
    due: Vec<(Call, Balance)>,
    /// The rest, base units: a redeem would cost more.
    trifles: Balance,
}

//! Carrying out what the table decides: messages, records, questions to the chain.

use mica_chain::AccountId;
use mica_payer::store::Change;
use mica_primitives::{ChannelId, PublicKey};
use mica_protocol::{Message, hub::HubOutput, limits::MAX_LOST_LANES};
use tokio::time::Instant;

use super::Daemon;
use crate::chain::read_channel;
use crate::error::HubError;
use crate::event::HubEvent;

/// Questions to the chain at once.
const MAX_READS: usize = mica_protocol::limits::MAX_OPENINGS;
/// Longest frame of a payer's: a voucher, or what a worker holds on sixteen lanes.
const FRAME_BYTES: usize = 16 * 1024;

impl Daemon {
    /// Carries outputs out: what is urgent is on disk before any message leaves.
    pub(super) fn carry_out(&mut self, outputs: Vec<HubOutput>) -> Result<(), HubError> {
        let mut messages: Vec<(PublicKey, Message)> = Vec::new();
        for output in outputs {
            match output {
                HubOutput::Send { to, message } => messages.push((to, message)),
                HubOutput::ReadChannel(channel) => self.read(channel),
                HubOutput::PersistIncoming { record, durability } => {
                    self.pending.incoming(record, durability);
                }
                HubOutput::PersistOutgoing { record, durability } => {
                    self.pending.outgoing(record, durability);
                }
                HubOutput::PersistChain(chain) => {
                    self.pending.other(Change::HubChain { genesis: self.genesis, chain });
                }
                HubOutput::ForgetChain { channel, lane, anchor } => {
                    let genesis = self.genesis;
                    let change = Change::ForgetHubChain { genesis, channel, lane, anchor };
                    self.pending.other(change);
                }
                HubOutput::Ban(account, last) => {
                    let genesis = self.genesis;
                    self.pending.other(Change::HubBan { genesis, account, last });
                }
                HubOutput::ForgetBan(account) => {
                    let genesis = self.genesis;
                    self.pending.other(Change::ForgetHubBan { genesis, account });
                }
                HubOutput::Retire(channel, lane) => {
                    self.pending.other(Change::Retired(channel, lane));
                }
                HubOutput::GivenUp { channel, payee } => {
                    let text = format!(
                        "{} was paid on {MAX_LOST_LANES} lanes with ticks that payers kept from \
                         this hub: nothing more is promised on channel {channel}; close it with \
                         `mica channel close` when the hub does not run",
                        AccountId::from(payee)
                    );
                    (self.listener)(HubEvent::Warning(&text));
                }
                HubOutput::Began { peer } => self.net.protect(peer, FRAME_BYTES),
                HubOutput::Ended(end) => {
                    self.net.unprotect(end.payer);
                    self.status.ended += 1;
                    self.status.unsettled += u64::from(!end.settled);
                    self.status.earned = self.status.earned.saturating_add(end.earned);
                    self.status.passed_on = self.status.passed_on.saturating_add(end.passed_on);
                    (self.listener)(HubEvent::Ended(&end));
                }
            }
        }
        let is_due = self.pending.due().is_some_and(|due| Instant::now() >= due);
        if self.pending.is_urgent() || is_due {
            self.pending.write(&self.store)?;
        }
        for (to, message) in messages {
            tracing::debug!(kind = message.kind(), "told");
            // A payer that is not there hears nothing, and finds out by itself.
            if let Err(error) = self.net.try_answer(to, &message) {
                tracing::debug!(%error, kind = message.kind(), "not sent");
            }
        }
        Ok(())
    }

    /// Asks the chain about a channel. Too many questions are not asked: their openings run into
    /// their deadlines.
    fn read(&mut self, channel: ChannelId) {
        if self.reads.len() >= MAX_READS {
            tracing::warn!(%channel, "too many channels are being read: an opening is not answered");
            return;
        }
        let (chain, account) = (self.payer.chain.clone(), self.payer.id());
        self.reads.spawn(async move {
            let found = read_channel(&chain, account, channel).await;
            let found = found.inspect_err(
                |error| tracing::warn!(%channel, %error, "a channel could not be read"),
            );
            (channel, found.ok())
        });
    }
}

//! What a final block says: of channels to the hub, of its own, and of workers.

use mica_chain::AccountId;
use mica_payer::store::{Change, ChannelRecord};
use mica_primitives::{Balance, Channel, ChannelId, PublicKey};
use mica_protocol::{
    channel::ChannelFacts,
    hub::{HubInput, HubOutput, Payee},
};

use super::Daemon;
use crate::chain::News;
use crate::error::HubError;
use crate::event::{HubEvent, PaidChannel};
use crate::looks::Channels;

impl Daemon {
    /// Takes what a final block says.
    pub(super) fn take_news(
        &mut self,
        news: News,
        outputs: &mut Vec<HubOutput>,
    ) -> Result<(), HubError> {
        if news.block < self.status.block {
            // A node that is behind knows nothing of what came after.
            return Ok(());
        }
        self.block = self.block.max(news.clock);
        outputs.extend(self.input(HubInput::BlockFinal));
        if let Some(workers) = &news.workers {
            self.workers = workers.iter().map(|(account, peer)| (account.0, *peer)).collect();
        }
        self.seen.retain(|_, block| *block > news.block);
        let told = self.table.incoming_channels().filter(|id| !self.seen.contains_key(id));
        for channel in told.collect::<Vec<_>>() {
            let facts = news.incoming.get(&channel).map(|found| ChannelFacts::new(channel, found));
            let is_gone = facts.is_none();
            outputs.extend(self.input(HubInput::Incoming { channel, facts }));
            if is_gone && !self.table.is_busy(&channel) {
                outputs.extend(self.table.forget(&channel));
                let genesis = self.genesis;
                self.pending.other(Change::ForgetIncoming { genesis, channel });
            }
        }
        self.take_own(&news, outputs)?;
        self.status.block = news.block;
        self.newest = Some(news);
        self.tell_status();
        self.keep(false);
        Ok(())
    }

    /// What became of the hub's own channels. Of one that is gone or was redeemed further than the
    /// hub knows, the redeems are looked at: since the last final block that was told, or, after a
    /// start, as far back as any promise can be good.
    fn take_own(&mut self, news: &News, outputs: &mut Vec<HubOutput>) -> Result<(), HubError> {
        let known: Vec<(ChannelId, PublicKey)> = self
            .table
            .outgoing_channels()
            .map(|(_, ledger)| (ledger.channel(), ledger.facts().signer))
            .collect();
        let mut shown = Channels::new();
        for (channel, signer) in &known {
            let facts = news.own.get(channel).map(|found| ChannelFacts::new(*channel, found));
            if facts.as_ref().is_none_or(|facts| self.table.is_ahead(facts)) {
                shown.insert(*channel, *signer);
            }
            outputs.extend(self.input(HubInput::Outgoing { channel: *channel, facts }));
        }
        let is_known = |id: &ChannelId| known.iter().any(|(known, _)| known == id);
        for (id, channel) in news.own.iter().filter(|(id, _)| !is_known(id)) {
            self.pay_from(*id, channel)?;
            let facts = ChannelFacts::new(*id, channel);
            if self.newest.is_none() && self.table.is_behind(&facts) {
                shown.insert(*id, channel.signer);
            }
        }
        // Whoever closed a channel while the hub was away may have been paid in the same block.
        let former = std::mem::take(&mut self.former);
        shown.extend(former.into_iter().filter(|(id, _)| !news.own.contains_key(id)));
        let from = self.newest.as_ref().map_or(0, |last| last.block.saturating_add(1));
        self.looks.add(shown, from, news.block);
        self.look_on();
        Ok(())
    }

    pub(super) fn look_on(&mut self) {
        self.looks.go_on(&self.payer.chain, self.genesis);
    }

    /// Pays from one more channel, with what was promised on it before.
    fn pay_from(&mut self, id: ChannelId, channel: &Channel<AccountId>) -> Result<(), HubError> {
        let Some(signer) = self.payer.signer.of(&channel.signer).cloned() else { return Ok(()) };
        let payee =
            Payee { account: channel.payee.0, peer: self.workers.get(&channel.payee.0).copied() };
        let record = ChannelRecord {
            genesis: self.genesis,
            payer: channel.payer.0,
            payee: channel.payee.0,
            peer: payee.peer.unwrap_or_default(),
            signer: channel.signer,
        };
        self.pending.other(Change::Channel(id, record));
        let (records, retired) = (self.store.lanes(id)?, self.store.retired(id)?);
        let facts = ChannelFacts::new(id, channel);
        if let Err(error) = self.table.pay_from(payee, signer, facts, records, retired) {
            (self.listener)(HubEvent::Warning(&format!("channel {id} is not used: {error}")));
        }
        Ok(())
    }

    fn tell_status(&mut self) {
        let due = self.table.redeemable(self.now());
        self.status.relays = self.table.relays();
        self.status.incoming = self.table.incoming_channels().count();
        self.status.redeemable =
            due.iter().fold(0, |sum: Balance, (lane, _)| sum.saturating_add(lane.gain));
        let own = self.table.outgoing_channels().map(|(payee, ledger)| PaidChannel {
            channel: ledger.channel(),
            payee: payee.account.into(),
            deposit: ledger.facts().deposit,
            free: ledger.free(),
        });
        self.status.channels = own.collect();
        self.status.redeems = due.len();
        self.status.owed_out = self.table.owed_out();
        self.status.banned = self.table.banned();
        let lost = self.table.outgoing_channels().map(|(_, ledger)| ledger.lost_lanes());
        self.status.lost_lanes = lost.sum();
        self.told.send_replace(self.status.clone());
        (self.listener)(HubEvent::Status(&self.status));
    }
}

//! What the chain says of channels to the hub and from it.

use mica_primitives::{ChannelId, Lane, LaneId};

use super::{
    HubOutput, HubTable, RelayId,
    ending::forgotten,
    opening::{Opening, refusal_of},
    table::send,
};
use crate::{FaultCode, channel::ChannelFacts, clock::Now, stage::refusal::Refusal};

impl HubTable {
    /// News of a channel to the hub: for its ledger, and for the openings that wait for it.
    pub(super) fn incoming(
        &mut self,
        now: Now,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
        out: &mut Vec<HubOutput>,
    ) {
        let facts = facts.filter(|facts| facts.channel == channel);
        if let Some(ledger) = self.incoming.get_mut(&channel) {
            match &facts {
                Some(facts) => ledger.update(facts.clone()),
                None => ledger.set_gone(),
            }
        }
        let waiting: Vec<RelayId> = self
            .openings
            .iter()
            .filter(|(_, opening)| opening.open.voucher.voucher.channel == channel)
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let Some(Opening { from, open, .. }) = self.openings.remove(&id) else { continue };
            if let Err(refusal) = self.admit(now, from, &open, facts.as_ref(), out) {
                out.push(send(from, refusal_of(id, refusal)));
            }
        }
    }

    /// News of a channel of the hub's own. Relays on one that is gone can promise nothing more.
    pub(super) fn outgoing(
        &mut self,
        now: Now,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
        out: &mut Vec<HubOutput>,
    ) {
        if let Some(facts) = facts {
            if let Some(own) = self.outgoing.get_mut(&channel) {
                own.ledger.update(facts);
            }
            return;
        }
        if self.outgoing.remove(&channel).is_none() {
            return;
        }
        let gone = self.relays.iter().filter(|(_, relay)| relay.out.record().channel == channel);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            let payer = self.relays.get(&id).map(|relay| relay.payer);
            self.end(now, &id, false, out);
            let refusal = Refusal::new(FaultCode::NoRelay, "the hub's channel is closed and gone");
            out.extend(payer.map(|payer| send(payer, refusal_of(id, refusal))));
        }
    }

    /// Forgets a channel to the hub that is gone and on which nothing runs.
    pub fn forget(&mut self, channel: &ChannelId) -> Vec<HubOutput> {
        if self.is_busy(channel) {
            return Vec::new();
        }
        self.incoming.remove(channel);
        self.earlier.forget(channel).iter().filter_map(forgotten).collect()
    }

    /// Whether the chain knows more of a lane of this channel, which the hub has just begun to pay
    /// from, than its records say.
    pub fn is_behind(&self, facts: &ChannelFacts) -> bool {
        let own = self.outgoing.get(&facts.channel);
        own.is_some_and(|own| facts.lanes.keys().any(|lane| own.ledger.is_behind(*lane)))
    }

    /// Whether the chain, as these facts say, knows more of a lane of the hub's own than the hub:
    /// somebody was shown what the hub was not.
    pub fn is_ahead(&self, facts: &ChannelFacts) -> bool {
        let own = self.outgoing.get(&facts.channel);
        let is_ahead = |(lane, found): (&LaneId, &Lane)| {
            let leased = self.relays.values().find(|relay| {
                (relay.out.record().channel, relay.out.record().lane) == (facts.channel, *lane)
            });
            let leased = leased.map_or(0, |relay| relay.out.promised());
            own.is_some_and(|own| found.cumulative > leased.max(own.ledger.promised(*lane)))
        };
        facts.lanes.iter().any(is_ahead)
    }
}

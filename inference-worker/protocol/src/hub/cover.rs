//! Whether a channel's deposit and the credit of its account cover a relay, beside all that may
//! still be claimed.

use std::collections::BTreeMap;

use mica_primitives::{Balance, LaneId};

use super::{
    EarlierChain, HubTable,
    earlier::{Exposed, Place},
    opening::unknown,
    payment::full_lane,
};
use crate::{
    FaultCode, channel::PayeeLedger, limits::HUB_TICKS_BLOCKS, messages::RelayOpen,
    stage::refusal::Refusal,
};

impl HubTable {
    /// Whether the deposit covers the whole session, beside what the other relays of the channel
    /// may still cost. A payer sets that much aside before it opens, unless it has forgotten what
    /// it promised.
    pub(super) fn check_deposit(&self, open: &RelayOpen, unit: Balance) -> Result<(), Refusal> {
        let voucher = &open.voucher.voucher;
        let ledger = self.incoming.get(&voucher.channel).ok_or_else(|| unknown(voucher.channel))?;
        let others = self
            .relays
            .values()
            .filter(|relay| relay.channel == voucher.channel && relay.lane != voucher.lane);
        let committed =
            others.fold(0, |sum: Balance, relay| sum.saturating_add(relay.uncovered(ledger)));
        let earlier = voucher.cumulative.saturating_sub(ledger.promised(voucher.lane));
        let cost = unit.saturating_mul(open.positions.into()).saturating_add(earlier);
        let free = ledger.free().saturating_sub(committed);
        if cost <= free {
            return Ok(());
        }
        let text = format!("the session may cost {cost} and the channel has {free} left");
        Err(Refusal::new(FaultCode::Overspend, text))
    }

    /// Whether the account would not have more exposed than one credit window: positions of earlier
    /// sessions that payees may still be paid for, and that the hub could claim from nobody,
    /// because their lanes pay on others now (`earlier`), or because the deposit does not cover
    /// them. `onto` is the lane of the hub's own on which this one pays on.
    pub(super) fn check_exposed(
        &self,
        open: &RelayOpen,
        unit: Balance,
        onto: Place,
        running: Option<&EarlierChain>,
    ) -> Result<(), Refusal> {
        let voucher = &open.voucher.voucher;
        let (channel, lane) = (voucher.channel, voucher.lane);
        let ledger = self.incoming.get(&channel).ok_or_else(|| unknown(channel))?;
        if !self.earlier.has_room((channel, lane), ledger.promised(lane)) {
            return Err(full_lane());
        }
        let account = ledger.facts().payer;
        let (before, after) = self.earlier.exposed(&account, ((channel, lane), onto), running);
        let most = Exposed {
            positions: u32::from(self.offer.credit_positions.max(1)),
            money: self.offer.credit_money,
        };
        if after.exceeds(&before) && after.exceeds(&most) {
            let text = format!(
                "{} positions of this account's earlier sessions, worth {}, could be taken from \
                 this hub, and may be {}, worth {}: pay the same worker on this lane, take one \
                 that was not used for {HUB_TICKS_BLOCKS} blocks, or open another channel",
                after.positions, after.money, most.positions, most.money
            );
            return Err(Refusal::new(FaultCode::LaneBusy, text));
        }
        let lacking = self.lacking(ledger, open, unit, running);
        let uncovered = u32::try_from(lacking.div_ceil(unit.max(1))).unwrap_or(u32::MAX);
        let all = after.and(uncovered, lacking);
        if lacking > 0 && all.exceeds(&most) {
            let text = format!(
                "{lacking} of the deposit are missing for what earlier sessions may still be paid: \
                 top the channel up, or wait {HUB_TICKS_BLOCKS} blocks"
            );
            return Err(Refusal::new(FaultCode::Overspend, text));
        }
        Ok(())
    }

    /// What the deposit lacks for all that may still be claimed on the channel: on each lane what
    /// its relay may cost or its earlier chains come to, whichever is more, and on its own what
    /// `open` may cost.
    fn lacking(
        &self,
        ledger: &PayeeLedger,
        open: &RelayOpen,
        unit: Balance,
        running: Option<&EarlierChain>,
    ) -> Balance {
        let voucher = &open.voucher.voucher;
        let mut wanted: BTreeMap<LaneId, Balance> = BTreeMap::new();
        let relays = self.relays.values().filter(|relay| relay.channel == voucher.channel);
        for relay in relays.filter(|relay| relay.lane != voucher.lane) {
            wanted.insert(relay.lane, relay.uncovered(ledger));
        }
        let cost = unit.saturating_mul(open.positions.into());
        let promised = ledger.promised(voucher.lane);
        let cost = cost.saturating_add(voucher.cumulative.saturating_sub(promised));
        wanted.insert(voucher.lane, cost);
        let running = running.map(|chain| (voucher.lane, chain.with_ticks(chain.reach)));
        for (lane, most) in self.earlier.most(voucher.channel).chain(running) {
            let more = most.saturating_sub(ledger.promised(lane));
            let known = wanted.entry(lane).or_default();
            *known = more.max(*known);
        }
        let wanted = wanted.into_values().fold(0, Balance::saturating_add);
        wanted.saturating_sub(ledger.free())
    }
}

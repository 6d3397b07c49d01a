//! Ledgers of channels that are new here: as many as there may be, and none of a channel that could
//! not bring what a redeem costs.

use std::collections::BTreeMap;

use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32};

use super::refusal::Refusal;
use crate::{
    FaultCode,
    channel::{ChannelFacts, PayeeLedger},
    limits::MAX_LEDGERS,
};

/// Makes a ledger for a channel that has none, if there are `least` base units left in it. When
/// there are as many ledgers as there may be, `make_room` drops what it can do without.
///
/// # Errors
/// [`FaultCode::TooLittle`], [`FaultCode::TooManySessions`], and those of [`PayeeLedger::new`].
pub(crate) fn make_ledger(
    ledgers: &mut BTreeMap<ChannelId, PayeeLedger>,
    facts: &ChannelFacts,
    genesis: &Hash32,
    least: Balance,
    make_room: impl FnOnce(&mut BTreeMap<ChannelId, PayeeLedger>),
) -> Result<(), Refusal> {
    if ledgers.contains_key(&facts.channel) {
        return Ok(());
    }
    let claimed = facts.lanes.values().map(|lane| lane.claimed);
    let left = claimed.fold(facts.deposit, Balance::saturating_sub);
    if left < least {
        let text = format!("{left} are left in the channel and a redeem costs {least}");
        return Err(Refusal::new(FaultCode::TooLittle, text));
    }
    if ledgers.len() >= MAX_LEDGERS {
        make_room(ledgers);
    }
    if ledgers.len() >= MAX_LEDGERS {
        let text = "too many channels wait to be redeemed";
        return Err(Refusal::new(FaultCode::TooManySessions, text));
    }
    let ledger = PayeeLedger::new(*genesis, facts.clone());
    let ledger = ledger.map_err(|error| Refusal::of_money(&error, None))?;
    ledgers.insert(facts.channel, ledger);
    Ok(())
}

/// What redeeming all lanes of a channel would bring in `block`, base units.
pub(crate) fn gain(ledger: &PayeeLedger, block: BlockNumber) -> Balance {
    let lanes = ledger.redeemable(block).into_iter();
    lanes.fold(0, |sum: Balance, lane| sum.saturating_add(lane.gain))
}

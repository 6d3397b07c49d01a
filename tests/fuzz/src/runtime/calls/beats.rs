//! Heartbeats: signed by a peer key, sent by nobody's account.

use mica_primitives::{Heartbeat, WorkerStatus};
use mica_runtime::{Clock, Runtime, RuntimeCall, constants::HEARTBEAT_INTERVAL};
use pallet_mica_registry::Workers;
use sp_core::Pair;
use sp_runtime::traits::BlockNumberProvider;

use super::super::{
    genesis_hash,
    people::{WORKERS, Who, account, person},
};
use crate::reader::Reader;

type Call = pallet_mica_registry::Call<Runtime>;

/// A heartbeat, and whether the chain must take it.
pub(crate) struct Beat {
    /// The call of an unsigned transaction.
    pub call: RuntimeCall,
    /// Whether the chain must take it.
    pub is_due: bool,
}

fn beat(who: Who, signer: Who, at: u32) -> Beat {
    let worker = account(who);
    let beat = Heartbeat { worker: worker.clone(), at };
    let key = &person(signer).peer;
    let signature = key.sign(&beat.signing_bytes(&genesis_hash())).0;
    let now = Clock::current_block_number();
    let is_due = Workers::<Runtime>::get(worker).is_some_and(|record| {
        record.status == WorkerStatus::Active
            && record.peer == key.public().0
            && at >= record.last_heartbeat.saturating_add(HEARTBEAT_INTERVAL)
            && at <= now
            && now - at < HEARTBEAT_INTERVAL
    });
    Beat { call: Call::heartbeat { beat, signature }.into(), is_due }
}

/// The next heartbeat of the input: of any worker, of about now, mostly by its own key.
pub(crate) fn next(reader: &mut Reader<'_>) -> Beat {
    let (who, other) = (reader.pick(&WORKERS), reader.pick(&WORKERS));
    let signer = if reader.below(8) == 0 { other } else { who };
    let now = Clock::current_block_number();
    let at = match reader.below(8) {
        0 => now + 1,
        1 => u32::MAX,
        age => now.saturating_sub(reader.pick(&[0, 1, 19, 20]) * (age as u32 % 2)),
    };
    beat(who, signer, at)
}

/// What all active workers send in block `number`: a beat each, every interval.
pub(crate) fn due(number: u32) -> Vec<RuntimeCall> {
    if !number.is_multiple_of(HEARTBEAT_INTERVAL) {
        return vec![];
    }
    let now = Clock::current_block_number();
    let beats = WORKERS.iter().map(|who| beat(*who, *who, now));
    beats.filter(|beat| beat.is_due).map(|beat| beat.call).collect()
}

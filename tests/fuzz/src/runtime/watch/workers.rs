//! Workers between the pallets: nobody leaves while bound, and stake answers for every root that
//! can still be judged.

use std::collections::BTreeSet;

use mica_primitives::{ChannelId, LaneId, WorkerStatus};
use mica_runtime::{AccountId, Clock, Receipts, Runtime, constants::durations::TEST};
use pallet_mica_receipts::Roots;
use pallet_mica_registry::Workers as Stored;
use pallet_mica_sla::WorkerLoads;
use sp_runtime::traits::BlockNumberProvider;

use super::facts::{Facts, SUBMITTERS};

/// Blocks by which the queue of roots may be behind, beside a whole window.
const QUEUE_SLACK: u32 = 64;

/// Roots that were fixed for somebody who was a worker then.
pub(super) struct Workers {
    answered_for: BTreeSet<(ChannelId, LaneId, AccountId)>,
}

impl Workers {
    pub(super) fn now() -> Self {
        let answered_for = Roots::<Runtime>::iter()
            .filter(|(.., root)| Stored::<Runtime>::contains_key(&root.worker))
            .map(|(channel, (lane, _), root)| (channel, lane, root.worker))
            .collect();
        Self { answered_for }
    }

    pub(super) fn check(&mut self, facts: &Facts) {
        for (worker, load) in WorkerLoads::<Runtime>::iter() {
            let record = Stored::<Runtime>::get(&worker).expect("who is bound is a worker");
            let is_leaving = matches!(record.status, WorkerStatus::Unbonding { .. });
            assert!(load.open == 0 || !is_leaving, "{worker} leaves while it is bound");
        }
        for worker in &facts.withdrawn {
            for (channel, lane, _) in self.answered_for.iter().filter(|root| root.2 == *worker) {
                let is_open =
                    SUBMITTERS.iter().any(|by| Receipts::root(*channel, *lane, *by).is_some());
                assert!(!is_open, "{worker} has its stake back before {channel} can be judged");
            }
        }
        self.answered_for.retain(|(.., worker)| !facts.withdrawn.contains(worker));
        for (channel, lane) in &facts.fixed {
            for root in Receipts::roots(*channel, *lane) {
                if Stored::<Runtime>::contains_key(&root.worker) {
                    self.answered_for.insert((*channel, *lane, root.worker));
                }
            }
        }
        let now = Clock::current_block_number();
        for root in Roots::<Runtime>::iter_values() {
            let age = now - root.block;
            assert!(age < 2 * TEST.audit_window + QUEUE_SLACK, "a root is kept for {age} blocks");
        }
    }
}

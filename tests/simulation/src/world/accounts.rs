//! What must hold, and what is compared in the end.

use mica_primitives::{Balance, BlockNumber, ChannelId};
use mica_protocol::{SessionId, payer::SessionReport, stage::SessionEnd};
use std::collections::BTreeMap;

use super::World;
use crate::{disk::LaneKey, engine, worker::PRICE};

/// Blocks before the end of a channel in which a promise that is seen now may come too late.
const LATE_BLOCKS: BlockNumber = 4;

impl World {
    /// Whether a channel is over so soon that a final voucher, for which nothing is computed any
    /// more, comes too late for any block. It is taken all the same, and may be worth nothing.
    pub(super) fn is_late(&self, channel: ChannelId) -> bool {
        let found = self.chain.channels.get(&channel);
        let ends = found.and_then(|channel| channel.state.ends());
        found.is_none() || ends.is_some_and(|ends| ends <= self.chain.block + LATE_BLOCKS)
    }

    /// A worker has written down a promise.
    pub(super) fn accept(&mut self, worker: usize, lane: LaneKey, promised: Balance) {
        let accepted = self.workers[worker].accepted.entry(lane).or_default();
        let before = *accepted;
        *accepted = promised.max(before);
        if promised < before {
            self.find(format!(
                "worker {worker} goes back from {before} to {promised} on a lane: {lane:?}"
            ));
        }
        // One that has seen no block for half of a window may not know.
        let unseen_ms = self.now_ms - self.workers[worker].saw_block_ms;
        let is_over =
            self.chain.window_ms(lane.0).is_some_and(|window_ms| 2 * unseen_ms <= window_ms);
        if is_over && promised > before {
            self.find(format!("worker {worker} takes a promise on a channel that is over"));
        }
    }

    /// A worker gives its engine work: never more than its credit beyond what it holds.
    pub(super) fn count_work(&mut self, worker: usize, session: SessionId, rows: u16) {
        let state = &mut self.workers[worker];
        let Some(served) = state.served.get_mut(&session) else {
            self.find(format!("worker {worker} computes for a session that it did not open"));
            return;
        };
        served.positions += u32::from(rows);
        let accepted = state.accepted.get(&served.lane).copied().unwrap_or(0);
        let paid = accepted.saturating_sub(served.base);
        let owed = served.unit * Balance::from(served.positions);
        let credit = served.unit * Balance::from(state.credit_positions);
        if owed > paid + credit {
            self.find(format!(
                "worker {worker} computes for {owed} where {paid} is promised and {credit} is its \
                 credit"
            ));
        }
    }

    pub(super) fn session_ended(&mut self, worker: usize, end: &SessionEnd) {
        let state = &mut self.workers[worker];
        let Some(served) = state.served.remove(&end.session) else { return };
        let credit = served.unit * Balance::from(state.credit_positions);
        let was_away = self
            .chain
            .window_ms(end.channel)
            .is_some_and(|window_ms| 2 * self.workers[worker].longest_away_ms > window_ms);
        // One that redeems what it has refused takes its own deposit from its sessions.
        if end.unpaid > credit && !was_away && self.workers[worker].lie.is_none() {
            let unpaid = end.unpaid;
            self.find(format!("worker {worker} ends with {unpaid} unpaid: more than {credit}"));
        }
    }

    /// A payer's session is over.
    pub(super) fn check_report(&mut self, payer: usize, question: usize, report: &SessionReport) {
        let (state, exposure) = (&self.payers[payer], super::payers::EXPOSURE_POSITIONS);
        if state.lie.is_some() {
            return;
        }
        for stage in &report.stages {
            let positions = Balance::from(stage.positions) + Balance::from(exposure);
            *self.payers[payer].most.entry(stage.channel).or_default() += stage.unit * positions;
        }
        let question = &self.payers[payer].questions[question];
        let is_honest = |worker: &usize| self.workers[*worker].lie.is_none();
        let mut wrong = None;
        for (at, stage) in report.stages.iter().enumerate() {
            let most = stage.unit * (Balance::from(stage.positions) + Balance::from(exposure));
            if stage.paid > most {
                wrong = Some(format!(
                    "payer {payer} pays stage {at} {} for {} positions",
                    stage.paid, stage.positions
                ));
            }
        }
        if report.failure.is_none() && question.workers.iter().all(is_honest) {
            let expected = engine::reference(
                self.layers,
                &question.prompt,
                super::payers::SAMPLING_SEED,
                question.max_new_tokens as usize,
                &[],
            );
            // A cancelled answer is a beginning of it.
            if !expected.starts_with(&report.tokens) || report.tokens.is_empty() {
                wrong = Some(format!("payer {payer} has a wrong answer from honest workers"));
            }
        }
        wrong.into_iter().for_each(|text| self.find(text));
    }

    /// After the longest chain of deadlines nothing of the trouble is left.
    pub(super) fn check_that_all_ended(&mut self) {
        let sessions = self.workers.iter().map(|worker| worker.table.sessions()).sum::<usize>();
        let caches = self.workers.iter().map(|worker| worker.engine.caches()).sum::<usize>();
        let running = self.payers.iter().map(|payer| payer.sessions.len()).sum::<usize>();
        if sessions + caches + running > 0 {
            self.find(format!(
                "{sessions} sessions of workers, {caches} caches and {running} sessions of payers \
                 outlive everything"
            ));
        }
    }

    /// What honest workers have accepted is on the chain, and the chain paid honest payers'
    /// promises and no more.
    pub(super) fn compare_accounts(&mut self) {
        let mut wrong = Vec::new();
        for (number, worker) in self.workers.iter().enumerate() {
            if worker.lie.is_some() {
                continue;
            }
            // By channels, not lanes: anybody may redeem a voucher that the worker has refused and
            // the payer has taken back. The worker is paid for it, and what the deposit then lacks
            // on another lane it has already.
            let mut held: BTreeMap<ChannelId, Balance> = BTreeMap::new();
            for ((channel, _), accepted) in &worker.accepted {
                *held.entry(*channel).or_default() += accepted;
            }
            for (channel, accepted) in held {
                let window = self.chain.window_ms(channel);
                if window.is_some_and(|window_ms| 2 * worker.longest_away_ms > window_ms) {
                    continue;
                }
                let claimed = self.chain.claimed_in_all(channel);
                if claimed < accepted {
                    wrong.push(format!(
                        "worker {number} holds {accepted} on {channel} and the chain has paid \
                         {claimed}"
                    ));
                }
            }
        }
        let payers = &self.payers;
        let all = self
            .chain
            .channels
            .iter()
            .chain(self.chain.ended.iter().map(|(id, ended)| (id, &ended.channel)));
        for (id, channel) in all {
            let Some((number, payer)) =
                payers.iter().enumerate().find(|(_, payer)| payer.account == channel.payer)
            else {
                continue;
            };
            let claimed: Balance = channel.lanes.values().map(|lane| lane.claimed).sum();
            if claimed != channel.claimed || claimed > channel.deposit {
                wrong.push(format!("{id} has claimed {} and its lanes {claimed}", channel.claimed));
            }
            let most = payer.most.get(id).copied().unwrap_or(0);
            if payer.lie.is_none() && claimed > most && !payer.uncounted.contains(id) {
                wrong.push(format!(
                    "payer {number} has lost {claimed} on {id} where its sessions cost {most} at \
                     most"
                ));
            }
            for (lane, claim) in &channel.lanes {
                let signed = payer.signed.get(&(*id, *lane)).copied().unwrap_or(0);
                if payer.lie.is_none() && claim.cumulative > signed {
                    wrong.push(format!(
                        "payer {number} has promised {signed} on lane {lane} of {id} and {} was \
                         redeemed",
                        claim.cumulative
                    ));
                }
                if claim.claimed > claim.cumulative {
                    wrong.push(format!(
                        "lane {lane} of {id} promises {} and was paid {}",
                        claim.cumulative, claim.claimed
                    ));
                }
                if claim.claimed % PRICE > 0 {
                    wrong.push(format!("lane {lane} of {id} was paid a part of a position"));
                }
            }
        }
        wrong.into_iter().for_each(|text| self.find(text));
    }
}

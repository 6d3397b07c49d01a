//! How a worker's program is driven: inputs in, outputs carried out in order, the chain followed,
//! promises redeemed.

use codec::{Decode, Encode};
use mica_primitives::{Balance, ChannelId};
use mica_protocol::{
    Message,
    channel::{PayeeLaneRecord, Redeemable},
    limits::EXPIRY_MARGIN_BLOCKS,
    stage::{Computed, StageIdentity, StageInput, StageOutput, StageTable},
};

use super::{Event, World};
use crate::{
    chain::{Call, GENESIS},
    engine::FakeEngine,
    liars::WorkerLie,
    network::Peer,
    process::{Death, Node},
    worker::{PRICE, Served, offer},
};

/// A lane out of use is redeemed for this much.
const MINIMUM: Balance = 20 * PRICE;
/// Blocks after which what was submitted and is in no block is submitted again.
const RETRY_BLOCKS: u32 = 2;

impl World {
    pub(super) fn worker_hears(&mut self, worker: usize, from: Peer, message: Message) {
        self.workers[worker].memory.hear(&message);
        let from = self.network.key(from);
        self.worker_input(worker, StageInput::Message { from, message });
    }

    pub(super) fn worker_loses(&mut self, worker: usize, other: Peer) {
        let peer = self.network.key(other);
        self.worker_input(worker, StageInput::Disconnected { peer });
    }

    pub(super) fn worker_wakes(&mut self, worker: usize) {
        self.worker_input(worker, StageInput::Wake);
    }

    pub(super) fn computed(&mut self, worker: usize, start: u32, computed: Computed) {
        if self.is_same_program(worker, start) {
            self.worker_input(worker, StageInput::Computed(computed));
        }
    }

    fn is_same_program(&self, worker: usize, start: u32) -> bool {
        let process = &self.workers[worker].process;
        process.is_up && process.starts == start
    }

    /// The chain's answer to a worker's question about a channel.
    pub(super) fn channel_read(&mut self, worker: usize, start: u32, channel: ChannelId) {
        if !self.is_same_program(worker, start) || !self.workers[worker].process.sees_chain {
            return;
        }
        self.tell_channel(worker, channel);
    }

    fn tell_channel(&mut self, worker: usize, channel: ChannelId) {
        let facts = self.chain.facts(&self.workers[worker].account, channel);
        self.workers[worker].followed.insert(channel);
        self.workers[worker].told.insert(channel, facts.clone());
        self.worker_input(worker, StageInput::Channel { channel, facts });
    }

    fn worker_input(&mut self, worker: usize, input: StageInput) {
        let state = &mut self.workers[worker];
        if !state.process.is_up {
            return;
        }
        let now = state.process.now(self.now_ms);
        let outputs = state.table.handle(now, input);
        self.worker_outputs(worker, outputs);
        self.set_alarm(Node::Worker(worker));
    }

    fn worker_outputs(&mut self, worker: usize, outputs: Vec<StageOutput>) {
        let start = self.workers[worker].process.starts;
        // The record of the opening comes before the cache.
        let mut opening = None;
        for output in outputs {
            match output {
                StageOutput::Persist { record, durability } => {
                    let lane = (record.facts.channel, record.lane);
                    let promised = record.best.as_ref().and_then(|best| best.promised());
                    let is_late = record
                        .best
                        .as_ref()
                        .is_some_and(|best| best.voucher.tick.is_none() && self.is_late(lane.0));
                    let before = self.workers[worker].accepted.get(&lane).copied();
                    opening = Some((lane, before.unwrap_or(0)));
                    let bytes = record.encode();
                    let is_alive = self.survives_write(Node::Worker(worker), |world| {
                        world.workers[worker].disk.write(lane, bytes, durability);
                        if !is_late {
                            world.accept(worker, lane, promised.unwrap_or(0));
                        }
                    });
                    if !is_alive {
                        return;
                    }
                }
                StageOutput::Send { to, message, .. } => {
                    if let Some(to) = self.network.peer_of(&to) {
                        self.send(Node::Worker(worker), to, message);
                    }
                }
                StageOutput::ReadChannel(channel) => {
                    let at_ms = self.now_ms + self.chance.below(1_500);
                    self.push(at_ms, Event::ChannelRead { worker, start, channel });
                }
                StageOutput::OpenCache { session, layers, .. } => {
                    self.workers[worker].engine.open(session, layers);
                    if let Some((lane, base)) = opening {
                        let unit = PRICE * Balance::from(layers.len());
                        let served = Served { lane, unit, base, positions: 0 };
                        self.workers[worker].served.insert(session, served);
                    }
                }
                StageOutput::Compute(job) => {
                    self.count_work(worker, job.session, job.rows);
                    let Some(result) = self.workers[worker].engine.compute(&job) else { continue };
                    let computed = Computed {
                        session: job.session,
                        first_position: job.first_position,
                        result,
                    };
                    let at_ms = self.now_ms + self.chance.below(30);
                    self.push(at_ms, Event::Computed { worker, start, computed });
                }
                StageOutput::DropCache { session } => {
                    self.workers[worker].engine.drop_cache(&session)
                }
                StageOutput::Receipt { .. } => {}
                StageOutput::PersistScore(score) => {
                    self.workers[worker].scores.insert(score.account, score);
                }
                StageOutput::Ended(end) => self.session_ended(worker, &end),
            }
        }
    }

    pub(super) fn worker_dies(&mut self, worker: usize, death: Death) {
        let state = &mut self.workers[worker];
        state.served.clear();
        if death == Death::PowerCut {
            state.disk.cut_power(&mut self.chance);
        }
    }

    pub(super) fn worker_starts(&mut self, worker: usize) {
        let state = &mut self.workers[worker];
        let key = state.key.clone();
        let peer = self.network.key(state.peer);
        self.network.start(Node::Worker(worker), peer);
        state.table = StageTable::new(
            StageIdentity::new(key, GENESIS),
            offer(state.range, self.layers, state.credit_positions),
        );
        let now = state.process.now(self.now_ms);
        for score in state.scores.values() {
            state.table.restore_score(*score, now);
        }
        state.engine = FakeEngine::default();
        (state.told, state.submitted, state.accepted) = Default::default();
        for (lane, bytes) in state.disk.records() {
            let restored = PayeeLaneRecord::decode(&mut &bytes[..])
                .map_err(|error| error.to_string())
                .and_then(|record| {
                    let promised = record.best.as_ref().and_then(|best| best.promised());
                    state.accepted.insert(lane, promised.unwrap_or(0));
                    state.followed.insert(lane.0);
                    state.table.restore(record).map_err(|error| error.to_string())
                });
            if let Err(error) = restored {
                self.find(format!("worker {worker} cannot take its own record back: {error}"));
                return;
            }
        }
    }

    /// A worker follows its channels and redeems what is due.
    pub(super) fn worker_sees_block(&mut self, worker: usize) {
        let state = &mut self.workers[worker];
        state.longest_away_ms = state.longest_away_ms.max(self.now_ms - state.saw_block_ms);
        state.saw_block_ms = self.now_ms;
        let account = state.account;
        let followed: Vec<ChannelId> = self.workers[worker].followed.iter().copied().collect();
        for channel in followed {
            let facts = self.chain.facts(&account, channel);
            if self.workers[worker].told.get(&channel) != Some(&facts) {
                self.tell_channel(worker, channel);
            }
            if !self.workers[worker].process.is_up {
                return;
            }
        }
        if self.is_final {
            self.worker_input(worker, StageInput::BlockFinal);
        }
        self.redeem_due(worker);
        self.close_finished(worker);
        self.submit_lies(worker);
        // Time has passed in blocks as well.
        self.worker_input(worker, StageInput::Wake);
    }

    fn redeem_due(&mut self, worker: usize) {
        let state = &mut self.workers[worker];
        let block = state.process.block;
        for Redeemable { redeem, gain } in state.table.redeemable(block) {
            let voucher = &redeem.voucher;
            let lane = (voucher.channel, voucher.lane);
            let busy = state.table.busy_lanes(&lane.0).contains(&lane.1);
            let ledger = state.table.ledger(&lane.0);
            let is_closing = ledger.is_some_and(|ledger| ledger.facts().ends.is_some());
            let is_expiring = voucher.expires < block.saturating_add(EXPIRY_MARGIN_BLOCKS);
            let is_due =
                is_closing || is_expiring || state.redeems_all || (gain >= MINIMUM && !busy);
            let promised = redeem.promised().unwrap_or(0);
            let in_hand = state
                .submitted
                .get(&lane)
                .is_some_and(|(last, again)| promised <= *last && block < *again);
            if is_due && !in_hand && state.process.sees_chain {
                state.submitted.insert(lane, (promised, block + RETRY_BLOCKS));
                // An extrinsic gets lost now and then, and not twice in a row.
                let is_lost = self.chance.once_in(20) && state.lost.insert(lane);
                if !is_lost {
                    state.lost.remove(&lane);
                    self.chain.submit(Call::Redeem(state.account, Box::new(redeem)));
                }
            }
        }
    }

    /// A payee ends channels that are closing and owe it nothing more.
    fn close_finished(&mut self, worker: usize) {
        let state = &self.workers[worker];
        let owed: Vec<ChannelId> = state
            .table
            .redeemable(state.process.block)
            .iter()
            .map(|due| due.redeem.voucher.channel)
            .collect();
        for (channel, facts) in &state.told {
            let is_closing = facts.as_ref().is_some_and(|facts| facts.ends.is_some());
            if is_closing && !owed.contains(channel) && state.table.busy_lanes(channel).is_empty() {
                self.chain.submit(Call::Close(state.account, *channel));
            }
        }
    }

    /// A greedy worker tries whatever it can put together.
    fn submit_lies(&mut self, worker: usize) {
        let state = &self.workers[worker];
        let is_greedy = matches!(state.lie, Some(WorkerLie::Overcharges | WorkerLie::DeniesLanes));
        if is_greedy
            && self.chance.once_in(6)
            && let Some(redeem) = state.memory.promise(&mut self.chance)
        {
            self.chain.submit(Call::Redeem(state.account, Box::new(redeem)));
        }
    }

    /// Everybody redeems what brings anything.
    pub(super) fn redeem_everything(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.redeems_all = true);
    }
}

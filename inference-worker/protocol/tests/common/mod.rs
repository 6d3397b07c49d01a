//! A whole path in memory: payer, workers, links with random delays, disks. The seed of a world is
//! its only source of chance.
#![allow(dead_code, reason = "each test crate uses its own part")]

pub mod engine;
pub mod hubs;
pub mod samples;

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use engine::FakeEngine;
pub use engine::{HIDDEN, VOCABULARY};
use mica_primitives::{
    Balance, ChannelId, Hash32, LaneId, LayerRange, ModelId, PublicKey, Receipt, WorkerAddresses,
};
use mica_protocol::{
    Message, Now, SessionId,
    channel::{ChannelFacts, PayeeLaneRecord, PayerLaneRecord, PayerLedger},
    hub::HubInput,
    limits,
    payer::{
        PayerDeadlines, PayerInput, PayerOutput, PayerSession, PlannedStage, SessionPlan,
        SessionReport,
    },
    probability::LogProbabilities,
    session::{EndIds, Sampling},
    signing,
    stage::{
        Computed, ScoreRecord, SessionEnd, StageDeadlines, StageIdentity, StageInput, StageOffer,
        StageOutput, StageTable,
    },
    wire,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

pub const GENESIS: Hash32 = [42; 32];
pub const MODEL: ModelId = ModelId([7; 32]);
pub const PROFILE: Hash32 = [8; 32];
pub const PRICE: Balance = 5;
pub const DEPOSIT: Balance = 1_000_000;
pub const PAYER: usize = 0;
/// The payer's account on chain.
pub const ACCOUNT: [u8; 32] = [60; 32];
/// Blocks between a request to close and the end of a channel.
pub const WINDOW: u32 = 1_200;
const MAX_EVENTS: usize = 400_000;

pub fn peer_key(node: usize) -> SigningKey {
    SigningKey::from_bytes(&[node as u8 + 1; 32])
}

pub fn peer(node: usize) -> PublicKey {
    signing::public_key(&peer_key(node))
}

pub fn voucher_key() -> SigningKey {
    SigningKey::from_bytes(&[200; 32])
}

pub fn channel_of(worker: usize) -> ChannelId {
    ChannelId([worker as u8; 32])
}

pub fn facts_of(worker: usize, deposit: Balance) -> ChannelFacts {
    ChannelFacts {
        channel: channel_of(worker),
        payer: ACCOUNT,
        signer: signing::public_key(&voucher_key()),
        deposit,
        lanes: BTreeMap::new(),
        window: WINDOW,
        ends: None,
    }
}

pub fn offer(range: LayerRange, layers: u16) -> StageOffer {
    StageOffer {
        model: MODEL,
        profile: PROFILE,
        model_layers: layers,
        range,
        hidden: HIDDEN,
        vocabulary: VOCABULARY,
        context: 4_096,
        price_per_layer_token: PRICE,
        holding_price: Some(1),
        cost_us_per_layer_token: 10,
        min_window: 20,
        credit_positions: limits::DEFAULT_CREDIT_POSITIONS,
        cache_positions: 16_384,
        max_sessions: limits::MAX_SESSIONS,
        max_sessions_per_peer: limits::MAX_SESSIONS_PER_PEER,
        max_sessions_per_account: limits::MAX_SESSIONS_PER_ACCOUNT,
        least_promise: 0,
        deadlines: StageDeadlines::default(),
    }
}

/// Small and good enough: the seed is printed by proptest, the rest follows.
pub struct Chance(u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

pub struct Worker {
    pub table: StageTable,
    pub engine: FakeEngine,
    pub disk: BTreeMap<(ChannelId, LaneId), Vec<u8>>,
    pub scores: BTreeMap<[u8; 32], ScoreRecord>,
    pub receipts: Vec<Receipt>,
    pub ends: Vec<SessionEnd>,
    pub positions: u32,
}

#[derive(Debug)]
enum Event {
    Frame { from: usize, to: usize, bytes: Vec<u8> },
    Computed { worker: usize, computed: Computed },
    Channel { worker: usize, channel: ChannelId },
    HubChannel { hub: usize, channel: ChannelId },
    Cancel { session: SessionId },
}

type Tamper = Box<dyn FnMut(usize, usize, Message) -> Vec<Message>>;

pub struct World {
    pub now: Now,
    pub chance: Chance,
    pub delay_ms: u64,
    /// Index 0 is worker node 1.
    pub workers: Vec<Worker>,
    /// Nodes after the workers.
    pub hubs: Vec<hubs::Hub>,
    pub ledgers: Vec<PayerLedger>,
    pub payer_disk: BTreeMap<(ChannelId, LaneId), Vec<u8>>,
    pub sessions: BTreeMap<SessionId, PayerSession>,
    pub tokens: BTreeMap<SessionId, Vec<u32>>,
    pub log_probabilities: BTreeMap<SessionId, Vec<LogProbabilities>>,
    pub reports: BTreeMap<SessionId, SessionReport>,
    pub verified: Vec<(usize, Receipt)>,
    pub facts: BTreeMap<ChannelId, ChannelFacts>,
    /// Sees every message on its way (from, to) and returns what arrives.
    pub tamper: Tamper,
    layers: u16,
    events: BTreeMap<u64, Event>,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    next_event: u64,
    links: BTreeMap<(usize, usize), u64>,
}

pub fn ranges(cuts: &[u16], layers: u16) -> Vec<LayerRange> {
    let ends = cuts.iter().copied().chain([layers]);
    ends.scan(0, |first, end| Some(LayerRange { first: std::mem::replace(first, end), end }))
        .collect()
}

impl World {
    /// Workers 1, 2, … on the layers between `cuts`.
    pub fn new(seed: u64, cuts: &[u16], layers: u16) -> Self {
        let ranges = ranges(cuts, layers);
        let worker = |(index, range): (usize, &LayerRange)| Worker {
            table: StageTable::new(
                StageIdentity::new(peer_key(index + 1), GENESIS),
                offer(*range, layers),
            ),
            engine: FakeEngine::default(),
            disk: BTreeMap::new(),
            scores: BTreeMap::new(),
            receipts: Vec::new(),
            ends: Vec::new(),
            positions: 0,
        };
        let facts: Vec<ChannelFacts> =
            (1..=ranges.len()).map(|worker| facts_of(worker, DEPOSIT)).collect();
        let ledger = |facts: &ChannelFacts| {
            PayerLedger::new(GENESIS, voucher_key(), facts.clone()).expect("own signer")
        };
        Self {
            now: Now::new(1_000, 500),
            chance: Chance(seed),
            delay_ms: 40,
            workers: ranges.iter().enumerate().map(worker).collect(),
            hubs: Vec::new(),
            ledgers: facts.iter().map(ledger).collect(),
            payer_disk: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tokens: BTreeMap::new(),
            log_probabilities: BTreeMap::new(),
            reports: BTreeMap::new(),
            verified: Vec::new(),
            facts: facts.into_iter().map(|facts| (facts.channel, facts)).collect(),
            tamper: Box::new(|_, _, message| vec![message]),
            layers,
            events: BTreeMap::new(),
            heap: BinaryHeap::new(),
            next_event: 0,
            links: BTreeMap::new(),
        }
    }

    /// A plan over all workers in order.
    pub fn plan(&mut self, session: u8, prompt: Vec<u32>, max_new_tokens: u32) -> SessionPlan {
        let needed = prompt.len() as Balance + Balance::from(max_new_tokens) - 1;
        let stages = self.workers.iter().zip(&mut self.ledgers).enumerate().map(
            |(index, (worker, ledger))| {
                let range = worker.table.offer().range;
                PlannedStage {
                    peer: peer(index + 1),
                    addresses: WorkerAddresses::default(),
                    range,
                    price_per_layer_token: PRICE,
                    holding_price: worker.table.offer().holding_price(),
                    credit_positions: limits::DEFAULT_CREDIT_POSITIONS,
                    quote: None,
                    lane: ledger
                        .lease(needed * PRICE * Balance::from(range.len()))
                        .expect("deposit and lane"),
                    hubs: Vec::new(),
                }
            },
        );
        SessionPlan {
            session: SessionId([session; 32]),
            genesis: GENESIS,
            model: MODEL,
            profile: PROFILE,
            model_layers: self.layers,
            stages: stages.collect(),
            prompt,
            max_new_tokens,
            sampling: Sampling { seed: 9, ..Default::default() },
            end_ids: EndIds::default(),
            logprobs: None,
            exposure_positions: limits::DEFAULT_EXPOSURE_POSITIONS,
            spending_limit: Balance::MAX,
            voucher_blocks: limits::VOUCHER_LIFETIME_BLOCKS,
            deadlines: PayerDeadlines::default(),
        }
    }

    pub fn start(&mut self, plan: SessionPlan) -> SessionId {
        let (session, outputs) = PayerSession::start(plan, self.now).expect("a good plan");
        let id = session.id();
        self.sessions.insert(id, session);
        self.payer_outputs(id, outputs);
        id
    }

    pub fn cancel_at(&mut self, session: SessionId, ms: u64) {
        self.push(ms, Event::Cancel { session });
    }

    /// Runs until nothing happens any more and no session of the payer waits.
    pub fn run(&mut self) {
        for _ in 0..MAX_EVENTS {
            match self.heap.pop() {
                Some(Reverse((at_ms, id))) => {
                    self.now.ms = self.now.ms.max(at_ms);
                    let event = self.events.remove(&id).expect("each event once");
                    self.happen(event);
                }
                None => {
                    let payer = self.sessions.values().filter_map(PayerSession::next_deadline_ms);
                    let workers =
                        self.workers.iter().filter_map(|worker| worker.table.next_deadline_ms());
                    let hubs = self.hubs.iter().filter_map(|hub| hub.table.next_deadline_ms());
                    let Some(next_ms) = payer.chain(workers).chain(hubs).min() else { return };
                    self.now.ms = self.now.ms.max(next_ms);
                    self.wake();
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// Runs at most `count` events and no deadline; returns whether there were as many.
    pub fn run_events(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(Reverse((at_ms, id))) = self.heap.pop() else { return false };
            self.now.ms = self.now.ms.max(at_ms);
            let event = self.events.remove(&id).expect("each event once");
            self.happen(event);
        }
        true
    }

    pub fn wake(&mut self) {
        for worker in 0..self.workers.len() {
            self.worker_input(worker, StageInput::Wake);
        }
        for hub in 0..self.hubs.len() {
            self.hub_input(hub, HubInput::Wake);
        }
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.payer_input(id, PayerInput::Wake);
        }
    }

    /// The worker's process ends and starts again with what is on its disk.
    pub fn restart_worker(&mut self, worker: usize) {
        let offer = self.workers[worker].table.offer().clone();
        let mut table = StageTable::new(StageIdentity::new(peer_key(worker + 1), GENESIS), offer);
        for bytes in self.workers[worker].disk.values() {
            table
                .restore(PayeeLaneRecord::decode(&mut &bytes[..]).expect("own record"))
                .expect("own record");
        }
        for score in self.workers[worker].scores.values() {
            table.restore_score(*score, self.now);
        }
        self.workers[worker].engine = FakeEngine::default();
        self.workers[worker].table = table;
    }

    /// The payer's process ends and starts again with what is on its disk.
    pub fn restart_payer(&mut self) {
        self.sessions.clear();
        for ledger in &mut self.ledgers {
            let mut fresh = PayerLedger::new(GENESIS, voucher_key(), ledger.facts().clone())
                .expect("own signer");
            for bytes in self.payer_disk.values() {
                let record = PayerLaneRecord::decode(&mut &bytes[..]).expect("own record");
                if record.channel == fresh.channel() {
                    fresh.restore(record).expect("own record");
                }
            }
            *ledger = fresh;
        }
    }

    pub fn worker_input(&mut self, worker: usize, input: StageInput) {
        let outputs = self.workers[worker].table.handle(self.now, input);
        for output in outputs {
            self.worker_output(worker, output);
        }
    }

    pub fn payer_input(&mut self, id: SessionId, input: PayerInput) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let outputs = session.handle(self.now, input);
        self.payer_outputs(id, outputs);
    }

    /// Lets a message travel from one node to another; one to nobody is lost.
    pub fn send(&mut self, from: usize, to: PublicKey, message: Message) {
        let nodes = self.workers.len() + self.hubs.len();
        let Some(to) = (0..=nodes).find(|node| peer(*node) == to) else { return };
        for message in (self.tamper)(from, to, message) {
            let bytes = wire::encode_frame(&message).expect("within the bound");
            let link = self.links.entry((from, to)).or_default();
            *link = (*link).max(self.now.ms + self.chance.below(self.delay_ms + 1));
            let at_ms = *link;
            self.push(at_ms, Event::Frame { from, to, bytes });
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        self.heap.push(Reverse((at_ms, self.next_event)));
        self.events.insert(self.next_event, event);
        self.next_event += 1;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { from, to, bytes } => {
                let mut decoder = wire::FrameDecoder::new();
                decoder.push(&bytes);
                let message = decoder.next_message().expect("own frame").expect("a whole frame");
                if to == PAYER {
                    for id in self.sessions.keys().copied().collect::<Vec<_>>() {
                        self.payer_input(
                            id,
                            PayerInput::Message { from: peer(from), message: message.clone() },
                        );
                    }
                } else if to <= self.workers.len() {
                    self.worker_input(to - 1, StageInput::Message { from: peer(from), message });
                } else {
                    let hub = to - 1 - self.workers.len();
                    self.hub_input(hub, HubInput::Message { from: peer(from), message });
                }
            }
            Event::Computed { worker, computed } => {
                self.worker_input(worker, StageInput::Computed(computed))
            }
            Event::Channel { worker, channel } => {
                let facts =
                    self.facts.get(&channel).filter(|_| channel == channel_of(worker + 1)).cloned();
                self.worker_input(worker, StageInput::Channel { channel, facts });
            }
            Event::HubChannel { hub, channel } => {
                let facts = self.facts.get(&channel).cloned();
                self.hub_input(hub, HubInput::Incoming { channel, facts });
            }
            Event::Cancel { session } => self.payer_input(session, PayerInput::Cancel),
        }
    }

    fn worker_output(&mut self, worker: usize, output: StageOutput) {
        let at_ms = self.now.ms + self.chance.below(self.delay_ms + 1);
        let state = &mut self.workers[worker];
        match output {
            StageOutput::Send { to, message, .. } => self.send(worker + 1, to, message),
            StageOutput::ReadChannel(channel) => {
                self.push(at_ms, Event::Channel { worker, channel })
            }
            StageOutput::Persist { record, .. } => {
                state.disk.insert((record.facts.channel, record.lane), record.encode());
            }
            StageOutput::OpenCache { session, layers, .. } => state.engine.open(session, layers),
            StageOutput::Compute(job) => {
                if let Some(result) = state.engine.compute(&job) {
                    state.positions += u32::from(job.rows);
                    let computed = Computed {
                        session: job.session,
                        first_position: job.first_position,
                        result,
                    };
                    self.push(at_ms, Event::Computed { worker, computed });
                }
            }
            StageOutput::DropCache { session } => state.engine.drop_cache(&session),
            StageOutput::Receipt { receipt, .. } => state.receipts.push(receipt),
            StageOutput::PersistScore(score) => {
                state.scores.insert(score.account, score);
            }
            StageOutput::Ended(end) => state.ends.push(end),
        }
    }

    fn payer_outputs(&mut self, id: SessionId, outputs: Vec<PayerOutput>) {
        for output in outputs {
            match output {
                PayerOutput::Persist { record, .. } => {
                    self.payer_disk.insert((record.channel, record.lane), record.encode());
                }
                PayerOutput::Send { to, message, .. } => self.send(PAYER, to, message),
                PayerOutput::Ready | PayerOutput::Relayed { .. } => {}
                PayerOutput::Token { id: token, log_probabilities, .. } => {
                    self.tokens.entry(id).or_default().push(token);
                    self.log_probabilities.entry(id).or_default().extend(log_probabilities);
                }
                PayerOutput::Receipt { stage, receipt, .. } => {
                    self.verified.push((stage, *receipt))
                }
                PayerOutput::Adopt { stage, held } => {
                    let own = self
                        .sessions
                        .get(&id)
                        .map_or(0, |session| session.lane_records()[stage].lane);
                    let channel = held.voucher.channel;
                    let ledger = self.ledgers.iter_mut().find(|ledger| ledger.channel() == channel);
                    // What is not this payer's own promise is worth nothing.
                    if let Some(Ok(Some(adopted))) = ledger.map(|ledger| ledger.adopt(&held, own)) {
                        let record = adopted.record;
                        self.payer_disk.insert((record.channel, record.lane), record.encode());
                    }
                }
                PayerOutput::Finished(report) => {
                    for stage in &report.stages {
                        let ledger = self
                            .ledgers
                            .iter_mut()
                            .find(|ledger| ledger.channel() == stage.channel);
                        ledger.expect("own channel").give_back(stage.record.clone());
                    }
                    self.reports.insert(id, *report);
                }
            }
        }
    }

    pub fn unit(&self, worker: usize) -> Balance {
        PRICE * Balance::from(self.workers[worker].table.offer().range.len())
    }

    /// What worker `worker` could redeem now.
    pub fn redeemable(&self, worker: usize) -> Balance {
        self.workers[worker]
            .table
            .redeemable(self.now.block)
            .iter()
            .map(|redeemable| redeemable.gain)
            .sum()
    }
}

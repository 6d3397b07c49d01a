//! Who is in a world, drawn from its seed.

use ed25519_dalek::SigningKey;
use mica_primitives::LayerRange;
use mica_protocol::{
    signing,
    stage::{StageIdentity, StageTable},
};
use std::collections::{BTreeMap, BinaryHeap};

use super::{Event, TROUBLE_MS, World};
use crate::{
    Summary,
    chain::{Account, Chain, GENESIS},
    chance::Chance,
    disk::Disk,
    engine::FakeEngine,
    liars::{Memory, PAYER_LIES, WORKER_LIES},
    network::Network,
    payer::{Payer, Question, QuestionState},
    process::{Node, Process},
    worker::{Worker, offer},
};

impl World {
    /// The world of a seed, before its first event.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let layers = chance.between(2, 4) as u16;
        let max_delay_ms = chance.pick(&[5, 40, 40, 400]);
        let mut world = Self {
            seed,
            now_ms: 0,
            chance,
            chain: Chain::default(),
            network: Network::new(max_delay_ms),
            payers: Vec::new(),
            workers: Vec::new(),
            layers,
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            wakes: BTreeMap::new(),
            late_ms: 0,
            is_trouble: true,
            is_final: true,
            finding: None,
            summary: Summary::default(),
            is_loud: false,
        };
        world.add_workers();
        world.add_payers();
        for node in world.nodes() {
            world.start(node);
        }
        world.push(0, Event::Block);
        world.plan_questions();
        world.plan_faults();
        world
    }

    /// One or two workers on each range of layers.
    fn add_workers(&mut self) {
        let mut first = 0;
        while first < self.layers {
            let end = self.chance.between(u64::from(first) + 1, self.layers.into()) as u16;
            let range = LayerRange { first, end };
            for _ in 0..self.chance.between(1, 2) {
                self.add_worker(range);
            }
            first = end;
        }
    }

    fn add_worker(&mut self, range: LayerRange) {
        let key = SigningKey::from_bytes(&self.chance.bytes());
        let account = Account(self.chance.bytes());
        let credit_positions = self.chance.pick(&[1, 8, 16, 16, 16, 40]);
        let lie = self.chance.once_in(4).then(|| self.chance.pick(&WORKER_LIES));
        let peer = self.network.start(Node::Worker(self.workers.len()), signing::public_key(&key));
        let table = StageTable::new(
            StageIdentity::new(key.clone(), GENESIS),
            offer(range, self.layers, credit_positions),
        );
        self.workers.push(Worker {
            process: Process::new(),
            account,
            key,
            peer,
            range,
            credit_positions,
            lie,
            memory: Memory::default(),
            table,
            engine: FakeEngine::default(),
            disk: Disk::default(),
            scores: BTreeMap::new(),
            followed: Default::default(),
            told: BTreeMap::new(),
            submitted: BTreeMap::new(),
            lost: Default::default(),
            served: BTreeMap::new(),
            accepted: BTreeMap::new(),
            saw_block_ms: 0,
            longest_away_ms: 0,
            redeems_all: false,
        });
    }

    fn add_payers(&mut self) {
        for _ in 0..self.chance.between(1, 3) {
            let key = SigningKey::from_bytes(&self.chance.bytes());
            let account = Account(self.chance.bytes());
            let lie = self.chance.once_in(4).then(|| self.chance.pick(&PAYER_LIES));
            self.payers.push(Payer {
                process: Process::new(),
                account,
                key,
                peer: 0,
                lie,
                memory: Memory::default(),
                ledgers: BTreeMap::new(),
                sessions: BTreeMap::new(),
                disk: Disk::default(),
                retired: Default::default(),
                questions: Vec::new(),
                signed: BTreeMap::new(),
                most: BTreeMap::new(),
                uncounted: Default::default(),
                backup: None,
            });
        }
    }

    fn plan_questions(&mut self) {
        for payer in 0..self.payers.len() {
            for _ in 0..self.chance.between(1, 3) {
                let workers = self.some_path(false);
                let at_ms = self.chance.below(TROUBLE_MS - 20_000);
                self.add_question(payer, workers, at_ms, false);
            }
        }
    }

    /// A worker for each range; honest ones only, if that is asked. Empty if there is no such path.
    pub(super) fn some_path(&mut self, is_honest: bool) -> Vec<usize> {
        let (mut path, mut first) = (Vec::new(), 0);
        while first < self.layers {
            let fitting: Vec<usize> = (0..self.workers.len())
                .filter(|worker| self.workers[*worker].range.first == first)
                .filter(|worker| !is_honest || self.workers[*worker].lie.is_none())
                .collect();
            if fitting.is_empty() {
                return Vec::new();
            }
            let worker = self.chance.pick(&fitting);
            first = self.workers[worker].range.end;
            path.push(worker);
        }
        path
    }

    pub(super) fn add_question(
        &mut self,
        payer: usize,
        workers: Vec<usize>,
        at_ms: u64,
        must_succeed: bool,
    ) {
        let length = self.chance.between(1, 50);
        let question = Question {
            workers,
            prompt: (0..length).map(|_| self.chance.below(97) as u32).collect(),
            max_new_tokens: self.chance.between(1, 40) as u32,
            voucher_blocks: self.chance.pick(&[150, 201, 20_000]),
            must_succeed,
            tries: 0,
            lane_retries: 0,
            held: Vec::new(),
            state: QuestionState::Waiting,
        };
        let questions = &mut self.payers[payer].questions;
        questions.push(question);
        let question = questions.len() - 1;
        self.push(at_ms, Event::Ask { payer, question });
    }
}

//! The world of one seed: who is in it, and one event after another.
//!
//! It has three parts. **Trouble**: questions, faults and lies. **Quiet**: all programs run, all
//! links and clocks work, and what was begun has to end. **Proof**: every honest payer asks over
//! every path of honest workers and has to get its answer; then the accounts are compared.

mod accounts;
mod faults;
mod making;
mod payers;
mod workers;

use mica_primitives::ChannelId;
use mica_protocol::{Message, stage::Computed, wire};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use crate::{
    Finding, Summary,
    chain::{BLOCK_MS, Chain},
    chance::Chance,
    liars,
    network::{Network, Peer, Sent},
    payer::Payer,
    process::{Death, Node, Process},
    worker::Worker,
};
use faults::Fault;

/// When trouble ends, ms.
const TROUBLE_MS: u64 = 180_000;
/// When everything must have ended that began in trouble, ms: the longest chain of deadlines.
const QUIET_MS: u64 = TROUBLE_MS + 400_000;
/// When the last question must be answered, ms.
const PROOF_MS: u64 = QUIET_MS + 3_600_000;
/// Most events of a world: far more than any needs.
const MAX_EVENTS: u64 = 3_000_000;
/// Most wake-ups of a node at one moment.
const MAX_WAKES: u32 = 100;

/// Something that happens.
#[derive(Debug)]
enum Event {
    Frame {
        from: Peer,
        to: Peer,
        link: u64,
        bytes: Vec<u8>,
    },
    Notice {
        end: Peer,
        other: Peer,
    },
    Unreachable {
        node: Node,
        start: u32,
        other: Peer,
    },
    Computed {
        worker: usize,
        start: u32,
        computed: Computed,
    },
    ChannelRead {
        worker: usize,
        start: u32,
        channel: ChannelId,
    },
    Wake {
        node: Node,
        at_ms: u64,
    },
    /// A liar sends something that it has kept back.
    Late {
        node: Node,
        start: u32,
        to: Peer,
        bytes: Vec<u8>,
    },
    Block,
    SeesBlock {
        node: Node,
        block: u32,
    },
    Ask {
        payer: usize,
        question: usize,
    },
    Start {
        node: Node,
    },
    Fault(Fault),
}

/// The world.
pub struct World {
    seed: u64,
    now_ms: u64,
    chance: Chance,
    chain: Chain,
    network: Network,
    payers: Vec<Payer>,
    workers: Vec<Worker>,
    layers: u16,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    wakes: BTreeMap<Node, (u64, u32)>,
    late_ms: u64,
    is_trouble: bool,
    /// Whether blocks become final.
    is_final: bool,
    finding: Option<Finding>,
    summary: Summary,
    /// Whether it tells what happens on standard error.
    pub is_loud: bool,
}

impl World {
    /// Runs to the end.
    ///
    /// # Errors
    /// The first [`Finding`].
    pub fn run(mut self) -> Result<Summary, Finding> {
        self.run_until(TROUBLE_MS)?;
        self.heal();
        self.run_until(QUIET_MS)?;
        self.check_that_all_ended();
        self.ask_everybody();
        self.run_until_answered()?;
        self.redeem_everything();
        self.run_until(self.now_ms + 20 * BLOCK_MS)?;
        self.compare_accounts();
        self.summary.worlds = 1;
        self.summary.events = self.next_event;
        let ended = self.chain.ended.values().map(|ended| &ended.channel);
        self.summary.claimed =
            self.chain.channels.values().chain(ended).map(|channel| channel.claimed).sum();
        self.finding.map_or(Ok(self.summary), Err)
    }

    fn run_until(&mut self, end_ms: u64) -> Result<(), Finding> {
        while self.heap.peek().is_some_and(|Reverse((at_ms, _))| *at_ms <= end_ms) {
            self.step()?;
        }
        self.now_ms = end_ms;
        Ok(())
    }

    fn run_until_answered(&mut self) -> Result<(), Finding> {
        while self.has_open_questions() {
            if self.now_ms > PROOF_MS {
                self.find("a question is neither answered nor given up".to_owned());
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Finding> {
        if let Some(Reverse((at_ms, number))) = self.heap.pop() {
            self.now_ms = self.now_ms.max(at_ms);
            if let Some(event) = self.events.remove(&number) {
                self.happen(event);
            }
        }
        if self.next_event > MAX_EVENTS {
            self.find(format!("more than {MAX_EVENTS} events"));
        }
        self.finding.clone().map_or(Ok(()), Err)
    }

    /// Something that must not happen has happened. The first counts.
    fn find(&mut self, text: String) {
        let (seed, at_ms) = (self.seed, self.now_ms);
        self.finding.get_or_insert(Finding { seed, at_ms, text });
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        if self.is_loud {
            eprintln!("{:>9} {}", self.now_ms, text());
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        self.heap.push(Reverse((at_ms, self.next_event)));
        self.events.insert(self.next_event, event);
        self.next_event += 1;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { from, to, link, bytes } => self.frame(from, to, link, &bytes),
            Event::Notice { end, other } => {
                if self.network.notice(end, other) && self.network.is_running(end) {
                    self.lost(end, other);
                }
            }
            Event::Unreachable { node, start, other } => {
                let process = self.process(node);
                if process.is_up && process.starts == start {
                    self.lost(self.peer(node), other);
                }
            }
            Event::Computed { worker, start, computed } => self.computed(worker, start, computed),
            Event::ChannelRead { worker, start, channel } => {
                self.channel_read(worker, start, channel)
            }
            Event::Wake { node, at_ms } => self.wake(node, at_ms),
            Event::Late { node, start, to, bytes } => {
                let process = self.process(node);
                if process.is_up && process.starts == start {
                    self.send_bytes(node, to, bytes);
                }
            }
            Event::Block => self.block(),
            Event::SeesBlock { node, block } => self.sees_block(node, block),
            Event::Ask { payer, question } => self.ask(payer, question),
            Event::Start { node } => self.start(node),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn process(&self, node: Node) -> &Process {
        match node {
            Node::Payer(payer) => &self.payers[payer].process,
            Node::Worker(worker) => &self.workers[worker].process,
        }
    }

    fn process_mut(&mut self, node: Node) -> &mut Process {
        match node {
            Node::Payer(payer) => &mut self.payers[payer].process,
            Node::Worker(worker) => &mut self.workers[worker].process,
        }
    }

    fn peer(&self, node: Node) -> Peer {
        match node {
            Node::Payer(payer) => self.payers[payer].peer,
            Node::Worker(worker) => self.workers[worker].peer,
        }
    }

    /// Sends what a node's program wants to send, or what a liar makes of it.
    fn send(&mut self, node: Node, to: Peer, message: Message) {
        let Self { chance, payers, workers, .. } = self;
        let is_damaged;
        let messages = match node {
            Node::Payer(payer) => {
                let Payer { lie, memory, .. } = &mut payers[payer];
                is_damaged = *lie == Some(liars::PayerLie::Damages);
                match *lie {
                    Some(lie) => memory.of_payer(lie, message, chance),
                    None => vec![message],
                }
            }
            Node::Worker(worker) => {
                let Worker { lie, memory, .. } = &mut workers[worker];
                is_damaged = *lie == Some(liars::WorkerLie::Damages);
                match *lie {
                    Some(lie) => memory.of_worker(lie, message, chance),
                    None => vec![message],
                }
            }
        };
        for message in messages {
            match wire::encode_frame(&message) {
                Ok(bytes) if is_damaged && self.chance.once_in(12) => {
                    let bytes = liars::damage(bytes, &mut self.chance);
                    self.send_bytes(node, to, bytes);
                }
                Ok(bytes) if self.delays(node, &message) => {
                    let (start, at_ms) = (self.process(node).starts, self.next_late_ms());
                    self.push(at_ms, Event::Late { node, start, to, bytes });
                }
                Ok(bytes) => self.send_bytes(node, to, bytes),
                Err(error) => self.find(format!("{node:?} makes a frame too long: {error}")),
            }
        }
    }

    /// Whether a liar keeps the message back.
    fn delays(&self, node: Node, message: &Message) -> bool {
        let Node::Payer(payer) = node else { return false };
        self.payers[payer].lie == Some(liars::PayerLie::ClosesEarly)
            && matches!(message, Message::Step(_) | Message::Pay(_) | Message::Close(_))
    }

    /// When the next message that is kept back leaves: after the last one.
    fn next_late_ms(&mut self) -> u64 {
        self.late_ms = self.late_ms.max(self.now_ms) + self.chance.below(14_000);
        self.late_ms
    }

    fn send_bytes(&mut self, node: Node, to: Peer, bytes: Vec<u8>) {
        let from = self.peer(node);
        match self.network.send(&mut self.chance, self.now_ms, from, to) {
            Sent::Arrives { at_ms, link, replaces } => {
                if replaces {
                    self.push(self.now_ms, Event::Notice { end: to, other: from });
                }
                self.push(at_ms, Event::Frame { from, to, link, bytes });
            }
            Sent::Vanishes => {}
            Sent::Unreachable { at_ms } => {
                let start = self.process(node).starts;
                self.push(at_ms, Event::Unreachable { node, start, other: to });
            }
        }
    }

    fn frame(&mut self, from: Peer, to: Peer, link: u64, bytes: &[u8]) {
        if !self.network.stands(from, to, link) || !self.network.is_running(to) {
            return;
        }
        let mut decoder = wire::FrameDecoder::new();
        decoder.push(bytes);
        match decoder.next_message() {
            Ok(Some(message)) => {
                self.tell(|| format!("{from} -> {to} {message:?}").chars().take(300).collect());
                match self.network.node(to) {
                    Node::Payer(payer) => self.payer_hears(payer, from, message),
                    Node::Worker(worker) => self.worker_hears(worker, from, message),
                }
            }
            // Whoever cannot read a frame closes the link.
            _ => {
                let ends = self.network.break_link(from, to);
                self.let_notice(ends, 1_000);
            }
        }
    }

    /// Each of these ends notices within `most_ms` that its link is gone.
    fn let_notice(&mut self, ends: Vec<(Peer, Peer)>, most_ms: u64) {
        for (end, other) in ends {
            let at_ms = self.now_ms + self.chance.below(most_ms);
            self.push(at_ms, Event::Notice { end, other });
        }
    }

    fn lost(&mut self, end: Peer, other: Peer) {
        self.tell(|| format!("{end} has lost {other}"));
        match self.network.node(end) {
            Node::Payer(payer) => self.payer_loses(payer, other),
            Node::Worker(worker) => self.worker_loses(worker, other),
        }
    }

    /// Makes sure that a node wakes up at its next deadline.
    fn set_alarm(&mut self, node: Node) {
        let deadline_ms = match node {
            Node::Payer(payer) => self.payers[payer]
                .sessions
                .values()
                .filter_map(|running| running.session.next_deadline_ms())
                .min(),
            Node::Worker(worker) => self.workers[worker].table.next_deadline_ms(),
        };
        let process = self.process(node);
        let Some(deadline_ms) = deadline_ms.filter(|_| process.is_up) else { return };
        let at_ms = process.world_ms(deadline_ms).max(self.now_ms);
        if process.wake_at_ms.is_none_or(|set| set > at_ms || set < self.now_ms) {
            self.process_mut(node).wake_at_ms = Some(at_ms);
            self.push(at_ms, Event::Wake { node, at_ms });
        }
    }

    fn wake(&mut self, node: Node, at_ms: u64) {
        if self.process(node).wake_at_ms != Some(at_ms) || !self.process(node).is_up {
            return;
        }
        self.process_mut(node).wake_at_ms = None;
        let (last_ms, wakes) = self.wakes.entry(node).or_default();
        *wakes = if *last_ms == at_ms { *wakes + 1 } else { 1 };
        *last_ms = at_ms;
        if *wakes > MAX_WAKES {
            self.find(format!("{node:?} is woken at its deadline and keeps it"));
        }
        match node {
            Node::Payer(payer) => self.payer_wakes(payer),
            Node::Worker(worker) => self.worker_wakes(worker),
        }
        self.set_alarm(node);
    }

    fn block(&mut self) {
        self.chain.make_block();
        let block = self.chain.block;
        let nodes: Vec<Node> = self.nodes();
        for node in nodes {
            let at_ms = self.now_ms + self.chance.below(2_000);
            self.push(at_ms, Event::SeesBlock { node, block });
        }
        self.push(self.now_ms + BLOCK_MS, Event::Block);
    }

    fn nodes(&self) -> Vec<Node> {
        let payers = (0..self.payers.len()).map(Node::Payer);
        payers.chain((0..self.workers.len()).map(Node::Worker)).collect()
    }

    fn sees_block(&mut self, node: Node, block: u32) {
        let process = self.process_mut(node);
        if !process.is_up || !process.sees_chain || process.block >= block {
            return;
        }
        process.block = block;
        match node {
            Node::Payer(payer) => self.payer_sees_block(payer),
            Node::Worker(worker) => self.worker_sees_block(worker),
        }
    }

    /// A program writes a record. Returns whether it still lives; a death takes place here.
    fn survives_write(&mut self, node: Node, write: impl FnOnce(&mut Self)) -> bool {
        let (is_written, death) = self.process_mut(node).write();
        if is_written {
            write(self);
        }
        match death {
            Some(death) => {
                self.die(node, death);
                false
            }
            None => true,
        }
    }

    fn die(&mut self, node: Node, death: Death) {
        self.tell(|| format!("{node:?} dies: {death:?}"));
        self.summary.deaths += 1;
        let ends = self.network.stop(node);
        let most_ms = if death == Death::Killed { 2_000 } else { 30_000 };
        self.let_notice(ends, most_ms);
        self.process_mut(node).is_up = false;
        match node {
            Node::Payer(payer) => self.payer_dies(payer, death),
            Node::Worker(worker) => self.worker_dies(worker, death),
        }
        let at_ms = self.now_ms + self.chance.between(500, 40_000);
        self.push(at_ms, Event::Start { node });
    }

    fn start(&mut self, node: Node) {
        if self.process(node).is_up {
            return;
        }
        self.tell(|| format!("{node:?} starts"));
        let block = self.chain.block;
        let now_ms = self.now_ms;
        self.process_mut(node).start(now_ms, block);
        match node {
            Node::Payer(payer) => self.payer_starts(payer),
            Node::Worker(worker) => self.worker_starts(worker),
        }
    }
}

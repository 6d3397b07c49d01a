//! The desk: the one place through which sessions, vouchers and receipts pass.
//!
//! It owns the protocol's state machine and the store, on a thread of its own, because it waits for the disk. Whatever the machine
//! answers is carried out in its order, so that a voucher is written down before anything that relies on it is said. It never waits
//! for a peer: one whose queue is full counts as gone.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use mica_net::{Net, NetEvent};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, WorkerAddresses};
use mica_protocol::{
    Now,
    stage::{Computed, SessionEnd, StageIdentity, StageInput, StageOffer, StageOutput, StageTable},
};
use tokio::sync::{mpsc, watch};

use super::request::{DueLane, Request, Totals};
use crate::{
    engine::Engine,
    report::{Event, Reporter},
    store::{Store, StoreError},
};

/// Longest wait without an input.
const IDLE: Duration = Duration::from_secs(3600);

/// What the desk needs of the others.
pub struct DeskParts {
    /// Vouchers and receipts.
    pub store: Store,
    /// Peers.
    pub net: Net,
    /// The engine's thread.
    pub engine: Arc<Engine>,
    /// Newest block known.
    pub block: watch::Receiver<BlockNumber>,
    /// Takes questions about channels to the chain.
    pub questions: mpsc::Sender<ChannelId>,
    /// Told whenever a session has ended.
    pub ended: mpsc::Sender<SessionEnd>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

/// What flows to the desk.
pub struct DeskInputs {
    /// From peers.
    pub network: mpsc::Receiver<NetEvent>,
    /// From the engine.
    pub computed: mpsc::Receiver<Computed>,
    /// From the daemon's other tasks. The desk closes when all senders are gone.
    pub requests: mpsc::Receiver<Request>,
}

/// The desk.
pub struct Desk {
    parts: DeskParts,
    table: StageTable,
    started: Instant,
    totals: Totals,
    /// Channels restored from the store.
    restored: BTreeSet<ChannelId>,
    /// Channels whose payers asked to close.
    closing: BTreeSet<ChannelId>,
}

impl Desk {
    /// A desk that offers `offer`, with everything that the store knows.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn open(parts: DeskParts, identity: StageIdentity, offer: StageOffer) -> Result<Self, StoreError> {
        let table = StageTable::new(identity, offer);
        let mut desk = Self {
            parts,
            table,
            started: Instant::now(),
            totals: Totals::default(),
            restored: BTreeSet::new(),
            closing: BTreeSet::new(),
        };
        desk.restore()?;
        Ok(desk)
    }

    /// Carries inputs out until all other tasks are gone; then everything is in the database. Runs on a thread of its own.
    pub async fn run(mut self, mut inputs: DeskInputs) {
        loop {
            let wake = self.until_wake();
            tokio::select! {
                biased;
                request = inputs.requests.recv() => match request {
                    Some(request) => self.answer(request),
                    None => break,
                },
                Some(computed) = inputs.computed.recv() => self.feed(StageInput::Computed(computed)),
                event = inputs.network.recv() => match event {
                    Some(event) => self.hear(event),
                    None => break,
                },
                () = tokio::time::sleep(wake) => self.feed(StageInput::Wake),
            }
        }
        if let Err(error) = self.parts.store.checkpoint() {
            tracing::error!(%error, "the journal keeps what the database could not take");
        }
    }

    /// The channels of which it has records.
    pub fn channels(&self) -> Vec<ChannelId> {
        self.restored.iter().copied().collect()
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        for record in self.parts.store.lanes()? {
            let (channel, lane) = (record.facts.channel, record.lane);
            if let Err(error) = self.table.restore(record) {
                // Another chain's vouchers, for example after a development chain was made anew: worth nothing here.
                self.warn(format!("lane {lane} of channel {channel} is not of this chain or damaged: {error}"));
                continue;
            }
            self.restored.insert(channel);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now::new(ms, *self.parts.block.borrow())
    }

    fn until_wake(&self) -> Duration {
        let deadline = self.table.next_deadline_ms();
        deadline.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(self.now().ms)).min(IDLE))
    }

    fn hear(&mut self, event: NetEvent) {
        match event {
            NetEvent::Message { peer, message } => self.feed(StageInput::Message { from: peer, message }),
            NetEvent::Disconnected { peer, reason } | NetEvent::Unreachable { peer, reason, .. } => {
                tracing::debug!(peer = hex::encode(peer), reason, "peer gone");
                self.feed(StageInput::Disconnected { peer });
            }
            NetEvent::Refused { peer, reason } => {
                let peer = peer.map_or_else(|| "a peer".to_owned(), |peer| format!("peer {}", hex::encode(peer)));
                self.warn(format!("{peer} was refused: {reason}"));
            }
            NetEvent::Listening { address } => self.parts.reporter.tell(&Event::Listening { address }),
            _ => {}
        }
    }

    fn feed(&mut self, input: StageInput) {
        let outputs = self.table.handle(self.now(), input);
        let mut lost = Vec::new();
        self.carry_out(outputs, &mut lost);
        // Peers that could not be told are gone; what follows from that may lose others, but each only once.
        while let Some(peer) = lost.pop() {
            let outputs = self.table.handle(self.now(), StageInput::Disconnected { peer });
            let mut more = Vec::new();
            self.carry_out(outputs, &mut more);
            lost.extend(more.into_iter().filter(|other| *other != peer));
        }
    }

    fn carry_out(&mut self, outputs: Vec<StageOutput>, lost: &mut Vec<[u8; 32]>) {
        for output in outputs {
            let done = match output {
                StageOutput::Send { to, addresses, message } => {
                    if let Err(error) = self.parts.net.try_send(to, &texts(&addresses), &message) {
                        tracing::debug!(peer = hex::encode(to), %error, "not sent");
                        lost.push(to);
                    }
                    Ok(())
                }
                StageOutput::ReadChannel(channel) => {
                    if self.parts.questions.try_send(channel).is_err() {
                        tracing::warn!(%channel, "too many questions to the chain: this one will run into its deadline");
                    }
                    Ok(())
                }
                StageOutput::Persist { record, durability } => self.parts.store.put_lane(*record, durability),
                StageOutput::Receipt { channel, lane, index, receipt } => {
                    self.parts.store.put_receipt(channel, lane, index, receipt)
                }
                StageOutput::OpenCache { session, layers, max_positions } => {
                    self.log(self.parts.engine.open(session, layers, max_positions));
                    Ok(())
                }
                StageOutput::Compute(job) => {
                    self.log(self.parts.engine.compute(job));
                    Ok(())
                }
                StageOutput::DropCache { session } => {
                    self.log(self.parts.engine.drop_cache(session));
                    Ok(())
                }
                StageOutput::Ended(end) => {
                    self.ended(end);
                    Ok(())
                }
            };
            if let Err(error) = done {
                // What follows relies on what could not be written: it is not done, and no new session is taken.
                self.refuse(&error);
                return;
            }
        }
    }

    /// The engine's deadline in the protocol ends a session whose job was not taken.
    fn log(&self, result: eyre::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "the engine");
        }
    }

    fn refuse(&mut self, error: &StoreError) {
        if self.totals.refusing.is_none() {
            self.totals.refusing = Some(error.to_string());
            self.table.drain();
            self.warn(format!("no new sessions are taken, and what is earned is redeemed now: {error}"));
        }
    }

    fn ended(&mut self, end: SessionEnd) {
        self.totals.sessions_ended += 1;
        self.totals.positions += u64::from(end.positions);
        self.totals.earned = self.totals.earned.saturating_add(end.earned);
        self.totals.unpaid = self.totals.unpaid.saturating_add(end.unpaid);
        self.parts.reporter.tell(&Event::SessionEnded {
            session: end.session.to_string(),
            channel: end.channel,
            lane: end.lane,
            positions: end.positions,
            earned: end.earned,
            unpaid: end.unpaid,
            settled: end.settled,
            fault: end.fault.map(|code| code.to_string()),
        });
        // A full queue means that the redeemer is busy with others; it looks at everything when it comes to it.
        let _ = self.parts.ended.try_send(end);
    }

    fn answer(&mut self, request: Request) {
        // Whoever asked may have given up: that is no harm.
        match request {
            Request::Channel { channel, facts } => {
                match facts.as_ref().is_some_and(|facts| facts.ends.is_some()) {
                    true => self.closing.insert(channel),
                    false => self.closing.remove(&channel),
                };
                self.feed(StageInput::Channel { channel, facts });
            }
            Request::Done(answer) => drop(answer.send(self.done())),
            Request::Due(answer) => drop(answer.send(self.due())),
            Request::Offer(offer) => self.table.set_offer(*offer),
            Request::Drain(answer) => {
                self.table.drain();
                let _ = answer.send(self.table.sessions());
            }
            Request::Forget(channel) => {
                self.closing.remove(&channel);
                if let Err(error) = self.parts.store.forget(channel) {
                    tracing::warn!(%error, "a closed channel stays in the store");
                }
            }
            Request::Totals(answer) => {
                let redeemable = self.due().iter().fold(0, |sum: Balance, lane| sum.saturating_add(lane.gain));
                let _ = answer.send(Totals { sessions: self.table.sessions(), redeemable, ..self.totals.clone() });
            }
        }
    }

    fn done(&self) -> Vec<ChannelId> {
        let owed: BTreeSet<ChannelId> = self.due().into_iter().map(|lane| lane.redeem.voucher.channel).collect();
        let is_done = |channel: &&ChannelId| !owed.contains(*channel) && self.table.busy_lanes(channel).is_empty();
        self.closing.iter().filter(is_done).copied().collect()
    }

    fn due(&self) -> Vec<DueLane> {
        let due = |redeemable: mica_protocol::channel::Redeemable| {
            let (channel, lane): (ChannelId, LaneId) = (redeemable.redeem.voucher.channel, redeemable.redeem.voucher.lane);
            DueLane {
                gain: redeemable.gain,
                busy: self.table.busy_lanes(&channel).contains(&lane),
                ends: self.table.ledger(&channel).and_then(|ledger| ledger.facts().ends),
                redeem: redeemable.redeem,
            }
        };
        self.table.redeemable().into_iter().map(due).collect()
    }

    fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.parts.reporter.tell(&Event::Warning { text });
    }
}

/// Addresses as the network takes them; bytes that are no text are left out.
fn texts(addresses: &WorkerAddresses) -> Vec<String> {
    addresses.iter().filter_map(|address| String::from_utf8(address.to_vec()).ok()).collect()
}

//! The session actor: the one place through which sessions, vouchers and receipts pass.
//!
//! It owns the protocol's state machine and the store, and runs on the network's thread, which
//! waits for the disk with it: without the session actor there is nothing to tell to peers. Inputs
//! that wait are taken together: of what the machine answers, first all records are written down,
//! with one flush, then the rest is carried out in its order. So a voucher is always written down
//! before anything that relies on it is said, and many sessions wait for the disk as long as one.
//! The session actor never waits for a peer: one whose queue is full counts as gone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mica_net::{Alarm, Net, NetEvent, address_texts};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId};
use mica_protocol::{
    Now,
    channel::Durability,
    stage::{Computed, SessionEnd, StageIdentity, StageInput, StageOffer, StageOutput, StageTable},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::request::{DueLane, Request, Totals};
use crate::{
    engine::{Engine, EngineError},
    report::{Event, Reporter},
    store::{Store, StoreError},
};

/// Most inputs that are taken together.
const TOGETHER: usize = 32;
/// Longest wait without an input.
const IDLE: Duration = Duration::from_secs(3600);

/// What the session actor needs of the others.
pub(crate) struct SessionActorParts {
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

/// What flows to the session actor.
pub(crate) struct SessionActorInputs {
    /// From peers.
    pub network: mpsc::Receiver<NetEvent>,
    /// From the engine.
    pub computed: mpsc::Receiver<Computed>,
    /// From the daemon's other tasks. The session actor closes when all senders are gone.
    pub requests: mpsc::Receiver<Request>,
}

/// The session actor.
pub(crate) struct SessionActor {
    parts: SessionActorParts,
    table: StageTable,
    started: Instant,
    totals: Totals,
    /// Channels restored from the store.
    restored: BTreeSet<ChannelId>,
    /// Channels whose payers asked to close.
    closing: BTreeSet<ChannelId>,
}

impl SessionActor {
    /// An actor that offers `offer`, with everything that the store knows.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub(crate) fn open(
        parts: SessionActorParts,
        identity: StageIdentity,
        offer: StageOffer,
    ) -> Result<Self, StoreError> {
        let table = StageTable::new(identity, offer);
        let mut sessions = Self {
            parts,
            table,
            started: Instant::now(),
            totals: Totals::default(),
            restored: BTreeSet::new(),
            closing: BTreeSet::new(),
        };
        sessions.restore()?;
        Ok(sessions)
    }

    /// Carries inputs out until all other tasks are gone; then everything is in the database.
    pub(crate) async fn run(mut self, mut inputs: SessionActorInputs) {
        let mut alarm = Alarm::new();
        loop {
            let wake = self.next_deadline();
            let first = tokio::select! {
                biased;
                request = inputs.requests.recv() => match request {
                    Some(request) => {
                        self.answer(request);
                        continue;
                    }
                    None => break,
                },
                Some(computed) = inputs.computed.recv() => Some(StageInput::Computed(computed)),
                event = inputs.network.recv() => match event {
                    Some(event) => self.network_input(event),
                    None => break,
                },
                () = alarm.ring(wake) => Some(StageInput::Wake),
            };
            let mut taken: Vec<StageInput> = first.into_iter().collect();
            while taken.len() < TOGETHER {
                if let Ok(computed) = inputs.computed.try_recv() {
                    taken.push(StageInput::Computed(computed));
                } else if let Ok(event) = inputs.network.try_recv() {
                    taken.extend(self.network_input(event));
                } else {
                    break;
                }
            }
            self.handle(taken);
        }
        if let Err(error) = self.parts.store.checkpoint() {
            tracing::error!(%error, "the journal keeps what the database could not take");
        }
    }

    /// The channels of which it has records.
    pub(crate) fn channels(&self) -> Vec<ChannelId> {
        self.restored.iter().copied().collect()
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        for record in self.parts.store.lanes()? {
            let (channel, lane) = (record.facts.channel, record.lane);
            if let Err(error) = self.table.restore(record) {
                // Another chain's vouchers, for example after a development chain was made anew:
                // worth nothing here.
                self.warn(format!(
                    "lane {lane} of channel {channel} is not of this chain or damaged: {error}"
                ));
                continue;
            }
            self.restored.insert(channel);
        }
        let now = self.now();
        for score in self.parts.store.scores()? {
            self.table.restore_score(score, now);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now::new(ms, *self.parts.block.borrow())
    }

    fn next_deadline(&self) -> Instant {
        let idle = Instant::now() + IDLE;
        let deadline = self.table.next_deadline_ms();
        deadline
            .and_then(|at| self.started.checked_add(Duration::from_millis(at)))
            .map_or(idle, |at| at.min(idle))
    }

    /// What an event means for the sessions, if anything.
    fn network_input(&self, event: NetEvent) -> Option<StageInput> {
        match event {
            NetEvent::Message { peer, message } => {
                return Some(StageInput::Message { from: peer, message });
            }
            NetEvent::Disconnected { peer, reason }
            | NetEvent::Unreachable { peer, reason, .. } => {
                tracing::debug!(peer = hex::encode(peer), reason, "peer gone");
                return Some(StageInput::Disconnected { peer });
            }
            NetEvent::Refused { peer, reason } => {
                let peer = peer.map_or_else(
                    || "a peer".to_owned(),
                    |peer| format!("peer {}", hex::encode(peer)),
                );
                self.warn(format!("{peer} was refused: {reason}"));
            }
            NetEvent::Listening { address } => {
                self.parts.reporter.emit(&Event::Listening { address })
            }
            NetEvent::ListenerClosed { asked, reason } => {
                self.warn(format!(
                    "does not listen on {asked} any more ({reason}): start the worker again"
                ));
            }
            _ => {}
        }
        None
    }

    fn handle(&mut self, inputs: Vec<StageInput>) {
        let now = self.now();
        let mut answers: Vec<_> =
            inputs.into_iter().map(|input| self.table.handle(now, input)).collect();
        // Peers that could not be told are gone; what follows from that may lose others, but each
        // only once.
        let mut gone = BTreeSet::new();
        loop {
            let lost = self.apply(answers);
            let new: Vec<[u8; 32]> = lost.into_iter().filter(|peer| gone.insert(*peer)).collect();
            if new.is_empty() {
                return;
            }
            answers = new
                .into_iter()
                .map(|peer| self.table.handle(now, StageInput::Disconnected { peer }))
                .collect();
        }
    }

    /// Carries out the answers to some inputs; returns the peers that could not be told.
    fn apply(&mut self, answers: Vec<Vec<StageOutput>>) -> BTreeSet<[u8; 32]> {
        let mut acts = Vec::new();
        for outputs in answers {
            let (durability, rest, failed) = self.persist(outputs);
            match failed {
                None => acts.push((durability, rest)),
                // What else there is relies on what could not be written: only what ends something
                // is done, and no new session is taken.
                Some(error) => {
                    self.stop_accepting(&error);
                    let ends = |act: &StageOutput| {
                        matches!(act, StageOutput::DropCache { .. } | StageOutput::Ended(_))
                    };
                    acts.push((Durability::Process, rest.into_iter().filter(ends).collect()));
                }
            }
        }
        if acts.iter().any(|(durability, _)| *durability == Durability::Disk)
            && let Err(error) = self.parts.store.flush()
        {
            self.stop_accepting(&error);
            acts.retain(|(durability, _)| *durability != Durability::Disk);
        }
        let mut lost = BTreeSet::new();
        for act in acts.into_iter().flat_map(|(_, acts)| acts) {
            self.perform(act, &mut lost);
        }
        lost
    }

    /// Writes down what must be kept of the answers to one input. Returns how safe that must be,
    /// what is to be done then, and what went wrong.
    fn persist(
        &mut self,
        outputs: Vec<StageOutput>,
    ) -> (Durability, Vec<StageOutput>, Option<StoreError>) {
        let (mut safety, mut acts, mut failed) =
            (Durability::Process, Vec::with_capacity(outputs.len()), None);
        for output in outputs {
            let written = match output {
                StageOutput::Persist { record, durability } => {
                    safety = safety.max(durability);
                    self.parts.store.put_lane(*record)
                }
                StageOutput::Receipt { channel, lane, index, receipt } => {
                    self.parts.store.put_receipt(channel, lane, index, receipt)
                }
                StageOutput::PersistScore(record) => self.parts.store.put_score(record),
                other => {
                    acts.push(other);
                    Ok(())
                }
            };
            failed = failed.or(written.err());
        }
        (safety, acts, failed)
    }

    fn perform(&mut self, act: StageOutput, lost: &mut BTreeSet<[u8; 32]>) {
        match act {
            StageOutput::Send { to, addresses, message } => {
                if let Err(error) =
                    self.parts.net.try_send(to, &address_texts(&addresses), &message)
                {
                    tracing::debug!(peer = hex::encode(to), %error, "not sent");
                    lost.insert(to);
                }
            }
            StageOutput::ReadChannel(channel) => {
                if self.parts.questions.try_send(channel).is_err() {
                    tracing::warn!(%channel, "too many questions to the chain: this one will run into its deadline");
                }
            }
            StageOutput::OpenCache { session, layers, max_positions } => {
                self.log_failure(self.parts.engine.open(session, layers, max_positions));
            }
            StageOutput::Compute(job) => self.log_failure(self.parts.engine.compute(job)),
            StageOutput::DropCache { session } => {
                self.log_failure(self.parts.engine.drop_cache(session))
            }
            StageOutput::Ended(end) => self.ended(end),
            // Written down already.
            StageOutput::Persist { .. }
            | StageOutput::Receipt { .. }
            | StageOutput::PersistScore(_) => {}
        }
    }

    /// The engine's deadline in the protocol ends a session whose job was not taken.
    fn log_failure(&self, result: Result<(), EngineError>) {
        if let Err(error) = result {
            tracing::error!(%error, "the engine");
        }
    }

    fn stop_accepting(&mut self, error: &StoreError) {
        if self.totals.refusing.is_none() {
            self.totals.refusing = Some(error.to_string());
            self.table.drain();
            self.warn(format!(
                "no new sessions are taken, and what is earned is redeemed now: {error}"
            ));
        }
    }

    fn ended(&mut self, end: SessionEnd) {
        self.totals.sessions_ended += 1;
        self.totals.positions += u64::from(end.positions);
        self.totals.earned = self.totals.earned.saturating_add(end.earned);
        self.totals.unpaid = self.totals.unpaid.saturating_add(end.unpaid);
        self.parts.reporter.emit(&Event::SessionEnded {
            session: end.session.to_string(),
            channel: end.channel,
            lane: end.lane,
            positions: end.positions,
            earned: end.earned,
            prepaid: end.prepaid,
            unpaid: end.unpaid,
            settled: end.settled,
            fault: end.fault.map(|code| code.to_string()),
        });
        // A full queue means that the redeemer is busy with others; it looks at everything when it
        // comes to it.
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
                self.handle(vec![StageInput::Channel { channel, facts }]);
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
            Request::Mark(mark) => {
                if let Err(error) = self.parts.store.put_mark(mark) {
                    tracing::warn!(%error, "how far the chain was seen is not written down");
                }
            }
            Request::Totals(answer) => {
                let redeemable =
                    self.due().iter().fold(0, |sum: Balance, lane| sum.saturating_add(lane.gain));
                let _ = answer.send(Totals {
                    sessions: self.table.sessions(),
                    redeemable,
                    ..self.totals.clone()
                });
            }
        }
    }

    fn done(&self) -> Vec<ChannelId> {
        let owed: BTreeSet<ChannelId> =
            self.due().into_iter().map(|lane| lane.redeem.voucher.channel).collect();
        let is_done = |channel: &&ChannelId| {
            !owed.contains(*channel) && self.table.busy_lanes(channel).is_empty()
        };
        self.closing.iter().filter(is_done).copied().collect()
    }

    fn due(&self) -> Vec<DueLane> {
        let due = |redeemable: mica_protocol::channel::Redeemable| {
            let (channel, lane): (ChannelId, LaneId) =
                (redeemable.redeem.voucher.channel, redeemable.redeem.voucher.lane);
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
        self.parts.reporter.emit(&Event::Warning { text });
    }
}

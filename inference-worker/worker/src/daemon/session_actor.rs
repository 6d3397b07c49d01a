//! The session actor: the one place through which sessions, vouchers and receipts pass.
//!
//! It owns the protocol's state machine and the store, and runs on the network's thread. It never
//! waits: not for the disk, which has a thread of its own, and not for a peer, of which one whose
//! queue is full counts as gone. Inputs that are there are taken together. Of what the machine
//! answers, first all records are written to the journal; what relies on one that must be on the
//! disk is parked until it is there ([`Parking`]), with everything of that session that comes
//! after; the rest is carried out in its order. So a voucher is always on the disk before anything
//! that relies on it is said, and no session waits for the vouchers of another.
//!
//! It also tells the network whom sessions depend on, and who misbehaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mica_net::{Alarm, Events, Net, NetEvent, Offence};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, PublicKey, WorkerAddresses};
use mica_protocol::{
    FaultCode, Message, Now, SessionId,
    channel::Durability,
    stage::{Computed, SessionEnd, StageIdentity, StageInput, StageOffer, StageOutput, StageTable},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    neighbours::{Answer, Neighbours, Verdict, next_worker},
    parking::{Parking, is_end},
    request::{DoneChannel, DueLane, Request, Totals},
    tally::Tally,
};
use crate::{
    engine::{Engine, EngineError},
    report::{Event, Reporter},
    store::{DiskThread, Done, Store, StoreError},
};

/// Most inputs that are taken together.
const TOGETHER: usize = 32;
/// Peers that were refused are told of no more often than this; `status` counts them all.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);
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
    /// The market's clock as of the newest block.
    pub clock: watch::Receiver<BlockNumber>,
    /// Takes questions about channels to the chain.
    pub questions: mpsc::Sender<ChannelId>,
    /// Takes questions about workers to the registry.
    pub lookups: mpsc::Sender<PublicKey>,
    /// Told whenever a session has ended.
    pub ended: mpsc::Sender<SessionEnd>,
    /// Counts what peers ask for and what they are answered.
    pub tally: Arc<Tally>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

/// What flows to the session actor.
pub(crate) struct SessionActorInputs {
    /// From peers.
    pub network: Events,
    /// From the engine.
    pub computed: mpsc::Receiver<Computed>,
    /// From the daemon's other tasks. The session actor closes when all senders are gone.
    pub requests: mpsc::Receiver<Request>,
}

/// The session actor.
pub(crate) struct SessionActor {
    parts: SessionActorParts,
    own: PublicKey,
    table: StageTable,
    disk: DiskThread,
    parking: Parking,
    neighbours: Neighbours,
    /// Peers that sessions depend on, as the network was told.
    protected: BTreeMap<SessionId, Vec<PublicKey>>,
    refusal_told: Option<Instant>,
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
        let disk = DiskThread::start(&parts.store)?;
        let mut sessions = Self {
            parts,
            own: identity.peer(),
            table: StageTable::new(identity, offer),
            disk,
            parking: Parking::default(),
            neighbours: Neighbours::default(),
            protected: BTreeMap::new(),
            refusal_told: None,
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
                Some(done) = self.disk.done(&mut self.parts.store) => {
                    self.written(done);
                    continue;
                }
                Some(computed) = inputs.computed.recv() => Some(StageInput::Computed(computed)),
                event = inputs.network.recv(), if !self.parking.is_full() => match event {
                    Some(event) => self.network_input(event),
                    None => break,
                },
                () = alarm.ring(wake) => Some(StageInput::Wake),
            };
            let mut taken: Vec<StageInput> = first.into_iter().collect();
            while taken.len() < TOGETHER {
                if let Ok(computed) = inputs.computed.try_recv() {
                    taken.push(StageInput::Computed(computed));
                } else if !self.parking.is_full()
                    && let Some(event) = inputs.network.try_recv()
                {
                    taken.extend(self.network_input(event));
                } else {
                    break;
                }
            }
            // Peers that never pause must not keep deadlines from passing.
            if self.next_deadline() <= Instant::now() {
                taken.push(StageInput::Wake);
            }
            self.handle(taken);
        }
        self.close().await;
    }

    /// Brings everything to the database, and says what waited for that.
    async fn close(mut self) {
        if let Err(error) = self.parts.store.flush() {
            self.stop_accepting(&error);
        } else {
            let mut lost = BTreeSet::new();
            for act in self.parking.release(u64::MAX) {
                self.perform(act, &mut lost);
            }
        }
        while let Some(done) = self.disk.finish(&mut self.parts.store).await {
            self.note_failure(&done);
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
        Now::new(ms, *self.parts.clock.borrow())
    }

    fn next_deadline(&self) -> Instant {
        let idle = Instant::now() + IDLE;
        let deadline = self.table.next_deadline_ms();
        deadline
            .and_then(|at| self.started.checked_add(Duration::from_millis(at)))
            .map_or(idle, |at| at.min(idle))
    }

    /// What an event means for the sessions, if anything.
    fn network_input(&mut self, event: NetEvent) -> Option<StageInput> {
        match event {
            NetEvent::Message { peer, message } => return self.message_input(peer, message),
            NetEvent::Disconnected { peer, reason }
            | NetEvent::Unreachable { peer, reason, .. } => {
                tracing::debug!(peer = hex::encode(peer), reason, "peer gone");
                self.neighbours.withdraw(&peer, None);
                return Some(StageInput::Disconnected { peer });
            }
            // Whoever has many keys must not fill the log either.
            NetEvent::Refused { peer, reason }
                if self.refusal_told.is_none_or(|told| told.elapsed() >= REFUSAL_PAUSE) =>
            {
                self.refusal_told = Some(Instant::now());
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

    /// A message, unless it is an opening that has to wait for the registry.
    fn message_input(&mut self, from: PublicKey, message: Message) -> Option<StageInput> {
        let open = match message {
            Message::Open(open) => {
                self.parts.tally.opening(open.session);
                open
            }
            Message::Close(close) => {
                self.neighbours.withdraw(&from, Some(&close.session));
                return Some(StageInput::Message { from, message: Message::Close(close) });
            }
            message => return Some(StageInput::Message { from, message }),
        };
        let next = next_worker(&self.own, &open.path, open.stage);
        let now = std::time::Instant::now();
        match self.neighbours.check(from, open.session, next, open, now) {
            Verdict::Go(open) => {
                return Some(StageInput::Message { from, message: Message::Open(open) });
            }
            Verdict::Ask(peer) => {
                if self.parts.lookups.try_send(peer).is_err() {
                    self.registered(peer, Answer::Unknown);
                }
            }
            Verdict::Wait => {}
            Verdict::Refuse(refusal) => self.refuse(from, &refusal),
        }
        None
    }

    /// The registry's answer about the next worker of openings that wait for it.
    fn registered(&mut self, peer: PublicKey, answer: Answer) {
        let now = std::time::Instant::now();
        let mut inputs = Vec::new();
        for (from, opening) in self.neighbours.answer(peer, answer, now) {
            match opening {
                Ok(open) => inputs.push(StageInput::Message { from, message: Message::Open(open) }),
                Err(refusal) => self.refuse(from, &refusal),
            }
        }
        self.handle(inputs);
    }

    fn refuse(&self, to: PublicKey, refusal: &Message) {
        self.parts.tally.answered(&to, refusal);
        if let Err(error) = self.parts.net.try_answer(to, refusal) {
            tracing::debug!(peer = hex::encode(to), %error, "not told that it is refused");
        }
    }

    fn handle(&mut self, inputs: Vec<StageInput>) {
        let now = self.now();
        let answers = inputs.into_iter().map(|input| self.table.handle(now, input)).collect();
        let acts = self.write_down(answers);
        self.carry_out(acts);
        if let Err(error) = self.disk.move_if_due(&mut self.parts.store) {
            self.stop_accepting(&error);
        }
    }

    /// Does what may be done now, and what follows from it.
    fn carry_out(&mut self, mut acts: Vec<StageOutput>) {
        // Peers that could not be told are gone; what follows from that may lose others, but each
        // only once.
        let mut gone = BTreeSet::new();
        loop {
            let mut lost = BTreeSet::new();
            for act in acts {
                self.perform(act, &mut lost);
            }
            let new: Vec<PublicKey> = lost.into_iter().filter(|peer| gone.insert(*peer)).collect();
            if new.is_empty() {
                return;
            }
            let now = self.now();
            let answers = new
                .into_iter()
                .map(|peer| self.table.handle(now, StageInput::Disconnected { peer }))
                .collect();
            acts = self.write_down(answers);
        }
    }

    /// Writes down what must be kept of the answers to some inputs. Returns what may be done now;
    /// what has to wait for the disk is parked.
    fn write_down(&mut self, answers: Vec<Vec<StageOutput>>) -> Vec<StageOutput> {
        let (group, mut acts) = (self.disk.next_group(), Vec::new());
        for outputs in answers {
            let (durability, rest, failed) = self.persist(outputs);
            match failed {
                None => {
                    let parking = &mut self.parking;
                    let now = rest.into_iter();
                    acts.extend(now.filter_map(|act| parking.pass(durability, group, act)));
                }
                // What else there is relies on what could not be written: only what ends something
                // is done, and no new session is taken.
                Some(error) => {
                    self.stop_accepting(&error);
                    let parking = &mut self.parking;
                    let ends = rest.into_iter().filter(is_end);
                    // Not before what has begun it, if that waits.
                    acts.extend(
                        ends.filter_map(|act| parking.pass(Durability::Process, group, act)),
                    );
                }
            }
        }
        self.sync_if_needed();
        acts
    }

    fn sync_if_needed(&mut self) {
        if !self.parking.is_empty() {
            self.disk.sync(&self.parts.store);
        }
    }

    /// The disk has taken something, or has not.
    fn written(&mut self, done: Done) {
        self.note_failure(&done);
        if let Done::Synced(group, result) = done {
            let mut acts = self.parking.release(group);
            if result.is_err() {
                acts.retain(is_end);
            }
            self.carry_out(acts);
            self.sync_if_needed();
        }
    }

    fn note_failure(&mut self, done: &Done) {
        if let Done::Synced(_, Err(error)) | Done::Moved(Err(error)) = done {
            self.stop_accepting(error);
        }
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
                self.parts.tally.answered(&to, &message);
                if let Err(error) = self.send(to, &addresses, &message) {
                    tracing::debug!(peer = hex::encode(to), %error, "not sent");
                    lost.insert(to);
                }
                // Last, so that it hears why.
                if let Some(offence) = offence(&message) {
                    self.parts.net.strike(to, offence);
                }
            }
            StageOutput::ReadChannel(channel) => {
                if self.parts.questions.try_send(channel).is_err() {
                    tracing::warn!(%channel, "too many questions to the chain: this one will run into its deadline");
                }
            }
            StageOutput::OpenCache { session, layers, max_positions } => {
                self.protect(session);
                self.log_failure(self.parts.engine.open(session, layers, max_positions));
            }
            StageOutput::Compute(job) => self.log_failure(self.parts.engine.compute(job)),
            StageOutput::DropCache { session } => {
                self.log_failure(self.parts.engine.drop_cache(session))
            }
            StageOutput::Ended(end) => {
                for peer in self.protected.remove(&end.session).into_iter().flatten() {
                    self.parts.net.unprotect(peer);
                }
                self.ended(end);
            }
            // Written down already.
            StageOutput::Persist { .. }
            | StageOutput::Receipt { .. }
            | StageOutput::PersistScore(_) => {}
        }
    }

    /// Tells a peer. A stage is dialled where the registry says that it is; a payer has connected,
    /// or is gone.
    fn send(
        &self,
        to: PublicKey,
        addresses: &WorkerAddresses,
        message: &Message,
    ) -> Result<(), mica_net::SendError> {
        match self.neighbours.addresses(&to) {
            registered if !addresses.is_empty() && !registered.is_empty() => {
                self.parts.net.try_send(to, registered, message)
            }
            _ => self.parts.net.try_answer(to, message),
        }
    }

    /// Tells the network whom a session depends on that has begun, unless it has ended since.
    fn protect(&mut self, session: SessionId) {
        let peers = self.table.peers(&session);
        for (peer, frame_bytes) in &peers {
            self.parts.net.protect(*peer, *frame_bytes);
        }
        let peers = peers.into_iter().map(|(peer, _)| peer).collect();
        self.protected.insert(session, peers);
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
        self.parts.tally.ended(&end);
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
                let closes = facts.as_ref().is_some_and(|facts| facts.ends.is_some());
                self.handle(vec![StageInput::Channel { channel, facts }]);
                // Of a channel whose opening was refused nothing is kept.
                match closes && self.table.ledger(&channel).is_some() {
                    true => self.closing.insert(channel),
                    false => self.closing.remove(&channel),
                };
            }
            Request::NotFollowed(channel) => {
                self.handle(vec![StageInput::NotFollowed { channel }]);
            }
            Request::BlockFinal => self.handle(vec![StageInput::BlockFinal]),
            Request::Ledgers(answer) => drop(answer.send(self.table.channels().collect())),
            Request::HasLedger(channel, answer) => {
                let _ = answer.send(self.table.ledger(&channel).is_some());
            }
            Request::Done(fee, answer) => drop(answer.send(self.done(fee))),
            Request::Due(answer) => drop(answer.send(self.due())),
            Request::Offer(offer) => self.table.set_offer(*offer),
            Request::Drain(answer) => {
                self.table.drain();
                let _ = answer.send(self.table.sessions());
            }
            Request::Forget(channel) => {
                self.closing.remove(&channel);
                self.parts.store.forget(channel);
                if let Err(error) = self.disk.move_if_due(&mut self.parts.store) {
                    tracing::warn!(%error, "a closed channel stays in the store");
                }
            }
            Request::Registered { peer, answer } => self.registered(peer, answer),
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
                    network: self.parts.net.counters(),
                    ..self.totals.clone()
                });
            }
        }
    }

    /// Channels that never paid anything are their payers' to finish: closing costs a fee.
    fn done(&mut self, fee: Balance) -> Vec<DoneChannel> {
        let consents = self.table.consents(self.now().block);
        let wanted: BTreeSet<ChannelId> = consents
            .iter()
            .map(|(consent, _)| consent.close.channel)
            .chain(self.closing.iter().copied())
            .collect();
        let agreed = consents.into_iter().filter(|(_, gain)| *gain > fee);
        let agreed: Vec<DoneChannel> =
            agreed.map(|(consent, _)| DoneChannel::Agreed(Box::new(consent))).collect();
        let due = self.due().into_iter().filter(|lane| lane.gain > fee);
        let owed: BTreeSet<ChannelId> = due.map(|lane| lane.redeem.voucher.channel).collect();
        let is_agreed =
            |channel: &ChannelId| agreed.iter().any(|agreed| agreed.channel() == *channel);
        let is_done = |channel: &&ChannelId| {
            !owed.contains(*channel)
                && !is_agreed(channel)
                && self.table.busy_lanes(channel).is_empty()
                && self.table.ledger(channel).is_some_and(|ledger| ledger.has_paid())
        };
        let paid: Vec<DoneChannel> =
            wanted.iter().filter(is_done).copied().map(DoneChannel::Paid).collect();
        agreed.into_iter().chain(paid).collect()
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
        self.table.redeemable(self.now().block).into_iter().map(due).collect()
    }

    fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.parts.reporter.emit(&Event::Warning { text });
    }
}

/// What a refusal says of the peer that gets it. Only refusals of what that peer itself sent are
/// looked at; most of those an honest one may meet.
const fn offence(message: &Message) -> Option<Offence> {
    let Message::Fault(fault) = message else { return None };
    match fault.code() {
        FaultCode::BadTick => Some(Offence::BadTick),
        FaultCode::BadSignature | FaultCode::ForeignVoucher | FaultCode::WrongUnit => {
            Some(Offence::BadVoucher)
        }
        FaultCode::WrongDirection | FaultCode::WrongPeer => Some(Offence::Refused),
        _ => None,
    }
}

//! The loop that carries a payer's session: inputs from the network, the clock and the user go in,
//! outputs are carried out in order.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use mica_net::{Alarm, NetEvent};
use mica_primitives::{BlockNumber, ChannelId, LaneId, PublicKey, Redeem, WorkerAddresses};
use mica_protocol::{
    Message, Now,
    channel::{Adopted, PayerLaneRecord},
    payer::{PayerInput, PayerOutput, PayerSession, SessionReport},
    probability::LogProbabilities,
    session::StopReason,
};
use tokio::time::{Duration, Instant};

use super::{SessionError, ledger_writer::LedgerWriter, plan::SessionDraft, timing::StageTimer};
use crate::channels::{ChannelError, Claim, Lease};
use crate::interrupt::Interrupt;
use crate::router::Subscription;
use crate::store::{Change, SessionRecord, Store};

/// Longest sleep without a deadline from the session; only keeps the loop from sleeping for ever.
const IDLE: Duration = Duration::from_secs(60);

/// Takes the tokens of an answer as they come.
pub(crate) trait TokenSink: Send {
    /// Takes note of a token, with how likely it was if the session asked, and of whether it is the
    /// last one. `Break` asks the session to end.
    fn token(
        &mut self,
        id: u32,
        likely: Option<LogProbabilities>,
        stop: Option<StopReason>,
    ) -> ControlFlow<()>;
}

/// What a session is given to work with.
pub(crate) struct SessionIo<'a> {
    /// The network, which listens to the session and to the peers of the path.
    pub(crate) subscription: Subscription,
    /// The payer's database.
    pub(crate) store: &'a Store,
    /// What else must be on disk before anything is promised.
    pub(crate) first: Vec<Change>,
    /// The market's clock as of the best block when it began.
    pub(crate) block: BlockNumber,
    /// Finish: with the next token. Stop: at once.
    pub(crate) interrupt: &'a Interrupt,
    /// Who takes the tokens.
    pub(crate) sink: &'a mut dyn TokenSink,
}

/// How it went, with the record that was kept.
pub struct Outcome {
    /// The stages' accounts and the tokens.
    pub report: SessionReport,
    /// What is on disk.
    pub record: SessionRecord,
    /// From the openings to the last acceptance.
    pub to_ready: Option<Duration>,
    /// From the openings to the first token.
    pub to_first_token: Option<Duration>,
    /// From the openings to the last token.
    pub to_last_token: Option<Duration>,
    /// From the openings to the last confirmation.
    pub elapsed: Duration,
    /// Promises that the workers showed and that were not known here.
    pub adopted: usize,
    /// What a token took at each stage, µs per layer, where that was seen.
    pub costs_us: Vec<Option<u32>>,
}

/// A session that is over, and what it leaves of its lease.
#[must_use]
pub(crate) struct Ended {
    /// How it went. [`SessionError::Plan`] before anything was sent, [`SessionError::Store`] if a
    /// promise could not be written (it was not sent then), [`SessionError::Interrupted`] at the
    /// second interruption. A session that failed is no error here: see the report.
    pub(crate) outcome: Result<Outcome, SessionError>,
    /// What is to be settled.
    pub(crate) claim: Claim,
    /// The lanes' last records.
    pub(crate) records: Vec<PayerLaneRecord>,
}

/// Runs the session of `draft` on the lanes of `lease` to its end, and keeps its record on disk.
pub(crate) async fn drive(mut io: SessionIo<'_>, draft: &SessionDraft<'_>, lease: Lease) -> Ended {
    let Lease { lanes, claim, .. } = lease;
    let mut writer = LedgerWriter::default();
    for lane in &lanes {
        writer.limit(lane.record().channel, lane.record().lane, lane.limit());
    }
    let own = lanes.iter().map(|lane| (lane.record().channel, lane.record().lane)).collect();
    let unused = lanes.iter().map(|lane| lane.record().clone()).collect();
    let record = draft.record(&lanes);
    let prompt_positions = u32::try_from(record.prompt.len()).unwrap_or(u32::MAX);
    let timed = record.stages.iter().map(|stage| (stage.peer, stage.layers.len()));
    let timer = StageTimer::new(prompt_positions, timed);
    let begun = Instant::now();
    let (session, outputs) = match PayerSession::start(draft.plan(lanes), Now::new(0, io.block)) {
        Ok(started) => started,
        Err(error) => return Ended { outcome: Err(error.into()), claim, records: unused },
    };
    let pending = std::mem::take(&mut io.first);
    let mut driver = Driver {
        io,
        claim,
        session,
        record,
        writer,
        lanes: own,
        begun,
        pending,
        is_urgent: true,
        inputs: VecDeque::new(),
        report: None,
        times: Times::default(),
        timer,
        adopted: 0,
    };
    let ended = match driver.carry_out(outputs).await {
        Ok(()) => driver.run().await,
        Err(error) => Err(error),
    };
    driver.end(ended)
}

/// When things happened first or last, counted from the openings.
#[derive(Default)]
struct Times {
    ready: Option<Duration>,
    first_token: Option<Duration>,
    last_token: Option<Duration>,
}

struct Driver<'a> {
    io: SessionIo<'a>,
    claim: Claim,
    session: PayerSession,
    record: SessionRecord,
    writer: LedgerWriter,
    /// The channels and lanes of ours that pay for the stages, in order.
    lanes: Vec<(ChannelId, LaneId)>,
    begun: Instant,
    /// To be on disk in the end.
    pending: Vec<Change>,
    /// Whether that must be before the next message leaves.
    is_urgent: bool,
    /// What happened while outputs were carried out.
    inputs: VecDeque<PayerInput>,
    report: Option<SessionReport>,
    times: Times,
    timer: StageTimer,
    adopted: usize,
}

impl Driver<'_> {
    async fn run(&mut self) -> Result<SessionReport, SessionError> {
        let mut is_cancelled = false;
        let mut alarm = Alarm::new();
        loop {
            while let Some(input) = self.inputs.pop_front() {
                let outputs = self.session.handle(self.now(), input);
                self.carry_out(outputs).await?;
            }
            if let Some(report) = self.report.take() {
                return Ok(report);
            }
            let wake =
                self.session.next_deadline_ms().map(|ms| self.begun + Duration::from_millis(ms));
            let wake = wake.unwrap_or_else(|| Instant::now() + IDLE);
            let Interrupt { finish, stop } = self.io.interrupt;
            tokio::select! {
                event = self.io.subscription.events.recv() => match event {
                    Some(event) => {
                        if let NetEvent::Message { peer, message } = &event {
                            self.timer.saw(peer, message, self.begun.elapsed());
                        }
                        self.inputs.extend(input_of(event));
                    }
                    // The network has stopped: nobody of the path can be reached any more.
                    None => self.lose_everybody(),
                },
                () = alarm.ring(wake) => self.inputs.push_back(PayerInput::Wake),
                () = finish.cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    self.inputs.push_back(PayerInput::Cancel);
                }
                () = stop.cancelled() => return Err(SessionError::Interrupted),
            }
        }
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now::new(ms, self.io.block)
    }

    fn lose_everybody(&mut self) {
        let peers: Vec<PublicKey> = self.record.stages.iter().map(|stage| stage.peer).collect();
        self.inputs.extend(peers.into_iter().map(|peer| PayerInput::Disconnected { peer }));
    }

    /// Messages leave after all else, in their order: one flush is then enough for all promises
    /// among the outputs. Tokens are told after that, so that the workers compute the next one
    /// while whoever listens makes something of this one.
    async fn carry_out(&mut self, outputs: Vec<PayerOutput>) -> Result<(), SessionError> {
        let (mut messages, mut tokens) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                PayerOutput::Persist { record, durability } => {
                    let change = self.writer.persist(record, durability);
                    self.is_urgent |= change.is_some();
                    self.pending.extend(change);
                }
                PayerOutput::Send { to, addresses, message } => {
                    messages.push((to, addresses, message))
                }
                PayerOutput::Relayed { stage, channel, lane, first_receipt } => {
                    // Its receipts lie on the hub's lane, and are verified by that.
                    if let Some(stage) = self.record.stages.get_mut(stage) {
                        (stage.channel, stage.lane) = (channel, lane);
                        stage.first_receipt = first_receipt;
                    }
                }
                PayerOutput::Ready => self.times.ready = Some(self.begun.elapsed()),
                PayerOutput::Token { id, stop, log_probabilities, .. } => {
                    let at = self.begun.elapsed();
                    self.times.first_token.get_or_insert(at);
                    self.times.last_token = Some(at);
                    self.record.tokens.push(id);
                    tokens.push((id, log_probabilities, stop));
                }
                PayerOutput::Receipt { stage, channel, lane, index, receipt } => {
                    if let Some(stage) = self.record.stages.get_mut(stage) {
                        stage.receipts += 1;
                    }
                    self.pending.push(Change::Receipt { channel, lane, index, receipt });
                }
                PayerOutput::Adopt { stage, held } => self.adopt(stage, &held),
                PayerOutput::Finished(report) => {
                    for (stage, account) in self.record.stages.iter_mut().zip(&report.stages) {
                        stage.paid = account.paid;
                        stage.receipts = account.receipts;
                    }
                    self.record.tokens.clone_from(&report.tokens);
                    self.record.is_closed =
                        report.failure.is_none() && report.stages.iter().all(|stage| stage.settled);
                    self.close()?;
                    self.report = Some(*report);
                }
            }
        }
        let sent = self.send(messages).await;
        for (id, log_probabilities, stop) in tokens {
            if self.io.sink.token(id, log_probabilities, stop).is_break() {
                self.io.interrupt.finish.cancel();
            }
        }
        sent
    }

    /// Takes note of a promise that a worker or a hub shows; what does not prove itself is worth
    /// nothing, and no reason to stop.
    fn adopt(&mut self, stage: usize, held: &Redeem) {
        let own = self.lanes.get(stage).filter(|(own, _)| *own == held.voucher.channel);
        let Some((_, own)) = own else { return };
        let (channel, lane) = (held.voucher.channel, held.voucher.lane);
        match self.claim.pool().adopt(held, *own) {
            Ok(Some(Adopted { record, is_retired, .. })) => {
                self.adopted += 1;
                self.is_urgent = true;
                self.writer.adopted(channel, lane);
                self.pending.push(Change::Lane(record.into()));
                self.pending.extend(is_retired.then_some(Change::Retired(channel, lane)));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, %channel, lane, "a promise that a worker shows is not taken")
            }
        }
    }

    /// Sends what may be sent once everything urgent is on disk.
    async fn send(
        &mut self,
        messages: Vec<(PublicKey, WorkerAddresses, Message)>,
    ) -> Result<(), SessionError> {
        if self.is_urgent {
            self.flush()?;
        }
        for (to, addresses, message) in messages {
            let texts = mica_net::address_texts(&addresses);
            if let Err(error) = self.io.subscription.net.send(to, &texts, &message).await {
                tracing::debug!(%error, kind = message.kind(), "not sent");
                self.inputs.push_back(PayerInput::Disconnected { peer: to });
            }
        }
        Ok(())
    }

    /// Writes down how the lanes stand when nothing more is promised on them.
    fn close(&mut self) -> Result<(), SessionError> {
        for record in self.session.lane_records() {
            self.pending.extend(self.writer.close(record.into()));
        }
        self.flush()
    }

    /// What is left of the session once nothing more happens.
    fn end(mut self, ended: Result<SessionReport, SessionError>) -> Ended {
        if ended.is_err()
            && let Err(error) = self.close()
        {
            // The promises are on disk, as far as they were sent.
            tracing::warn!(%error, "the last receipts of a session were not kept");
        }
        let Self { claim, session, record, begun, times, timer, adopted, .. } = self;
        let records = match &ended {
            Ok(report) => report.stages.iter().map(|stage| stage.record.clone()).collect(),
            Err(_) => session.lane_records(),
        };
        let outcome = ended.map(|report| Outcome {
            report,
            record,
            to_ready: times.ready,
            to_first_token: times.first_token,
            to_last_token: times.last_token,
            elapsed: begun.elapsed(),
            adopted,
            costs_us: timer.costs_us(),
        });
        Ended { outcome, claim, records }
    }

    fn flush(&mut self) -> Result<(), SessionError> {
        if self.claim.is_void() {
            return Err(ChannelError::ChainRestarted.into());
        }
        // Receipts are worth nothing without the tokens that they speak of.
        self.pending.push(Change::Session(self.record.clone().into()));
        self.is_urgent = false;
        let changes = std::mem::take(&mut self.pending);
        tokio::task::block_in_place(|| self.io.store.apply(&changes))?;
        Ok(())
    }
}

fn input_of(event: NetEvent) -> Option<PayerInput> {
    match event {
        NetEvent::Message { peer, message } => Some(PayerInput::Message { from: peer, message }),
        NetEvent::Disconnected { peer, .. }
        | NetEvent::Unreachable { peer, .. }
        | NetEvent::Refused { peer: Some(peer), .. } => Some(PayerInput::Disconnected { peer }),
        _ => None,
    }
}

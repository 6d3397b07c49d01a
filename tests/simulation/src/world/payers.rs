//! How a payer's program is driven: channels opened and topped up, lanes leased, sessions begun,
//! outputs carried out in order, other lanes tried.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, ChannelId, ChannelState, MAX_LANES, WorkerAddresses};
use mica_protocol::{
    FaultCode, Message, SessionId,
    channel::{ChannelFacts, Durability, LeaseError, PayerLane, PayerLaneRecord, PayerLedger},
    limits,
    payer::{
        PayerDeadlines, PayerInput, PayerOutput, PayerSession, PlannedStage, SessionPlan,
        SessionReport,
    },
    session::{EndIds, Sampling},
    signing,
};

use super::{Event, World};
use crate::{
    chain::{BLOCK_MS, Call, GENESIS},
    liars::PayerLie,
    network::Peer,
    payer::{QuestionState, RunningSession},
    process::{Death, Node},
    worker::{MODEL, PRICE, PROFILE},
};

/// Positions that every payer pays ahead of verified receipts.
pub(super) const EXPOSURE_POSITIONS: u16 = limits::DEFAULT_EXPOSURE_POSITIONS;
/// Seed of every session's draws.
pub(super) const SAMPLING_SEED: u64 = 9;
/// Blocks that a payee has to redeem after a request to close. The longer ones are longer than any
/// program is down or blind.
const WINDOWS_BLOCKS: [u32; 3] = [20, 60, 60];
/// Other lanes that are tried for a question without a pause.
const LANE_RETRIES: u32 = 6;
/// Pause before a question that must be answered is asked again.
const PAUSE_MS: u64 = limits::UNPAID_PAUSE_MS + 1_000;
/// How often it is asked.
const MAX_TRIES: u32 = 120;

/// Why no session begins now.
enum Unready {
    /// An extrinsic was sent: ask again when it is in a block.
    WaitsForChain,
    /// Every lane is in use.
    NoLane,
}

impl World {
    pub(super) fn payer_hears(&mut self, payer: usize, from: Peer, message: Message) {
        let from = self.network.key(from);
        let sessions = &self.payers[payer].sessions;
        let ids: Vec<SessionId> = match message.session() {
            Some(id) => sessions.contains_key(&id).then_some(id).into_iter().collect(),
            None => sessions.keys().copied().collect(),
        };
        for id in ids {
            self.payer_input(payer, id, PayerInput::Message { from, message: message.clone() });
        }
    }

    pub(super) fn payer_loses(&mut self, payer: usize, other: Peer) {
        let peer = self.network.key(other);
        self.all_sessions(payer, &PayerInput::Disconnected { peer });
    }

    pub(super) fn payer_wakes(&mut self, payer: usize) {
        self.all_sessions(payer, &PayerInput::Wake);
    }

    pub(super) fn cancel(&mut self, payer: usize) {
        self.all_sessions(payer, &PayerInput::Cancel);
    }

    fn all_sessions(&mut self, payer: usize, input: &PayerInput) {
        let ids: Vec<SessionId> = self.payers[payer].sessions.keys().copied().collect();
        for id in ids {
            self.payer_input(payer, id, input.clone());
        }
    }

    fn payer_input(&mut self, payer: usize, id: SessionId, input: PayerInput) {
        let state = &mut self.payers[payer];
        let now = state.process.now(self.now_ms);
        let Some(running) = state.sessions.get_mut(&id).filter(|_| state.process.is_up) else {
            return;
        };
        let outputs = running.session.handle(now, input);
        self.payer_outputs(payer, id, outputs);
        self.set_alarm(Node::Payer(payer));
    }

    fn payer_outputs(&mut self, payer: usize, id: SessionId, outputs: Vec<PayerOutput>) {
        for output in outputs {
            match output {
                PayerOutput::Persist { record, durability } => {
                    if !self.write_lane(payer, &record, durability) {
                        return;
                    }
                }
                PayerOutput::Send { to, message, .. } => {
                    if let Some(to) = self.network.peer_of(&to) {
                        self.send(Node::Payer(payer), to, message);
                    }
                }
                PayerOutput::Adopt { stage, held } => {
                    let Some(running) = self.payers[payer].sessions.get(&id) else { return };
                    let own = running.session.lane_records()[stage].clone();
                    let ledger = self.payers[payer].ledgers.get_mut(&own.channel);
                    let adopted =
                        ledger.and_then(|ledger| ledger.adopt(&held, own.lane).ok().flatten());
                    if let Some(adopted) = adopted {
                        let lane = (adopted.record.channel, adopted.record.lane);
                        if adopted.is_retired {
                            self.payers[payer].retired.insert(lane);
                        }
                        if !self.write_lane(payer, &adopted.record, Durability::Disk) {
                            return;
                        }
                    }
                }
                PayerOutput::Ready
                | PayerOutput::Token { .. }
                | PayerOutput::Receipt { .. }
                | PayerOutput::Relayed { .. } => {
                    if matches!(output, PayerOutput::Ready)
                        && self.payers[payer].lie == Some(PayerLie::ClosesEarly)
                    {
                        self.close_channels(payer);
                    }
                }
                PayerOutput::Finished(report) => self.finished(payer, id, &report),
            }
        }
    }

    /// Writes a lane's record; what it promises counts as signed. Returns whether the program
    /// lives.
    fn write_lane(
        &mut self,
        payer: usize,
        record: &PayerLaneRecord,
        durability: Durability,
    ) -> bool {
        let lane = (record.channel, record.lane);
        let signed = self.payers[payer].signed.entry(lane).or_default();
        *signed = (*signed).max(record.promised());
        let bytes = record.encode();
        self.survives_write(Node::Payer(payer), |world| {
            world.payers[payer].disk.write(lane, bytes, durability);
        })
    }

    pub(super) fn payer_dies(&mut self, payer: usize, death: Death) {
        let state = &mut self.payers[payer];
        let records = state.sessions.values().flat_map(|running| running.session.lane_records());
        state.uncounted.extend(records.map(|record| record.channel));
        state.sessions.clear();
        state.ledgers.clear();
        if death == Death::PowerCut {
            state.disk.cut_power(&mut self.chance);
        }
        if let Some((disk, retired)) = state.backup.take() {
            (state.disk, state.retired) = (disk, retired);
        }
        for question in &mut state.questions {
            question.held.clear();
            if question.state == QuestionState::Running {
                // Whoever asked is gone with the program.
                question.state = QuestionState::Failed;
            }
        }
    }

    pub(super) fn payer_starts(&mut self, payer: usize) {
        let key = SigningKey::from_bytes(&self.chance.bytes());
        let node = Node::Payer(payer);
        self.payers[payer].peer = self.network.start(node, signing::public_key(&key));
    }

    /// Closed channels are finished as soon as the chain lets them.
    pub(super) fn payer_sees_block(&mut self, payer: usize) {
        let (account, block) = (self.payers[payer].account, self.payers[payer].process.block);
        let over = self.chain.channels.iter().filter(|(_, channel)| match &channel.state {
            ChannelState::Closing(closing) => channel.payer == account && block >= closing.ends,
            ChannelState::Open => false,
        });
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.chain.submit(Call::Finish(id));
        }
    }

    /// Reads the chain: the ledgers of the channels that are open, and no others but those in use.
    fn refresh(&mut self, payer: usize) {
        let state = &mut self.payers[payer];
        let signer = signing::public_key(&state.key);
        let overspends = state.lie == Some(PayerLie::Overspends);
        let open = self.chain.channels.iter().filter(|(_, channel)| {
            channel.payer == state.account
                && channel.signer == signer
                && channel.state == ChannelState::Open
        });
        let open: Vec<(ChannelId, ChannelFacts)> =
            open.map(|(id, channel)| (*id, ChannelFacts::new(*id, channel))).collect();
        let in_use: Vec<ChannelId> = state
            .sessions
            .values()
            .flat_map(|running| running.session.lane_records())
            .map(|record| record.channel)
            .collect();
        state
            .ledgers
            .retain(|id, _| in_use.contains(id) || open.iter().any(|(other, _)| other == id));
        let records = state.disk.records();
        let mut refused = None;
        for (id, mut facts) in open {
            if overspends {
                facts.deposit *= 10;
            }
            if let Some(ledger) = state.ledgers.get_mut(&id) {
                ledger.update(facts);
                continue;
            }
            let Ok(mut ledger) = PayerLedger::new(GENESIS, state.key.clone(), facts) else {
                continue;
            };
            for (_, bytes) in records.iter().filter(|((channel, _), _)| *channel == id) {
                let record = PayerLaneRecord::decode(&mut &bytes[..]);
                let restored = record.map(|record| ledger.restore(record));
                if !matches!(restored, Ok(Ok(()))) {
                    refused = Some(format!("payer {payer} cannot take its own record back"));
                }
            }
            let retired = state.retired.iter().filter(|(channel, _)| *channel == id);
            retired.for_each(|(_, lane)| ledger.retire(*lane));
            state.ledgers.insert(id, ledger);
        }
        refused.into_iter().for_each(|text| self.find(text));
    }

    /// A question's time has come.
    pub(super) fn ask(&mut self, payer: usize, number: usize) {
        let state = &self.payers[payer];
        let question = &state.questions[number];
        if question.state != QuestionState::Waiting {
            return;
        }
        let is_late = !self.is_trouble && !question.must_succeed;
        if is_late || (!state.process.is_up && !question.must_succeed) {
            self.payers[payer].questions[number].state = QuestionState::Failed;
            return;
        }
        if !state.process.is_up || !state.process.sees_chain {
            return self.ask_again(payer, number, 5_000);
        }
        self.refresh(payer);
        match self.lease(payer, number) {
            Ok(stages) => self.begin(payer, number, stages),
            Err(Unready::WaitsForChain) => self.ask_again(payer, number, 2 * BLOCK_MS),
            Err(Unready::NoLane) => self.give_up_or_pause(payer, number, "no lane"),
        }
    }

    fn ask_again(&mut self, payer: usize, question: usize, in_ms: u64) {
        self.push(self.now_ms + in_ms, Event::Ask { payer, question });
    }

    fn lease(&mut self, payer: usize, number: usize) -> Result<Vec<PlannedStage>, Unready> {
        let question = self.payers[payer].questions[number].clone();
        let needed = question.prompt.len() as Balance + Balance::from(question.max_new_tokens) - 1;
        let mut stages: Vec<PlannedStage> = Vec::new();
        let mut unready = None;
        for worker in &question.workers {
            let range = self.workers[*worker].range;
            let budget = needed * PRICE * Balance::from(range.len());
            match self.lease_lane(payer, *worker, budget) {
                Ok(lane) => stages.push(PlannedStage {
                    peer: self.network.key(self.workers[*worker].peer),
                    addresses: WorkerAddresses::default(),
                    range,
                    price_per_layer_token: PRICE,
                    holding_price: self.workers[*worker].table.offer().holding_price(),
                    credit_positions: self.workers[*worker].credit_positions,
                    quote: None,
                    lane,
                    hubs: Vec::new(),
                }),
                Err(error) => unready = unready.or(Some(error)),
            }
        }
        match unready {
            None => Ok(stages),
            Some(error) => {
                let records: Vec<_> =
                    stages.iter().map(|stage| stage.lane.record().clone()).collect();
                records.into_iter().for_each(|record| self.give_back(payer, record));
                Err(error)
            }
        }
    }

    /// A lane of a channel to `worker`; a channel is opened or topped up if that is needed.
    fn lease_lane(
        &mut self,
        payer: usize,
        worker: usize,
        budget: Balance,
    ) -> Result<PayerLane, Unready> {
        let (account, payee) = (self.payers[payer].account, self.workers[worker].account);
        let state = &mut self.payers[payer];
        let chain = &self.chain;
        let is_to_worker = |id: &ChannelId| {
            chain.channels.get(id).is_some_and(|channel| {
                channel.payee == payee && channel.state == ChannelState::Open
            })
        };
        let found = state
            .ledgers
            .iter_mut()
            .find(|(id, ledger)| is_to_worker(id) && ledger.lost_lanes() < MAX_LANES as usize);
        let Some((id, ledger)) = found else {
            let signer = signing::public_key(&state.key);
            let deposit = budget * Balance::from(self.chance.between(1, 3));
            let window = self.chance.pick(&WINDOWS_BLOCKS);
            self.chain.submit(Call::Open { payer: account, payee, signer, deposit, window });
            return Err(Unready::WaitsForChain);
        };
        match ledger.lease(budget) {
            Ok(lane) => Ok(lane),
            Err(LeaseError::Deposit { .. }) => {
                let total = ledger.facts().deposit + ledger.lacks(budget);
                self.chain.submit(Call::TopUp(*id, total));
                Err(Unready::WaitsForChain)
            }
            Err(_) => Err(Unready::NoLane),
        }
    }

    fn give_back(&mut self, payer: usize, record: PayerLaneRecord) {
        if let Some(ledger) = self.payers[payer].ledgers.get_mut(&record.channel) {
            ledger.give_back(record);
        }
    }

    fn begin(&mut self, payer: usize, number: usize, stages: Vec<PlannedStage>) {
        let session = SessionId(self.chance.bytes());
        let question = &mut self.payers[payer].questions[number];
        question.tries += 1;
        question.state = QuestionState::Running;
        let plan = SessionPlan {
            session,
            genesis: GENESIS,
            model: MODEL,
            profile: PROFILE,
            model_layers: self.layers,
            stages,
            prompt: question.prompt.clone(),
            max_new_tokens: question.max_new_tokens,
            sampling: Sampling { seed: SAMPLING_SEED, ..Sampling::default() },
            end_ids: EndIds::default(),
            logprobs: None,
            exposure_positions: EXPOSURE_POSITIONS,
            spending_limit: Balance::MAX,
            voucher_blocks: question.voucher_blocks,
            deadlines: PayerDeadlines::default(),
        };
        let state = &mut self.payers[payer];
        match PayerSession::start(plan, state.process.now(self.now_ms)) {
            Ok((running, outputs)) => {
                state
                    .sessions
                    .insert(session, RunningSession { session: running, question: number });
                self.summary.sessions += 1;
                self.payer_outputs(payer, session, outputs);
                self.set_alarm(Node::Payer(payer));
            }
            Err(error) => self.find(format!("payer {payer} cannot begin: {error}")),
        }
    }

    fn finished(&mut self, payer: usize, id: SessionId, report: &SessionReport) {
        let Some(running) = self.payers[payer].sessions.remove(&id) else { return };
        let number = running.question;
        self.check_report(payer, number, report);
        for stage in &report.stages {
            self.give_back(payer, stage.record.clone());
        }
        match &report.failure {
            None => {
                self.summary.answered += 1;
                self.end_question(payer, number, QuestionState::Answered);
            }
            Some(failure) => {
                let failure = failure.to_string();
                self.tell(|| format!("payer {payer} fails: {failure}"));
                if self.may_retry(payer, number, report) {
                    self.payers[payer].questions[number].state = QuestionState::Waiting;
                    return self.ask_again(payer, number, 1);
                }
                self.give_up_or_pause(payer, number, &failure);
            }
        }
    }

    /// Whether another lane may help, as `client/payer` decides it.
    fn may_retry(&mut self, payer: usize, number: usize, report: &SessionReport) -> bool {
        let state = &mut self.payers[payer];
        let question = &mut state.questions[number];
        let mends = |code: FaultCode| {
            matches!(
                code,
                FaultCode::LaneBusy
                    | FaultCode::StaleVoucher
                    | FaultCode::ReceiptsDiffer
                    | FaultCode::Overspend
                    | FaultCode::UnknownChannel
                    | FaultCode::ChannelClosing
            )
        };
        let refused: Vec<_> = report
            .stages
            .iter()
            .filter_map(|stage| Some((stage.refused.filter(|code| mends(*code))?, stage)))
            .collect();
        if refused.is_empty() || question.lane_retries == LANE_RETRIES {
            return false;
        }
        question.lane_retries += 1;
        for (code, stage) in refused {
            let lane = (stage.channel, stage.lane);
            let Some(ledger) = state.ledgers.get_mut(&stage.channel) else { continue };
            if code == FaultCode::ReceiptsDiffer && stage.record.receipts.count() > 0 {
                ledger.retire(stage.lane);
                state.retired.insert(lane);
            }
            let other_lane = matches!(
                code,
                FaultCode::LaneBusy | FaultCode::StaleVoucher | FaultCode::ReceiptsDiffer
            );
            if other_lane && ledger.hold(stage.lane) {
                question.held.push(stage.record.clone());
            }
        }
        true
    }

    fn give_up_or_pause(&mut self, payer: usize, number: usize, why: &str) {
        let question = &mut self.payers[payer].questions[number];
        question.lane_retries = 0;
        if !question.must_succeed {
            return self.end_question(payer, number, QuestionState::Failed);
        }
        question.tries += 1;
        if question.tries > MAX_TRIES {
            self.find(format!(
                "payer {payer} gets no answer from honest workers {:?} after the trouble: {why}",
                self.payers[payer].questions[number].workers
            ));
        }
        self.release_held(payer, number);
        self.payers[payer].questions[number].state = QuestionState::Waiting;
        self.ask_again(payer, number, PAUSE_MS);
    }

    fn end_question(&mut self, payer: usize, number: usize, state: QuestionState) {
        self.release_held(payer, number);
        self.payers[payer].questions[number].state = state;
    }

    fn release_held(&mut self, payer: usize, number: usize) {
        let held = std::mem::take(&mut self.payers[payer].questions[number].held);
        held.into_iter().for_each(|record| self.give_back(payer, record));
    }

    /// Every honest payer asks over a path of honest workers.
    pub(super) fn ask_everybody(&mut self) {
        for payer in 0..self.payers.len() {
            if self.payers[payer].lie.is_none() {
                for _ in 0..2 {
                    let workers = self.some_path(true);
                    if !workers.is_empty() {
                        self.add_question(payer, workers, self.now_ms, true);
                    }
                }
            }
        }
    }

    pub(super) fn has_open_questions(&self) -> bool {
        self.payers.iter().flat_map(|payer| &payer.questions).any(|question| {
            question.must_succeed
                && matches!(question.state, QuestionState::Waiting | QuestionState::Running)
        })
    }
}

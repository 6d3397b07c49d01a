//! A payer driven by hand: the real state machine, network and chain, with a hook that can change,
//! drop or delay what passes.

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use mica_chain::{AccountId, Call, Chain, MicaEvent, Signer, Until};
use mica_engine::ChatMessage;
use mica_net::{Events, Net, NetConfig, NetEvent};
use mica_payer::model::LocalModel;
use mica_primitives::{Balance, ChannelId, ChannelOpening, LayerRange, Redeem, WorkerRecord};
use mica_protocol::{
    Message, Now, SessionId,
    channel::{ChannelFacts, PayerLedger},
    holding::UNKNOWN_PRICE,
    limits::{DEFAULT_EXPOSURE_POSITIONS, VOUCHER_LIFETIME_BLOCKS},
    messages::Payment,
    payer::{
        PayerDeadlines, PayerInput, PayerOutput, PayerSession, PlannedStage, SessionPlan,
        SessionReport,
    },
    session::{EndIds, Sampling},
    signing,
};

/// Longest session of a test.
const SESSION: Duration = Duration::from_secs(90);

/// What the hook does with a message.
#[allow(clippy::large_enum_variant, reason = "lives for a moment")]
pub enum Pass {
    /// Lets it through, maybe changed.
    On(Message),
    /// Loses it.
    Lost,
}

/// What was seen of a session from outside.
#[derive(Default)]
pub struct Seen {
    /// Tokens that came.
    pub tokens: Vec<u32>,
    /// Numbers of the faults that came.
    pub faults: Vec<u16>,
    /// The furthest tick that was really sent.
    pub ticks: u16,
    /// The last voucher that was really sent, with that tick.
    pub voucher: Option<Redeem>,
    /// How the payer's machine ended, if it did.
    pub report: Option<SessionReport>,
}

/// A payer with an account, a hot key and a connection.
pub struct Payer {
    /// The chain.
    pub chain: Chain,
    /// Its account.
    pub signer: Signer,
    /// Its hot key.
    pub key: SigningKey,
    /// The embedded model's words.
    pub model: LocalModel,
    net: Net,
    events: Events,
    started: Instant,
}

impl Payer {
    /// A payer with the development account `suri`.
    pub fn new(chain: Chain, suri: &str) -> Self {
        let signer = Signer::from_suri(suri).expect("a development key");
        let secret = signer.account().0;
        let (net, events) = Net::start(NetConfig::new(secret)).expect("the network starts");
        let model = LocalModel::open(None).expect("the embedded model opens");
        Self {
            chain,
            signer,
            key: SigningKey::from_bytes(&secret),
            model,
            net,
            events,
            started: Instant::now(),
        }
    }

    /// What the registry says of a worker.
    pub async fn worker(&self, account: &str) -> WorkerRecord<AccountId> {
        let account = account.parse().expect("an SS58 account");
        self.chain
            .at_best()
            .await
            .expect("the node answers")
            .worker(account)
            .await
            .expect("it reads")
            .expect("registered")
            .0
    }

    /// Everything that an account has, base units.
    pub async fn total(&self, account: AccountId) -> Balance {
        let view = self.chain.at_best().await.expect("the node answers");
        view.account(account).await.expect("it reads").total()
    }

    /// Opens a channel to a worker.
    pub async fn open_channel(&self, payee: AccountId, deposit: Balance) -> ChannelId {
        let window = self.chain.usual_window().await.expect("the node answers");
        let opening =
            ChannelOpening { payee, signer: signing::public_key(&self.key), deposit, window };
        let submitted = self
            .chain
            .submit(&self.signer, Call::Open(opening), Until::InBlock)
            .await
            .expect("a channel opens");
        let opened = submitted.known().find_map(|event| match event {
            MicaEvent::Opened { channel, .. } => Some(*channel),
            _ => None,
        });
        opened.expect("the event names the channel")
    }

    /// A ledger of the channel as the chain has it now.
    pub async fn ledger(&self, channel: ChannelId) -> PayerLedger {
        let view = self.chain.at_best().await.expect("the node answers");
        let facts = view.channel(channel).await.expect("it reads").expect("the channel is open");
        PayerLedger::new(
            self.chain.genesis_hash(),
            self.key.clone(),
            ChannelFacts::new(channel, &facts),
        )
        .expect("our key")
    }

    /// Token ids of a prompt.
    pub fn prompt(&self, text: &str) -> Vec<u32> {
        self.model.chat(&[ChatMessage::new("user", text)]).expect("the template renders")
    }

    /// A session over these workers and layers, each paid from its ledger.
    pub async fn plan(
        &self,
        id: u8,
        stages: &mut [(&WorkerRecord<AccountId>, LayerRange, &mut PayerLedger)],
        prompt: Vec<u32>,
        max_new_tokens: u32,
    ) -> SessionPlan {
        let positions = Balance::from(prompt.len() as u32 + max_new_tokens);
        let mut spending_limit = 0;
        let mut planned = Vec::new();
        for (worker, range, ledger) in stages {
            let budget = worker.list_price_per_layer_token * Balance::from(range.len()) * positions;
            spending_limit += budget;
            planned.push(PlannedStage {
                peer: worker.peer,
                addresses: worker.addresses.clone(),
                range: *range,
                price_per_layer_token: worker.list_price_per_layer_token,
                // Without a quote of it: as much as any worker asks for.
                holding_price: UNKNOWN_PRICE,
                credit_positions: 16,
                quote: None,
                lane: ledger.lease(budget).expect("the deposit is enough"),
                hubs: Vec::new(),
            });
        }
        let view = self.chain.at_best().await.expect("the node answers");
        let record =
            view.model(self.model.id()).await.expect("it reads").expect("the model is registered");
        SessionPlan {
            session: SessionId([id; 32]),
            genesis: self.chain.genesis_hash(),
            model: self.model.id(),
            profile: record.manifest.profile,
            model_layers: record.manifest.layers,
            stages: planned,
            prompt,
            max_new_tokens,
            sampling: Sampling::new(0.0, 0, 1.0, 0),
            end_ids: EndIds::try_from(self.model.end_ids()).expect("few"),
            logprobs: None,
            exposure_positions: DEFAULT_EXPOSURE_POSITIONS,
            spending_limit,
            voucher_blocks: VOUCHER_LIFETIME_BLOCKS,
            deadlines: PayerDeadlines::default(),
        }
    }

    /// Drives a session until its machine ends, a fault comes, or nothing has come for `quiet`.
    ///
    /// `outgoing` and `incoming` see every message before it is sent or taken.
    pub async fn drive(
        &mut self,
        plan: SessionPlan,
        quiet: Duration,
        mut outgoing: impl FnMut(Message) -> Pass,
        mut incoming: impl FnMut(Message) -> Pass,
    ) -> Seen {
        let mut seen = Seen::default();
        let own = plan.session;
        let (mut session, mut outputs) =
            PayerSession::start(plan, self.now().await).expect("the plan works");
        let end = Instant::now() + SESSION;
        loop {
            for output in std::mem::take(&mut outputs) {
                match output {
                    PayerOutput::Send { to, addresses, message } => {
                        let Pass::On(message) = outgoing(message) else { continue };
                        note(&message, &mut seen);
                        let addresses: Vec<String> = addresses
                            .iter()
                            .map(|address| String::from_utf8_lossy(address).into_owned())
                            .collect();
                        self.net.send(to, &addresses, &message).await.expect("queued");
                    }
                    PayerOutput::Token { id, .. } => seen.tokens.push(id),
                    PayerOutput::Finished(report) => {
                        seen.report = Some(*report);
                        return seen;
                    }
                    _ => {}
                }
            }
            assert!(Instant::now() < end, "the session does not end");
            let Ok(event) = tokio::time::timeout(quiet, self.events.recv()).await else {
                return seen;
            };
            let input = match event.expect("the network runs") {
                // What still comes of an earlier session says nothing about this one.
                NetEvent::Message { message, .. }
                    if message.session().is_some_and(|session| session != own) =>
                {
                    continue;
                }
                NetEvent::Message { peer, message } => {
                    if let Message::Fault(fault) = &message {
                        seen.faults.push(fault.number);
                    }
                    match incoming(message) {
                        Pass::On(message) => PayerInput::Message { from: peer, message },
                        Pass::Lost => continue,
                    }
                }
                NetEvent::Disconnected { peer, .. } | NetEvent::Unreachable { peer, .. } => {
                    PayerInput::Disconnected { peer }
                }
                _ => continue,
            };
            let now = self.now().await;
            outputs = session.handle(now, input);
        }
    }

    /// Drives a session that it never ends, so that it stays unsettled. Returns what was seen of it
    /// and the base units that its last voucher and tick promise.
    pub async fn leave_open(&mut self, plan: SessionPlan, quiet: Duration) -> (Seen, Balance) {
        let no_end = |message: Message| {
            if matches!(message, Message::Close(_)) { Pass::Lost } else { Pass::On(message) }
        };
        let seen = self.drive(plan, quiet, no_end, Pass::On).await;
        let voucher = seen.voucher.as_ref().expect("a voucher was sent");
        let promised = voucher.promised().expect("no overflow");
        (seen, promised)
    }

    /// Sends one message and gives the number of the fault that answers it.
    pub async fn fault_for(
        &mut self,
        worker: &WorkerRecord<AccountId>,
        message: &Message,
    ) -> Option<u16> {
        let addresses: Vec<String> = worker
            .addresses
            .iter()
            .map(|address| String::from_utf8_lossy(address).into_owned())
            .collect();
        self.net.send(worker.peer, &addresses, message).await.expect("queued");
        let answer = async {
            while let Some(event) = self.events.recv().await {
                if let NetEvent::Message { message: Message::Fault(fault), .. } = event {
                    return Some(fault.number);
                }
                if let NetEvent::Message { message: Message::Opened(_), .. } = event {
                    return None;
                }
            }
            None
        };
        tokio::time::timeout(Duration::from_secs(20), answer).await.expect("the worker answers")
    }

    async fn now(&self) -> Now {
        let view = self.chain.at_best().await.expect("the node answers");
        let block = view.clock().await.expect("the node answers").now;
        Now { ms: self.started.elapsed().as_millis() as u64, block }
    }
}

fn note(message: &Message, seen: &mut Seen) {
    match message {
        Message::Open(open) => seen.voucher = Some(open.voucher.clone()),
        Message::Pay(pay) => match &pay.payment {
            Payment::Tick(proof) => {
                seen.ticks = seen.ticks.max(proof.n);
                if let Some(voucher) = &mut seen.voucher {
                    voucher.tick = Some(*proof);
                }
            }
            Payment::Voucher(voucher) => seen.voucher = Some((**voucher).clone()),
        },
        _ => {}
    }
}

//! Peers that only want to sit in the way: real libp2p connections that open the link's protocol
//! and then do what they like.
//!
//! Each [`Attack`] is one of those that a worker must bear. They run in a process of their own
//! (`examples/hostile.rs`), so that what they cost is not counted as the worker's.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use libp2p::futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, identity, noise, swarm::SwarmEvent,
    tcp, yamux,
};
use mica_chain::AccountId;
use mica_primitives::{Balance, Hash32, LayerRange, ModelId, TickProof, WorkerRecord};
use mica_protocol::{
    Message, Path, PathStage, PaymentTerms, SessionId, SessionSpec,
    channel::PayerLane,
    limits::{MAX_PAID_AHEAD, VOUCHER_LIFETIME_BLOCKS},
    messages::{Open, Pay, Payment, QuoteRequest},
    session::{EndIds, Sampling},
    wire::{FrameDecoder, encode_frame},
};
use tokio::{task::JoinHandle, time::timeout};

/// Longest wait for anything that the worker does.
const DEADLINE: Duration = Duration::from_secs(20);
/// Pause after the worker has turned a connection away.
const PAUSE: Duration = Duration::from_millis(20);
/// Openings that one key sends before it is thrown away.
const OPENINGS_PER_KEY: u8 = 8;
/// Last block of its vouchers, on a chain that is young.
const EXPIRES: u32 = VOUCHER_LIFETIME_BLOCKS;
/// Positions that an opening pays for: as many as any worker asks.
const PREPAID: u16 = 16;
/// Ticks of the chains whose ticks never come.
const TICKS: u16 = 1_024;
/// The farthest tick that a worker looks at, when it has computed nothing: what is false costs it
/// so many hashes.
const FAR_TICK: u16 = MAX_PAID_AHEAD as u16 - PREPAID;

/// What a hostile peer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attack {
    /// Many links on which nothing is said.
    IdleLinks,
    /// Openings over channels that do not exist, from a fresh key every few.
    Openings,
    /// A session in which voucher follows voucher, each promising no more than the last.
    Renewals,
    /// A flood of questions whose answers are not read.
    NeverReads,
    /// Sessions whose ticks are long and wrong, one after the other, each from a fresh key.
    BadTicks,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::IdleLinks, Self::Openings, Self::Renewals, Self::NeverReads, Self::BadTicks];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdleLinks => "idle-links",
            Self::Openings => "openings",
            Self::Renewals => "renewals",
            Self::NeverReads => "never-reads",
            Self::BadTicks => "bad-ticks",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attack| attack.name() == name)
    }

    /// Whether it needs a channel to the worker.
    pub const fn needs_channel(self) -> bool {
        matches!(self, Self::Renewals | Self::BadTicks)
    }
}

/// Whom it is done to.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Its peer key.
    pub peer: [u8; 32],
    /// Its TCP address.
    pub address: String,
    /// What it serves.
    pub model: ModelId,
    /// The model's profile.
    pub profile: Hash32,
    /// Layers of the model.
    pub layers: u16,
    /// Its own.
    pub range: LayerRange,
    /// What it asks per layer-token.
    pub price: Balance,
}

impl Victim {
    /// A worker as the registry shows it.
    pub fn new(record: &WorkerRecord<AccountId>, profile: Hash32, layers: u16) -> Self {
        Self {
            peer: record.peer,
            address: crate::raw_peer::tcp_address(&record.addresses),
            model: record.model,
            profile,
            layers,
            range: record.range,
            price: record.list_price_per_layer_token,
        }
    }

    /// Base units per position.
    pub fn unit(&self) -> Balance {
        self.price * Balance::from(self.range.len())
    }

    fn open(&self, session: [u8; 32], voucher: mica_primitives::Redeem) -> Message {
        let stage = |peer, range| PathStage { peer, range, addresses: Default::default() };
        let mut stages = vec![stage(self.peer, self.range)];
        // Nobody serves the rest; the worker need not know.
        if self.range.first > 0 {
            stages.insert(0, stage([1; 32], LayerRange { first: 0, end: self.range.first }));
        }
        if self.range.end < self.layers {
            stages.push(stage([2; 32], LayerRange { first: self.range.end, end: self.layers }));
        }
        let index = stages.iter().position(|stage| stage.peer == self.peer).unwrap_or(0);
        let path = Path::new(stages, self.layers).expect("a path");
        Message::Open(Box::new(Open {
            session: SessionId(session),
            model: self.model,
            profile: self.profile,
            path,
            stage: index as u8,
            channel: voucher.voucher.channel,
            lane: voucher.voucher.lane,
            terms: PaymentTerms {
                price_per_layer_token: self.price,
                credit_positions: 16,
                exposure_positions: 48,
            },
            spec: SessionSpec {
                prompt_positions: 16,
                max_new_tokens: 16,
                max_positions: 31,
                sampling: Sampling::default(),
                end_ids: EndIds::default(),
                logprobs: None,
            },
            voucher,
            prepaid_positions: PREPAID,
            quote: None,
        }))
    }
}

/// A connection with the link's protocol open on it.
pub struct Link {
    stream: Stream,
    swarm: JoinHandle<()>,
}

impl Link {
    /// Connects with a fresh key; nothing if the worker turns it away.
    pub async fn open(victim: &Victim) -> Option<Self> {
        let peer = mica_net::peer_id(&victim.peer).ok()?;
        timeout(DEADLINE, Self::dial(peer, &victim.address)).await.ok()?
    }

    async fn dial(peer: PeerId, address: &str) -> Option<Self> {
        let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .ok()?
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .ok()?
            .with_swarm_config(|config| {
                config.with_idle_connection_timeout(Duration::from_secs(3_600))
            })
            .build();
        let mut control = swarm.behaviour().new_control();
        let address: Multiaddr = address.parse().ok()?;
        swarm.dial(address.with_p2p(peer).ok()?).ok()?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => break,
                SwarmEvent::OutgoingConnectionError { .. } => return None,
                _ => {}
            }
        }
        let swarm = tokio::spawn(async move {
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
        });
        let opened = control.open_stream(peer, StreamProtocol::new("/mica/link/1")).await;
        match opened {
            Ok(stream) => Some(Self { stream, swarm }),
            Err(_) => {
                swarm.abort();
                None
            }
        }
    }

    /// Whether the worker has not hung up.
    pub fn is_up(&self) -> bool {
        !self.swarm.is_finished()
    }

    /// Writes messages at once; false if the worker has hung up.
    pub async fn send(&mut self, messages: &[Message]) -> bool {
        let frames: Option<Vec<Vec<u8>>> =
            messages.iter().map(|message| encode_frame(message).ok()).collect();
        let Some(frames) = frames else { return false };
        let write = async {
            self.stream.write_all(&frames.concat()).await?;
            self.stream.flush().await
        };
        matches!(timeout(DEADLINE, write).await, Ok(Ok(())))
    }

    /// The next messages that the worker says; nothing if it hangs up.
    async fn hear(&mut self, decoder: &mut FrameDecoder) -> Option<Vec<Message>> {
        let mut buffer = vec![0; 16 * 1024];
        let count = timeout(DEADLINE, self.stream.read(&mut buffer)).await.ok()?.ok()?;
        if count == 0 {
            return None;
        }
        decoder.push(&buffer[..count]);
        let mut messages = Vec::new();
        while let Ok(Some(message)) = decoder.next_message() {
            messages.push(message);
        }
        Some(messages)
    }

    /// Opens a session over a real lane; false if the worker does not take it.
    async fn open_session(
        &mut self,
        victim: &Victim,
        session: [u8; 32],
        lane: &mut PayerLane,
    ) -> bool {
        let Ok(voucher) = lane.renew(PREPAID.into(), victim.unit(), TICKS, EXPIRES) else {
            return false;
        };
        if !self.send(&[victim.open(session, voucher)]).await {
            return false;
        }
        let mut decoder = FrameDecoder::new();
        while let Some(messages) = self.hear(&mut decoder).await {
            for message in messages {
                match message {
                    Message::Opened(_) => return true,
                    Message::Fault(_) => return false,
                    _ => {}
                }
            }
        }
        false
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

/// Attacks until the task is aborted. `lane` is a real one, for attacks that need it.
pub async fn attack(attack: Attack, victim: Victim, strangers: usize, lane: Option<PayerLane>) {
    match attack {
        Attack::IdleLinks => idle_links(&victim, strangers).await,
        Attack::Openings => openings(&victim).await,
        Attack::NeverReads => never_reads(&victim).await,
        Attack::Renewals | Attack::BadTicks => {
            if let Some(lane) = lane {
                in_session(attack, &victim, lane).await;
            }
        }
    }
}

/// Keeps so many links, each of its own key, as far as the worker lets it.
async fn idle_links(victim: &Victim, strangers: usize) {
    let mut links: Vec<Link> = Vec::new();
    loop {
        links.retain(Link::is_up);
        match (links.len() < strangers).then(|| Link::open(victim)) {
            Some(opening) => match opening.await {
                Some(link) => links.push(link),
                None => tokio::time::sleep(PAUSE).await,
            },
            None => tokio::time::sleep(DEADLINE).await,
        }
    }
}

async fn openings(victim: &Victim) {
    let mut number = 0u64;
    loop {
        let Some(mut link) = Link::open(victim).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let messages: Vec<Message> = (0..OPENINGS_PER_KEY)
            .map(|_| {
                number += 1;
                victim.open(name(number), unpaid(number, victim.unit()))
            })
            .collect();
        link.send(&messages).await;
    }
}

/// 32 bytes that were not used before.
fn name(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

/// A voucher on a channel that nobody has opened.
fn unpaid(number: u64, unit: Balance) -> mica_primitives::Redeem {
    let key = SigningKey::from_bytes(&[3; 32]);
    let voucher = mica_primitives::Voucher {
        channel: mica_primitives::ChannelId(name(number + (1 << 40))),
        lane: 0,
        seq: 1,
        cumulative: unit * Balance::from(PREPAID),
        receipts_root: [0; 32],
        receipts: 0,
        expires: EXPIRES,
        tick: Some(mica_primitives::Tick { anchor: [1; 32], unit, max: TICKS }),
        lock: None,
        bounty: 0,
    };
    let signature = mica_protocol::signing::sign(&key, &voucher.signing_bytes(&[0; 32]));
    mica_primitives::Redeem { voucher, signature, tick: None, preimage: None }
}

async fn never_reads(victim: &Victim) {
    let question = Message::QuoteRequest(QuoteRequest { model: victim.model, nonce: 1 });
    let many = vec![question; 200];
    loop {
        match Link::open(victim).await {
            Some(mut link) => while link.send(&many).await {},
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn in_session(attack: Attack, victim: &Victim, mut lane: PayerLane) {
    let mut number = u64::from(std::process::id());
    loop {
        number += 1;
        let session = SessionId(name(number));
        let Some(mut link) = Link::open(victim).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // A worker that has had enough of the account refuses it for a minute. Asking all the same
        // is part of the attack.
        if !link.open_session(victim, session.0, &mut lane).await {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        loop {
            let payment = match attack {
                Attack::Renewals => match lane.renew(0, victim.unit(), 1, EXPIRES) {
                    Ok(voucher) => Payment::Voucher(Box::new(voucher)),
                    Err(_) => return,
                },
                _ => {
                    number += 1;
                    Payment::Tick(TickProof { n: FAR_TICK, preimage: name(number) })
                }
            };
            if !link.send(&[Message::Pay(Pay { session, payment })]).await {
                break;
            }
        }
    }
}

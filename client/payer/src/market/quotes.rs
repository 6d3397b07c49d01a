//! Live quotes: the price that holds now, and whether a worker answers at all.
//!
//! Not everybody is asked. The registry's list prices and what the payer remembers rank the paths;
//! the workers of the [`PATHS`] best ones that share no worker are asked, and others only where too
//! few of those answer. In a small market everybody is.
//!
//! Nobody is waited for longer than an answer is worth: once a whole path has answered, the others
//! have as long again, [`LONGEST_GRACE`] at most. Those who would halve the price have [`ROUND`],
//! because whoever is behind a relay or has moved takes longer to say anything; and as long as only
//! they are within the payer's limit, [`LONGEST_WAIT`]. Who has not answered after [`ROUND`] is
//! replaced, and after [`LONGEST_WAIT`] it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mica_chain::{AccountId, Chain};
use mica_net::NetEvent;
use mica_primitives::{Balance, Hash32, PublicKey, WorkerStatus};
use mica_protocol::{
    Message,
    messages::{QuoteRequest, SignedQuote},
};
use rand::RngCore;
use tokio::time::Instant;

use super::route::{Known, Unanswered, Worth};
use super::{
    Beliefs, HubTerms, MarketError, Memory, ModelSnapshot, Standing, Wanted, WorkerSnapshot,
};
use crate::router::Subscription;

/// Most workers that are asked.
pub const MAX_ASKED: usize = 256;
/// Paths whose workers are asked in the first round. Each round that brings no path asks twice as
/// many as the one before, so that a crowd that says nothing is passed before it is over.
const PATHS: usize = 3;
/// Live workers up to which all are asked.
const SMALL_MARKET: usize = 16;
/// How long the workers of one round have before others are asked instead.
const ROUND: Duration = Duration::from_secs(1);
/// How long those who have not answered are waited for once a whole path has: as long as that took,
/// within these bounds.
const SHORTEST_GRACE: Duration = Duration::from_millis(50);
/// See [`SHORTEST_GRACE`].
pub const LONGEST_GRACE: Duration = Duration::from_millis(250);
/// Longest wait for anybody, if there is no path without.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Most workers that are named as unreachable.
const MAX_NAMED: usize = 4;

/// Answers by peer key. A worker that was asked and is not in here did not answer in time, or not
/// for this model.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    answers: BTreeMap<PublicKey, SignedQuote>,
    /// Who could not be reached, and why.
    unreachable: BTreeMap<PublicKey, String>,
    asked: BTreeSet<PublicKey>,
    /// Who may still answer, and when it was asked.
    awaited: BTreeMap<PublicKey, Instant>,
    /// The hubs through which workers are paid.
    through: Option<Arc<HubTerms>>,
    /// Workers whose answers do not count, because the hubs cannot pay them.
    unpayable: usize,
}

impl Quotes {
    /// The worker's offer.
    pub fn of(&self, worker: &WorkerSnapshot) -> Option<&SignedQuote> {
        self.answers.get(&worker.record.peer)
    }

    /// Whether the worker could not be reached.
    pub fn is_unreachable(&self, worker: &WorkerSnapshot) -> bool {
        self.unreachable.contains_key(&worker.record.peer)
    }

    /// Whether the worker was asked.
    pub fn was_asked(&self, worker: &WorkerSnapshot) -> bool {
        self.asked.contains(&worker.record.peer)
    }

    pub(super) fn is_awaited(&self, worker: &WorkerSnapshot) -> bool {
        self.awaited.contains_key(&worker.record.peer)
    }

    /// Which workers of `snapshot` could not be reached, where and why, for people; empty if all
    /// could.
    pub(crate) fn absent(&self, snapshot: &ModelSnapshot) -> String {
        let absent = snapshot.workers.iter().filter_map(|worker| {
            let reason = self.unreachable.get(&worker.record.peer)?;
            let addresses = addresses(worker).join(", ");
            let places = if addresses.is_empty() { "no address" } else { &addresses };
            Some(format!(
                "; worker {} could not be reached at {places}: {reason}",
                worker.record.account
            ))
        });
        let named: Vec<String> = absent.take(MAX_NAMED).collect();
        let more = self.unreachable.len().saturating_sub(named.len());
        let mut text = named.concat();
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        if self.unpayable > 0 {
            text.push_str(&format!("; the hub cannot pay {} of the workers", self.unpayable));
        }
        text
    }

    /// Workers are paid through these hubs: what others than they can pay have answered does not
    /// count. `positions` are the session's.
    pub(crate) fn pay_through(
        &mut self,
        terms: HubTerms,
        snapshot: &ModelSnapshot,
        positions: u32,
    ) {
        for worker in &snapshot.workers {
            let Some(signed) = self.answers.get(&worker.record.peer) else { continue };
            let layers = Balance::from(worker.record.range.len());
            let unit = signed.quote.price_per_layer_token.saturating_mul(layers);
            let cost = unit.saturating_mul(positions.into());
            if !terms.can_pay(worker.record.account, cost) {
                self.answers.remove(&worker.record.peer);
                self.unpayable += 1;
            }
        }
        self.through = Some(Arc::new(terms));
    }

    /// The hubs through which workers are paid; nothing if they are paid directly.
    pub fn hubs(&self) -> Option<&HubTerms> {
        self.through.as_deref()
    }

    /// Accounts of the workers that answered.
    pub(crate) fn answering(&self, snapshot: &ModelSnapshot) -> Vec<AccountId> {
        let answering = snapshot.workers.iter().filter(|worker| self.of(worker).is_some());
        answering.map(|worker| worker.record.account).collect()
    }

    /// Drops offers that the registry does not bear out. `snapshot` may be some blocks old and a
    /// price may have risen since, so an offer above the list price is held against the newest
    /// block before it is dropped; with a snapshot that was kept, every offer is: its worker may
    /// have left, moved or been jailed.
    ///
    /// # Errors
    /// [`MarketError`] if the chain cannot be read.
    pub(crate) async fn hold_to_registry(
        &mut self,
        snapshot: &ModelSnapshot,
        chain: &Chain,
    ) -> Result<(), MarketError> {
        let is_doubtful = |worker: &&WorkerSnapshot| {
            self.of(worker).is_some_and(|signed| {
                snapshot.is_kept
                    || signed.quote.price_per_layer_token > worker.record.list_price_per_layer_token
            })
        };
        let doubtful: Vec<&WorkerSnapshot> = snapshot.workers.iter().filter(is_doubtful).collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let view = chain.at_best().await?;
        let read = doubtful.iter().map(|worker| view.worker(worker.record.account));
        let newest = futures::future::try_join_all(read).await?;
        for (worker, newest) in doubtful.into_iter().zip(newest) {
            let quote = self.of(worker).map(|signed| signed.quote);
            let holds = quote.zip(newest).is_some_and(|(quote, (record, is_online))| {
                is_online
                    && record.status == WorkerStatus::Active
                    && record.peer == quote.peer
                    && record.range == quote.range
                    && quote.price_per_layer_token <= record.list_price_per_layer_token
            });
            if !holds {
                self.answers.remove(&worker.record.peer);
            }
        }
        Ok(())
    }

    /// How many answered.
    pub fn answered(&self) -> usize {
        self.answers.len()
    }

    /// How many live workers were asked.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }
}

impl Worth {
    /// How long they are waited for, from the first question on.
    const fn wait(self) -> Duration {
        match self {
            Self::Little => Duration::ZERO,
            // Whoever lists a low price and says nothing is noted as silent after this.
            Self::Half => ROUND.saturating_add(SHORTEST_GRACE),
            Self::All => LONGEST_WAIT,
        }
    }
}

/// Asks workers of one model what they charge.
pub(crate) struct Collector<'a> {
    /// The model and its workers.
    pub(crate) snapshot: &'a ModelSnapshot,
    /// The chain.
    pub(crate) genesis: Hash32,
    /// Who is told of those that do not answer.
    pub(crate) memory: &'a Memory,
    /// What is believed of the workers.
    pub(crate) beliefs: &'a Beliefs,
    /// What the path is wanted for.
    pub(crate) wanted: &'a Wanted,
}

impl Collector<'_> {
    /// Asks until a whole path has answered, everybody has, or it is over.
    pub(crate) async fn collect(&self, subscription: &mut Subscription) -> Quotes {
        let nonce = rand::rngs::OsRng.next_u64();
        let begun = Instant::now();
        let (mut quotes, mut asked) = (Quotes::default(), Vec::new());
        let (mut round_end, mut grace_end, mut paths) = (begun, None, PATHS);
        loop {
            let now = Instant::now();
            let mut until = round_end;
            if self.known(&quotes).is_answered(&asked) {
                let grace = (now - begun).clamp(SHORTEST_GRACE, LONGEST_GRACE);
                let end = *grace_end.get_or_insert(now + grace);
                until = match now < end {
                    true => end,
                    false => begun + self.known(&quotes).worth().wait(),
                };
                if quotes.awaited.is_empty() || now >= until {
                    break;
                }
            } else if now >= begun + LONGEST_WAIT {
                break;
            } else if now >= round_end || quotes.awaited.is_empty() {
                let new = self.ask_more(&mut quotes, subscription, nonce, paths);
                paths = (2 * paths).min(MAX_ASKED);
                if !new.is_empty() {
                    asked.extend(new);
                    round_end = now + ROUND;
                    continue;
                }
                let is_hopeless = !self.known(&quotes).has_path(Unanswered::MayAnswer);
                if quotes.awaited.is_empty() || is_hopeless {
                    break;
                }
                round_end = begun + LONGEST_WAIT;
                until = round_end;
            }
            match tokio::time::timeout_at(until, subscription.events.recv()).await {
                Ok(Some(event)) => self.take(&mut quotes, event, nonce),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        self.note_silent(&quotes);
        quotes.awaited.clear();
        quotes
    }

    fn known<'b>(&'b self, quotes: &'b Quotes) -> Known<'b> {
        let Self { snapshot, beliefs, wanted, .. } = *self;
        Known { snapshot, quotes, beliefs, wanted }
    }

    /// Asks the workers of the best `paths` among those who answered and those who were not asked.
    /// Returns the places of those who are asked now.
    fn ask_more(
        &self,
        quotes: &mut Quotes,
        subscription: &Subscription,
        nonce: u64,
        paths: usize,
    ) -> Vec<usize> {
        let mut places = self.known(quotes).workers_to_ask(paths);
        let workers = &self.snapshot.workers;
        let is_live = |place: &usize| workers.get(*place).is_some_and(WorkerSnapshot::is_live);
        let live = || (0..workers.len()).filter(is_live);
        if live().nth(SMALL_MARKET).is_none() {
            let is_banned = |place| self.beliefs.of(place).standing == Standing::Banned;
            places.extend(live().filter(|place| !is_banned(*place)));
        }
        places.retain(|place| {
            let peer = workers.get(*place).map(|worker| worker.record.peer);
            let has_room = quotes.asked.len() < MAX_ASKED;
            peer.is_some_and(|peer| has_room && quotes.asked.insert(peer))
        });
        subscription.listen(None, quotes.asked.iter().copied());
        let request = Message::QuoteRequest(QuoteRequest { model: self.snapshot.id, nonce });
        for worker in places.iter().filter_map(|place| workers.get(*place)) {
            let peer = worker.record.peer;
            match subscription.net.try_send(peer, &addresses(worker), &request) {
                Ok(()) => drop(quotes.awaited.insert(peer, Instant::now())),
                Err(error) => drop(quotes.unreachable.insert(peer, error.to_string())),
            }
        }
        places
    }

    fn take(&self, quotes: &mut Quotes, event: NetEvent, nonce: u64) {
        match event {
            NetEvent::Message { peer, message: Message::Quote(signed) } => {
                let is_theirs = |worker: &&WorkerSnapshot| {
                    worker.record.peer == peer && self.is_sound(&signed, worker, nonce)
                };
                if quotes.awaited.remove(&peer).is_some()
                    && self.snapshot.workers.iter().any(|worker| is_theirs(&worker))
                {
                    quotes.answers.insert(peer, signed);
                }
            }
            NetEvent::Unreachable { peer, reason, .. } => {
                let was_awaited = quotes.awaited.remove(&peer).is_some();
                quotes.unreachable.extend(was_awaited.then_some((peer, reason)));
            }
            NetEvent::Message { peer, message: Message::Fault(_) }
            | NetEvent::Disconnected { peer, .. }
            | NetEvent::Refused { peer: Some(peer), .. } => {
                quotes.awaited.remove(&peer);
            }
            _ => {}
        }
    }

    /// Who had time to answer and did not is avoided for a while.
    fn note_silent(&self, quotes: &Quotes) {
        let now = Instant::now();
        let is_silent = |worker: &&WorkerSnapshot| {
            let peer = &worker.record.peer;
            let has_time = quotes.awaited.get(peer).is_some_and(|asked| now - *asked < ROUND);
            quotes.asked.contains(peer) && !quotes.answers.contains_key(peer) && !has_time
        };
        let silent: Vec<&WorkerSnapshot> = self.snapshot.workers.iter().filter(is_silent).collect();
        if !silent.is_empty() {
            tokio::task::block_in_place(|| self.memory.note_silent(silent.into_iter()));
        }
    }

    /// Whether the offer is signed, answers our question, and is for what the worker registered.
    fn is_sound(&self, signed: &SignedQuote, worker: &WorkerSnapshot, nonce: u64) -> bool {
        let quote = &signed.quote;
        quote.peer == worker.record.peer
            && quote.nonce == nonce
            && quote.model == self.snapshot.id
            && quote.profile == self.snapshot.record.manifest.profile
            && quote.range == worker.record.range
            && signed.verify(&self.genesis)
    }
}

/// Where the worker says that it can be dialled.
fn addresses(worker: &WorkerSnapshot) -> Vec<String> {
    mica_net::address_texts(&worker.record.addresses)
}

#[cfg(test)]
impl Quotes {
    /// What came of asking `asked`: these answers.
    pub(super) fn of_answers(
        asked: impl IntoIterator<Item = PublicKey>,
        answers: impl IntoIterator<Item = SignedQuote>,
    ) -> Self {
        Self {
            asked: asked.into_iter().collect(),
            answers: answers.into_iter().map(|signed| (signed.quote.peer, signed)).collect(),
            ..Self::default()
        }
    }

    /// These may still answer.
    pub(super) fn awaiting(mut self, peers: impl IntoIterator<Item = PublicKey>) -> Self {
        self.awaited = peers.into_iter().map(|peer| (peer, Instant::now())).collect();
        self.asked.extend(self.awaited.keys());
        self
    }
}

//! Live quotes: the price that holds now, and whether a worker answers at all.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_chain::Chain;
use mica_net::NetEvent;
use mica_primitives::{Hash32, PublicKey};
use mica_protocol::{
    Message,
    messages::{QuoteRequest, SignedQuote},
};
use rand::RngCore;
use tokio::time::Instant;

use super::{MarketError, ModelSnapshot, WorkerSnapshot};
use crate::router::Subscription;

/// Most workers that are asked.
const MAX_ASKED: usize = 64;

/// Most workers that are named as unreachable.
const MAX_NAMED: usize = 4;

/// Answers by peer key. A worker that was asked and is not in here did not answer in time, or not
/// for this model.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    answers: BTreeMap<PublicKey, SignedQuote>,
    /// Who could not be reached, and why.
    unreachable: BTreeMap<PublicKey, String>,
    asked: usize,
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
        if more == 0 { named.concat() } else { format!("{}; and {more} more", named.concat()) }
    }

    /// Drops offers above the worker's list price. `snapshot` may be some blocks old and a price
    /// may have risen since, so a dear offer is held against the newest block before it is dropped.
    ///
    /// # Errors
    /// [`MarketError`] if the chain cannot be read.
    pub(crate) async fn hold_to_list_prices(
        &mut self,
        snapshot: &ModelSnapshot,
        chain: &Chain,
    ) -> Result<(), MarketError> {
        for worker in &snapshot.workers {
            let asked = self.of(worker).map_or(0, |signed| signed.quote.price_per_layer_token);
            if asked <= worker.record.list_price_per_layer_token {
                continue;
            }
            let newest = chain.at_best().await?.worker(worker.record.account).await?;
            if newest.is_none_or(|(record, _)| asked > record.list_price_per_layer_token) {
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
    pub const fn asked(&self) -> usize {
        self.asked
    }
}

/// Asks the live workers of `snapshot` (the first 64) and waits until all have answered or
/// `patience` is over.
pub(crate) async fn collect_quotes(
    subscription: &mut Subscription,
    snapshot: &ModelSnapshot,
    genesis: &Hash32,
    patience: Duration,
) -> Quotes {
    let nonce = rand::rngs::OsRng.next_u64();
    let request = Message::QuoteRequest(QuoteRequest { model: snapshot.id, nonce });
    let mut waiting: BTreeMap<PublicKey, &WorkerSnapshot> = BTreeMap::new();
    let asked = || snapshot.workers.iter().filter(|worker| worker.is_live()).take(MAX_ASKED);
    subscription.listen(None, asked().map(|worker| worker.record.peer));
    let mut quotes = Quotes::default();
    for worker in asked() {
        match subscription.net.try_send(worker.record.peer, &addresses(worker), &request) {
            Ok(()) => drop(waiting.insert(worker.record.peer, worker)),
            Err(error) => drop(quotes.unreachable.insert(worker.record.peer, error.to_string())),
        }
    }
    quotes.asked = waiting.len() + quotes.unreachable.len();
    let deadline = Instant::now() + patience;
    while !waiting.is_empty() {
        let Ok(Some(event)) = tokio::time::timeout_at(deadline, subscription.events.recv()).await
        else {
            break;
        };
        match event {
            NetEvent::Message { peer, message: Message::Quote(signed) } => {
                let Some(worker) = waiting.get(&peer) else { continue };
                if is_sound(&signed, worker, snapshot, genesis, nonce) {
                    quotes.answers.insert(peer, signed);
                }
                waiting.remove(&peer);
            }
            NetEvent::Unreachable { peer, reason, .. } => {
                quotes.unreachable.extend(waiting.remove(&peer).map(|_| (peer, reason)));
            }
            NetEvent::Message { peer, message: Message::Fault(_) }
            | NetEvent::Disconnected { peer, .. }
            | NetEvent::Refused { peer: Some(peer), .. } => {
                waiting.remove(&peer);
            }
            _ => {}
        }
    }
    quotes
}

/// Where the worker says that it can be dialled.
fn addresses(worker: &WorkerSnapshot) -> Vec<String> {
    mica_net::address_texts(&worker.record.addresses)
}

/// Whether the offer is signed, answers our question, and is for what the worker registered.
fn is_sound(
    signed: &SignedQuote,
    worker: &WorkerSnapshot,
    snapshot: &ModelSnapshot,
    genesis: &Hash32,
    nonce: u64,
) -> bool {
    let quote = &signed.quote;
    quote.peer == worker.record.peer
        && quote.nonce == nonce
        && quote.model == snapshot.id
        && quote.profile == snapshot.record.manifest.profile
        && quote.range == worker.record.range
        && signed.verify(genesis)
}

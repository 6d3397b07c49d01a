//! Live offers: the price that holds now, and whether a worker answers at all.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_net::{Net, NetEvent};
use mica_primitives::{Hash32, PublicKey};
use mica_protocol::{
    Message,
    messages::{QuoteRequest, SignedQuote},
};
use rand::RngCore;
use tokio::{sync::mpsc, time::Instant};

use crate::market::{ModelPicture, WorkerPicture};

/// Most workers that are asked.
pub const MAX_ASKED: usize = 64;

/// Answers by peer key. A worker that was asked and is not in here did not answer in time, or not for this model.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    answers: BTreeMap<PublicKey, SignedQuote>,
    asked: usize,
}

impl Quotes {
    /// The worker's offer.
    pub fn of(&self, worker: &WorkerPicture) -> Option<&SignedQuote> {
        self.answers.get(&worker.record.peer)
    }

    /// How many answered, for people.
    pub fn to_text(&self) -> String {
        format!("{} of {} live workers answered", self.answers.len(), self.asked)
    }
}

/// Asks the live workers of `picture` (the first [`MAX_ASKED`]) and waits until all have answered or `patience` is over.
pub async fn collect(
    net: &Net,
    events: &mut mpsc::Receiver<NetEvent>,
    picture: &ModelPicture,
    genesis: &Hash32,
    patience: Duration,
) -> Quotes {
    let nonce = rand::rngs::OsRng.next_u64();
    let request = Message::QuoteRequest(QuoteRequest { model: picture.id, nonce });
    let mut waiting: BTreeMap<PublicKey, &WorkerPicture> = BTreeMap::new();
    for worker in picture.workers.iter().filter(|worker| worker.is_live()).take(MAX_ASKED) {
        // A worker whose address cannot be dialled is as good as silent.
        if net.try_send(worker.record.peer, &addresses(worker), &request).is_ok() {
            waiting.insert(worker.record.peer, worker);
        }
    }
    let deadline = Instant::now() + patience;
    let mut quotes = Quotes { answers: BTreeMap::new(), asked: waiting.len() };
    while !waiting.is_empty() {
        let Ok(Some(event)) = tokio::time::timeout_at(deadline, events.recv()).await else { break };
        match event {
            NetEvent::Message { peer, message: Message::Quote(signed) } => {
                let Some(worker) = waiting.get(&peer) else { continue };
                if is_sound(&signed, worker, picture, genesis, nonce) {
                    quotes.answers.insert(peer, signed);
                }
                waiting.remove(&peer);
            }
            NetEvent::Message { peer, message: Message::Fault(_) }
            | NetEvent::Unreachable { peer, .. }
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
pub fn addresses(worker: &WorkerPicture) -> Vec<String> {
    worker.record.addresses.iter().map(|address| String::from_utf8_lossy(address).into_owned()).collect()
}

/// Whether the offer is signed, answers our question, and keeps to what the worker registered.
fn is_sound(signed: &SignedQuote, worker: &WorkerPicture, picture: &ModelPicture, genesis: &Hash32, nonce: u64) -> bool {
    let quote = &signed.quote;
    quote.peer == worker.record.peer
        && quote.nonce == nonce
        && quote.model == picture.id
        && quote.profile == picture.record.manifest.profile
        && quote.range == worker.record.range
        && quote.price_per_layer_token <= worker.record.list_price_per_layer_token
        && signed.verify(genesis)
}

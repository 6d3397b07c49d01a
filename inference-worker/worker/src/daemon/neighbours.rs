//! Where the path's next worker may be dialled.
//!
//! An opening names the next worker and its addresses. The payer could name any: whoever dials what
//! it is told scans ports for strangers. So only the addresses in the registry are dialled, and an
//! opening waits until they are known. Records are kept for a while; if an opening has addresses
//! that the record has not, the registry is read once more, because the payer may have read it
//! later.
//!
//! Limits: [`MAX_KNOWN`] records, [`MAX_OPENINGS`] openings that wait and questions under way.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use mica_net::address_texts;
use mica_primitives::{PublicKey, WorkerAddresses};
use mica_protocol::{
    FaultCode, Message, Path, SessionId,
    limits::MAX_OPENINGS,
    messages::{Fault, Open},
};

/// Most records that are kept.
const MAX_KNOWN: usize = 1_024;
/// For how long a record is good.
const FRESH: Duration = Duration::from_secs(600);
/// A record is not read again sooner than this: what an opening names that it has not, it has made
/// up.
const REREAD: Duration = Duration::from_secs(3);

/// What is to be done with an opening.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and never kept")]
pub(crate) enum Verdict<T = Box<Open>> {
    /// The next worker's addresses are known, or there is none.
    Go(T),
    /// It waits for the registry, which is to be asked about this peer.
    Ask(PublicKey),
    /// It waits for the registry, which has been asked.
    Wait,
    /// It is refused.
    Refuse(Message),
}

/// What the registry says about a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It is a worker's, which may be dialled here.
    Registered(WorkerAddresses),
    /// It is no worker's.
    NotRegistered,
    /// The chain did not answer, or could not be asked, which says nothing about the peer.
    Unknown,
}

/// An opening that waits.
#[derive(Debug)]
struct Waiting<T> {
    from: PublicKey,
    session: SessionId,
    open: T,
}

#[derive(Debug)]
struct Record {
    /// As text, in the order in which they are registered.
    texts: Vec<String>,
    addresses: WorkerAddresses,
    read: Instant,
}

/// The workers that come after this one on some path.
#[derive(Debug)]
pub(crate) struct Neighbours<T = Box<Open>> {
    known: BTreeMap<PublicKey, Record>,
    waiting: BTreeMap<PublicKey, Vec<Waiting<T>>>,
}

impl<T> Default for Neighbours<T> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

impl<T> Neighbours<T> {
    /// Looks at an opening of `session` from `from`, with the worker that comes next on its path
    /// and the addresses that the opening names for it: see [`next_worker`].
    pub(crate) fn check(
        &mut self,
        from: PublicKey,
        session: SessionId,
        next: Option<(PublicKey, WorkerAddresses)>,
        open: T,
        now: Instant,
    ) -> Verdict<T> {
        let Some((peer, named)) = next else { return Verdict::Go(open) };
        let is_enough = self.known.get(&peer).is_some_and(|record| {
            let age = now.saturating_duration_since(record.read);
            let has_all = named.iter().all(|address| record.addresses.contains(address));
            age < REREAD || (age < FRESH && has_all)
        });
        if is_enough {
            return Verdict::Go(open);
        }
        // A question that nobody waits for any more is under way all the same.
        let waiting = self.waiting.values().map(|openings| openings.len().max(1));
        if waiting.sum::<usize>() >= MAX_OPENINGS {
            return Verdict::Refuse(refusal(
                session,
                FaultCode::TooManySessions,
                "too many openings wait for the registry",
            ));
        }
        let is_asked = self.waiting.contains_key(&peer);
        self.waiting.entry(peer).or_default().push(Waiting { from, session, open });
        if is_asked { Verdict::Wait } else { Verdict::Ask(peer) }
    }

    /// The registry's answer about `peer`. Returns the openings that waited for it, with who sent
    /// them, or with the refusal.
    pub(crate) fn answer(
        &mut self,
        peer: PublicKey,
        answer: Answer,
        now: Instant,
    ) -> Vec<(PublicKey, Result<T, Message>)> {
        let refused = match answer {
            Answer::Registered(addresses) => {
                self.make_room(&peer);
                let texts = address_texts(&addresses);
                self.known.insert(peer, Record { texts, addresses, read: now });
                None
            }
            Answer::NotRegistered => {
                self.known.remove(&peer);
                let text = "the next worker of the path is not in the registry";
                Some((FaultCode::UnknownNeighbour, text))
            }
            // What was read before is as good as anything: workers seldom move, and one that has
            // is found not to be there. The next opening asks again.
            Answer::Unknown if self.known.contains_key(&peer) => None,
            Answer::Unknown => {
                let text = "the chain did not answer in time where the path's next worker is";
                Some((FaultCode::ChainStalled, text))
            }
        };
        let waiting = self.waiting.remove(&peer).unwrap_or_default();
        waiting
            .into_iter()
            .map(|Waiting { from, session, open }| match refused {
                None => (from, Ok(open)),
                Some((code, text)) => (from, Err(refusal(session, code, text))),
            })
            .collect()
    }

    /// A payer is gone, or thinks better of one session: its openings do not wait any more.
    pub(crate) fn withdraw(&mut self, payer: &PublicKey, session: Option<&SessionId>) {
        for waiting in self.waiting.values_mut() {
            // The question stays, so that its answer finds where it belongs.
            waiting.retain(|waiting| {
                waiting.from != *payer || session.is_some_and(|id| waiting.session != *id)
            });
        }
    }

    /// Where `peer` may be dialled.
    pub(crate) fn addresses(&self, peer: &PublicKey) -> &[String] {
        self.known.get(peer).map_or(&[], |record| &record.texts)
    }

    fn make_room(&mut self, peer: &PublicKey) {
        if self.known.len() < MAX_KNOWN || self.known.contains_key(peer) {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, record)| record.read).map(|(peer, _)| *peer);
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
        }
    }
}

/// Whom the worker `own`, which is the `stage`-th of a path, would have to dial, and where the
/// payer says it is: the next stage, or from the last stage the first. Nothing if the path is
/// wrong, which is found out elsewhere.
pub(crate) fn next_worker(
    own: &PublicKey,
    path: &Path,
    stage: u8,
) -> Option<(PublicKey, WorkerAddresses)> {
    let index = usize::from(stage);
    path.get(index).filter(|stage| stage.peer == *own)?;
    let next = path.get(index + 1).or_else(|| path.get(0))?;
    (next.peer != *own).then(|| (next.peer, next.addresses.clone()))
}

fn refusal(session: SessionId, code: FaultCode, text: &str) -> Message {
    Message::Fault(Fault::new(Some(session), code, text))
}

#[cfg(test)]
mod tests;

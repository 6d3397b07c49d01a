//! The look-up table: where peers are, in their own hand or by what others have heard.

use std::time::{Duration, Instant};

use libp2p::{
    Multiaddr, PeerId,
    kad::{self, store::RecordStore},
};
use tokio::sync::oneshot;

use super::Driver;
use crate::{
    config::{LOOKUP_TIMEOUT, MAX_ADDRESSES},
    peer::public_key,
    records::{self, Said, record_key},
};

/// A record that was found is not kept back for a newer one for longer than this.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Peers that name the same record: then nobody else is asked.
const ENOUGH: usize = 3;

/// A search for where a peer is.
pub(crate) struct Lookup {
    peer: PeerId,
    done: oneshot::Sender<Vec<Multiaddr>>,
    begun: Instant,
    /// The newest record that was found, and how many were.
    best: Option<Said>,
    found: usize,
}

impl Driver {
    /// Looks for the record of `peer`; if there is none, for what others have heard of it.
    pub(super) fn look_up(&mut self, peer: PeerId, done: oneshot::Sender<Vec<Multiaddr>>) {
        let query = self.swarm.behaviour_mut().kad.get_record(record_key(&peer));
        let lookup = Lookup { peer, done, begun: Instant::now(), best: None, found: 0 };
        self.lookups.insert(query, lookup);
    }

    /// Answers the searches that have waited long enough for something newer.
    pub(super) fn answer_lookups(&mut self, now: Instant) {
        let is_due = |lookup: &Lookup| {
            let age = now.saturating_duration_since(lookup.begun);
            (lookup.best.is_some() && age >= PATIENCE) || age >= 2 * LOOKUP_TIMEOUT
        };
        let due: Vec<kad::QueryId> =
            self.lookups.iter().filter(|(_, lookup)| is_due(lookup)).map(|(id, _)| *id).collect();
        for id in due {
            self.answer_lookup(id);
        }
    }

    fn answer_lookup(&mut self, id: kad::QueryId) {
        if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id) {
            query.finish();
        }
        if let Some(lookup) = self.lookups.remove(&id) {
            let addresses = lookup.best.map(|said| said.addresses).unwrap_or_default();
            // Whoever asked may have stopped waiting.
            let _ = lookup.done.send(addresses);
        }
    }

    pub(super) fn heard_of_table(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => match result {
                kad::QueryResult::GetRecord(result) => self.found_record(id, result, step.last),
                kad::QueryResult::GetClosestPeers(result) => {
                    let found = match result {
                        Ok(found) => found.peers,
                        Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                    };
                    self.found_peers(id, found, step.last);
                }
                kad::QueryResult::PutRecord(_) => {
                    // Whoever was handed it says yes, whether or not it keeps it.
                    let own = record_key(self.swarm.local_peer_id());
                    let query = self.swarm.behaviour_mut().kad.get_record(own);
                    self.reach.check = Some((query, 0));
                }
                _ => {}
            },
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { source, record: Some(record), .. },
            } => self.keep_record(source, record),
            _ => {}
        }
    }

    fn found_record(
        &mut self,
        id: kad::QueryId,
        result: Result<kad::GetRecordOk, kad::GetRecordError>,
        is_last: bool,
    ) {
        if let Some((_, holders)) = self.reach.check.as_mut().filter(|(check, _)| *check == id) {
            // The first one is our own.
            let is_kept =
                matches!(&result, Ok(kad::GetRecordOk::FoundRecord(found)) if found.peer.is_some());
            *holders += usize::from(is_kept);
            if is_last {
                let holders = *holders;
                self.reach.check = None;
                self.reach.record_kept(holders);
            }
            return;
        }
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        if let Ok(kad::GetRecordOk::FoundRecord(found)) = result {
            match records::read(&lookup.peer, &found.record.value) {
                Ok(said) => {
                    lookup.found += 1;
                    if lookup.best.as_ref().is_none_or(|best| best.time < said.time) {
                        lookup.best = Some(said);
                    }
                }
                Err(error) => tracing::debug!(%error, "a record that was found does not count"),
            }
            if lookup.found >= ENOUGH {
                return self.answer_lookup(id);
            }
        }
        if !is_last {
            return;
        }
        if lookup.best.is_some() {
            return self.answer_lookup(id);
        }
        // Nobody has its record: somebody may have met it.
        if let Some(lookup) = self.lookups.remove(&id) {
            let query = self.swarm.behaviour_mut().kad.get_closest_peers(lookup.peer);
            self.lookups.insert(query, lookup);
        }
    }

    fn found_peers(&mut self, id: kad::QueryId, found: Vec<kad::PeerInfo>, is_last: bool) {
        let wanted = self.lookups.get(&id).map(|lookup| lookup.peer);
        let peer = found.into_iter().find(|found| Some(found.peer_id) == wanted);
        if (peer.is_some() || is_last)
            && let Some(lookup) = self.lookups.remove(&id)
        {
            let addresses = peer.map(|peer| peer.addrs).unwrap_or_default();
            let _ = lookup.done.send(addresses.into_iter().take(MAX_ADDRESSES).collect());
        }
    }

    /// Keeps the record that a peer of the registry hands in of itself.
    fn keep_record(&mut self, source: PeerId, record: kad::Record) {
        let is_registered = public_key(&source).is_some_and(|key| self.peers.is_registered(&key));
        if !is_registered || record.key != record_key(&source) {
            tracing::debug!(%source, "a record is not kept: it is another's, or not registered");
            return;
        }
        match self.reach.kept.take(source, &record.value, Instant::now()) {
            Ok(dropped) => {
                let kad = &mut self.swarm.behaviour_mut().kad;
                if let Some(dropped) = dropped {
                    kad.store_mut().remove(&record_key(&dropped));
                }
                if let Err(error) = kad.store_mut().put(record) {
                    tracing::debug!(?error, "a record is not kept");
                }
            }
            Err(error) => tracing::debug!(%source, %error, "a record is not kept"),
        }
    }
}

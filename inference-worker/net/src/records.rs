//! Signed address records: where a peer says that it is, in its own hand, kept by other peers for
//! those who look for it.
//!
//! A record is libp2p's peer record in its signed envelope (RFC 0003 of the libp2p specifications):
//! peer id, a number that grows, addresses, signature. It lies in the look-up table under the
//! peer's key. A peer keeps only what another one of the registry hands in itself, so that room
//! for records costs a stake.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{PeerRecord, SignedEnvelope},
    identity::Keypair,
    kad::RecordKey,
};
use thiserror::Error;

use crate::{
    bans::make_room,
    bounds::{MAX_RECORD_BYTES, RECORD_ADDRESSES},
};

/// For how long a record is kept after it was handed in.
pub(crate) const RECORD_LIFETIME: Duration = Duration::from_secs(3_600);
/// How much later than our own clock the time of a record may be.
const CLOCK_SKEW: Duration = Duration::from_secs(600);
/// How old a record may be that is believed.
const OLDEST: Duration = Duration::from_secs(24 * 3_600);
/// Longest address in a record.
const ADDRESS_BYTES: usize = 256;

/// Why a record is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum RecordError {
    /// No such record.
    #[error("it is no signed address record")]
    Malformed,
    /// Of another peer.
    #[error("it is of another peer")]
    OtherPeer,
    /// From the future, or long ago.
    #[error("it is too old, or from the future")]
    Time,
    /// An older one than is known.
    #[error("a newer one is known")]
    Old,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// Seconds since 1970 when it was signed.
    pub(crate) time: u64,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// The key in the look-up table under which a peer's record lies.
pub(crate) fn record_key(peer: &PeerId) -> RecordKey {
    let mut key = b"/mica/at/".to_vec();
    key.extend(peer.to_bytes());
    RecordKey::new(&key)
}

/// Signs where we are; nothing if the key cannot sign.
pub(crate) fn sign(keypair: &Keypair, addresses: &[Multiaddr]) -> Option<Vec<u8>> {
    let addresses = addresses.iter().take(RECORD_ADDRESSES).cloned().collect();
    let record = PeerRecord::new_interop(keypair, addresses).ok()?;
    Some(record.into_signed_envelope().into_protobuf_encoding())
}

/// Reads the record of `peer`.
///
/// # Errors
/// [`RecordError`].
pub(crate) fn read(peer: &PeerId, bytes: &[u8]) -> Result<Said, RecordError> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::Malformed);
    }
    let envelope =
        SignedEnvelope::from_protobuf_encoding(bytes).map_err(|_| RecordError::Malformed)?;
    let record =
        PeerRecord::from_signed_envelope_interop(envelope).map_err(|_| RecordError::Malformed)?;
    if record.peer_id() != *peer {
        return Err(RecordError::OtherPeer);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = record.seq();
    if time > now + CLOCK_SKEW.as_secs() || time + OLDEST.as_secs() < now {
        return Err(RecordError::Time);
    }
    let is_short = |address: &&Multiaddr| address.len() <= ADDRESS_BYTES;
    let addresses = record.addresses().iter().filter(is_short).take(RECORD_ADDRESSES);
    Ok(Said { time, addresses: addresses.cloned().collect() })
}

/// Whose records are kept for others, and of when they are.
#[derive(Default)]
pub(crate) struct Kept(HashMap<PeerId, (u64, Instant)>);

impl Kept {
    /// Takes note of a record that `peer` hands in. Returns the peer whose record makes room for
    /// it, if one must.
    ///
    /// # Errors
    /// [`RecordError`] if it is not to be kept.
    pub(crate) fn take(
        &mut self,
        peer: PeerId,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Option<PeerId>, RecordError> {
        let said = read(&peer, bytes)?;
        if self.0.get(&peer).is_some_and(|(time, _)| *time > said.time) {
            return Err(RecordError::Old);
        }
        self.0.retain(|_, (_, since)| now.saturating_duration_since(*since) < RECORD_LIFETIME);
        let before: Vec<PeerId> = self.0.keys().copied().collect();
        make_room(&mut self.0, &peer, |(_, since)| *since);
        let dropped = before.into_iter().find(|kept| !self.0.contains_key(kept));
        self.0.insert(peer, (said.time, now));
        Ok(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    #[test]
    fn a_record_says_where_its_signer_is_and_nobody_elses() {
        let (own, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let addresses = vec![address("/ip4/192.0.2.1/tcp/4001"); RECORD_ADDRESSES + 3];
        let bytes = sign(&own, &addresses).expect("signed");
        assert!(bytes.len() <= MAX_RECORD_BYTES);
        let (own, other) = (own.public().to_peer_id(), other.public().to_peer_id());
        let said = read(&own, &bytes).expect("its own");
        assert_eq!(said.addresses, addresses[..RECORD_ADDRESSES]);
        assert_eq!(read(&other, &bytes), Err(RecordError::OtherPeer));
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert!(read(&own, &forged).is_err(), "byte {at}");
        }
        assert_eq!(read(&own, &vec![0; MAX_RECORD_BYTES + 1]), Err(RecordError::Malformed));
        assert_ne!(record_key(&own), record_key(&other));
    }

    #[test]
    fn an_older_record_does_not_replace_a_newer_one() {
        let keypair = Keypair::generate_ed25519();
        let (peer, now) = (keypair.public().to_peer_id(), Instant::now());
        let bytes = sign(&keypair, &[address("/ip4/192.0.2.1/tcp/4001")]).expect("signed");
        let mut kept = Kept::default();
        assert_eq!(kept.take(peer, &bytes, now), Ok(None));
        assert_eq!(kept.take(peer, &bytes, now), Ok(None), "it is handed in again");
        kept.0.insert(peer, (u64::MAX, now));
        assert_eq!(kept.take(peer, &bytes, now), Err(RecordError::Old));
        // It is forgotten with its time.
        assert_eq!(kept.take(peer, &bytes, now + RECORD_LIFETIME), Err(RecordError::Old));
        let another = sign(&Keypair::generate_ed25519(), &[]).expect("signed");
        assert_eq!(kept.take(peer, &another, now), Err(RecordError::OtherPeer));
    }
}

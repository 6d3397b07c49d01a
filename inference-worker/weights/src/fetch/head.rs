//! The head of a model, from one peer after the other.

use std::{sync::Arc, time::Duration};

use mica_primitives::ModelId;
use tokio::time::{sleep, timeout};

use super::{FIRST_PAUSE, FetchError};
use crate::{
    index::{Index, IndexError},
    peer::{Asking, Peer, PeerError},
    store::{Held, Store, StoreError},
    work::blocking,
};

/// How long a head may take from one peer: at first, and from those who were too slow for that if
/// nobody was faster. Without it, a peer with a made-up head of 64 MiB could take hours.
const HEAD_PATIENCE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(900)];

/// Fetches the head of model `id` from the first of `peers` that has it, and keeps it. `on_bytes`
/// is told of bytes as they come.
///
/// # Errors
/// [`FetchError::Head`] with what each of them said.
pub async fn describe(
    store: &Store,
    id: ModelId,
    peers: &[Arc<dyn Peer>],
    mut on_bytes: impl FnMut(u64),
) -> Result<Held, FetchError> {
    if peers.is_empty() {
        return Err(FetchError::NoSource);
    }
    let mut reasons: Vec<(String, String)> = Vec::new();
    let mut left: Vec<&Arc<dyn Peer>> = peers.iter().collect();
    for patience in HEAD_PATIENCE {
        let mut slow = Vec::new();
        for peer in left {
            let coming = head_of(peer.as_ref(), id, &mut on_bytes);
            let described = timeout(patience, coming).await.unwrap_or(Err(PeerError::Slow));
            let error = match described {
                Ok((index, head)) => match kept(store, id, index, head).await? {
                    Ok(held) => return Ok(held),
                    // Not even the truth could be opened here: nobody is to blame.
                    Err(Some(error)) => {
                        reasons.push((peer.name(), error.to_string()));
                        continue;
                    }
                    Err(None) => PeerError::Lied,
                },
                Err(error) => error,
            };
            tracing::info!(peer = peer.name(), %error, "a peer did not give a model's head");
            reasons.push((peer.name(), error.to_string()));
            match error {
                PeerError::Lied => peer.lied(),
                PeerError::Slow | PeerError::Late | PeerError::Broken(_) => slow.push(peer),
                PeerError::Unreachable(_) | PeerError::Absent => {}
            }
        }
        if slow.is_empty() {
            break;
        }
        left = slow;
        // It may have had no place.
        sleep(FIRST_PAUSE).await;
    }
    // Of those who were asked twice, what they said last.
    let mut last: Vec<(String, String)> = Vec::new();
    for (who, why) in reasons.into_iter().rev() {
        if last.iter().all(|(named, _)| *named != who) {
            last.push((who, why));
        }
    }
    last.reverse();
    Err(FetchError::Head { id, reasons: last })
}

/// Keeps a head; if it cannot be that of the model, why, or nothing if the peer made it up.
async fn kept(
    store: &Store,
    id: ModelId,
    index: Index,
    head: Vec<u8>,
) -> Result<Result<Held, Option<IndexError>>, StoreError> {
    let store = store.clone();
    match blocking(move || store.keep(id, &index, &head)).await {
        Ok(held) => Ok(Ok(held)),
        // Index and head were made up together.
        Err(StoreError::Index(IndexError::Other { .. } | IndexError::Contradiction)) => {
            Ok(Err(None))
        }
        Err(StoreError::Index(error)) => Ok(Err(Some(error))),
        Err(error) => Err(error),
    }
}

async fn head_of(
    peer: &dyn Peer,
    id: ModelId,
    on_bytes: impl FnMut(u64),
) -> Result<(Index, Vec<u8>), PeerError> {
    let mut asking = Asking::open(peer).await?;
    let index = asking.index(id).await?;
    let head = asking.blob(&index.head, on_bytes).await?;
    Ok((index, head))
}

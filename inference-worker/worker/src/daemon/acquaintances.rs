//! Tells the network who is in the registry: through them the worker is found and finds others, is
//! tested from outside and relayed, and their address records it keeps.

use std::{collections::HashSet, time::Duration};

use mica_chain::ReadError;
use mica_net::{MAX_REMEMBERED, Net, address_texts};
use mica_primitives::PublicKey;

use super::context::WorkerContext;

/// Workers up to which the registry is read with every new block.
const FEW: usize = 64;
/// Pause between two readings of a larger registry.
const PAUSE: Duration = Duration::from_secs(60);
/// The same after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Workers of the registry, with the addresses that they registered.
type Peers = Vec<(PublicKey, Vec<String>)>;

/// Reads the registry again and again until the worker stops.
pub(super) async fn keep_acquainted(mut context: WorkerContext, net: Net) {
    let stop = context.stop.clone();
    let work = async {
        let mut told = Peers::new();
        loop {
            let pause = match read(&context).await {
                Ok(peers) => {
                    if peers != told {
                        net.know(peers.iter().cloned()).await;
                        told = peers;
                    }
                    (told.len() > FEW).then_some(PAUSE)
                }
                Err(error) => {
                    tracing::debug!(%error, "the registry's workers could not be read");
                    Some(RETRY)
                }
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // An error means that the worker stops.
                None if context.best.changed().await.is_err() => return,
                None => {}
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// All workers whose heartbeats are fresh, those of the own model first.
async fn read(context: &WorkerContext) -> Result<Peers, ReadError> {
    let view = context.chain.at_best().await?;
    let own = context.source.id;
    let others = view.models().await?.into_iter().map(|(model, _)| model);
    let models = std::iter::once(own).chain(others.filter(|model| *model != own));
    let (mut peers, mut seen) = (Peers::new(), HashSet::new());
    for model in models {
        for (record, is_online) in view.workers(model, None).await? {
            if is_online && peers.len() < MAX_REMEMBERED && seen.insert(record.peer) {
                peers.push((record.peer, address_texts(&record.addresses)));
            }
        }
        if peers.len() >= MAX_REMEMBERED {
            break;
        }
    }
    Ok(peers)
}

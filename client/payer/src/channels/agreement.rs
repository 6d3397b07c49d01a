//! Ending channels by agreement: the payer signs what it owes, and the worker, or the hub, submits
//! that with its own extrinsic and is paid with it. Nobody waits for a window, and the payer sends
//! nothing to the chain.
//!
//! Whoever is away, has other numbers or no use for it does nothing; then the channel is
//! closed as any other. The agreement ends by itself after [`CONSENT_BLOCKS`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mica_net::{NetEvent, StartError};
use mica_primitives::{ChannelId, ChannelState, CooperativeClose, PublicKey};
use mica_protocol::{Message, limits::CONSENT_BLOCKS, messages::CloseConsent};
use tokio::time::Instant;

use super::{ChannelError, POLL, Payer};
use crate::market::HubAddress;
use crate::router::Router;
use crate::store::Store;

/// Why nothing can be agreed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// The chain or the records cannot be read.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// An agreement and whom it is for.
struct Proposal {
    peer: PublicKey,
    addresses: Vec<String>,
    consent: CloseConsent,
}

impl Payer {
    /// Offers the workers of `channels`, and the `hubs` among their payees, to end them with what
    /// was promised there. Returns the channels that are gone when all have answered or `patience`
    /// is over.
    ///
    /// # Errors
    /// [`AgreementError`] before anything was sent.
    pub async fn agree_to_close(
        &self,
        store: &Store,
        channels: &[ChannelId],
        hubs: &[HubAddress],
        patience: Duration,
    ) -> Result<BTreeSet<ChannelId>, AgreementError> {
        let mut waiting = self.proposals(store, channels, hubs).await?;
        if waiting.is_empty() {
            return Ok(BTreeSet::new());
        }
        let router = Router::start(1)?;
        // Every router has a peer.
        let Some(mut subscription) = router.subscribe() else { return Ok(BTreeSet::new()) };
        subscription.listen(None, waiting.values().map(|proposal| proposal.peer));
        for (channel, Proposal { peer, addresses, consent }) in &waiting {
            let message = Message::CloseConsent(consent.clone());
            if let Err(error) = subscription.net.send(*peer, addresses, &message).await {
                tracing::debug!(%error, %channel, "the agreement was not sent");
            }
        }
        let (mut gone, end) = (BTreeSet::new(), Instant::now() + patience);
        while !waiting.is_empty() && Instant::now() < end {
            let heard = tokio::time::timeout(POLL, subscription.events.recv()).await;
            match heard {
                Ok(Some(NetEvent::Message { peer, message: Message::Fault(fault) })) => {
                    tracing::debug!(%fault, "a worker does not agree");
                    waiting.retain(|_, proposal| proposal.peer != peer);
                }
                Ok(Some(NetEvent::Unreachable { peer, .. })) => {
                    waiting.retain(|_, proposal| proposal.peer != peer);
                }
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(_) => {
                    let view = self.chain.at_best().await.map_err(ChannelError::from)?;
                    for channel in waiting.keys().copied().collect::<Vec<_>>() {
                        let found = view.channel(channel).await.map_err(ChannelError::from)?;
                        if found.is_none() {
                            waiting.remove(&channel);
                            gone.insert(channel);
                        }
                    }
                }
            }
        }
        drop(subscription);
        router.stop().await;
        Ok(gone)
    }

    /// What can be proposed: open channels of this payer to workers and known hubs, on which
    /// something was promised and of which the key is here.
    async fn proposals(
        &self,
        store: &Store,
        channels: &[ChannelId],
        hubs: &[HubAddress],
    ) -> Result<BTreeMap<ChannelId, Proposal>, ChannelError> {
        let view = self.chain.at_best().await?;
        let expires = view.clock().await?.now.saturating_add(CONSENT_BLOCKS);
        let genesis = self.chain.genesis_hash();
        let mut proposals = BTreeMap::new();
        for id in channels {
            let found = view.channel(*id).await?;
            let is_ours = |state: &ChannelState| *state == ChannelState::Open;
            let found = found.filter(|found| found.payer == self.id() && is_ours(&found.state));
            let Some(channel) = found else { continue };
            let worker = view.worker(channel.payee).await?;
            let (peer, addresses) = match worker {
                Some((worker, _)) => (worker.peer, worker.addresses),
                None => {
                    let known = store.channel(*id)?.map(|record| record.peer);
                    let Some(hub) = hubs.iter().find(|hub| Some(hub.peer()) == known) else {
                        continue;
                    };
                    (hub.peer(), hub.addresses().clone())
                }
            };
            let Some(key) = self.signer.of(&channel.signer) else { continue };
            let ledger = self.ledger(store, *id, &channel)?;
            let total = channel.deposit.saturating_sub(ledger.free());
            if total == 0 {
                continue;
            }
            let close = CooperativeClose { channel: *id, total, expires };
            let consent = CloseConsent::sign(close, key, &genesis);
            let addresses = mica_net::address_texts(&addresses);
            proposals.insert(*id, Proposal { peer, addresses, consent });
        }
        Ok(proposals)
    }
}

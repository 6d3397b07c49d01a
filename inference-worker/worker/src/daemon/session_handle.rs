//! How the daemon's tasks speak to the session actor.

use std::collections::BTreeSet;

use mica_primitives::{Balance, ChannelId, PublicKey};
use mica_protocol::{channel::ChannelFacts, stage::StageOffer};
use tokio::sync::{mpsc, oneshot};

use super::{
    neighbours::Answer,
    request::{DoneChannel, DueLane, Request, Totals},
};
use crate::store::ChainMark;

/// A way to the session actor. When the last one is dropped the session actor closes.
#[derive(Clone)]
pub(crate) struct SessionHandle(mpsc::Sender<Request>);

/// The session actor is closed: the daemon is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the worker is stopping")]
pub(crate) struct Closed;

impl SessionHandle {
    /// A way through `requests`.
    pub(crate) const fn new(requests: mpsc::Sender<Request>) -> Self {
        Self(requests)
    }

    /// Every lane worth redeeming.
    ///
    /// # Errors
    /// [`Closed`], here and below.
    pub(crate) async fn due(&self) -> Result<Vec<DueLane>, Closed> {
        self.ask(Request::Due).await
    }

    /// What was seen.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn totals(&self) -> Result<Totals, Closed> {
        self.ask(Request::Totals).await
    }

    /// Takes no new session; returns the number of open ones.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn drain(&self) -> Result<usize, Closed> {
        self.ask(Request::Drain).await
    }

    /// Tells what is offered from now on.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn offer(&self, offer: StageOffer) -> Result<(), Closed> {
        self.0.send(Request::Offer(Box::new(offer))).await.map_err(|_| Closed)
    }

    /// Tells what the chain says about a channel.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn channel(
        &self,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
    ) -> Result<(), Closed> {
        self.0.send(Request::Channel { channel, facts }).await.map_err(|_| Closed)
    }

    /// Tells what the registry says about a peer.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn registered(&self, peer: PublicKey, answer: Answer) -> Result<(), Closed> {
        self.0.send(Request::Registered { peer, answer }).await.map_err(|_| Closed)
    }

    /// Tells that a channel cannot be followed: openings that wait for it are refused.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn not_followed(&self, channel: ChannelId) -> Result<(), Closed> {
        self.0.send(Request::NotFollowed(channel)).await.map_err(|_| Closed)
    }

    /// Tells that a block has become final.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn block_final(&self) -> Result<(), Closed> {
        self.0.send(Request::BlockFinal).await.map_err(|_| Closed)
    }

    /// The channels of which there are ledgers.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn ledgers(&self) -> Result<BTreeSet<ChannelId>, Closed> {
        self.ask(Request::Ledgers).await
    }

    /// Whether there is a ledger of `channel`.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn has_ledger(&self, channel: ChannelId) -> Result<bool, Closed> {
        self.ask(|answer| Request::HasLedger(channel, answer)).await
    }

    /// Channels that have paid something and whose payers asked to close, with nothing left to
    /// redeem that brings more than `fee`.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn done(&self, fee: Balance) -> Result<Vec<DoneChannel>, Closed> {
        self.ask(|answer| Request::Done(fee, answer)).await
    }

    /// Keeps how far the chain was seen.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn mark(&self, mark: ChainMark) -> Result<(), Closed> {
        self.0.send(Request::Mark(mark)).await.map_err(|_| Closed)
    }

    /// Drops the records of a channel that is closed for good.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn forget(&self, channel: ChannelId) -> Result<(), Closed> {
        self.0.send(Request::Forget(channel)).await.map_err(|_| Closed)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Closed> {
        let (answer, answered) = oneshot::channel();
        self.0.send(request(answer)).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }
}

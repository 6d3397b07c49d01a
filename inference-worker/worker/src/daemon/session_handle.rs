//! How the daemon's tasks speak to the desk.

use std::sync::atomic::{AtomicBool, Ordering};

use mica_primitives::ChannelId;
use mica_protocol::{channel::ChannelFacts, stage::StageOffer};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::request::{DueLane, Request, Totals};
use crate::store::ChainMark;

/// What the worker offers, changed by several tasks and known to the desk in the order of the
/// changes.
pub struct Offers {
    desk: DeskHandle,
    turn: Mutex<()>,
    current: watch::Sender<StageOffer>,
    /// Whether no new session is taken, whatever is offered.
    is_paused: AtomicBool,
}

impl Offers {
    /// `first` is what the desk was opened with.
    pub fn new(desk: DeskHandle, first: StageOffer) -> Self {
        Self {
            desk,
            turn: Mutex::new(()),
            current: watch::Sender::new(first),
            is_paused: AtomicBool::new(false),
        }
    }

    /// What is offered now.
    pub fn current(&self) -> StageOffer {
        self.current.borrow().clone()
    }

    /// Part of the room for sessions that is taken, 0 to 1.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn utilisation(&self) -> Result<f64, Closed> {
        let open = self.desk.totals().await?.sessions;
        let room = self.current.borrow().max_sessions.max(1);
        Ok((open as f64 / room as f64).min(1.0))
    }

    /// Changes the offer.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn change(&self, change: impl FnOnce(&mut StageOffer)) -> Result<(), Closed> {
        let _turn = self.turn.lock().await;
        self.current.send_modify(change);
        self.tell().await
    }

    /// Takes no new session until [`Self::resume`]; those that are open go on.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn pause(&self) -> Result<(), Closed> {
        let _turn = self.turn.lock().await;
        self.is_paused.store(true, Ordering::Release);
        self.tell().await
    }

    /// Takes sessions again.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn resume(&self) -> Result<(), Closed> {
        let _turn = self.turn.lock().await;
        match self.is_paused.swap(false, Ordering::AcqRel) {
            true => self.tell().await,
            false => Ok(()),
        }
    }

    async fn tell(&self) -> Result<(), Closed> {
        let mut offer = self.current();
        if self.is_paused.load(Ordering::Acquire) {
            offer.max_sessions = 0;
        }
        self.desk.offer(offer).await
    }
}

/// A way to the desk. When the last one is dropped the desk closes.
#[derive(Clone)]
pub struct DeskHandle(mpsc::Sender<Request>);

/// The desk is closed: the daemon is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the worker is stopping")]
pub struct Closed;

impl DeskHandle {
    /// A way through `requests`.
    pub const fn new(requests: mpsc::Sender<Request>) -> Self {
        Self(requests)
    }

    /// Every lane worth redeeming.
    ///
    /// # Errors
    /// [`Closed`], here and below.
    pub async fn due(&self) -> Result<Vec<DueLane>, Closed> {
        self.ask(Request::Due).await
    }

    /// What was seen.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn totals(&self) -> Result<Totals, Closed> {
        self.ask(Request::Totals).await
    }

    /// Takes no new session; returns the number of open ones.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn drain(&self) -> Result<usize, Closed> {
        self.ask(Request::Drain).await
    }

    async fn offer(&self, offer: StageOffer) -> Result<(), Closed> {
        self.0.send(Request::Offer(Box::new(offer))).await.map_err(|_| Closed)
    }

    /// Tells what the chain says about a channel.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn channel(
        &self,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
    ) -> Result<(), Closed> {
        self.0.send(Request::Channel { channel, facts }).await.map_err(|_| Closed)
    }

    /// Channels whose payers asked to close, with nothing left to redeem.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn done(&self) -> Result<Vec<ChannelId>, Closed> {
        self.ask(Request::Done).await
    }

    /// Keeps how far the chain was seen.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn mark(&self, mark: ChainMark) -> Result<(), Closed> {
        self.0.send(Request::Mark(mark)).await.map_err(|_| Closed)
    }

    /// Drops the records of a channel that is closed for good.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn forget(&self, channel: ChannelId) -> Result<(), Closed> {
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

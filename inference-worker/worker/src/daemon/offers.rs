//! What the worker offers to payers.

use std::sync::atomic::{AtomicBool, Ordering};

use mica_protocol::stage::StageOffer;
use tokio::sync::{Mutex, watch};

use super::{
    pauses::Paused,
    session_handle::{Closed, SessionHandle},
};

/// The offer. Several tasks change it; the session actor learns the changes in their order.
pub(crate) struct Offers {
    sessions: SessionHandle,
    /// Held while the offer changes, so that the actor hears of changes in their order.
    changing: Mutex<()>,
    current: watch::Sender<StageOffer>,
    /// Whether no new session is taken, whatever is offered.
    is_paused: AtomicBool,
    /// Why the machine is its owner's for now, and no new session is taken either.
    paused: watch::Sender<Option<Paused>>,
}

impl Offers {
    /// `first` is what the session actor was opened with.
    pub(crate) fn new(sessions: SessionHandle, first: StageOffer) -> Self {
        Self {
            sessions,
            changing: Mutex::new(()),
            current: watch::Sender::new(first),
            is_paused: AtomicBool::new(false),
            paused: watch::Sender::new(None),
        }
    }

    /// What is offered now.
    pub(crate) fn current(&self) -> StageOffer {
        self.current.borrow().clone()
    }

    /// Part of the room for sessions that is taken, 0 to 1.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn utilisation(&self) -> Result<f64, Closed> {
        let open = self.sessions.totals().await?.sessions;
        let room = self.current.borrow().max_sessions.max(1);
        Ok((open as f64 / room as f64).min(1.0))
    }

    /// Changes the offer.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn change(&self, change: impl FnOnce(&mut StageOffer)) -> Result<(), Closed> {
        let _changing = self.changing.lock().await;
        self.current.send_modify(change);
        self.publish().await
    }

    /// Takes no new session until [`Self::resume`]; those that are open go on.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn pause(&self) -> Result<(), Closed> {
        let _changing = self.changing.lock().await;
        self.is_paused.store(true, Ordering::Release);
        self.publish().await
    }

    /// Takes sessions again.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn resume(&self) -> Result<(), Closed> {
        let _changing = self.changing.lock().await;
        match self.is_paused.swap(false, Ordering::AcqRel) {
            true => self.publish().await,
            false => Ok(()),
        }
    }

    /// Why the machine takes no new sessions for now, if it does not.
    pub(crate) fn paused(&self) -> Option<Paused> {
        self.paused.borrow().clone()
    }

    /// Takes no new sessions for this reason, or for none any more.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) async fn pause_for(&self, reason: Option<Paused>) -> Result<(), Closed> {
        let _changing = self.changing.lock().await;
        self.paused.send_replace(reason);
        self.publish().await
    }

    async fn publish(&self) -> Result<(), Closed> {
        let mut offer = self.current();
        if self.is_paused.load(Ordering::Acquire) || self.paused.borrow().is_some() {
            offer.max_sessions = 0;
        }
        self.sessions.offer(offer).await
    }
}

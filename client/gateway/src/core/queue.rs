//! Sessions at once, and the requests that wait for one, both with a bound.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    error::{GatewayError, Kind},
    limits::SessionLimits,
};

/// The sessions that may run, and those that wait for one.
pub(crate) struct Queue {
    sessions: Arc<Semaphore>,
    waiting: AtomicUsize,
    parallel: usize,
    max_waiting: usize,
    patience: Duration,
}

impl Queue {
    pub(crate) fn new(limits: &SessionLimits) -> Self {
        Self {
            sessions: Arc::new(Semaphore::new(limits.parallel)),
            waiting: AtomicUsize::new(0),
            parallel: limits.parallel,
            max_waiting: limits.queue,
            patience: limits.patience,
        }
    }

    /// The right to run one session, after those who came earlier; given back when it is dropped.
    ///
    /// # Errors
    /// [`Kind::Busy`] if too many wait already, or none became free in time.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, GatewayError> {
        if let Ok(permit) = self.sessions.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::count(&self.waiting, self.max_waiting)?;
        match tokio::time::timeout(self.patience, self.sessions.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let message = format!(
                    "no session became free within {} s: try again later",
                    self.patience.as_secs()
                );
                Err(GatewayError::new(Kind::Busy, message))
            }
        }
    }

    /// Sessions that run.
    pub(crate) fn running(&self) -> usize {
        self.parallel.saturating_sub(self.sessions.available_permits())
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A request that waits, counted as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(count: &'a AtomicUsize, limit: usize) -> Result<Self, GatewayError> {
        if count.fetch_add(1, Ordering::AcqRel) >= limit {
            count.fetch_sub(1, Ordering::AcqRel);
            let message = format!("server busy, please try again: {limit} requests wait already");
            return Err(GatewayError::new(Kind::Busy, message));
        }
        Ok(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn as_many_run_and_wait_as_the_limits_say() {
        let limits = SessionLimits {
            parallel: 1,
            queue: 1,
            patience: Duration::from_secs(3600),
            default_tokens: 1,
            max_tokens: 1,
        };
        let queue = Queue::new(&limits);
        let first = queue.enter().await.expect("a free session");
        let mut second = Box::pin(queue.enter());
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!((queue.running(), queue.waiting()), (1, 1));
        assert_eq!(queue.enter().await.map(drop).expect_err("full").kind, Kind::Busy);
        drop(first);
        let second = second.await.expect("the session that became free");
        assert_eq!((queue.running(), queue.waiting()), (1, 0));
        drop(second);
        assert_eq!(queue.running(), 0);
        let queue = Queue::new(&SessionLimits { patience: Duration::ZERO, ..limits });
        let _running = queue.enter().await.expect("a free session");
        assert_eq!(queue.enter().await.map(drop).expect_err("too late").kind, Kind::Busy);
        assert_eq!(queue.waiting(), 0);
    }
}

//! The layers that are loaded, and how others take their place while payers are served.

use std::{sync::Arc, time::Duration};

use mica_chain::Chain;
use mica_primitives::LayerRange;
use mica_protocol::stage::StageOffer;

use super::{
    context::WorkerContext,
    offers::Offers,
    range::room,
    session_handle::{Closed, SessionHandle},
    weights::{Weights, WeightsError},
};
use crate::{
    config::LimitsConfig,
    engine::{Engine, EngineError},
};

/// Pause between two checks of the sessions that are still open.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The loaded layers.
#[derive(Clone)]
pub(crate) struct Layers {
    engine: Arc<Engine>,
    weights: Arc<Weights>,
    chain: Chain,
    sessions: SessionHandle,
    offers: Arc<Offers>,
    limits: LimitsConfig,
}

/// Why other layers are not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LayersError {
    /// The worker is stopping.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Sessions did not end in time.
    #[error("{open} sessions are still open after {seconds} s")]
    StillOpen {
        /// Sessions.
        open: usize,
        /// How long was waited.
        seconds: u64,
    },
    /// Their weights are not to be had.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The engine cannot load them.
    #[error(transparent)]
    Load(#[from] EngineError),
    /// Nor could it load what it had before.
    #[error("its old layers cannot be loaded again: start the worker anew")]
    Reload(#[source] EngineError),
}

impl Layers {
    /// Those that `engine` has loaded, which open sessions hold as long as the configuration says.
    pub(crate) fn new(engine: Arc<Engine>, weights: Arc<Weights>, context: &WorkerContext) -> Self {
        Self {
            engine,
            weights,
            chain: context.chain.clone(),
            sessions: context.sessions.clone(),
            offers: context.offers.clone(),
            limits: context.config.limits.clone(),
        }
    }

    /// Fetches what the weights of `range` lack, while what is loaded is served.
    ///
    /// # Errors
    /// [`LayersError::Weights`].
    pub(crate) async fn fetch(&self, range: LayerRange) -> Result<(), LayersError> {
        Ok(self.weights.ensure(&self.chain, range).await?)
    }

    /// Lets open sessions end, carries out `change`, which loads layers and returns them with their
    /// cost, and takes sessions again.
    ///
    /// # Errors
    /// That of `change`, which has then loaded what was there before; or if sessions do not end in
    /// time.
    pub(crate) async fn swap<E: From<LayersError>>(
        &self,
        change: impl Future<Output = Result<(LayerRange, u32), E>>,
    ) -> Result<(), E> {
        let present = self.offers.current();
        self.change_offer(|offer| offer.max_sessions = 0).await?;
        let changed = match self.empty().await {
            Ok(()) => change.await,
            Err(error) => Err(error.into()),
        };
        // Whatever happened, sessions are taken again, for the layers that are loaded then.
        let (range, cost_us) =
            *changed.as_ref().unwrap_or(&(present.range, present.cost_us_per_layer_token));
        let room = room(&self.engine, &self.limits);
        self.change_offer(|offer| {
            (offer.range, offer.cost_us_per_layer_token) = (range, cost_us);
            (offer.max_sessions, offer.cache_positions) = (room.sessions, room.positions);
        })
        .await?;
        if changed.is_ok() {
            self.weights.moved_to(range).await;
        }
        changed.map(|_| ())
    }

    /// Loads `range`; if that fails, what is offered now. Returns the layers and their cost.
    ///
    /// # Errors
    /// Why `range` cannot be loaded.
    pub(crate) async fn load(&self, range: LayerRange) -> Result<(LayerRange, u32), LayersError> {
        self.fetch(range).await?;
        match self.engine.load(range).await {
            Ok(cost_us) => Ok((range, cost_us)),
            Err(error) => {
                self.reload().await?;
                Err(error.into())
            }
        }
    }

    /// Loads what is offered now.
    ///
    /// # Errors
    /// If that is not possible any more.
    pub(crate) async fn reload(&self) -> Result<(), LayersError> {
        let before = self.offers.current().range;
        self.engine.load(before).await.map_err(LayersError::Reload)?;
        Ok(())
    }

    async fn change_offer(&self, change: impl FnOnce(&mut StageOffer)) -> Result<(), LayersError> {
        Ok(self.offers.change(change).await?)
    }

    /// Lets open sessions end; gives up if they take too long.
    async fn empty(&self) -> Result<(), LayersError> {
        let mut open = self.sessions.totals().await?.sessions;
        let patience = Duration::from_secs(self.limits.drain_seconds);
        let deadline = tokio::time::Instant::now() + patience;
        while open > 0 {
            if tokio::time::Instant::now() >= deadline {
                return Err(LayersError::StillOpen { open, seconds: self.limits.drain_seconds });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            open = self.sessions.totals().await?.sessions;
        }
        Ok(())
    }
}

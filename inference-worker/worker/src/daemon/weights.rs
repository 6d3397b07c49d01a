//! Sees to it that the weights of a range are here before it is loaded, and that what is not needed
//! any more does not stay.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mica_chain::{Chain, ReadError};
use mica_host::lock;
use mica_net::StartError;
use mica_primitives::{LayerRange, PublicKey};
use mica_weights::{FetchError, Held, Progress, Spec, SpecError, Store, StoreError, fetch};

use crate::{
    config::Config,
    model::{ModelSource, Whereabouts},
    models::{dialler, peers},
    report::{Event, Reporter},
};

/// Pause between two reports of how far a fetch is.
const REPORTS: Duration = Duration::from_secs(2);

/// Why the weights of some layers are not here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// `sources` names what is no place.
    #[error("a wrong entry in `sources`: {0}")]
    Spec(#[from] SpecError),
    /// Nobody gives them.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// How often is told how far something is.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Whether it is time to tell; then it is not for a while.
    pub(crate) fn is_due(&self) -> bool {
        let mut told = lock(&self.0);
        let is_due = told.is_none_or(|told| told.elapsed() >= REPORTS);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}

/// The weights of the model that is served.
pub(crate) struct Weights {
    /// The model.
    pub source: Arc<ModelSource>,
    /// Where they are kept.
    pub store: Store,
    /// How peers are found, and further places.
    pub config: Arc<Config>,
    /// Ourselves, who need not be asked.
    pub own: PublicKey,
    /// Tells people and programs.
    pub reporter: Reporter,
}

impl Weights {
    /// Fetches what `range` lacks, from the model's workers and from every place that is known.
    ///
    /// # Errors
    /// [`WeightsError`]; what was fetched until then is kept.
    pub(crate) async fn ensure(
        &self,
        chain: &Chain,
        range: LayerRange,
    ) -> Result<(), WeightsError> {
        let Whereabouts::Fetched(held) = &self.source.weights else { return Ok(()) };
        if held.missing(range)?.is_empty() {
            return Ok(());
        }
        let places = self.places(held)?;
        let dialler = dialler(&self.config)?;
        let view = chain.at_best().await?;
        let peers = peers(&dialler, &view, held.id(), Some(range), Some(self.own)).await?;
        let wanted = held.file().tensors_of(range).map_err(StoreError::from)?;
        let pace = Pace::default();
        let tell = |progress: Progress| {
            if pace.is_due() {
                self.reporter.emit(&Event::fetching(range, progress));
            }
        };
        let fetched = fetch(&self.store, held, &wanted, &peers, &places, &tell).await;
        dialler.stop().await;
        let fetched = fetched?;
        for liar in &fetched.liars {
            let text = format!("{liar} sent wrong bytes of the model and is asked no more");
            tracing::warn!("{text}");
            self.reporter.emit(&Event::Warning { text });
        }
        self.reporter.emit(&Event::Fetched {
            layers: range,
            bytes: fetched.bytes,
            received_bytes: fetched.received,
            disk_bytes: held.bytes_on_disk()?,
        });
        Ok(())
    }

    /// The worker serves `range` now. Where the operator has set a limit, what was fetched for
    /// other layers goes; elsewhere it stays, and to go back costs nothing.
    pub(crate) async fn moved_to(&self, range: LayerRange) {
        let Whereabouts::Fetched(held) = &self.source.weights else { return };
        if self.config.weights.disk_mb.is_none() {
            return;
        }
        let held = held.clone();
        let removed = tokio::task::spawn_blocking(move || held.keep_only(range)).await;
        match removed {
            Ok(Ok(0)) => {}
            Ok(Ok(bytes)) => tracing::info!(bytes, "weights of other layers are removed"),
            Ok(Err(error)) => tracing::warn!(%error, "weights of other layers are not removed"),
            Err(error) => tracing::warn!(%error, "weights of other layers are not removed"),
        }
    }

    /// Where the model may be had besides its workers.
    fn places(&self, held: &Held) -> Result<Vec<Spec>, SpecError> {
        let mut places = self.config.weights.places()?;
        // What was written by an earlier version and is not understood is left out.
        for place in held.sources().iter().filter_map(|text| text.parse().ok()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }
}

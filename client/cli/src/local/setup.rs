//! What a program needs before it starts: a port, keys, and its share of a model.

use std::net::TcpListener;
use std::path::Path;

use mica_chain::AccountId;
use mica_primitives::LayerRange;
use serde::Deserialize;

use super::processes::{self, ProcessError};

/// Why programs cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A program could not be found, started, or did not keep running.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A folder or a file could not be written.
    #[error("cannot write {what}: {source}")]
    Folder {
        /// What it was for.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program said something that this one does not understand.
    #[error(
        "`{program}` said something unexpected ({said}): it is of another version, so build both \
         together"
    )]
    Unexpected {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// The model has fewer layers than there are workers.
    #[error("the built-in model has {layers} layers, too few for {workers} workers")]
    TooFewLayers {
        /// Layers of the model.
        layers: u16,
        /// Workers that want a share.
        workers: u16,
    },
}

/// What `mica-worker init --json` prints, as far as it matters here.
#[derive(Deserialize)]
struct NewWorker {
    account: String,
}

/// Makes a worker's folder and keys; returns its account.
///
/// # Errors
/// [`LocalError::Process`] if `mica-worker init` fails, [`LocalError::Unexpected`] if it names no
/// account.
pub(crate) async fn init_worker(program: &Path, folder: &Path) -> Result<AccountId, LocalError> {
    let arguments = [format!("--data-dir={}", folder.display()), "init".into(), "--json".into()];
    let said = processes::run("mica-worker init", program, &arguments, &[]).await?;
    // The words of the account are in there too, so it is not repeated in the error.
    let unexpected =
        |said: String| LocalError::Unexpected { program: "mica-worker init --json", said };
    let made: NewWorker =
        serde_json::from_str(&said).map_err(|error| unexpected(error.to_string()))?;
    made.account.parse().map_err(|_| unexpected(format!("'{}' is no account", made.account)))
}

/// Ranges of nearly equal width, one for each of `workers`, that cover a model of `layers` layers.
///
/// # Errors
/// [`LocalError::TooFewLayers`] if a worker would get none.
pub(crate) fn shares(layers: u16, workers: u16) -> Result<Vec<LayerRange>, LocalError> {
    if layers < workers {
        return Err(LocalError::TooFewLayers { layers, workers });
    }
    let cut = |index: u16| {
        let cut = u32::from(layers) * u32::from(index) / u32::from(workers);
        // A cut never exceeds the number of layers, as `index` never exceeds `workers`.
        u16::try_from(cut).unwrap_or(layers)
    };
    Ok((0..workers).map(|index| LayerRange { first: cut(index), end: cut(index + 1) }).collect())
}

/// A loopback port that is free just now.
///
/// # Errors
/// [`LocalError::Folder`] if the system has none.
pub(crate) fn free_port() -> Result<u16, LocalError> {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port());
    port.map_err(|source| LocalError::Folder { what: "to a free port".into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_model_without_gaps() {
        for (workers, layers) in (1..=5_u16).flat_map(|w| (w..=512).map(move |l| (w, l))) {
            let ranges = shares(layers, workers).expect("enough layers");
            assert_eq!(ranges.len(), usize::from(workers));
            assert_eq!((ranges[0].first, ranges[ranges.len() - 1].end), (0, layers));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].first));
            assert!(ranges.iter().all(|range| !range.is_empty()));
        }
        assert!(matches!(shares(2, 3), Err(LocalError::TooFewLayers { layers: 2, workers: 3 })));
    }
}

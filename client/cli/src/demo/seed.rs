//! The seed: a worker that has a model of the catalogue whole, from which the others fetch their
//! layers. It is stopped before anybody asks.

use std::path::{Path, PathBuf};

use mica_payer::{Heads, model::LocalModel};
use mica_weights::Entry;
use serde::Deserialize;

use super::DemoError;
use crate::local::{self, LocalError, Sibling};
use crate::progress::Progress;

/// Has the worker in `folder` fetch the model into the user's cache, where the next demo finds it.
///
/// # Errors
/// [`DemoError`] if it cannot be had.
pub(super) async fn fetch(
    folder: &Path,
    node_url: &str,
    entry: &Entry,
    progress: Progress,
) -> Result<LocalModel, DemoError> {
    let worker = Sibling::WORKER.find()?;
    let cache = cache()?;
    let (data, store) = (format!("--data-dir={}", folder.display()), cache.display().to_string());
    let set = [data.clone(), "config".into(), "set".into(), "weights.folder".into(), store];
    local::run("mica-worker config", &worker, &set, &[]).await?;
    let step = progress.step(format!(
        "fetching {} ({} MB, {}) for a seed, unless it is here",
        entry.title,
        entry.bytes >> 20,
        entry.licence
    ));
    let node = format!("--node-url={node_url}");
    let add = [data, "model".into(), "add".into(), entry.name.clone(), node];
    local::run("mica-worker model add", &worker, &add, &[]).await?;
    let is_it = |model: &LocalModel| model.manifest().weights_root == entry.weights;
    let model = Heads::new(cache.clone()).all()?.into_iter().find(is_it);
    let model = model.ok_or_else(|| LocalError::Unexpected {
        program: "mica-worker model add",
        said: format!("nothing of where {} is", entry.name),
    })?;
    step.done(&format!("in {}", cache.display()));
    Ok(model)
}

/// `$XDG_CACHE_HOME/mica/models`, or the same in `~/.cache`.
fn cache() -> Result<PathBuf, LocalError> {
    let base =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let folder = base.unwrap_or_else(std::env::temp_dir).join("mica").join("models");
    std::fs::create_dir_all(&folder)
        .map_err(|source| LocalError::Folder { what: folder.display().to_string(), source })?;
    Ok(folder)
}

/// What a worker fetched before it served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Fetched {
    /// Its layers, first and end.
    pub layers: [u16; 2],
    /// Bytes of the tensors of these layers.
    pub bytes: u64,
    /// Bytes that came over the network for them.
    pub received_bytes: u64,
    /// Bytes that they and what belongs to them take on its disk.
    pub disk_bytes: u64,
}

/// What the worker that writes this log has fetched; nothing if it has said nothing of it.
pub(super) fn fetched(log: &Path) -> Option<Fetched> {
    let text = std::fs::read_to_string(log).ok()?;
    let event = |line: &str| -> Option<Fetched> {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        (event["event"] == "fetched").then(|| serde_json::from_value(event).ok())?
    };
    text.lines().find_map(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_found_in_the_log() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let log = folder.path().join("worker.log");
        assert_eq!(fetched(&log), None);
        let text = "a line\n{\"event\":\"loaded\",\"layers\":[0,2]}\n\
                    {\"event\":\"fetched\",\"layers\":[0,2],\"bytes\":9,\"received_bytes\":8,\
                    \"disk_bytes\":10}\n";
        std::fs::write(&log, text).expect("written");
        let expected = Fetched { layers: [0, 2], bytes: 9, received_bytes: 8, disk_bytes: 10 };
        assert_eq!(fetched(&log), Some(expected));
    }
}

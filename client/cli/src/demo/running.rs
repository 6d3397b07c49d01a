//! What a demo leaves running: the chain, the workers and the payer's folder, until Ctrl-C.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mica_payer::interrupt::Interrupt;
use tokio_util::task::AbortOnDropHandle;

use super::{DemoError, payer::PayerFolder, world::World};
use crate::progress::Progress;

/// How often it is looked whether everything runs.
const LOOK: Duration = Duration::from_secs(1);

/// A market that runs. Dropping it ends all of it.
pub(crate) struct Running {
    pub(super) world: World,
    pub(super) payer: PayerFolder,
    /// The model's id, if commands must be told of it.
    pub(super) model: Option<String>,
    pub(super) interrupt: Interrupt,
    pub(super) _listening: AbortOnDropHandle<()>,
    pub(super) progress: Progress,
}

impl Running {
    /// What `MICA_HOME` must be for commands to work with it.
    pub(crate) fn home(&self) -> &Path {
        self.payer.path()
    }

    /// What `--model` must be for commands to ask it; nothing if they find it themselves.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The node.
    pub(crate) fn url(&self) -> &str {
        self.world.url()
    }

    /// How this program is called from another terminal: by its name if that leads to it.
    pub(crate) fn program() -> PathBuf {
        let Ok(own) = std::env::current_exe().and_then(|path| path.canonicalize()) else {
            return "mica".into();
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::env::split_paths(&path).map(|folder| folder.join("mica"));
        let first = first.into_iter().find_map(|path| path.canonicalize().ok());
        if first.as_ref() == Some(&own) { "mica".into() } else { own }
    }

    /// Waits for Ctrl-C, then stops everything.
    ///
    /// # Errors
    /// [`DemoError::Local`] if something stopped by itself; the rest was stopped then.
    pub(crate) async fn until_interrupted(mut self) -> Result<(), DemoError> {
        let outcome = loop {
            tokio::select! {
                () = self.interrupt.finish.cancelled() => break Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.world.check() {
                break Err(error);
            }
        };
        self.world.stop(self.progress).await;
        outcome
    }
}

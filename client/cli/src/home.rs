//! Where everything of the payer's lies: `MICA_HOME`, by default `~/.mica`.
//!
//! ```text
//! ~/.mica/config.toml           settings
//! ~/.mica/wallets/<name>.json   encrypted wallets
//! ~/.mica/wallets/<name>.hot    their hot keys
//! ~/.mica/models/               heads of models that were fetched
//! ~/.mica/state.redb            channels, promises, receipts
//! ~/.mica/state.uses            how often that was used
//! ~/.mica/state-….redb          records of a chain that began anew
//! ~/.mica/chat-history          what was typed into `mica chat`
//! ~/.mica/hub.key               the peer key of `mica hub`
//! ~/.mica/hub-status.json       how it stands
//! ```

use std::path::{Path, PathBuf};

use mica_wallet::files::{self, FileError};

/// The payer's folder.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
}

/// No folder can be named.
#[derive(Debug, thiserror::Error)]
#[error("there is no home folder to keep wallets in: set MICA_HOME or pass --home")]
pub struct NoHome;

impl Home {
    /// `given`, or `~/.mica`. Creates nothing.
    ///
    /// # Errors
    /// [`NoHome`] if neither is known.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, NoHome> {
        let root = match given {
            Some(path) => path.to_owned(),
            None => std::env::home_dir()
                .filter(|home| !home.as_os_str().is_empty())
                .ok_or(NoHome)?
                .join(".mica"),
        };
        Ok(Self { root })
    }

    /// The folder `root`. Creates nothing.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the wallets.
    pub(crate) fn wallets(&self) -> PathBuf {
        self.root.join("wallets")
    }

    /// Folder of heads of models.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// The settings.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The peer key of a hub.
    pub(crate) fn hub_key(&self) -> PathBuf {
        self.root.join("hub.key")
    }

    /// How a hub stands, as it writes itself.
    pub(crate) fn hub_status(&self) -> PathBuf {
        self.root.join("hub-status.json")
    }

    /// What was typed into `mica chat`.
    pub(crate) fn chat_history(&self) -> PathBuf {
        self.root.join("chat-history")
    }

    /// The database.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.redb")
    }

    /// Creates the folders, private to their owner.
    ///
    /// # Errors
    /// [`FileError`] if the system refuses.
    pub(crate) fn create(&self) -> Result<(), FileError> {
        files::create_private_folder(&self.root)?;
        files::create_private_folder(&self.wallets())
    }
}

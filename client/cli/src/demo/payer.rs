//! The demo's payer: a folder as everybody's, with which one can go on.

use std::path::{Path, PathBuf};

use mica_wallet::{Keystore, Password, Secret, WordCount, files};

use super::DemoError;
use crate::config::{ConfigFile, Key};
use crate::home::Home;

/// Name of the wallet: the one that commands use by default.
const WALLET: &str = "default";

/// The payer's folder.
#[derive(Clone, Debug)]
pub(crate) struct PayerFolder {
    home: Home,
}

impl PayerFolder {
    /// An empty one inside `folder`.
    ///
    /// # Errors
    /// [`DemoError::File`] if the system refuses.
    pub(super) fn create(folder: &Path) -> Result<Self, DemoError> {
        let home = Home::at(folder.join("payer"));
        home.create()?;
        Ok(Self { home })
    }

    /// The database.
    pub(super) fn state(&self) -> PathBuf {
        self.home.state()
    }

    /// Heads of models.
    pub(super) fn models(&self) -> PathBuf {
        self.home.models()
    }

    /// What `MICA_HOME` must be to go on.
    pub(crate) fn path(&self) -> &Path {
        self.home.root()
    }

    /// Puts the wallet of `secret` into it, and the settings with which every command finds the
    /// chain, the model and the wallet's password.
    ///
    /// # Errors
    /// [`DemoError`] if something cannot be written.
    pub(super) fn settle(
        &self,
        secret: &Secret,
        node_url: &str,
        model: Option<&Path>,
    ) -> Result<(), DemoError> {
        // It guards play money in a folder that only its owner reads.
        let password = Secret::generate(WordCount::Twelve)?.phrase()?.to_string();
        let path = self.home.root().join("password");
        files::write_new_private(&path, password.as_bytes())?;
        Keystore::new(self.home.wallets()).create(WALLET, secret, &Password::new(&password))?;
        let mut settings = ConfigFile::empty(&self.home.config());
        settings.set(Key::NodeUrl, node_url)?;
        settings.set(Key::PasswordFile, &path.display().to_string())?;
        if let Some(model) = model {
            let model = std::path::absolute(model).unwrap_or_else(|_| model.to_owned());
            settings.set(Key::ModelFile, &model.display().to_string())?;
        }
        Ok(settings.save()?)
    }
}

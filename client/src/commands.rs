//! One file per noun: what `mica <noun> …` does.

pub mod ask;
pub mod channel;
pub mod completions;
pub mod demo;
pub mod gateway;
pub mod market;
pub mod quote;
pub mod receipt;
pub mod wallet;

use mica_chain::{Chain, Signer};

use crate::{
    cli::Global,
    error::CommandError,
    home::Home,
    output::Output,
    progress::Progress,
    store::Store,
    wallet::{Keystore, PasswordSource, Secret},
};

/// What every command is given: where things lie and how to speak.
pub struct Context {
    /// The options of every command.
    pub global: Global,
    /// The payer's folder.
    pub home: Home,
    /// Form of the results.
    pub output: Output,
    /// Form of the progress.
    pub progress: Progress,
}

impl Context {
    /// From the command line.
    ///
    /// # Errors
    /// [`CommandError`] if there is no home folder.
    pub fn new(global: Global) -> Result<Self, CommandError> {
        let home = Home::find(global.home.as_deref())?;
        let output = if global.json { Output::Json } else { Output::Text };
        let progress = if global.quiet { Progress::Silent } else { Progress::Shown };
        Ok(Self { global, home, output, progress })
    }

    /// The wallets.
    pub fn keystore(&self) -> Keystore {
        Keystore::new(self.home.wallets())
    }

    /// Where passwords come from.
    pub fn passwords(&self) -> PasswordSource {
        PasswordSource::from_environment(self.global.password_file.clone())
    }

    /// Opens the chosen wallet, asking for its password if need be.
    ///
    /// # Errors
    /// [`CommandError`] if there is none or the password is wrong.
    pub fn unlock(&self) -> Result<(Secret, Signer), CommandError> {
        let name = &self.global.wallet;
        let keystore = self.keystore();
        // A missing or broken wallet is told before anybody types a password.
        keystore.read(name)?;
        let secret = keystore.unlock(name, &self.passwords().existing(name)?)?;
        let signer = secret.account()?;
        Ok((secret, signer))
    }

    /// Opens the payer's database.
    ///
    /// # Errors
    /// [`CommandError`] if it is in use or damaged.
    pub fn store(&self) -> Result<Store, CommandError> {
        self.home.create()?;
        Ok(Store::open(&self.home.state())?)
    }

    /// Connects to the node.
    ///
    /// # Errors
    /// [`CommandError`] if it does not answer or is not a Mica node.
    pub async fn chain(&self) -> Result<Chain, CommandError> {
        Ok(Chain::connect(&self.global.node_url).await?)
    }
}

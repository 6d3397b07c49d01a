//! What a command works with: settings, folders, keys, the node, and how to speak.

use std::path::Path;
use std::sync::Arc;

use mica_chain::{AccountId, Chain, Signer, View};

use crate::config::{ConfigError, ConfigFile, Settings};
use crate::confirm::Confirmation;
use crate::error::CommandError;
use crate::home::Home;
use crate::options::Global;
use crate::options::Output;
use crate::password_prompt;
use crate::progress::Progress;
use mica_payer::ask::Notices;
use mica_payer::channels::Payer;
use mica_payer::heads::Heads;
use mica_payer::market::Memory;
use mica_payer::model::LocalModel;
use mica_payer::store::Store;
use mica_wallet::{
    AccountKey, ChannelSigners, Keystore, PasswordRole, PasswordSource, Secret, UnlockError,
    WalletFile,
};

/// Blocks behind which finality stands still, at a block every three seconds: for more than a
/// minute.
pub(crate) const MAX_UNFINAL_BLOCKS: u32 = 24;

/// What every command is given: where things lie and how to speak.
pub(crate) struct Context {
    /// The options of every command.
    pub global: Global,
    /// The payer's folder.
    pub home: Home,
    /// What options, environment and file come to.
    pub settings: Settings,
    /// What is wrong with the file, for commands that work without it.
    pub config_problem: Option<ConfigError>,
    /// Form of the results.
    pub output: Output,
    /// Form of the progress.
    pub progress: Progress,
}

impl Context {
    /// From the command line and the settings.
    ///
    /// # Errors
    /// [`CommandError`] if there is no home folder, or the settings cannot be used.
    pub(crate) fn new(global: Global) -> Result<Self, CommandError> {
        let context = Self::lenient(global)?;
        match context.config_problem {
            Some(problem) => Err(problem.into()),
            None => Ok(context),
        }
    }

    /// The same where settings that cannot be used are replaced by the defaults.
    ///
    /// # Errors
    /// [`CommandError`] if there is no home folder.
    pub(crate) fn lenient(global: Global) -> Result<Self, CommandError> {
        let home = Home::find(global.home.as_deref())?;
        let read = ConfigFile::load(&home.config()).and_then(|file| {
            file.check()?;
            Settings::new(&global, &file)
        });
        let (settings, config_problem) = match read {
            Ok(settings) => (settings, None),
            // Without a file only the command line is left, and clap has checked it.
            Err(problem) => {
                (Settings::new(&global, &ConfigFile::empty(&home.config()))?, Some(problem))
            }
        };
        let output = settings.output;
        let progress = if global.quiet { Progress::Silent } else { Progress::Shown };
        Ok(Self { global, home, settings, config_problem, output, progress })
    }

    /// The wallets.
    pub(crate) fn keystore(&self) -> Keystore {
        Keystore::new(self.home.wallets())
    }

    /// Where the wallet's password comes from.
    pub(crate) fn passwords(&self) -> PasswordSource {
        password_prompt::source(PasswordRole::Wallet, self.settings.password_file.clone())
    }

    /// Heads of models that were fetched.
    pub(crate) fn heads(&self) -> Heads {
        Heads::new(self.home.models())
    }

    /// The model that `name` names on the chain: `file` if it is that, else what is here, else its
    /// head from its workers.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such model or nobody gives its head.
    pub(crate) async fn named_model(
        &self,
        view: &View,
        name: &str,
        file: Option<&Path>,
    ) -> Result<LocalModel, CommandError> {
        let files = file.map(|file| LocalModel::open(Some(file))).transpose()?;
        let mut step = None;
        let mut bytes = 0u64;
        let heads = self.heads();
        let found = heads.named(view, name, files.into_iter().collect(), |came| {
            bytes += came;
            let step = step.get_or_insert_with(|| {
                self.progress.step(format!("fetching tokenizer and template of {name}"))
            });
            step.now(&format!("{} KiB", bytes >> 10));
        });
        let model = found.await?;
        if let Some(step) = step {
            step.done(&format!("{} KiB, kept for the next time", bytes >> 10));
        }
        Ok(model)
    }

    /// Whether questions are answered in advance.
    pub(crate) fn confirmation(&self) -> Confirmation {
        if self.global.yes { Confirmation::Given } else { Confirmation::Ask }
    }

    /// The chosen wallet's account, which its file says in clear.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such wallet or its file is broken.
    pub(crate) fn account(&self) -> Result<AccountId, CommandError> {
        let address = self.keystore().read(&self.settings.wallet)?.address;
        mica_chain::address::parse(&address).map_err(|_| CommandError::Address(address))
    }

    /// Opens the chosen wallet, asking for its password if need be.
    ///
    /// # Errors
    /// [`CommandError`] if there is none or the password is wrong.
    pub(crate) fn unlock(&self) -> Result<(Secret, Signer), CommandError> {
        let name = &self.settings.wallet;
        let keystore = self.keystore();
        // A missing or broken wallet is told before anybody types a password.
        let file = keystore.read(name)?;
        let secret = keystore.unlock(name, &self.passwords().existing(name)?)?;
        self.keep_hot_keys(&file, &secret.channel_signers(file.hot_key));
        let signer = secret.account().clone();
        Ok((secret, signer))
    }

    /// The chosen wallet's account, with its key locked until something must be signed with it.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such wallet or its file is broken.
    pub(crate) fn account_key(&self) -> Result<AccountKey, CommandError> {
        let (account, name) = (self.account()?, self.settings.wallet.clone());
        let (keystore, passwords) = (self.keystore(), self.passwords());
        Ok(AccountKey::locked(account, move |purpose| {
            Ok(open(&keystore, &name, &passwords, purpose)?.account().clone())
        }))
    }

    /// The chosen wallet's keys for a program that goes on, and what opens the account's from now
    /// on. What opens it without anybody's help is tried once, and the key is forgotten again; a
    /// person is asked now, since later nobody may be there.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such wallet, or nothing opens it.
    pub(crate) fn lasting_keys(
        &self,
        passwords: PasswordSource,
        purpose: &str,
    ) -> Result<(AccountKey, ChannelSigners, Unlocked), CommandError> {
        let (name, keystore) = (self.settings.wallet.clone(), self.keystore());
        let (account, file) = (self.account()?, keystore.read(&name)?);
        let hot = keystore.hot_key(&name, &file)?;
        let secret = open(&keystore, &name, &passwords, purpose)?;
        let signers = hot.unwrap_or_else(|| secret.channel_signers(file.hot_key));
        self.keep_hot_keys(&file, &signers);
        let Some(from) = passwords.unattended() else {
            return Ok((secret.account().clone().into(), signers, Unlocked::ByPerson));
        };
        let key = AccountKey::on_demand(account, move |purpose| {
            Ok(open(&keystore, &name, &passwords, purpose)?.account().clone())
        });
        Ok((key, signers, Unlocked::OnDemand { from }))
    }

    /// Writes the hot keys down if they are not there.
    fn keep_hot_keys(&self, file: &WalletFile, signers: &ChannelSigners) {
        let (keystore, name) = (self.keystore(), &self.settings.wallet);
        if let Ok(None) = keystore.hot_key(name, file)
            && let Err(error) = keystore.write_hot_key(name, file, signers)
        {
            self.progress.note(&format!(
                "the hot key could not be kept, so the next prompt asks for the password again: \
                 {error}"
            ));
        }
    }

    /// The chosen wallet's keys: the account's locked, and the hot ones. Only a wallet whose hot
    /// key is not there is opened at once.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such wallet, or a file of it cannot be used.
    pub(crate) fn keys(&self) -> Result<(AccountKey, ChannelSigners), CommandError> {
        let (name, keystore) = (&self.settings.wallet, self.keystore());
        let file = keystore.read(name)?;
        if let Some(hot) = keystore.hot_key(name, &file)? {
            return Ok((self.account_key()?, hot));
        }
        self.progress.note(&format!(
            "wallet '{name}' has no hot key yet: it is made with the wallet's password"
        ));
        let (secret, signer) = self.unlock()?;
        Ok((signer.into(), secret.channel_signers(file.hot_key)))
    }

    /// The chosen wallet as a payer on the node's chain.
    ///
    /// # Errors
    /// [`CommandError`] if the wallet cannot be used or the node does not answer.
    pub(crate) async fn payer(&self) -> Result<Payer, CommandError> {
        let (account, signer) = self.keys()?;
        let chain = self.chain().await?;
        let (best, last) = (chain.best().await?.number, chain.finalized().await?.number);
        let behind = best.saturating_sub(last);
        if behind > MAX_UNFINAL_BLOCKS {
            self.progress.note(&format!(
                "warning: finality lies {behind} blocks behind: the market is seen as of block \
                 {last}, and workers do not take new deposits before they are final; see `mica \
                 doctor`"
            ));
        }
        Ok(Payer { chain, account, signer })
    }

    /// Opens the payer's database.
    ///
    /// # Errors
    /// [`CommandError`] if it is in use or damaged.
    pub(crate) fn store(&self) -> Result<Store, CommandError> {
        self.home.create()?;
        Ok(Store::open(&self.home.state())?)
    }

    /// What is remembered of the workers of this chain; nothing if there is no database.
    ///
    /// # Errors
    /// [`CommandError`] if the database is in use or damaged.
    pub(crate) fn memory(&self, chain: &Chain) -> Result<Memory, CommandError> {
        if !self.home.state().exists() {
            return Ok(Memory::none());
        }
        let store = Store::open(&self.home.state())?;
        Ok(Memory::open(Arc::new(store), chain.genesis_hash())?)
    }

    /// The same for commands that only look and do without it. They let go of the database at once:
    /// somebody may ask meanwhile.
    pub(crate) fn memory_if_free(&self, chain: &Chain) -> Memory {
        self.memory(chain).map(Memory::detached).unwrap_or_else(|error| {
            self.progress
                .note(&format!("what is remembered of workers is not taken into account: {error}"));
            Memory::none()
        })
    }

    /// Where channels, records and fees are told of.
    pub(crate) fn notices(&self) -> Notices {
        let progress = self.progress;
        Box::new(move |line| progress.note(line))
    }

    /// Connects to the node.
    ///
    /// # Errors
    /// [`CommandError`] if it does not answer, is not a Mica node, or is of another chain than the
    /// settings say.
    pub(crate) async fn chain(&self) -> Result<Chain, CommandError> {
        let chain = Chain::connect(&self.settings.node_url).await?;
        match self.settings.genesis {
            Some(expected) if expected != chain.genesis_hash() => Err(CommandError::ForeignChain {
                url: self.settings.node_url.clone(),
                expected: hex::encode(expected),
                found: hex::encode(chain.genesis_hash()),
            }),
            _ => Ok(chain),
        }
    }
}

/// What opens the account's key of a program that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlocked {
    /// A source of the password that needs nobody, for each use.
    OnDemand {
        /// Which: an option or a variable.
        from: &'static str,
    },
    /// A person typed it once, and the key is open.
    ByPerson,
}

fn open(
    keystore: &Keystore,
    name: &str,
    passwords: &PasswordSource,
    purpose: &str,
) -> Result<Secret, UnlockError> {
    let password = passwords.of(&format!("wallet '{name}', for {purpose}"))?;
    Ok(keystore.unlock(name, &password)?)
}

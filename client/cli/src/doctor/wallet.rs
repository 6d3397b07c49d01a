//! The wallet, its hot key, and where its password would come from.

use super::{Finding, shell};
use crate::context::Context;
use mica_wallet::files;
use mica_wallet::{ChannelSigners, KeystoreError, PasswordRole};

/// The public keys whose vouchers the wallet signs, as far as its files say.
pub(super) struct SignerNames {
    /// From the wallet's own file, in hexadecimal.
    current: String,
    keys: Option<ChannelSigners>,
}

impl SignerNames {
    /// Of the chosen wallet; none of one that cannot be read.
    pub(super) fn of(context: &Context) -> Self {
        let (keystore, name) = (context.keystore(), &context.settings.wallet);
        let file = keystore.read(name).ok();
        let keys = file.as_ref().and_then(|file| keystore.hot_key(name, file).ok().flatten());
        Self { current: file.map(|file| file.channel_signer).unwrap_or_default(), keys }
    }

    /// Whether it is the one of new channels.
    pub(super) fn is_current(&self, signer: &[u8; 32]) -> bool {
        hex::encode(signer) == self.current
    }

    /// Whether it is that one or one before it.
    pub(super) fn has(&self, signer: &[u8; 32]) -> bool {
        self.is_current(signer) || self.keys.as_ref().is_some_and(|keys| keys.of(signer).is_some())
    }
}

/// Whether the wallet's files are whole and the owner's alone.
pub(super) fn files(context: &Context) -> Vec<Finding> {
    let (keystore, name) = (context.keystore(), &context.settings.wallet);
    let file = match keystore.read(name) {
        Ok(file) => file,
        Err(error) => {
            let mend = match &error {
                KeystoreError::NoWallet(_) => format!("mica wallet new --wallet {name}"),
                KeystoreError::Name(_) => "mica wallet list".to_owned(),
                _ => format!("mica wallet import --wallet {name}-again"),
            };
            return vec![Finding::wrong("wallet", error.to_string(), mend)];
        }
    };
    let mut findings = vec![Finding::good("wallet", format!("'{name}', account {}", file.address))];
    if let Ok(path) = keystore.path(name)
        && let Ok(false) = files::is_private(&path)
    {
        let found = format!("others on this machine may read {}", path.display());
        findings.push(Finding::wrong("wallet", found, format!("chmod 600 {}", shell(&path))));
    }
    let hot = keystore.hot_path(name).map(|path| shell(&path)).unwrap_or_default();
    findings.push(match keystore.hot_key(name, &file) {
        Ok(Some(_)) => {
            Finding::good("hot key", "ready: prompts over open channels ask for no password")
        }
        Ok(None) => Finding::note(
            "hot key",
            "not there: the next command that opens the wallet makes it",
            "mica wallet sign hello",
        ),
        Err(error @ KeystoreError::Exposed(_)) => {
            Finding::wrong("hot key", error.to_string(), format!("chmod 600 {hot}"))
        }
        Err(error @ KeystoreError::OlderWallet(_)) => {
            let mend = format!("mica wallet find-hot-key --wallet {name}");
            Finding::wrong("hot key", error.to_string(), mend)
        }
        Err(error) => Finding::wrong("hot key", error.to_string(), format!("rm {hot}")),
    });
    findings
}

/// Whether a password is at hand, and opens the wallet if it can be tried without asking the user.
pub(super) fn password(context: &Context) -> Finding {
    let (source, name) = (context.passwords(), &context.settings.wallet);
    let file = context.settings.password_file.as_ref();
    if let Some(path) = file
        && let Ok(false) = files::is_private(path)
    {
        let found = format!("others on this machine may read {}", path.display());
        return Finding::wrong("password", found, format!("chmod 600 {}", shell(path)));
    }
    let (flag, variable) = (PasswordRole::Wallet.flag(), PasswordRole::Wallet.variable());
    let place = file.map_or_else(
        || format!("export {variable}=…"),
        |path| format!("printf '%s\\n' … > {}", shell(path)),
    );
    match source.given() {
        Err(error) => Finding::wrong("password", error.to_string(), place),
        Ok(None) if source.origin().is_some() => {
            Finding::good("password", "asked for at the terminal")
        }
        Ok(None) => {
            let found = format!(
                "nobody can be asked here: commands that need it want {flag} or {variable}"
            );
            Finding::note("password", found, "mica config set password-file FILE")
        }
        Ok(Some(password)) => match context.keystore().unlock(name, &password) {
            Ok(_) => Finding::good(
                "password",
                format!("{} opens the wallet", source.origin().unwrap_or("it")),
            ),
            Err(error @ KeystoreError::WrongPassword(_)) => {
                Finding::wrong("password", error.to_string(), place)
            }
            Err(_) => Finding::skipped("password", "there is no wallet to open"),
        },
    }
}

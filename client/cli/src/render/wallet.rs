//! Wallets on this machine, and what is done with their keys.

use mica_wallet::SecretKind;
use serde::Serialize;

use super::table::table;

/// A wallet that was created. The phrase is in it for a new one only.
#[derive(Serialize)]
pub(crate) struct CreatedWallet<'a> {
    pub(crate) wallet: &'a str,
    pub(crate) address: String,
    pub(crate) channel_signer: String,
    pub(crate) path: String,
    pub(crate) file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phrase: Option<&'a str>,
}

impl CreatedWallet<'_> {
    /// For people, without the phrase.
    pub(crate) fn to_text(&self) -> String {
        let path =
            if self.path.is_empty() { String::new() } else { format!("path     {}\n", self.path) };
        format!(
            "wallet   {}\naddress  {}\n{path}file     {}\n",
            self.wallet, self.address, self.file
        )
    }

    /// For people, with the phrase, which is shown once.
    pub(crate) fn with_phrase(&self) -> String {
        let path = if self.path.is_empty() {
            ""
        } else {
            "\nThe path belongs to them: the words alone lead to another account.\n"
        };
        format!(
            "{}\nWrite these words on paper. Who has them has the money, and nothing else brings \
             it back:\n\n  {}\n{path}",
            self.to_text(),
            self.phrase.unwrap_or_default()
        )
    }
}

/// A wallet on this machine, or why its file cannot be used.
#[derive(Serialize)]
pub(crate) struct WalletEntry {
    pub(crate) wallet: String,
    pub(crate) selected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<SecretKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// All wallets, for people.
pub(crate) fn list(wallets: &[WalletEntry]) -> String {
    if wallets.is_empty() {
        return "no wallets yet: make one with `mica wallet new`".into();
    }
    let row = |entry: &WalletEntry| {
        let mark = if entry.selected { "*" } else { "" };
        let address = entry.address.clone().or_else(|| entry.error.clone()).unwrap_or_default();
        vec![mark.to_owned(), entry.wallet.clone(), address]
    };
    table(&[" ", "WALLET", "ADDRESS"], &wallets.iter().map(row).collect::<Vec<_>>())
}

/// What a wallet's file says in clear.
#[derive(Serialize)]
pub(crate) struct WalletDetails {
    pub(crate) wallet: String,
    pub(crate) address: String,
    pub(crate) public_key: String,
    pub(crate) channel_signer: String,
    pub(crate) kind: SecretKind,
    pub(crate) path: String,
    pub(crate) file: String,
    pub(crate) hot_key: &'static str,
    pub(crate) hot_key_file: String,
}

impl WalletDetails {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let path = if self.path.is_empty() { "none" } else { &self.path };
        format!(
            "wallet      {}\naddress     {}\npublic key  {}\nhot key     {} ({})\nmade from   a \
             {}\npath        {path}\nfile        {}\n",
            self.wallet,
            self.address,
            self.public_key,
            self.channel_signer,
            self.hot_key,
            self.kind,
            self.file
        )
    }
}

/// A wallet's secret in words.
#[derive(Serialize)]
pub(crate) struct Phrase<'a> {
    pub(crate) wallet: &'a str,
    pub(crate) phrase: &'a str,
    pub(crate) path: &'a str,
}

impl Phrase<'_> {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("{}{}", self.phrase, self.path)
    }
}

/// An encrypted file that was written for another program.
#[derive(Serialize)]
pub(crate) struct ExportedFile<'a> {
    pub(crate) wallet: &'a str,
    pub(crate) address: String,
    pub(crate) file: String,
}

impl ExportedFile<'_> {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("{} is in {}, encrypted", self.address, self.file)
    }
}

/// A wallet that was deleted.
#[derive(Serialize)]
pub(crate) struct RemovedWallet {
    pub(crate) wallet: String,
    pub(crate) address: String,
}

impl RemovedWallet {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("wallet '{}' ({}) is deleted", self.wallet, self.address)
    }
}

/// A wallet whose password was changed.
#[derive(Serialize)]
pub(crate) struct PasswordChange {
    pub(crate) wallet: String,
    pub(crate) changed: bool,
}

impl PasswordChange {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("wallet '{}' has its new password", self.wallet)
    }
}

/// A wallet with another hot key.
#[derive(Serialize)]
pub(crate) struct HotKeyChange {
    pub(crate) wallet: String,
    /// Its number, from 0.
    pub(crate) hot_key: u32,
    pub(crate) channel_signer: String,
}

impl HotKeyChange {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "wallet '{}' signs for new channels with hot key {} ({})\nchannels of the keys before it \
             are used up and not topped up; `mica channel close` brings back what is in them\n\
             a gateway that runs already knows the new key when it is started again",
            self.wallet, self.hot_key, self.channel_signer
        )
    }
}

/// The hot keys of a wallet's channels.
#[derive(Serialize)]
pub(crate) struct FoundHotKeys {
    pub(crate) wallet: String,
    /// Number of the newest, from 0.
    pub(crate) hot_key: u32,
    pub(crate) channel_signer: String,
    /// Channels on chain.
    pub(crate) channels: usize,
    /// Signers that are no hot key of this wallet.
    pub(crate) unknown_signers: usize,
}

impl FoundHotKeys {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let unknown = match self.unknown_signers {
            0 => String::new(),
            count => format!(
                "\n{count} signers of channels are no hot key of this wallet: `mica channel close` \
                 brings back what is in them"
            ),
        };
        format!(
            "wallet '{}' signs for new channels with hot key {} ({}), and for the {} channels on \
             chain with those that they were opened with{unknown}",
            self.wallet, self.hot_key, self.channel_signer, self.channels
        )
    }
}

/// A signature of a message.
#[derive(Serialize)]
pub(crate) struct Signature {
    pub(crate) address: String,
    pub(crate) signature: String,
}

/// A signature that is the account's over the message.
#[derive(Serialize)]
pub(crate) struct VerifiedSignature {
    pub(crate) address: String,
    pub(crate) valid: bool,
}

impl VerifiedSignature {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("signed by {}", self.address)
    }
}

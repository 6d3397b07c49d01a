//! Where a wallet's password comes from: a file, the environment, or the person at the terminal.

use std::io::IsTerminal;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// Least characters of a new wallet's password.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// Most bytes of a password or of a file that holds one.
const MAX_PASSWORD_BYTES: u64 = 1024;
/// Environment variable that may hold the password.
pub const PASSWORD_VARIABLE: &str = "MICA_PASSWORD";

/// A password; wiped when dropped.
pub struct Password(Zeroizing<String>);

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("cannot read the password file: {0}")]
    File(#[from] FileError),
    /// The file is not text.
    #[error("the password file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Nobody to ask.
    #[error("there is no terminal to ask for the wallet's password: pass --password-file FILE or set {PASSWORD_VARIABLE}")]
    NoTerminal,
    /// The terminal failed.
    #[error("cannot read the password from the terminal: {0}")]
    Terminal(std::io::Error),
    /// Two different passwords for a new wallet.
    #[error("the two passwords differ; no wallet was made: try again")]
    Differ,
    /// Too weak for a new wallet.
    #[error("a new wallet needs a password of at least {MIN_PASSWORD_CHARS} characters; no wallet was made")]
    TooShort,
}

/// Where to look for the password.
#[derive(Clone, Debug, Default)]
pub struct PasswordSource {
    /// `--password-file`: its first line.
    pub file: Option<PathBuf>,
    /// `MICA_PASSWORD`.
    pub variable: Option<String>,
}

impl PasswordSource {
    /// `file` as given, and the environment.
    pub fn from_environment(file: Option<PathBuf>) -> Self {
        Self { file, variable: std::env::var(PASSWORD_VARIABLE).ok() }
    }

    /// The password of an existing wallet.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one.
    pub fn existing(&self, wallet: &str) -> Result<Password, PasswordError> {
        match self.given()? {
            Some(password) => Ok(password),
            None => prompt(&format!("Password of wallet '{wallet}': ")),
        }
    }

    /// A password for a new wallet; asked for twice at the terminal.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one, or it is too short, or the two differ.
    pub fn new_wallet(&self, wallet: &str) -> Result<Password, PasswordError> {
        let password = match self.given()? {
            Some(password) => password,
            None => {
                let first = prompt(&format!("New password for wallet '{wallet}': "))?;
                let second = prompt("The same again: ")?;
                if *first.0 != *second.0 {
                    return Err(PasswordError::Differ);
                }
                first
            }
        };
        if password.0.chars().count() < MIN_PASSWORD_CHARS { Err(PasswordError::TooShort) } else { Ok(password) }
    }

    fn given(&self) -> Result<Option<Password>, PasswordError> {
        if let Some(path) = &self.file {
            let bytes = Zeroizing::new(files::read_bounded(path, MAX_PASSWORD_BYTES)?);
            let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText(path.clone()))?;
            return Ok(Some(Password::new(text.lines().next().unwrap_or_default())));
        }
        Ok(self.variable.as_deref().map(Password::new))
    }
}

impl Password {
    /// Takes the text as it is.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The bytes that go into the key derivation.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn prompt(question: &str) -> Result<Password, PasswordError> {
    if !std::io::stdin().is_terminal() {
        return Err(PasswordError::NoTerminal);
    }
    rpassword::prompt_password(question).map(|text| Password(Zeroizing::new(text))).map_err(PasswordError::Terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: Option<PathBuf>, variable: Option<&str>) -> PasswordSource {
        PasswordSource { file, variable: variable.map(str::to_owned) }
    }

    #[test]
    fn the_file_goes_before_the_variable_and_only_its_first_line_counts() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "from the file\r\nsecond line\n").expect("written");
        let password = source(Some(path), Some("from the variable")).existing("w").expect("password");
        assert_eq!(password.as_bytes(), b"from the file");
        let password = source(None, Some("from the variable")).existing("w").expect("password");
        assert_eq!(password.as_bytes(), b"from the variable");
    }

    #[test]
    fn unusable_sources_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("password");
        assert!(matches!(source(Some(path.clone()), None).existing("w"), Err(PasswordError::File(_))));
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(matches!(source(Some(path.clone()), None).existing("w"), Err(PasswordError::NotText(_))));
        std::fs::write(&path, vec![b'a'; 2000]).expect("written");
        assert!(matches!(source(Some(path), None).existing("w"), Err(PasswordError::File(_))));
        assert!(matches!(source(None, Some("short")).new_wallet("w"), Err(PasswordError::TooShort)));
    }
}

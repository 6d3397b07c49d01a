//! The payer's settings: `config.toml` in the home folder.
//!
//! A key has the name of the option that it stands for. What counts is, in this order: the option
//! on the command line, the environment variable, the file, the default. Tables in the file belong
//! to other commands and are left alone; an unknown key at the top level is an error, because a
//! misspelt limit is no limit.

mod key;
mod settings;

pub use key::{Key, parse_alpha, parse_hubs};
pub use settings::Settings;

use std::path::{Path, PathBuf};

use toml_edit::DocumentMut;

use mica_wallet::files::{self, FileError};

/// Most bytes of the file.
const MAX_BYTES: u64 = 64 * 1024;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, or not text.
    #[error("{} is not TOML ({reason}): mend that line, or move the file away to start anew", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// An unknown key at the top level.
    #[error("{} has a key '{key}' that means nothing: `mica config list` shows those that there are", .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A value that the key cannot have.
    #[error(
        "'{value}' cannot be {key}: {reason}; set another with `mica config set {key} VALUE`, or \
         `mica config unset {key}`"
    )]
    Value {
        /// The key.
        key: Key,
        /// As it was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The file, with its comments.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    document: DocumentMut,
}

impl ConfigFile {
    /// Settings for `path`, none of them set yet.
    pub fn empty(path: &Path) -> Self {
        Self { path: path.into(), document: DocumentMut::new() }
    }

    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`], or [`ConfigError::File`] if it cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let malformed = |reason: String| ConfigError::Malformed { path: path.into(), reason };
        let bytes = match files::read_bounded(path, MAX_BYTES) {
            Err(FileError::Missing(_)) => return Ok(Self::empty(path)),
            other => other?,
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed("it is no UTF-8 text".into()))?;
        let document = text
            .parse()
            .map_err(|error: toml_edit::TomlError| malformed(one_line(&error.to_string())))?;
        Ok(Self { path: path.into(), document })
    }

    /// Whether every key is known and every value possible.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`], [`ConfigError::Value`]: the first that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, item) in self.document.iter() {
            if !item.is_table()
                && !item.is_array_of_tables()
                && !Key::ALL.iter().any(|key| key.name() == name)
            {
                return Err(ConfigError::Unknown { path: self.path.clone(), key: name.into() });
            }
        }
        Key::ALL.iter().try_for_each(|key| self.get(*key).map(|_| ()))
    }

    /// The value of a key as text, if the file has one.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if the key cannot have it.
    pub fn get(&self, key: Key) -> Result<Option<String>, ConfigError> {
        let Some(item) = self.document.get(key.name()) else { return Ok(None) };
        let text = match item.as_value() {
            Some(value) => value.as_str().map_or_else(|| bare(value), str::to_owned),
            None => item.to_string().trim().to_owned(),
        };
        key.check(&text).map(|()| Some(text))
    }

    /// Gives a key a value; comments and the order of keys stay.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn set(&mut self, key: Key, text: &str) -> Result<(), ConfigError> {
        key.check(text)?;
        let mut value = key.value(text);
        match self.document.get_mut(key.name()) {
            Some(old) => {
                // A comment behind the old value stays where it is.
                if let Some(old) = old.as_value() {
                    *value.decor_mut() = old.decor().clone();
                }
                *old = toml_edit::Item::Value(value);
            }
            None => {
                self.document.insert(key.name(), toml_edit::Item::Value(value));
            }
        }
        Ok(())
    }

    /// Takes a key out; says whether it was there.
    pub fn unset(&mut self, key: Key) -> bool {
        self.document.remove(key.name()).is_some()
    }

    /// Writes the file in one step.
    ///
    /// # Errors
    /// [`ConfigError::File`]; the old file is whole then.
    pub fn save(&self) -> Result<(), ConfigError> {
        Ok(files::replace_private(&self.path, self.document.to_string().as_bytes())?)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A value without the space and the comment around it.
fn bare(value: &toml_edit::Value) -> String {
    value.clone().decorated("", "").to_string()
}

/// The first and the last line of the parser's snapshot: where, and what.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) if first != last => format!("{first}: {last}"),
        (Some(only), _) => (*only).to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

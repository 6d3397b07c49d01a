//! Settings of the payer.

use serde::Serialize;

use super::table::table;
use crate::config::Key;

/// What a setting comes to, and where that comes from.
#[derive(Serialize)]
pub(crate) struct Setting {
    key: &'static str,
    value: Option<String>,
    from: &'static str,
    meaning: &'static str,
}

impl Setting {
    /// `key` has `value`, which comes `from` there.
    pub(crate) fn new(key: Key, value: Option<String>, from: &'static str) -> Self {
        Self { key: key.name(), value, from, meaning: key.meaning() }
    }

    /// The value alone.
    pub(crate) fn value(&self) -> String {
        self.value.clone().unwrap_or_default()
    }

    /// What the file says after it was changed.
    pub(crate) fn written(&self) -> String {
        match &self.value {
            Some(value) => format!("{} = {value}", self.key),
            None => format!("{} is not set", self.key),
        }
    }

    fn row(&self) -> Vec<String> {
        let value = self.value.clone().unwrap_or_else(|| "-".into());
        vec![self.key.to_owned(), value, self.from.to_owned(), self.meaning.to_owned()]
    }
}

/// All settings, for people.
pub(crate) fn list(settings: &[Setting]) -> String {
    let rows: Vec<Vec<String>> = settings.iter().map(Setting::row).collect();
    table(&["SETTING", "VALUE", "FROM", "MEANING"], &rows)
}

/// Where the file lies.
#[derive(Serialize)]
pub(crate) struct ConfigPath {
    pub(crate) path: String,
}

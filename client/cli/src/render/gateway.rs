//! The gateway when it begins to listen, and its keys.

use std::net::SocketAddr;

use mica_chain::amount;
use mica_gateway::{Config, keys::StoredKey};
use mica_host::json::Money;
use serde::Serialize;

use super::table::table;
use crate::context::Unlocked;

/// Where the gateway listens, what it serves, and within which limits.
#[derive(Serialize)]
pub(crate) struct Listening {
    listening: SocketAddr,
    is_encrypted: bool,
    models: Vec<String>,
    is_locked: bool,
    max_day: Money,
    max_price_per_token: Option<Money>,
    keys: usize,
    /// What opens the account's key: an option, a variable, or `terminal`.
    account: Option<&'static str>,
    #[serde(skip)]
    unlock_hours: u64,
}

impl Listening {
    /// A gateway with these settings and so many keys.
    pub(crate) fn new(
        listening: SocketAddr,
        models: Vec<String>,
        config: &Config,
        keys: usize,
        unlocked: Option<Unlocked>,
    ) -> Self {
        Self {
            listening,
            is_encrypted: config.tls.is_some(),
            models,
            is_locked: unlocked.is_none(),
            max_day: Money(config.limits.day()),
            max_price_per_token: config.path.max_price_per_token.map(Money),
            keys,
            account: unlocked.map(|unlocked| match unlocked {
                Unlocked::OnDemand { from } => from,
                Unlocked::ByPerson => "terminal",
            }),
            unlock_hours: config.unlock_hours,
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let price = self.max_price_per_token.as_ref().map_or_else(String::new, |price| {
            format!(" and {} for a token (--max-price-per-token)", amount::format(price.0))
        });
        let door = match self.keys {
            0 => "nobody needs a key: only programs on this machine reach it".to_owned(),
            1 => "1 key may ask".to_owned(),
            keys => format!("{keys} keys may ask"),
        };
        let account = match self.account {
            None => "the wallet is locked: requests are refused until it is started with \
                     --password-file"
                .to_owned(),
            Some("terminal") => format!(
                "the account's key opens channels for {} hours and is forgotten then",
                self.unlock_hours
            ),
            Some(source) => format!("the account's key is opened by {source}, for each use alone"),
        };
        format!(
            "listening on {scheme}://{}\nmodels: {}\nlimits: at most {} a day (--max-day)\
             {price}\nkeys: {door}\nwallet: {account}",
            self.listening,
            self.models.join(", "),
            amount::format(self.max_day.0),
        )
    }
}

/// A key that was made.
#[derive(Serialize)]
pub(crate) struct NewKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
    pub(crate) file: String,
}

impl NewKey<'_> {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "key '{}', which is shown now and kept nowhere ({} has its hash):\n\n  {}\n\nSend it \
             as `Authorization: Bearer KEY`.",
            self.name, self.file, self.key
        )
    }
}

/// A key that there is.
#[derive(Serialize)]
pub(crate) struct KeyEntry {
    name: String,
    per_day: Option<Money>,
    per_request: Option<Money>,
}

impl From<StoredKey> for KeyEntry {
    fn from(key: StoredKey) -> Self {
        let (per_day, per_request) = (key.day.map(Money), key.request.map(Money));
        Self { name: key.name, per_day, per_request }
    }
}

/// All keys, for people.
pub(crate) fn keys(entries: &[KeyEntry]) -> String {
    if entries.is_empty() {
        return "no keys yet: make one with `mica gateway keys add NAME`".into();
    }
    let cap = |money: &Option<Money>| {
        money.as_ref().map_or_else(|| "-".to_owned(), |money| amount::format(money.0))
    };
    let row =
        |entry: &KeyEntry| vec![entry.name.clone(), cap(&entry.per_day), cap(&entry.per_request)];
    table(&["KEY", "PER DAY", "PER REQUEST"], &entries.iter().map(row).collect::<Vec<_>>())
}

/// A key that lets nobody in any more.
#[derive(Serialize)]
pub(crate) struct KeyRemoved<'a> {
    pub(crate) name: &'a str,
}

impl KeyRemoved<'_> {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("key '{}' lets nobody in any more", self.name)
    }
}

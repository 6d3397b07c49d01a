//! The gateway when it begins to listen.

use std::net::SocketAddr;

use serde::Serialize;

/// Where the gateway listens and what it serves.
#[derive(Serialize)]
pub(crate) struct Listening {
    pub(crate) listening: SocketAddr,
    pub(crate) models: Vec<String>,
    pub(crate) is_locked: bool,
}

impl Listening {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let locked = if self.is_locked {
            "\nthe wallet is locked: requests are refused until it is started with --password-file"
        } else {
            ""
        };
        format!(
            "listening on http://{}\nmodels: {}{locked}",
            self.listening,
            self.models.join(", ")
        )
    }
}

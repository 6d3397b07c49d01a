//! What became of an extrinsic that was looked up.

use mica_chain::{Fate, amount};
use mica_host::json::Money;
use mica_primitives::{BlockNumber, Hash32};
use serde::Serialize;

use super::sent::hash;

/// What is known of an extrinsic.
#[derive(Serialize)]
pub(crate) struct ExtrinsicStatus {
    extrinsic: String,
    /// `final`, `included`, `failed`, `waiting` or `unknown`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Money>,
    events: Vec<String>,
}

impl ExtrinsicStatus {
    /// What was found of this extrinsic.
    pub(crate) fn new(extrinsic: &Hash32, fate: &Fate) -> Self {
        let status = Self {
            extrinsic: hash(extrinsic),
            state: "unknown",
            block: None,
            is_final: None,
            fee: None,
            events: Vec::new(),
        };
        match fate {
            Fate::Nowhere(_) => status,
            Fate::Waiting => Self { state: "waiting", ..status },
            Fate::Included(found) => Self {
                state: match (&found.failure, found.is_final) {
                    (Some(_), _) => "failed",
                    (None, true) => "final",
                    (None, false) => "included",
                },
                block: Some(found.block.number),
                is_final: Some(found.is_final),
                fee: Some(Money(found.fee)),
                events: found
                    .events
                    .iter()
                    .map(|event| format!("{}.{}", event.pallet, event.name))
                    .collect(),
                ..status
            },
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let done = if self.state == "failed" { "failed" } else { "done" };
        let state = match (self.block, self.is_final) {
            (Some(block), Some(true)) => format!("{done} in block {block}, which is final"),
            (Some(block), _) => format!("{done} in block {block}, which is not final yet"),
            (None, _) => self.state.to_owned(),
        };
        let fee =
            self.fee.map_or(String::new(), |fee| format!("\nfee        {}", amount::format(fee.0)));
        format!("extrinsic  {}\nstate      {state}{fee}\n", self.extrinsic)
    }
}

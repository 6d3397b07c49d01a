//! An extrinsic that was sent.

use mica_chain::amount;
use mica_host::json::Money;
use serde::Serialize;

use crate::options::Wait;
use crate::send;

/// What became of an extrinsic, as far as it was followed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sent {
    extrinsic: String,
    wait: Wait,
    /// The block that holds it; nothing if none was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u32>,
    /// What it cost; nothing if no block was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Money>,
    /// The events that it left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
}

impl From<send::Sent> for Sent {
    fn from(sent: send::Sent) -> Self {
        Self {
            extrinsic: hash(&sent.extrinsic),
            wait: sent.wait,
            block: sent.block,
            fee: sent.fee.map(Money),
            events: sent.events,
        }
    }
}

impl Sent {
    /// Where it is and what it cost, for people.
    pub(crate) fn to_text(&self) -> String {
        match (self.block, self.fee) {
            (Some(block), Some(Money(fee))) => {
                format!("fee {}, block {block}", amount::format(fee))
            }
            _ => format!(
                "the node has it; `mica wallet status {}` tells what became of it",
                self.extrinsic
            ),
        }
    }
}

/// The hash of an extrinsic or a root: `0x` and 64 digits.
pub(crate) fn hash(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

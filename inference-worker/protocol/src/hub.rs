//! A hub's side: relays, by which a payer with one channel to the hub pays any payee to which the
//! hub has a channel.
//!
//! ```text
//! payer ── lane of its channel ──▶ hub ── lane of its channel ──▶ payee (a worker, or another hub)
//!            unit + fee                     unit                  both over one tick chain
//! ```
//! A hub speaks with payers and with the chain, never with those that it promises to: its payer
//! brings its promises there. It sees no prompt and no answer.
//!
//! **What it risks.** It has been shown `n` positions' worth of ticks, and what it promises reaches
//! `n + credit` positions at most. A payer and a payee that conspire can be paid those ahead; but
//! the payee must show them to the chain, and the hub claims them with the same preimage
//! ([`HubInput::Shown`]), later than the payee: what it promises ends [`HUB_MARGIN_BLOCKS`] before
//! the payer's voucher does, and before the payer's channel can. A voucher that the payer has
//! replaced by another is kept for that as long as ticks of it may be shown (`earlier`), and a
//! channel is not closed before. What is left is one credit for each account, if its payer uses a
//! lane for another payee before: then it is certain who hid what, and that account is promised
//! nothing more. A lane that would leave it more is refused.
//!
//! **What it can take.** Nothing: a payer reveals no tick before it holds the hub's promise for it,
//! and shows it to the payee when it shows it to the hub. The sum at the end is what the ticks came
//! to.
//!
//! [`HUB_MARGIN_BLOCKS`]: crate::limits::HUB_MARGIN_BLOCKS

mod admission;
mod chain_news;
mod claims;
mod cover;
mod earlier;
mod ending;
mod io;
mod offer;
mod opening;
mod pauses;
mod payment;
mod relay;
mod restore;
mod shown;
mod table;

pub use earlier::EarlierChain;
pub use io::{HubInput, HubOutput, RelayEnd, RelayId};
pub use offer::{HubOffer, Payee};
pub use table::HubTable;

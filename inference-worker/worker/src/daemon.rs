//! `mica-worker run`: the tasks of a serving worker, started in order and stopped in reverse.
//!
//! `ready` makes everything that one chain needs and registers, [`serve()`] runs it. [`desk`] is
//! the middle: it owns sessions and money. [`watch`] tells it about the chain, [`redeem`] turns its
//! promises into money. [`keep`] keeps the registration alive and true: it [`compare`]s it with
//! what the worker is, looks for [`rivals`] and mends what differs. [`prices`] and [`moves`] follow
//! the market, taking [`turn`]s with it. [`origin`] notices a chain that starts anew. [`status`]
//! lets others look in.

pub mod compare;
pub mod desk;
pub mod handle;
pub mod heartbeat;
pub mod keep;
pub mod layers;
mod mend;
pub mod moves;
pub mod network;
pub mod origin;
pub mod pace;
pub mod prices;
pub mod range;
mod ready;
pub mod redeem;
pub mod register;
pub mod request;
pub mod rivals;
pub mod serve;
pub mod standing;
pub mod status;
pub mod turn;
pub mod watch;

pub use serve::serve;

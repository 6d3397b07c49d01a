//! `mica-worker run`: the tasks of a serving worker, started in order and stopped in reverse.
//!
//! [`desk`] is the middle: it owns sessions and money. [`watch`] tells it about the chain, [`redeem`] turns its promises into money,
//! [`heartbeat`] keeps the registration alive, [`prices`] and [`moves`] follow the market, [`status`] lets others look in.

pub mod desk;
pub mod handle;
pub mod heartbeat;
pub mod moves;
pub mod network;
pub mod prices;
pub mod range;
pub mod redeem;
pub mod register;
pub mod request;
pub mod serve;
pub mod status;
pub mod watch;

pub use serve::serve;

//! Behaviour of every call, every error, and every attack that the pallet's manual speaks of.

mod close;
mod ledgers;
mod locks;
mod opening;
mod overspend;
mod random;
mod redeem;
mod replay;
mod watch;

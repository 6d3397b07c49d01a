//! What Mica's programs do alike on the machine that they run on.
//!
//! [`files`] are there in full or not at all, and private to their owner; [`json`] is the one form
//! of money and of layers that programs read and write; [`lock()`] takes a mutex.
//!
//! **Architecture invariant:** nothing here knows the chain, peers, models or HTTP, so that every
//! crate of a program may use it.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod files;

pub mod json;

mod lock;

pub use lock::lock;

//! The payer's library: asks a swarm of workers a question, pays them per token and keeps their
//! receipts.
//!
//! The modules follow a paid prompt. A [`model`] turns text into tokens; the [`market`] is read from
//! the chain, workers are asked for their quotes over a [`router`], and a path is chosen;
//! [`channels`] to the path's workers are opened or topped up with the account's [`funds`]; a
//! [`session`] pays token by token and keeps what it promised and what it received in the
//! [`store`]; [`verify`] checks the receipts again later. [`ask`] does all of that for one question
//! and reports what happens as [events](ask::Event). [`preview`] says what it would take, and sends
//! nothing.
//!
//! Architecture invariants: only `mica-chain` names subxt and only `mica-net` names libp2p; a
//! promise is on disk before it is sent; money is an integer of base units everywhere; every wait
//! has a deadline. Nothing here prints, asks at a terminal, or knows an exit code or an HTTP status.
#![forbid(unsafe_code)]

pub mod ask;
pub mod channels;
pub mod funds;
pub mod interrupt;
pub mod market;
pub mod model;
pub mod preview;
pub mod router;
pub mod session;
pub mod store;
pub mod terms;
pub mod verify;

pub use terms::{Terms, TermsOverrides};

//! What the end-to-end tests share: real processes on loopback, and waiting for a condition with a
//! deadline.
//!
//! Every process that a test starts is killed when its handle is dropped, and carries a marker in
//! its environment by which [`leftovers`] finds those that were left behind. Binaries are taken
//! from the folder where Cargo put the test's own.

#![forbid(unsafe_code)]

pub mod book;
pub mod chain;
pub mod chat_tokens;
pub mod crowd;
pub mod gateway;
pub mod homes;
pub mod hostile;
pub mod hostile_crowd;
pub mod http;
pub mod hub;
pub mod javascript;
pub mod ledger;
pub mod next_runtime;
pub mod node_rpc;
pub mod operator;
pub mod payer;
pub mod process;
pub mod python;
pub mod ran;
pub mod raw_peer;
pub mod requests;
pub mod terminal;
pub mod wait;
pub mod worker;

pub use book::Reader;
pub use chain::{DevNode, LocalNetwork};
pub use gateway::{Gateway, Wallet};
pub use hub::Hub;
pub use node_rpc::NodeRpc;
pub use operator::Operator;
pub use payer::{Pass, Payer, Seen};
pub use process::{Process, binary, free_port, free_ports, leftovers};
pub use ran::{Ran, run, units};
pub use terminal::Terminal;
pub use wait::{eventually, eventually_async};
pub use worker::Worker;

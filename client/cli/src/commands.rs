//! One file per noun: what `mica <noun> …` does.

pub mod ask;
pub mod channel;
pub mod chat;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod gateway;
pub mod man;
pub mod market;
pub mod matrix;
pub mod quote;
pub mod receipt;
pub mod validator;
pub mod wallet;
pub mod workflow;

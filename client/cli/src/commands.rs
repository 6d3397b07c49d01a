//! One file per noun: what `mica <noun> …` does.

pub(crate) mod ask;
pub(crate) mod channel;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod forget;
pub(crate) mod gateway;
pub(crate) mod hub;
pub(crate) mod localnet;
pub(crate) mod man;
pub(crate) mod market;
pub(crate) mod matrix;
pub(crate) mod model;
pub(crate) mod quote;
pub(crate) mod receipt;
pub(crate) mod validator;
pub(crate) mod wallet;
pub(crate) mod workflow;

//! How results look: every table and text for people, and every JSON form.
//!
//! One file per kind of result. A type that derives `Serialize` is a JSON document or a part of
//! one; its `to_text` is the same for people. Money is a decimal string of base units in JSON, and
//! layers are `[first, end]`: [`mica_host::json`] has both.

pub(crate) mod table;

pub(crate) mod path;
pub(crate) mod sent;

pub(crate) mod answer;
pub(crate) mod channel;
pub(crate) mod chat;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub mod error;
pub(crate) mod extrinsic;
pub(crate) mod gateway;
pub(crate) mod hub;
pub(crate) mod localnet;
pub(crate) mod manual;
pub(crate) mod market;
pub(crate) mod matrix;
pub(crate) mod matrix_progress;
pub(crate) mod model;
pub(crate) mod preview;
pub(crate) mod printer;
pub(crate) mod quote;
pub(crate) mod receipt;
pub(crate) mod remembered;
pub(crate) mod transfer;
pub(crate) mod validator;
pub(crate) mod wallet;
pub(crate) mod workflow;

#[cfg(test)]
mod fixtures;

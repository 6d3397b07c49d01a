//! Real nodes, workers and wallets on loopback. One program, because each one links the whole system again.

#[path = "network/access.rs"]
mod access;
#[path = "network/chain.rs"]
mod chain;
#[path = "network/local.rs"]
mod local;
#[path = "network/money.rs"]
mod money;
#[path = "network/refusals.rs"]
mod refusals;
#[path = "network/registry.rs"]
mod registry;
#[path = "network/splits.rs"]
mod splits;
#[path = "network/wallet.rs"]
mod wallet;
#[path = "network/workflow.rs"]
mod workflow;

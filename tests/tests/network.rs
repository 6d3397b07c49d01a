//! Real nodes, workers and wallets on loopback. One test program, because each one links the whole
//! system again.

#[path = "network/access.rs"]
mod access;
#[path = "network/addresses.rs"]
mod addresses;
#[path = "network/attacks.rs"]
mod attacks;
#[path = "network/book.rs"]
mod book;
#[path = "network/chain.rs"]
mod chain;
#[path = "network/crowd.rs"]
mod crowd;
#[path = "network/defaults.rs"]
mod defaults;
#[path = "network/deposits.rs"]
mod deposits;
#[path = "network/doctor.rs"]
mod doctor;
#[path = "network/equivocation.rs"]
mod equivocation;
#[path = "network/finality.rs"]
mod finality;
#[path = "network/forced_change.rs"]
mod forced_change;
#[path = "network/foreign_clients.rs"]
mod foreign_clients;
#[path = "network/hostile_node.rs"]
mod hostile_node;
#[path = "network/hub.rs"]
mod hub;
#[path = "network/identity.rs"]
mod identity;
#[path = "network/kills.rs"]
mod kills;
#[path = "network/life.rs"]
mod life;
#[path = "network/local.rs"]
mod local;
#[path = "network/localnet.rs"]
mod localnet;
#[path = "network/memory.rs"]
mod memory;
#[path = "network/money.rs"]
mod money;
#[path = "network/operator.rs"]
mod operator;
#[path = "network/ops.rs"]
mod ops;
#[path = "network/placement.rs"]
mod placement;
#[path = "network/recovery.rs"]
mod recovery;
#[path = "network/refusals.rs"]
mod refusals;
#[path = "network/registry.rs"]
mod registry;
#[path = "network/room.rs"]
mod room;
#[path = "network/sdk.rs"]
mod sdk;
#[path = "network/seats.rs"]
mod seats;
#[path = "network/specs.rs"]
mod specs;
#[path = "network/splits.rs"]
mod splits;
#[path = "network/stages.rs"]
mod stages;
#[path = "network/strangers.rs"]
mod strangers;
#[path = "network/upgrade.rs"]
mod upgrade;
#[path = "network/validator.rs"]
mod validator;
#[path = "network/wallet.rs"]
mod wallet;
#[path = "network/watch.rs"]
mod watch;
#[path = "network/weights.rs"]
mod weights;
#[path = "network/workflow.rs"]
mod workflow;

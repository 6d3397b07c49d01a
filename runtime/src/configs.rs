//! How each pallet is configured, one file per pallet, and what several of them share.

pub mod authorship;
pub mod babe;
pub mod balances;
pub mod channels;
pub mod clock;
pub mod consensus_weights;
pub mod election;
pub mod grandpa;
pub mod offences;
pub mod proxy;
pub mod receipts;
pub mod registry;
pub mod seats;
pub mod session;
pub mod skip_feeless_payment;
pub mod sla;
pub mod staking;
pub mod system;
pub mod timestamp;
pub mod transaction_payment;
pub mod utility;
pub mod voter_list;

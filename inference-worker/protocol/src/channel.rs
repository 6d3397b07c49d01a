//! Money: what a payer has promised on its lanes and what a payee can redeem.
//!
//! Both sides keep one ledger per channel and one record per lane. A record is written before
//! anything that depends on it is sent, so that neither side loses money in a restart: the payee's
//! record holds what it can redeem, the payer's what it has promised.

mod facts;
mod lane_receipts;
mod payee_ledger;
mod payer_lane;
mod payer_ledger;
pub mod ticks;

pub use facts::ChannelFacts;
pub use lane_receipts::LaneReceipts;
pub use payee_ledger::{
    LedgerError, PayeeLaneRecord, PayeeLedger, Redeemable, VoucherKind, VoucherRule,
};
pub use payer_lane::{PayerLane, PayerLaneRecord, SpendError};
pub use payer_ledger::{Adopted, LeaseError, PayerLedger};

/// How surely a record must be on disk before the outputs after it are carried out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Durability {
    /// Handed to the operating system: survives the end of the process. For ticks and receipts, of
    /// which a power cut may cost the last few.
    Process,
    /// On the disk: survives a power cut. For vouchers.
    Disk,
}

//! Sessions, channels and receipts as state machines without I/O, and the frames in which peers
//! speak of them.
//!
//! Nothing here opens a socket, reads a clock or touches a disk: inputs go in with the time at
//! which they happened ([`clock::Now`]), outputs come out and are carried out in order by whoever
//! drives the machine (`net` and the daemons). A `Persist` output comes before the `Send` that
//! depends on it, so that a restart loses no money on either side.
//!
//! # The life of a session
//! 1. [`messages::Open`] goes from the payer to every stage of the path, with the lane's first
//!    voucher. The stage checks it against its offer and the channel, and answers
//!    [`messages::Opened`]. The voucher prepays the first positions, because the room that the
//!    stage keeps for the session is not free.
//! 2. The payer sends the prompt to stage 0 in [`messages::Step`]s of up to sixteen positions.
//!    Stage k passes what it computed to stage k+1 directly. The last stage draws a
//!    [`messages::Token`] and sends it to the payer *and* to stage 0, which computes on it:
//!    decoding is a ring, and the payer is not in it.
//! 3. A position costs `price_per_layer_token × layers` at each stage. The payer pays each stage
//!    with [`messages::Pay`]: one preimage of a hash chain per token. A stage works at most
//!    `credit_positions` ahead of its payment, the payer pays at most `exposure_positions` ahead of
//!    verified receipts: neither side can lose more.
//! 4. Every sixteen positions each stage signs a [`messages::SessionReceipt`]. The payer compares
//!    neighbours and ends.
//! 5. [`messages::Close`] makes every stage give its last receipt and its [`messages::Statement`];
//!    the payer answers with a final voucher that promises the exact sum and fixes the receipts;
//!    the stage confirms with [`messages::Closed`].
//!
//! # Modules, in the order in which data flows
//! [`wire`] and [`messages`] from bytes to words; [`path`] and [`session`] what is agreed on;
//! [`probability`] how likely tokens were; [`holding`] what room costs; [`stage`] the worker's
//! machine; [`payer`] the client's; [`hub`] that of whoever passes payments on; [`channel`] the
//! money of both; [`receipts`] the proof of both; [`limits`] every bound; [`fault`] every refusal.
//!
//! **Architecture invariant:** no I/O, no clock, no randomness: the same inputs give the same
//! outputs.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod wire;

pub mod messages;

pub mod path;
pub mod session;

pub mod probability;

pub mod holding;

pub mod stage;

pub mod payer;

pub mod hub;

pub mod channel;

pub mod receipts;

pub mod clock;
pub mod fault;
pub mod limits;
pub mod signing;

pub use clock::Now;
pub use fault::FaultCode;
pub use messages::Message;
pub use path::{Path, PathStage, StageNumber};
pub use session::{PaymentTerms, SessionId, SessionSpec};

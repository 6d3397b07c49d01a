//! Weights by hash: a model's head and tensors, from whoever has them, verified against the model's
//! id.
//!
//! The modules follow the bytes. A [`catalogue`] and [`spec`] say where a model may be had; a
//! [`source`] reads a file, a server or a member of an archive; `peer` asks other workers, in the
//! words of `protocol`, and `serve` answers them from a [`Shelf`]; both speak of pieces, which a
//! `tree` of hashes leads to. An [`Index`] names the hashes, and with the head makes the manifest
//! whose hash is the model's id. The [`Store`] keeps what was verified; [`fetch()`] brings what is
//! missing from all sources at once, and [`read_whole`] makes a model's index out of one pass over
//! a file that nobody has hashed yet.
//!
//! Architecture invariants: nothing gets a tensor's name in the store before all of it was hashed;
//! what a peer or a server says is bounded before it is read, and whoever sends other bytes than
//! the hash says is asked no more. Limits are the constants of each module. See decision 23.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod bits;
mod tree;

mod index;

mod store;

mod catalogue;
mod source;
mod spec;

mod peer;
mod protocol;
mod serve;

mod fetch;
mod whole;
mod work;

pub use catalogue::{Catalogue, Entry};
pub use fetch::{FetchError, Fetched, Progress, describe, fetch};
pub use index::{Blob, Index, IndexError, MAX_HEAD_BYTES};
pub use peer::{Dialler, Duplex, NetPeer, Opening, Peer, PeerError};
pub use serve::{ServeLimits, Shelf, serve};
pub use source::{Opened, SourceError};
pub use spec::{Spec, SpecError};
pub use store::{Held, Limit, Store, StoreError};
pub use tree::PIECE_BYTES;
pub use whole::{WholeError, read_whole};

//! Stands in for the crate `str0m-openssl` in the node.
//!
//! Nodes that do not validate answer browsers by WebRTC, with the crate `str0m`, and litep2p asks
//! for its cryptography by OpenSSL and no other. That would be the only library outside of the
//! programs themselves, the C library apart: to be there when they are built, and of the right
//! version wherever they run. `str0m` has the same by AWS-LC, which the node's TLS brings anyway.

pub use str0m_aws_lc_rs::default_provider;

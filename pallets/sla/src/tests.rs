//! Behaviour of every call, every error, every end, and of those who would profit from a lie.

mod agenda;
mod alone;
mod complete;
mod lies;
mod proposal;
mod random;

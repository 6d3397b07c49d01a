//! Behaviour of every call, every error, every end, and of those who would profit from a lie.

mod agenda;
mod claim;
mod dispute;
mod game;
mod proposal;
mod random;
mod request;

//! What the registry does, call by call; then what attackers try; then random operations against
//! the invariants.

mod attacks;
mod invariants;
mod leaving;
mod liveness;
mod model;
mod models;
mod moving;
mod reads;
mod registration;
mod slashing;

//! The market of a model, simulated over the code that workers and payers run.
//!
//! A [`world::World`] has workers, payers and a clock that counts chain blocks. Every ten blocks a
//! worker looks at the market ([`looks`]) and every twenty it may move ([`moves`]), by the rules of
//! `mica-market`: what a busy worker's sale costs it, the ascent on log profit, what payers believe
//! of a worker's cost, shares of computing power, guardians, and turns. Some workers do not play by
//! the rules ([`actors`]). Payers are streams that differ in preference and budget ([`market`]) and
//! choose by eq. 3 of P2P-LLM; single payers choose by taste ([`assignment`]) or by the router of
//! the production code ([`routes`]).
//!
//! What is measured: what workers would gain by other prices ([`gap`]), welfare against an upper
//! bound ([`welfare`]) and against a solver's best assignment ([`assignment`]), the markup of
//! layers in series ([`serial`]). [`run`] plays rounds and writes rows; [`figures`] draws them.
//!
//! # What is not as in the programs
//!
//! * A worker's look takes one step of the ascent, [`mica_market::pricing::crowd`], where the
//!   program climbs to the peak. Both rest at the same prices.
//! * All payers share one memory of each worker.
//! * Sales are flows: a worker's queue is its mean waiting time, and only what payers want beyond
//!   its speed is lost.
//! * Layers are sold one by one, as eq. 3 has it; only [`serial`] and [`routes`] look at paths.
//!
//! # Invariants
//!
//! * A run's bytes depend on its setting without the number of threads, and on the platform's
//!   exponential function.
//! * Memory is linear in the number of workers, about a hundred bytes for each.
#![forbid(unsafe_code)]

pub mod actors;
pub mod agents;
pub mod assignment;
pub mod figures;
pub mod gap;
pub mod looks;
pub mod market;
pub mod moves;
pub mod parallel;
pub mod random;
pub mod routes;
pub mod run;
pub mod serial;
pub mod starts;
pub mod welfare;
pub mod world;

pub use market::Market;
pub use run::{Plan, Row, Run, Summary};
pub use world::{LoadRule, Setting, SimError, Start, World};

//! Routing: which workers, in which order (P2P-LLM sections 3.1 and 3.2, Appendix A and B).
//!
//! The graph's vertices are (worker, layer at which it is entered); an edge joins a stage that ends
//! at a layer to a worker that serves that layer. A worker serves from its entry to the end of its
//! range (clipped to what is asked for), so no worker is on a path twice, and a path exists if and
//! only if every layer has a usable worker. Edges lead to later layers only: the layer index is a
//! topological order (Appendix A) at no cost, and relaxing in that order (Appendix B) finds the
//! best path.
//!
//! [`bans`] says how long a worker that failed is left out and [`belief`] what a worker counts for,
//! [`network`] holds what is known and filters out who cannot serve, [`shortest`] finds the path of
//! least weight, [`pareto`] all paths that no other beats in both price and time, [`disjoint`]
//! spares for a path that breaks, [`asking`] whom to ask for a quote.

pub mod asking;
pub mod bans;
pub mod belief;
pub mod disjoint;
pub mod network;
pub mod no_path;
pub mod pareto;
pub mod path;
pub mod shortest;

pub use asking::Wish;
pub use bans::BackOff;
pub use belief::{Experience, believed_cost_us, reference_cost_us};
pub use network::{Availability, Candidate, Links, Network, Request};
pub use no_path::{Exclusion, NoPath, RouteError};
pub use pareto::{Frontier, FrontierLimits};
pub use path::{Path, Stage};
pub use shortest::Preference;

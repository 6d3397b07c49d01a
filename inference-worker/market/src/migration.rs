//! Migration: which layers a worker should serve (P2P-LLM section 3.4, eq. 7 and 8).
//!
//! A worker earns in proportion to its share of a layer's computing power, so it goes where its
//! share is largest; that is also where the network is weakest. Taken literally the rule causes
//! herding: everybody sees the same weak layer, moves there at once, leaves holes behind, and turns
//! back. Three things prevent that here:
//!
//! * a gain below a threshold does not justify fetching the weights, and after a move a worker
//!   stays for a while;
//! * of all who would gain, about two move per round, or one in fifty where they are more than a
//!   hundred: each moves with a probability that follows from their number, which anybody can count
//!   from public data, and everybody looks again next round;
//! * in every round each layer has a guardian, drawn afresh by hash from those who serve it, that
//!   may not leave it. Everybody who looks at the same state agrees on the guardian, so no layer
//!   empties even if all the others leave at once.
//!
//! [`supply`] is the state of the network and shares in it, [`guard`] names the guardians,
//! [`decide`] decides.

pub mod decide;
pub mod guard;
pub mod supply;

pub use decide::{Decision, Move, Round, Rules, Stay};
pub use supply::{Member, Supply};

/// Length of a round in blocks. All workers count the same rounds, so that they agree who guards
/// which layer; long enough for a move to reach the chain before the others look again.
pub const ROUND_BLOCKS: mica_primitives::BlockNumber = 20;
/// The rules that all workers follow. A worker stays for five rounds after a move. Above a hundred
/// workers that would gain, one in fifty of them moves per round instead of two in all.
pub const RULES: Rules = Rules {
    gain_threshold: 0.05,
    minimum_stay: 5 * ROUND_BLOCKS,
    movers_per_round: 2.0,
    least_probability: 0.02,
};

/// Why migration could not be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A member whose range is empty or ends beyond the model.
    #[error(
        "worker {member} serves {range}, outside the model's {layers} layers: read the registry \
         again"
    )]
    Range {
        /// Position of the member.
        member: usize,
        /// Its range.
        range: mica_primitives::LayerRange,
        /// Layers of the model.
        layers: u16,
    },
    /// A cost that is not a positive number: nobody computes in no time.
    #[error(
        "worker {member} has cost {cost} µs: it must be positive; measure it with `mica-worker \
         bench`"
    )]
    Cost {
        /// Position of the member.
        member: usize,
        /// Its cost.
        cost: f64,
    },
    /// The member asked about does not exist.
    #[error("there is no worker {0}: register first")]
    NoMember(usize),
    /// A random number outside `[0, 1)`.
    #[error("random number {0}: draw from 0 up to but not including 1")]
    Random(f64),
}

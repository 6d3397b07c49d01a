//! Paths: the stages that together form the model, in order.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, Encode};
use mica_primitives::{LayerRange, PublicKey, WorkerAddresses};

use crate::limits::MAX_STAGES;

/// One worker's part of a path.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PathStage {
    /// The worker's peer key: what it shows on a connection and signs receipts with.
    pub peer: PublicKey,
    /// The layers that it computes.
    pub range: LayerRange,
    /// Where its neighbours dial it.
    pub addresses: WorkerAddresses,
}

/// Stages that cover `[0, m)` exactly, in order. A decoded path may not: ask [`Path::check`] before
/// use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Path(BoundedVec<PathStage, ConstU32<{ MAX_STAGES as u32 }>>);

/// A stage as people are told of it: its index in the path and one more, because people count from
/// 1.
///
/// Every text that names a stage names it so, on both sides of the wire; what programs read (JSON,
/// messages) has the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageNumber(
    /// The index, from 0.
    pub usize,
);

impl core::fmt::Display for StageNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0.saturating_add(1), f)
    }
}

/// Why a list of stages is no path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing to compute on.
    #[error("the path has no stage: choose at least one worker")]
    Empty,
    /// More stages than a session may have.
    #[error("the path has {0} stages and may have {MAX_STAGES}: choose workers with wider ranges")]
    TooLong(usize),
    /// A stage does not begin where the one before it ends.
    #[error("stage {} begins at layer {found} and must begin at layer {expected}: choose the path again", StageNumber(*.stage))]
    Gap {
        /// The stage, from 0.
        stage: usize,
        /// The layer that must come next.
        expected: u16,
        /// The layer with which the stage begins.
        found: u16,
    },
    /// A stage with no layer.
    #[error("stage {} has an empty layer range: choose the path again", StageNumber(*.0))]
    EmptyRange(usize),
    /// The last stage does not end where the model ends.
    #[error("the path ends at layer {found} of {layers}: add a worker for the rest")]
    WrongEnd {
        /// One past the path's last layer.
        found: u16,
        /// Layers of the model.
        layers: u16,
    },
    /// One peer on two stages.
    #[error("one worker is on two stages of the path: give it one wider range or choose another")]
    TwicePeer,
}

impl Path {
    /// A path over a model of `layers` layers.
    ///
    /// # Errors
    /// What [`Path::check`] finds, and [`PathError::TooLong`].
    pub fn new(stages: Vec<PathStage>, layers: u16) -> Result<Self, PathError> {
        let path =
            Self(BoundedVec::try_from(stages).map_err(|stages| PathError::TooLong(stages.len()))?);
        path.check(layers)?;
        Ok(path)
    }

    /// Whether the stages cover `[0, layers)` exactly and in order, each by another peer.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, layers: u16) -> Result<(), PathError> {
        if self.0.is_empty() {
            return Err(PathError::Empty);
        }
        let mut next = 0;
        for (index, stage) in self.0.iter().enumerate() {
            if stage.range.is_empty() {
                return Err(PathError::EmptyRange(index));
            }
            if stage.range.first != next {
                return Err(PathError::Gap {
                    stage: index,
                    expected: next,
                    found: stage.range.first,
                });
            }
            if self.0.iter().take(index).any(|other| other.peer == stage.peer) {
                return Err(PathError::TwicePeer);
            }
            next = stage.range.end;
        }
        if next == layers { Ok(()) } else { Err(PathError::WrongEnd { found: next, layers }) }
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[PathStage] {
        &self.0
    }

    /// Number of stages.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no stage, which only a decoded path can be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stage with number `index`, from 0.
    pub fn get(&self, index: usize) -> Option<&PathStage> {
        self.0.get(index)
    }

    /// The number of the stage that `peer` serves.
    pub fn index_of(&self, peer: &PublicKey) -> Option<usize> {
        self.0.iter().position(|stage| stage.peer == *peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(peer: u8, first: u16, end: u16) -> PathStage {
        PathStage {
            peer: [peer; 32],
            range: LayerRange { first, end },
            addresses: WorkerAddresses::default(),
        }
    }

    #[test]
    fn a_path_covers_every_layer_once() {
        let path =
            Path::new(vec![stage(1, 0, 3), stage(2, 3, 4), stage(3, 4, 8)], 8).expect("covers");
        assert_eq!(path.len(), 3);
        assert_eq!(path.index_of(&[2; 32]), Some(1));
        assert_eq!(path.index_of(&[9; 32]), None);
    }

    #[test]
    fn what_is_no_path_is_named() {
        let check = |stages: Vec<PathStage>| Path::new(stages, 8).expect_err("no path");
        assert_eq!(check(vec![]), PathError::Empty);
        assert_eq!(
            check(vec![stage(1, 0, 3), stage(2, 4, 8)]),
            PathError::Gap { stage: 1, expected: 3, found: 4 }
        );
        assert_eq!(
            check(vec![stage(1, 0, 3), stage(2, 2, 8)]),
            PathError::Gap { stage: 1, expected: 3, found: 2 }
        );
        assert_eq!(check(vec![stage(1, 0, 7)]), PathError::WrongEnd { found: 7, layers: 8 });
        assert_eq!(check(vec![stage(1, 0, 9)]), PathError::WrongEnd { found: 9, layers: 8 });
        assert_eq!(check(vec![stage(1, 0, 4), stage(1, 4, 8)]), PathError::TwicePeer);
        assert_eq!(check(vec![stage(1, 0, 0), stage(2, 0, 8)]), PathError::EmptyRange(0));
        let many = (0..=MAX_STAGES as u16).map(|i| stage(i as u8, i, i + 1)).collect();
        assert_eq!(check(many), PathError::TooLong(MAX_STAGES + 1));
    }
}

//! Ranges of transformer blocks: the unit that workers serve and payers buy.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Most layers that a model may have. Keeps coverage counts and loops over layers bounded.
pub const MAX_LAYERS: u16 = 512;

/// Half-open range `[first, end)` of transformer blocks.
///
/// The embedding belongs to layer 0; the final norm and the head belong to the last layer. A
/// decoded range may be empty or reversed (its bytes come from outside): ask
/// [`LayerRange::is_valid_for`] before use.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerRange {
    /// First layer of the range.
    pub first: u16,
    /// One past the last layer of the range.
    pub end: u16,
}

impl LayerRange {
    /// `[first, end)`, or nothing if that is empty or reversed.
    pub const fn new(first: u16, end: u16) -> Option<Self> {
        if first < end { Some(Self { first, end }) } else { None }
    }

    /// Whether the range is not empty and lies within a model of `layers` layers.
    pub const fn is_valid_for(self, layers: u16) -> bool {
        self.first < self.end && self.end <= layers
    }

    /// Number of layers in the range; 0 for a reversed one.
    pub const fn len(self) -> u16 {
        self.end.saturating_sub(self.first)
    }

    /// Whether the range holds no layer.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `layer` lies in the range.
    pub const fn contains(self, layer: u16) -> bool {
        self.first <= layer && layer < self.end
    }

    /// Whether all of `other` lies in the range.
    pub const fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.end <= self.end
    }

    /// Whether the two ranges have a layer in common.
    pub const fn overlaps(self, other: Self) -> bool {
        let first = if self.first > other.first { self.first } else { other.first };
        let end = if self.end < other.end { self.end } else { other.end };
        first < end
    }

    /// The layers, in order.
    pub fn layers(self) -> core::ops::Range<u16> {
        self.first..self.end
    }
}

impl fmt::Display for LayerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.first, self.end)
    }
}

impl fmt::Debug for LayerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::LayerRange;

    #[test]
    fn empty_and_reversed_ranges_are_refused() {
        assert_eq!(LayerRange::new(3, 3), None);
        assert_eq!(LayerRange::new(4, 3), None);
        assert!(!LayerRange { first: 4, end: 3 }.is_valid_for(8));
        assert_eq!(LayerRange { first: 4, end: 3 }.len(), 0);
    }

    #[test]
    fn ranges_overlap_if_they_share_a_layer() {
        let range = |first, end| LayerRange { first, end };
        assert!(range(0, 5).overlaps(range(4, 9)) && range(4, 9).overlaps(range(0, 5)));
        assert!(!range(0, 5).overlaps(range(5, 9)) && !range(5, 9).overlaps(range(0, 5)));
        assert!(!range(0, 5).overlaps(range(3, 3)) && !range(0, 5).overlaps(range(4, 3)));
    }

    #[test]
    fn a_range_may_touch_the_end_of_the_model_but_not_pass_it() {
        let range = LayerRange::new(5, 8).expect("5 < 8");
        assert!(range.is_valid_for(8));
        assert!(!range.is_valid_for(7));
        assert!(range.contains(7) && !range.contains(8));
    }
}

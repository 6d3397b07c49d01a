//! The receipts of a lane from the worker's side: those that a voucher has fixed, and those that
//! wait for one.

use codec::{Decode, Encode};
use mica_primitives::{Hash32, ReceiptTree};

use crate::limits::MAX_UNFIXED_RECEIPTS;

/// Receipts that vouchers have fixed, and leaf hashes after them. The lane's tree is append-only;
/// leaves that the payer did not take before its session ended are taken back when the next session
/// opens.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct LaneReceipts {
    fixed: ReceiptTree,
    unfixed: Vec<Hash32>,
}

impl LaneReceipts {
    /// Receipts under the last voucher's root.
    pub const fn fixed(&self) -> u64 {
        self.fixed.count()
    }

    /// All receipts given.
    pub fn count(&self) -> u64 {
        self.fixed.count() + self.unfixed.len() as u64
    }

    /// Root over all receipts given.
    pub fn root(&self) -> Hash32 {
        self.after(self.unfixed.len()).root()
    }

    /// Appends a leaf; returns its index, or nothing if [`MAX_UNFIXED_RECEIPTS`] wait already.
    pub fn push(&mut self, leaf: Hash32) -> Option<u64> {
        if self.unfixed.len() >= MAX_UNFIXED_RECEIPTS {
            return None;
        }
        let index = self.count();
        self.unfixed.push(leaf);
        Some(index)
    }

    /// The lane after a voucher that fixes `count` receipts under `root`; nothing if those are not
    /// the ones that were given.
    #[must_use]
    pub fn fix(&self, count: u64, root: &Hash32) -> Option<Self> {
        let new = usize::try_from(count.checked_sub(self.fixed())?)
            .ok()
            .filter(|new| *new <= self.unfixed.len())?;
        let fixed = self.after(new);
        (fixed.root() == *root).then(|| Self { fixed, unfixed: self.unfixed[new..].to_vec() })
    }

    /// Takes back what no voucher has fixed.
    pub fn drop_unfixed(&mut self) {
        self.unfixed.clear();
    }

    fn after(&self, new: usize) -> ReceiptTree {
        let mut tree = self.fixed.clone();
        self.unfixed.iter().take(new).for_each(|leaf| tree.push(*leaf));
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_fixes_a_prefix_and_only_the_true_one() {
        let mut lane = LaneReceipts::default();
        let mut tree = ReceiptTree::default();
        for i in 0..5u8 {
            assert_eq!(lane.push([i; 32]), Some(i.into()));
            if i < 3 {
                tree.push([i; 32]);
            }
        }
        let fixed = lane.fix(3, &tree.root()).expect("the first three");
        assert_eq!((fixed.fixed(), fixed.count()), (3, 5));
        assert_eq!(fixed.root(), lane.root());
        assert_eq!(lane.fix(4, &tree.root()), None);
        assert_eq!(lane.fix(6, &tree.root()), None);
        assert_eq!(fixed.fix(2, &tree.root()), None, "a fixed receipt cannot be taken back");
        assert_eq!(fixed.fix(3, &tree.root()), Some(fixed));
    }

    #[test]
    fn leaves_that_wait_are_bounded() {
        let mut lane = LaneReceipts::default();
        for _ in 0..MAX_UNFIXED_RECEIPTS {
            assert!(lane.push([1; 32]).is_some());
        }
        assert_eq!(lane.push([1; 32]), None);
        lane.drop_unfixed();
        assert_eq!(lane.push([1; 32]), Some(0));
    }
}

//! The books: what came into escrow and where it went, so that `try_state` can balance them.

use codec::{Decode, Encode, MaxEncodedLen};
use mica_primitives::Balance;
use scale_info::TypeInfo;

use crate::{Books, Config, Pallet};

/// Base units of escrow since genesis. What came in and is in none of the others is still held.
///
/// The sums cannot overflow: they would have to turn over all money of a chain more than 10¹⁶
/// times. They saturate all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Totals {
    /// Put on hold by payers.
    pub escrowed: Balance,
    /// Paid to workers.
    pub paid: Balance,
    /// Given back to payers.
    pub refunded: Balance,
    /// Destroyed by disputes.
    pub burned: Balance,
}

impl Totals {
    /// What must still be on hold. Nothing if more left than came in.
    pub fn held(&self) -> Option<Balance> {
        let left = self.paid.checked_add(self.refunded)?.checked_add(self.burned)?;
        self.escrowed.checked_sub(left)
    }
}

impl<T: Config> Pallet<T> {
    /// Enters what came in.
    pub(crate) fn book_escrow(amount: Balance) {
        Books::<T>::mutate(|books| books.escrowed = books.escrowed.saturating_add(amount));
    }

    /// Enters what went out.
    pub(crate) fn book_end(paid: Balance, refunded: Balance, burned: Balance) {
        Books::<T>::mutate(|books| {
            books.paid = books.paid.saturating_add(paid);
            books.refunded = books.refunded.saturating_add(refunded);
            books.burned = books.burned.saturating_add(burned);
        });
    }
}

//! A set of small numbers: which pieces or tensors there are.

/// Numbers below a bound that was fixed when it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    bound: usize,
}

impl Bits {
    /// None of `bound` numbers.
    pub(crate) fn none(bound: usize) -> Self {
        Self { bytes: vec![0; bound.div_ceil(8)], bound }
    }

    /// As [`Bits::as_bytes`] gave it. What is missing is not in the set, and what is too much is
    /// left out.
    pub(crate) fn from_bytes(bytes: &[u8], bound: usize) -> Self {
        let mut bits = Self::none(bound);
        for number in 0..bound.min(bytes.len().saturating_mul(8)) {
            if bytes[number / 8] >> (number % 8) & 1 == 1 {
                bits.insert(number);
            }
        }
        bits
    }

    /// Eight numbers to a byte.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts a number in; one that is too large is left out.
    pub(crate) fn insert(&mut self, number: usize) {
        if number < self.bound {
            self.bytes[number / 8] |= 1 << (number % 8);
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: usize) {
        if number < self.bound {
            self.bytes[number / 8] &= !(1 << (number % 8));
        }
    }

    /// Whether a number is in it.
    pub(crate) fn contains(&self, number: usize) -> bool {
        number < self.bound && self.bytes[number / 8] >> (number % 8) & 1 == 1
    }

    /// How many are in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_back_and_nothing_else() {
        let mut bits = Bits::none(11);
        [0, 7, 8, 10, 11, 99].into_iter().for_each(|number| bits.insert(number));
        assert_eq!(bits.len(), 4);
        let again = Bits::from_bytes(bits.as_bytes(), 11);
        assert_eq!(again, bits);
        assert!((0..20).filter(|&number| again.contains(number)).eq([0, 7, 8, 10]));
        assert_eq!(Bits::from_bytes(&[255, 255, 255], 11).len(), 11, "what is too much is left");
        assert_eq!(Bits::from_bytes(&[], 11).len(), 0);
        [7, 9, 99].into_iter().for_each(|number| bits.remove(number));
        assert!((0..20).filter(|&number| bits.contains(number)).eq([0, 8, 10]));
    }
}

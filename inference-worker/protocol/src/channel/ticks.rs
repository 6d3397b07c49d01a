//! Hash chains that pay for one position with one hash (PayWord): the payer's chain and the payee's
//! meter.
//!
//! With `v(0)` the secret and `v(i) = H(v(i−1))`, the anchor is `v(max)` and the n-th tick reveals
//! `v(max − n)`.

use mica_primitives::{Balance, Hash32, MAX_TICKS, Tick, TickProof, domain::blake2_256};

/// Distance between the values that a chain keeps.
const CHECKPOINT: u16 = 32;

/// The payer's side of a chain. Keeps every 32nd value and the 32 values in use, so that paying to
/// the end costs two hashes per tick and about 2 KiB, and any tick can be found with at most 31
/// hashes.
#[derive(Clone, Debug)]
pub struct TickChain {
    checkpoints: Vec<Hash32>,
    segment: Vec<Hash32>,
    segment_first: u16,
    anchor: Hash32,
    max: u16,
}

impl TickChain {
    /// A chain of `max` ticks (at least 1, at most [`MAX_TICKS`]; other values are brought into
    /// that range).
    pub fn new(secret: Hash32, max: u16) -> Self {
        let max = max.clamp(1, MAX_TICKS);
        let mut checkpoints = Vec::with_capacity(usize::from(max / CHECKPOINT) + 1);
        let mut value = secret;
        for index in 0..max {
            if index % CHECKPOINT == 0 {
                checkpoints.push(value);
            }
            value = blake2_256(&value);
        }
        Self { checkpoints, segment: Vec::new(), segment_first: 0, anchor: value, max }
    }

    /// Ticks in the chain.
    pub const fn max(&self) -> u16 {
        self.max
    }

    /// The promise to put into a voucher.
    pub const fn tick(&self, unit: Balance) -> Tick {
        Tick { anchor: self.anchor, unit, max: self.max }
    }

    /// The proof that pays `n` ticks; nothing for 0 or beyond the chain's end.
    pub fn proof(&mut self, n: u16) -> Option<TickProof> {
        if n == 0 || n > self.max {
            return None;
        }
        let index = self.max - n;
        let first = index - index % CHECKPOINT;
        if self.segment.is_empty() || self.segment_first != first {
            let mut value = *self.checkpoints.get(usize::from(first / CHECKPOINT))?;
            self.segment.clear();
            self.segment_first = first;
            for _ in first..self.max.min(first + CHECKPOINT) {
                self.segment.push(value);
                value = blake2_256(&value);
            }
        }
        self.segment
            .get(usize::from(index - first))
            .map(|preimage| TickProof { n, preimage: *preimage })
    }
}

/// The payee's side of a chain: how far it has been revealed. Each further tick costs one hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TickMeter {
    tick: Tick,
    n: u16,
    last: Hash32,
}

impl TickMeter {
    /// A chain of which nothing is revealed; nothing if it is empty or longer than [`MAX_TICKS`].
    pub const fn new(tick: Tick) -> Option<Self> {
        if tick.max == 0 || tick.max > MAX_TICKS {
            None
        } else {
            Some(Self { tick, n: 0, last: tick.anchor })
        }
    }

    /// Ticks revealed.
    pub const fn revealed(&self) -> u16 {
        self.n
    }

    /// The meter after `proof`; nothing if the proof is not further along this very chain. One hash
    /// for each further tick, at most [`MAX_TICKS`], and none for a proof that cannot be on it.
    #[must_use]
    pub fn advanced(&self, proof: &TickProof) -> Option<Self> {
        if proof.n <= self.n || proof.n > self.tick.max {
            return None;
        }
        let reached = (self.n..proof.n).fold(proof.preimage, |value, _| blake2_256(&value));
        (reached == self.last).then_some(Self { n: proof.n, last: proof.preimage, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_tick_of_every_length_verifies_as_the_chain_would() {
        for max in [1, 2, 31, 32, 33, 64, 100, MAX_TICKS] {
            let mut chain = TickChain::new([9; 32], max);
            let tick = chain.tick(5);
            let mut meter = TickMeter::new(tick).expect("length in range");
            for n in 1..=max {
                let proof = chain.proof(n).expect("within the chain");
                meter = meter.advanced(&proof).expect("next tick");
                if n % 97 == 0 || n == max {
                    assert!(tick.verify(&proof, blake2_256), "tick {n} of {max}");
                }
            }
            assert_eq!(meter.revealed(), max);
            assert_eq!(chain.proof(max + 1), None);
            assert_eq!(chain.proof(0), None);
        }
    }

    #[test]
    fn a_meter_refuses_what_is_old_foreign_or_too_far() {
        let mut chain = TickChain::new([1; 32], 50);
        let meter = TickMeter::new(chain.tick(1)).expect("length in range");
        let third = chain.proof(3).expect("within");
        let at_three = meter.advanced(&third).expect("three ticks at once");
        assert_eq!(at_three.advanced(&third), None);
        assert_eq!(at_three.advanced(&chain.proof(2).expect("within")), None);
        assert_eq!(meter.advanced(&TickProof { n: 4, ..third }), None);
        assert_eq!(meter.advanced(&TickChain::new([2; 32], 50).proof(3).expect("within")), None);
        assert_eq!(meter.advanced(&TickProof { n: 51, preimage: [1; 32] }), None);
        assert_eq!(TickMeter::new(Tick { anchor: [0; 32], unit: 1, max: 0 }), None);
        assert_eq!(TickMeter::new(Tick { anchor: [0; 32], unit: 1, max: MAX_TICKS + 1 }), None);
    }

    proptest! {
        #[test]
        fn proofs_in_any_order_are_the_same(max in 1u16..200, order in prop::collection::vec(1u16..200, 1..40)) {
            let (mut jumping, mut straight) = (TickChain::new([4; 32], max), TickChain::new([4; 32], max));
            let proofs: Vec<_> = (0..=max).map(|n| straight.proof(n)).collect();
            for n in order {
                prop_assert_eq!(jumping.proof(n), proofs.get(usize::from(n)).copied().flatten());
            }
        }
    }
}

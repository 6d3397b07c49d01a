//! Changes to an input, as every fuzzer makes them.

/// A small generator (SplitMix64), the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The same numbers for the same seed.
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Values at which programs go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    u64::MAX - 1,
    u64::MAX,
];

/// Changes `input` in up to eight places; `other` is material to paste. At most `max_bytes` stay.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], max_bytes: usize, chance: &mut Chance) {
    for _ in 0..=chance.below(8) {
        match chance.below(9) {
            0 if !input.is_empty() => {
                let at = chance.below(input.len());
                input[at] ^= 1 << chance.below(8);
            }
            1 if !input.is_empty() => {
                let at = chance.below(input.len());
                input[at] = chance.next() as u8;
            }
            2 if !input.is_empty() => {
                let at = chance.below(input.len());
                input[at] = input[at].wrapping_add(chance.below(35) as u8).wrapping_sub(17);
            }
            3 => {
                let (at, byte) = (chance.below(input.len() + 1), chance.next() as u8);
                input.insert(at, byte);
            }
            4 if !input.is_empty() => {
                let (from, to) = piece(input.len(), chance);
                input.drain(from..to);
            }
            5 if !input.is_empty() => {
                let (from, to) = piece(input.len(), chance);
                let (copy, at) = (input[from..to].to_vec(), chance.below(input.len() + 1));
                input.splice(at..at, copy);
            }
            6 if !other.is_empty() => {
                let (from, to) = piece(other.len(), chance);
                let at = chance.below(input.len() + 1);
                let end = (at + chance.below(to - from + 1)).min(input.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            7 if !input.is_empty() => {
                let edge = EDGES[chance.below(EDGES.len())].to_le_bytes();
                let width = 1 << chance.below(4);
                let at = chance.below(input.len());
                input.iter_mut().skip(at).zip(&edge[..width]).for_each(|(to, from)| *to = *from);
            }
            8 => {
                let end = chance.below(input.len() + 1);
                input.truncate(end);
            }
            _ => {}
        }
        input.truncate(max_bytes);
    }
}

/// A piece of something of `length` bytes, mostly a short one.
fn piece(length: usize, chance: &mut Chance) -> (usize, usize) {
    let from = chance.below(length);
    let most = if chance.below(4) == 0 { length - from } else { (length - from).min(16) };
    (from, from + 1 + chance.below(most))
}

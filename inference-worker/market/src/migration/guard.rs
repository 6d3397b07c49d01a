//! Who may not leave: one guardian per layer and round.
//!
//! Drawn by hash among those who serve the layer, so that everybody who sees the same members picks
//! the same one without exchanging messages, and so that the duty rotates. It is a rule for honest
//! workers, not a lock: one that ignores it only unbalances the network for a while, and workers
//! that read different blocks may pick different guardians.

use mica_primitives::LayerRange;

use super::supply::Member;

/// Position of each layer's guardian among `members`; none where nobody serves it.
pub fn guardians(layers: u16, members: &[Member], round: u64) -> Vec<Option<usize>> {
    let mut least: Vec<Option<(u64, usize)>> = vec![None; layers.into()];
    for (i, member) in members.iter().enumerate() {
        let draw = (rank(&member.id, round), i);
        for layer in member.range.layers().take_while(|layer| *layer < layers) {
            let guardian = &mut least[usize::from(layer)];
            *guardian = Some(guardian.map_or(draw, |before| before.min(draw)));
        }
    }
    least.into_iter().map(|guardian| guardian.map(|(_, i)| i)).collect()
}

/// The least range that holds every layer of `range` guarded by member `i`.
pub fn guarded_by(i: usize, range: LayerRange, guardians: &[Option<usize>]) -> Option<LayerRange> {
    let mut guarded =
        range.layers().filter(|layer| guardians.get(usize::from(*layer)) == Some(&Some(i)));
    let first = guarded.next()?;
    let last = guarded.next_back().unwrap_or(first);
    LayerRange::new(first, last + 1)
}

/// Draws lots: the same for all who know the id and the round, different in every round. Not a
/// secret, so no cryptographic hash.
fn rank(id: &[u8; 32], round: u64) -> u64 {
    id.chunks_exact(8).fold(mix(round), |state, word| {
        let word = word.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        mix(state ^ word)
    })
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit
/// reaches every output bit.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_layer_has_one_and_the_duty_goes_round() {
        let members: Vec<Member> = (0..6u8)
            .map(|i| Member {
                id: [i; 32],
                range: LayerRange { first: 1, end: 4 },
                room: 3,
                cost: 1.0,
                since: 0,
            })
            .collect();
        let mut seen = [0u32; 6];
        for round in 0..600 {
            let guardians = guardians(5, &members, round);
            assert_eq!((guardians[0], guardians[4]), (None, None));
            let guardian = guardians[1].expect("served");
            assert_eq!(guarded_by(guardian, members[0].range, &guardians), Some(members[0].range));
            assert_eq!(guarded_by((guardian + 1) % 6, members[0].range, &guardians), None);
            seen[guardian] += 1;
        }
        assert!(seen.iter().all(|times| (60..=140).contains(times)), "{seen:?}");
    }
}

//! Computing power per layer, and one worker's share of it.

use mica_primitives::{BlockNumber, LayerRange};

use super::MigrationError;

/// A worker as migration sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// Names it; its account. Decides who guards a layer.
    pub id: [u8; 32],
    /// The layers that it serves.
    pub range: LayerRange,
    /// Layers that it has room for; for a worker other than ourselves, as many as it serves.
    pub room: u16,
    /// Microseconds per layer-token, positive.
    pub cost: f64,
    /// Block of its registration or last change of range.
    pub since: BlockNumber,
}

/// Speed (tokens per microsecond, `Σ 1/c`) and number of workers, per layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Supply {
    speed: Vec<f64>,
    workers: Vec<u32>,
}

impl Supply {
    /// # Errors
    /// [`MigrationError::Range`] or [`MigrationError::Cost`] of the first member that makes no
    /// sense.
    pub fn new(layers: u16, members: &[Member]) -> Result<Self, MigrationError> {
        let mut supply = Self { speed: vec![0.0; layers.into()], workers: vec![0; layers.into()] };
        for (i, member) in members.iter().enumerate() {
            if !member.range.is_valid_for(layers) {
                return Err(MigrationError::Range { member: i, range: member.range, layers });
            }
            if !(member.cost > 0.0 && member.cost.is_finite()) {
                return Err(MigrationError::Cost { member: i, cost: member.cost });
            }
            for layer in member.range.layers() {
                supply.speed[usize::from(layer)] += member.cost.recip();
                supply.workers[usize::from(layer)] += 1;
            }
        }
        Ok(supply)
    }

    /// Number of layers.
    pub fn layers(&self) -> u16 {
        // Built from a u16.
        self.speed.len() as u16
    }

    /// Speed of each layer, tokens per microsecond.
    pub fn speeds(&self) -> &[f64] {
        &self.speed
    }

    /// Workers on each layer.
    pub fn workers(&self) -> &[u32] {
        &self.workers
    }

    /// What the network can carry with many sessions: the speed of its weakest layer.
    pub fn throughput(&self) -> f64 {
        self.speed.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Share `s_l = c^{-1} / Σ_j c_j^{-1}` (eq. 7) that a worker of `cost` has, or would have, on
    /// `layer`; `present` is the range that it serves now, so that it is not counted twice.
    pub fn share(&self, layer: u16, cost: f64, present: Option<LayerRange>) -> f64 {
        let own = cost.recip();
        let layer_index = usize::from(layer);
        let here = present.is_some_and(|range| range.contains(layer));
        let others = match self.workers[layer_index] {
            1 if here => 0.0,
            _ if here => (self.speed[layer_index] - own).max(0.0),
            _ => self.speed[layer_index],
        };
        own / (others + own)
    }

    /// Sum of the shares over `range`.
    pub fn share_of_range(&self, range: LayerRange, cost: f64, present: Option<LayerRange>) -> f64 {
        range.layers().map(|layer| self.share(layer, cost, present)).sum()
    }

    /// The `room` neighbouring layers with the greatest summed share (eq. 8, for a worker that
    /// holds more than one layer), and that share. Of equals, the one nearest to `present` (fewest
    /// weights to fetch), then the first. Must contain `keep`.
    ///
    /// `None` if there is no room for a layer, or none for `keep`. A sliding window: O(layers).
    pub fn best_range(
        &self,
        cost: f64,
        room: u16,
        present: Option<LayerRange>,
        keep: Option<LayerRange>,
    ) -> Option<(LayerRange, f64)> {
        let width = room.min(self.layers());
        if width == 0 {
            return None;
        }
        let shares: Vec<f64> =
            (0..self.layers()).map(|layer| self.share(layer, cost, present)).collect();
        let distance = |first: u16| present.map_or(0, |range| range.first.abs_diff(first));
        let mut best: Option<(LayerRange, f64)> = None;
        let mut sum: f64 = shares[..usize::from(width) - 1].iter().sum();
        for first in 0..=self.layers() - width {
            let range = LayerRange { first, end: first + width };
            sum += shares[usize::from(range.end) - 1];
            let better = best.is_none_or(|(chosen, share)| {
                // The window's sum drifts by rounding; what differs by less is equal.
                sum > share * (1.0 + 1e-12)
                    || (sum >= share * (1.0 - 1e-12) && distance(first) < distance(chosen.first))
            });
            if better && keep.is_none_or(|keep| range.covers(keep)) {
                best = Some((range, sum));
            }
            sum -= shares[usize::from(first)];
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(first: u16, end: u16, cost: f64) -> Member {
        Member { id: [0; 32], range: LayerRange { first, end }, room: end - first, cost, since: 0 }
    }

    #[test]
    fn shares_are_reciprocal_norms_and_add_to_one() {
        let members = [member(0, 2, 1.0), member(0, 1, 4.0), member(0, 3, 2.0)];
        let supply = Supply::new(4, &members).expect("valid");
        let on_first: f64 = members.iter().map(|m| supply.share(0, m.cost, Some(m.range))).sum();
        assert!((on_first - 1.0).abs() < 1e-15);
        assert!((supply.share(0, 1.0, Some(members[0].range)) - 1.0 / 1.75).abs() < 1e-15, "eq. 7");
        assert_eq!(supply.share(3, 9.0, None), 1.0, "an empty layer is all ours");
        assert_eq!(
            supply.share(2, 2.0, Some(members[2].range)),
            1.0,
            "so is one that only we serve"
        );
        assert_eq!(supply.throughput(), 0.0);
        assert_eq!(supply.workers(), [3, 2, 1, 0]);
    }

    #[test]
    fn the_best_range_is_the_one_of_a_plain_search() {
        let members: Vec<Member> =
            (0..40).map(|i| member(i % 9, i % 9 + 1 + i % 3, 1.0 + f64::from(i % 7))).collect();
        let supply = Supply::new(12, &members).expect("valid");
        for room in 1..=14 {
            let present = Some(members[5].range);
            let (range, share) = supply.best_range(3.0, room, present, None).expect("room");
            let plain = (0..=12 - room.min(12))
                .map(|first| {
                    supply.share_of_range(
                        LayerRange { first, end: first + room.min(12) },
                        3.0,
                        present,
                    )
                })
                .fold(0.0, f64::max);
            assert!((share - plain).abs() < 1e-12);
            assert_eq!(range.len(), room.min(12));
        }
        assert_eq!(supply.best_range(3.0, 0, None, None), None);
    }

    #[test]
    fn what_must_be_kept_is_kept() {
        let supply = Supply::new(8, &[member(0, 4, 1.0), member(0, 2, 1.0)]).expect("valid");
        let present = Some(LayerRange { first: 0, end: 2 });
        let free = supply.best_range(1.0, 2, present, None).expect("room").0;
        assert_eq!(free, LayerRange { first: 4, end: 6 }, "the nearest of the empty ranges");
        let kept = supply
            .best_range(1.0, 2, present, Some(LayerRange { first: 1, end: 2 }))
            .expect("room")
            .0;
        assert!(kept.contains(1));
        assert_eq!(supply.best_range(1.0, 1, present, Some(LayerRange { first: 0, end: 2 })), None);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(
            Supply::new(4, &[member(2, 5, 1.0)]),
            Err(MigrationError::Range { member: 0, .. })
        ));
        assert!(matches!(
            Supply::new(4, &[member(0, 1, 1.0), member(0, 1, 0.0)]),
            Err(MigrationError::Cost { member: 1, .. })
        ));
    }
}

//! Whether a worker should move or stay.

use mica_primitives::{BlockNumber, LayerRange};

use super::{
    MigrationError,
    guard::{guarded_by, guardians},
    supply::{Member, Supply},
};

/// What keeps the network from running in herds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Least relative gain in summed share for which a move pays. 0 balances best, 0.05 saves a
    /// third of the moves.
    pub gain_threshold: f64,
    /// Blocks for which a worker stays after a move.
    pub minimum_stay: BlockNumber,
    /// Movers per round that are wanted, over the whole network.
    pub movers_per_round: f64,
    /// Least probability with which a worker that would gain moves, so that a network of any size
    /// comes to rest in a number of rounds that does not grow with it. 0 for none.
    pub least_probability: f64,
}

impl Rules {
    /// Probability with which each of `movers` workers that would gain goes in this round.
    pub fn probability(&self, movers: usize) -> f64 {
        (self.movers_per_round / movers.max(1) as f64).max(self.least_probability).min(1.0)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            gain_threshold: 0.05,
            minimum_stay: 600,
            movers_per_round: 2.0,
            least_probability: 0.0,
        }
    }
}

/// A move that pays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// The layers to serve.
    pub to: LayerRange,
    /// Summed share there over summed share here, less one; infinite for who has no share now.
    pub gain: f64,
}

/// Why a worker stays.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stay {
    /// It moved lately.
    MinimumStay {
        /// First block in which it may move.
        until: BlockNumber,
    },
    /// No other range pays, or not enough.
    NoGain {
        /// Gain of the best range that it may go to.
        best_gain: f64,
    },
    /// There is a better range, but it guards a layer in this round.
    Guarding {
        /// The layers that must have it.
        layers: LayerRange,
    },
    /// It would gain, but others go first in this round.
    NotDrawn {
        /// What it would gain.
        wanted: Move,
        /// How likely it was to go.
        probability: f64,
    },
}

/// What a worker does in this round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Serve on.
    Stay(Stay),
    /// Drain, change the registration, serve there.
    Move(Move),
}

/// One look at the network, the same for all who look at the same block.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    members: &'a [Member],
    rules: Rules,
    now: BlockNumber,
    supply: Supply,
    guardians: Vec<Option<usize>>,
    movers: usize,
}

impl<'a> Round<'a> {
    /// `members`: all active workers of the model, ourselves among them. `number`: the round's
    /// number, the same for everybody, for example the block's number over the length of a round.
    /// `now`: the block. O(members · layers).
    ///
    /// # Errors
    /// Those of [`Supply::new`].
    pub fn new(
        layers: u16,
        members: &'a [Member],
        rules: Rules,
        number: u64,
        now: BlockNumber,
    ) -> Result<Self, MigrationError> {
        let mut round = Self::uncounted(layers, members, rules, number, now)?;
        round.movers = (0..members.len()).filter(|i| round.wish(*i).is_ok()).count();
        Ok(round)
    }

    /// As [`Round::new`], but nobody is asked yet whether it would move: for a caller that asks
    /// [`Round::wish`] of everybody itself, on several threads, and draws by [`Round::draw`].
    ///
    /// # Errors
    /// Those of [`Supply::new`].
    pub fn uncounted(
        layers: u16,
        members: &'a [Member],
        rules: Rules,
        number: u64,
        now: BlockNumber,
    ) -> Result<Self, MigrationError> {
        let supply = Supply::new(layers, members)?;
        let guardians = guardians(layers, members, number);
        Ok(Self { members, rules, now, supply, guardians, movers: 0 })
    }

    /// The state of the network.
    pub const fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Members that would gain by moving in this round.
    pub const fn movers(&self) -> usize {
        self.movers
    }

    /// What member `own` does. `random` is drawn evenly from `[0, 1)`, by each worker for itself.
    ///
    /// A draw per round is a random wait whose mean is proportional to the number of those who want
    /// to move, with a fresh look before the move.
    ///
    /// # Errors
    /// [`MigrationError::NoMember`], [`MigrationError::Random`].
    pub fn decide(&self, own: usize, random: f64) -> Result<Decision, MigrationError> {
        if own >= self.members.len() {
            return Err(MigrationError::NoMember(own));
        }
        if !(0.0..1.0).contains(&random) {
            return Err(MigrationError::Random(random));
        }
        Ok(match self.wish(own) {
            Err(reason) => Decision::Stay(reason),
            Ok(wanted) => self.draw(wanted, self.movers, random),
        })
    }

    /// Whether one of `movers` workers that would gain goes in this round.
    pub fn draw(&self, wanted: Move, movers: usize, random: f64) -> Decision {
        let probability = self.rules.probability(movers);
        if random < probability {
            Decision::Move(wanted)
        } else {
            Decision::Stay(Stay::NotDrawn { wanted, probability })
        }
    }

    /// The move that member `i` would make if it were alone in the world; `i` must be one.
    ///
    /// # Errors
    /// Why it stays.
    pub fn wish(&self, i: usize) -> Result<Move, Stay> {
        let member = &self.members[i];
        let until = member.since.saturating_add(self.rules.minimum_stay);
        if self.now < until {
            return Err(Stay::MinimumStay { until });
        }
        let guarded = guarded_by(i, member.range, &self.guardians);
        let allowed = self.gain(member, guarded);
        match allowed {
            Some(wanted) if self.pays(wanted) => Ok(wanted),
            _ => Err(match (guarded, self.gain(member, None)) {
                (Some(layers), Some(free)) if self.pays(free) => Stay::Guarding { layers },
                _ => Stay::NoGain { best_gain: allowed.map_or(0.0, |wanted| wanted.gain) },
            }),
        }
    }

    fn pays(&self, wanted: Move) -> bool {
        // Rounding alone must not set anybody in motion, whatever the threshold.
        wanted.gain > self.rules.gain_threshold.max(1e-9)
    }

    fn gain(&self, member: &Member, keep: Option<LayerRange>) -> Option<Move> {
        let present = Some(member.range);
        let (to, share) = self.supply.best_range(member.cost, member.room, present, keep)?;
        let here = self.supply.share_of_range(member.range, member.cost, present);
        Some(Move { to, gain: if to == member.range { 0.0 } else { share / here - 1.0 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        gain_threshold: 0.05,
        minimum_stay: 100,
        movers_per_round: 2.0,
        least_probability: 0.0,
    };

    fn member(id: u8, first: u16, end: u16) -> Member {
        Member {
            id: [id; 32],
            range: LayerRange { first, end },
            room: end - first,
            cost: 1.0,
            since: 0,
        }
    }

    fn decide(members: &[Member], own: usize, now: BlockNumber, random: f64) -> Decision {
        Round::new(4, members, RULES, 1, now)
            .and_then(|round| round.decide(own, random))
            .expect("valid")
    }

    #[test]
    fn a_crowded_worker_goes_to_the_empty_layers() {
        let members = [member(1, 0, 2), member(2, 0, 2), member(3, 0, 2)];
        let moves = (0..3).filter(|i| {
            decide(&members, *i, 100, 0.0)
                == Decision::Move(Move { to: LayerRange { first: 2, end: 4 }, gain: 2.0 })
        });
        assert_eq!(moves.count(), 2, "all but the guardian");
    }

    #[test]
    fn the_guardian_stays_and_says_why() {
        let members = [member(1, 0, 2), member(2, 0, 2)];
        let layers = LayerRange { first: 0, end: 2 };
        let guards = (0..2).filter(|i| {
            decide(&members, *i, 100, 0.0) == Decision::Stay(Stay::Guarding { layers })
        });
        assert_eq!(guards.count(), 1);
        let alone = [member(1, 0, 2)];
        assert!(
            matches!(decide(&alone, 0, 100, 0.0), Decision::Stay(Stay::NoGain { .. })),
            "nothing to gain and layers to keep"
        );
    }

    #[test]
    fn nobody_moves_too_soon_too_often_or_for_nothing() {
        let members = [member(1, 0, 2), member(2, 0, 2), member(3, 0, 2)];
        assert_eq!(decide(&members, 0, 99, 0.0), Decision::Stay(Stay::MinimumStay { until: 100 }));
        let balanced = [member(1, 0, 2), member(2, 2, 4)];
        assert!(matches!(decide(&balanced, 0, 100, 0.0), Decision::Stay(Stay::NoGain { .. })));
        let many: Vec<Member> = (0..41).map(|i| member(i, 0, 2)).collect();
        let drawn =
            (0..41).filter(|i| matches!(decide(&many, *i, 100, 0.049), Decision::Move(_))).count();
        assert_eq!(drawn, 40, "below 2/40 all but the guardian go");
        let drawn =
            (0..41).filter(|i| matches!(decide(&many, *i, 100, 0.051), Decision::Move(_))).count();
        assert_eq!(drawn, 0, "above it none");
    }

    #[test]
    fn two_move_of_a_few_and_a_part_of_many() {
        let rules = Rules { least_probability: 0.02, ..RULES };
        for (movers, expected) in
            [(0, 1.0), (1, 1.0), (2, 1.0), (40, 0.05), (100, 0.02), (5_000, 0.02)]
        {
            assert_eq!(rules.probability(movers), expected, "{movers}");
        }
        assert_eq!(RULES.probability(5_000), 2.0 / 5_000.0);
    }

    #[test]
    fn strangers_and_bad_draws_are_refused() {
        let members = [member(1, 0, 2)];
        let round = Round::new(4, &members, RULES, 0, 0).expect("valid");
        assert_eq!(round.decide(1, 0.5), Err(MigrationError::NoMember(1)));
        assert_eq!(round.decide(0, 1.0), Err(MigrationError::Random(1.0)));
        assert!(round.decide(0, f64::NAN).is_err());
    }
}

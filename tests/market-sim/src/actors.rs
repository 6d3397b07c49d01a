//! Workers that do not play by the rules.

use crate::random::{Purpose, unit};

/// Identities behind which one Sybil stands.
pub const IDENTITIES: f64 = 4.0;
/// What a liar says that it costs, as a part of what it does cost.
pub const DECLARED_PART: f64 = 0.25;
/// Sessions of a thousand that a free rider accepts and does not serve.
pub const FREE_RIDER_FAILURES: u16 = 500;

/// How a worker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the rules.
    Honest,
    /// One machine registered [`IDENTITIES`] times: payers meet it as often, and its declared power
    /// is as many times too large.
    Sybil,
    /// Declares [`DECLARED_PART`] of its cost.
    FalseCost,
    /// All of this kind set their prices as one seller would.
    Cartel,
    /// Fails [`FREE_RIDER_FAILURES`] of a thousand sessions.
    FreeRider,
}

impl Kind {
    /// The kind of worker `who` when this share of all are strategic, a quarter of them of each
    /// kind.
    pub fn draw(seed: u64, who: u64, strategic: f64) -> Self {
        let draw = unit(seed, Purpose::Kind, who, 0);
        if draw >= strategic {
            return Self::Honest;
        }
        match (4.0 * draw / strategic) as u8 {
            0 => Self::Sybil,
            1 => Self::FalseCost,
            2 => Self::Cartel,
            _ => Self::FreeRider,
        }
    }

    /// Times that payers meet it.
    pub const fn identities(self) -> f64 {
        if matches!(self, Self::Sybil) { IDENTITIES } else { 1.0 }
    }

    /// What it declares when it costs `cost_us`, µs per layer-token.
    pub fn declared_us(self, cost_us: u32) -> u32 {
        match self {
            Self::FalseCost => ((f64::from(cost_us) * DECLARED_PART) as u32).max(1),
            _ => cost_us,
        }
    }

    /// Sessions of a thousand that it fails.
    pub const fn failure_permille(self) -> u16 {
        if matches!(self, Self::FreeRider) { FREE_RIDER_FAILURES } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_strategic_actors_is_as_asked_and_even_among_kinds() {
        let kinds: Vec<Kind> = (0..40_000).map(|who| Kind::draw(3, who, 0.3)).collect();
        let count = |kind| kinds.iter().filter(|k| **k == kind).count();
        assert!(count(Kind::Honest).abs_diff(28_000) < 400);
        for kind in [Kind::Sybil, Kind::FalseCost, Kind::Cartel, Kind::FreeRider] {
            assert!(count(kind).abs_diff(3_000) < 250, "{kind:?}");
        }
        assert!((0..1_000).all(|who| Kind::draw(3, who, 0.0) == Kind::Honest));
    }
}

//! What peers are given strikes for.

/// Something that a peer may not do. Each weighs as many strikes as it costs us work, or as no
/// honest peer would do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Offence {
    /// More messages of one kind than any honest peer sends.
    TooMany,
    /// Bytes that are no frame, or a longer one than it may send.
    BadFrame,
    /// A frame whose rest did not come in time.
    UnfinishedFrame,
    /// A tick that lies on no chain: no honest peer sends one, so that the second one within a
    /// minute is the last.
    BadTick,
    /// A voucher that is not signed by its channel's signer, or not for its session.
    BadVoucher,
    /// Weights that are not those of their hash: nobody sends them by mistake, because whoever
    /// serves weights holds them against the hash first.
    WrongWeights,
    /// A message that its sender should have known to be refused.
    Refused,
}

impl Offence {
    /// Why a link ends.
    pub(crate) const BANNED: &'static str = "it used up its strikes";

    /// How many strikes it costs: see [`crate::STRIKES`].
    pub const fn weight(self) -> u32 {
        match self {
            Self::TooMany | Self::Refused => 1,
            Self::BadVoucher => 8,
            Self::BadFrame | Self::UnfinishedFrame => 16,
            Self::BadTick => 48,
            Self::WrongWeights => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::{STRIKE_MS, STRIKES};

    #[test]
    fn one_false_tick_is_borne_and_the_second_within_a_minute_is_not() {
        let forgotten_in_a_minute = (60_000 / STRIKE_MS) as u32;
        let weight = Offence::BadTick.weight();
        assert!((weight..2 * weight - forgotten_in_a_minute).contains(&STRIKES));
    }
}

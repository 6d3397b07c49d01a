//! What it costs to hold room in a worker's cache, and how long a session may wait for what it has
//! paid.
//!
//! Room that is reserved and not used keeps others out, so it is sold: a **holding price** is base
//! units for 1,000 positions held for one second. The opening voucher prepays some whole positions
//! of the session ([`prepaid_positions`]), which are the first that the session computes: whoever
//! uses the room pays nothing more. Whatever a session has paid also pays for its waits
//! ([`paid_ms`]); a session that has waited longer than it paid for is ended, sooner where room is
//! scarce ([`idle_deadline_ms`]).
//!
//! Pure integers: payer and worker come to the same numbers.

use mica_primitives::Balance;

use crate::limits::{
    HOLDING_SHARE, LEAST_STEP_DEADLINE_MS, MAX_JOB_POSITIONS, MAX_PREPAID_POSITIONS,
    PREPAID_HOLDING_MS, SCARCE_STEP_DEADLINE_MS,
};

/// Position-milliseconds in the unit of a holding price: 1,000 positions for one second.
const POSITION_MS: u128 = 1_000_000;

/// Permille of free room from which on room is not scarce.
const PLENTY_PERMILLE: u32 = 500;

/// What a payer takes for the holding price of a worker that it has no quote of: it prepays as much
/// as any worker asks for.
pub const UNKNOWN_PRICE: Balance = Balance::MAX;

/// Base units for holding `positions` for `ms` at `price`, rounded up; saturates.
pub fn cost(price: Balance, positions: u32, ms: u64) -> Balance {
    // 32 and 64 bits fit in 128.
    price.saturating_mul(u128::from(positions) * u128::from(ms)).div_ceil(POSITION_MS)
}

/// Milliseconds for which `amount` base units hold `positions` at `price`, rounded down; without
/// end if that costs nothing.
pub fn paid_ms(amount: Balance, price: Balance, positions: u32) -> u64 {
    let per_ms = price.saturating_mul(positions.into());
    let ms = amount.saturating_mul(POSITION_MS).checked_div(per_ms).unwrap_or(Balance::MAX);
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// Positions that an opening voucher must prepay: what holding the session's room for
/// [`PREPAID_HOLDING_MS`] costs, in whole positions of `unit` base units. At least 1, at most
/// [`MAX_PREPAID_POSITIONS`], and no more than the session has.
pub fn prepaid_positions(price: Balance, unit: Balance, positions: u32) -> u16 {
    let needed = cost(price, positions, PREPAID_HOLDING_MS).div_ceil(unit.max(1));
    let most = u16::try_from(positions).unwrap_or(u16::MAX).clamp(1, MAX_PREPAID_POSITIONS);
    u16::try_from(needed).unwrap_or(u16::MAX).clamp(1, most)
}

/// The holding price that follows from what the worker could earn with the room: one
/// [`HOLDING_SHARE`]th of what a position of its cache brings while the worker computes all the
/// time, at least 1. In the price per layer-token and the cost per layer-token the number of layers
/// cancels out.
pub fn default_price(
    price_per_layer_token: Balance,
    cost_us_per_layer_token: u32,
    cache_positions: u32,
) -> Balance {
    // Base units per second of work are price · 10⁶ / cost; over the cache, for 1,000 positions.
    let room = u128::from(cost_us_per_layer_token.max(1)) * u128::from(cache_positions.max(1));
    (price_per_layer_token.saturating_mul(1_000_000_000) / (room * HOLDING_SHARE)).max(1)
}

/// What other stages of a path may need for a full job before this one hears of it: four times its
/// own time, because stages differ.
pub fn pace_ms(cost_us_per_layer_token: u32, layers: u16) -> u64 {
    // 32, 16 and 8 bits fit in 64.
    u64::from(cost_us_per_layer_token) * u64::from(layers) * u64::from(MAX_JOB_POSITIONS) * 4
        / 1_000
}

/// How long a session may wait for its next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Milliseconds that it has paid for and not waited yet.
    pub paid_ms: u64,
    /// As [`pace_ms`] says.
    pub pace_ms: u64,
    /// How much of the worker's room is free.
    pub free_permille: u32,
}

/// Milliseconds that a session may wait for its next step.
///
/// With half of the room free or more: what it has paid for, at least [`LEAST_STEP_DEADLINE_MS`] and
/// the path's pace. Below that it falls in proportion, to [`SCARCE_STEP_DEADLINE_MS`] or the pace
/// when nothing is free. It never exceeds `longest_ms`.
pub fn idle_deadline_ms(patience: Patience, longest_ms: u64) -> u64 {
    let Patience { paid_ms, pace_ms, free_permille } = patience;
    let most_ms = paid_ms.max(LEAST_STEP_DEADLINE_MS).max(pace_ms).min(longest_ms);
    let least_ms = SCARCE_STEP_DEADLINE_MS.max(pace_ms).min(most_ms);
    let free = u64::from(free_permille.min(PLENTY_PERMILLE));
    least_ms + (most_ms - least_ms).saturating_mul(free) / u64::from(PLENTY_PERMILLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STEP_DEADLINE_MS;
    use proptest::prelude::*;

    #[test]
    fn a_thousand_positions_for_a_second_cost_the_price() {
        assert_eq!(cost(7, 1_000, 1_000), 7);
        assert_eq!(cost(7, 1_000, 1_001), 8, "rounded up");
        assert_eq!(cost(0, u32::MAX, u64::MAX), 0);
        assert_eq!(cost(Balance::MAX, 2, 1_000_000), Balance::MAX.div_ceil(POSITION_MS));
        assert_eq!(paid_ms(7, 7, 1_000), 1_000);
        assert_eq!(paid_ms(0, 7, 1_000), 0);
        assert_eq!(paid_ms(0, 0, 1_000), u64::MAX, "free room is held without end");
    }

    #[test]
    fn the_prepayment_is_a_whole_number_of_the_sessions_own_positions() {
        // 1,000 positions for 30 s at 10 are 300 base units: 3 positions of 100, and 4 of 99.
        assert_eq!(prepaid_positions(10, 100, 1_000), 3);
        assert_eq!(prepaid_positions(10, 99, 1_000), 4);
        assert_eq!(prepaid_positions(0, 100, 1_000), 1, "never nothing");
        assert_eq!(prepaid_positions(UNKNOWN_PRICE, 100, 1_000), MAX_PREPAID_POSITIONS);
        assert_eq!(prepaid_positions(UNKNOWN_PRICE, 1, 3), 3, "no more than there are");
        assert_eq!(prepaid_positions(10, 0, 0), 1);
    }

    #[test]
    fn the_default_price_is_a_share_of_what_the_room_can_earn() {
        // 10⁶ / 50 layer-tokens a second at 1,000,000 each, over 20,000 positions.
        let full = 1_000_000u128 * 20_000 * 1_000 / 20_000;
        assert_eq!(default_price(1_000_000, 50, 20_000), full / HOLDING_SHARE);
        assert_eq!(default_price(0, 0, 0), 1);
        assert_eq!(default_price(1, u32::MAX, u32::MAX), 1, "room is never free");
    }

    #[test]
    fn waits_shrink_with_the_room_between_their_bounds() {
        let longest = STEP_DEADLINE_MS;
        let patience = |paid_ms, free_permille| Patience { paid_ms, pace_ms: 0, free_permille };
        let at = |paid_ms, free| idle_deadline_ms(patience(paid_ms, free), longest);
        assert_eq!(at(u64::MAX, 1_000), longest);
        assert_eq!(at(60_000, 1_000), 60_000);
        assert_eq!(at(60_000, 500), 60_000);
        assert_eq!(at(60_000, 250), 35_000, "half way to the least");
        assert_eq!(at(u64::MAX, 0), SCARCE_STEP_DEADLINE_MS);
        assert_eq!(at(0, 1_000), LEAST_STEP_DEADLINE_MS);
        assert_eq!(at(0, 0), SCARCE_STEP_DEADLINE_MS);
        assert_eq!(idle_deadline_ms(patience(u64::MAX, 0), 5), 5, "never more than the longest");
        let slow = |free_permille| Patience { pace_ms: 64_000, ..patience(0, free_permille) };
        assert_eq!(
            [idle_deadline_ms(slow(0), longest), idle_deadline_ms(slow(1_000), longest)],
            [64_000; 2],
            "a slow path is waited for"
        );
        assert_eq!(pace_ms(31_250, 8), 64_000);
        assert!(pace_ms(u32::MAX, u16::MAX) > longest);
    }

    proptest! {
        #[test]
        fn what_is_prepaid_holds_the_room_as_long_as_was_asked(
            price in 0u128..1_000_000_000, unit in 1u128..1_000_000_000, positions in 1u32..200_000,
        ) {
            let prepaid = prepaid_positions(price, unit, positions);
            let most = positions.min(MAX_PREPAID_POSITIONS.into()) as u16;
            prop_assert!((1..=most).contains(&prepaid));
            let is_capped = prepaid == most;
            let ms = paid_ms(unit * u128::from(prepaid), price, positions);
            prop_assert!(is_capped || ms >= PREPAID_HOLDING_MS, "{ms}");
        }

        #[test]
        fn more_money_or_more_room_never_shortens_a_wait(
            paid in 0u64..300_000, more in 0u64..300_000, free in 0u32..1_001, freer in 0u32..1_001,
            pace_ms in 0u64..200_000,
        ) {
            let (less_free, more_free) = (free.min(freer), free.max(freer));
            let wait = |paid_ms, free_permille| {
                idle_deadline_ms(Patience { paid_ms, pace_ms, free_permille }, STEP_DEADLINE_MS)
            };
            prop_assert!(wait(paid, less_free) <= wait(paid + more, more_free));
        }
    }
}

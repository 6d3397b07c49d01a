//! The game: every behaviour of either side in short agreements, played on the pallet.
//!
//! Against an honest side, whose moves are fixed by what it has seen, a strategy is the sequence of
//! its moves, so all sequences are all strategies. What is checked is what the manual claims: no
//! lie gains, a lie that costs the other anything costs the liar at least half as much, and nobody
//! loses more than a credit window to one.

mod choices;
mod play;

use std::collections::BTreeSet;

use mica_primitives::Terms;

use self::{
    choices::every,
    play::{Free, Outcome, play},
};
use crate::mock::{self, DEPOSIT, TOKEN};

/// Agreements of `tokens` tokens with a window of `window`, of which the generation makes
/// `generated`; four layers at 5 make a token cost 20.
#[derive(Clone, Copy, Debug)]
struct Deal {
    tokens: u32,
    window: u32,
    generated: u32,
}

impl Deal {
    fn terms(self) -> Terms {
        Terms {
            tokens: self.tokens,
            window: self.window,
            work_blocks: self.tokens,
            ..mock::terms()
        }
    }

    /// The price of a credit window.
    fn deposit(self) -> i128 {
        i128::from(self.window) * TOKEN as i128
    }

    /// What an honest worker earns whose costs per token are `cost`.
    fn honest_profit(self, cost: i128) -> i128 {
        i128::from(self.generated) * (TOKEN as i128 - cost)
    }
}

/// Generations that end by an end token and such that make all tokens; credit of one token and of
/// two.
const DEALS: [Deal; 6] = [
    Deal { tokens: 3, window: 2, generated: 1 },
    Deal { tokens: 3, window: 2, generated: 3 },
    Deal { tokens: 4, window: 4, generated: 2 },
    Deal { tokens: 4, window: 4, generated: 3 },
    Deal { tokens: 4, window: 4, generated: 4 },
    Deal { tokens: 5, window: 4, generated: 5 },
];

/// A worker whose tokens cost it nothing gains most by lying, one that works at its price loses
/// most to a lie.
const COSTS: [i128; 2] = [0, TOKEN as i128];

/// Fails with all that was done unless `holds`.
fn hold(holds: bool, claim: &str, deal: Deal, outcome: &Outcome) {
    assert!(holds, "not so: {claim}. {deal:?} {outcome:?} after {:#?}", outcome.moves);
}

/// Plays all there is and holds each outcome to `check`; returns the ends that occurred.
fn play_all(free: Free, deals: &[Deal], check: impl Fn(Deal, &Outcome)) -> BTreeSet<&'static str> {
    let mut ends = BTreeSet::new();
    for deal in deals {
        let played = every(|choices| {
            let outcome = play(free, deal.terms(), deal.generated, choices);
            check(*deal, &outcome);
            ends.insert(outcome.end);
        });
        println!("{free:?} {deal:?}: {played} games");
    }
    ends
}

#[test]
fn two_honest_sides_exchange_tokens_for_their_price() {
    let ends = play_all(Free::Neither, &DEALS, |deal, outcome| {
        hold(outcome.payer_profit() == 0, "the payer pays the price", deal, outcome);
        let earned = outcome.worker_profit(0) == deal.honest_profit(0);
        hold(earned, "the worker earns the price", deal, outcome);
        hold(outcome.received == deal.generated, "all tokens arrive", deal, outcome);
    });
    assert_eq!(ends, BTreeSet::from(["paid"]));
}

#[test]
fn no_payer_gains_by_a_lie_and_its_worker_loses_a_window_at_most() {
    let ends = play_all(Free::Payer, &DEALS, |deal, outcome| {
        let gain = outcome.payer_profit();
        let loss = -outcome.worker_profit(TOKEN as i128);
        hold(gain <= 0, "no payer gains", deal, outcome);
        hold(loss <= deal.deposit(), "a worker loses a window at most", deal, outcome);
        hold(loss <= -2 * gain, "harm costs half of it", deal, outcome);
    });
    assert_eq!(ends, BTreeSet::from(["disputed", "expired", "paid"]));
}

#[test]
fn no_worker_gains_by_a_lie_and_its_payer_loses_a_window_at_most() {
    let ends = play_all(Free::Worker, &DEALS, |deal, outcome| {
        let loss = -outcome.payer_profit();
        hold(loss <= deal.deposit(), "a payer loses a window at most", deal, outcome);
        for cost in COSTS {
            let gain = outcome.worker_profit(cost) - deal.honest_profit(cost);
            hold(gain <= 0, "no worker gains", deal, outcome);
            hold(loss <= -2 * gain, "harm costs half of it", deal, outcome);
        }
    });
    assert_eq!(ends, BTreeSet::from(["disputed", "expired", "failed", "paid"]));
}

/// Whatever the two do, what a side can lose is what it signed and what it put at risk.
#[test]
fn two_liars_lose_no_more_than_they_signed_and_deposited() {
    let deals =
        [Deal { tokens: 3, window: 2, generated: 1 }, Deal { tokens: 4, window: 2, generated: 2 }];
    let ends = play_all(Free::Both, &deals, |deal, outcome| {
        let signed = i128::from(outcome.signed) * TOKEN as i128;
        let (payer, worker) = (outcome.payer, outcome.worker);
        hold(-payer <= signed + deal.deposit(), "a payer loses what it risked", deal, outcome);
        hold(worker <= signed, "a worker is paid what was signed", deal, outcome);
        hold(-worker <= deal.deposit() / 2, "a worker loses its forfeit", deal, outcome);
        hold(payer + worker <= 0, "no money is made", deal, outcome);
    });
    assert_eq!(ends, BTreeSet::from(["disputed", "expired", "failed", "paid"]));
}

/// The payer keeps what it has and destroys stake, as it could for nothing once.
#[test]
fn a_withheld_signature_costs_the_payer_twice_what_it_saves() {
    use frame_support::assert_ok;
    mock::test(|| {
        let id = mock::accepted();
        // Eight tokens came and were not signed for.
        assert_ok!(mock::dispute(id, None));
        let saved = 8 * TOKEN as i128;
        assert_eq!(mock::change_of(mock::PAYER) + saved, -(DEPOSIT as i128) / 2);
    });
}

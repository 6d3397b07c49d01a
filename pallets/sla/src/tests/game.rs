//! The game: every behaviour of either side in short agreements, played on the pallet.
//!
//! Against an honest side, whose moves are fixed by what it has seen, a strategy is the sequence of
//! its moves, so all sequences are all strategies. What is checked is what the manual claims: no
//! lie gains, a lie that costs the other anything costs the liar at least half as much, and nobody
//! loses more than a credit window to one; and that a worker which minds nothing but its own money
//! ends an agreement no better by silence or by another lie than by the truth.

mod choices;
mod play;

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::Terms;

use self::{
    choices::every,
    play::{Ending, Free, Outcome, play},
};
use crate::mock::{self, DEPOSIT, TOKEN};

/// Agreements of `tokens` tokens with a window of `window`, of which the generation makes
/// `generated`; four layers at 5 make a token cost 20. A token takes a block of the worker's time,
/// as agreed on.
#[derive(Clone, Copy, Debug)]
struct Deal {
    tokens: u32,
    window: u32,
    generated: u32,
    /// Blocks more that the first token takes.
    prefill: u32,
    /// Blocks that the others of the path take before each token.
    path: u32,
}

/// With a prefill and a path that are no slower than a token.
const PLAIN: Deal = Deal { tokens: 0, window: 2, generated: 0, prefill: 0, path: 0 };

impl Deal {
    fn terms(self) -> Terms {
        Terms {
            tokens: self.tokens,
            window: self.window,
            first_blocks: self.prefill,
            work_blocks: self.tokens,
            ..mock::terms()
        }
    }

    /// Blocks that the worker takes for the token of this number, from 1.
    fn blocks_of(self, token: u32) -> u32 {
        if token == 1 { self.prefill + 1 } else { 1 }
    }

    /// Tokens that two honest sides exchange: all, unless the others of the path are too slow.
    fn exchanged(self) -> u32 {
        let mut received = 0;
        every(|choices| received = play(Free::Neither, self, choices).received);
        received
    }

    /// What the worker's stake loses in a bad end.
    fn forfeit(self) -> i128 {
        self.deposit() / 2
    }

    /// The price of a credit window.
    fn deposit(self) -> i128 {
        i128::from(self.window) * TOKEN as i128
    }
}

/// Generations that end by an end token and such that make all tokens; credit of one token and of
/// two; a prefill slower than the tokens after it, others of the path that the worker waits for.
const DEALS: [Deal; 9] = [
    Deal { tokens: 3, generated: 1, ..PLAIN },
    Deal { tokens: 3, generated: 3, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 2, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 3, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 4, ..PLAIN },
    Deal { tokens: 5, window: 4, generated: 5, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 1, prefill: 3, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 4, prefill: 3, ..PLAIN },
    Deal { tokens: 4, window: 4, generated: 4, prefill: 3, path: 1 },
];

/// A worker whose tokens cost it nothing gains most by lying, one that works at its price loses
/// most to a lie.
const COSTS: [i128; 2] = [0, TOKEN as i128];

/// Fails with all that was done unless `holds`.
fn hold(holds: bool, claim: &str, deal: Deal, outcome: &Outcome) {
    assert!(holds, "not so: {claim}. {deal:?} {outcome:?} after {:#?}", outcome.moves);
}

/// What an honest worker earns whose costs per token are `cost`.
fn honest_profit(exchanged: u32, cost: i128) -> i128 {
    i128::from(exchanged) * (TOKEN as i128 - cost)
}

/// Plays all there is and holds each outcome to `check`; returns the ends that occurred.
fn play_all(free: Free, deals: &[Deal], check: impl Fn(Deal, &Outcome)) -> BTreeSet<&'static str> {
    let mut ends = BTreeSet::new();
    for deal in deals {
        let played = every(|choices| {
            let outcome = play(free, *deal, choices);
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
        let earned = outcome.worker_profit(0) == honest_profit(outcome.received, 0);
        hold(earned, "the worker earns the price", deal, outcome);
        let all = if deal.path == 0 { deal.generated } else { 2 };
        hold(outcome.received == all, "what is in time arrives", deal, outcome);
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
    let mut ends = BTreeSet::new();
    for deal in DEALS {
        let exchanged = deal.exchanged();
        ends.extend(play_all(Free::Worker, &[deal], |deal, outcome| {
            let loss = -outcome.payer_profit();
            hold(loss <= deal.deposit(), "a payer loses a window at most", deal, outcome);
            for cost in COSTS {
                let gain = outcome.worker_profit(cost) - honest_profit(exchanged, cost);
                hold(gain <= 0, "no worker gains", deal, outcome);
                hold(loss <= -2 * gain, "harm costs half of it", deal, outcome);
            }
        }));
    }
    // An honest payer asks on chain: nothing expires that it has sent.
    assert_eq!(ends, BTreeSet::from(["disputed", "failed", "paid"]));
}

/// A worker that minds its own money only, when all that remains is to end the agreement: whatever
/// the payer did, silence earns it no more than the honest end, and nothing does unless the payer
/// signed something false that pays without a failure: fewer tokens, as an end. That offer is
/// worth no more than the tokens on credit.
#[test]
fn no_end_is_better_for_a_selfish_worker_than_the_honest_one() {
    for deal in DEALS {
        let mut ends: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        every(|choices| {
            let outcome = play(Free::PayerAndEnd, deal, choices);
            ends.entry(outcome.moves[..outcome.moves_before_end].join("; "))
                .or_default()
                .push(outcome);
        });
        assert!(ends.values().any(|outcomes| outcomes.len() > 2), "the worker has a choice");
        for outcomes in ends.into_values() {
            let best = outcomes.iter().map(|outcome| outcome.worker).max();
            let is_honest = |outcome: &&Outcome| outcome.ending == Ending::Honest;
            let honest = outcomes.iter().find(is_honest).expect("one of all is honest");
            for outcome in &outcomes {
                // What it computed is computed: only the money differs.
                let gain = outcome.worker - honest.worker;
                let is_silent = outcome.ending == Ending::Silent;
                hold(!is_silent || gain <= 0, "silence is no better", deal, outcome);
                hold(gain <= 0 || outcome.is_offered, "no other end is better", deal, outcome);
                hold(gain <= deal.forfeit(), "an offer saves a forfeit at most", deal, outcome);
                let saves_little = outcome.payer_profit() <= deal.forfeit();
                let is_best = Some(outcome.worker) == best;
                hold(!is_best || saves_little, "a payer saves the credit at most", deal, outcome);
            }
        }
    }
}

/// Before a block says that the work has begun there is none to withhold the price of; afterwards
/// silence costs the worker what a dispute costs it.
#[test]
fn a_payer_that_withholds_leaves_its_worker_no_reason_to_be_silent() {
    use frame_support::{assert_noop, assert_ok};
    for (disputes, burned) in [(true, DEPOSIT), (false, 0)] {
        mock::test(|| {
            let id = mock::accepted();
            let payer = mock::RuntimeOrigin::signed(mock::PAYER);
            assert_noop!(
                mock::Sla::acknowledge(payer, id, mock::HASH),
                crate::Error::<mock::Test>::NotWorker
            );
            assert_ok!(mock::acknowledge(id));
            if disputes {
                assert_ok!(mock::dispute(id, None));
            }
            mock::run_to(1 + mock::WORK + mock::ANSWER);
            assert!(mock::is_over(id));
            assert_eq!(mock::change_of(mock::WORKER), -(mock::FORFEIT as i128));
            assert_eq!(mock::change_of(mock::PAYER), -(burned as i128));
        });
    }
}

/// Whatever the two do, what a side can lose is what it signed and what it put at risk.
#[test]
fn two_liars_lose_no_more_than_they_signed_and_deposited() {
    let deals = [
        Deal { tokens: 3, generated: 1, prefill: 2, ..PLAIN },
        Deal { tokens: 4, generated: 2, ..PLAIN },
    ];
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
        let id = mock::working();
        // Eight tokens came and were not signed for.
        assert_ok!(mock::dispute(id, None));
        let saved = 8 * TOKEN as i128;
        assert_eq!(mock::change_of(mock::PAYER) + saved, -(DEPOSIT as i128) / 2);
    });
}

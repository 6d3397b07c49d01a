//! One game: an agreement from its acceptance to its end, with the moves of both sides off chain
//! and on.
//!
//! Off the chain only what is true is kept here: who sent what, and what was signed. On the chain
//! everything is done by the pallet.

use frame_support::pallet_prelude::DispatchResult;
use mica_primitives::{AgreementState, Progress, Terms};

use super::choices::Choices;
use crate::{Event, mock::*};

/// Who chooses freely. The others are honest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Free {
    Neither,
    Payer,
    Worker,
    Both,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Payer,
    Worker,
}

/// How a game ended.
#[derive(Debug)]
pub struct Outcome {
    /// Name of the end.
    pub end: &'static str,
    /// Base units that the payer owns more than at the start.
    pub payer: i128,
    /// Base units that the worker owns more, with its stake.
    pub worker: i128,
    /// Tokens that the payer has.
    pub received: u32,
    /// Most tokens that it signed for.
    pub signed: u32,
    /// All that was done.
    pub moves: Vec<String>,
}

impl Outcome {
    /// What the payer gained, to whom a token is worth its price.
    pub fn payer_profit(&self) -> i128 {
        self.payer + i128::from(self.received) * TOKEN as i128
    }

    /// What the worker gained, whom a token costs `cost`.
    pub fn worker_profit(&self, cost: i128) -> i128 {
        self.worker - i128::from(self.received) * cost
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reply {
    Acknowledge,
    /// With an anchor that is still to come: more time for the work.
    AcknowledgeAhead,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Acknowledge,
    Nothing,
    Dispute,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Feed {
    Input,
    /// After more blocks than the terms allow for the whole.
    LateInput,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Make {
    Token,
    LateToken,
    Rubbish,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Truth,
    Nothing,
    /// One token fewer than it has, as an end.
    Fewer,
    /// An end where none was: it wants no more.
    End,
    /// More blocks than it took.
    Slower,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finish {
    /// With the progress of this number.
    Claim(usize),
    Dispute(Option<usize>),
    Nothing,
}

struct Game<'a> {
    free: Free,
    choices: &'a mut Choices,
    terms: Terms,
    id: u64,
    /// Block from which the payer counts; nothing while no acknowledgement reached it.
    anchor: Option<u32>,
    received: u32,
    /// What the payer signed, and whether all of it is true.
    signed: Vec<(Progress, bool)>,
    moves: Vec<String>,
}

/// Plays a game in which the generation makes `generated` tokens; fewer than the terms say means
/// that the last of them is an end token.
pub fn play(free: Free, terms: Terms, generated: u32, choices: &mut Choices) -> Outcome {
    new_test_ext().execute_with(|| {
        let id = accepted_with(terms);
        let (anchor, received) = (None, 0);
        let (signed, moves) = (Vec::new(), Vec::new());
        let mut game = Game { free, choices, terms, id, anchor, received, signed, moves };
        if game.begin() {
            game.work(generated);
            game.finish();
        }
        game.outcome()
    })
}

impl Game<'_> {
    fn is_free(&self, side: Side) -> bool {
        match self.free {
            Free::Neither => false,
            Free::Both => true,
            Free::Payer => side == Side::Payer,
            Free::Worker => side == Side::Worker,
        }
    }

    /// The move of `side`: the honest one, or any.
    fn pick<M: Copy + core::fmt::Debug>(&mut self, side: Side, honest: M, all: &[M]) -> M {
        let picked = if self.is_free(side) { self.choices.choose(all) } else { honest };
        self.moves.push(format!("{side:?} {picked:?}"));
        picked
    }

    /// Notes what became of a call. An honest side makes none that the chain refuses.
    fn submit(&mut self, side: Side, what: &str, result: DispatchResult) -> bool {
        self.moves.push(format!("{side:?} {what} on chain: {result:?}"));
        let is_honest = !self.is_free(side);
        assert!(result.is_ok() || !is_honest, "an honest call was refused: {:#?}", self.moves);
        result.is_ok()
    }

    /// The request and its acknowledgement; whether there is anything to finish.
    fn begin(&mut self) -> bool {
        let sent = self.pick(Side::Payer, true, &[true, false]);
        let replies = [Reply::Acknowledge, Reply::AcknowledgeAhead, Reply::Nothing];
        if sent && self.pick(Side::Worker, Reply::Acknowledge, &replies) == Reply::Acknowledge {
            // What lies ahead the payer does not take.
            self.anchor = Some(Now::get());
        }
        let missing = sent && self.anchor.is_none();
        if self.pick(Side::Payer, missing, &[true, false]) {
            let asked = request(self.id);
            self.submit(Side::Payer, "request", asked);
            return self.answer(sent);
        }
        if self.anchor.is_some() && self.pick(Side::Payer, false, &[true, false]) {
            self.show();
        }
        true
    }

    /// The worker's answer to a request on chain; whether the agreement goes on.
    fn answer(&mut self, sent: bool) -> bool {
        let honest = if sent { Answer::Acknowledge } else { Answer::Dispute };
        let all = [Answer::Acknowledge, Answer::Nothing, Answer::Dispute];
        match self.pick(Side::Worker, honest, &all) {
            Answer::Acknowledge => {
                self.anchor = Some(Now::get());
                let answered = acknowledge(self.id);
                self.submit(Side::Worker, "acknowledge", answered)
            }
            Answer::Dispute => {
                let disputed = dispute(self.id, None);
                self.submit(Side::Worker, "dispute", disputed);
                false
            }
            Answer::Nothing => false,
        }
    }

    /// The payer puts on chain what it was sent.
    fn show(&mut self) -> bool {
        let Some(anchor) = self.anchor else { return false };
        acknowledge_as(PAYER, acknowledgement(self.id, anchor), WORKER).is_ok()
    }

    /// Token after token, until one of the two stops.
    fn work(&mut self, generated: u32) {
        let Some(anchor) = self.anchor else { return };
        for token in 1..=generated {
            match self.pick(
                Side::Payer,
                Feed::Input,
                &[Feed::Input, Feed::LateInput, Feed::Nothing],
            ) {
                Feed::Input => (),
                Feed::LateInput => {
                    self.waste();
                    // Whatever it does now is late.
                    if !self.pick(Side::Worker, false, &[true, false]) {
                        return;
                    }
                }
                Feed::Nothing => return,
            }
            let all = [Make::Token, Make::LateToken, Make::Rubbish, Make::Nothing];
            match self.pick(Side::Worker, Make::Token, &all) {
                Make::Token => (),
                Make::LateToken => self.waste(),
                Make::Rubbish | Make::Nothing => return,
            }
            self.received = token;
            let is_end = token == generated && generated < self.terms.tokens;
            if !self.sign(anchor, is_end) || self.on_credit() >= self.terms.credit() {
                return;
            }
        }
    }

    /// The payer signs for what it has, or for something else; whether it goes on.
    fn sign(&mut self, anchor: u32, is_end: bool) -> bool {
        let truth = Progress {
            ended: is_end,
            elapsed_blocks: Now::get() - anchor,
            ..received(self.id, self.received)
        };
        let all = [Sign::Truth, Sign::Nothing, Sign::Fewer, Sign::End, Sign::Slower];
        let picked = self.pick(Side::Payer, Sign::Truth, &all);
        let progress = match picked {
            Sign::Truth => truth,
            Sign::Nothing => return true,
            Sign::Fewer => Progress { tokens: truth.tokens - 1, ended: true, ..truth },
            Sign::End => Progress { ended: true, ..truth },
            Sign::Slower => Progress { elapsed_blocks: truth.elapsed_blocks + 100, ..truth },
        };
        // That it wants no more is true when the payer says so.
        self.signed.push((progress, matches!(picked, Sign::Truth | Sign::End)));
        matches!(picked, Sign::Truth | Sign::Slower)
    }

    /// Number of the last progress of which all is true.
    fn last_true(&self) -> Option<usize> {
        self.signed.iter().rposition(|(_, is_true)| *is_true)
    }

    /// Tokens that the payer has and did not sign for.
    fn on_credit(&self) -> u32 {
        let signed = self.last_true().map_or(0, |number| self.signed[number].0.tokens);
        self.received - signed
    }

    /// Lets more blocks pass than the terms allow for all tokens.
    fn waste(&mut self) {
        run_to(Now::get() + self.terms.blocks_for(self.terms.tokens) + 1);
    }

    /// The payer may still put the acknowledgement on chain; the worker ends the agreement, or does
    /// not.
    fn finish(&mut self) {
        let state = crate::Agreements::<Test>::get(self.id).map(|agreement| agreement.state);
        let mut is_silent = matches!(state, Some(AgreementState::Active { .. }));
        let met = |(progress, _): &(Progress, bool)| self.terms.are_met_by(progress);
        let is_missing = !self.signed.last().is_some_and(met);
        if is_silent && self.anchor.is_some() && self.pick(Side::Payer, is_missing, &[true, false])
        {
            // Too late after a delay: then the chain refuses it.
            is_silent = !self.show();
        }
        let honest = self.honest_finish(is_silent);
        let numbers = || 0..self.signed.len();
        let all: Vec<Finish> = numbers()
            .map(Finish::Claim)
            .chain(numbers().map(Some).chain([None]).map(Finish::Dispute))
            .chain([Finish::Nothing])
            .collect();
        match self.pick(Side::Worker, honest, &all) {
            Finish::Claim(number) => {
                let claimed = claim(self.signed[number].0);
                self.submit(Side::Worker, "claim", claimed);
            }
            Finish::Dispute(number) => {
                let disputed = dispute(self.id, number.map(|number| self.signed[number].0));
                self.submit(Side::Worker, "dispute", disputed);
            }
            Finish::Nothing => (),
        }
    }

    /// Claims what is signed in full and meets the terms; lets an agreement of which nothing came
    /// end by itself; else the payer is to blame.
    fn honest_finish(&self, is_silent: bool) -> Finish {
        let number = self.last_true();
        let progress = number.map(|number| self.signed[number].0);
        match progress {
            Some(progress) if self.on_credit() == 0 && self.terms.are_met_by(&progress) => {
                number.map_or(Finish::Nothing, Finish::Claim)
            }
            None if self.received == 0 && is_silent => Finish::Nothing,
            // One with wrong blocks pays for the same tokens and more; the end is no better.
            _ => Finish::Dispute(self.most_paid()),
        }
    }

    /// Number of the progress that pays most.
    fn most_paid(&self) -> Option<usize> {
        (0..self.signed.len()).max_by_key(|number| self.signed[*number].0.tokens)
    }

    /// Lets the agreement end by itself if it has not ended, and counts.
    fn outcome(self) -> Outcome {
        make_block(3 * (ANSWER + self.terms.start_blocks + self.terms.work_blocks));
        while !is_over(self.id) {
            make_block(0);
        }
        let end = events().into_iter().find_map(|event| match event {
            Event::Paid { .. } => Some("paid"),
            Event::Expired { .. } => Some("expired"),
            Event::Failed { .. } => Some("failed"),
            Event::Disputed { .. } => Some("disputed"),
            _ => None,
        });
        Outcome {
            end: end.expect("every agreement ends"),
            payer: change_of(PAYER),
            worker: change_of(WORKER),
            received: self.received,
            signed: self.signed.iter().map(|(progress, _)| progress.tokens).max().unwrap_or(0),
            moves: self.moves,
        }
    }
}

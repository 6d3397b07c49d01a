//! One game: an agreement from its acceptance to its end, with the moves of both sides off chain
//! and on.
//!
//! Off the chain only what is true is kept here: who sent what, and what was signed. On the chain
//! everything is done by the pallet.

use frame_support::pallet_prelude::DispatchResult;
use mica_primitives::{AgreementState, Progress, Terms};

use super::{Deal, choices::Choices};
use crate::{Event, mock::*};

/// Who chooses freely. The others are honest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Free {
    Neither,
    Payer,
    /// The payer, and the worker when all that is left is to end the agreement.
    PayerAndEnd,
    Worker,
    Both,
}

/// What the worker's last move was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Honest,
    Silent,
    Other,
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
    /// What the worker's last move was.
    pub ending: Ending,
    /// Whether the payer signed something false that pays without a failure.
    pub is_offered: bool,
    /// Moves before the worker's last.
    pub moves_before_end: usize,
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
    /// Of another request.
    AcknowledgeOther,
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
    /// It wants no more, and signs that it is so.
    End,
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
    deal: Deal,
    terms: Terms,
    id: u64,
    /// Block in which the worker acknowledged the payer's request; nothing while it has not.
    anchor: Option<u32>,
    /// Blocks since then in which the worker waited for input.
    waited: u32,
    received: u32,
    ending: Ending,
    moves_before_end: Option<usize>,
    /// What the payer signed, and whether all of it is true.
    signed: Vec<(Progress, bool)>,
    moves: Vec<String>,
}

/// Plays a game of the deal. Fewer generated tokens than the terms say means that the last of them
/// is an end token.
pub fn play(free: Free, deal: Deal, choices: &mut Choices) -> Outcome {
    new_test_ext().execute_with(|| {
        let terms = deal.terms();
        let mut game = Game {
            free,
            choices,
            deal,
            terms,
            id: accepted_with(terms),
            anchor: None,
            waited: 0,
            received: 0,
            ending: Ending::Honest,
            moves_before_end: None,
            signed: Vec::new(),
            moves: Vec::new(),
        };
        if game.begin() {
            game.work();
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
            Free::PayerAndEnd => side == Side::Payer || self.moves_before_end.is_some(),
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

    /// The request and its acknowledgement on chain; whether there is anything to finish.
    fn begin(&mut self) -> bool {
        let sent = self.pick(Side::Payer, true, &[true, false]);
        let replies = [Reply::Acknowledge, Reply::AcknowledgeOther, Reply::Nothing];
        let honest = if sent { Reply::Acknowledge } else { Reply::Nothing };
        match self.pick(Side::Worker, honest, &replies) {
            Reply::Acknowledge => {
                self.anchor = Some(Now::get());
                let begun = acknowledge(self.id);
                self.submit(Side::Worker, "acknowledge", begun);
            }
            Reply::AcknowledgeOther => {
                // The payer sees that it is not its request, and sends nothing.
                let begun = Sla::acknowledge(RuntimeOrigin::signed(WORKER), self.id, [6; 32]);
                self.submit(Side::Worker, "acknowledge another", begun);
            }
            Reply::Nothing => {
                if self.pick(Side::Payer, sent, &[true, false]) {
                    let asked = request(self.id);
                    self.submit(Side::Payer, "request", asked);
                    return self.answer(sent);
                }
            }
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

    /// Last block in which a token may come.
    fn over(&self) -> u32 {
        self.anchor.unwrap_or_default() + self.terms.blocks_for(self.terms.tokens)
    }

    /// Token after token, until one of the two stops.
    fn work(&mut self) {
        if self.anchor.is_none() {
            return;
        }
        for token in 1..=self.deal.generated {
            if !self.feed(token) || !self.make(token) {
                return;
            }
            self.received = token;
            let is_end = token == self.deal.generated && token < self.terms.tokens;
            if !self.sign(is_end) || self.on_credit() >= self.terms.credit() {
                return;
            }
        }
    }

    /// The payer sends the input of a token, when the others of the path have made it; whether the
    /// worker has it and goes on.
    fn feed(&mut self, token: u32) -> bool {
        let comes = Now::get() + self.deal.path + self.deal.blocks_of(token);
        let honest = if comes <= self.over() { Feed::Input } else { Feed::End };
        let all = [Feed::Input, Feed::LateInput, Feed::End, Feed::Nothing];
        match self.pick(Side::Payer, honest, &all) {
            Feed::Input => {
                self.wait(self.deal.path);
                true
            }
            Feed::LateInput => {
                let before = Now::get();
                self.waste();
                self.waited += Now::get() - before;
                // Whatever it makes now comes after the time for the work.
                self.pick(Side::Worker, false, &[true, false])
            }
            Feed::End => {
                self.signed.push((Progress { ended: true, ..self.truth() }, true));
                false
            }
            Feed::Nothing => false,
        }
    }

    /// The worker makes the token; whether the payer has it.
    fn make(&mut self, token: u32) -> bool {
        let all = [Make::Token, Make::LateToken, Make::Rubbish, Make::Nothing];
        match self.pick(Side::Worker, Make::Token, &all) {
            Make::Token => run_to(Now::get() + self.deal.blocks_of(token)),
            Make::LateToken => self.waste(),
            Make::Rubbish | Make::Nothing => return false,
        }
        true
    }

    /// What the payer has, and how long the worker took for it.
    fn truth(&self) -> Progress {
        let since = Now::get() - self.anchor.unwrap_or_default();
        Progress { elapsed_blocks: since - self.waited, ..received(self.id, self.received) }
    }

    /// The payer signs for what it has, or for something else; whether it goes on.
    fn sign(&mut self, is_end: bool) -> bool {
        let truth = Progress { ended: is_end, ..self.truth() };
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

    /// Lets blocks pass in which the worker waits.
    fn wait(&mut self, blocks: u32) {
        run_to(Now::get() + blocks);
        self.waited += blocks;
    }

    /// Lets the time for the work pass.
    fn waste(&mut self) {
        run_to(self.over().max(Now::get()) + 1);
    }

    /// The worker ends the agreement, or does not.
    fn finish(&mut self) {
        let honest = self.honest_finish();
        let numbers = || 0..self.signed.len();
        let all: Vec<Finish> = numbers()
            .map(Finish::Claim)
            .chain(numbers().map(Some).chain([None]).map(Finish::Dispute))
            .chain([Finish::Nothing])
            .collect();
        self.moves_before_end = Some(self.moves.len());
        let picked = self.pick(Side::Worker, honest, &all);
        self.ending = match picked {
            picked if picked == honest => Ending::Honest,
            Finish::Nothing => Ending::Silent,
            Finish::Claim(_) | Finish::Dispute(_) => Ending::Other,
        };
        match picked {
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

    /// Claims what is signed in full and meets the terms; lets an agreement end by itself in which
    /// it began nothing; else the payer is to blame.
    fn honest_finish(&self) -> Finish {
        let agreement = crate::Agreements::<Test>::get(self.id);
        if agreement.is_some_and(|found| matches!(found.state, AgreementState::Active { .. })) {
            return Finish::Nothing;
        }
        let number = self.last_true();
        let progress = number.map(|number| self.signed[number].0);
        match progress {
            Some(progress) if self.on_credit() == 0 && self.terms.are_met_by(&progress) => {
                number.map_or(Finish::Nothing, Finish::Claim)
            }
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
        make_block(3 * (ANSWER + self.terms.start_blocks + self.over()));
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
        let is_false_offer =
            |(progress, is_true): &(Progress, bool)| !is_true && self.terms.are_met_by(progress);
        Outcome {
            end: end.expect("every agreement ends"),
            payer: change_of(PAYER),
            worker: change_of(WORKER),
            received: self.received,
            signed: self.signed.iter().map(|(progress, _)| progress.tokens).max().unwrap_or(0),
            ending: self.ending,
            is_offered: self.signed.iter().any(is_false_offer),
            moves_before_end: self.moves_before_end.unwrap_or(self.moves.len()),
            moves: self.moves,
        }
    }
}

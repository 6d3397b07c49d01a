//! Log probabilities: the payer gets what it asked for and nobody else does, and what contradicts
//! itself ends the session.

mod common;

use common::{
    PAYER, World,
    engine::{likely, reference},
};
use mica_protocol::{
    FaultCode, Message, SessionId,
    messages::Token,
    payer::SessionReport,
    probability::{Candidate, Candidates, LogProbabilities, LogProbability},
};
use std::{cell::Cell, rc::Rc};

const MAX_NEW: u32 = 12;

fn prompt() -> Vec<u32> {
    (0..20).map(|i| (i * 31 + 7) % 97).collect()
}

/// Runs a session over `cuts` that asks for `logprobs`; `tamper` sees every token (to whom it goes)
/// and returns what arrives.
fn run(
    cuts: &[u16],
    logprobs: Option<u8>,
    mut tamper: impl FnMut(usize, Token) -> Token + 'static,
) -> (World, SessionId) {
    let mut world = World::new(31, cuts, 6);
    world.tamper = Box::new(move |_, to, message| match message {
        Message::Token(token) => vec![Message::Token(tamper(to, token))],
        message => vec![message],
    });
    let mut plan = world.plan(1, prompt(), MAX_NEW);
    plan.logprobs = logprobs;
    let id = world.start(plan);
    world.run();
    (world, id)
}

#[test]
fn the_payer_is_told_what_it_asked_for_and_the_first_stage_is_not() {
    let tokens = reference(6, &prompt(), 9, MAX_NEW as usize, &[]);
    for cuts in [&[][..], &[3], &[2, 4]] {
        for asked in [None, Some(0), Some(1), Some(5), Some(20)] {
            let others = Rc::new(Cell::new(0));
            let seen = Rc::clone(&others);
            let (world, id) = run(cuts, asked, move |to, token| {
                assert_eq!(token.log_probabilities.is_some(), to == PAYER && asked.is_some());
                seen.set(seen.get() + u32::from(to != PAYER));
                token
            });
            let report = &world.reports[&id];
            assert_eq!(
                (&report.failure, &report.tokens),
                (&None, &tokens),
                "the same tokens, however much is told of them"
            );
            assert_eq!(
                others.get(),
                if cuts.is_empty() { 0 } else { MAX_NEW },
                "the first stage got every token"
            );
            let expected: Vec<LogProbabilities> = asked
                .iter()
                .flat_map(|count| tokens.iter().map(move |id| likely(*id, *count)))
                .collect();
            assert_eq!(world.log_probabilities[&id], expected);
        }
    }
}

/// The end of a session that asked for three, in which the fifth token comes with other log
/// probabilities.
fn forged(
    logprobs: Option<u8>,
    forge: fn(Option<LogProbabilities>) -> Option<LogProbabilities>,
) -> SessionReport {
    let (world, id) = run(&[3], logprobs, move |to, token| match (to, token.position) {
        (PAYER, 24) => Token { log_probabilities: forge(token.log_probabilities), ..token },
        _ => token,
    });
    world.reports[&id].clone()
}

fn with_top(told: LogProbabilities, change: fn(&mut Vec<Candidate>)) -> LogProbabilities {
    let mut top = told.top.into_inner();
    change(&mut top);
    LogProbabilities { top: Candidates::truncate_from(top), ..told }
}

#[test]
fn what_was_not_asked_for_or_contradicts_itself_ends_the_session() {
    type Forge = fn(Option<LogProbabilities>) -> Option<LogProbabilities>;
    let cases: [(Option<u8>, Forge, &str); 5] = [
        (Some(3), |_| None, "without those"),
        (None, |_| Some(likely(5, 0)), "not asked for"),
        (
            Some(3),
            |told| told.map(|told| with_top(told, |top| top.push(likely(5, 1).top[0]))),
            "more log probabilities",
        ),
        (Some(3), |told| told.map(|told| with_top(told, |top| top.swap(0, 2))), "comes before"),
        (
            Some(3),
            |told| told.map(|told| LogProbabilities { drawn: LogProbability::new(-0.1), ..told }),
            "does not fit",
        ),
    ];
    for (asked, forge, text) in cases {
        let report = forged(asked, forge);
        let failure = report.failure.expect("failed");
        assert_eq!(
            (failure.stage, failure.code),
            (Some(1), FaultCode::UnexpectedPosition),
            "{failure}"
        );
        assert!(failure.to_string().contains(text), "{failure}");
        assert_eq!(report.tokens.len(), 4, "the tokens before it stay");
    }
}

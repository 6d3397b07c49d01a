//! Many at once: the same answers, more of them in the same time; and those who leave before the
//! end.

use std::time::{Duration, Instant};

use mica_tests::{eventually, http};

use crate::fixture::{Fixture, prompt, text_of};

const CLIENTS: u64 = 50;
const TOKENS: u32 = 32;
const PROMPTS: [&str; 5] = [
    "Explain quantum mechanics.",
    "What are the three laws of motion?",
    "Write a short story about a robot discovering emotions.",
    "What is the next number in the series: 1, 4, 9, 16?",
    "Compare the features of Python and Java programming languages.",
];

fn ask(fixture: &Fixture, client: u64) -> String {
    let body = prompt(PROMPTS[client as usize % PROMPTS.len()], TOKENS, client, true);
    let answer = http::send(fixture.open.address, "POST", "/api/generate", &[], &body);
    assert_eq!(answer.status, 200, "client {client}: {}", answer.body);
    text_of(&answer.lines())
}

pub fn fifty_clients_at_once_get_what_each_would_get_alone(fixture: &Fixture) {
    let began = Instant::now();
    let alone: Vec<String> = (0..CLIENTS).map(|client| ask(fixture, client)).collect();
    let one_by_one = began.elapsed();
    let began = Instant::now();
    let together: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || ask(fixture, client))).collect();
        clients.into_iter().map(|client| client.join().expect("no error")).collect()
    });
    let at_once = began.elapsed();
    for (client, (alone, together)) in alone.iter().zip(&together).enumerate() {
        assert_eq!(alone, together, "client {client}");
    }
    eprintln!("50 clients one by one {one_by_one:?}, at once {at_once:?}");
    assert!(at_once < one_by_one, "at once {at_once:?}, one by one {one_by_one:?}");
}

/// Clients hang up after a few bytes, each at another moment; the sessions end long before their
/// answers would.
pub fn clients_that_leave_stop_the_spending(fixture: &Fixture) {
    fixture.quiet();
    let generated =
        |fixture: &Fixture| crate::fixture::metric(&fixture.open, "mica_gateway_answers_total");
    let before = generated(fixture);
    // A multiplicative generator: the same moments in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::thread::scope(|scope| {
        for client in 0..16 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let enough = (state >> 33) as usize % 3_000;
            scope.spawn(move || {
                let body = prompt(PROMPTS[client % PROMPTS.len()], 400, client as u64, true);
                let request = http::request("POST", "/api/generate", &[], &body);
                http::exchange(fixture.open.address, &request, |received| received.len() >= enough);
            });
        }
    });
    eventually("the abandoned sessions end", Duration::from_secs(30), || {
        (crate::fixture::metric(&fixture.open, "mica_gateway_sessions_running") == 0).then_some(())
    });
    let whole = generated(fixture) - before;
    assert!(whole <= 4, "{whole} of 16 abandoned answers were generated to their end");
}

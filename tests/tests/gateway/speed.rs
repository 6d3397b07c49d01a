//! What the gateway costs: before the first byte, after the last token, and how much more many clients get than one. `make bench` prints it.

use std::time::{Duration, Instant};

use mica_tests::http;

use crate::world::{World, prompt, text_of};

const TOKENS: u32 = 64;
const ROUNDS: u64 = 30;
const CROWDS: [u64; 5] = [1, 2, 8, 16, 50];
/// Answers that each crowd gets together.
const ANSWERS: u64 = 100;

/// One answer, as its client saw it and as the session saw itself: the same clock that `mica ask` reads.
struct Seen {
    /// From the request's last byte to the answer's first, without opening the session and computing the prompt.
    before: f64,
    /// From the first byte to the last, without computing the tokens: the workers confirm their accounts in it.
    after: f64,
    /// Computing the tokens.
    decode: f64,
    /// How many.
    tokens: f64,
}

fn ask(world: &World, seed: u64) -> Seen {
    let body = prompt("Explain quantum mechanics.", TOKENS, seed, true);
    let began = Instant::now();
    let answer = http::send(world.open.address, "POST", "/api/generate", &[], &body);
    let total = began.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lines = answer.lines();
    assert!(!text_of(&lines).is_empty());
    let last = lines.last().expect("an end");
    let told = |name: &str| Duration::from_nanos(last[name].as_u64().unwrap_or(0));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let first = ms(answer.to_first_byte);
    let decode = ms(told("eval_duration"));
    Seen {
        tokens: last["eval_count"].as_f64().expect("a number"),
        before: first - ms(told("load_duration") + told("prompt_eval_duration")),
        after: ms(total) - first - decode,
        decode,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a table; what it shows depends on the machine, so nothing is asserted but that every answer is whole.
pub fn what_the_gateway_costs(world: &World) {
    // Channels are opened, quotes are read.
    for seed in 0..3 {
        ask(world, seed);
    }
    let seen: Vec<Seen> = (0..ROUNDS).map(|seed| ask(world, seed)).collect();
    let of = |value: fn(&Seen) -> f64| median(seen.iter().map(value).collect());
    eprintln!("| what | median of {ROUNDS} |\n|---|---|");
    eprintln!("| added before the first byte | {:.2} ms |", of(|seen| seen.before));
    eprintln!("| a token | {:.2} ms |", of(|seen| seen.decode / seen.tokens));
    eprintln!("| from the last token to the end, accounts confirmed | {:.2} ms |", of(|seen| seen.after));
    eprintln!("\n| clients at once | answers of {TOKENS} tokens per second | of one client |\n|---|---|---|");
    let mut alone = 0.0;
    for crowd in CROWDS {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for client in 0..crowd {
                scope.spawn(move || {
                    (client..ANSWERS).step_by(crowd as usize).for_each(|seed| {
                        ask(world, seed);
                    })
                });
            }
        });
        let rate = ANSWERS as f64 / began.elapsed().as_secs_f64();
        if crowd == 1 {
            alone = rate;
        }
        eprintln!("| {crowd} | {rate:.1} | {:.2} × |", rate / alone);
    }
}

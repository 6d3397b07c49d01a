//! What the gateway costs: before the first byte, for each token, after the last one, and how much more many clients get than one.
//! `make bench` prints it.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use mica_primitives::UNIT;
use mica_tests::{Wallet, http};
use serde_json::Value;

use crate::world::{BENCH, TINY, World, prompt, prompt_of, text_of};

const QUESTION: &str = "Explain quantum mechanics.";
const TOKENS: u32 = 64;
/// Tokens of the answers whose time per token is compared with `mica ask`.
const MANY_TOKENS: u32 = 128;
const ROUNDS: u64 = 30;
/// Pairs of answers in that comparison: enough for the noise of the machine to cancel.
const PAIRS: u64 = 150;
const CROWDS: [u64; 5] = [1, 2, 8, 16, 50];
/// Answers that each crowd gets together.
const ANSWERS: u64 = 100;

/// One answer, as its client saw it and as the session saw itself: the same clock that `mica ask` reads.
struct Seen {
    /// From the request's last byte to the answer's first, without opening the session and computing the prompt.
    before: f64,
    /// Opening the session.
    opening: f64,
    /// Computing the prompt.
    prefill: f64,
    /// From the first byte to the last, without computing the tokens: the workers confirm their accounts in it.
    after: f64,
    /// Computing the tokens.
    decode: f64,
    /// How many.
    tokens: f64,
}

fn ask(world: &World, seed: u64) -> Seen {
    let body = prompt(QUESTION, TOKENS, seed, true);
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
        opening: ms(told("load_duration")),
        prefill: ms(told("prompt_eval_duration")),
        after: ms(total) - first - decode,
        decode,
    }
}

/// Milliseconds between two tokens as a client of the gateway sees them come.
fn ms_per_token(world: &World, model: &str, seed: u64) -> f64 {
    let request = http::request("POST", "/api/generate", &[], &prompt_of(model, QUESTION, MANY_TOKENS, seed, true));
    let (seen, times) = (Cell::new(0), Cell::new(None::<(Instant, Instant)>));
    let received = http::exchange(world.open.address, &request, |received| {
        // The last line comes after the workers have confirmed their accounts.
        let news = &received[seen.replace(received.len())..];
        let holds = |text: &[u8]| news.windows(text.len()).any(|window| window == text);
        if holds(b"\"done\":false") {
            let now = Instant::now();
            times.set(Some((times.get().map_or(now, |(first, _)| first), now)));
        }
        false
    });
    let text = String::from_utf8_lossy(&received);
    let last: Value =
        text.lines().find(|line| line.contains("\"done\":true")).map(serde_json::from_str).expect("an end").expect("JSON");
    let (first, end) = times.get().expect("pieces");
    (end - first).as_secs_f64() * 1e3 / (last["eval_count"].as_f64().expect("a number") - 1.0)
}

/// The same as `mica ask` sees them come.
fn ms_per_token_of_ask(wallet: &Wallet, file: Option<&Path>, seed: u64) -> f64 {
    let (tokens, seed) = (MANY_TOKENS.to_string(), seed.to_string());
    let options = ["--max-tokens", &tokens, "--seed", &seed, "--temperature", "0.8", "--top-k", "40", "--top-p", "0.9"];
    let mut ask = wallet.command();
    // One deposit lasts for all of them, so that none waits for a block.
    ask.args(["--json", "ask", QUESTION, "--headroom", "1000"]).args(options);
    if let Some(file) = file {
        ask.arg("--model-file").arg(file);
    }
    let output = ask.output().expect("mica starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let seconds = |name: &str| answer[name].as_f64().expect("a time");
    let tokens = answer["tokens"].as_array().expect("tokens").len();
    (seconds("seconds_to_last_token") - seconds("seconds_to_first_token")) * 1e3 / (tokens as f64 - 1.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Compares the gateway with `mica ask`, one answer of each by turns.
///
/// The share that the gateway adds is the median over the pairs. Its bounds are those between which the true median lies with 95 %
/// probability, whatever the noise looks like: of n pairs in order, the ones n/2 ∓ √n from the ends (binomial distribution of the
/// pairs on either side of the median, by its normal approximation).
fn compare(world: &World, wallet: &Wallet, model: &str, file: Option<&Path>) {
    ms_per_token(world, model, 0);
    ms_per_token_of_ask(wallet, file, 0);
    let (mut ours, mut asks, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..PAIRS {
        // Neither is always the first.
        let (own, ask) = if seed % 2 == 0 {
            let own = ms_per_token(world, model, seed);
            (own, ms_per_token_of_ask(wallet, file, seed))
        } else {
            let ask = ms_per_token_of_ask(wallet, file, seed);
            (ms_per_token(world, model, seed), ask)
        };
        ours.push(own);
        asks.push(ask);
        shares.push((own / ask - 1.0) * 100.0);
    }
    shares.sort_by(f64::total_cmp);
    let reach = (PAIRS as f64).sqrt() as usize;
    let middle = shares.len() / 2;
    let (least, most) = (shares[middle - reach], shares[middle + reach]);
    let (share, ours, asks) = (shares[middle], median(ours), median(asks));
    eprintln!("\n| {model}, {PAIRS} pairs of {MANY_TOKENS} tokens | median |\n|---|---|");
    eprintln!("| between two tokens, at the gateway's client | {ours:.3} ms |\n| … in `mica ask` | {asks:.3} ms |");
    eprintln!("| … share that the gateway adds | {share:.2} % (95 %: {least:.2} to {most:.2}) |");
}

/// Prints tables; what they show depends on the machine, so nothing is asserted but that every answer is whole.
pub async fn what_the_gateway_costs(world: &World) {
    let wallet = Wallet::create(&world.folder.path().join("asker"), &world.node.url);
    wallet.fund(&world.chain, 100 * UNIT).await;
    // Channels are opened, quotes are read.
    for seed in 0..3 {
        ask(world, seed);
    }
    let seen: Vec<Seen> = (0..ROUNDS).map(|seed| ask(world, seed)).collect();
    let of = |value: fn(&Seen) -> f64| median(seen.iter().map(value).collect());
    eprintln!("| what | median of {ROUNDS} |\n|---|---|");
    eprintln!("| added before the first byte | {:.2} ms |", of(|seen| seen.before));
    eprintln!(
        "| opening the session | {:.2} ms |\n| computing the prompt | {:.2} ms |",
        of(|seen| seen.opening),
        of(|seen| seen.prefill)
    );
    eprintln!("| a token | {:.2} ms |", of(|seen| seen.decode / seen.tokens));
    eprintln!("| from the last token to the end, accounts confirmed | {:.2} ms |", of(|seen| seen.after));
    compare(world, &wallet, TINY, None);
    if let Some(file) = &world.bench {
        compare(world, &wallet, BENCH, Some(file));
    }
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

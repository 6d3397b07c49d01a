//! What the gateway costs before the first byte, per token and after the last one, and the
//! throughput of many clients compared with one. `make bench` prints it.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mica_primitives::UNIT;
use mica_tests::{Wallet, http};
use serde_json::Value;

use crate::fixture::{BENCH, Fixture, TINY, prompt, prompt_of, text_of};

const QUESTION: &str = "Explain quantum mechanics.";
const TOKENS: u32 = 64;
/// Tokens of the answers whose time per token is compared with `mica ask`: no more than the models
/// have to say. The token with which a model ends an answer by itself has no text, so that its time
/// shows where pieces wait for the next and nowhere else.
const MANY_TOKENS: u32 = 112;
const ROUNDS: u64 = 30;
/// Pairs of answers in that comparison: enough for the noise of the machine to cancel.
const PAIRS: u64 = 150;
/// Before each of them.
const REST: Duration = Duration::from_millis(150);
const CROWDS: [u64; 5] = [1, 2, 8, 16, 50];
/// Answers that each crowd gets together.
const ANSWERS: u64 = 100;

/// One answer, as its client saw it and as the session saw itself: the same clock that `mica ask`
/// reads.
struct Seen {
    /// From the request's last byte to the answer's first, without opening the session and
    /// computing the prompt.
    before: f64,
    /// Opening the session.
    opening: f64,
    /// Computing the prompt.
    prefill: f64,
    /// From the first byte to the last, without computing the tokens: the workers confirm their
    /// accounts in it.
    after: f64,
    /// Computing the tokens.
    decode: f64,
    /// How many.
    tokens: f64,
}

fn ask(fixture: &Fixture, seed: u64) -> Seen {
    let body = prompt(QUESTION, TOKENS, seed, true);
    let began = Instant::now();
    let answer = http::send(fixture.open.address, "POST", "/api/generate", &[], &body);
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

/// An answer as its reader saw it come.
struct Streamed {
    text: String,
    tokens: u64,
    /// From the first piece of text to the last.
    seconds: f64,
}

impl Streamed {
    /// Milliseconds between two tokens.
    fn ms_per_token(&self) -> f64 {
        self.seconds * 1e3 / (self.tokens as f64 - 1.0)
    }
}

/// What a client of the gateway sees.
fn streamed(fixture: &Fixture, model: &str, seed: u64) -> Streamed {
    let request = http::request(
        "POST",
        "/api/generate",
        &[],
        &prompt_of(model, QUESTION, MANY_TOKENS, seed, true),
    );
    let (seen, times) = (Cell::new(0), Cell::new(None::<(Instant, Instant)>));
    let received = http::exchange(fixture.open.address, &request, |received| {
        // The last line comes after the workers have confirmed their accounts.
        let news = &received[seen.replace(received.len())..];
        let holds = |text: &[u8]| news.windows(text.len()).any(|window| window == text);
        if holds(b"\"done\":false") {
            let now = Instant::now();
            times.set(Some((times.get().map_or(now, |(first, _)| first), now)));
        }
        false
    });
    let received = String::from_utf8_lossy(&received);
    let lines: Vec<Value> = received
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect();
    let end = lines.last().expect("an end");
    assert_eq!(end["done_reason"], "length", "seed {seed} has little to say: {end}");
    let tokens = end["eval_count"].as_u64().expect("a number");
    let (first, last) = times.get().expect("pieces");
    Streamed { text: text_of(&lines), tokens, seconds: (last - first).as_secs_f64() }
}

/// All that `mica ask` prints, and how much of it its reader had when.
fn streamed_by_ask(
    wallet: &Wallet,
    file: Option<&Path>,
    seed: u64,
) -> (String, Vec<(usize, Instant)>) {
    let (tokens, seed) = (MANY_TOKENS.to_string(), seed.to_string());
    let options = [
        "--max-tokens",
        &tokens,
        "--seed",
        &seed,
        "--temperature",
        "0.8",
        "--top-k",
        "40",
        "--top-p",
        "0.9",
    ];
    let mut ask = wallet.command();
    // One deposit lasts for all of them, so that none waits for a block.
    ask.args(["ask", QUESTION, "--headroom", "1000"]).args(options);
    if let Some(file) = file {
        ask.arg("--model-file").arg(file);
    }
    let mut ask = ask.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("mica starts");
    let mut output = ask.stdout.take().expect("a pipe");
    let (mut text, mut times, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
    loop {
        let count = output.read(&mut buffer).expect("a pipe");
        if count == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..count]);
        times.push((text.len(), Instant::now()));
    }
    assert!(ask.wait().expect("it ran").success());
    (String::from_utf8(text).expect("text"), times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Compares the gateway with `mica ask`, one answer of each by turns.
///
/// The share that the gateway adds is the median over the pairs. Its bounds are those between which
/// the true median lies with 95 % probability, whatever the noise looks like: of n pairs in order,
/// the ones n/2 ∓ √n from the ends (binomial distribution of the pairs on either side of the
/// median, by its normal approximation).
fn compare(fixture: &Fixture, wallet: &Wallet, model: &str, file: Option<&Path>) {
    streamed(fixture, model, 0);
    streamed_by_ask(wallet, file, 0);
    let (mut ours, mut asks, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..PAIRS {
        // Neither is always the first, and neither runs while the workers still write down the
        // answer before: `mica ask` takes a while to start, and a request to the gateway would come
        // at once.
        let streamed = |seed| {
            sleep(REST);
            streamed(fixture, model, seed)
        };
        let streamed_by_ask = |seed| {
            sleep(REST);
            streamed_by_ask(wallet, file, seed)
        };
        let first = (seed % 2 == 0).then(|| streamed(seed));
        let (output, times) = streamed_by_ask(seed);
        let own = first.unwrap_or_else(|| streamed(seed));
        assert!(
            output.starts_with(&own.text),
            "the same question has the same answer: {output:?}, {:?}",
            own.text
        );
        // What comes after the text are its costs.
        let end =
            times.iter().find(|(length, _)| *length >= own.text.len()).expect("it was read").1;
        let ask = Streamed {
            text: output,
            tokens: own.tokens,
            seconds: (end - times[0].1).as_secs_f64(),
        };
        let (own, ask) = (own.ms_per_token(), ask.ms_per_token());
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
    eprintln!(
        "| between two tokens, at the gateway's client | {ours:.3} ms |\n| … at the reader of \
         `mica ask` | {asks:.3} ms |"
    );
    eprintln!("| … share that the gateway adds | {share:.2} % (95 %: {least:.2} to {most:.2}) |");
}

/// Prints tables; what they show depends on the machine, so nothing is asserted but that every
/// answer is whole.
pub async fn what_the_gateway_costs(fixture: &Fixture) {
    let wallet = Wallet::create(&fixture.folder.path().join("asker"), &fixture.node.url);
    wallet.fund(&fixture.chain, 100 * UNIT).await;
    // Channels are opened, quotes are read.
    for seed in 0..3 {
        ask(fixture, seed);
    }
    let seen: Vec<Seen> = (0..ROUNDS).map(|seed| ask(fixture, seed)).collect();
    let of = |value: fn(&Seen) -> f64| median(seen.iter().map(value).collect());
    eprintln!("| what | median of {ROUNDS} |\n|---|---|");
    eprintln!("| added before the first byte | {:.2} ms |", of(|seen| seen.before));
    eprintln!(
        "| opening the session | {:.2} ms |\n| computing the prompt | {:.2} ms |",
        of(|seen| seen.opening),
        of(|seen| seen.prefill)
    );
    eprintln!("| a token | {:.2} ms |", of(|seen| seen.decode / seen.tokens));
    eprintln!(
        "| from the last token to the end, accounts confirmed | {:.2} ms |",
        of(|seen| seen.after)
    );
    compare(fixture, &wallet, TINY, None);
    if let Some(file) = &fixture.bench {
        compare(fixture, &wallet, BENCH, Some(file));
    }
    eprintln!(
        "\n| clients at once | answers of {TOKENS} tokens per second | of one client \
         |\n|---|---|---|"
    );
    let mut alone = 0.0;
    for crowd in CROWDS {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for client in 0..crowd {
                scope.spawn(move || {
                    (client..ANSWERS).step_by(crowd as usize).for_each(|seed| {
                        ask(fixture, seed);
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

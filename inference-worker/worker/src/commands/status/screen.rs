//! `mica-worker status --watch`: the status as a screen that stays, or as lines of JSON.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use mica_chain::{AccountId, Chain, amount};
use mica_host::json;
use mica_primitives::{Balance, ModelId};
use serde_json::Value;

use super::{NodeError, OnChain, Seen, StatusError, layers, local, money, on_chain};
use crate::{commands::signals::stop_on_signal, data_dir::DataDir};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Time over which the pace of earning is told.
const WINDOW: Duration = Duration::from_secs(300);
/// Looks that are remembered.
const MAX_LOOKS: usize = 256;
/// Clears the terminal and begins at its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows it until Ctrl-C, or until nobody reads it any more.
///
/// # Errors
/// If the folder cannot be read. A node that is away, and a worker that does not run, are shown.
pub(super) async fn run(
    folder: &DataDir,
    account: AccountId,
    url: &str,
    as_json: bool,
) -> Result<(), StatusError> {
    let stop = stop_on_signal()?;
    let mut pace = Pace::default();
    let mut chain: Option<Chain> = None;
    loop {
        // The lanes in the store are those of a worker that does not run: they do not change.
        let (running, _) = local(folder)?;
        if chain.is_none() {
            chain = Chain::connect(url).await.ok();
        }
        let found = look(chain.as_ref(), url, account).await;
        let coverage = match (&chain, model_of(running.as_ref())) {
            (Some(chain), Some(model)) => coverage(chain, model).await,
            _ => Vec::new(),
        };
        let seen = Seen::of(account, running, None, found);
        if let Some(earned) = earned(&seen.shown) {
            pace.note(Instant::now(), earned);
        }
        let text = match as_json {
            true => format!("{}\n", seen.shown),
            false => screen(&seen, url, &coverage, pace.per_hour()),
        };
        let begin = if as_json || !io::stdout().is_terminal() { "" } else { CLEAR };
        let mut out = io::stdout().lock();
        match write!(out, "{begin}{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
        drop(out);
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return Ok(());
        }
    }
}

async fn look(chain: Option<&Chain>, url: &str, account: AccountId) -> Result<OnChain, NodeError> {
    match chain {
        Some(chain) => on_chain(&chain.at_best().await?, account).await,
        None => on_chain(&Chain::connect(url).await?.at_best().await?, account).await,
    }
}

fn model_of(running: Option<&Value>) -> Option<ModelId> {
    let text = running?["model"].as_str()?;
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?;
    bytes.try_into().ok().map(ModelId)
}

/// Workers on each layer; nothing if the node does not say.
async fn coverage(chain: &Chain, model: ModelId) -> Vec<u32> {
    match chain.at_best().await {
        Ok(view) => view.coverage(model).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn earned(shown: &Value) -> Option<Balance> {
    json::money::deserialize(&shown["running"]["totals"]["earned"]).ok()
}

/// How fast it earns.
#[derive(Default)]
struct Pace(VecDeque<(Instant, Balance)>);

impl Pace {
    fn note(&mut self, now: Instant, earned: Balance) {
        // A worker that was started anew counts from 0.
        if self.0.back().is_some_and(|(_, before)| *before > earned) {
            self.0.clear();
        }
        self.0.push_back((now, earned));
        while self.0.len() > MAX_LOOKS
            || self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// Base units per hour; nothing before the second look.
    fn per_hour(&self) -> Option<Balance> {
        let ((from, before), (to, after)) = (self.0.front()?, self.0.back()?);
        let ms = to.duration_since(*from).as_millis();
        after.saturating_sub(*before).saturating_mul(3_600_000).checked_div(ms)
    }
}

/// The screen, for people.
fn screen(seen: &Seen, url: &str, coverage: &[u32], per_hour: Option<Balance>) -> String {
    let (shown, mut text) = (&seen.shown, String::new());
    let (running, chain) = (&shown["running"], &shown["chain"]);
    let mut line = |name: &str, value: String| {
        // Writing into a String does not fail. Nodes and peers have a say in some values.
        let _ = writeln!(text, "{name:<12}{}", mica_text::lines(&value));
    };
    line("account", shown["account"].as_str().unwrap_or_default().to_owned());
    if running.is_null() {
        line("process", "none runs with this folder: mica-worker run".to_owned());
    } else {
        show_running(&mut line, seen, per_hour);
    }
    match chain["error"].as_str() {
        Some(error) => line("node", error.to_owned()),
        None => {
            let block = &chain["block"];
            let (free, held) = (money(&chain["free"]), money(&chain["held"]));
            line("node", format!("{url} at block {block}"));
            line("account has", format!("{free} free, {held} held"));
        }
    }
    if !coverage.is_empty() {
        line("coverage", bars(coverage, &running["layers"]));
    }
    line("", "Ctrl-C ends this screen, not the worker".to_owned());
    text
}

fn show_running(line: &mut impl FnMut(&str, String), seen: &Seen, per_hour: Option<Balance>) {
    let running = &seen.shown["running"];
    let totals = &running["totals"];
    let serving = seen.diagnosis.as_ref().is_some_and(|diagnosis| diagnosis.serving);
    let does = if serving { "serves" } else { "DOES NOT SERVE" };
    line("process", format!("{} {does} layers {}", running["pid"], layers(&running["layers"])));
    for problem in seen.diagnosis.iter().flat_map(|diagnosis| &diagnosis.problems) {
        line("problem", problem.text.clone());
    }
    let pace = per_hour
        .map_or_else(String::new, |pace| format!(" ({} an hour of late)", amount::format(pace)));
    line("earned", format!("{}{pace}", money(&totals["earned"])));
    line("to redeem", money(&totals["redeemable"]));
    line(
        "sessions",
        format!(
            "{} open, {} ended, {} tokens",
            totals["sessions"], totals["sessions_ended"], totals["positions"]
        ),
    );
    line(
        "price",
        format!(
            "{} per layer and token, {} µs each",
            money(&running["price_per_layer_token"]),
            running["cost_us_per_layer_token"]
        ),
    );
    let hour = &running["last_hour"];
    if !hour.is_null() {
        line(
            "last hour",
            format!(
                "{} quotes, {} sessions asked for, {} taken",
                hour["quotes"], hour["openings"], hour["accepted"]
            ),
        );
    }
    if let Some(celsius) = running["machine"]["celsius"].as_f64() {
        line("temperature", format!("{celsius:.0} °C"));
    }
    if running["machine"]["on_battery"] == true {
        line("power", "battery".to_owned());
    }
    line("peers", totals["network"]["peers"].to_string());
}

/// Workers on each layer, one sign each, and which layers are ours below in brackets.
fn bars(coverage: &[u32], own: &Value) -> String {
    const MOST: usize = 128;
    let sign = |count: &u32| match *count {
        0 => '.',
        count @ 1..=9 => char::from_digit(count, 10).unwrap_or('+'),
        _ => '+',
    };
    let signs: String = coverage.iter().take(MOST).map(sign).collect();
    let rest = if coverage.len() > MOST { "…" } else { "" };
    format!("{signs}{rest} workers per layer, ours are {}", layers(own))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_minutes_and_a_restart_begins_anew() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        pace.note(start, 100);
        assert_eq!(pace.per_hour(), None, "one look is no pace");
        pace.note(at(36), 110);
        assert_eq!(pace.per_hour(), Some(1_000));
        pace.note(at(600), 110);
        assert_eq!(pace.0.len(), 1, "what is long ago is forgotten");
        pace.note(at(602), 3);
        assert_eq!(pace.0.len(), 1, "it was started anew");
        for second in 0..1_000 {
            pace.note(at(603) + Duration::from_millis(second), 3);
        }
        assert_eq!((pace.0.len(), pace.per_hour()), (MAX_LOOKS, Some(0)));
    }

    #[test]
    fn everything_that_an_operator_looks_for_is_on_the_screen() {
        let running = json!({
            "pid": 7, "layers": [0, 4], "price_per_layer_token": "1000000",
            "cost_us_per_layer_token": 50, "addresses": [], "machine": { "celsius": 61.2 },
            "totals": {
                "earned": "2000000000000", "redeemable": "0", "sessions": 2, "sessions_ended": 5,
                "positions": 700, "network": { "peers": 3 },
            },
            "last_hour": { "quotes": 8, "openings": 3, "accepted": 2 },
            "standing": { "serving": true },
        });
        let account = AccountId::from([1; 32]);
        let error = mica_chain::ReadError::Node { what: "it".into(), reason: "away".into() };
        let seen = Seen::of(account, Some(running), None, Err(NodeError::Read(error)));
        let text = screen(&seen, "ws://node", &[2, 2, 1, 12, 0, 0], Some(36));
        for wanted in
            ["2 MICA", "2 open", "700 tokens", "50 µs", "8 quotes", "61 °C", "221+..", "away"]
        {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
        let away = mica_chain::ReadError::Node { what: "it".into(), reason: "away".into() };
        let none = Seen::of(account, None, None, Err(NodeError::Read(away)));
        assert!(screen(&none, "ws://node", &[], None).contains("mica-worker run"));
    }
}

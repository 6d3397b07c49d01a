//! What the worker counts, in Prometheus' text format, by the names of
//! `docs/operations/metrics.md`: `GET /metrics` on an address of the operator's.
//!
//! Base units, counts and seconds, no rates. What is told is what `mica-worker status` shows, at
//! most two seconds old.

use std::{io, net::SocketAddr};

use mica_metrics::{
    Kind::{Counter, Gauge},
    Text,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use super::status::Status;

/// The address is taken, or not this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}: choose another address with --metrics")]
pub struct MetricsError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Listens on `address`.
///
/// # Errors
/// [`MetricsError`] if it is taken or not this machine's.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, MetricsError> {
    TcpListener::bind(address).await.map_err(|source| MetricsError { address, source })
}

/// Answers for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, told: watch::Receiver<Option<Status>>) {
    let text = move || told.borrow().as_ref().map_or_else(starting, to_text);
    mica_metrics::serve(listener, text, CancellationToken::new()).await;
}

/// What is told before the worker is registered.
fn starting() -> String {
    let mut text = Text::new(PREFIX);
    text.metric("serving", Gauge, SERVING, 0);
    text.finish()
}

/// How all names begin.
const PREFIX: &str = "mica_worker_";
const SERVING: &str = "Whether payers are served: 1 or 0.";

/// Everything, in Prometheus' text format.
fn to_text(status: &Status) -> String {
    let mut text = Text::new(PREFIX);
    let is_serving = status.standing.serving && status.paused.is_none();
    text.metric("serving", Gauge, SERVING, u8::from(is_serving));
    text.metric("block", Gauge, "Last final block that was seen.", status.block);
    offer(&mut text, status);
    sessions(&mut text, status);
    market(&mut text, status);
    network(&mut text, status);
    machine(&mut text, status);
    text.finish()
}

fn offer(text: &mut Text, status: &Status) {
    let (first, end) = (status.layers.first, status.layers.end);
    text.metric("layers_first", Gauge, "First layer that is served.", first);
    text.metric("layers_end", Gauge, "Layer behind the last one that is served.", end);
    let price = status.price_per_layer_token;
    text.metric("price_base_units", Gauge, "Price for a token through a layer.", price);
    let cost = status.cost_us_per_layer_token;
    text.metric("cost_microseconds", Gauge, "Published time for a token through a layer.", cost);
}

fn sessions(text: &mut Text, status: &Status) {
    let totals = &status.totals;
    text.metric("sessions_open", Gauge, "Sessions that are open.", totals.sessions);
    text.metric("sessions_ended_total", Counter, "Sessions that ended.", totals.sessions_ended);
    text.metric("tokens_total", Counter, "Tokens computed in them.", totals.positions);
    text.metric("earned_base_units_total", Counter, "Earned in them.", totals.earned);
    text.metric("unpaid_base_units_total", Counter, "Not paid in them.", totals.unpaid);
    let redeemable = totals.redeemable;
    text.metric("redeemable_base_units", Gauge, "Promised and not redeemed yet.", redeemable);
    let refusing = u8::from(totals.refusing.is_some());
    text.metric("refusing", Gauge, "Whether nothing can be written down any more.", refusing);
}

fn market(text: &mut Text, status: &Status) {
    let counts = &status.since_start;
    text.metric("quotes_total", Counter, "Quotes given.", counts.quotes);
    let full = counts.quotes_when_full;
    text.metric("quotes_full_total", Counter, "Quotes that said that it is full.", full);
    text.metric("openings_total", Counter, "Sessions that payers asked for.", counts.openings);
    text.metric("accepted_total", Counter, "Those of them that were taken.", counts.accepted);
    let refused = counts.refused.iter().map(|refused| (&refused.fault, refused.count));
    text.labelled("refused_total", Counter, "Those that were refused.", "fault", refused);
    let times = counts.not_serving.iter().map(|part| (&part.code, part.seconds));
    text.labelled(
        "not_serving_seconds_total",
        Counter,
        "How long payers were not served.",
        "code",
        times,
    );
}

fn network(text: &mut Text, status: &Status) {
    let counts = &status.totals.network;
    text.metric("peers", Gauge, "Peers that are connected.", counts.peers);
    text.metric("strangers", Gauge, "Those of them without a session.", counts.strangers);
    text.metric("evictions_total", Counter, "Strangers that made room.", counts.evictions);
    text.metric("refusals_total", Counter, "Connections that were not taken.", counts.refusals);
    text.metric("strikes_total", Counter, "What peers did that they may not.", counts.strikes);
    text.metric("bans_total", Counter, "Peers that used up their strikes.", counts.bans);
    let dropped = counts.dropped_messages;
    text.metric("dropped_messages_total", Counter, "Messages that came too soon.", dropped);
    let silent = counts.silent_connections;
    text.metric("silent_connections_total", Counter, "Connections closed for silence.", silent);
    let assembling = counts.assembling_bytes;
    text.metric("assembling_bytes", Gauge, "Bytes held for unfinished frames.", assembling);
    let events = counts.event_bytes;
    text.metric("event_bytes", Gauge, "Bytes of messages that wait to be looked at.", events);
    let outbound = counts.outbound_bytes;
    text.metric("outbound_bytes", Gauge, "Bytes that wait to be written.", outbound);
}

fn machine(text: &mut Text, status: &Status) {
    let paused = u8::from(status.paused.is_some());
    text.metric("paused", Gauge, "Whether its owner's rules keep new sessions away.", paused);
    let celsius = status.machine.celsius.map(|celsius| ("hottest", celsius));
    text.labelled("celsius", Gauge, "Temperature.", "sensor", celsius);
    let battery = u8::from(status.machine.on_battery == Some(true));
    text.metric("on_battery", Gauge, "Whether the machine runs on battery.", battery);
}

#[cfg(test)]
mod tests {
    use mica_primitives::{LayerRange, ModelId};

    use super::*;
    use crate::{
        daemon::{
            pauses::Paused,
            request::Totals,
            standing::Standing,
            tally::{LastHour, NotServing, Refused},
        },
        machine::Machine,
    };

    fn status() -> Status {
        let refused = Refused { fault: "WrongRange".to_owned(), number: 22, count: 3 };
        let not_serving = NotServing { code: "jailed".to_owned(), seconds: 60 };
        Status {
            pid: 1,
            account: String::new(),
            peer: String::new(),
            node_url: String::new(),
            model: ModelId([0; 32]),
            layers: LayerRange { first: 2, end: 6 },
            price_per_layer_token: u128::MAX,
            holding_price: 0,
            cost_us_per_layer_token: 50,
            addresses: Vec::new(),
            reachability: mica_net::Reachability::default(),
            block: 9,
            paused: None,
            last_hour: LastHour::default(),
            since_start: LastHour {
                quotes: 7,
                refused: vec![refused],
                not_serving: vec![not_serving],
                ..LastHour::default()
            },
            machine: Machine { on_battery: Some(true), celsius: Some(61.5) },
            standing: Standing { serving: true, code: None, problem: None, compared_at: 9 },
            totals: Totals { earned: 5, ..Totals::default() },
        }
    }

    #[test]
    fn every_metric_has_a_name_a_kind_and_a_number() {
        let text = to_text(&status());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let name = name.split_once('{').map_or(name, |(name, _)| name);
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let is_counter = text.contains(&format!("# TYPE {name} counter"));
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        }
        for wanted in [
            "mica_worker_serving 1".to_owned(),
            "mica_worker_layers_end 6".to_owned(),
            format!("mica_worker_price_base_units {}", u128::MAX),
            "mica_worker_refused_total{fault=\"WrongRange\"} 3".to_owned(),
            "mica_worker_not_serving_seconds_total{code=\"jailed\"} 60".to_owned(),
            "mica_worker_celsius{sensor=\"hottest\"} 61.5".to_owned(),
        ] {
            assert!(text.contains(&format!("\n{wanted}\n")), "{wanted} in\n{text}");
        }
    }

    #[test]
    fn a_worker_that_starts_or_is_paused_does_not_serve() {
        assert!(starting().ends_with("\nmica_worker_serving 0\n"));
        let paused = Some(Paused { code: "on_battery", text: String::new() });
        assert!(to_text(&Status { paused, ..status() }).contains("\nmica_worker_serving 0\n"));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_that_names_the_remedy() {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let error = listen(address).await.expect_err("it is taken");
        assert!(error.to_string().contains("--metrics"), "{error}");
    }
}

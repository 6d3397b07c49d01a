//! How a hub stands, in Prometheus' text format: `GET /metrics` on an address of the operator's, by
//! the names of `docs/operations/metrics.md`.
//!
//! Base units and counts, no rates. What is told is as of the last final block.
//!
//! Limits: [`MAX_CONNECTIONS`] at once, one request each, whose head comes and whose answer goes
//! within [`PATIENCE`].

use std::convert::Infallible;
use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::error::HubError;
use crate::event::HubStatus;

/// Connections that are served at once; others wait in the system's queue.
const MAX_CONNECTIONS: usize = 8;
/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Longest time for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, for example because no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on `address`.
///
/// # Errors
/// [`HubError::Metrics`] if it is taken or not this computer's.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, HubError> {
    TcpListener::bind(address).await.map_err(|source| HubError::Metrics { address, source })
}

/// Answers until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    status: watch::Receiver<HubStatus>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let Some(accepted) = stop.run_until_cancelled(accepted).await else { return };
        let (Ok(place), Ok((stream, _))) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let status = status.clone();
        connections.spawn(async move {
            if tokio::time::timeout(PATIENCE, answer(stream, status)).await.is_err() {
                tracing::debug!("a reader of the metrics was too slow");
            }
            drop(place);
        });
    }
}

async fn answer(stream: TcpStream, status: watch::Receiver<HubStatus>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &status.borrow());
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.keep_alive(false).max_buf_size(MAX_HEAD_BYTES);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for the metrics broke");
    }
}

fn respond<B>(request: &Request<B>, status: &HubStatus) -> Response<String> {
    let (code, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, to_text(status)),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "GET alone\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there is /metrics and nothing else\n".to_owned()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = code;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Everything, in Prometheus' text format.
fn to_text(status: &HubStatus) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, value: &dyn Display| {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# HELP mica_hub_{name} {help}\n# TYPE mica_hub_{name} {kind}\nmica_hub_{name} {value}"
        );
    };
    let free = status.channels.iter().fold(0_u128, |sum, own| sum.saturating_add(own.free));
    let fees = status.earned.saturating_sub(status.passed_on);
    metric("block", "gauge", "Last final block that was read.", &status.block);
    metric("relays_open", "gauge", "Stages that are paid now.", &status.relays);
    metric("relays_ended_total", "counter", "Stages that are over.", &status.ended);
    metric(
        "relays_unsettled_total",
        "counter",
        "Those of them that ended without an exact sum.",
        &status.unsettled,
    );
    metric(
        "channels_in",
        "gauge",
        "Channels to the hub on which it was promised something.",
        &status.incoming,
    );
    metric("channels_out", "gauge", "Channels of its own.", &status.channels.len());
    metric("owed_in_base_units", "gauge", "What it could redeem now.", &status.redeemable);
    metric("redeems_pending", "gauge", "Lanes that it could redeem now.", &status.redeems);
    metric(
        "owed_out_base_units",
        "gauge",
        "What it has promised and nobody has claimed yet.",
        &status.owed_out,
    );
    metric("free_base_units", "gauge", "What is left in its channels.", &free);
    metric("lost_lanes", "gauge", "Lanes of its own that are not used again.", &status.lost_lanes);
    metric("accounts_banned", "gauge", "Accounts that have kept ticks from it.", &status.banned);
    metric("earned_base_units_total", "counter", "Promised to it.", &status.earned);
    metric("passed_on_base_units_total", "counter", "Promised on.", &status.passed_on);
    metric("fees_earned_base_units_total", "counter", "The difference of both.", &fees);
    metric("redeemed_base_units_total", "counter", "Paid to it by the chain.", &status.redeemed);
    metric("chain_fees_base_units_total", "counter", "Fees of its extrinsics.", &status.chain_fees);
    metric(
        "extrinsics_failed_total",
        "counter",
        "Extrinsics that failed and are tried again.",
        &status.failures,
    );
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn status() -> HubStatus {
        HubStatus {
            relays: 3,
            earned: 110,
            passed_on: 100,
            owed_out: u128::MAX,
            ..HubStatus::default()
        }
    }

    #[test]
    fn every_metric_has_a_name_a_kind_and_a_value() {
        let text = to_text(&status());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(' ').expect("a name and a value");
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            assert!(value.parse::<u128>().is_ok(), "{line}");
            let is_counter = text.contains(&format!("# TYPE {name} counter"));
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        }
        assert!(text.contains("\nmica_hub_fees_earned_base_units_total 10\n"));
        assert!(text.contains(&format!("\nmica_hub_owed_out_base_units {}\n", u128::MAX)));
    }

    #[tokio::test]
    async fn metrics_are_read_over_http_and_nothing_else_is() {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        assert!(listen(address).await.is_err(), "it is taken");
        let (tell, told) = watch::channel(HubStatus::default());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, told, stop.clone()));
        tell.send_replace(status());
        for (asked, code) in [("GET /metrics", "200"), ("GET /", "404"), ("DELETE /metrics", "405")]
        {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request = format!("{asked} HTTP/1.1\r\nhost: hub\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut text = String::new();
            stream.read_to_string(&mut text).await.expect("it answers and closes");
            assert!(text.starts_with(&format!("HTTP/1.1 {code}")), "{text}");
            assert_eq!(text.contains("mica_hub_relays_open 3"), code == "200");
        }
        stop.cancel();
        serving.await.expect("it ends");
    }
}

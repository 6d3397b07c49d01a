//! How a hub stands, in Prometheus' text format: `GET /metrics` on an address of the operator's, by
//! the names of `docs/operations/metrics.md`.
//!
//! Base units and counts, no rates. What is told is as of the last final block.

use std::net::SocketAddr;

use mica_metrics::{
    Kind::{Counter, Gauge},
    Text,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::error::HubError;
use crate::event::HubStatus;

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
    mica_metrics::serve(listener, move || to_text(&status.borrow()), stop).await;
}

/// Everything, in Prometheus' text format.
fn to_text(status: &HubStatus) -> String {
    let mut text = Text::new("mica_hub_");
    let free = status.channels.iter().fold(0_u128, |sum, own| sum.saturating_add(own.free));
    let fees = status.earned.saturating_sub(status.passed_on);
    text.metric("block", Gauge, "Last final block that was read.", status.block);
    text.metric("relays_open", Gauge, "Stages that are paid now.", status.relays);
    text.metric("relays_ended_total", Counter, "Stages that are over.", status.ended);
    text.metric(
        "relays_unsettled_total",
        Counter,
        "Those of them that ended without an exact sum.",
        status.unsettled,
    );
    text.metric(
        "channels_in",
        Gauge,
        "Channels to the hub on which it was promised something.",
        status.incoming,
    );
    text.metric("channels_out", Gauge, "Channels of its own.", status.channels.len());
    text.metric("owed_in_base_units", Gauge, "What it could redeem now.", status.redeemable);
    text.metric("redeems_pending", Gauge, "Lanes that it could redeem now.", status.redeems);
    text.metric(
        "owed_out_base_units",
        Gauge,
        "What it has promised and nobody has claimed yet.",
        status.owed_out,
    );
    text.metric("free_base_units", Gauge, "What is left in its channels.", free);
    text.metric(
        "lost_lanes",
        Gauge,
        "Lanes of its own that are not used again.",
        status.lost_lanes,
    );
    text.metric("accounts_banned", Gauge, "Accounts that have kept ticks from it.", status.banned);
    text.metric("earned_base_units_total", Counter, "Promised to it.", status.earned);
    text.metric("passed_on_base_units_total", Counter, "Promised on.", status.passed_on);
    text.metric("fees_earned_base_units_total", Counter, "The difference of both.", fees);
    text.metric("redeemed_base_units_total", Counter, "Paid to it by the chain.", status.redeemed);
    text.metric(
        "chain_fees_base_units_total",
        Counter,
        "Fees of its extrinsics.",
        status.chain_fees,
    );
    text.metric(
        "extrinsics_failed_total",
        Counter,
        "Extrinsics that failed and are tried again.",
        status.failures,
    );
    text.finish()
}

#[cfg(test)]
mod tests {
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
    async fn a_port_that_is_taken_is_an_error() {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        assert!(matches!(listen(address).await, Err(HubError::Metrics { .. })));
    }
}

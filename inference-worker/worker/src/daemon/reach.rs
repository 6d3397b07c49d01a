//! Tells people and programs when it changes whether others can come in.

use mica_net::{ReachStatus, Reachability};
use tokio::sync::watch;

use super::context::WorkerContext;
use crate::report::Event;

/// Tells each change until the worker stops. That nothing is known yet is not told.
pub(super) async fn tell_reach(context: WorkerContext, mut reach: watch::Receiver<Reachability>) {
    let stop = context.stop.clone();
    let mut told = (ReachStatus::Unknown, Vec::new());
    let work = async {
        loop {
            let event = {
                let now = reach.borrow_and_update();
                let addresses: Vec<String> =
                    now.external().map(|way| way.address.clone()).collect();
                let is_told = told == (now.status, addresses.clone());
                told = (now.status, addresses.clone());
                let (status, why) = (now.status, now.why.clone());
                (!is_told).then_some(Event::Reach { status, why, addresses })
            };
            if let Some(event) = event {
                context.reporter.emit(&event);
            }
            if reach.changed().await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

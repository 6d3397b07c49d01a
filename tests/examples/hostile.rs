//! A hostile peer as a program of its own:
//!
//!     hostile ATTACK NODE-URL WORKER-ACCOUNT SURI STRANGERS
//!
//! It says `attacking` when it begins and goes on until it is killed.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use mica_chain::Chain;
use mica_primitives::UNIT;
use mica_tests::{
    Payer,
    hostile::{Attack, Victim, attack},
};
use std::io::Write;

/// Base units that an attacker puts into its channel.
const DEPOSIT: u128 = 10 * UNIT;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, url, worker, suri, strangers] = &arguments[..] else {
        eprintln!("hostile ATTACK NODE-URL WORKER-ACCOUNT SURI STRANGERS");
        std::process::exit(2);
    };
    let kind = Attack::named(kind).expect("a known attack");
    let strangers = strangers.parse().expect("a number");
    let chain = Chain::connect(url).await.expect("the node answers");
    let payer = Payer::new(chain, suri);
    let record = payer.worker(worker).await;
    let view = payer.chain.at_best().await.expect("the node answers");
    let model = view.model(record.model).await.expect("it reads").expect("a registered model");
    let victim = Victim::new(&record, model.manifest.profile, model.manifest.layers);
    let lane = if kind.needs_channel() {
        let channel = payer.open_channel(record.account, DEPOSIT).await;
        let mut ledger = payer.ledger(channel).await;
        Some(ledger.lease(DEPOSIT / 2).expect("the deposit is enough"))
    } else {
        None
    };
    let mut out = std::io::stdout();
    writeln!(out, "attacking").and_then(|()| out.flush()).expect("somebody reads");
    attack(kind, victim, strangers, lane).await;
}

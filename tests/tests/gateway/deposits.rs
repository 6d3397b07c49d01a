//! Channels are funded before anybody needs them.

use std::time::Duration;

use mica_primitives::{Balance, UNIT};
use mica_tests::{Wallet, eventually, eventually_async, http};

use crate::fixture::{Fixture, prompt};

/// Sessions of its size that a deposit is made for.
const HEADROOM: Balance = 16;

pub async fn channels_are_topped_up_before_anybody_waits(fixture: &Fixture) {
    let wallet = Wallet::create(&fixture.folder.path().join("steady"), &fixture.node.url);
    wallet.fund(&fixture.chain, 100 * UNIT).await;
    let mut gateway = wallet.gateway(&format!("headroom = {HEADROOM}\n"), false);
    eventually("the gateway knows the market", Duration::from_secs(60), || {
        (http::send(gateway.address, "GET", "/ready", &[], b"").status == 200).then_some(())
    });
    let ask = |tokens, seed| {
        let body = prompt("Write a short story about a robot.", tokens, seed, false);
        let answer = http::send(gateway.address, "POST", "/api/generate", &[], &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cost = &answer.json()["cost"];
        let amount = |name: &str| -> Balance {
            cost[name].as_str().and_then(|units| units.parse().ok()).expect("base units")
        };
        (amount("paid"), amount("fees"))
    };
    let deposits = || async {
        let view = fixture.chain.at_best().await.expect("the node answers");
        let channels = view.channels_of(wallet.account).await.expect("it reads");
        channels.iter().map(|(_, channel)| channel.deposit).sum::<Balance>()
    };
    // Long answers, so that the least deposit of a channel is less than what the headroom asks for.
    let (mut paid, opening) = ask(300, 0);
    assert!(opening > 0, "channels were opened for the first request");
    let (first, mut most) = (deposits().await, paid);
    assert!(first >= HEADROOM * most, "{first} is less than {HEADROOM} times {most}");
    for seed in 1.. {
        // When the last of these began, less than half of the headroom was left without what it may
        // cost.
        let is_half_used = first - paid < HEADROOM / 2 * most;
        // Sooner, if the first request paid for a channel that the others do not use.
        if is_half_used || deposits().await > first {
            break;
        }
        let (more, _) = ask(300, seed);
        (paid, most) = (paid + more, most.max(more));
    }
    assert!(first - paid > 2 * most, "there is room for more");
    let topped_up =
        eventually_async("the channels are topped up", Duration::from_secs(60), || async {
            Some(deposits().await).filter(|deposits| *deposits > first)
        });
    assert!(topped_up.await - paid >= HEADROOM / 2 * most, "no less than would be topped up again");
    eventually("the fee is the next one's", Duration::from_secs(60), || {
        (ask(1, 0).1 > 0).then_some(())
    });
    gateway.stop();
}

//! Half of the voters are lost for good: finality is recovered by the steps of
//! docs/operations/finality.md, with the GRANDPA of real nodes.

use std::time::Duration;

use mica_chain::{Chain, Signer};
use mica_tests::{LocalNetwork, eventually_async, javascript};

use super::{specs, validator::a_new_block_is_final};

/// Longest time until two of four are noticed, reported and replaced: three slots of their own that
/// are missed, the end of that session, an election and the session before its set.
const REPLACED: Duration = Duration::from_secs(300);
/// Blocks that a chain of four for drills is ahead of finality when its clock stands.
const BEHIND: u32 = 6 + 4;
/// Longest time until the clock stands: two of four make a block in two slots.
const STALLED: Duration = Duration::from_secs(300);
/// Longest time until the next session has begun, its delay has passed, and its voters have voted.
const RECOVERED: Duration = Duration::from_secs(240);
/// Blocks from the announcement to the change: two nodes on one machine agree at once.
const DELAY: &str = "5";

#[tokio::test(flavor = "multi_thread")]
async fn finality_goes_on_by_force_when_the_lost_voters_are_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = specs::for_drills(folder.path());
    let mut network = LocalNetwork::start_on(folder.path(), &spec).await;
    let chain = Chain::connect(&network.urls[0]).await.expect("alice answers");
    a_new_block_is_final(&chain, "with all four").await;
    network.nodes[2].kill();
    network.nodes[3].kill();

    let lost = ["//Charlie//stash", "//Dave//stash"]
        .map(|name| Signer::from_suri(name).expect("a development key").account());
    eventually_async("the set is without the lost", REPLACED, || async {
        for account in lost {
            let state = chain.at_best().await.ok()?.validator(account).await.ok()?;
            if state.is_active || state.is_queued {
                return None;
            }
        }
        Some(())
    })
    .await;
    eventually_async("the clock stands", STALLED, || async {
        chain.at_best().await.ok()?.clock().await.ok().filter(|clock| clock.stands)
    })
    .await;
    let (last_final, best) =
        eventually_async("the two that are left cannot finalize", STALLED, || async {
            let last_final = chain.finalized().await.ok()?.number;
            let best = chain.best().await.ok()?.number;
            (best > last_final + BEHIND).then_some((last_final, best))
        })
        .await;

    javascript::script("recover_finality.mjs", &[&network.urls[0], DELAY, &last_final.to_string()]);
    for url in &network.urls[..2] {
        let chain = Chain::connect(url).await.expect("it answers");
        eventually_async(&format!("{url} finalizes past the change"), RECOVERED, || async {
            chain.finalized().await.ok().filter(|head| head.number > best)
        })
        .await;
    }
    a_new_block_is_final(&chain, "by the two that are left").await;
    eventually_async("the clock runs", STALLED, || async {
        chain.at_best().await.ok()?.clock().await.ok().filter(|clock| !clock.stands)
    })
    .await;
}

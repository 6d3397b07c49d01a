//! Validators that do nothing: newcomers that are elected and never vote do not stop finality, lose
//! their seats, and the chain bears the loss of a validator as before. So does one that makes
//! blocks and does not vote.

use std::{collections::BTreeMap, time::Duration};

use codec::Decode;
use mica_chain::{Call, Chain, Rewards, Signer, Until, ValidatorState};
use mica_primitives::{Balance, UNIT};
use mica_tests::{DevNode, LocalNetwork, NodeRpc, eventually_async};
use serde_json::json;

use super::{specs, validator::a_new_block_is_final};

/// As much as each validator of the genesis has bonded.
const BOND: Balance = 100_000 * UNIT;
/// Longest time until an election is over and the elected are in the set: three sessions of six
/// slots, on a busy machine.
const ELECTED: Duration = Duration::from_secs(150);
/// Longest time until an idle one of five has missed three slots of its own in a row and the
/// session is over; one slot of five is its own.
const NOTICED: Duration = Duration::from_secs(300);
/// Longest time until three windows of votes are over, of which the first has its last votes: in a
/// session of six slots two blocks or so can carry votes of its set, and a window lasts until three
/// of four have handed some in.
const HEARD: Duration = Duration::from_secs(600);

/// Where the chain keeps `Seats.Ballots`: the hashes of the two names.
const BALLOTS: &str = "0x28526e6052c7c0baef039241466339c8b947d6fd39e8bed314b74d5c18189225";
/// What the chain knows of a validator as a voter: whether it has handed in votes, authored, voted;
/// for how many windows it was silent; and whether it was found to be.
type Ballot = (bool, bool, bool, u32, bool);

/// That of each validator.
fn ballots(url: &str) -> Option<BTreeMap<[u8; 32], Ballot>> {
    let stored = NodeRpc::new(url).call("state_getStorage", json!([BALLOTS]));
    let bytes = hex::decode(stored.as_str()?.trim_start_matches("0x")).ok()?;
    BTreeMap::decode(&mut &bytes[..]).ok()
}

/// `who` bonds, gives `keys` to the chain and stands for election.
async fn stand(chain: &Chain, keys: &Chain, who: &Signer) {
    let keys = keys.rotate_session_keys(who.account()).await.expect("a node of our own");
    let calls = Call::BatchAll(vec![
        Call::Bond { amount: BOND, rewards: Rewards::Free },
        Call::SetKeys(keys),
        Call::Validate { commission_ppb: 0 },
    ]);
    chain.submit(who, calls, Until::InBlock).await.expect("it has the money");
}

async fn state(chain: &Chain, who: &Signer) -> Option<ValidatorState> {
    chain.at_best().await.ok()?.validator(who.account()).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_idle_newcomers_do_not_stop_finality_and_lose_their_seats() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = specs::for_drills(folder.path());
    let mut network = LocalNetwork::start_on(folder.path(), &spec).await;
    let chain = Chain::connect(&network.urls[0]).await.expect("alice answers");
    let idle =
        ["//Eve", "//Ferdie"].map(|name| Signer::from_suri(name).expect("a development key"));
    // A node that makes their keys and is never seen again.
    let apart = folder.path().join("apart");
    std::fs::create_dir(&apart).expect("the folder is writable");
    let node = DevNode::start_with(&apart, &["--chain", &spec]).await;
    let keys = node.connect().await;
    for who in &idle {
        stand(&chain, &keys, who).await;
    }
    drop(node);

    let elected = eventually_async("one of them is in the set", ELECTED, || async {
        let (first, second) = (state(&chain, &idle[0]).await?, state(&chain, &idle[1]).await?);
        assert!(!(first.is_active && second.is_active), "newcomers are fewer than a third");
        [first, second].into_iter().position(|state| state.is_active)
    })
    .await;
    a_new_block_is_final(&chain, "beside an idle newcomer").await;
    eventually_async("it is no candidate any more", NOTICED, || async {
        let state = state(&chain, &idle[elected]).await?;
        (state.commission_ppb.is_none() && state.bonded < BOND).then_some(())
    })
    .await;
    // Its place goes to the other, which does no better.
    eventually_async("both have lost their seats", ELECTED + NOTICED, || async {
        let (first, second) = (state(&chain, &idle[0]).await?, state(&chain, &idle[1]).await?);
        let is_out = |state: &ValidatorState| state.commission_ppb.is_none() && !state.is_active;
        (is_out(&first) && is_out(&second)).then_some(())
    })
    .await;
    a_new_block_is_final(&chain, "after both").await;
    network.nodes[3].kill();
    a_new_block_is_final(&chain, "with three of four").await;
    // What the clock follows is what the validators' nodes say.
    let clock = chain.at_best().await.expect("read").clock().await.expect("read");
    assert!(!clock.stands && clock.last_final > Some(0), "{clock:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_makes_blocks_and_does_not_vote_loses_its_seat() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = specs::for_drills(folder.path());
    let mut network = LocalNetwork::start_on(folder.path(), &spec).await;
    let url = network.urls[0].clone();
    let chain = Chain::connect(&url).await.expect("alice answers");
    eventually_async("the chain hears votes of all four", HEARD, || async {
        let ballots = ballots(&url)?;
        (ballots.values().filter(|ballot| ballot.2).count() == 4).then_some(())
    })
    .await;
    let dave = Signer::from_suri("//Dave//stash").expect("a development key");
    network.nodes[3].kill();
    network.start_again_with(3, &["--no-grandpa"]).await;
    // Not for slots that it missed: those are counted, but not here.
    eventually_async("it is found silent", HEARD, || async {
        ballots(&url)?.get(&dave.account().0).filter(|ballot| ballot.4).map(|_| ())
    })
    .await;
    eventually_async("it has lost its seat", ELECTED, || async {
        let state = state(&chain, &dave).await?;
        (state.commission_ppb.is_none() && !state.is_active).then_some(())
    })
    .await;
    for name in ["//Alice//stash", "//Bob//stash", "//Charlie//stash"] {
        let stash = Signer::from_suri(name).expect("a development key");
        let state = state(&chain, &stash).await.expect("alice answers");
        assert!(state.is_active && state.commission_ppb.is_some(), "{name} voted");
    }
    a_new_block_is_final(&chain, "with the three that vote").await;
}

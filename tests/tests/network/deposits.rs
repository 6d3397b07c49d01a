//! What must stay in an account: no command sends what the chain would refuse, tested at the exact
//! amount and just either side of it.

use std::time::Duration;

use mica_chain::{AccountId, Call, Party, Signer, SubmitError, Until};
use mica_tests::{eventually, units};

use super::wallet::World;

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
/// The chain's existential deposit, base units.
const DEPOSIT: u128 = 1_000_000_000;
/// The price of a block's room falls from block to block, a quarter of a per cent while blocks are
/// empty: the fee of a transfer by less than this in half a minute.
const DRIFT: u128 = 50_000_000;

/// One world serves all of these: each has wallets of its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_must_stay_in_an_account_is_kept_by_every_command() {
    let world = World::new().await;
    a_new_account_gets_no_less_than_it_needs(&world);
    nobody_sends_what_must_stay(&world);
    a_prompt_is_refused_before_it_costs_a_fee(&world);
    a_failure_on_chain_tells_its_fee_and_whom_it_concerns(&world).await;
    an_address_of_another_network_is_told_before_anything_is_sent(&world);
}

fn new_wallet(world: &World, name: &str) -> String {
    world.ok(&["wallet", "new", "--wallet", name]).json()["address"]
        .as_str()
        .expect("an address")
        .to_owned()
}

fn free(world: &World, address: &str) -> u128 {
    units(&world.ok(&["wallet", "balance", address]).json()["free"])
}

fn own(world: &World) -> u128 {
    units(&world.ok(&["wallet", "balance"]).json()["free"])
}

fn a_new_account_gets_no_less_than_it_needs(world: &World) {
    let receiver = new_wallet(world, "receiver");
    let before = own(world);
    for amount in ["0.0005MICA", "999999999u", "1u"] {
        for more in [&["--dry-run"][..], &[]] {
            let refused = world.open(&[&["wallet", "transfer", &receiver, amount], more].concat());
            let error = refused.error();
            assert_eq!(
                (refused.code, units(&error["least"])),
                (Some(14), DEPOSIT),
                "{amount} {more:?}: {error}"
            );
            assert!(
                error["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("send 0.001 MICA or more")),
                "{error}"
            );
        }
    }
    assert_eq!((own(world), free(world, &receiver)), (before, 0), "nothing was sent");
    world.ok(&["wallet", "transfer", &receiver, "1000000000u", "--dry-run"]);
    world.ok(&["wallet", "transfer", &receiver, "1000000000u", "--wait", "included"]);
    assert_eq!(free(world, &receiver), DEPOSIT);
    // An account that is there takes any sum.
    world.ok(&["wallet", "transfer", &receiver, "1u", "--wait", "included"]);
    assert_eq!(free(world, &receiver), DEPOSIT + 1);
    // What it has is what must stay: it can pay nothing.
    let poor = world.open(&["wallet", "transfer", ALICE, "1u", "--wallet", "receiver"]);
    let error = poor.error();
    assert!(
        poor.code == Some(14)
            && error["message"].as_str().is_some_and(|text| text.contains("must stay")),
        "{error}"
    );
}

fn nobody_sends_what_must_stay(world: &World) {
    let sender = new_wallet(world, "sender");
    world.ok(&["wallet", "transfer", &sender, "2", "--wait", "included"]);
    let transfer = |amount: &str, more: &[&str]| {
        world.open(
            &[
                &["wallet", "transfer", ALICE, amount, "--wallet", "sender", "--wait", "included"],
                more,
            ]
            .concat(),
        )
    };
    let dry = transfer("2", &["--dry-run"]);
    let (report, error) = (dry.json(), dry.error());
    assert_eq!((dry.code, units(&report["stays"])), (Some(14), DEPOSIT), "{report}");
    assert!(units(&report["missing"]) >= units(&report["fee"]) + DEPOSIT, "{report}");
    let most = units(&error["most"]);
    let before = free(world, &sender);
    let over = format!("{}u", most + DRIFT);
    for more in [&["--dry-run"][..], &[]] {
        let refused = transfer(&over, more);
        assert_eq!(refused.code, Some(14), "{over} {more:?}: {}", refused.stderr);
        assert!(
            refused.error()["message"].as_str().is_some_and(|text| text.contains("send at most")),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(free(world, &sender), before, "nothing was sent");
    let exact = format!("{most}u");
    let dry = transfer(&exact, &["--dry-run"]);
    assert_eq!((dry.code, units(&dry.json()["missing"])), (Some(0), 0), "{}", dry.stderr);
    let sent = transfer(&exact, &[]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let left = free(world, &sender);
    assert!((DEPOSIT..DEPOSIT + DRIFT).contains(&left), "{left} are left");

    // The word for it takes what can be taken, and no more.
    world.ok(&["wallet", "transfer", &sender, "1", "--wait", "included"]);
    let dry = transfer("all", &["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    let all = transfer("all", &[]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    assert!(
        units(&all.json()["amount"]).abs_diff(units(&dry.json()["sent"])) < DRIFT,
        "{}",
        all.stdout
    );
    let left = free(world, &sender);
    assert!((DEPOSIT..DEPOSIT + DRIFT).contains(&left), "{left} are left");
    let nothing = transfer("all", &[]);
    assert_eq!((nothing.code, free(world, &sender)), (Some(14), left), "{}", nothing.stderr);
}

fn a_prompt_is_refused_before_it_costs_a_fee(world: &World) {
    let payer = new_wallet(world, "payer");
    let ask = |more: &[&str]| {
        world.open(
            &[
                &[
                    "ask",
                    "What is a blockchain?",
                    "--max-tokens",
                    "8",
                    "--headroom",
                    "1",
                    "--wallet",
                    "payer",
                ],
                more,
            ]
            .concat(),
        )
    };
    // Enough for the deposits and the fee, and not for what must stay.
    world.ok(&["wallet", "transfer", &payer, "0.2222MICA", "--wait", "included"]);
    let refused = |what: &str| {
        let before = free(world, &payer);
        let dry = ask(&["--dry-run"]);
        let missing = units(&dry.json()["missing"]);
        assert_eq!(
            (dry.code, missing > 0),
            (Some(14), true),
            "{what}: {}{}",
            dry.stdout,
            dry.stderr
        );
        let asked = ask(&[]);
        assert_eq!(asked.code, Some(14), "{what}: {}{}", asked.stdout, asked.stderr);
        assert!(
            asked.error()["message"].as_str().is_some_and(|text| text.contains("must stay")),
            "{}",
            asked.stderr
        );
        assert_eq!(free(world, &payer), before, "{what}: nothing was sent");
        (missing, dry.json())
    };
    let (missing, report) = refused("the deposits and the fee alone");
    assert!(
        units(&report["locked"]) + units(&report["fee"]) <= units(&report["free"]),
        "enough without what must stay: {report}"
    );
    world.ok(&[
        "wallet",
        "transfer",
        &payer,
        &format!("{}u", missing - DRIFT),
        "--wait",
        "included",
    ]);
    let (missing, _) = refused("a little less than enough");
    world.ok(&["wallet", "transfer", &payer, &format!("{missing}u"), "--wait", "included"]);
    let dry = ask(&["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}{}", dry.stdout, dry.stderr);
    let asked = ask(&[]);
    assert_eq!(asked.code, Some(0), "{}{}", asked.stdout, asked.stderr);
    assert!(!asked.json()["tokens"].as_array().expect("tokens").is_empty());

    // A top-up of the channels is held to the same.
    let channels = world.ok(&["channel", "list", "--wallet", "payer"]).json();
    let id = channels[0]["channel"].as_str().expect("an id").to_owned();
    let total = format!("{}u", units(&channels[0]["deposit"]) + free(world, &payer) - DEPOSIT);
    let before = free(world, &payer);
    for more in [&["--dry-run"][..], &[]] {
        let refused =
            world.open(&[&["channel", "top-up", &id, &total, "--wallet", "payer"], more].concat());
        assert_eq!(refused.code, Some(14), "{}{}", refused.stdout, refused.stderr);
    }
    assert_eq!(free(world, &payer), before);
}

async fn a_failure_on_chain_tells_its_fee_and_whom_it_concerns(world: &World) {
    let chain = world.node.connect().await;
    let alice = Signer::from_suri("//Alice").expect("a development key");
    let call = Call::Transfer { to: AccountId::from([0x77; 32]), amount: DEPOSIT - 1 };
    let error = chain
        .submit(&alice, call.clone(), Until::InBlock)
        .await
        .expect_err("too little for a new account");
    let SubmitError::Failed { failure, fee, .. } = &error else { panic!("{error}") };
    assert_eq!((failure.concerns(), *fee > 0), (Some(Party::Receiver), true), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("the receiver would have less")
            && text.contains("the fee of 0.")
            && text.contains("is spent"),
        "{text}"
    );

    // The program says the same of an extrinsic that somebody else sent.
    let hash = format!(
        "0x{}",
        hex::encode(chain.hand_in(&alice, &call).await.expect("the pool takes it"))
    );
    let failed = eventually("a block has it", Duration::from_secs(60), || {
        let ran = world.locked(&["wallet", "status", &hash], "");
        (ran.code != Some(24)).then_some(ran)
    });
    let error = failed.error();
    assert_eq!(
        (failed.code, &failed.json()["state"], &error["concerns"]),
        (Some(14), &"failed".into(), &"receiver".into()),
        "{error}"
    );
    assert!(units(&error["fee_lost"]) > 0 && error["failure"] == "Token.BelowMinimum", "{error}");
    let unknown = world.locked(&["wallet", "status", &format!("0x{}", "ab".repeat(32))], "");
    assert_eq!(
        (unknown.code, &unknown.json()["state"]),
        (Some(24), &"unknown".into()),
        "{}",
        unknown.stderr
    );
}

fn an_address_of_another_network_is_told_before_anything_is_sent(world: &World) {
    // Bob's key as Polkadot and as Kusama write it.
    let others = [
        ("14E5nqKAp3oAJcmzgZhUD2RcptBeUBScxKHgJKU4HPNcKVf3", "Polkadot, prefix 0"),
        ("FoQJpPyadYccjavVdTWxpxU7rUEaYhfLCPwXgkfD6Zat9QP", "Kusama, prefix 2"),
    ];
    let before = own(world);
    for (address, network) in others {
        for command in [&["wallet", "transfer", address, "1"][..], &["wallet", "balance", address]]
        {
            let refused = world.open(command);
            assert_eq!(refused.code, Some(2), "{}", refused.stderr);
            assert!(
                refused.stderr.contains(network) && refused.stderr.contains(BOB),
                "{}",
                refused.stderr
            );
        }
    }
    assert_eq!(own(world), before);
}

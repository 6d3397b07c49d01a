//! What clients read from a real chain and send to it, through `mica-chain`.

use mica_chain::{Call, Chain, MicaEvent, Signer, SubmitError, Until, amount};
use mica_primitives::{ChannelId, ChannelOpening, UNIT};
use mica_tests::DevNode;

/// One node serves all of these: they use other accounts or do not mind each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_chain_is_read_and_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    money_moves_and_is_accounted_for(&node).await;
    one_account_may_submit_many_at_once(&node).await;
    two_programs_of_one_account_do_not_block_each_other(&node).await;
    a_failed_call_says_which_pallet_why_and_what_to_do(&node).await;
    a_channel_is_opened_read_and_topped_up(&node).await;
    blocks_come_in_order_without_gaps(&node).await;
}

fn signer(suri: &str) -> Signer {
    Signer::from_suri(suri).expect("a development key")
}

fn fresh() -> Signer {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    signer(&format!("//Alice//test{nanos}"))
}

async fn money_moves_and_is_accounted_for(node: &DevNode) {
    let (chain, alice, payee) = (node.connect().await, signer("//Alice"), fresh());
    let before = chain.at_best().await.expect("read").account(alice.account()).await.expect("read");
    let sent = chain
        .submit(&alice, Call::Transfer { to: payee.account(), amount: 3 * UNIT }, Until::Finalized)
        .await
        .expect("sent");
    assert!(sent.fee > 0);
    assert!(
        sent.known()
            .any(|event| matches!(event, MicaEvent::Transfer { to, amount, .. } if *to == payee.account() && *amount == 3 * UNIT))
    );
    let view = chain.at(sent.block);
    assert_eq!(view.account(payee.account()).await.expect("read").free, 3 * UNIT);
    let after = view.account(alice.account()).await.expect("read");
    assert!(before.free - after.free >= 3 * UNIT + sent.fee);
    let events = view.events().await.expect("read");
    assert!(events.len() > sent.events.len(), "the block's own events besides");
    assert!(chain.finalized().await.expect("read").number >= sent.block.number);
}

async fn one_account_may_submit_many_at_once(node: &DevNode) {
    let (chain, alice, payee) = (node.connect().await, signer("//Alice"), fresh());
    let send = |amount| {
        chain.submit(&alice, Call::Transfer { to: payee.account(), amount }, Until::InBlock)
    };
    let (first, second, third, fourth) =
        tokio::join!(send(UNIT), send(UNIT), send(UNIT), send(UNIT));
    for sent in [first, second, third, fourth] {
        sent.expect("sent");
    }
    assert_eq!(
        chain.at_best().await.expect("read").account(payee.account()).await.expect("read").free,
        4 * UNIT
    );
}

async fn two_programs_of_one_account_do_not_block_each_other(node: &DevNode) {
    let (here, there, alice, payee) =
        (node.connect().await, node.connect().await, signer("//Alice"), fresh());
    let send = |chain: Chain| {
        let (alice, to) = (alice.clone(), payee.account());
        async move { chain.submit(&alice, Call::Transfer { to, amount: UNIT }, Until::InBlock).await }
    };
    let (first, second) = tokio::join!(send(here), send(there));
    first.expect("sent");
    second.expect("sent");
}

async fn a_failed_call_says_which_pallet_why_and_what_to_do(node: &DevNode) {
    let (chain, alice) = (node.connect().await, signer("//Alice"));
    let error = chain
        .submit(&alice, Call::Close(ChannelId([9; 32])), Until::InBlock)
        .await
        .expect_err("no such channel");
    let SubmitError::Failed { failure, .. } = &error else { panic!("{error}") };
    assert!(failure.is("Channels", "NoChannel"), "{error}");
    assert!(!failure.meaning.is_empty());
    assert!(error.to_string().contains("that block is not final yet"), "{error}");
    let all = Call::BatchAll(vec![
        Call::Transfer { to: fresh().account(), amount: UNIT },
        Call::Finish(ChannelId([9; 32])),
    ]);
    let error = chain.submit(&alice, all, Until::InBlock).await.expect_err("all or none");
    assert!(
        matches!(&error, SubmitError::Failed { failure, .. } if failure.is("Channels", "NoChannel")),
        "{error}"
    );
    let paid = fresh().account();
    let each = Call::ForceBatch(vec![
        Call::Finish(ChannelId([9; 32])),
        Call::Transfer { to: paid, amount: UNIT },
    ]);
    let done = chain.submit(&alice, each, Until::InBlock).await.expect("each for itself");
    assert!(
        done.events.iter().any(|event| (&*event.pallet, &*event.name) == ("Utility", "ItemFailed")),
        "{:?}",
        done.events
    );
    assert_eq!(chain.at(done.block).account(paid).await.expect("read").free, UNIT);
    let error =
        chain.submit(&fresh(), Call::Unregister, Until::InBlock).await.expect_err("no money");
    assert!(matches!(error, SubmitError::NoFunds { .. }), "{error}");
    let too_much = Call::Transfer { to: fresh().account(), amount: u128::MAX };
    let error =
        chain.submit(&alice, too_much, Until::InBlock).await.expect_err("more than there is");
    assert!(error.to_string().contains("ask for a smaller amount"), "{error}");
}

async fn a_channel_is_opened_read_and_topped_up(node: &DevNode) {
    let (chain, alice, payee) = (node.connect().await, signer("//Alice"), fresh());
    let parameters = chain.at_best().await.expect("read").channel_parameters().await.expect("read");
    let deposit = parameters.min_deposit.max(UNIT);
    let opening = ChannelOpening {
        payee: payee.account(),
        signer: [7; 32],
        deposit,
        window: parameters.min_window,
    };
    let fee = chain
        .estimate_fee(&alice, &Call::OpenMany(vec![opening.clone()]))
        .await
        .expect("estimated");
    let opened =
        chain.submit(&alice, Call::OpenMany(vec![opening]), Until::InBlock).await.expect("opened");
    assert!(fee > 0 && opened.fee > 0, "{} {}", amount::format(fee), amount::format(opened.fee));
    let id = opened.known().find_map(|event| {
        if let MicaEvent::Opened { channel, .. } = event { Some(*channel) } else { None }
    });
    let id = id.expect("an event");
    let view = chain.at(opened.block);
    let channel = view.channel(id).await.expect("read").expect("open");
    assert_eq!(
        (channel.payer, channel.payee, channel.deposit),
        (alice.account(), payee.account(), deposit)
    );
    assert!(
        view.channels_of(alice.account())
            .await
            .expect("read")
            .iter()
            .any(|(found, _)| *found == id)
    );
    assert_eq!(view.channels_to(payee.account(), None, 8).await.expect("read").len(), 1);
    let raised = chain
        .submit(&alice, Call::TopUpTo { channel: id, total: 2 * deposit }, Until::InBlock)
        .await
        .expect("raised");
    assert!(
        raised
            .known()
            .any(|event| *event == MicaEvent::ToppedUp { channel: id, total: 2 * deposit })
    );
    assert!(view.receipt_roots(id, 0).await.expect("read").is_empty());
    assert_eq!(view.channel(ChannelId([9; 32])).await.expect("read"), None);
}

async fn blocks_come_in_order_without_gaps(node: &DevNode) {
    let chain = node.connect().await;
    let mut heads = chain.finalized_heads().await.expect("subscribed");
    let first = heads.next().await.expect("a block").expect("read");
    for number in first.number + 1..first.number + 3 {
        assert_eq!(heads.next().await.expect("a block").expect("read").number, number);
    }
    assert!(
        chain.best().await.expect("read").number >= chain.finalized().await.expect("read").number
    );
}

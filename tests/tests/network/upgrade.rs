//! The runtime of four validators is upgraded through governance while a session streams, money is
//! promised and moves, and an agreement runs. Nobody restarts anything.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use codec::Decode;
use mica_chain::{AccountId, Call, Chain, ChainEvent, MicaEvent, Signer, Submitted, Until};
use mica_primitives::{
    AgreementId, Balance, BlockNumber, ChannelId, Hash32, LayerRange, Progress, Redeem, Signature,
    Terms, UNIT,
};
use mica_protocol::signing;
use mica_tests::{
    LocalNetwork, NodeRpc, Payer, Wallet, Worker, eventually, eventually_async, javascript,
    ledger::{Ledger, lane_name},
    next_runtime,
    process::command,
    run, units,
};
use serde_json::{Value, json};

use super::money::promise;

/// Longest time until something is in a final block.
const FINAL: Duration = Duration::from_secs(120);
/// Longest time from one heartbeat to the next, on a busy machine.
const BEAT: Duration = Duration::from_secs(180);
/// Longest time until a stream begins.
const BEGIN: Duration = Duration::from_secs(120);
/// Blocks after the upgrade that every node must finalize.
const BLOCKS_AFTER: BlockNumber = 6;
/// Comes back in the event of the call that only the new runtime has.
const NUMBER: u32 = 20_409;
/// The question of all answers, and its longest answer.
const QUESTION: &str = "Tell me a story.";
const MAX_TOKENS: &str = "130";
/// Bytes of a stream that are read at a time: three or four tokens.
const WORDS: usize = 16;
/// What its program stands still for in between: shorter than a worker waits for money.
const PAUSE: Duration = Duration::from_secs(3);
/// What the hand-made voucher promises.
const PROMISED: Balance = 3 * UNIT;
/// What the payments move, each.
const STEP: Balance = UNIT / 100;

/// The network, with two workers and a payer, each at another node.
struct Scene {
    network: LocalNetwork,
    chain: Chain,
    workers: [Worker; 2],
    wallet: Wallet,
}

impl Scene {
    async fn start(folder: &Path) -> Self {
        let network = LocalNetwork::start(folder).await;
        let chain = Chain::connect(&network.urls[0]).await.expect("alice answers");
        let mut workers = [("//Eve", "0..5", 1), ("//Ferdie", "5..8", 2)].map(
            |(suri, layers, node): (_, _, usize)| {
                // They redeem when a channel is closed, not before, and it is worth it.
                let extra = ["--redeem-minimum", "1000000", "--price", "24000000u"];
                Worker::launch(folder, &network.urls[node], suri, layers, &extra)
            },
        );
        workers.iter_mut().for_each(Worker::wait_until_serving);
        let wallet = Wallet::create(&folder.join("home"), &network.urls[3]);
        wallet.fund(&chain, 100 * UNIT).await;
        Self { network, chain, workers, wallet }
    }

    fn ask(&self, more: &[&str]) -> Command {
        let mut mica = self.wallet.command();
        mica.args(["ask", QUESTION, "--max-tokens", MAX_TOKENS, "--headroom", "8"]).args(more);
        mica
    }

    /// The whole answer, or why there is none.
    fn answer(&self) -> Result<String, String> {
        let ran = run(self.ask(&["--json"]), "");
        let text = || ran.json()["text"].as_str().expect("a text").to_owned();
        if ran.code == Some(0) { Ok(text()) } else { Err(ran.stderr.clone()) }
    }

    /// The sum of `field` over all events of this name that the workers have told of, base units.
    fn sum(&self, event: &str, field: &str) -> Balance {
        let events = self.workers.iter().flat_map(|worker| worker.events(event));
        events.map(|event| units(&event[field])).sum()
    }
}

/// A stream of which somebody reads a few words at a time; its program stands still in between.
struct SlowStream {
    reader: JoinHandle<String>,
    hurry: mpsc::Sender<()>,
}

impl SlowStream {
    /// Starts it; its first words have come when this returns.
    fn start(mut program: Command) -> Self {
        let mut child = program
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let (begins, begun) = mpsc::channel();
        let (hurry, hurried) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (mut text, mut words) = (Vec::new(), [0; WORDS]);
            loop {
                let count = output(&mut child).read(&mut words).expect("readable");
                assert!(count > 0, "the stream was over too early");
                text.extend_from_slice(&words[..count]);
                // Nobody listens after the first time.
                let _ = begins.send(());
                signal(&child, "STOP");
                let is_over = hurried.recv_timeout(PAUSE) != Err(mpsc::RecvTimeoutError::Timeout);
                signal(&child, "CONT");
                if is_over {
                    break;
                }
            }
            output(&mut child).read_to_end(&mut text).expect("readable");
            let status = child.wait().expect("it ends");
            assert!(status.success(), "{status}");
            String::from_utf8(text).expect("text")
        });
        begun.recv_timeout(BEGIN).expect("its first words come");
        Self { reader, hurry }
    }

    /// Lets it run to its end; fails if it has ended before.
    fn finish(self) -> String {
        self.hurry.send(()).expect("it still streams");
        self.reader.join().expect("it ends well")
    }
}

fn output(child: &mut Child) -> &mut impl Read {
    child.stdout.as_mut().expect("piped")
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.expect("kill runs").success(), "kill -{name} failed");
}

/// An agreement that runs, and what its payer has signed.
struct Running {
    agreement: AgreementId,
    terms: Terms,
    progress: Progress,
    signature: Signature,
}

/// Has `worker` accept an agreement, acknowledge its request, and the payer sign for all of it.
async fn agreement(payer: &Payer, worker: &Signer) -> Running {
    let terms = Terms {
        model: payer.model.id(),
        range: LayerRange { first: 0, end: 5 },
        tokens: 16,
        price_per_layer_token: UNIT / 1_000,
        window: 4,
        start_blocks: 20,
        first_blocks: 40,
        work_blocks: 40,
        signer: signing::public_key(&payer.key),
    };
    let propose = Call::Propose { worker: worker.account(), terms };
    let proposed = submit(&payer.chain, &payer.signer, propose).await;
    let fields = &mut fields(&proposed.events, "Sla", "Proposed");
    let agreement = AgreementId::decode(&mut &fields[..]).expect("its number");
    submit(&payer.chain, worker, Call::Accept(agreement)).await;
    let acknowledge = Call::Acknowledge { agreement, request_hash: [7; 32] };
    submit(&payer.chain, worker, acknowledge).await;
    let progress = Progress {
        agreement,
        tokens: terms.tokens,
        ended: false,
        elapsed_blocks: 10,
        receipts_root: [0; 32],
        receipts: 0,
    };
    let bytes = progress.signing_bytes(&payer.chain.genesis_hash());
    Running { agreement, terms, progress, signature: signing::sign(&payer.key, &bytes) }
}

async fn submit(chain: &Chain, signer: &Signer, call: Call) -> Submitted {
    let what = call.to_string();
    let submitted = chain.submit(signer, call, Until::InBlock).await;
    submitted.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// The bytes of the first event of this name.
fn fields(events: &[ChainEvent], pallet: &str, name: &str) -> Vec<u8> {
    let found = events.iter().find(|event| event.pallet == pallet && event.name == name);
    found.unwrap_or_else(|| panic!("no {pallet}.{name} in {events:?}")).fields.clone()
}

/// Pays [`STEP`] again and again until it is `over`; returns how often.
async fn pay(chain: Chain, from: Signer, to: AccountId, over: Arc<AtomicBool>) -> u32 {
    let mut paid = 0;
    while !over.load(Ordering::Relaxed) {
        submit(&chain, &from, Call::Transfer { to, amount: STEP }).await;
        paid += 1;
    }
    paid
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_loses_nothing_that_was_promised_or_under_way() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut scene = Scene::start(folder.path()).await;
    let (chain, url) = (scene.chain.clone(), scene.network.urls[0].clone());
    let key = |suri| Signer::from_suri(suri).expect("a development key");
    let blob = next_runtime::wasm().to_str().expect("a plain path");

    // What the old runtime leaves: an answer that is paid for and not redeemed, a voucher, an
    // agreement that runs.
    let reference = one_machine();
    // The workers are not in a final block at once.
    assert_eq!(eventually("an answer comes", FINAL, || scene.answer().ok()), reference);
    let payer = Payer::new(chain.clone(), "//Alice");
    let channel = payer.open_channel(key("//Bob").account(), 10 * UNIT).await;
    let voucher = promise(&payer, channel, 1, PROMISED);
    let running = agreement(&payer, &key("//Eve")).await;
    let (walker, target) = (key("//Alice//walker"), key("//Alice//target").account());
    let fund = Call::Transfer { to: walker.account(), amount: 100 * UNIT };
    submit(&chain, &key("//Alice"), fund).await;

    javascript::script("upgrade.mjs", &[&url, "authorize", blob]);
    let over = Arc::new(AtomicBool::new(false));
    let paying = tokio::spawn(pay(chain.clone(), walker, target, over.clone()));
    let stream = SlowStream::start(scene.ask(&["-q"]));
    let said = javascript::script("upgrade.mjs", &[&url, "apply", blob, &NUMBER.to_string()]);
    // The library says before that that the runtime has changed.
    let last = said.trim_end().lines().last().expect("a result");
    let seen: Value = serde_json::from_str(last).expect("JSON");
    let upgrade = block_of(&seen);
    the_nodes_agree(&scene.network, &seen, upgrade).await;
    over.store(true, Ordering::Relaxed);
    let streamed = stream.finish();

    assert!(streamed.starts_with(&format!("{reference}\n\n")), "{streamed}\nnot: {reference}");
    let paid = Balance::from(paying.await.expect("every payment arrives"));
    eventually_async("each payment has arrived once", FINAL, || async {
        let view = chain.at_finalized().await.ok()?;
        (view.account(target).await.ok()?.free == paid * STEP).then_some(())
    })
    .await;
    the_new_runtime_is_there(&chain, &seen, upgrade).await;
    promises_of_before_are_kept(&chain, channel, voucher, running).await;
    assert_eq!(scene.answer().expect("an answer"), reference, "and it goes on");
    the_workers_go_on(&mut scene, upgrade).await;
}

/// What one machine answers by itself.
fn one_machine() -> String {
    let mut one = command("mica-worker");
    one.args(["generate", "--json", "--threads", "1", "--prompt", QUESTION]);
    one.args(["--max-tokens", MAX_TOKENS]);
    let text = run(one, "").json()["text"].as_str().expect("a text").to_owned();
    assert!(text.len() > 10 * WORDS, "too short to stream for long: {text}");
    text
}

/// The last block of the old runtime: it stored the new one.
fn block_of(seen: &Value) -> BlockNumber {
    let block = seen["last_block_before"].as_u64().expect("a number");
    BlockNumber::try_from(block).expect("a block")
}

/// All nodes finalize blocks of the new runtime, and the same ones.
async fn the_nodes_agree(network: &LocalNetwork, seen: &Value, upgrade: BlockNumber) {
    let last = upgrade + BLOCKS_AFTER;
    let mut chains = Vec::new();
    for url in &network.urls {
        let chain = Chain::connect(url).await.expect("it answers");
        eventually_async(&format!("{url} finalizes block {last}"), FINAL, || async {
            chain.finalized().await.ok().filter(|head| head.number >= last)
        })
        .await;
        let rpc = NodeRpc::new(url);
        let hash = |number| rpc.call("chain_getBlockHash", json!([number]));
        let version = |number| {
            rpc.call("state_getRuntimeVersion", json!([hash(number)]))["specVersion"].clone()
        };
        assert_eq!(
            [version(upgrade - 1), version(upgrade), version(last)],
            [&seen["before"], &seen["after"], &seen["after"]].map(Value::clone),
            "{url}"
        );
        chains.push([upgrade, upgrade + 1, last].map(hash));
    }
    assert!(chains.iter().all(|hashes| *hashes == chains[0]), "{chains:?}");
}

/// The migration ran once, over what the old runtime had stored, and the new call does what it
/// should.
async fn the_new_runtime_is_there(chain: &Chain, seen: &Value, upgrade: BlockNumber) {
    let step = seen["before"].as_u64().map(|before| before + 1);
    assert_eq!(seen["after"].as_u64(), step);
    // The payer's two, and the one that was opened by hand.
    assert_eq!(seen["open_channels"], 3, "{seen}");
    assert_eq!(seen["pallet_version"], 1, "{seen}");
    assert_eq!(seen["noted"], json!({"who": seen["sender"], "number": NUMBER}));
    // A connection of before reads the events of both runtimes.
    let mut found = Vec::new();
    for number in upgrade - 1..=upgrade + BLOCKS_AFTER {
        found.extend(events(chain, number).await);
    }
    let is =
        |event: &ChainEvent, pallet: &str, name: &str| event.pallet == pallet && event.name == name;
    assert!(found.iter().any(|event| is(event, "System", "CodeUpdated")));
    let noted = fields(&found, "Next", "Noted");
    assert!(noted.ends_with(&NUMBER.to_le_bytes()), "{noted:?}");
}

async fn events(chain: &Chain, number: BlockNumber) -> Vec<ChainEvent> {
    let rpc = NodeRpc::new(chain.url());
    let hash = rpc.call("chain_getBlockHash", json!([number]));
    let hash = hex::decode(hash.as_str().expect("a hash").trim_start_matches("0x"));
    let hash: Hash32 = hash.expect("hex").try_into().expect("32 bytes");
    chain.at(mica_chain::Head { number, hash }).events().await.expect("it reads")
}

/// A voucher and a word on progress, both signed before, are worth what they were.
async fn promises_of_before_are_kept(
    chain: &Chain,
    channel: ChannelId,
    voucher: Redeem,
    running: Running,
) {
    let bob = Signer::from_suri("//Bob").expect("a development key");
    let redeemed = submit(chain, &bob, Call::Redeem(Box::new(voucher))).await;
    let paid = redeemed.known().find_map(|event| match event {
        MicaEvent::Redeemed { channel: of, paid, .. } if *of == channel => Some(*paid),
        _ => None,
    });
    assert_eq!(paid, Some(PROMISED));

    let Running { agreement, terms, progress, signature } = running;
    let eve = Signer::from_suri("//Eve").expect("a development key");
    let view = chain.at_best().await.expect("the node answers");
    assert!(view.agreement(agreement).await.expect("it reads").is_some(), "it still runs");
    let ended = submit(chain, &eve, Call::Claim { progress, signature }).await;
    let fields = fields(&ended.events, "Sla", "Paid");
    let told = <(AgreementId, Progress, Balance, Balance)>::decode(&mut &fields[..]);
    let (price, deposit) = (terms.price_of(terms.tokens), terms.deposit());
    let expected = price.zip(deposit).map(|(price, deposit)| (agreement, progress, price, deposit));
    assert_eq!(told.ok(), expected);
    let view = chain.at(ended.block);
    assert_eq!(view.agreement(agreement).await.expect("it reads"), None);
}

/// The workers beat, and when the payer closes they redeem what it has promised: to the base unit,
/// for answers of before, across and after the upgrade.
async fn the_workers_go_on(scene: &mut Scene, upgrade: BlockNumber) {
    let chain = scene.chain.clone();
    let head = chain.at_best().await.expect("the node answers");
    let now = head.clock().await.expect("it reads").now;
    let channels = head.channels_of(scene.wallet.account).await.expect("it reads");
    assert!(channels.iter().all(|(_, channel)| channel.claimed == 0), "{channels:?}");
    let close = run(close_all(&scene.wallet), "");
    assert_eq!(close.code, Some(0), "{}", close.stderr);
    let ledger = Ledger::read(&scene.wallet.home);
    assert!(ledger.total() > 0, "three answers were paid for");
    eventually("the workers count what the payer does", FINAL, || {
        (scene.sum("session_ended", "earned") == ledger.total()).then_some(())
    });
    eventually("everything is redeemed", FINAL, || {
        (scene.sum("redeemed", "paid") == ledger.total()).then_some(())
    });
    let mut paid = BTreeMap::<_, Balance>::new();
    for number in upgrade..=chain.finalized().await.expect("the node answers").number {
        for event in events(&chain, number).await {
            if let Some(MicaEvent::Redeemed { channel, lane, paid: more, .. }) = event.event {
                *paid.entry((channel, lane)).or_default() += more;
            }
        }
    }
    // Bob's was redeemed as well.
    paid.retain(|(channel, _), _| channels.iter().any(|(id, _)| id == channel));
    assert_eq!(paid.values().sum::<Balance>(), ledger.total(), "{paid:?}");
    for ((channel, lane), paid) in paid {
        let name = lane_name(channel, lane);
        assert_eq!(paid, ledger.promised(&name), "{name}");
    }
    for worker in &mut scene.workers {
        let account: AccountId = worker.account.parse().expect("an account");
        eventually_async("the worker beats", BEAT, || async {
            let (record, online) = chain.at_best().await.ok()?.worker(account).await.ok()??;
            (online && record.last_heartbeat > now).then_some(())
        })
        .await;
        assert!(worker.process.is_running());
    }
}

fn close_all(wallet: &Wallet) -> Command {
    let mut mica = wallet.command();
    mica.args(["--json", "channel", "close", "--all", "--patience", "0"]);
    mica
}

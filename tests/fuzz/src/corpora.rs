//! The corpora that are made by code: one input for every kind of thing there is.

use codec::Encode;
use mica_primitives::CooperativeClose;
use mica_protocol::wire::encode_frame;
use mica_wallet::{KdfCost, Keystore, Password, Secret};

use crate::{
    common::{World, channel_of, facts_of, samples},
    keystore::PASSWORD,
};

/// A password's derivation that takes no time.
const CHEAP: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
/// The phrase of the corpus: nobody's.
const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

/// All inputs: target, file name, bytes.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all = Vec::new();
    all.extend(frames());
    all.extend(promises());
    all.extend(sessions());
    all.extend(ledgers());
    all.extend(keystore());
    all.extend(gateway());
    all.extend(runtime());
    all
}

type Input = (&'static str, String, Vec<u8>);

fn frames() -> Vec<Input> {
    let frame = |(name, message): (&str, _)| {
        let frame = encode_frame(&message).expect("samples fit");
        ("frames", name.to_owned(), [&[200][..], &frame].concat())
    };
    let mut frames: Vec<Input> = samples::messages().into_iter().map(frame).collect();
    let all: Vec<u8> = frames.iter().flat_map(|(_, _, bytes)| bytes[1..].to_vec()).collect();
    frames.push(("frames", "all".to_owned(), [&[6][..], &all[..all.len().min(3_000)]].concat()));
    frames
}

fn promises() -> Vec<Input> {
    let mut world = World::new(1, &[2], 4);
    let plan = world.plan(1, (0..20).collect(), 12);
    world.start(plan);
    world.run();
    let redeem = samples::redeem(None);
    let close = CooperativeClose { channel: channel_of(1), total: 5, expires: 9 };
    let mut facts = facts_of(1, 500);
    facts.ends = Some(70);
    let payee = world.workers[0].disk.values().next().expect("a session was paid").clone();
    let payer = world.payer_disk.values().next().expect("a session was paid").clone();
    [
        ("redeem", 0, redeem.encode()),
        ("voucher", 1, redeem.voucher.encode()),
        ("close", 2, close.encode()),
        ("facts", 3, facts.encode()),
        ("payee-record", 4, payee),
        ("payer-record", 5, payer),
    ]
    .into_iter()
    .map(|(name, kind, bytes)| ("promises", name.to_owned(), [&[kind][..], &bytes].concat()))
    .collect()
}

fn sessions() -> Vec<Input> {
    let mut inputs: Vec<(String, Vec<u8>)> = vec![
        ("quiet".to_owned(), vec![1, 5, 20, 20]),
        ("cancelled".to_owned(), vec![0, 5, 30, 39, 0, 20, 1, 20, 10, 2, 0, 9]),
        ("lossy".to_owned(), vec![2, 1, 39, 39, 0, 20, 3, 0, 1, 1, 0, 23, 3, 1, 0, 0, 1, 23]),
        ("late".to_owned(), vec![1, 9, 10, 10, 0, 9, 7, 4, 0, 3, 7, 2]),
        ("closing".to_owned(), vec![1, 7, 30, 30, 0, 23, 9, 0, 1, 40, 1, 23, 9, 1, 0]),
        ("restarts".to_owned(), vec![2, 3, 30, 30, 1, 23, 10, 0, 1, 1, 9, 10, 1, 2, 23]),
        (
            "changed".to_owned(),
            vec![1, 4, 30, 30, 0, 23, 3, 2, 40, 7, 0, 3, 5, 2, 9, 9, 8, 7, 0, 1],
        ),
    ];
    inputs.extend(through_hubs());
    // Each kind of message, made up, to each node.
    for (kind, (name, _)) in samples::messages().iter().enumerate() {
        let kind = kind as u8;
        let input =
            vec![1, 2, 20, 20, 0, 23, 6, kind, 0, 1, 1, 20, 6, kind, 0, 0, 6, kind, 2, 1, 2, 23];
        inputs.push((name.to_string(), input));
    }
    inputs.into_iter().map(|(name, bytes)| ("sessions", name, bytes)).collect()
}

/// Sessions that are paid through one hub (seeds from 128 on) or two.
fn through_hubs() -> Vec<(String, Vec<u8>)> {
    vec![
        ("hub-quiet".to_owned(), vec![1, 130, 20, 20]),
        ("hub-two".to_owned(), vec![2, 200, 39, 39, 0, 20]),
        ("hub-lossy".to_owned(), vec![1, 140, 39, 39, 0, 20, 3, 0, 1, 1, 0, 23, 3, 0, 0, 0, 1, 23]),
        ("hub-killed".to_owned(), vec![1, 150, 30, 30, 0, 20, 1, 20, 8, 3, 0, 1, 23]),
        ("hub-silent".to_owned(), vec![1, 160, 30, 30, 0, 23, 3, 0, 0, 0, 3, 0, 0, 0, 7, 4]),
        ("hub-late".to_owned(), vec![0, 170, 30, 39, 0, 20, 11, 255, 11, 255, 1, 20]),
    ]
}

fn ledgers() -> Vec<Input> {
    // 0 leases, 1 renews, 3 pays, 6 settles, 7 gives a receipt, 8 redeems, 9 lets time pass.
    let opened = [0, 30, 1, 0, 50, 0, 40, 0, 9];
    let paid = [3, 0, 2, 60, 9, 3, 0, 1, 60, 9];
    let input = |rest: &[u8]| [&opened[..], &paid, rest].concat();
    [
        ("redeemed", input(&[8, 1, 0, 3, 0, 1, 60, 9, 8, 1, 0])),
        ("settled", input(&[7, 0, 1, 3, 6, 0, 1, 60, 9, 8, 1, 0])),
        ("closed", input(&[9, 1, 2, 3, 0, 1, 60, 9, 8, 1, 0, 9, 2, 7])),
        ("restarted", input(&[10, 3, 0, 1, 60, 9, 11, 0, 20, 1, 0, 50, 0, 40, 0, 9, 12, 0, 3])),
        ("lied", input(&[1, 0, 50, 0, 40, 0, 0, 3, 0, 1, 60, 1, 12, 0, 0])),
    ]
    .into_iter()
    .map(|(name, bytes)| ("ledgers", name.to_owned(), bytes))
    .collect()
}

fn runtime() -> Vec<Input> {
    let seeds = crate::runtime::seeds::all().into_iter();
    seeds.map(|(name, bytes)| ("runtime", name.to_owned(), bytes)).collect()
}

fn keystore() -> Vec<Input> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let keystore = Keystore::new(folder.path().to_owned()).with_cost(CHEAP);
    let secret = Secret::from_text(PHRASE).expect("a phrase");
    keystore.create("w", &secret, &Password::new(PASSWORD)).expect("a new wallet");
    let wallet = std::fs::read(folder.path().join("w.json")).expect("it was written");
    let polkadot_js = br#"{"encoded":"AAAA","encoding":{"content":["pkcs8","sr25519"],"type":["scrypt","xsalsa20-poly1305"],"version":"3"},"address":"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY","meta":{"name":"mine"}}"#;
    let file = |name: &str, bytes: &[u8]| ("keystore", name.to_owned(), bytes.to_owned());
    vec![
        file("wallet", &wallet),
        file("polkadot-js", polkadot_js),
        file("phrase", PHRASE.as_bytes()),
        file("seed", format!("0x{}", "5a".repeat(32)).as_bytes()),
        file("path", format!("{PHRASE}//hard/soft").as_bytes()),
    ]
}

fn gateway() -> Vec<Input> {
    [
        (
            "ollama-chat",
            r#"{"model":"m","stream":false,"keep_alive":"5m","options":{"temperature":0.7,"top_k":40,"top_p":0.9,"seed":1,"num_predict":8,"stop":["x"]},"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"}]}"#,
        ),
        (
            "ollama-generate",
            r#"{"model":"m","prompt":"p","system":"s","template":"{{ .Prompt }}","raw":false,"context":[],"logprobs":true,"top_logprobs":3}"#,
        ),
        ("ollama-context", r#"{"model":"m","prompt":"p","context":[1,2,3],"keep_alive":0}"#),
        (
            "openai-chat",
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"logprobs":true,"top_logprobs":2,"stop":"x","messages":[{"role":"developer","content":[{"type":"text","text":"t"}]},{"role":"user","content":"b"}]}"#,
        ),
        ("openai-completions", r#"{"model":"m","prompt":["p"],"max_tokens":3,"logprobs":2,"n":1}"#),
        ("openai-tokens", r#"{"model":"m","prompt":[1,2.0,3e0],"echo":false,"best_of":1}"#),
        ("workflow", r#"{"input":"i","model":"m","models":{"a":"b"}}"#),
        ("not-an-object", "[1,2]"),
        ("not-json", "{"),
    ]
    .into_iter()
    .map(|(name, body)| ("gateway", name.to_owned(), body.as_bytes().to_owned()))
    .collect()
}

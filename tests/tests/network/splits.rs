//! The same bytes over any path: one, two and three real workers, at every split of the layers.

use std::time::Duration;

use mica_primitives::{LayerRange, UNIT};
use mica_tests::{DevNode, Pass, Payer, Worker, process::command};
use serde_json::Value;

const PROMPT: &str = "What is a Raspberry Pi?";
const TOKENS: u32 = 6;
const LAYERS: u16 = 8;

/// All ways to cut the layers into one, two or three ranges.
fn splits() -> Vec<Vec<LayerRange>> {
    let range = |first, end| LayerRange { first, end };
    let mut splits = vec![vec![range(0, LAYERS)]];
    for first in 1..LAYERS {
        splits.push(vec![range(0, first), range(first, LAYERS)]);
        for second in first + 1..LAYERS {
            splits.push(vec![range(0, first), range(first, second), range(second, LAYERS)]);
        }
    }
    splits
}

#[tokio::test(flavor = "multi_thread")]
async fn every_split_over_real_workers_gives_the_tokens_of_one_process() {
    let one = command("mica-worker")
        .args([
            "generate",
            "--prompt",
            PROMPT,
            "--temperature",
            "0",
            "--max-tokens",
            &TOKENS.to_string(),
            "--threads",
            "1",
            "--json",
        ])
        .output()
        .expect("mica-worker starts");
    let one: Value = serde_json::from_slice(&one.stdout).expect("generate prints JSON");
    let reference: Vec<u32> = serde_json::from_value(one["tokens"].clone()).expect("token ids");
    assert_eq!(reference.len(), TOKENS as usize);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut workers = vec![Worker::start(folder.path(), &node.url, "//Bob", "0..8", &[])];
    workers.extend(
        ["//Charlie", "//Dave"]
            .map(|suri| Worker::launch(folder.path(), &node.url, suri, "0..8", &[])),
    );
    workers.iter_mut().for_each(Worker::wait_until_serving);

    let mut payer = Payer::new(node.connect().await, "//Alice");
    let (mut records, mut ledgers) = (Vec::new(), Vec::new());
    for worker in &workers {
        let record = payer.worker(&worker.account).await;
        let channel = payer.open_channel(record.account, 100 * UNIT).await;
        ledgers.push(payer.ledger(channel).await);
        records.push(record);
    }
    let prompt = payer.prompt(PROMPT);
    for (number, split) in (1u8..).zip(splits()) {
        let mut stages: Vec<_> = records
            .iter()
            .zip(&mut ledgers)
            .zip(&split)
            .map(|((record, ledger), range)| (record, *range, ledger))
            .collect();
        let plan = payer.plan(number, &mut stages, prompt.clone(), TOKENS).await;
        let seen = payer.drive(plan, Duration::from_secs(30), Pass::On, Pass::On).await;
        let report = seen
            .report
            .unwrap_or_else(|| panic!("split {split:?} does not end; faults: {:?}", seen.faults));
        assert!(report.failure.is_none(), "split {split:?}: {:?}", report.failure);
        assert_eq!(report.tokens, reference, "split {split:?}");
        for (stage, ledger) in report.stages.iter().zip(&mut ledgers) {
            assert!(
                stage.settled && stage.receipts > 0 && stage.paid > 0,
                "split {split:?}: {stage:?}"
            );
            ledger.give_back(stage.record.clone());
        }
    }
}

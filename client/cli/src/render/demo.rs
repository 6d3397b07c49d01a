//! The proof of a demo, for people and as the JSON summary.

use std::path::Path;

use mica_chain::{AccountId, MicaEvent, amount};
use mica_host::json::{Layers, Money};
use mica_primitives::{Balance, BlockNumber, ChannelId};
use mica_protocol::StageNumber;
use serde::Serialize;

use super::{path::short, table::table};
use crate::demo::{Fetched, Proof, Running, StageProof, StageSummary, Summary, Times};

/// What the demo proves.
#[derive(Serialize)]
pub(crate) struct DemoSummary<'a> {
    prompt: &'a str,
    text: &'a str,
    tokens: &'a [u32],
    stages: Vec<Stage<'a>>,
    payer: Payer,
    blocks: Blocks,
    reference_tokens: &'a [u32],
    seconds: Seconds,
    ms_per_token: Option<f64>,
    /// What the workers fetched; nothing if they had files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fetched: Vec<Weights>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Kept<'a>>,
}

/// Bytes of weights.
#[derive(Serialize)]
struct Weights {
    layers: [u16; 2],
    bytes: u64,
    received_bytes: u64,
    disk_bytes: u64,
}

#[derive(Serialize)]
struct Seconds {
    opening: f64,
    prompt: f64,
    decoding: f64,
    settling: f64,
}

/// What keeps running.
#[derive(Serialize)]
struct Kept<'a> {
    home: &'a Path,
    node_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

#[derive(Serialize)]
struct Stage<'a> {
    worker: &'a str,
    layers: Layers,
    tokens: u32,
    price_per_layer_token: Money,
    paid: Money,
    receipts: u64,
    redeemed: bool,
}

#[derive(Serialize)]
struct Payer {
    before: Money,
    after: Money,
    fees: Money,
}

#[derive(Serialize)]
struct Blocks {
    first: BlockNumber,
    last: BlockNumber,
}

impl<'a> DemoSummary<'a> {
    /// What was proved in the time given, what the workers fetched, and what keeps running.
    pub(crate) fn new(
        summary: &'a Summary,
        times: &Times,
        fetched: &[Fetched],
        running: Option<&'a Running>,
    ) -> Self {
        let Times { opening, prompt, decoding, settling } = *times;
        let fetched = fetched.iter().map(|fetched| {
            let Fetched { layers, bytes, received_bytes, disk_bytes } = *fetched;
            Weights { layers, bytes, received_bytes, disk_bytes }
        });
        let stages = summary.stages.iter().map(|stage| Stage {
            worker: &stage.worker,
            layers: Layers(stage.layers),
            tokens: stage.tokens,
            price_per_layer_token: Money(stage.price_per_layer_token),
            paid: Money(stage.paid),
            receipts: stage.receipts,
            redeemed: stage.redeemed,
        });
        let (payer, blocks) = (&summary.payer, &summary.blocks);
        Self {
            prompt: &summary.prompt,
            text: &summary.text,
            tokens: &summary.tokens,
            stages: stages.collect(),
            payer: Payer {
                before: Money(payer.before),
                after: Money(payer.after),
                fees: Money(payer.fees),
            },
            blocks: Blocks { first: blocks.first, last: blocks.last },
            reference_tokens: &summary.reference_tokens,
            seconds: Seconds { opening, prompt, decoding, settling },
            ms_per_token: times.ms_per_token(summary.tokens.len()),
            fetched: fetched.collect(),
            running: running.map(|running| Kept {
                home: running.home(),
                node_url: running.url(),
                model: running.model(),
            }),
        }
    }
}

/// The whole proof, for people.
pub(crate) fn proof(proof: &Proof) -> String {
    let rows: Vec<Vec<String>> = proof
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| row(StageNumber(index), stage))
        .collect();
    let header = [
        "STAGE",
        "WORKER",
        "LAYERS",
        "TOKENS",
        "PRICE (base/layer-token)",
        "PAID",
        "RECEIPTS VERIFIED",
        "REDEEMED",
        "CLOSED",
    ];
    let mut text = table(&header, &rows);
    if !proof.fetched.is_empty() {
        text.push_str("\nweights, which came from a seed that was stopped then\n");
    }
    for Fetched { layers: [first, end], bytes, received_bytes, disk_bytes } in &proof.fetched {
        let mb = |bytes: &u64| *bytes as f64 / 1e6;
        text.push_str(&format!(
            "  layers {first} to {end}  {:.1} MB, {:.1} MB received, {:.1} MB on disk\n",
            mb(bytes),
            mb(received_bytes),
            mb(disk_bytes)
        ));
    }
    let channels: Vec<ChannelId> = proof.stages.iter().map(|stage| stage.channel).collect();
    text.push_str("\nevents on chain\n");
    for (block, event) in &proof.events {
        if let Some(event) = describe(event, &channels, &proof.payer) {
            text.push_str(&format!("  block {block:>3}  {event}\n"));
        }
    }
    let Summary { payer, stages, tokens, reference_tokens, blocks, .. } = &proof.summary;
    let paid = stages.iter().fold(0, |sum: Balance, stage| sum.saturating_add(stage.paid));
    let same = tokens == reference_tokens;
    text.push_str(&format!(
        "\npayer before  {}\npayer after   {}\n      paid    {}\n      fees    {}\n",
        amount::format(payer.before),
        amount::format(payer.after),
        amount::format(paid),
        amount::format(payer.fees)
    ));
    text.push_str(&format!(
        "before - after = paid + fees, to the base unit, over blocks {} to {}\n{} tokens, the \
         same as in one process: {}\n{}",
        blocks.first,
        blocks.last,
        tokens.len(),
        if same { "yes" } else { "no" },
        time(&proof.times, tokens.len())
    ));
    text
}

/// Where the time went: what a longer answer takes more of stands apart from what every answer
/// takes.
fn time(times: &Times, tokens: usize) -> String {
    let Times { opening, prompt, decoding, settling } = times;
    let each = times.ms_per_token(tokens).map(|ms| {
        format!(": {ms:.1} ms for each further token, {:.1} tokens/s", 1e3 / ms.max(1e-3))
    });
    format!(
        "opening {opening:.1} s, which is mostly blocks; prompt {prompt:.2} s; decoding \
         {decoding:.2} s{}; settling {settling:.1} s\n",
        each.unwrap_or_default()
    )
}

/// How to go on with what keeps running.
pub(crate) fn going_on(running: &Running) -> String {
    let program = Running::program();
    let mica = program.display();
    // Of a model without a file commands must be told.
    let model = running.model().map(|model| format!(" --model {model}")).unwrap_or_default();
    format!(
        "\nEverything keeps running until Ctrl-C, and this wallet with it. In another terminal:\n\n  \
         export MICA_HOME={}\n  {mica} ask{model} \"What is a Raspberry Pi?\"\n  {mica} chat{model}\n  {mica} \
         market                 # workers, layers, prices\n  {mica} receipt list           # what \
         they signed\n  {mica} gateway                # answers programs that speak to Ollama or \
         OpenAI\n\nThe node is at {}.\n",
        running.home().display(),
        running.url()
    )
}

fn row(number: StageNumber, stage: &StageProof) -> Vec<String> {
    let StageSummary { worker, layers, tokens, price_per_layer_token, paid, receipts, .. } =
        &stage.summary;
    let block =
        |block: Option<BlockNumber>| block.map_or("no".into(), |block| format!("block {block}"));
    vec![
        number.to_string(),
        worker.clone(),
        layers.to_string(),
        tokens.to_string(),
        price_per_layer_token.to_string(),
        amount::format(*paid),
        receipts.to_string(),
        block(stage.redeemed_in),
        block(stage.closed_in),
    ]
}

/// One line about an event that belongs to the story; nothing about others.
fn describe(event: &MicaEvent, channels: &[ChannelId], payer: &AccountId) -> Option<String> {
    let stage =
        |channel: &ChannelId| channels.iter().position(|known| known == channel).map(StageNumber);
    Some(match event {
        MicaEvent::Transfer { to, amount, .. } if to == payer => {
            format!("payer funded with {}", amount::format(*amount))
        }
        MicaEvent::ModelRegistered { model, .. } => format!("model {model} registered"),
        MicaEvent::WorkerRegistered { worker, range, .. } => {
            format!("worker {} registered for layers {range}", short(worker))
        }
        MicaEvent::Opened { channel, deposit, .. } => {
            format!("channel to stage {} opened with {}", stage(channel)?, amount::format(*deposit))
        }
        MicaEvent::CloseRequested { channel, .. } => {
            format!("payer asked to close the channel to stage {}", stage(channel)?)
        }
        MicaEvent::Redeemed { channel, paid, receipts, .. } => {
            format!(
                "stage {} redeemed {} with the root of {receipts} receipts",
                stage(channel)?,
                amount::format(*paid)
            )
        }
        MicaEvent::Closed { channel, released, .. } => {
            format!(
                "channel to stage {} closed, {} came back",
                stage(channel)?,
                amount::format(*released)
            )
        }
        MicaEvent::FeePaid { who, fee, .. } if who == payer => {
            format!("payer paid a fee of {}", amount::format(*fee))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use mica_primitives::LayerRange;

    use super::*;
    use crate::demo::{BlocksSummary, PayerSummary};

    #[test]
    fn the_json_has_exactly_the_promised_fields_and_money_to_the_last_unit() {
        let stage = StageSummary {
            worker: "w0".into(),
            layers: LayerRange { first: 0, end: 3 },
            tokens: 10,
            price_per_layer_token: 2,
            paid: 60,
            receipts: 1,
            redeemed: true,
        };
        let summary = Summary {
            prompt: "Hello".into(),
            text: "Hi".into(),
            tokens: vec![1, 2],
            stages: vec![stage],
            payer: PayerSummary { before: 10_000_000_000_000_000_000_001, after: 833, fees: 7 },
            blocks: BlocksSummary { first: 3, last: 9 },
            reference_tokens: vec![1, 2],
        };
        let times = Times { opening: 3.5, prompt: 0.25, decoding: 0.5, settling: 1.0 };
        assert_eq!(
            serde_json::to_string(&DemoSummary::new(&summary, &times, &[], None)).expect("JSON"),
            "{\"prompt\":\"Hello\",\"text\":\"Hi\",\"tokens\":[1,2],\"stages\":[{\"worker\":\"w0\"\
             ,\"layers\":[0,3],\"tokens\":10,\"price_per_layer_token\":\"2\",\"paid\":\"60\",\"receipts\
             \":1,\"redeemed\":true}],\"payer\":{\"before\":\"10000000000000000000001\",\"after\":\
             \"833\",\"fees\":\"7\"},\"blocks\":{\"first\":3,\"last\":9},\"reference_tokens\":[1,2],\"seconds\
             \":{\"opening\":3.5,\"prompt\":0.25,\"decoding\":0.5,\"settling\":1.0},\"ms_per_token\":\
             500.0}"
        );
    }

    #[test]
    fn time_for_each_token_stands_apart_from_what_every_answer_takes() {
        let times = Times { opening: 5.0, prompt: 0.3, decoding: 0.77, settling: 1.0 };
        let text = time(&times, 78);
        assert!(text.contains("opening 5.0 s") && text.contains("10.0 ms"), "{text}");
        assert!(text.contains("100.0 tokens/s"), "{text}");
        assert!(!time(&times, 1).contains("tokens/s"));
    }
}

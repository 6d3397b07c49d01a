//! Asks a question, pays for the answer and verifies the receipts, which stay in `payer.redb`:
//! `MICA_SECRET=//Alice cargo run --release --example ask -- ws://127.0.0.1:9944 "What is a key?"`.
//! `MICA_SECRET` is the account that pays: a phrase, a seed, or a development account.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::error::Error;

use mica_payer::{Asker, LocalModel, Payer, Question, Secret, amount, verify};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [node_url, prompt] = arguments.as_slice() else {
        return Err("give the address of a node and a prompt".into());
    };
    let secret = Secret::from_suri(&std::env::var("MICA_SECRET")?)?;
    let asker = Asker::open(Payer::connect(node_url, &secret).await?, "payer.redb".as_ref())?;
    let model = LocalModel::open(None)?;

    let answer = asker.complete(&model, &Question::chat(&model, prompt, 64)?).await?;
    println!("{}", answer.text);
    let stages = verify::stored(asker.store(), None, &answer.outcome.record).await?;
    for (worker, verified) in answer.path.stages.iter().zip(stages) {
        let (account, range) = (worker.worker.record.account, worker.range);
        println!("{account} computed {range}: {} receipts verify", verified.receipts);
    }
    println!("paid {}", amount::format(answer.paid()));
    asker.stop().await;
    Ok(())
}

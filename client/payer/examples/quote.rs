//! Shows the path that a question would take and what it would cost. Needs no account and pays
//! nothing: `cargo run --release --example quote -- ws://127.0.0.1:9944 "What is a key?"`.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::error::Error;

use mica_payer::market::{Beliefs, Memory};
use mica_payer::{Chain, LocalModel, ModelSnapshot, Question, Router, Terms, amount, ask};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [node_url, prompt] = arguments.as_slice() else {
        return Err("give the address of a node and a prompt".into());
    };
    let model = LocalModel::open(None)?;
    let mut question = Question::chat(&model, prompt, 64)?;
    // The cheapest path, however slow it is.
    question.terms = Terms { alpha: 1.0, ..Terms::default() };

    let chain = Chain::connect(node_url).await?;
    let snapshot = ModelSnapshot::read(&chain.at_finalized().await?, model.id()).await?;
    let router = Router::start(1)?;
    // A program that goes on asking remembers what it saw: see `Asker`.
    let (memory, beliefs) = (Memory::none(), Beliefs::none(&snapshot));
    let wanted = question.wanted(&model);
    let quotes = ask::quotes(&router, &snapshot, &chain, &memory, &beliefs, &wanted).await?;
    router.stop().await;
    let offer = ask::offer(&model, &snapshot, &quotes, &beliefs, &question)?;
    for stage in &offer.path.stages {
        let price = amount::format(stage.unit());
        println!("{} computes {} for {price} per token", stage.worker.record.account, stage.range);
    }
    println!("{} per token", amount::format(offer.path.price_per_token));
    println!("at most {} for {} tokens", amount::format(offer.cost()), offer.max_new_tokens);
    Ok(())
}

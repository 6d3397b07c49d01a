//! Sends money and shows what it cost: `cargo run --release -p mica-chain --example transfer --
//! ws://127.0.0.1:9944 //Alice 5F… 2.5`.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::error::Error;

use mica_chain::{Call, Chain, Signer, Until, address, amount};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, suri, to, text] = arguments.as_slice() else {
        return Err("give the node's address, a secret URI, an account and an amount".into());
    };
    let (chain, signer) = (Chain::connect(url).await?, Signer::from_suri(suri)?);
    let to = address::parse(to)?;
    let sent = chain
        .submit(&signer, Call::Transfer { to, amount: amount::parse(text)? }, Until::InBlock)
        .await?;
    println!("in block {} for a fee of {}", sent.block.number, amount::format(sent.fee));
    Ok(())
}

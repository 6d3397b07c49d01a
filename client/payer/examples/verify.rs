//! Verifies the receipts of every session in a payer's database, without a network:
//! `cargo run --release --example verify -- payer.redb`.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::error::Error;

use mica_payer::{Store, verify};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = arguments.as_slice() else {
        return Err("give the file of a payer's database".into());
    };
    let store = Store::open(path.as_ref())?;
    for record in store.sessions()? {
        let stages = verify::stored(&store, None, &record).await?;
        let receipts: u64 = stages.iter().map(|stage| stage.receipts).sum();
        let (tokens, stages) = (record.tokens.len(), stages.len());
        println!("{tokens} tokens of {stages} stages: {receipts} receipts verify");
    }
    Ok(())
}

//! Prints an answer as it comes; Ctrl-C ends it with the next token, which is all that is paid for:
//! `MICA_SECRET=//Alice cargo run --release --example stream -- ws://127.0.0.1:9944 "Tell me more"`.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::{error::Error, io::Write, ops::ControlFlow};

use mica_payer::{Asker, Event, Interrupt, LocalModel, Payer, Question, Secret, amount};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [node_url, prompt] = arguments.as_slice() else {
        return Err("give the address of a node and a prompt".into());
    };
    let secret = Secret::from_suri(&std::env::var("MICA_SECRET")?)?;
    let asker = Asker::open(Payer::connect(node_url, &secret).await?, "payer.redb".as_ref())?;
    let model = LocalModel::open(None)?;
    let question = Question::chat(&model, prompt, 64)?;

    let mut print = |event: Event<'_>| {
        if let Event::Text(piece) = event {
            print!("{piece}");
            // A closed pipe asks for the end of the answer.
            if std::io::stdout().flush().is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let (interrupt, _listening) = Interrupt::listen();
    let view = asker.chain().at_finalized().await?;
    let answer = asker.ask(&model, &view, &question, interrupt, &mut print).await?;
    println!("\npaid {}", amount::format(answer.paid()));
    asker.stop().await;
    Ok(())
}

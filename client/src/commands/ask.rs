//! `mica ask "…"`: pays workers for an answer, token by token, and streams it.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};
use mica_chain::amount;
use mica_engine::ChatMessage;
use mica_primitives::Balance;
use mica_protocol::session::Sampling;
use serde::Serialize;

use super::Context;
use crate::{
    ask::{Answer, Asker, Listener, Question},
    channels::Payer,
    cli::parse_amount,
    error::CommandError,
    interrupt::Interrupt,
    market::{ChosenPath, ModelPicture},
    model::{LocalModel, ModelError},
    output::Output,
    progress::Progress,
    session::SessionError,
};

/// Most bytes of a prompt.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

/// Options of `mica ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The prompt; `-` reads it from standard input
    prompt: String,
    /// Name, id or beginning of the id of the model [default: the one in the model file]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The model's GGUF file, of which the payer needs the tokenizer [default: the small model built in]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model_file: Option<PathBuf>,
    /// Text of a system message
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Take the prompt as it is, without the model's chat template
    #[arg(long)]
    raw: bool,
    /// Weight of money against time, from 0 (only time counts) to 1 (only money counts)
    #[arg(long, default_value_t = 0.5)]
    alpha: f64,
    /// Most money per token, all layers together, for example 0.00001 MICA or 5000000u (base units)
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_price: Option<Balance>,
    /// Most milliseconds per token
    #[arg(long, value_name = "MS")]
    deadline: Option<u64>,
    /// Most money for the whole answer
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_total: Option<Balance>,
    /// Most tokens of the answer
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Draw from this many most likely tokens; 0 for all
    #[arg(long, default_value_t = 0)]
    top_k: u32,
    /// Draw from the most likely tokens with this much probability together
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed of the draws: the same seed gives the same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs `mica ask`.
///
/// # Errors
/// [`CommandError`]: no funds, no path (with the layers that are missing), a worker that fails, or Ctrl-C.
pub async fn run(context: &Context, arguments: AskArgs) -> Result<(), CommandError> {
    let (interrupt, _listening) = Interrupt::listen();
    let model = LocalModel::open(arguments.model_file.as_deref())?;
    let prompt = prompt_tokens(&model, &arguments)?;
    let (secret, account) = context.unlock()?;
    let payer = Payer { chain: context.chain().await?, account, signer: secret.channel_signer() };
    let store = context.store()?;
    let view = payer.chain.at_finalized().await?;
    if let Some(wanted) = &arguments.model {
        let pictures = ModelPicture::read_all(&view, Some(wanted)).await?;
        if !pictures.iter().any(|picture| picture.id == model.id()) {
            return Err(ModelError::Differs { found: model.id(), wanted: wanted.clone() }.into());
        }
    }
    let question = Question {
        prompt,
        max_new_tokens: arguments.max_tokens,
        sampling: Sampling::new(arguments.temperature, arguments.top_k, arguments.top_p, arguments.seed),
        alpha: arguments.alpha,
        max_price: arguments.max_price,
        deadline_us: arguments.deadline.map(|ms| ms.saturating_mul(1000)),
        spending_limit: arguments.max_total,
    };
    let asker = Asker::start(payer, Arc::new(store), 1, 1)?;
    let mut printer = Printer { output: context.output, progress: context.progress };
    let answer = asker.ask(&model, &view, &question, context.progress, interrupt.clone(), &mut printer).await;
    asker.stop().await;
    let answer = answer?;
    let answered = Answered::new(&answer, question.prompt.len());
    context.output.show(&answered, |answered| format!("\n\n{}", answered.cost_line()))?;
    if interrupt.came() { Err(SessionError::Interrupted.into()) } else { Ok(()) }
}

fn prompt_tokens(model: &LocalModel, arguments: &AskArgs) -> Result<Vec<u32>, CommandError> {
    let text = match arguments.prompt.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().lock().take(MAX_PROMPT_BYTES).read_to_string(&mut text).map_err(CommandError::Input)?;
            text
        }
        text => text.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(ModelError::EmptyPrompt.into());
    }
    if arguments.raw {
        return Ok(model.raw(&text)?);
    }
    let system = arguments.system.as_deref().map(|text| ChatMessage::new("system", text));
    let messages: Vec<ChatMessage> = system.into_iter().chain([ChatMessage::new("user", &text)]).collect();
    Ok(model.chat(&messages)?)
}

/// Prints the path and the pieces of the answer.
pub struct Printer {
    /// Where the answer goes.
    pub output: Output,
    /// Where the path goes.
    pub progress: Progress,
}

impl Listener for Printer {
    fn path(&mut self, path: &ChosenPath) -> Result<(), CommandError> {
        self.progress.note(&format!("\n{}", path.to_text()));
        Ok(())
    }

    fn text(&mut self, piece: &str) -> ControlFlow<()> {
        // Nobody reads any more, so nobody shall pay any more.
        if self.output.stream(piece).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[derive(Serialize)]
struct Answered {
    text: String,
    tokens: Vec<u32>,
    prompt_tokens: usize,
    stop: String,
    session: String,
    stages: Vec<Stage>,
    paid: Balance,
    fees: Balance,
    receipts: u64,
    seconds: f64,
    seconds_to_first_token: Option<f64>,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: [u16; 2],
    price_per_layer_token: Balance,
    tokens: u32,
    paid: Balance,
    receipts: u64,
    channel: String,
    settled: bool,
}

impl Answered {
    fn new(answer: &Answer, prompt_tokens: usize) -> Self {
        let report = &answer.outcome.report;
        let stages = report.stages.iter().zip(&answer.path.stages).map(|(account, chosen)| Stage {
            worker: chosen.worker.record.account.to_string(),
            layers: [account.range.first, account.range.end],
            price_per_layer_token: account.price_per_layer_token,
            tokens: account.positions,
            paid: account.paid,
            receipts: account.receipts,
            channel: account.channel.to_string(),
            settled: account.settled,
        });
        Self {
            text: answer.text.clone(),
            tokens: report.tokens.clone(),
            prompt_tokens,
            stop: report.stop.map_or("none".into(), |stop| format!("{stop:?}")),
            session: hex::encode(answer.outcome.record.session),
            stages: stages.collect(),
            paid: report.paid(),
            fees: answer.opened.as_ref().map_or(0, |one| one.fee),
            receipts: report.stages.iter().map(|stage| stage.receipts).sum(),
            seconds: answer.outcome.elapsed.as_secs_f64(),
            seconds_to_first_token: answer.outcome.to_first_token.map(|time| time.as_secs_f64()),
        }
    }

    fn cost_line(&self) -> String {
        let rate = self.tokens.len() as f64 / self.seconds.max(1e-3);
        format!(
            "{} + {} tokens through {} workers for {} (fees {}), {} receipts verified, {:.1} s, {rate:.1} tokens/s",
            self.prompt_tokens,
            self.tokens.len(),
            self.stages.len(),
            amount::format(self.paid),
            amount::format(self.fees),
            self.receipts,
            self.seconds,
        )
    }
}

//! `mica quote "…"`: the path that a prompt would take and the most that it would cost. Needs no
//! wallet and spends nothing.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use mica_chain::amount;
use mica_engine::ChatMessage;
use mica_primitives::Balance;
use mica_protocol::session::Sampling;
use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use crate::render::{answer::answered, market};
use crate::terms::TermsArgs;
use mica_payer::ask::{Offer, Question, offer, quotes};
use mica_payer::market::ModelSnapshot;
use mica_payer::model::LocalModel;
use mica_payer::router::Router;
use mica_payer::session::SessionError;

/// Options of `mica quote`.
#[derive(Debug, Args)]
pub struct QuoteArgs {
    /// The prompt
    prompt: String,
    /// The model's GGUF file, of which the payer needs the tokenizer [default: the small model
    /// built in]
    #[arg(long, value_name = "FILE", env = "MICA_MODEL_FILE", value_hint = ValueHint::FilePath)]
    model_file: Option<PathBuf>,
    /// Text of a system message
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Take the prompt as it is, without the model's chat template; names of control tokens in it
    /// become those tokens
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    terms: TermsArgs,
    /// Most tokens of the answer
    #[arg(long, env = "MICA_MAX_TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
}

#[derive(Serialize)]
struct Quoted {
    model: String,
    prompt_tokens: u32,
    max_tokens: u32,
    price_per_token: Balance,
    ms_per_token: f64,
    prompt_cost: Balance,
    most: Balance,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: [u16; 2],
    price_per_layer_token: Balance,
    cost_us_per_layer_token: u32,
    most: Balance,
}

/// Runs `mica quote`.
///
/// # Errors
/// [`CommandError`]: no node, no path (with the layers that are missing), or none within the limits.
pub async fn run(context: &Context, arguments: &QuoteArgs) -> Result<(), CommandError> {
    let model = LocalModel::open(
        arguments.model_file.as_deref().or(context.settings.model_file.as_deref()),
    )?;
    let prompt = if arguments.raw {
        model.raw(&arguments.prompt)?
    } else {
        let system = arguments.system.as_deref().map(|text| ChatMessage::new("system", text));
        let messages: Vec<_> =
            system.into_iter().chain([ChatMessage::new("user", &arguments.prompt)]).collect();
        model.chat(&messages)?
    };
    let question = Question {
        prompt,
        max_new_tokens: arguments.max_tokens.unwrap_or(context.settings.max_tokens),
        sampling: Sampling::default(),
        logprobs: None,
        terms: arguments.terms.terms(&context.settings, None),
    };
    let chain = context.chain().await?;
    let snapshot = ModelSnapshot::read(&chain.at_finalized().await?, model.id()).await?;
    let router = Router::start(1).map_err(SessionError::from)?;
    let step = context.progress.step("asking workers for quotes");
    let quotes = quotes(&router, &snapshot, &chain).await;
    router.stop().await;
    let quotes = quotes?;
    step.done(&answered(&quotes));
    let offer = offer(&model, &snapshot, &quotes, &question)?;
    Ok(context.output.show(&describe(&snapshot, &offer), |quoted| to_text(quoted, &offer))?)
}

fn describe(snapshot: &ModelSnapshot, offer: &Offer) -> Quoted {
    let stages = offer.path.stages.iter().zip(&offer.needs).map(|(stage, need)| Stage {
        worker: stage.worker.record.account.to_string(),
        layers: [stage.range.first, stage.range.end],
        price_per_layer_token: stage.price_per_layer_token,
        cost_us_per_layer_token: stage.cost_us_per_layer_token,
        most: need.budget,
    });
    Quoted {
        model: snapshot.name(),
        prompt_tokens: offer.prompt_positions,
        max_tokens: offer.max_new_tokens,
        price_per_token: offer.path.price_per_token,
        ms_per_token: offer.path.time_us_per_token as f64 / 1000.0,
        prompt_cost: offer.path.price_per_token.saturating_mul(offer.prompt_positions.into()),
        most: offer.cost(),
        stages: stages.collect(),
    }
}

fn to_text(quoted: &Quoted, offer: &Offer) -> String {
    format!(
        "{}{} tokens of prompt cost {}; with an answer of at most {} tokens at most {}. Nothing \
         was spent.",
        market::path(&offer.path),
        quoted.prompt_tokens,
        amount::format(quoted.prompt_cost),
        quoted.max_tokens,
        amount::format(quoted.most),
    )
}

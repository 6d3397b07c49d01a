//! `mica quote "…"`: the path that a prompt would take and the most that it would cost. Needs no
//! wallet and spends nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use mica_engine::ChatMessage;
use mica_protocol::session::Sampling;

use crate::context::Context;
use crate::error::CommandError;
use crate::render::{printer::answered, quote::Quote};
use crate::terms::TermsArgs;
use mica_payer::ask::{Question, offer, quotes};
use mica_payer::market::ModelSnapshot;
use mica_payer::model::LocalModel;
use mica_payer::router::Router;
use mica_payer::session::SessionError;

/// Options of `mica quote`.
#[derive(Debug, Args)]
pub struct QuoteArgs {
    /// The prompt
    prompt: String,
    /// Name, id or beginning of the id of the model, whose tokenizer its workers give [default: the
    /// one in the model file]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
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

/// Runs `mica quote`.
///
/// # Errors
/// [`CommandError`]: no node, no path (with the layers that are missing), or none within the
/// limits.
pub(crate) async fn run(context: &Context, arguments: &QuoteArgs) -> Result<(), CommandError> {
    let given = arguments.model_file.as_deref();
    let settings = context.settings.model_file.as_deref();
    let (chain, model) = match &arguments.model {
        // What is wrong with a file is told before anybody looks for a node.
        None => {
            let model = LocalModel::open(given.or(settings))?;
            (context.chain().await?, model)
        }
        Some(name) => {
            let chain = context.chain().await?;
            let view = chain.at_finalized().await?;
            let model = context.named_model(&view, name, given.or(settings)).await?;
            (chain, model)
        }
    };
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
    let snapshot = ModelSnapshot::read(&chain.at_finalized().await?, model.id()).await?;
    let memory = context.memory_if_free(&chain);
    let (beliefs, wanted) = (memory.beliefs(&snapshot, &BTreeSet::new()), question.wanted(&model));
    let router = Router::start(1).map_err(SessionError::from)?;
    let step = context.progress.step("asking workers for quotes");
    let quotes = quotes(&router, &snapshot, &chain, &memory, &beliefs, &wanted).await;
    router.stop().await;
    let quotes = quotes?;
    step.done(&answered(&quotes));
    let offer = offer(&model, &snapshot, &quotes, &beliefs, &question)?;
    let quote = Quote::new(&snapshot, &offer, context.settings.max_total(None));
    Ok(context.output.show(&quote, |quote| quote.to_text(&offer))?)
}

//! `mica ask "…"`: pays workers for an answer, token by token, and streams it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};
use mica_chain::View;
use mica_engine::ChatMessage;
use mica_primitives::Balance;
use mica_protocol::session::Sampling;

use crate::config::{Settings, parse_hubs};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_amount;
use crate::render::{answer::PaidAnswer, preview::AskDryRun, printer::Printer};
use crate::terms::TermsArgs;
use mica_payer::ask::{Asker, Question};
use mica_payer::channels::Deposits;
use mica_payer::interrupt::Interrupt;
use mica_payer::market::{HubAddress, ModelSnapshot};
use mica_payer::model::{LocalModel, ModelError};
use mica_payer::session::SessionError;

/// Hubs in a row: one value of an option.
pub(crate) type Hubs = Vec<HubAddress>;

/// Most bytes of a prompt.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

/// What to ask for, and within which limits: what `mica ask` and `mica chat` share.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskOptions {
    /// Name, id or beginning of the id of the model, whose tokenizer its workers give [default: the
    /// one in the model file]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// The model's GGUF file, of which the payer needs the tokenizer [default: the small model
    /// built in]
    #[arg(long, value_name = "FILE", env = "MICA_MODEL_FILE", value_hint = ValueHint::FilePath)]
    pub model_file: Option<PathBuf>,
    /// Text of a system message
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Which path is taken, and what a token may cost.
    #[command(flatten)]
    pub terms: TermsArgs,
    /// Most money for one answer [default: 0.1 MICA]
    #[arg(long, value_name = "AMOUNT", env = "MICA_MAX_TOTAL", value_parser = parse_amount)]
    pub max_total: Option<Balance>,
    /// Answers of this size that a channel's deposit is made to last for, as far as the account has
    /// the money
    #[arg(long, env = "MICA_HEADROOM", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub headroom: u32,
    /// Pay the workers through this hub, to which one channel is enough; several in a row with a
    /// space between them
    #[arg(long, env = "MICA_HUB", value_name = "ADDRESS", value_parser = parse_hubs)]
    pub hub: Option<Hubs>,
    /// Most tokens of an answer [default: 128]
    #[arg(long, env = "MICA_MAX_TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
    /// 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f32,
    /// Draw from this many most likely tokens; 0 for all
    #[arg(long, default_value_t = 0)]
    pub top_k: u32,
    /// Draw from the most likely tokens with this much probability together
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Seed of the draws: the same seed gives the same answer
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl AskOptions {
    /// The model's words, if no worker need be asked for them: from the option's file, or, where no
    /// model is named, the settings' or the one built in.
    ///
    /// # Errors
    /// [`ModelError`] if the file is no model that we can talk to.
    pub(crate) fn open_model(&self, settings: &Settings) -> Result<Option<LocalModel>, ModelError> {
        match (&self.model_file, &self.model) {
            (Some(file), _) => LocalModel::open(Some(file)).map(Some),
            (None, Some(_)) => Ok(None),
            (None, None) => LocalModel::open(settings.model_file.as_deref()).map(Some),
        }
    }

    /// The model that is asked: `opened`, if it is the one that `--model` names on the chain of
    /// `view`; without it the one that is named.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such model, it is another one, or nobody gives its head.
    pub(crate) async fn find_model(
        &self,
        context: &Context,
        view: &View,
        opened: Option<LocalModel>,
    ) -> Result<LocalModel, CommandError> {
        match (opened, &self.model) {
            (Some(model), _) => {
                self.check_model(view, &model).await?;
                Ok(model)
            }
            (None, Some(name)) => {
                context.named_model(view, name, context.settings.model_file.as_deref()).await
            }
            (None, None) => Ok(LocalModel::open(context.settings.model_file.as_deref())?),
        }
    }

    /// Whether `model` is the one that `--model` names on the chain of `view`.
    ///
    /// # Errors
    /// [`CommandError`] if it is another one, or there is none.
    async fn check_model(&self, view: &View, model: &LocalModel) -> Result<(), CommandError> {
        let Some(wanted) = &self.model else { return Ok(()) };
        if ModelSnapshot::ids(view, wanted).await?.contains(&model.id()) {
            return Ok(());
        }
        Err(ModelError::Differs { found: model.id(), wanted: wanted.clone() }.into())
    }

    /// The question with this prompt, under the options' and the settings' limits.
    pub(crate) fn question(&self, settings: &Settings, prompt: Vec<u32>) -> Question {
        Question {
            prompt,
            max_new_tokens: self.max_tokens.unwrap_or(settings.max_tokens),
            sampling: Sampling::new(self.temperature, self.top_k, self.top_p, self.seed),
            logprobs: None,
            terms: self.terms.terms(settings, Some(settings.max_total(self.max_total))),
        }
    }

    /// How deposits are made: nothing more is put in before a question needs it.
    pub(crate) fn deposits(&self, settings: &Settings) -> Deposits {
        Deposits { headroom: self.headroom, ahead: false, window: settings.window }
    }

    /// Through whom workers are paid.
    pub(crate) fn hubs(&self, settings: &Settings) -> Vec<HubAddress> {
        settings.hubs(self.hub.as_deref())
    }

    /// The system message, if there is one.
    pub(crate) fn system_message(&self) -> Option<ChatMessage> {
        self.system.as_deref().map(|text| ChatMessage::new("system", text))
    }
}

/// Options of `mica ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The prompt; `-` reads it from standard input
    prompt: String,
    #[command(flatten)]
    options: AskOptions,
    /// Take the prompt as it is, without the model's chat template; names of control tokens in it
    /// become those tokens
    #[arg(long, conflicts_with = "system")]
    raw: bool,
    /// Show the path, fee, deposit and what would be locked; send nothing and ask for no password
    #[arg(long)]
    dry_run: bool,
}

/// Runs `mica ask`.
///
/// # Errors
/// [`CommandError`]: no funds, no path (with the layers that are missing), a worker that fails, or
/// Ctrl-C.
pub(crate) async fn run(context: &Context, arguments: AskArgs) -> Result<(), CommandError> {
    let options = &arguments.options;
    let text = prompt_text(&arguments)?;
    let opened = options.open_model(&context.settings)?;
    // What is wrong with a prompt is told before anybody types a password.
    let prompt =
        opened.as_ref().map(|model| prompt_tokens(model, &text, &arguments)).transpose()?;
    let (interrupt, _listening) = Interrupt::listen();
    let payer = context.payer().await?;
    let store = context.store()?;
    let view = payer.chain.at_finalized().await?;
    let model = options.find_model(context, &view, opened).await?;
    let prompt = match prompt {
        Some(prompt) => prompt,
        None => prompt_tokens(&model, &text, &arguments)?,
    };
    let question = options.question(&context.settings, prompt);
    let asker = Asker::start(
        payer,
        Arc::new(store),
        1,
        options.deposits(&context.settings),
        context.notices(),
    )?
    .through(options.hubs(&context.settings));
    let mut printer = Printer::new(context.output, context.progress);
    if arguments.dry_run {
        let preview = asker.preview(&model, &view, &question, &interrupt, &mut printer).await;
        asker.stop().await;
        let preview = preview?;
        context.output.show(&AskDryRun::from(&preview), AskDryRun::to_text)?;
        return Ok(preview.channels.verdict()?);
    }
    let answer = asker.ask(&model, &view, &question, interrupt.clone(), &mut printer).await;
    asker.stop().await;
    let answer = answer?;
    let answer = PaidAnswer::new(&answer, question.prompt.len());
    context.output.show(&answer, |answer| format!("\n\n{}", answer.cost_line()))?;
    if interrupt.came() { Err(SessionError::Interrupted.into()) } else { Ok(()) }
}

/// What is asked, from the command line or standard input.
fn prompt_text(arguments: &AskArgs) -> Result<String, CommandError> {
    let text = match arguments.prompt.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .take(MAX_PROMPT_BYTES + 1)
                .read_to_string(&mut text)
                .map_err(CommandError::Input)?;
            if text.len() as u64 > MAX_PROMPT_BYTES {
                return Err(CommandError::Usage(format!(
                    "the prompt on standard input is longer than {MAX_PROMPT_BYTES} bytes"
                )));
            }
            text
        }
        text => text.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(ModelError::EmptyPrompt.into());
    }
    Ok(text)
}

fn prompt_tokens(
    model: &LocalModel,
    text: &str,
    arguments: &AskArgs,
) -> Result<Vec<u32>, CommandError> {
    if arguments.raw {
        return Ok(model.raw(text)?);
    }
    let messages: Vec<ChatMessage> = arguments
        .options
        .system_message()
        .into_iter()
        .chain([ChatMessage::new("user", text.trim_end_matches('\n'))])
        .collect();
    Ok(model.chat(&messages)?)
}

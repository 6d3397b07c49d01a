//! `mica chat`: a conversation at the terminal or over a pipe.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use tokio_util::task::AbortOnDropHandle;

use super::ask::AskOptions;
use crate::chat::{ChatCommand, Conversation, Entry, HELP, Input, Spent, Turn, parse};
use crate::context::Context;
use crate::error::CommandError;
use crate::exit_code::ErrorClass;
use crate::options::Output;
use crate::progress::Progress;
use crate::render::{self, answer::PaidAnswer, path, printer::Printer};
use mica_payer::ask::Asker;
use mica_payer::channels::Payer;
use mica_payer::interrupt::Interrupt;
use mica_payer::market::ChosenPath;
use mica_payer::model::LocalModel;

/// Options of `mica chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    #[command(flatten)]
    options: AskOptions,
}

/// Runs `mica chat`.
///
/// At a terminal a turn that fails is told and the chat goes on; over a pipe it ends the command
/// with its error.
///
/// # Errors
/// [`CommandError`], as `mica ask`.
pub(crate) async fn run(context: &Context, arguments: ChatArgs) -> Result<(), CommandError> {
    let opened = arguments.options.open_model(&context.settings)?;
    let payer = context.payer().await?;
    let view = payer.chain.at_finalized().await?;
    let model = arguments.options.find_model(context, &view, opened).await?;
    context.home.create()?;
    let mut input = Input::open(&context.home.chat_history())?;
    let conversation = Conversation::new(arguments.options.system_message());
    let mut chat = Chat {
        context,
        options: arguments.options,
        model,
        payer,
        conversation,
        spent: Spent::default(),
        path: None,
    };
    if input.is_terminal() {
        context.progress.note(&format!("{}; /help lists the commands", chat.describe_model()));
    }
    loop {
        // Once a turn has listened, signals have no default any more. At a terminal the editor
        // takes Ctrl-C itself.
        let idle = (!input.is_terminal()).then(|| {
            AbortOnDropHandle::new(tokio::spawn(async {
                let (interrupt, _listening) = Interrupt::listen();
                interrupt.finish.cancelled().await;
                std::process::exit(ErrorClass::Interrupted.code().into());
            }))
        });
        let turn = input.next_turn();
        drop(idle);
        let outcome = match turn? {
            Turn::End => break,
            Turn::Interrupted => continue,
            Turn::Text(text) => match parse(&text) {
                Entry::Nothing => continue,
                Entry::Command(ChatCommand::Quit) => break,
                Entry::Command(command) => chat.run(command).await,
                Entry::Say(text) => chat.turn(&text).await,
            },
        };
        match outcome {
            // stdout is gone: nobody reads any more.
            Err(error @ CommandError::Output(_)) => return Err(error),
            Err(error) if input.is_terminal() => Progress::Shown.note(&format!("error: {error}")),
            other => other?,
        }
    }
    if let Err(error) = input.close() {
        context.progress.note(&format!("what was typed could not be kept: {error}"));
    }
    if chat.spent.turns > 0 {
        context.progress.note(&render::chat::spent(&chat.spent));
    }
    Ok(())
}

struct Chat<'a> {
    context: &'a Context,
    options: AskOptions,
    model: LocalModel,
    payer: Payer,
    conversation: Conversation,
    spent: Spent,
    path: Option<ChosenPath>,
}

impl Chat<'_> {
    async fn run(&mut self, command: ChatCommand) -> Result<(), CommandError> {
        match command {
            ChatCommand::Cost => self.say(&render::chat::spent(&self.spent)),
            ChatCommand::Path => self.say(
                &self.path.as_ref().map_or_else(|| "nothing was asked yet".to_owned(), path::path),
            ),
            ChatCommand::Model(None) => {
                let text =
                    format!("{}\n{}", self.describe_model(), self.models_of_the_chain().await?);
                self.say(&text)
            }
            ChatCommand::Model(Some(file)) => {
                // A file, or a model of the chain by name or id.
                self.model = match Path::new(&file) {
                    path if path.exists() => LocalModel::open(Some(path))?,
                    _ => {
                        let view = self.payer.chain.at_finalized().await?;
                        self.context.named_model(&view, &file, None).await?
                    }
                };
                // It was meant for the model before.
                self.options.model = None;
                self.say(&format!("{}; the conversation goes on", self.describe_model()))
            }
            ChatCommand::Reset => {
                self.conversation.reset();
                self.say("the conversation is forgotten")
            }
            ChatCommand::Help => self.say(HELP),
            ChatCommand::Unknown(word) => {
                self.say(&format!("'{word}' is no command: /help lists them"))
            }
            ChatCommand::Quit => Ok(()),
        }
    }

    /// Asks the model what `text` and the conversation before it say.
    async fn turn(&mut self, text: &str) -> Result<(), CommandError> {
        let (interrupt, _listening) = Interrupt::listen();
        let prompt = self.model.chat(&self.conversation.with(text))?;
        let prompt_tokens = prompt.len();
        let view = self.payer.chain.at_finalized().await?;
        let question = self.options.question(&self.context.settings, prompt);
        let store = Arc::new(self.context.store()?);
        // Only the first turn is likely to wait for a block.
        let progress = if self.spent.turns == 0 { self.context.progress } else { Progress::Silent };
        let deposits = self.options.deposits(&self.context.settings);
        let asker = Asker::start(self.payer.clone(), store, 1, deposits, self.context.notices())?
            .through(self.options.hubs(&self.context.settings));
        let mut printer = Printer::without_path(self.context.output, progress);
        let answer =
            asker.ask(&self.model, &view, &question, interrupt.clone(), &mut printer).await;
        asker.stop().await;
        let answer = answer?;
        self.path = printer.path.take();
        let report = &answer.outcome.report;
        let fees = answer.fees;
        self.spent.add(prompt_tokens, report.tokens.len(), answer.paid(), fees);
        self.conversation.keep(text, answer.text.trim());
        let end = if interrupt.came() { " [stopped]\n" } else { "\n" };
        self.context.output.stream(end)?;
        if self.context.output == Output::Json {
            self.context
                .output
                .show_line(&PaidAnswer::new(&answer, prompt_tokens), PaidAnswer::cost_line)?;
        }
        Ok(())
    }

    /// To the reader: in JSON form stdout is for answers alone.
    fn say(&self, text: &str) -> Result<(), CommandError> {
        match self.context.output {
            Output::Text => Ok(Output::Text.stream(&format!("{}\n", text.trim_end()))?),
            Output::Json => {
                self.context.progress.note(text);
                Ok(())
            }
        }
    }

    fn describe_model(&self) -> String {
        render::chat::model(self.model.manifest())
    }

    async fn models_of_the_chain(&self) -> Result<String, CommandError> {
        let models = self.payer.chain.at_finalized().await?.models().await?;
        Ok(render::chat::models(&models, self.model.id()))
    }
}

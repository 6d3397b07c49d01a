//! `mica model list|show`: models that this payer can ask without a file, and what they are.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::model::{Model, Models, Place};
use mica_payer::market::{MarketError, ModelSnapshot};
use mica_payer::model::LocalModel;

/// `mica model …`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Every model of the chain, whether its workers serve all of it, and whether its tokenizer is
    /// here; without a node only what is here
    List,
    /// What a model is; its tokenizer and template come from its workers if they are not here
    Show(ShowArgs),
}

/// Options of `mica model show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name, id or beginning of the id of the model
    model: String,
    /// Show the chat template as well
    #[arg(long)]
    template: bool,
}

/// Runs `mica model`.
///
/// # Errors
/// [`CommandError`] if there is no such model, or its head is damaged or not to be had.
pub(crate) async fn run(context: &Context, command: &ModelCommand) -> Result<(), CommandError> {
    match command {
        ModelCommand::List => list(context).await,
        ModelCommand::Show(arguments) => show(context, arguments).await,
    }
}

async fn list(context: &Context) -> Result<(), CommandError> {
    let here = here(context)?;
    let snapshots = match context.chain().await {
        Ok(chain) => Some(snapshots(&chain).await?),
        Err(error) => {
            context.progress.note(&format!("only what is here is shown: {error}"));
            None
        }
    };
    let models = Models::new(&here, snapshots.as_deref());
    Ok(context.output.show(&models, Models::to_text)?)
}

async fn snapshots(chain: &mica_chain::Chain) -> Result<Vec<ModelSnapshot>, MarketError> {
    let view = chain.at_finalized().await?;
    ModelSnapshot::read_all(&view, None).await
}

async fn show(context: &Context, arguments: &ShowArgs) -> Result<(), CommandError> {
    let wanted = &arguments.model;
    let is_meant = |model: &LocalModel| {
        let id = model.id().to_string();
        model.manifest().name.as_slice() == wanted.as_bytes()
            || (wanted.len() >= 6
                && (id.starts_with(wanted.as_str()) || id[2..].starts_with(wanted.as_str())))
    };
    let mut found: Vec<_> =
        here(context)?.into_iter().filter(|(model, _)| is_meant(model)).collect();
    let (model, place) = match found.len() {
        1 => found.remove(0),
        0 => {
            let view = context.chain().await?.at_finalized().await?;
            (context.named_model(&view, wanted, None).await?, Place::Fetched)
        }
        count => return Err(MarketError::Ambiguous { name: wanted.clone(), count }.into()),
    };
    let model = Model::new(&model, place, arguments.template);
    Ok(context.output.show(&model, Model::to_text)?)
}

/// The models whose tokenizer is here: the one built in, the settings' file, and what was fetched.
fn here(context: &Context) -> Result<Vec<(LocalModel, Place)>, CommandError> {
    let mut models = vec![(LocalModel::open(None)?, Place::BuiltIn)];
    if let Some(file) = &context.settings.model_file {
        models.push((LocalModel::open(Some(file))?, Place::File));
    }
    let fetched = context.heads().all()?;
    models.extend(fetched.into_iter().map(|model| (model, Place::Fetched)));
    let mut seen = Vec::new();
    models.retain(|(model, _)| {
        let is_new = !seen.contains(&model.id());
        seen.push(model.id());
        is_new
    });
    Ok(models)
}

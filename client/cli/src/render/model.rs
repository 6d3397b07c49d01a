//! Models as a payer sees them: which there are, and what one is.

use mica_engine::ChatTemplate;
use mica_payer::market::{ModelSnapshot, gaps};
use mica_payer::model::LocalModel;
use mica_primitives::ModelManifest;
use serde::Serialize;

use super::table::table;

/// Where a model's tokenizer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// In the program.
    BuiltIn,
    /// In the settings' file.
    File,
    /// Fetched from workers.
    Fetched,
}

impl Place {
    const fn text(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::File => "file",
            Self::Fetched => "fetched",
        }
    }
}

/// Every model that is known.
#[derive(Serialize)]
pub(crate) struct Models {
    models: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    model: String,
    name: String,
    quantisation: String,
    layers: u16,
    context: u32,
    /// Live workers; nothing without a node, or if the chain does not know the model.
    live_workers: Option<usize>,
    /// Whether live workers serve every layer.
    is_covered: Option<bool>,
    /// Where the tokenizer is; nothing if it comes with the first question.
    tokenizer: Option<Place>,
}

impl Row {
    fn new(id: String, manifest: &ModelManifest) -> Self {
        Self {
            model: id,
            name: text(&manifest.name),
            quantisation: text(&manifest.quantisation),
            layers: manifest.layers,
            context: manifest.context,
            live_workers: None,
            is_covered: None,
            tokenizer: None,
        }
    }
}

impl Models {
    /// What is `here`, and what a chain knows, if there is one.
    pub(crate) fn new(here: &[(LocalModel, Place)], snapshots: Option<&[ModelSnapshot]>) -> Self {
        let mut models: Vec<Row> = here
            .iter()
            .map(|(model, place)| Row {
                tokenizer: Some(*place),
                ..Row::new(model.id().to_string(), model.manifest())
            })
            .collect();
        for snapshot in snapshots.unwrap_or_default() {
            let id = snapshot.id.to_string();
            let at = models.iter().position(|row| row.model == id).unwrap_or_else(|| {
                models.push(Row::new(id, &snapshot.record.manifest));
                models.len() - 1
            });
            let live = snapshot.workers.iter().filter(|worker| worker.is_live()).count();
            models[at].live_workers = Some(live);
            models[at].is_covered = Some(gaps(&snapshot.coverage()).is_empty());
        }
        Self { models }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let row = |row: &Row| {
            let workers = match (row.live_workers, row.is_covered) {
                (None, _) => "-".to_owned(),
                (Some(count), Some(true)) => count.to_string(),
                (Some(count), _) => format!("{count}, layers missing"),
            };
            vec![
                row.model.chars().take(14).collect(),
                row.name.clone(),
                row.quantisation.clone(),
                row.layers.to_string(),
                row.context.to_string(),
                workers,
                row.tokenizer.map_or("with the first question", Place::text).to_owned(),
            ]
        };
        let header = ["model", "name", "format", "layers", "context", "workers", "tokenizer"];
        let rows: Vec<_> = self.models.iter().map(row).collect();
        table(&header, &rows).trim_end().to_owned()
    }
}

/// What one model is.
#[derive(Serialize)]
pub(crate) struct Model {
    model: String,
    name: String,
    architecture: String,
    quantisation: String,
    layers: u16,
    hidden: u32,
    vocabulary: u32,
    context: u32,
    weights_root: String,
    tokenizer_hash: String,
    profile: String,
    tokenizer: Place,
    has_chat_template: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template: Option<String>,
}

impl Model {
    /// What `model` is, with its template if that is wanted.
    pub(crate) fn new(model: &LocalModel, place: Place, with_template: bool) -> Self {
        let manifest = model.manifest();
        let template = model.file().string("tokenizer.chat_template");
        Self {
            model: model.id().to_string(),
            name: text(&manifest.name),
            architecture: text(&manifest.architecture),
            quantisation: text(&manifest.quantisation),
            layers: manifest.layers,
            hidden: manifest.hidden,
            vocabulary: manifest.vocabulary,
            context: manifest.context,
            weights_root: hex::encode(manifest.weights_root),
            tokenizer_hash: hex::encode(manifest.tokenizer_hash),
            profile: hex::encode(manifest.profile),
            tokenizer: place,
            has_chat_template: ChatTemplate::from_gguf(model.file()).is_ok(),
            chat_template: template.filter(|_| with_template).map(str::to_owned),
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let template = if self.has_chat_template { "yes" } else { "none that can be used" };
        let shown = |text: &str| mica_text::shown(text, mica_text::MAX_SHOWN_BYTES);
        let mut out = format!(
            "model          {}\nname           {}\narchitecture   {}, {}\nlayers         {} of width \
             {}\nvocabulary     {} tokens\ncontext        {} tokens\ntokenizer      {}\nchat \
             template  {template}\nweights        {}\nprofile        {}",
            self.model,
            shown(&self.name),
            shown(&self.architecture),
            shown(&self.quantisation),
            self.layers,
            self.hidden,
            self.vocabulary,
            self.context,
            self.tokenizer.text(),
            self.weights_root,
            self.profile,
        );
        if let Some(template) = &self.chat_template {
            out.push_str(&format!("\n\n{}", mica_text::lines(template)));
        }
        out
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixtures;

    #[test]
    fn models_that_are_here_and_those_of_the_chain_are_one_table() {
        let built_in = LocalModel::open(None).expect("built in");
        let here = [(built_in, Place::BuiltIn)];
        let alone = Models::new(&here, None);
        assert!(alone.models[0].live_workers.is_none() && alone.to_text().contains("built in"));
        let snapshot = fixtures::model(4, Vec::new());
        let both = Models::new(&here, Some(std::slice::from_ref(&snapshot)));
        assert_eq!(both.models.len(), 2);
        assert_eq!(both.models[1].model, snapshot.id.to_string());
        assert!(both.models[1].tokenizer.is_none() && both.models[1].live_workers.is_some());
        assert!(both.to_text().contains("with the first question"), "{}", both.to_text());
    }

    #[test]
    fn a_model_is_shown_with_its_template_only_if_that_is_wanted() {
        let built_in = LocalModel::open(None).expect("built in");
        let short = Model::new(&built_in, Place::BuiltIn, false).to_text();
        let long = Model::new(&built_in, Place::BuiltIn, true).to_text();
        assert!(short.contains("8 of width 256") && !short.contains("{%"), "{short}");
        assert!(long.starts_with(&short) && long.contains("{%"), "{long}");
    }
}

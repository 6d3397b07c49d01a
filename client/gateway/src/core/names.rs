//! Names of models: what clients write, what the registry says, and which tokenizers are here.
//!
//! `name` means `name:latest`. A model with a file is known as its registry name in lower case with
//! its quantisation as the tag, for example `mica-tiny:q8_0`; `latest` is the first file of that
//! name, in the order of the configuration, the built-in model last. The configuration's table
//! stands above all of that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use mica_payer::model::{LocalModel, ModelError};
use mica_primitives::ModelId;
use serde::Deserialize;

use super::error::{GatewayError, Kind};

/// How often a name may stand for another one.
const MAX_ALIASES: usize = 8;
/// Fewest digits of the beginning of an id.
const MIN_ID_DIGITS: usize = 6;
/// Most bytes of a name that is repeated in an error.
const MAX_NAME_BYTES: usize = 128;

/// What a name of the settings stands for: one of the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// The model's file.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Another name or an id.
    #[serde(default)]
    pub is: Option<String>,
}

/// A model whose tokenizer is here.
pub struct LoadedModel {
    /// Tokenizer, template, manifest.
    pub local: LocalModel,
    /// `name:tag` by the registry's own words.
    pub name: String,
    /// When its file changed last; the start of the program for the built-in one.
    pub modified: SystemTime,
}

/// All models whose tokenizer is here, and the table of names.
pub struct Catalogue {
    models: Vec<Arc<LoadedModel>>,
    aliases: BTreeMap<String, String>,
}

impl Catalogue {
    /// Opens the files of `table` and `files`, and the built-in model.
    ///
    /// # Errors
    /// [`ModelError`] if a file is not a model.
    pub fn open(
        table: &BTreeMap<String, ModelSource>,
        files: &[PathBuf],
    ) -> Result<Self, ModelError> {
        let mut catalogue = Self { models: Vec::new(), aliases: BTreeMap::new() };
        for file in files {
            catalogue.add_file(Some(file))?;
        }
        for (name, model) in table {
            let target = match (&model.file, &model.is) {
                (Some(file), _) => catalogue.add_file(Some(file))?.to_string(),
                (None, Some(other)) => other.clone(),
                (None, None) => continue,
            };
            catalogue.aliases.insert(tagged(name), target);
        }
        catalogue.add_file(None)?;
        Ok(catalogue)
    }

    /// Every model whose tokenizer is here.
    pub(crate) fn models(&self) -> &[Arc<LoadedModel>] {
        &self.models
    }

    /// Adds a model that is not in a file, unless it is there.
    pub fn add(&mut self, local: LocalModel) {
        self.add_changed(local, SystemTime::now());
    }

    fn add_file(&mut self, file: Option<&Path>) -> Result<ModelId, ModelError> {
        let local = LocalModel::open(file)?;
        let id = local.id();
        let modified = file.and_then(|file| file.metadata().and_then(|data| data.modified()).ok());
        self.add_changed(local, modified.unwrap_or_else(SystemTime::now));
        Ok(id)
    }

    fn add_changed(&mut self, local: LocalModel, modified: SystemTime) {
        if !self.models.iter().any(|model| model.local.id() == local.id()) {
            let name = registry_name(&local);
            self.models.push(Arc::new(LoadedModel { local, name, modified }));
        }
    }

    /// The model that `name` stands for.
    ///
    /// # Errors
    /// [`Kind::NotFound`] with the models there are.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<LoadedModel>, GatewayError> {
        self.find(name).cloned().ok_or_else(|| {
            let there: Vec<String> = self.names().into_iter().map(|(name, _)| name).collect();
            let short: String = name.chars().take(MAX_NAME_BYTES).collect();
            GatewayError::new(
                Kind::NotFound,
                format!("model '{short}' not found; there are: {}", there.join(", ")),
            )
        })
    }

    fn find(&self, name: &str) -> Option<&Arc<LoadedModel>> {
        let mut target = name;
        for _ in 0..MAX_ALIASES {
            match self.aliases.get(&tagged(target)) {
                Some(next) => target = next,
                None => break,
            }
        }
        self.find_unaliased(target)
    }

    /// By a model's own name, or by the beginning of its id.
    fn find_unaliased(&self, target: &str) -> Option<&Arc<LoadedModel>> {
        let name = tagged(target);
        if let Some(model) = self.models.iter().find(|model| model.name == name) {
            return Some(model);
        }
        if let Some(base) = name.strip_suffix(":latest")
            && let Some(model) = self
                .models
                .iter()
                .find(|model| model.name.rsplit_once(':').is_some_and(|(own, _)| own == base))
        {
            return Some(model);
        }
        let digits = target.strip_prefix("0x").unwrap_or(target);
        let is_id =
            digits.len() >= MIN_ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = digits.to_ascii_lowercase();
        self.models
            .iter()
            .find(|model| is_id && hex::encode(model.local.id().0).starts_with(&digits))
    }

    /// Every name, with its model: the table's first.
    pub fn names(&self) -> Vec<(String, Arc<LoadedModel>)> {
        let aliases =
            self.aliases.keys().filter_map(|name| Some((name.clone(), self.find(name)?.clone())));
        let own = self.models.iter().map(|model| (model.name.clone(), model.clone()));
        let mut names: Vec<(String, Arc<LoadedModel>)> = aliases.collect();
        for (name, model) in own {
            if !self.aliases.contains_key(&name) {
                names.push((name, model));
            }
        }
        names
    }
}

/// The name in lower case with its tag.
pub(crate) fn tagged(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let last = name.rsplit('/').next().unwrap_or(&name);
    if last.contains(':') { name } else { format!("{name}:latest") }
}

fn registry_name(local: &LocalModel) -> String {
    let manifest = local.manifest();
    let plain = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).trim().to_lowercase().replace(char::is_whitespace, "-")
    };
    let name = plain(&manifest.name).replace(':', "-");
    let name = if name.is_empty() { "unnamed".to_owned() } else { name };
    format!("{name}:{}", plain(&manifest.quantisation).replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(table: &[(&str, &str)]) -> Catalogue {
        let is = |target: &str| ModelSource { file: None, is: Some(target.into()) };
        let table = table.iter().map(|(name, target)| ((*name).to_owned(), is(target))).collect();
        Catalogue::open(&table, &[]).expect("the built-in model")
    }

    #[test]
    fn a_model_is_found_by_its_names_and_its_id() {
        let catalogue =
            catalogue(&[("small", "mica-tiny:q8_0"), ("smaller:1b", "small"), ("Big:Tag", "0x")]);
        let id = LocalModel::open(None).expect("built in").id();
        let hex = hex::encode(id.0);
        for name in [
            "mica-tiny",
            "mica-tiny:latest",
            "Mica-Tiny:Q8_0",
            "small",
            "small:latest",
            "smaller:1b",
            hex.as_str(),
            &hex[..6],
        ] {
            assert_eq!(catalogue.resolve(name).expect(name).local.id(), id, "{name}");
        }
        assert!(catalogue.resolve(&format!("0x{hex}")).is_ok());
        for name in [
            "",
            "mica",
            "mica-tiny:q4_0",
            "smaller",
            "big:tag",
            &hex[..5],
            ":",
            "😀",
            "../../etc/passwd",
        ] {
            let error = catalogue.resolve(name).err().expect(name);
            assert!(
                error.kind == Kind::NotFound && error.message.contains("mica-tiny:q8_0"),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn names_that_stand_for_each_other_lead_nowhere_and_end() {
        let catalogue = catalogue(&[("a", "b"), ("b", "a")]);
        assert!(catalogue.resolve("a").is_err());
        assert_eq!(catalogue.names().len(), 1);
    }
}

//! Finds a model that is named: in the store, on the chain and with its workers, or at a place.

use std::sync::Arc;

use mica_chain::{AccountId, Chain, ConnectError, ReadError, View};
use mica_net::{Mdns, StartError};
use mica_primitives::{LayerRange, ModelId, ModelManifest, PublicKey, WorkerRecord};
use mica_weights::{
    Catalogue, Dialler, Entry, FetchError, Held, Opened, Peer, Progress, SourceError, Spec,
    SpecError, Store, StoreError, WholeError, describe, read_whole,
};
use rand::seq::SliceRandom;

use crate::config::Config;

/// Most peers that are asked at once.
const MAX_PEERS: usize = 16;
/// Fewest digits of the beginning of an id.
const MIN_ID_DIGITS: usize = 6;

/// Why there is no such model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Not a place.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// No worker gives it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its place gives nothing.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be made of its place.
    #[error(transparent)]
    Whole(#[from] WholeError),
    /// Nobody knows it.
    #[error(
        "there is no model '{0}': it is no file, not in the store (`mica-worker model list`) and \
         not registered on the chain; name a file, an id, https://… or hf:OWNER/REPO/FILE"
    )]
    Unknown(String),
    /// The name is not one model's alone.
    #[error("'{name}' names {count} models: give the id of one of them (`mica market` shows them)")]
    Ambiguous {
        /// As given.
        name: String,
        /// How many.
        count: usize,
    },
    /// The catalogue has other weights under that name.
    #[error("what {place} gives is not the model {name} of the catalogue: its weights are others")]
    OtherWeights {
        /// The name.
        name: String,
        /// Where it came from.
        place: String,
    },
}

/// Where models are looked for.
pub(crate) struct Models<'a> {
    /// What was fetched.
    pub store: Store,
    /// The node, and how peers are found.
    pub config: &'a Config,
    /// Told how far a whole file is.
    pub tell: &'a (dyn Fn(Progress) + Send + Sync),
}

/// What is looked for.
struct Wanted<'a> {
    text: &'a str,
    entry: Option<Entry>,
    place: Option<Spec>,
}

impl Models<'_> {
    /// The model that `text` names, with its head in the store. Where it must be read whole for
    /// that, the tensors of `keep` are kept; without it all, if it cannot be read in parts.
    ///
    /// # Errors
    /// [`FindError`].
    pub(crate) async fn find(
        &self,
        text: &str,
        keep: Option<LayerRange>,
    ) -> Result<Held, FindError> {
        let entry = Catalogue::built_in().named(text).cloned();
        let place = if Spec::has_scheme(text) { Some(text.parse()?) } else { None };
        let wanted = Wanted { text, entry, place };
        if let Some(held) = self.stored(&wanted)? {
            return Ok(held);
        }
        let places: Vec<Spec> = match (&wanted.place, &wanted.entry) {
            (Some(place), _) => vec![place.clone()],
            (None, Some(entry)) => entry.sources.clone(),
            (None, None) => Vec::new(),
        };
        // What only a place names has no id yet by which to ask for it.
        if wanted.place.is_none() {
            match self.ask_workers(&wanted).await {
                Ok(Some(held)) => {
                    places.iter().try_for_each(|place| held.add_source(&place.to_string()))?;
                    return Ok(held);
                }
                Ok(None) => {}
                Err(error) if places.is_empty() => return Err(error),
                Err(error) => tracing::info!(%error, "the model is read from its place"),
            }
        }
        let mut failed = None;
        for place in &places {
            match self.ask_place(place, &wanted, keep).await {
                Ok(held) => return Ok(held),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| FindError::Unknown(text.to_owned())))
    }

    /// The one in the store.
    ///
    /// # Errors
    /// [`FindError::Ambiguous`], [`FindError::Store`].
    fn stored(&self, wanted: &Wanted<'_>) -> Result<Option<Held>, FindError> {
        let mut found = Vec::new();
        for id in self.store.ids()? {
            let held = match self.store.model(id) {
                Ok(Some(held)) => held,
                Ok(None) => continue,
                // It is in nobody's way who wants another one.
                Err(error @ StoreError::Damaged { .. }) if !wanted.is_id(id) => {
                    tracing::warn!(%error, "a model in the store is left out");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let is_from = |place: &Spec| held.sources().contains(&place.to_string());
            let is_meant = match &wanted.place {
                Some(place) => is_from(place),
                None => wanted.is(id, held.manifest()),
            };
            if is_meant {
                found.push(held);
            }
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(FindError::Ambiguous { name: wanted.text.to_owned(), count }),
        }
    }

    /// The one of the chain, its head from workers that serve it; nothing if the chain has none.
    async fn ask_workers(&self, wanted: &Wanted<'_>) -> Result<Option<Held>, FindError> {
        let view = Chain::connect(&self.config.node_url).await?.at_best().await?;
        let models = view.models().await?;
        let mut ids: Vec<ModelId> = models
            .into_iter()
            .filter(|(id, record)| wanted.is(*id, &record.manifest))
            .map(|(id, _)| id)
            .collect();
        let id = match (ids.pop(), ids.len()) {
            (None, _) => return Ok(None),
            (Some(id), 0) => id,
            (_, others) => {
                let (name, count) = (wanted.text.to_owned(), others + 1);
                return Err(FindError::Ambiguous { name, count });
            }
        };
        let dialler = dialler(self.config)?;
        let peers = peers(&dialler, &view, id, None, None).await?;
        let described = describe(&self.store, id, &peers, |_| {}).await;
        dialler.stop().await;
        Ok(Some(described?))
    }

    async fn ask_place(
        &self,
        place: &Spec,
        wanted: &Wanted<'_>,
        keep: Option<LayerRange>,
    ) -> Result<Held, FindError> {
        let opened = Opened::find(place, self.store.root()).await?;
        let has_parts = opened.has_parts();
        let before = self.store.ids()?;
        let chosen = |file: &mica_engine::GgufFile| match keep {
            Some(range) => file.tensors_of(range),
            None if has_parts => Ok(Vec::new()),
            None => Ok((0..file.tensors().count()).collect()),
        };
        let held = read_whole(&self.store, &opened, chosen, self.tell).await?;
        if let Some(entry) = &wanted.entry
            && entry.weights != held.manifest().weights_root
        {
            // Unless it was here for another reason.
            if !before.contains(&held.id()) {
                self.store.remove(held.id())?;
            }
            let (name, place) = (entry.name.clone(), place.to_string());
            return Err(FindError::OtherWeights { name, place });
        }
        held.add_source(&place.to_string())?;
        Ok(held)
    }
}

impl Wanted<'_> {
    /// Whether it is named by this id or the beginning of it.
    fn is_id(&self, id: ModelId) -> bool {
        let digits = self.text.strip_prefix("0x").unwrap_or(self.text).to_ascii_lowercase();
        digits.len() >= MIN_ID_DIGITS && hex::encode(id.0).starts_with(&digits)
    }

    /// Whether a model is the one that is named.
    fn is(&self, id: ModelId, manifest: &ModelManifest) -> bool {
        // Anybody may register a model under a name of the catalogue: the weights tell.
        let is_named = match &self.entry {
            Some(entry) => entry.weights == manifest.weights_root,
            None => String::from_utf8_lossy(&manifest.name).eq_ignore_ascii_case(self.text),
        };
        self.is_id(id) || is_named
    }
}

/// A node of our own that dials those who have weights.
pub(crate) fn dialler(config: &Config) -> Result<Dialler, StartError> {
    let mdns = if config.network.mdns { Mdns::On } else { Mdns::Off };
    Dialler::start(&config.network.bootstrap, mdns)
}

/// Workers of the model `id` that may have the layers of `range`, except `own`: those that serve
/// some of them first, and otherwise in an order of chance, so that not all ask the same.
pub(crate) async fn peers(
    dialler: &Dialler,
    view: &View,
    id: ModelId,
    range: Option<LayerRange>,
    own: Option<PublicKey>,
) -> Result<Vec<Arc<dyn Peer>>, ReadError> {
    let mut workers: Vec<WorkerRecord<AccountId>> = view
        .workers(id, None)
        .await?
        .into_iter()
        .filter(|(worker, is_online)| *is_online && Some(worker.peer) != own)
        .map(|(worker, _)| worker)
        .collect();
    workers.shuffle(&mut rand::thread_rng());
    let chosen = match range {
        Some(range) => covering(workers, range, |worker| worker.range),
        None => workers,
    };
    let chosen = chosen.iter().take(MAX_PEERS);
    Ok(chosen.map(|worker| dialler.peer(worker.peer, &worker.addresses)).collect())
}

/// First those who together have every layer of `range` that anybody has, then the others who have
/// some of them, then the rest.
fn covering<T>(all: Vec<T>, range: LayerRange, of: impl Fn(&T) -> LayerRange) -> Vec<T> {
    let has = |one: &T, layer: u16| (of(one).first..of(one).end).contains(&layer);
    let (mut chosen, mut rest) = (Vec::new(), all);
    for layer in range.first..range.end {
        if chosen.iter().all(|one| !has(one, layer))
            && let Some(at) = rest.iter().position(|one| has(one, layer))
        {
            chosen.push(rest.remove(at));
        }
    }
    rest.sort_by_key(|one| of(one).end <= range.first || range.end <= of(one).first);
    chosen.extend(rest);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_asked_first_have_every_layer() {
        let range = |first, end| LayerRange { first, end };
        let mut all = vec![range(8, 9), range(0, 3)];
        all.extend(vec![range(1, 4); 40]);
        all.push(range(4, 6));
        let chosen = covering(all.clone(), range(2, 6), |&one| one);
        assert_eq!(chosen[..2], [range(0, 3), range(1, 4)]);
        assert_eq!(chosen[2], range(4, 6));
        assert_eq!((chosen.len(), chosen[42]), (all.len(), range(8, 9)));
    }

    #[test]
    fn a_name_of_the_catalogue_is_that_of_its_weights_alone() {
        let tiny = mica_engine::GgufFile::from_bytes(mica_engine::embedded::TINY_Q8_0);
        let tiny = tiny.expect("embedded").manifest().expect("a manifest");
        let manifest = |weights_root| ModelManifest {
            name: b"smollm2".to_vec().try_into().expect("short"),
            weights_root,
            ..tiny.clone()
        };
        let entry = Catalogue::built_in().named("smollm2").cloned();
        let weights = entry.as_ref().expect("it is there").weights;
        let id = ModelId([7; 32]);
        let known = Wanted { text: "smollm2", entry, place: None };
        assert!(known.is(id, &manifest(weights)));
        assert!(!known.is(id, &manifest([1; 32])), "somebody else's of that name");
        let other = Wanted { text: "SmolLM2", entry: None, place: None };
        assert!(other.is(id, &manifest([1; 32])), "what the catalogue does not know has its name");
        let by_id = Wanted { text: "0x070707", entry: None, place: None };
        assert!(by_id.is_id(id) && !by_id.is_id(ModelId([8; 32])));
    }
}

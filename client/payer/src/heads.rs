//! Heads of models: what a payer needs of a model, fetched from its workers.
//!
//! A head is a tokenizer, a chat template and the model's numbers, 0.5 to 10 MB. It is verified
//! against the model's id, so it does not matter which worker gives it, and it is kept: the next
//! question needs nobody. No weights come with it.

use std::path::PathBuf;

use mica_chain::{ReadError, View};
use mica_net::{Mdns, StartError};
use mica_primitives::ModelId;
use mica_weights::{Dialler, FetchError, Store, StoreError, describe};
use rand::seq::SliceRandom;

use crate::market::{MarketError, ModelSnapshot};
use crate::model::{LocalModel, ModelError};

/// Most workers that are asked for a head, one after the other.
const MAX_ASKED: usize = 8;

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain has no such model, or cannot be read.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// No worker gives it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The network does not start.
    #[error("the network does not start: {0}")]
    Network(#[from] StartError),
    /// The model has no tokenizer or template that this program knows.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<ReadError> for HeadError {
    fn from(error: ReadError) -> Self {
        Self::Market(error.into())
    }
}

/// The heads that were fetched.
#[derive(Clone, Debug)]
pub struct Heads {
    store: Store,
}

impl Heads {
    /// Those in `folder`, which is made when the first one comes.
    pub fn new(folder: PathBuf) -> Self {
        Self { store: Store::new(folder, None) }
    }

    /// Every model whose head is here. One that cannot be used any more is left out: it is fetched
    /// again when it is asked for.
    ///
    /// # Errors
    /// [`HeadError::Store`] if the folder cannot be read.
    pub fn all(&self) -> Result<Vec<LocalModel>, HeadError> {
        let mut found = Vec::new();
        for id in self.store.ids()? {
            match self.local(id) {
                Ok(model) => found.extend(model),
                Err(HeadError::Store(error @ StoreError::Damaged { .. })) => {
                    tracing::warn!(%error, "the head of a model is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// A model whose head is here.
    ///
    /// # Errors
    /// [`HeadError`] if it is damaged.
    pub fn local(&self, id: ModelId) -> Result<Option<LocalModel>, HeadError> {
        let held = self.store.model(id)?;
        Ok(held.map(|held| LocalModel::of_held(&held)).transpose()?)
    }

    /// The model that `name` names on the chain of `view`: its name, its id, or the beginning of
    /// it. `files` are looked through first, then what is built in and what is here; otherwise its
    /// head comes from its workers, and `on_bytes` is told of bytes as they come.
    ///
    /// # Errors
    /// [`HeadError`].
    pub async fn named(
        &self,
        view: &View,
        name: &str,
        files: Vec<LocalModel>,
        on_bytes: impl FnMut(u64),
    ) -> Result<LocalModel, HeadError> {
        let ids = ModelSnapshot::ids(view, name).await?;
        let mut near = files;
        near.push(LocalModel::open(None)?);
        if let Some(model) = near.into_iter().find(|model| ids.contains(&model.id())) {
            return Ok(model);
        }
        match ids[..] {
            [id] => self.model(view, id, on_bytes).await,
            _ => {
                let (name, count) = (name.to_owned(), ids.len());
                Err(MarketError::Ambiguous { name, count }.into())
            }
        }
    }

    /// A model by its id, from here or from its workers.
    ///
    /// # Errors
    /// [`HeadError`].
    pub async fn model(
        &self,
        view: &View,
        id: ModelId,
        on_bytes: impl FnMut(u64),
    ) -> Result<LocalModel, HeadError> {
        match self.local(id) {
            Ok(Some(model)) => return Ok(model),
            Ok(None) => {}
            // Nothing is lost by it: another one comes.
            Err(HeadError::Store(StoreError::Damaged { .. })) => {
                self.store.remove(id)?;
            }
            Err(error) => return Err(error),
        }
        let mut workers = view.workers(id, None).await?;
        workers.retain(|(_, is_online)| *is_online);
        // Not all payers ask the same one.
        workers.shuffle(&mut rand::thread_rng());
        workers.truncate(MAX_ASKED);
        let dialler = Dialler::start(&[], Mdns::Off)?;
        let peers: Vec<_> = workers
            .iter()
            .map(|(worker, _)| dialler.peer(worker.peer, &worker.addresses))
            .collect();
        let held = describe(&self.store, id, &peers, on_bytes).await;
        dialler.stop().await;
        Ok(LocalModel::of_held(&held?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_engine::{GgufFile, embedded};

    #[test]
    fn a_damaged_head_does_not_hide_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let heads = Heads::new(folder.path().to_owned());
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let (index, head) = mica_weights::Index::of(&file).expect("it reads");
        let id = file.manifest().expect("a manifest").id();
        let held = heads.store.keep(id, &index, &head).expect("kept");
        assert_eq!(heads.all().expect("it reads").len(), 1);
        std::fs::write(held.folder().join("head.gguf"), &head[..100]).expect("written");
        assert_eq!(heads.all().expect("it reads").len(), 0);
        assert!(heads.local(id).is_err(), "whoever asks for it is told");
    }
}

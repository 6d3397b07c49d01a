//! Which models count as in use, and until when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use mica_primitives::ModelId;

use super::names::LoadedModel;

/// When each model stops counting as in use; no more entries than models.
#[derive(Default)]
pub(crate) struct KeepAlive {
    until: Mutex<BTreeMap<ModelId, SystemTime>>,
}

impl KeepAlive {
    /// Counts a model as in use for some time.
    pub(crate) fn keep(&self, model: &LoadedModel, time: Duration) {
        let until = SystemTime::now().checked_add(time).unwrap_or_else(SystemTime::now);
        self.lock().insert(model.local.id(), until);
    }

    /// Counts a model as no longer in use.
    pub(crate) fn remove(&self, model: &LoadedModel) {
        self.lock().remove(&model.local.id());
    }

    /// Those of `models` that are in use at `now`, and until when.
    pub(crate) fn in_use(
        &self,
        models: &[Arc<LoadedModel>],
        now: SystemTime,
    ) -> Vec<(Arc<LoadedModel>, SystemTime)> {
        let until = self.lock();
        models
            .iter()
            .filter_map(|model| {
                let until = *until.get(&model.local.id()).filter(|until| **until > now)?;
                Some((model.clone(), until))
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModelId, SystemTime>> {
        // One entry is changed at a time.
        mica_host::lock(&self.until)
    }
}

//! One model and its workers, read at one block, and a snapshot of it in text.

use mica_chain::{AccountId, View};
use mica_primitives::{LayerRange, ModelId, ModelRecord, WorkerRecord, WorkerStatus};

use super::MarketError;

/// A worker and whether its heartbeat is fresh.
#[derive(Clone, Debug)]
pub struct WorkerSnapshot {
    /// As registered.
    pub record: WorkerRecord<AccountId>,
    /// Whether its last heartbeat is recent enough.
    pub is_online: bool,
}

impl WorkerSnapshot {
    /// Whether a path may go through it.
    pub fn is_live(&self) -> bool {
        self.is_online && self.record.status == WorkerStatus::Active
    }

    /// One word for people.
    pub fn state(&self) -> &'static str {
        match (self.record.status, self.is_online) {
            (WorkerStatus::Active, true) => "live",
            (WorkerStatus::Active, false) => "offline",
            (WorkerStatus::Jailed, _) => "jailed",
            (WorkerStatus::Unbonding { .. }, _) => "leaving",
        }
    }
}

/// A model and its workers.
#[derive(Clone, Debug)]
pub struct ModelSnapshot {
    /// Its name on chain.
    pub id: ModelId,
    /// What it is.
    pub record: ModelRecord<AccountId>,
    /// Who serves it.
    pub workers: Vec<WorkerSnapshot>,
    /// Whether it was kept from an earlier question instead of read at the block that is asked for:
    /// workers may have come and gone since.
    pub is_kept: bool,
}

impl ModelSnapshot {
    /// Reads one model.
    ///
    /// # Errors
    /// [`MarketError::NoModel`] or a failed read.
    pub async fn read(view: &View, id: ModelId) -> Result<Self, MarketError> {
        let record = view.model(id).await?.ok_or_else(|| MarketError::NoModel(id.to_string()))?;
        Self::with_workers(view, id, record).await
    }

    /// Reads all models, or those whose name or id (or its beginning) is `wanted`.
    ///
    /// # Errors
    /// [`MarketError::NoModel`] if none is wanted, or a failed read.
    pub async fn read_all(view: &View, wanted: Option<&str>) -> Result<Vec<Self>, MarketError> {
        let mut snapshots = Vec::new();
        for (id, record) in view.models().await? {
            if wanted.is_none_or(|wanted| names(wanted, id, &record)) {
                snapshots.push(Self::with_workers(view, id, record).await?);
            }
        }
        match wanted {
            Some(wanted) if snapshots.is_empty() => Err(MarketError::NoModel(wanted.into())),
            _ => Ok(snapshots),
        }
    }

    /// Ids of the models whose name or id (or its beginning) is `wanted`; their workers are not
    /// read.
    ///
    /// # Errors
    /// [`MarketError::NoModel`] if none is, or a failed read.
    pub async fn ids(view: &View, wanted: &str) -> Result<Vec<ModelId>, MarketError> {
        let models = view.models().await?.into_iter();
        let ids: Vec<ModelId> =
            models.filter(|(id, record)| names(wanted, *id, record)).map(|(id, _)| id).collect();
        if ids.is_empty() { Err(MarketError::NoModel(wanted.into())) } else { Ok(ids) }
    }

    async fn with_workers(
        view: &View,
        id: ModelId,
        record: ModelRecord<AccountId>,
    ) -> Result<Self, MarketError> {
        let workers = view.workers(id, None).await?;
        let workers = workers
            .into_iter()
            .map(|(record, is_online)| WorkerSnapshot { record, is_online })
            .collect();
        Ok(Self { id, record, workers, is_kept: false })
    }

    /// The model's name for people.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.record.manifest.name).into_owned()
    }

    /// Number of layers.
    pub fn layers(&self) -> u16 {
        self.record.manifest.layers
    }

    /// Live workers on each layer.
    pub fn coverage(&self) -> Vec<u32> {
        let mut counts = vec![0u32; usize::from(self.layers())];
        for worker in self.workers.iter().filter(|worker| worker.is_live()) {
            for layer in worker.record.range.layers() {
                if let Some(count) = counts.get_mut(usize::from(layer)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        counts
    }
}

fn names(wanted: &str, id: ModelId, record: &ModelRecord<AccountId>) -> bool {
    let hex = id.to_string();
    wanted.as_bytes() == record.manifest.name.as_slice()
        || (wanted.len() >= 6 && hex.starts_with(wanted))
}

/// Runs of layers without any worker.
pub fn gaps(coverage: &[u32]) -> Vec<LayerRange> {
    let mut gaps: Vec<LayerRange> = Vec::new();
    for (layer, _) in (0u16..).zip(coverage).filter(|(_, count)| **count == 0) {
        match gaps.last_mut() {
            Some(gap) if gap.end == layer => gap.end = layer + 1,
            _ => gaps.push(LayerRange { first: layer, end: layer + 1 }),
        }
    }
    gaps
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use mica_primitives::{MarketUnits, ModelManifest};

    pub(crate) fn worker(
        account: u8,
        first: u16,
        end: u16,
        price: u128,
        cost_us: u32,
    ) -> WorkerSnapshot {
        let record = WorkerRecord {
            account: AccountId::from([account; 32]),
            model: ModelId([0; 32]),
            range: LayerRange { first, end },
            cost_us_per_layer_token: cost_us,
            list_price_per_layer_token: price,
            peer: [account; 32],
            addresses: Default::default(),
            stake: 1,
            status: WorkerStatus::Active,
            since: 1,
            last_heartbeat: 1,
            last_price_change: 1,
        };
        WorkerSnapshot { record, is_online: true }
    }

    pub(crate) fn snapshot(layers: u16, workers: Vec<WorkerSnapshot>) -> ModelSnapshot {
        let manifest = ModelManifest {
            name: b"tiny".to_vec().try_into().expect("short"),
            architecture: b"llama".to_vec().try_into().expect("short"),
            quantisation: b"Q8_0".to_vec().try_into().expect("short"),
            layers,
            hidden: 64,
            vocabulary: 512,
            context: 256,
            weights_root: [1; 32],
            tokenizer_hash: [2; 32],
            profile: [3; 32],
        };
        let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
        let record = ModelRecord { owner: AccountId::from([0; 32]), manifest, units, deposit: 1 };
        ModelSnapshot { id: ModelId([9; 32]), record, workers, is_kept: false }
    }

    #[test]
    fn gaps_are_joined() {
        let range = |first, end| LayerRange { first, end };
        assert_eq!(gaps(&[1, 0, 0, 2, 0]), [range(1, 3), range(4, 5)]);
        assert_eq!(gaps(&[1, 1]), []);
        assert_eq!(gaps(&[]), []);
    }

    #[test]
    fn models_are_found_by_name_and_by_the_beginning_of_their_id() {
        let snapshot = snapshot(8, vec![]);
        assert!(
            names("tiny", snapshot.id, &snapshot.record)
                && names("0x09090909", snapshot.id, &snapshot.record)
        );
        assert!(
            !names("tin", snapshot.id, &snapshot.record)
                && !names("0x09", snapshot.id, &snapshot.record)
        );
    }
}

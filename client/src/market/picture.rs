//! One model and its workers, read at one block, and a picture of it in text.

use mica_chain::{AccountId, View, amount};
use mica_primitives::{LayerRange, ModelId, ModelRecord, WorkerRecord, WorkerStatus};

use super::MarketError;

/// Most columns of the coverage picture.
const MAX_COLUMNS: usize = 64;

/// A worker and whether its heartbeat is fresh.
#[derive(Clone, Debug)]
pub struct WorkerPicture {
    /// As registered.
    pub record: WorkerRecord<AccountId>,
    /// Whether its last heartbeat is recent enough.
    pub is_online: bool,
}

impl WorkerPicture {
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
pub struct ModelPicture {
    /// Its name on chain.
    pub id: ModelId,
    /// What it is.
    pub record: ModelRecord<AccountId>,
    /// Who serves it.
    pub workers: Vec<WorkerPicture>,
}

impl ModelPicture {
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
        let mut pictures = Vec::new();
        for (id, record) in view.models().await? {
            if wanted.is_none_or(|wanted| names(wanted, id, &record)) {
                pictures.push(Self::with_workers(view, id, record).await?);
            }
        }
        match wanted {
            Some(wanted) if pictures.is_empty() => Err(MarketError::NoModel(wanted.into())),
            _ => Ok(pictures),
        }
    }

    async fn with_workers(
        view: &View,
        id: ModelId,
        record: ModelRecord<AccountId>,
    ) -> Result<Self, MarketError> {
        let workers = view.workers(id, None).await?;
        let workers = workers
            .into_iter()
            .map(|(record, is_online)| WorkerPicture { record, is_online })
            .collect();
        Ok(Self { id, record, workers })
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

/// The picture: one line per worker, `█` where it serves, and a last line with the number of live
/// workers per layer (`9` for nine or more, `-` for none). A model with more than 64 layers is
/// drawn with several layers to a column.
pub fn coverage_lines(picture: &ModelPicture) -> Vec<(String, String)> {
    let layers = usize::from(picture.layers());
    let per_column = layers.div_ceil(MAX_COLUMNS).max(1);
    let columns = layers.div_ceil(per_column);
    let within = |column: usize| column * per_column..((column + 1) * per_column).min(layers);
    let mut lines = Vec::with_capacity(picture.workers.len() + 1);
    for worker in &picture.workers {
        let (full, none) = if worker.is_live() { ('█', '·') } else { ('░', '·') };
        let serves = |column: usize| {
            within(column).any(|layer| {
                u16::try_from(layer).is_ok_and(|layer| worker.record.range.contains(layer))
            })
        };
        lines.push((
            short(&worker.record.account),
            (0..columns).map(|column| if serves(column) { full } else { none }).collect(),
        ));
    }
    let coverage = picture.coverage();
    let least = |column: usize| {
        within(column).filter_map(|layer| coverage.get(layer)).min().copied().unwrap_or(0)
    };
    let digit = |count: u32| {
        if count == 0 { '-' } else { char::from_digit(count.min(9), 10).unwrap_or('9') }
    };
    lines.push(("live workers".into(), (0..columns).map(|column| digit(least(column))).collect()));
    lines
}

/// Beginning and end of an address.
pub fn short(account: &AccountId) -> String {
    let text = account.to_string();
    // SS58 is ASCII.
    match (text.get(..6), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}…{tail}"),
        _ => text,
    }
}

impl ModelPicture {
    /// Title, table of workers and coverage, for people.
    pub fn to_text(&self) -> String {
        let manifest = &self.record.manifest;
        let (architecture, quantisation) = (
            String::from_utf8_lossy(&manifest.architecture),
            String::from_utf8_lossy(&manifest.quantisation),
        );
        let mut text = format!(
            "{}  {architecture} {quantisation}, {} layers, hidden {}, context {}\n  {}\n\n",
            self.name(),
            manifest.layers,
            manifest.hidden,
            manifest.context,
            self.id
        );
        let rows = self.workers.iter().map(|worker| {
            let record = &worker.record;
            vec![
                record.account.to_string(),
                record.range.to_string(),
                record.list_price_per_layer_token.to_string(),
                record.cost_us_per_layer_token.to_string(),
                amount::format(record.stake),
                worker.state().to_owned(),
            ]
        });
        let header = [
            "WORKER",
            "LAYERS",
            "LIST PRICE (base/layer-token)",
            "COST (µs/layer-token)",
            "STAKE",
            "STATE",
        ];
        text.push_str(&crate::output::table(&header, &rows.collect::<Vec<_>>()));
        text.push('\n');
        for (label, line) in coverage_lines(self) {
            text.push_str(&format!("  {label:<13}  {line}\n"));
        }
        let gaps = gaps(&self.coverage());
        if !gaps.is_empty() {
            text.push_str(&format!("  no worker serves layer {}\n", super::ranges(&gaps)));
        }
        text
    }
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
    ) -> WorkerPicture {
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
        WorkerPicture { record, is_online: true }
    }

    pub(crate) fn picture(layers: u16, workers: Vec<WorkerPicture>) -> ModelPicture {
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
        ModelPicture { id: ModelId([9; 32]), record, workers }
    }

    #[test]
    fn gaps_are_joined() {
        let range = |first, end| LayerRange { first, end };
        assert_eq!(gaps(&[1, 0, 0, 2, 0]), [range(1, 3), range(4, 5)]);
        assert_eq!(gaps(&[1, 1]), []);
        assert_eq!(gaps(&[]), []);
        assert_eq!(super::super::ranges(&[range(1, 3), range(4, 5)]), "1-2, 4");
    }

    #[test]
    fn the_picture_shows_who_serves_what() {
        let mut offline = worker(3, 4, 8, 1, 1);
        offline.is_online = false;
        let picture = picture(8, vec![worker(1, 0, 3, 1, 1), worker(2, 2, 4, 1, 1), offline]);
        let lines: Vec<String> =
            coverage_lines(&picture).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["███·····", "··██····", "····░░░░", "1121----"]);
        assert!(picture.to_text().contains("no worker serves layer 4-7"), "{}", picture.to_text());
    }

    #[test]
    fn wide_models_share_columns() {
        let picture = picture(130, vec![worker(1, 0, 3, 1, 1), worker(2, 3, 130, 1, 1)]);
        for (_, line) in coverage_lines(&picture) {
            assert_eq!(line.chars().count(), 44);
        }
    }

    #[test]
    fn models_are_found_by_name_and_by_the_beginning_of_their_id() {
        let picture = picture(8, vec![]);
        assert!(
            names("tiny", picture.id, &picture.record)
                && names("0x09090909", picture.id, &picture.record)
        );
        assert!(
            !names("tin", picture.id, &picture.record)
                && !names("0x09", picture.id, &picture.record)
        );
    }
}

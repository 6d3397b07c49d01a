//! A model and workers for the tests of what is shown.

use mica_chain::AccountId;
use mica_payer::market::{ModelSnapshot, WorkerSnapshot};
use mica_primitives::{
    LayerRange, MarketUnits, ModelId, ModelManifest, ModelRecord, WorkerRecord, WorkerStatus,
};

/// A live worker of the layers `first..end`.
pub(super) fn worker(account: u8, first: u16, end: u16) -> WorkerSnapshot {
    let record = WorkerRecord {
        account: AccountId::from([account; 32]),
        model: ModelId([9; 32]),
        range: LayerRange { first, end },
        cost_us_per_layer_token: 1,
        list_price_per_layer_token: 1,
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

/// A model of so many layers and its workers.
pub(super) fn model(layers: u16, workers: Vec<WorkerSnapshot>) -> ModelSnapshot {
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

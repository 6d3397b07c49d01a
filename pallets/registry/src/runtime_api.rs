//! Reads that a payer or a worker needs in one round trip.

use alloc::vec::Vec;
use codec::Codec;
use mica_primitives::{
    Hash32, LayerRange, ModelId, ModelRecord, RegistryParameters, Shard, WorkerRecord,
};

sp_api::decl_runtime_apis! {
    /// The registry, read-only. Lists are in storage order; go on by passing the last entry as
    /// `from`, at the same block.
    pub trait RegistryApi<AccountId> where AccountId: Codec {
        /// The model of that id.
        fn model(model: ModelId) -> Option<ModelRecord<AccountId>>;

        /// At most `limit` models after `from`, never more than 10,000.
        fn models(from: Option<ModelId>, limit: u32) -> Vec<(ModelId, ModelRecord<AccountId>)>;

        /// At most `limit` workers of `model` after `from`, never more than 10,000, each with
        /// whether it is online.
        ///
        /// Workers that have left are not listed; jailed ones are, with their status. With a
        /// `range`, only workers that serve at least one of its layers are listed, and the call
        /// looks at no more than 40,000 workers to find them.
        fn workers(
            model: ModelId,
            range: Option<LayerRange>,
            from: Option<AccountId>,
            limit: u32,
        ) -> Vec<(WorkerRecord<AccountId>, bool)>;

        /// The worker of that account, one that is leaving included, with whether it is online.
        fn worker(account: AccountId) -> Option<(WorkerRecord<AccountId>, bool)>;

        /// Active workers on each layer of `model`; empty for an unknown model.
        fn coverage(model: ModelId) -> Vec<u32>;

        /// Root of a shard's child trie, to check read proofs of its entries against; nothing for
        /// an empty shard.
        fn shard_root(shard: Shard) -> Option<Hash32>;

        /// The registry's constants.
        fn registry_parameters() -> RegistryParameters;
    }
}

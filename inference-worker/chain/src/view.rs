//! Reads at one block.

use codec::{Decode, DecodeAll, Encode};
use mica_primitives::{
    Agreement, AgreementId, Balance, BlockNumber, Channel, ChannelId, ChannelParameters,
    ClockState, LaneId, LayerRange, ModelId, ModelRecord, PublicKey, ReceiptRoot,
    RegistryParameters, WorkerRecord,
};
use subxt::{
    backend::{Backend, BlockRef},
    dynamic::Value,
    error::StorageError,
    events::Phase,
    ext::frame_decode::storage::{IntoDecodableValues, IntoEncodableValues},
    metadata::Metadata,
};

use crate::{
    Account, AccountId, Chain, ChainEvent, Head, ReadError,
    connection::{root_cause, within},
    event,
};

/// Entries that one page of a list asks for.
pub const PAGE: u32 = 512;
/// Workers that one page asks for. They are packed for reads of many at once; with the longest
/// addresses so many are 7 MB as a client receives them, which takes at most 10.
const WORKERS_PAGE: u32 = 5_000;
/// Most pages that one list is read over.
const MAX_PAGES: usize = 1024;

/// The chain as of one block.
#[derive(Clone, Debug)]
pub struct View {
    chain: Chain,
    head: Head,
}

impl View {
    pub(crate) fn new(chain: Chain, head: Head) -> Self {
        Self { chain, head }
    }

    /// The block.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The market's clock as of the block: what windows, expiries and periods are compared with. It
    /// stands still while finality stalls or calls are halted, so it is not the block's height.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn clock(&self) -> Result<ClockState, ReadError> {
        self.call("ClockApi_clock", ()).await
    }

    /// Height of the block. Windows are compared with [`Self::clock`], never with this.
    pub fn number(&self) -> BlockNumber {
        self.head.number
    }

    /// Money and nonce of `account`; no money if the chain does not know it.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn account(&self, account: AccountId) -> Result<Account, ReadError> {
        const WHAT: &str = "System.Account";
        /// `frame_system::AccountInfo` of `pallet_balances::AccountData`.
        #[derive(Decode)]
        struct Stored {
            nonce: u32,
            _consumers: u32,
            _providers: u32,
            _sufficients: u32,
            free: Balance,
            reserved: Balance,
            frozen: Balance,
            _flags: u128,
        }
        let at =
            within(WHAT, self.chain.client().at_block(BlockRef::from_hash(self.head.hash.into())))
                .await?;
        let existential_deposit = constant(at.metadata_ref(), "Balances", "ExistentialDeposit")?;
        let address = subxt::dynamic::storage::<(AccountId,), Value>("System", "Account");
        let value = within(WHAT, at.storage().try_fetch(address, (account,))).await?;
        let Some(value) = value else {
            return Ok(Account { existential_deposit, ..Account::default() });
        };
        let Stored { free, reserved: held, frozen, nonce, .. } = decode(WHAT, value.bytes())?;
        Ok(Account { free, held, frozen, nonce, existential_deposit })
    }

    /// The block's own time, milliseconds since 1970; nothing in block 0.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn time_unix_ms(&self) -> Result<Option<u64>, ReadError> {
        const WHAT: &str = "Timestamp.Now";
        let at =
            within(WHAT, self.chain.client().at_block(BlockRef::from_hash(self.head.hash.into())))
                .await?;
        let address = subxt::dynamic::storage::<(), Value>("Timestamp", "Now");
        let value = within(WHAT, at.storage().try_fetch(address, ())).await?;
        value.map(|value| decode(WHAT, value.bytes())).transpose()
    }

    /// The model, if it is registered.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn model(&self, model: ModelId) -> Result<Option<ModelRecord<AccountId>>, ReadError> {
        self.call("RegistryApi_model", model).await
    }

    /// All registered models.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn models(&self) -> Result<Vec<(ModelId, ModelRecord<AccountId>)>, ReadError> {
        let mut all: Vec<(ModelId, ModelRecord<AccountId>)> = Vec::new();
        for _ in 0..MAX_PAGES {
            let from = all.last().map(|(model, _)| *model);
            let page: Vec<(ModelId, ModelRecord<AccountId>)> =
                self.call("RegistryApi_models", (from, PAGE)).await?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        Ok(all)
    }

    /// Workers of `model` whose range meets `range` (all of them without one), each with whether it
    /// is online.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn workers(
        &self,
        model: ModelId,
        range: Option<LayerRange>,
    ) -> Result<Vec<(WorkerRecord<AccountId>, bool)>, ReadError> {
        let mut all: Vec<(WorkerRecord<AccountId>, bool)> = Vec::new();
        for _ in 0..MAX_PAGES {
            let from = all.last().map(|(worker, _)| worker.account);
            let page: Vec<(WorkerRecord<AccountId>, bool)> =
                self.call("RegistryApi_workers", (model, range, from, WORKERS_PAGE)).await?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        Ok(all)
    }

    /// The worker's record and whether it is online; nothing if the account is no worker.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn worker(
        &self,
        account: AccountId,
    ) -> Result<Option<(WorkerRecord<AccountId>, bool)>, ReadError> {
        self.call("RegistryApi_worker", account).await
    }

    /// The record of the worker with this peer key; nothing if no worker has it.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn worker_of_peer(
        &self,
        peer: PublicKey,
    ) -> Result<Option<WorkerRecord<AccountId>>, ReadError> {
        let owner: Option<AccountId> = self.stored("Registry", "PeerOwner", (peer,)).await?;
        let Some(owner) = owner else { return Ok(None) };
        let found = self.worker(owner).await?.map(|(record, _)| record);
        Ok(found.filter(|record| record.peer == peer))
    }

    /// Number of active workers on each layer of `model`; empty if the model is unknown.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn coverage(&self, model: ModelId) -> Result<Vec<u32>, ReadError> {
        self.call("RegistryApi_coverage", model).await
    }

    /// Constants of the registry.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn registry_parameters(&self) -> Result<RegistryParameters, ReadError> {
        self.call("RegistryApi_registry_parameters", ()).await
    }

    /// The channel, unless it is closed or never was.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn channel(
        &self,
        channel: ChannelId,
    ) -> Result<Option<Channel<AccountId>>, ReadError> {
        self.call("ChannelsApi_channel", channel).await
    }

    /// Channels from which `payer` pays.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn channels_of(
        &self,
        payer: AccountId,
    ) -> Result<Vec<(ChannelId, Channel<AccountId>)>, ReadError> {
        self.call("ChannelsApi_channels_of", payer).await
    }

    /// A page of the channels from which `payee` is paid: those after `from`, at most `limit` and
    /// 256.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn channels_to(
        &self,
        payee: AccountId,
        from: Option<ChannelId>,
        limit: u32,
    ) -> Result<Vec<(ChannelId, Channel<AccountId>)>, ReadError> {
        self.call("ChannelsApi_channels_to", (payee, from, limit)).await
    }

    /// The agreement, if it is not over.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn agreement(
        &self,
        agreement: AgreementId,
    ) -> Result<Option<Agreement<AccountId>>, ReadError> {
        self.call("SlaApi_agreement", agreement).await
    }

    /// Constants of payment channels.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn channel_parameters(&self) -> Result<ChannelParameters, ReadError> {
        self.call("ChannelsApi_channel_parameters", ()).await
    }

    /// The roots of receipts that the lane's redeemed vouchers have fixed, while their audit
    /// windows last: the one by the worker's own redeems, then the one by others'.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn receipt_roots(
        &self,
        channel: ChannelId,
        lane: LaneId,
    ) -> Result<Vec<ReceiptRoot<AccountId>>, ReadError> {
        self.call("ReceiptsApi_roots", (channel, lane)).await
    }

    /// Every event of the block, in order.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn events(&self) -> Result<Vec<ChainEvent>, ReadError> {
        let written = self.chain.written(self.head.hash).await?;
        let shape = |error: subxt::error::EventsError| ReadError::Shape {
            what: "System.Events".to_owned(),
            reason: root_cause(&error),
        };
        let events = &written.events;
        events
            .iter()
            .map(|event| event.map(|event| ChainEvent::from_subxt(&event)).map_err(shape))
            .collect()
    }

    /// Reads one entry of a pallet's storage; nothing if it is not there, also where the pallet
    /// itself would read a default.
    pub(crate) async fn stored<K, T>(
        &self,
        pallet: &'static str,
        entry: &'static str,
        keys: K,
    ) -> Result<Option<T>, ReadError>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        T: Decode,
    {
        let what = format!("{pallet}.{entry}");
        let at =
            within(&what, self.chain.client().at_block(BlockRef::from_hash(self.head.hash.into())))
                .await?;
        let address = subxt::dynamic::storage::<K, Value>(pallet, entry);
        let found = async {
            let key = at.storage().entry(address)?.fetch_key(keys)?;
            match at.storage().fetch_raw(key).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(StorageError::NoValueFound) => Ok(None),
                Err(error) => Err(error),
            }
        };
        within(&what, found).await?.map(|bytes| decode(&what, &bytes)).transpose()
    }

    /// A constant of a pallet.
    pub(crate) async fn constant<T: Decode>(
        &self,
        pallet: &'static str,
        name: &'static str,
    ) -> Result<T, ReadError> {
        let at = within(
            "chain_getHeader",
            self.chain.client().at_block(BlockRef::from_hash(self.head.hash.into())),
        )
        .await?;
        constant(at.metadata_ref(), pallet, name)
    }

    /// Calls a function of the runtime with `arguments` and reads its answer.
    async fn call<T: Decode>(
        &self,
        function: &str,
        arguments: impl Encode,
    ) -> Result<T, ReadError> {
        let bytes = within(
            function,
            self.chain.backend().call(function, Some(&arguments.encode()), self.head.hash.into()),
        )
        .await?;
        decode(function, &bytes)
    }
}

/// A constant of the runtime that `metadata` describes.
fn constant<T: Decode>(metadata: &Metadata, pallet: &str, name: &str) -> Result<T, ReadError> {
    let what = format!("{pallet}.{name}");
    let found = metadata.pallet_by_name(pallet).and_then(|pallet| pallet.constant_by_name(name));
    let found = found.ok_or_else(|| ReadError::Shape {
        what: what.clone(),
        reason: "the runtime has no such constant".into(),
    })?;
    decode(&what, found.value())
}

pub(crate) fn decode<T: Decode>(what: &str, mut bytes: &[u8]) -> Result<T, ReadError> {
    T::decode_all(&mut bytes)
        .map_err(|error| ReadError::Shape { what: what.to_owned(), reason: error.to_string() })
}

impl ChainEvent {
    pub(crate) fn from_subxt(event: &subxt::events::Event<'_, crate::connection::Config>) -> Self {
        let extrinsic = match event.phase() {
            Phase::ApplyExtrinsic(index) => Some(index),
            Phase::Finalization | Phase::Initialization => None,
        };
        let (pallet, name, fields) = (event.pallet_name(), event.event_name(), event.field_bytes());
        Self {
            extrinsic,
            pallet: pallet.to_owned(),
            name: name.to_owned(),
            fields: fields.to_vec(),
            event: event::decode(pallet, name, fields),
        }
    }
}

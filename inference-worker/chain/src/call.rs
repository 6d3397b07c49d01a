//! What can be asked of the chain, and its bytes.
//!
//! A call's bytes are the pallet's index, the call's index and the SCALE bytes of its arguments.
//! The indices are looked up by name in the metadata of the runtime that is to decode them; the
//! arguments are the pallets' own types.

use codec::{Compact, Encode};
use mica_primitives::{
    AgreementId, Balance, BlockNumber, ChannelId, ChannelOpening, CooperativeClose, Hash32,
    Heartbeat, LayerRange, MarketUnits, ModelId, ModelManifest, Progress, PublicKey, Redeem,
    Signature, Terms, WorkerAddresses, domain::blake2_256,
};
use subxt::{
    ext::{
        scale_encode::{self, EncodeAsFields, FieldIter},
        scale_type_resolver::TypeResolver,
    },
    metadata::Metadata,
    tx::Payload,
    utils::MultiAddress,
};

use crate::{AccountId, Rewards, SessionKeys, SubmitError};

/// A call of the Mica runtime. The pallets document origin, deposit, errors and events of each.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// `Registry.register_model`: names a model; holds a deposit.
    RegisterModel {
        /// What it is.
        manifest: ModelManifest,
        /// Exchange rate between money and time.
        units: MarketUnits,
    },
    /// `Registry.remove_model`.
    RemoveModel {
        /// The model.
        model: ModelId,
    },
    /// `Registry.register`: offers a range of layers; holds the stake.
    Register {
        /// The model.
        model: ModelId,
        /// The layers.
        range: LayerRange,
        /// Measured µs per layer-token.
        cost_us_per_layer_token: u32,
        /// Ceiling of the quotes, base units per layer-token.
        list_price_per_layer_token: Balance,
        /// ed25519 key of the peer identity.
        peer: PublicKey,
        /// That key's signature over the account's [`mica_primitives::PeerClaim`].
        proof: Signature,
        /// Where to dial it.
        addresses: WorkerAddresses,
        /// Base units.
        stake: Balance,
    },
    /// `Registry.set_price`: base units per layer-token.
    SetPrice(Balance),
    /// `Registry.set_cost`: µs per layer-token.
    SetCost(u32),
    /// `Registry.set_range`.
    SetRange(LayerRange),
    /// `Registry.set_addresses`.
    SetAddresses(WorkerAddresses),
    /// `Registry.heartbeat`: without a signature around it, and without a fee.
    Heartbeat {
        /// Who lived when.
        beat: Heartbeat<AccountId>,
        /// By the worker's peer key.
        signature: Signature,
    },
    /// `Registry.unjail`: serves again.
    Unjail,
    /// `Registry.top_up_stake`: base units more.
    TopUpStake(Balance),
    /// `Registry.unregister`.
    Unregister,
    /// `Registry.withdraw`.
    Withdraw,
    /// `Channels.open`.
    Open(ChannelOpening<AccountId>),
    /// `Channels.open_many`: at most 32.
    OpenMany(Vec<ChannelOpening<AccountId>>),
    /// `Channels.top_up_to`: raises the deposit to a total, however often it is sent.
    TopUpTo {
        /// The channel.
        channel: ChannelId,
        /// Base units in all.
        total: Balance,
    },
    /// `Channels.redeem`: anyone may submit, only the payee is paid.
    Redeem(Box<Redeem>),
    /// `Channels.close`.
    Close(ChannelId),
    /// `Channels.close_cooperatively`.
    CloseCooperatively {
        /// What both agreed on.
        close: CooperativeClose,
        /// Of the side that does not submit.
        signature: Signature,
    },
    /// `Channels.finish`.
    Finish(ChannelId),
    /// `Sla.propose`.
    Propose {
        /// Who is to be bound.
        worker: AccountId,
        /// To what.
        terms: Terms,
    },
    /// `Sla.accept`.
    Accept(AgreementId),
    /// `Sla.cancel`.
    Cancel(AgreementId),
    /// `Sla.request`.
    Request {
        /// The agreement.
        agreement: AgreementId,
        /// blake3 of the request that was sent.
        request_hash: Hash32,
    },
    /// `Sla.acknowledge`.
    Acknowledge {
        /// The agreement.
        agreement: AgreementId,
        /// blake3 of the request that the worker has.
        request_hash: Hash32,
    },
    /// `Sla.claim`.
    Claim {
        /// What the payer received.
        progress: Progress,
        /// By the terms' signer.
        signature: Signature,
    },
    /// `Sla.dispute`.
    Dispute {
        /// The agreement.
        agreement: AgreementId,
        /// What the payer signed for, with the signature of the terms' signer; nothing if it signed
        /// for nothing.
        progress: Option<(Progress, Signature)>,
    },
    /// `Sla.settle`: anyone may submit.
    Settle(AgreementId),
    /// `Balances.transfer_keep_alive`.
    Transfer {
        /// Who receives.
        to: AccountId,
        /// Base units.
        amount: Balance,
    },
    /// `Staking.bond`: puts money at stake, for the first time.
    Bond {
        /// Base units.
        amount: Balance,
        /// Where rewards go.
        rewards: Rewards,
    },
    /// `Staking.bond_extra`: base units more.
    BondExtra(Balance),
    /// `Staking.validate`: stands for election, with the share of the rewards that the validator
    /// takes before its nominators.
    Validate {
        /// Billionths, at most 10⁹.
        commission_ppb: u32,
    },
    /// `Staking.nominate`: stands behind these validators, at most 16, with the bond.
    Nominate(Vec<AccountId>),
    /// `Staking.chill`: stands for election, or behind others, no more.
    Chill,
    /// `Staking.unbond`: base units that come free after the bonding duration.
    Unbond(Balance),
    /// `Staking.withdraw_unbonded`: takes what has come free.
    WithdrawUnbonded {
        /// Slashing spans of the account, which are removed with its last money.
        slashing_spans: u32,
    },
    /// `Staking.payout_stakers_by_page`: pays one page of an era's rewards out; anyone may submit.
    PayOut {
        /// The validator.
        validator: AccountId,
        /// The era.
        era: u32,
        /// The page, from 0.
        page: u32,
    },
    /// `Session.set_keys`; holds a deposit.
    SetKeys(SessionKeys),
    /// `Session.purge_keys`: gives the keys up, and their deposit comes back.
    PurgeKeys,
    /// `Proxy.proxy`: in the name of an account that has named the signer as its proxy. A
    /// [`Signer`] that acts for another account makes it of every call.
    ///
    /// [`Signer`]: crate::Signer
    Proxied {
        /// Whose.
        account: AccountId,
        /// What it does.
        call: Box<Call>,
    },
    /// `Proxy.add_proxy`: from now on `delegate` may make some calls for the signer's account.
    AddProxy {
        /// Who.
        delegate: AccountId,
        /// Which.
        may: ProxyKind,
    },
    /// `Utility.batch_all`: all or none.
    BatchAll(Vec<Call>),
    /// `Utility.force_batch`: each for itself; the events tell which failed.
    ForceBatch(Vec<Call>),
    /// `Utility.as_derivative`: in the name of an account that only the signer can speak for; see
    /// [`derivative`].
    AsDerivative {
        /// Which of the signer's.
        index: u16,
        /// What it does.
        call: Box<Call>,
    },
}

/// What a proxy may do. The bytes are those of the runtime's `ProxyType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub enum ProxyKind {
    /// A worker's daily work.
    #[codec(index = 3)]
    Worker,
    /// The same, and binding the worker to agreements, which puts stake at risk.
    #[codec(index = 4)]
    WorkerWithAgreements,
}

/// Blocks that a proxy has to announce a call before: none.
const NO_DELAY: BlockNumber = 0;

/// The account in whose name [`Call::AsDerivative`] acts.
pub fn derivative(signer: AccountId, index: u16) -> AccountId {
    AccountId::from(blake2_256(&(b"modlpy/utilisuba", signer, index).encode()))
}

impl Call {
    /// Names of the pallet and the call.
    pub fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::RegisterModel { .. } => ("Registry", "register_model"),
            Self::RemoveModel { .. } => ("Registry", "remove_model"),
            Self::Register { .. } => ("Registry", "register"),
            Self::SetPrice(_) => ("Registry", "set_price"),
            Self::SetCost(_) => ("Registry", "set_cost"),
            Self::SetRange(_) => ("Registry", "set_range"),
            Self::SetAddresses(_) => ("Registry", "set_addresses"),
            Self::Heartbeat { .. } => ("Registry", "heartbeat"),
            Self::Unjail => ("Registry", "unjail"),
            Self::TopUpStake(_) => ("Registry", "top_up_stake"),
            Self::Unregister => ("Registry", "unregister"),
            Self::Withdraw => ("Registry", "withdraw"),
            Self::Open(_) => ("Channels", "open"),
            Self::OpenMany(_) => ("Channels", "open_many"),
            Self::TopUpTo { .. } => ("Channels", "top_up_to"),
            Self::Redeem(_) => ("Channels", "redeem"),
            Self::Close(_) => ("Channels", "close"),
            Self::CloseCooperatively { .. } => ("Channels", "close_cooperatively"),
            Self::Finish(_) => ("Channels", "finish"),
            Self::Propose { .. } => ("Sla", "propose"),
            Self::Accept(_) => ("Sla", "accept"),
            Self::Cancel(_) => ("Sla", "cancel"),
            Self::Request { .. } => ("Sla", "request"),
            Self::Acknowledge { .. } => ("Sla", "acknowledge"),
            Self::Claim { .. } => ("Sla", "claim"),
            Self::Dispute { .. } => ("Sla", "dispute"),
            Self::Settle(_) => ("Sla", "settle"),
            Self::Transfer { .. } => ("Balances", "transfer_keep_alive"),
            Self::Bond { .. } => ("Staking", "bond"),
            Self::BondExtra(_) => ("Staking", "bond_extra"),
            Self::Validate { .. } => ("Staking", "validate"),
            Self::Nominate(_) => ("Staking", "nominate"),
            Self::Chill => ("Staking", "chill"),
            Self::Unbond(_) => ("Staking", "unbond"),
            Self::WithdrawUnbonded { .. } => ("Staking", "withdraw_unbonded"),
            Self::PayOut { .. } => ("Staking", "payout_stakers_by_page"),
            Self::SetKeys(_) => ("Session", "set_keys"),
            Self::PurgeKeys => ("Session", "purge_keys"),
            Self::Proxied { .. } => ("Proxy", "proxy"),
            Self::AddProxy { .. } => ("Proxy", "add_proxy"),
            Self::BatchAll(_) => ("Utility", "batch_all"),
            Self::ForceBatch(_) => ("Utility", "force_batch"),
            Self::AsDerivative { .. } => ("Utility", "as_derivative"),
        }
    }

    /// SCALE bytes of the arguments, in the order of the call's signature.
    fn arguments(&self, metadata: &Metadata) -> Result<Vec<u8>, SubmitError> {
        Ok(match self {
            Self::RegisterModel { manifest, units } => (manifest, units).encode(),
            Self::RemoveModel { model } => model.encode(),
            Self::Register {
                model,
                range,
                cost_us_per_layer_token,
                list_price_per_layer_token,
                peer,
                proof,
                addresses,
                stake,
            } => (
                model,
                range,
                cost_us_per_layer_token,
                list_price_per_layer_token,
                peer,
                proof,
                addresses,
                stake,
            )
                .encode(),
            Self::SetPrice(price) => price.encode(),
            Self::SetCost(cost_us) => cost_us.encode(),
            Self::SetRange(range) => range.encode(),
            Self::SetAddresses(addresses) => addresses.encode(),
            Self::Heartbeat { beat, signature } => (beat, signature).encode(),
            Self::Unjail | Self::Unregister | Self::Withdraw | Self::Chill | Self::PurgeKeys => {
                Vec::new()
            }
            Self::TopUpStake(stake) => stake.encode(),
            Self::Open(opening) => opening.encode(),
            Self::OpenMany(openings) => openings.encode(),
            Self::TopUpTo { channel, total } => (channel, total).encode(),
            Self::Redeem(redeem) => redeem.encode(),
            Self::Close(channel) | Self::Finish(channel) => channel.encode(),
            Self::CloseCooperatively { close, signature } => (close, signature).encode(),
            Self::Propose { worker, terms } => (worker, terms).encode(),
            Self::Accept(agreement) | Self::Cancel(agreement) | Self::Settle(agreement) => {
                agreement.encode()
            }
            Self::Request { agreement, request_hash }
            | Self::Acknowledge { agreement, request_hash } => (agreement, request_hash).encode(),
            Self::Claim { progress, signature } => (progress, signature).encode(),
            Self::Dispute { agreement, progress } => (agreement, progress).encode(),
            Self::Transfer { to, amount } => {
                (MultiAddress::<AccountId, ()>::Id(*to), Compact(*amount)).encode()
            }
            Self::Bond { amount, rewards } => (Compact(*amount), rewards).encode(),
            Self::BondExtra(amount) | Self::Unbond(amount) => Compact(*amount).encode(),
            // `ValidatorPrefs`: the commission, and whether new nominators are kept out.
            Self::Validate { commission_ppb } => (Compact(*commission_ppb), false).encode(),
            Self::Nominate(validators) => {
                let named = validators.iter().map(|who| MultiAddress::<AccountId, ()>::Id(*who));
                named.collect::<Vec<_>>().encode()
            }
            Self::WithdrawUnbonded { slashing_spans } => slashing_spans.encode(),
            Self::PayOut { validator, era, page } => (validator, era, page).encode(),
            // The keys are a record of fixed length, without a length before it.
            Self::SetKeys(SessionKeys { keys, proof }) => [keys.clone(), proof.encode()].concat(),
            // Any kind of proxy will do.
            Self::Proxied { account, call } => {
                let head = (MultiAddress::<AccountId, ()>::Id(*account), None::<ProxyKind>);
                [head.encode(), call.bytes(metadata)?].concat()
            }
            Self::AddProxy { delegate, may } => {
                (MultiAddress::<AccountId, ()>::Id(*delegate), may, NO_DELAY).encode()
            }
            Self::AsDerivative { index, call } => [index.encode(), call.bytes(metadata)?].concat(),
            Self::BatchAll(calls) | Self::ForceBatch(calls) => {
                let mut bytes = Compact(calls.len() as u64).encode();
                for call in calls {
                    bytes.extend(call.bytes(metadata)?);
                }
                bytes
            }
        })
    }

    /// Pallet index ‖ call index ‖ arguments, for the runtime that `metadata` describes.
    pub(crate) fn bytes(&self, metadata: &Metadata) -> Result<Vec<u8>, SubmitError> {
        let (pallet, call) = self.name();
        let found = metadata
            .pallet_by_name(pallet)
            .and_then(|p| p.call_variant_by_name(call).map(|c| (p.call_index(), c.index)));
        let (pallet_index, call_index) = found.ok_or(SubmitError::UnknownCall { pallet, call })?;
        let mut bytes = vec![pallet_index, call_index];
        bytes.extend(self.arguments(metadata)?);
        Ok(bytes)
    }

    /// The form in which subxt takes it.
    pub(crate) fn payload(&self, metadata: &Metadata) -> Result<RawPayload, SubmitError> {
        let (pallet, call) = self.name();
        self.bytes(metadata).map(|bytes| RawPayload {
            pallet,
            call,
            arguments: RawArguments(bytes[2..].to_vec()),
        })
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (pallet, call) = self.name();
        write!(f, "{pallet}.{call}")
    }
}

/// A call whose arguments are encoded already.
pub(crate) struct RawPayload {
    pallet: &'static str,
    call: &'static str,
    arguments: RawArguments,
}

pub(crate) struct RawArguments(Vec<u8>);

impl EncodeAsFields for RawArguments {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _: &mut dyn FieldIter<'_, R::TypeId>,
        _: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), scale_encode::Error> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

impl Payload for RawPayload {
    type CallData = RawArguments;

    fn pallet_name(&self) -> &str {
        self.pallet
    }

    fn call_name(&self) -> &str {
        self.call
    }

    fn call_data(&self) -> &RawArguments {
        &self.arguments
    }
}

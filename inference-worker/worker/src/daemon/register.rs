//! Makes the chain say what the worker is: its model, its range, its price, where to reach it.

use ed25519_dalek::SigningKey;
use mica_chain::{
    AccountId, Call, Chain, ReadError, Signer, SubmitError, Submitted, Until, View, amount,
};
use mica_primitives::{
    Balance, BlockNumber, LayerRange, MarketUnits, ModelId, ModelRecord, PeerClaim, PublicKey,
    RegistryParameters, WorkerAddresses, WorkerRecord, WorkerStatus,
};
use mica_protocol::signing;

use crate::{
    causes::with_causes,
    config::Config,
    model::ModelSource,
    report::{Event, Reporter},
};

/// What is left for fees besides the stake, base units: enough for hundreds of calls.
const FEE_RESERVE: Balance = mica_primitives::UNIT / 100;

/// Why the worker is not registered as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An extrinsic failed.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The model is not registered and shall not be.
    #[error(
        "the chain does not know model {0}: give --register-model to register it for a deposit, \
         or serve another model"
    )]
    UnknownModel(ModelId),
    /// The model's registration was in a block that is gone.
    #[error(
        "the model was registered and is gone again: a fork took it back; start the worker again"
    )]
    ModelGone,
    /// The worker's registration was in a block that is gone.
    #[error("the registration is gone again: a fork took it back; start the worker again")]
    WorkerGone,
    /// The account is leaving.
    #[error(
        "this account is leaving until block {until} of the market's clock: run `mica-worker \
         withdraw` then, or use another account"
    )]
    Leaving {
        /// First block in which its stake can be withdrawn.
        until: BlockNumber,
    },
    /// The account serves another model.
    #[error("this account serves model {0}: run `mica-worker leave` first, or use another account")]
    OtherModel(ModelId),
    /// The account is registered with another peer key.
    #[error(
        "this account is registered with another peer key: restore the peer.key that belongs to it"
    )]
    OtherPeerKey,
    /// An operator's key may not do it.
    #[error(
        "an operator's key cannot {what} for account {account}: do it with the account's own key \
         (`mica-worker hand-over` kept it as cold.key)"
    )]
    Operator {
        /// The account with the stake.
        account: AccountId,
        /// What only its own key can do.
        what: &'static str,
    },
    /// The account lacks money.
    #[error(transparent)]
    Funds(#[from] FundsError),
}

/// The account lacks money. All in base units.
#[derive(Debug, thiserror::Error)]
#[error(
    "account {account} has {} free and needs {} to {purpose} and pay fees, of which {} must stay \
     in it: send it {} more (`mica wallet transfer {account} {}`)",
    amount::format(*free), amount::format(*needed), amount::format(*stays),
    amount::format(*missing), amount::format(*missing).replace(' ', "")
)]
pub struct FundsError {
    /// The worker's account.
    pub account: AccountId,
    /// What for.
    pub purpose: &'static str,
    /// What it has.
    pub free: Balance,
    /// What it needs.
    pub needed: Balance,
    /// What of that must stay in it.
    pub stays: Balance,
    /// What is missing.
    pub missing: Balance,
}

/// What is to be registered.
pub(crate) struct Registration<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Holds the stake.
    pub signer: &'a Signer,
    /// Proves that the peer key is the worker's.
    pub peer_key: &'a SigningKey,
    /// The model.
    pub source: &'a ModelSource,
    /// What the operator decided.
    pub config: &'a Config,
    /// Tells people and programs.
    pub reporter: Reporter,
}

/// What a worker offers at its registration.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    /// The layers.
    pub range: LayerRange,
    /// Measured µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// ed25519 key of the peer identity.
    pub peer: PublicKey,
    /// Where to dial it.
    pub addresses: WorkerAddresses,
}

impl Registration<'_> {
    /// The model as the chain knows it; registers it first if the configuration says so.
    ///
    /// # Errors
    /// If it is not registered and shall not be, or the account cannot pay the deposit.
    pub(crate) async fn model(&self) -> Result<ModelRecord<AccountId>, RegisterError> {
        let view = self.chain.at_best().await?;
        if let Some(record) = view.model(self.source.id).await? {
            return Ok(record);
        }
        if !self.config.register_model {
            return Err(RegisterError::UnknownModel(self.source.id));
        }
        let deposit = view.registry_parameters().await?.model_deposit;
        self.require(&view, deposit, "register the model").await?;
        let call = Call::RegisterModel {
            manifest: self.source.manifest.clone(),
            units: self.config.market.units,
        };
        match self.chain.submit(self.signer, call, Until::InBlock).await {
            Ok(Submitted { block, fee, .. }) => {
                self.reporter.emit(&Event::ModelRegistered {
                    model: self.source.id,
                    block: block.number,
                    fee,
                });
            }
            // Another worker was faster.
            Err(error @ SubmitError::Failed { .. }) if is(&error, "Registry", "ModelExists") => {
                self.reporter.emit(&Event::Warning {
                    text: format!("another worker registered the model first: {error}"),
                });
            }
            Err(error) => return Err(error.into()),
        }
        let record = self.chain.at_best().await?.model(self.source.id).await?;
        record.ok_or(RegisterError::ModelGone)
    }

    /// Registers the worker, or brings its registration up to date. Returns the record as it is
    /// then.
    ///
    /// # Errors
    /// If the account lacks the stake, is leaving, or serves another model.
    pub(crate) async fn worker(
        &self,
        offered: &Offered,
    ) -> Result<WorkerRecord<AccountId>, RegisterError> {
        let view = self.chain.at_best().await?;
        let account = self.signer.account();
        let submitted = match view.worker(account).await? {
            None => Some(self.register(&view, offered).await?),
            Some((record, _)) => self.update(&view, &record, offered).await?,
        };
        let found = self.chain.at_best().await?.worker(account).await?;
        let (record, _) = found.ok_or(RegisterError::WorkerGone)?;
        let block = submitted.map_or(view.number(), |submitted| submitted.block.number);
        self.reporter.emit(&Event::Registered {
            account: account.to_string(),
            peer: hex::encode(record.peer),
            model: record.model,
            layers: record.range,
            price_per_layer_token: record.list_price_per_layer_token,
            stake: record.stake,
            block,
        });
        Ok(record)
    }

    async fn register(&self, view: &View, offered: &Offered) -> Result<Submitted, RegisterError> {
        let parameters = view.registry_parameters().await?;
        let stake = self.stake(&parameters, offered.range);
        self.require(view, stake, "stake for its layers").await?;
        let claim = PeerClaim { account: self.signer.account() };
        let call = Call::Register {
            model: self.source.id,
            range: offered.range,
            cost_us_per_layer_token: offered.cost_us_per_layer_token,
            list_price_per_layer_token: offered.price_per_layer_token,
            peer: offered.peer,
            proof: signing::sign(self.peer_key, &claim.signing_bytes(&self.chain.genesis_hash())),
            addresses: offered.addresses.clone(),
            stake,
        };
        Ok(self.chain.submit(self.signer, call, Until::InBlock).await?)
    }

    /// Changes what differs, in one extrinsic; a price that changed too recently stays for now.
    async fn update(
        &self,
        view: &View,
        record: &WorkerRecord<AccountId>,
        offered: &Offered,
    ) -> Result<Option<Submitted>, RegisterError> {
        if let WorkerStatus::Unbonding { until } = record.status {
            return Err(RegisterError::Leaving { until });
        }
        if record.model != self.source.id {
            return Err(RegisterError::OtherModel(record.model));
        }
        if record.peer != offered.peer {
            return Err(RegisterError::OtherPeerKey);
        }
        let parameters = view.registry_parameters().await?;
        let mut calls = Vec::new();
        let stake = self.stake(&parameters, offered.range);
        let mut poor = None;
        if stake > record.stake {
            match self.require(view, stake - record.stake, "stake for its layers").await {
                Ok(()) => calls.push(Call::TopUpStake(stake - record.stake)),
                Err(error @ (RegisterError::Funds(_) | RegisterError::Operator { .. })) => {
                    poor = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let minimum = parameters.min_stake_per_layer.saturating_mul(offered.range.len().into());
        let suffices = poor.is_none() || record.stake >= minimum;
        if record.range != offered.range {
            calls.push(Call::SetRange(offered.range));
        }
        if record.addresses != offered.addresses {
            calls.push(Call::SetAddresses(offered.addresses.clone()));
        }
        if record.cost_us_per_layer_token != offered.cost_us_per_layer_token {
            calls.push(Call::SetCost(offered.cost_us_per_layer_token));
        }
        let price_is_free = view.clock().await?.now
            >= record.last_price_change.saturating_add(parameters.price_interval);
        if record.list_price_per_layer_token != offered.price_per_layer_token && price_is_free {
            calls.push(Call::SetPrice(offered.price_per_layer_token));
        }
        if record.status == WorkerStatus::Jailed && suffices {
            calls.push(Call::Unjail);
        }
        if let Some(error) = poor {
            // Without the stake the chain lets nobody widen its range, and takes the rest of the
            // batch back with it.
            if !suffices && (calls.is_empty() || record.range != offered.range) {
                return Err(error);
            }
            // The rest is not worse for it: payers must find the worker where it is.
            self.reporter.emit(&Event::Warning { text: with_causes(&error) });
        }
        if calls.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.chain.submit(self.signer, Call::BatchAll(calls), Until::InBlock).await?))
    }

    fn stake(&self, parameters: &RegistryParameters, range: LayerRange) -> Balance {
        let minimum = parameters.min_stake_per_layer.saturating_mul(range.len().into());
        self.config.market.stake.map_or(minimum, |stake| stake.max(minimum))
    }

    /// Whether the account can put `needed` on hold and still pay fees.
    async fn require(
        &self,
        view: &View,
        needed: Balance,
        purpose: &'static str,
    ) -> Result<(), RegisterError> {
        let account = self.signer.account();
        // Whatever needs money puts it at risk, and that is not an operator's to decide.
        if self.signer.is_proxy() {
            return Err(RegisterError::Operator { account, what: purpose });
        }
        let found = view.account(account).await?;
        let missing = found.missing(needed, FEE_RESERVE);
        if missing > 0 {
            let error = FundsError {
                account,
                purpose,
                free: found.free,
                needed: found.needed(needed, FEE_RESERVE),
                stays: found.stays(),
                missing,
            };
            return Err(error.into());
        }
        Ok(())
    }
}

/// Whether the chain failed it with `pallet`'s error `name`.
fn is(error: &SubmitError, pallet: &str, name: &str) -> bool {
    matches!(error, SubmitError::Failed { failure, .. } if failure.is(pallet, name))
}

/// The price to begin with.
///
/// While the price follows the market what it has learned outlives a restart, and the operator's
/// price is only the first. Without pricing the operator's price counts. Where nobody has named one
/// it is one price unit of the model's market.
///
/// # Errors
/// If the chain cannot be read.
pub(crate) async fn start_price(
    chain: &Chain,
    config: &Config,
    account: AccountId,
    units: MarketUnits,
) -> Result<Balance, ReadError> {
    let record = chain.at_best().await?.worker(account).await?;
    let learned = record.map(|(record, _)| record.list_price_per_layer_token);
    let price = if config.market.pricing {
        learned.or(config.market.price)
    } else {
        config.market.price.or(learned)
    };
    Ok(price.unwrap_or(units.price_unit))
}

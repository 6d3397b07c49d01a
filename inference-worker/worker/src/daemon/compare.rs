//! What the registry says of the worker against what the worker is.
//!
//! Pure, and used twice: by the daemon, which repairs what it can, and by `mica-worker status`,
//! which tells the truth without it.

use std::fmt;

use mica_chain::{AccountId, amount};
use mica_primitives::{
    Balance, BlockNumber, LayerRange, ModelId, PublicKey, WorkerAddresses, WorkerRecord,
    WorkerStatus,
};

/// What a worker is, as far as the registry has a place for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Own {
    /// The model that is loaded.
    pub model: ModelId,
    /// The layers that are loaded.
    pub range: LayerRange,
    /// Measured µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Base units per layer-token that it asks for.
    pub price_per_layer_token: Balance,
    /// ed25519 key of the peer identity.
    pub peer: PublicKey,
    /// Where to dial it.
    pub addresses: WorkerAddresses,
}

/// Something that the registry says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub(crate) enum Difference {
    /// There is no record.
    Missing,
    /// The account is leaving.
    Leaving {
        /// First block in which its stake can be withdrawn.
        until: BlockNumber,
    },
    /// The account serves another model.
    Model {
        /// The one in the registry.
        registered: ModelId,
    },
    /// The account has another peer key.
    Peer {
        /// The one in the registry.
        registered: PublicKey,
    },
    /// Other layers.
    Range {
        /// Those in the registry.
        registered: LayerRange,
        /// Those that are loaded.
        loaded: LayerRange,
    },
    /// Too little stake for its layers: the chain has jailed the worker or will.
    Stake {
        /// What is on hold.
        held: Balance,
        /// What its layers need.
        needed: Balance,
    },
    /// Out of service until it asks to serve again.
    Jailed,
    /// Other addresses.
    Addresses {
        /// Those in the registry.
        registered: WorkerAddresses,
        /// Whether one of them is ours all the same.
        is_reachable: bool,
    },
    /// Another list price.
    Price {
        /// The one in the registry, base units per layer-token.
        registered: Balance,
    },
    /// Another cost.
    Cost {
        /// The one in the registry, µs per layer-token.
        registered: u32,
    },
}

impl Difference {
    /// A name that programs can rely on.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_registered",
            Self::Leaving { .. } => "leaving",
            Self::Model { .. } => "other_model",
            Self::Peer { .. } => "other_peer_key",
            Self::Range { .. } => "other_layers",
            Self::Stake { .. } => "stake_too_low",
            Self::Jailed => "jailed",
            Self::Addresses { .. } => "other_addresses",
            Self::Price { .. } => "other_price",
            Self::Cost { .. } => "other_cost",
        }
    }

    /// Whether payers cannot find the worker, or not as it is, for as long as this lasts.
    pub(crate) const fn keeps_from_serving(&self) -> bool {
        !matches!(
            self,
            Self::Price { .. }
                | Self::Cost { .. }
                | Self::Stake { .. }
                | Self::Addresses { is_reachable: true, .. }
        )
    }
}

/// Everything that `record` says otherwise than `own`; the worst comes first.
/// `min_stake_per_layer`: base units.
pub(crate) fn differences(
    record: Option<&WorkerRecord<AccountId>>,
    own: &Own,
    min_stake_per_layer: Balance,
) -> Vec<Difference> {
    let Some(record) = record else { return vec![Difference::Missing] };
    let needed = min_stake_per_layer.saturating_mul(record.range.len().into());
    let all = [
        match record.status {
            WorkerStatus::Unbonding { until } => Some(Difference::Leaving { until }),
            WorkerStatus::Active | WorkerStatus::Jailed => None,
        },
        (record.model != own.model).then_some(Difference::Model { registered: record.model }),
        (record.peer != own.peer).then_some(Difference::Peer { registered: record.peer }),
        (record.range != own.range)
            .then_some(Difference::Range { registered: record.range, loaded: own.range }),
        (record.stake < needed).then_some(Difference::Stake { held: record.stake, needed }),
        (record.status == WorkerStatus::Jailed).then_some(Difference::Jailed),
        (!are_same(&record.addresses, &own.addresses)).then(|| Difference::Addresses {
            registered: record.addresses.clone(),
            is_reachable: record.addresses.iter().any(|address| own.addresses.contains(address)),
        }),
        (record.list_price_per_layer_token != own.price_per_layer_token)
            .then_some(Difference::Price { registered: record.list_price_per_layer_token }),
        (record.cost_us_per_layer_token != own.cost_us_per_layer_token)
            .then_some(Difference::Cost { registered: record.cost_us_per_layer_token }),
    ];
    all.into_iter().flatten().collect()
}

/// Whether both have the same addresses, in whatever order.
fn are_same(some: &WorkerAddresses, others: &WorkerAddresses) -> bool {
    some.iter().all(|address| others.contains(address))
        && others.iter().all(|address| some.contains(address))
}

/// Addresses for people.
pub(crate) fn listed(addresses: &WorkerAddresses) -> String {
    let texts = mica_net::address_texts(addresses);
    if texts.is_empty() { "no address".to_owned() } else { texts.join(", ") }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the account is not registered"),
            Self::Leaving { until } => {
                write!(
                    f,
                    "the account is leaving until block {until} of the market's clock: withdraw its stake then, or use \
                     another account"
                )
            }
            Self::Model { registered } => {
                write!(
                    f,
                    "the account is registered for model {registered}: unregister it first, or \
                     use another account"
                )
            }
            Self::Peer { registered } => write!(
                f,
                "the account is registered with peer key {}: restore the peer.key that belongs to \
                 it, or use another account",
                hex::encode(registered)
            ),
            Self::Range { registered, loaded } => {
                write!(f, "the registry names layers {registered} and {loaded} are loaded")
            }
            Self::Stake { held, needed } => write!(
                f,
                "the stake is {} and the layers need {}: send the account the difference",
                amount::format(*held),
                amount::format(*needed)
            ),
            Self::Jailed => f.write_str("the worker is jailed and asks to serve again"),
            Self::Addresses { registered, .. } => {
                write!(f, "the registry names other addresses: {}", listed(registered))
            }
            Self::Price { registered } => {
                write!(
                    f,
                    "the registry names another price: {} per layer and token",
                    amount::format(*registered)
                )
            }
            Self::Cost { registered } => {
                write!(f, "the registry names another cost: {registered} µs per layer and token")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::tests::worker;

    fn own(record: &WorkerRecord<AccountId>) -> Own {
        Own {
            model: record.model,
            range: record.range,
            cost_us_per_layer_token: record.cost_us_per_layer_token,
            price_per_layer_token: record.list_price_per_layer_token,
            peer: record.peer,
            addresses: record.addresses.clone(),
        }
    }

    fn codes(record: Option<&WorkerRecord<AccountId>>, own: &Own) -> Vec<&'static str> {
        differences(record, own, 1).iter().map(Difference::code).collect()
    }

    #[test]
    fn a_true_record_differs_in_nothing_and_a_missing_one_in_everything() {
        let mut record = worker(1, 0, 4, 10, 50);
        record.stake = 4;
        assert!(codes(Some(&record), &own(&record)).is_empty());
        assert_eq!(codes(None, &own(&record)), ["not_registered"]);
    }

    #[test]
    fn the_order_of_addresses_does_not_count_and_one_that_is_ours_keeps_it_serving() {
        let list = |texts: &[&str]| {
            let addresses: Vec<_> = texts
                .iter()
                .map(|text| text.as_bytes().to_vec().try_into().expect("short"))
                .collect();
            WorkerAddresses::try_from(addresses).expect("few")
        };
        let mut record = worker(1, 0, 4, 10, 50);
        (record.stake, record.addresses) = (4, list(&["/a", "/b"]));
        let own = |texts: &[&str]| Own { addresses: list(texts), ..own(&record) };
        assert!(codes(Some(&record), &own(&["/b", "/a"])).is_empty());
        for (texts, keeps) in [(&["/b", "/c"], false), (&["/c", "/d"], true)] {
            let found = differences(Some(&record), &own(texts), 1);
            assert_eq!(
                found.iter().map(Difference::keeps_from_serving).collect::<Vec<_>>(),
                [keeps],
                "{texts:?}"
            );
        }
    }

    #[test]
    fn every_field_is_compared() {
        let mut record = worker(1, 0, 4, 10, 50);
        record.stake = 4;
        let own = own(&record);
        type Change = fn(&mut WorkerRecord<AccountId>);
        let cases: [(Change, &[&str]); 9] = [
            (|record| record.status = WorkerStatus::Unbonding { until: 9 }, &["leaving"]),
            (|record| record.model = ModelId([9; 32]), &["other_model"]),
            (|record| record.peer = [9; 32], &["other_peer_key"]),
            (|record| record.range.first = 1, &["other_layers"]),
            (|record| record.stake = 3, &["stake_too_low"]),
            (|record| record.status = WorkerStatus::Jailed, &["jailed"]),
            (
                |record| {
                    record.addresses =
                        vec![b"/ip4/1.2.3.4/tcp/5".to_vec().try_into().expect("short")]
                            .try_into()
                            .expect("few")
                },
                &["other_addresses"],
            ),
            (|record| record.list_price_per_layer_token = 11, &["other_price"]),
            (|record| record.cost_us_per_layer_token = 51, &["other_cost"]),
        ];
        for (change, expected) in cases {
            let mut changed = record.clone();
            change(&mut changed);
            assert_eq!(codes(Some(&changed), &own), expected);
        }
    }
}

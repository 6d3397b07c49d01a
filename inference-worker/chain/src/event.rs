//! Events from the chain as names, bytes and, where this crate knows them, types.

use codec::{Decode, DecodeAll};
use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32, LaneId, LayerRange, ModelId};

use crate::AccountId;

/// One event of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainEvent {
    /// Index of the extrinsic that caused it; nothing for events of the block itself.
    pub extrinsic: Option<u32>,
    /// Name of the pallet.
    pub pallet: String,
    /// Name of the event.
    pub name: String,
    /// SCALE bytes of its fields.
    pub fields: Vec<u8>,
    /// The fields, if this crate knows the event.
    pub event: Option<MicaEvent>,
}

/// The events that payers and workers live by. Fields mean what the pallets' events of the same
/// name say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the pallets document each event and field once")]
pub enum MicaEvent {
    ModelRegistered {
        model: ModelId,
        owner: AccountId,
    },
    ModelRemoved {
        model: ModelId,
    },
    WorkerRegistered {
        worker: AccountId,
        model: ModelId,
        range: LayerRange,
    },
    PriceChanged {
        worker: AccountId,
        price: Balance,
    },
    CostChanged {
        worker: AccountId,
        cost_us: u32,
    },
    RangeChanged {
        worker: AccountId,
        from: LayerRange,
        to: LayerRange,
    },
    AddressesChanged {
        worker: AccountId,
    },
    Heartbeat {
        worker: AccountId,
    },
    StakeToppedUp {
        worker: AccountId,
        stake: Balance,
    },
    Unregistered {
        worker: AccountId,
        until: BlockNumber,
    },
    Withdrawn {
        worker: AccountId,
        amount: Balance,
    },
    Slashed {
        worker: AccountId,
        amount: Balance,
        burned: Balance,
        reward: Balance,
        reporter: Option<AccountId>,
    },
    Jailed {
        worker: AccountId,
    },
    Unjailed {
        worker: AccountId,
    },
    Opened {
        channel: ChannelId,
        payer: AccountId,
        payee: AccountId,
        deposit: Balance,
    },
    ToppedUp {
        channel: ChannelId,
        total: Balance,
    },
    Redeemed {
        channel: ChannelId,
        lane: LaneId,
        seq: u64,
        paid: Balance,
        receipts_root: Hash32,
        receipts: u64,
    },
    Unlocked {
        channel: ChannelId,
        lane: LaneId,
        preimage: Hash32,
    },
    BountyPaid {
        channel: ChannelId,
        to: AccountId,
        amount: Balance,
    },
    Shortfall {
        channel: ChannelId,
        lane: LaneId,
        missing: Balance,
    },
    CloseRequested {
        channel: ChannelId,
        ends: BlockNumber,
    },
    Extended {
        channel: ChannelId,
        ends: BlockNumber,
    },
    Closed {
        channel: ChannelId,
        claimed: Balance,
        released: Balance,
    },
    Transfer {
        from: AccountId,
        to: AccountId,
        amount: Balance,
    },
    FeePaid {
        who: AccountId,
        fee: Balance,
        tip: Balance,
    },
}

/// Decodes the fields of a known event; nothing if the event is unknown or has another shape.
pub(crate) fn decode(pallet: &str, name: &str, fields: &[u8]) -> Option<MicaEvent> {
    use MicaEvent as E;
    fn of<T: Decode>(mut fields: &[u8]) -> Option<T> {
        T::decode_all(&mut fields).ok()
    }
    Some(match (pallet, name) {
        ("Registry", "ModelRegistered") => {
            of(fields).map(|(model, owner)| E::ModelRegistered { model, owner })?
        }
        ("Registry", "ModelRemoved") => of(fields).map(|model| E::ModelRemoved { model })?,
        ("Registry", "WorkerRegistered") => {
            of(fields).map(|(worker, model, range)| E::WorkerRegistered { worker, model, range })?
        }
        ("Registry", "PriceChanged") => {
            of(fields).map(|(worker, price)| E::PriceChanged { worker, price })?
        }
        ("Registry", "CostChanged") => {
            of(fields).map(|(worker, cost_us)| E::CostChanged { worker, cost_us })?
        }
        ("Registry", "RangeChanged") => {
            of(fields).map(|(worker, from, to)| E::RangeChanged { worker, from, to })?
        }
        ("Registry", "AddressesChanged") => {
            of(fields).map(|worker| E::AddressesChanged { worker })?
        }
        ("Registry", "Heartbeat") => of(fields).map(|worker| E::Heartbeat { worker })?,
        ("Registry", "StakeToppedUp") => {
            of(fields).map(|(worker, stake)| E::StakeToppedUp { worker, stake })?
        }
        ("Registry", "Unregistered") => {
            of(fields).map(|(worker, until)| E::Unregistered { worker, until })?
        }
        ("Registry", "Withdrawn") => {
            of(fields).map(|(worker, amount)| E::Withdrawn { worker, amount })?
        }
        ("Registry", "Slashed") => {
            of(fields).map(|(worker, amount, burned, reward, reporter)| E::Slashed {
                worker,
                amount,
                burned,
                reward,
                reporter,
            })?
        }
        ("Registry", "Jailed") => of(fields).map(|worker| E::Jailed { worker })?,
        ("Registry", "Unjailed") => of(fields).map(|worker| E::Unjailed { worker })?,
        ("Channels", "Opened") => of(fields).map(|(channel, payer, payee, deposit)| E::Opened {
            channel,
            payer,
            payee,
            deposit,
        })?,
        ("Channels", "ToppedUp") => {
            of(fields).map(|(channel, total)| E::ToppedUp { channel, total })?
        }
        ("Channels", "Redeemed") => {
            of(fields).map(|(channel, lane, seq, paid, receipts_root, receipts)| E::Redeemed {
                channel,
                lane,
                seq,
                paid,
                receipts_root,
                receipts,
            })?
        }
        ("Channels", "Unlocked") => {
            of(fields).map(|(channel, lane, preimage)| E::Unlocked { channel, lane, preimage })?
        }
        ("Channels", "BountyPaid") => {
            of(fields).map(|(channel, to, amount)| E::BountyPaid { channel, to, amount })?
        }
        ("Channels", "Shortfall") => {
            of(fields).map(|(channel, lane, missing)| E::Shortfall { channel, lane, missing })?
        }
        ("Channels", "CloseRequested") => {
            of(fields).map(|(channel, ends)| E::CloseRequested { channel, ends })?
        }
        ("Channels", "Extended") => {
            of(fields).map(|(channel, ends)| E::Extended { channel, ends })?
        }
        ("Channels", "Closed") => of(fields).map(|(channel, claimed, released)| E::Closed {
            channel,
            claimed,
            released,
        })?,
        ("Balances", "Transfer") => {
            of(fields).map(|(from, to, amount)| E::Transfer { from, to, amount })?
        }
        ("TransactionPayment", "TransactionFeePaid") => {
            of(fields).map(|(who, fee, tip)| E::FeePaid { who, fee, tip })?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;

    #[test]
    fn a_redeem_is_read_field_by_field() {
        let fields = (ChannelId([1; 32]), 3u16, 9u64, 77u128, [2u8; 32], 4u64).encode();
        let expected = MicaEvent::Redeemed {
            channel: ChannelId([1; 32]),
            lane: 3,
            seq: 9,
            paid: 77,
            receipts_root: [2; 32],
            receipts: 4,
        };
        assert_eq!(decode("Channels", "Redeemed", &fields), Some(expected));
    }

    #[test]
    fn other_names_and_other_shapes_are_left_as_bytes() {
        let fields = (ChannelId([1; 32]), 3u16, 9u64, 77u128, [2u8; 32], 4u64).encode();
        assert_eq!(decode("Registry", "Redeemed", &fields), None);
        assert_eq!(decode("Channels", "Redeemed", &fields[..fields.len() - 1]), None);
        assert_eq!(decode("Channels", "Redeemed", &[&fields[..], &[0]].concat()), None);
    }
}

//! Calls of the channels.

use mica_primitives::{Balance, ChannelId, ChannelOpening, UNIT};
use mica_runtime::{AccountId, Runtime, RuntimeCall};
use pallet_mica_channels::{ByPayee, Channels};

use super::{
    super::{
        World,
        people::{PAYERS, STRANGER, WORKERS, Who, account, person, who_is},
    },
    Sent, amounts, one_of,
};
use crate::reader::Reader;
use sp_core::Pair;

type Call = pallet_mica_channels::Call<Runtime>;

/// Windows at and beyond the bounds.
const WINDOWS: [u32; 5] = [20, 40, 1_200, 19, 1_201];

fn opening(payer: Who, payee: Who, deposit: Balance, window: u32) -> ChannelOpening<AccountId> {
    let signer = person(payer).hot.public().0;
    ChannelOpening { payee: account(payee), signer, deposit, window }
}

/// Opens a channel.
pub(crate) fn open(payer: Who, payee: Who, deposit: Balance, window: u32) -> RuntimeCall {
    let ChannelOpening { payee, signer, deposit, window } = opening(payer, payee, deposit, window);
    Call::open { payee, signer, deposit, window }.into()
}

/// Closes, as their payee, all channels to `payee`.
pub(crate) fn close_all(payee: Who) -> RuntimeCall {
    let channels = ByPayee::<Runtime>::iter_key_prefix(account(payee));
    let calls = channels.map(|channel| Call::close { channel }.into()).collect();
    pallet_utility::Call::batch_all { calls }.into()
}

/// Payer and payee of a channel, as far as they are people.
fn parties(id: ChannelId) -> Option<(Who, Who)> {
    let channel = Channels::<Runtime>::get(id)?;
    Some((who_is(&channel.payer)?, who_is(&channel.payee)?))
}

/// One that exists, or one that is over.
fn any_channel(world: &World, reader: &mut Reader<'_>) -> ChannelId {
    if reader.below(16) == 0
        && let Some(id) = one_of(world.watch.finished_channels(), reader)
    {
        return id;
    }
    one_of(Channels::<Runtime>::iter_keys(), reader).unwrap_or(ChannelId([0; 32]))
}

fn random_opening(payer: Who, reader: &mut Reader<'_>) -> ChannelOpening<AccountId> {
    let payee = match reader.below(8) {
        0 => amounts::anybody(reader),
        1 => STRANGER,
        _ => reader.pick(&WORKERS),
    };
    let deposit = if reader.below(4) == 0 { amounts::any(reader) } else { UNIT };
    opening(payer, payee, deposit, reader.pick(&WINDOWS))
}

/// The next call of the channels.
pub(crate) fn next(world: &mut World, reader: &mut Reader<'_>) -> Sent {
    let kind = reader.below(16);
    if kind < 2 {
        let payer = reader.pick(&PAYERS);
        let ChannelOpening { payee, signer, deposit, window } = random_opening(payer, reader);
        return (payer, Call::open { payee, signer, deposit, window }.into());
    }
    if kind == 2 {
        let payer = reader.pick(&PAYERS);
        let openings: Vec<_> =
            (0..reader.below(5)).map(|_| random_opening(payer, reader)).collect();
        return (payer, Call::open_many { openings: openings.try_into().expect("few") }.into());
    }
    let id = any_channel(world, reader);
    let (payer, payee) = parties(id).unwrap_or((PAYERS[0], STRANGER));
    let stranger = amounts::anybody(reader);
    match kind {
        3 => {
            let now = Channels::<Runtime>::get(id).map_or(0, |channel| channel.deposit);
            let more = reader.pick(&[0, 1, UNIT, 10 * UNIT]);
            let total = if reader.below(4) == 0 { amounts::any(reader) } else { now + more };
            (reader.pick(&[payer, payer, stranger]), Call::top_up_to { channel: id, total }.into())
        }
        4..=10 => {
            let redeem = world.promises.redeem(id, reader);
            (reader.pick(&[payee, payee, stranger, payer]), Call::redeem { redeem }.into())
        }
        11 | 12 => {
            let who = reader.pick(&[payer, payer, payee, stranger]);
            (who, Call::close { channel: id }.into())
        }
        13 => {
            let by_payee = reader.below(2) == 0;
            let (close, signature) = world.promises.close(id, by_payee, reader);
            let who = if by_payee { payee } else { payer };
            (who, Call::close_cooperatively { close, signature }.into())
        }
        _ => (stranger, Call::finish { channel: id }.into()),
    }
}

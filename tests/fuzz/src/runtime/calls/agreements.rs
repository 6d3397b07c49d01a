//! Calls of the agreements.

use mica_primitives::{
    Agreement, AgreementId, AgreementState, Balance, LayerRange, Progress, Terms, UNIT,
};
use mica_runtime::{AccountId, Clock, Runtime, RuntimeCall};
use pallet_mica_registry::Workers;
use pallet_mica_sla::Agreements;
use sp_core::Pair;
use sp_runtime::traits::BlockNumberProvider;

use super::{
    super::{
        World,
        people::{PAYERS, WORKERS, Who, account, person, who_is},
    },
    Sent, amounts, one_of, registry,
};
use crate::reader::Reader;

type Call = pallet_mica_sla::Call<Runtime>;

fn terms(payer: Who, first: u16, end: u16, tokens: u32) -> Terms {
    Terms {
        model: registry::model(0),
        range: LayerRange { first, end },
        tokens,
        price_per_layer_token: UNIT / 100,
        window: 8,
        start_blocks: 10,
        first_blocks: 2,
        work_blocks: 10,
        signer: person(payer).hot.public().0,
    }
}

/// Proposes work on some layers of the first model.
pub(crate) fn propose(payer: Who, worker: Who, first: u16, end: u16, tokens: u32) -> RuntimeCall {
    Call::propose { worker: account(worker), terms: terms(payer, first, end, tokens) }.into()
}

/// Accepts a proposal.
pub(crate) fn accept(agreement: AgreementId) -> RuntimeCall {
    Call::accept { agreement }.into()
}

fn proposal(reader: &mut Reader<'_>) -> Sent {
    let (payer, worker) = (reader.pick(&PAYERS), reader.pick(&WORKERS));
    let mut terms = terms(payer, 0, 8, u32::from(reader.byte()));
    if let Some(record) = Workers::<Runtime>::get(account(worker)) {
        (terms.model, terms.range) = (record.model, record.range);
    }
    match reader.below(8) {
        0 => terms.range.end += 1,
        1 => terms.window = u32::from(reader.byte()),
        2 => terms.price_per_layer_token = amounts::any(reader),
        3 => terms.start_blocks = reader.pick(&[0, 20, 21, u32::MAX]),
        4 => terms.work_blocks = reader.pick(&[0, 1, 28_800, u32::MAX]),
        5 => terms.model = registry::model(1),
        _ => {}
    }
    (payer, Call::propose { worker: account(worker), terms }.into())
}

/// What the payer says: most often all that was agreed on, in time.
fn progress(
    id: AgreementId,
    agreement: &Agreement<AccountId>,
    reader: &mut Reader<'_>,
) -> Progress {
    let anchor = match agreement.state {
        AgreementState::Working { anchor, .. } => anchor,
        _ => 0,
    };
    let elapsed = Clock::current_block_number().saturating_sub(anchor);
    Progress {
        agreement: if reader.below(16) == 0 { id + 1 } else { id },
        tokens: match reader.below(4) {
            0 => u32::from(reader.byte()),
            1 => agreement.terms.tokens + reader.below(2) as u32,
            _ => agreement.terms.tokens,
        },
        ended: reader.below(4) == 0,
        elapsed_blocks: reader.pick(&[elapsed, 0, 5, u32::MAX]),
        receipts_root: [0; 32],
        receipts: 0,
    }
}

/// The next call of the agreements.
pub(crate) fn next(world: &mut World, reader: &mut Reader<'_>) -> Sent {
    let kind = reader.below(16);
    let id = one_of(Agreements::<Runtime>::iter_keys(), reader);
    let found = id.and_then(|id| Some((id, Agreements::<Runtime>::get(id)?)));
    let Some((id, agreement)) = found.filter(|_| kind > 2) else { return proposal(reader) };
    let people = who_is(&agreement.payer).zip(who_is(&agreement.worker));
    let (payer, worker) = people.unwrap_or((PAYERS[0], WORKERS[0]));
    let stranger = if reader.below(16) == 0 { amounts::anybody(reader) } else { worker };
    let request_hash = [reader.byte() % 2; 32];
    let agreement_id = id;
    match kind {
        3..=5 => (stranger, accept(id)),
        6 => (reader.pick(&[payer, stranger]), Call::cancel { agreement: id }.into()),
        7 | 8 => (payer, Call::request { agreement: agreement_id, request_hash }.into()),
        9 | 10 => (stranger, Call::acknowledge { agreement: agreement_id, request_hash }.into()),
        11 | 12 => {
            let progress = progress(id, &agreement, reader);
            let signature = world.promises.progress(payer, progress, reader);
            (stranger, Call::claim { progress, signature }.into())
        }
        13 | 14 => {
            let progress = (reader.below(2) == 0).then(|| {
                let progress = progress(id, &agreement, reader);
                (progress, world.promises.progress(payer, progress, reader))
            });
            (stranger, Call::dispute { agreement: id, progress }.into())
        }
        _ => (amounts::anybody(reader), Call::settle { agreement: id }.into()),
    }
}

/// The price of `tokens` of an agreement, base units.
pub(crate) fn price(agreement: &Agreement<AccountId>, tokens: u32) -> Balance {
    agreement.terms.price_of(tokens).unwrap_or(Balance::MAX).min(agreement.escrow)
}

//! Calls of staking and of sessions.

use mica_primitives::{Balance, UNIT};
use mica_runtime::{Runtime, RuntimeCall};
use pallet_staking::{RewardDestination, ValidatorPrefs};
use sp_runtime::Perbill;

use super::{
    super::people::{NEWCOMERS, OWNER, STASHES, Who, account, person},
    Sent, amounts,
};
use crate::reader::Reader;

type Call = pallet_staking::Call<Runtime>;

/// Bonds; rewards are bonded too.
pub(crate) fn bond(value: Balance) -> RuntimeCall {
    Call::bond { value, payee: RewardDestination::Staked }.into()
}

/// Begins to take a bond back.
pub(crate) fn unbond(value: Balance) -> RuntimeCall {
    Call::unbond { value }.into()
}

/// Stands for election.
pub(crate) fn validate() -> RuntimeCall {
    Call::validate { prefs: ValidatorPrefs::default() }.into()
}

/// Backs validators.
pub(crate) fn nominate(targets: &[Who]) -> RuntimeCall {
    let targets = targets.iter().map(|who| account(*who).into()).collect();
    Call::nominate { targets }.into()
}

/// Names a validator's session keys.
pub(crate) fn set_keys(who: Who) -> RuntimeCall {
    let (keys, proof) = person(who).session.clone();
    pallet_session::Call::set_keys { keys, proof }.into()
}

fn payee(reader: &mut Reader<'_>) -> RewardDestination<mica_runtime::AccountId> {
    match reader.below(4) {
        0 => RewardDestination::Stash,
        1 => RewardDestination::Account(account(amounts::anybody(reader))),
        2 => RewardDestination::None,
        _ => RewardDestination::Staked,
    }
}

/// The next call of staking.
pub(crate) fn next(reader: &mut Reader<'_>) -> Sent {
    let who = match reader.below(4) {
        0 => OWNER,
        1 => reader.pick(&NEWCOMERS),
        2 => reader.pick(&STASHES),
        _ => amounts::anybody(reader),
    };
    let amount = |reader: &mut Reader<'_>| reader.pick(&[1, UNIT, 10 * UNIT, 1_000 * UNIT]);
    let stash = |reader: &mut Reader<'_>| account(reader.pick(&STASHES));
    let era = u32::from(reader.byte() % 40);
    let call: RuntimeCall = match reader.below(20) {
        0 => bond(if reader.below(2) == 0 { 1_000 * UNIT } else { amounts::any(reader) }),
        1 => Call::bond_extra { max_additional: amounts::any(reader) }.into(),
        2 | 3 => unbond(if reader.below(2) == 0 { amount(reader) } else { amounts::any(reader) }),
        4 => Call::rebond { value: amounts::any(reader) }.into(),
        5 | 6 => {
            Call::withdraw_unbonded { num_slashing_spans: u32::from(reader.byte() % 4) }.into()
        }
        7 => {
            let commission = Perbill::from_percent(u32::from(reader.byte() % 101));
            let prefs = ValidatorPrefs { commission, blocked: reader.below(4) == 0 };
            Call::validate { prefs }.into()
        }
        8 | 9 => nominate(&[reader.pick(&STASHES), reader.pick(&STASHES)]),
        10 => Call::chill {}.into(),
        11 => Call::set_payee { payee: payee(reader) }.into(),
        12 => Call::chill_other { stash: stash(reader) }.into(),
        13 => Call::payout_stakers { validator_stash: stash(reader), era }.into(),
        14 => {
            let validator_stash = stash(reader);
            Call::payout_stakers_by_page { validator_stash, era, page: era % 2 }.into()
        }
        15 => Call::reap_stash { stash: stash(reader), num_slashing_spans: era % 3 }.into(),
        16 => Call::kick { who: vec![account(amounts::anybody(reader)).into()] }.into(),
        17 => pallet_session::Call::purge_keys {}.into(),
        // Mostly the sender's own keys.
        18 => set_keys(if reader.below(4) == 0 { reader.pick(&STASHES) } else { who }),
        _ => validate(),
    };
    (who, call)
}

//! Calls of those who decide: referenda, votes, the pause, and root on a chain for tests.
//!
//! Root is given nothing by which it could take an account's money or make some: whatever else it
//! decides, money is accounted for as always.

use codec::Encode;
use frame_support::traits::{Bounded, schedule::DispatchTime};
use frame_system::RawOrigin;
use mica_primitives::UNIT;
use mica_runtime::{OriginCaller, Runtime, RuntimeCall, System, origins::Origin};
use pallet_conviction_voting::{AccountVote, Conviction, Vote};

use super::{
    super::people::{OWNER, PAYERS, PROXY, SUDO, Who, account},
    Sent, amounts,
};
use crate::reader::Reader;

/// Who has enough to decide something.
const VOTERS: [Who; 6] = [0, 1, 2, 3, 4, 5];

type Referenda = pallet_referenda::Call<Runtime>;
type Voting = pallet_conviction_voting::Call<Runtime>;
type SafeMode = pallet_safe_mode::Call<Runtime>;

/// What may be decided.
fn decision(reader: &mut Reader<'_>) -> RuntimeCall {
    let best = System::block_number();
    match reader.below(16) {
        0 | 1 => SafeMode::force_enter {}.into(),
        2 => SafeMode::force_extend {}.into(),
        3 | 4 => SafeMode::force_exit {}.into(),
        5 => {
            let (account, block) = deposit(reader);
            SafeMode::force_slash_deposit { account, block }.into()
        }
        6 => {
            let (account, block) = deposit(reader);
            SafeMode::force_release_deposit { account, block }.into()
        }
        7 | 8 => {
            let last_final = best.saturating_sub(u32::from(reader.byte()));
            let delay = u32::from(reader.byte() % 4);
            pallet_mica_clock::Call::recover_finality { delay, last_final }.into()
        }
        9 => {
            let beneficiary = account(amounts::anybody(reader)).into();
            pallet_treasury::Call::spend_local { amount: amounts::any(reader), beneficiary }.into()
        }
        10 => pallet_staking::Call::force_new_era {}.into(),
        11 => pallet_staking::Call::set_validator_count { new: reader.below(8) as u32 }.into(),
        12 => Referenda::cancel { index: last_referendum(reader) }.into(),
        13 => Referenda::kill { index: last_referendum(reader) }.into(),
        _ => frame_system::Call::remark_with_event { remark: vec![reader.byte()] }.into(),
    }
}

/// A deposit for safe mode, if there is any.
fn deposit(reader: &mut Reader<'_>) -> (mica_runtime::AccountId, u32) {
    let deposits = pallet_safe_mode::Deposits::<Runtime>::iter_keys();
    super::one_of(deposits, reader).unwrap_or((account(0), 1))
}

fn last_referendum(reader: &mut Reader<'_>) -> u32 {
    let count = pallet_referenda::ReferendumCount::<Runtime>::get();
    count.saturating_sub(1 + reader.below(3) as u32)
}

fn referendum(reader: &mut Reader<'_>) -> RuntimeCall {
    let origin: OriginCaller = match reader.below(4) {
        0 => RawOrigin::Root.into(),
        1 => Origin::Treasurer.into(),
        _ => Origin::Safety.into(),
    };
    let bytes = decision(reader).encode();
    let proposal = Bounded::Inline(bytes.try_into().expect("decisions are short"));
    Referenda::submit {
        proposal_origin: Box::new(origin),
        proposal,
        enactment_moment: DispatchTime::After(u32::from(reader.byte() % 4)),
    }
    .into()
}

fn vote(reader: &mut Reader<'_>) -> RuntimeCall {
    let convictions =
        [Conviction::None, Conviction::Locked1x, Conviction::Locked2x, Conviction::Locked6x];
    let conviction = reader.pick(&convictions);
    let vote = Vote { aye: reader.below(8) != 0, conviction };
    let balance = reader.pick(&[900_000 * UNIT, 500_000 * UNIT, UNIT]);
    let vote = AccountVote::Standard { vote, balance };
    Voting::vote { poll_index: last_referendum(reader), vote }.into()
}

/// The next call of those who decide.
pub(crate) fn next(reader: &mut Reader<'_>) -> Sent {
    let who = reader.pick(&VOTERS);
    let index = last_referendum(reader);
    let call: RuntimeCall = match reader.below(20) {
        0..=2 => {
            let call = Box::new(decision(reader));
            let sender = if reader.below(8) == 0 { who } else { SUDO };
            return (sender, pallet_sudo::Call::sudo { call }.into());
        }
        3 | 4 => referendum(reader),
        5 | 6 => Referenda::place_decision_deposit { index }.into(),
        7 => Referenda::refund_decision_deposit { index }.into(),
        8 => Referenda::refund_submission_deposit { index }.into(),
        9..=12 => vote(reader),
        13 => Voting::remove_vote { class: None, index }.into(),
        14 => Voting::unlock { class: reader.below(3) as u16, target: account(who).into() }.into(),
        15 => {
            let (class, to) = (reader.below(3) as u16, account(reader.pick(&VOTERS)).into());
            Voting::delegate { class, to, conviction: Conviction::Locked1x, balance: UNIT }.into()
        }
        16 => return (reader.pick(&[OWNER, PAYERS[0]]), SafeMode::enter {}.into()),
        17 => return (reader.pick(&[OWNER, PAYERS[0]]), SafeMode::extend {}.into()),
        18 => {
            let (account, block) = deposit(reader);
            return (PROXY, SafeMode::release_deposit { account, block }.into());
        }
        _ => {
            let bytes = vec![reader.byte()];
            pallet_preimage::Call::note_preimage { bytes }.into()
        }
    };
    (who, call)
}

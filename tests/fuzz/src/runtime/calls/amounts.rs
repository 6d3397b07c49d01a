//! Amounts of money, and calls that move it from one account to another.

use mica_primitives::{Balance, UNIT};
use mica_runtime::{
    Runtime, RuntimeCall,
    constants::{EXISTENTIAL_DEPOSIT, MILLI},
};

use super::{
    super::people::{COUNT, Who, account},
    Sent,
};
use crate::reader::Reader;

type Call = pallet_balances::Call<Runtime>;

/// Where rules change, and what is usual.
const SCALES: [Balance; 14] = [
    0,
    1,
    EXISTENTIAL_DEPOSIT - 1,
    EXISTENTIAL_DEPOSIT,
    10 * MILLI,
    100 * MILLI,
    UNIT,
    10 * UNIT,
    80 * UNIT,
    1_000 * UNIT,
    100_000 * UNIT,
    600_000 * UNIT,
    u64::MAX as Balance,
    Balance::MAX,
];

/// An amount of any size.
pub(crate) fn any(reader: &mut Reader<'_>) -> Balance {
    let byte = usize::from(reader.byte());
    SCALES[byte % SCALES.len()].saturating_mul(1 + (byte / SCALES.len() % 4) as Balance)
}

/// One that most accounts have.
pub(crate) fn usual(reader: &mut Reader<'_>) -> Balance {
    UNIT / 100 * (1 + Balance::from(reader.byte()))
}

/// Anybody.
pub(crate) fn anybody(reader: &mut Reader<'_>) -> Who {
    reader.below(COUNT)
}

/// Keeps the sender's account alive.
pub(crate) fn transfer(to: Who, value: Balance) -> RuntimeCall {
    Call::transfer_keep_alive { dest: account(to).into(), value }.into()
}

/// The next call that moves money, or fills a block.
pub(crate) fn next(reader: &mut Reader<'_>) -> Sent {
    let (from, to) = (anybody(reader), anybody(reader));
    let dest = || account(to).into();
    let call: RuntimeCall = match reader.below(8) {
        0 | 1 => Call::transfer_allow_death { dest: dest(), value: any(reader) }.into(),
        2 | 3 => Call::transfer_keep_alive { dest: dest(), value: usual(reader) }.into(),
        4 => Call::transfer_all { dest: dest(), keep_alive: reader.below(2) == 0 }.into(),
        5 => Call::burn { value: usual(reader), keep_alive: true }.into(),
        6 => Call::upgrade_accounts { who: vec![account(to)] }.into(),
        _ => {
            let remark = vec![0; 8_192 * usize::from(reader.byte())];
            frame_system::Call::remark { remark }.into()
        }
    };
    (from, call)
}

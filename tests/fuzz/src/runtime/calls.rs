//! Calls out of an input's bytes: mostly such that make sense in the state as it is, and others.

pub(crate) mod agreements;
pub(crate) mod amounts;
pub(crate) mod beats;
pub(crate) mod channels;
pub(crate) mod governance;
pub(crate) mod promises;
pub(crate) mod registry;
pub(crate) mod staking;
pub(crate) mod wrapped;

use mica_runtime::RuntimeCall;

use super::{World, people::Who};
use crate::reader::Reader;

/// A call, and who sends it.
pub(crate) type Sent = (Who, RuntimeCall);

/// The next call of the input.
pub(crate) fn next(world: &mut World, reader: &mut Reader<'_>) -> Sent {
    match reader.below(16) {
        0..=2 => registry::next(reader),
        3..=7 => channels::next(world, reader),
        8..=10 => agreements::next(world, reader),
        11 | 12 => staking::next(reader),
        13 => amounts::next(reader),
        14 => governance::next(reader),
        _ => wrapped::next(world, reader),
    }
}

/// One of `keys`, if there is any.
fn one_of<K: Ord>(keys: impl Iterator<Item = K>, reader: &mut Reader<'_>) -> Option<K> {
    // Storage lists its keys by their hashes; inputs shall mean the same whatever those are.
    let mut keys: Vec<K> = keys.collect();
    keys.sort();
    let at = reader.below(keys.len().clamp(1, 256));
    (at < keys.len()).then(|| keys.swap_remove(at))
}

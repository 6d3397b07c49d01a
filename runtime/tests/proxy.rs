//! Who may make which call through a proxy: every call of the runtime, by name.
//!
//! The filter itself (`src/configs/proxy.rs`) has no catch-all, so that a new extrinsic does not
//! compile without a class. Here the classes are held to a table that a reader can check.

use std::collections::{BTreeMap, BTreeSet};

use codec::Decode;
use frame_support::traits::{GetCallMetadata, InstanceFilter};
use mica_runtime::{RuntimeCall, configs::proxy::ProxyType};

/// What a worker's proxy may do.
const WORKER: [&str; 11] = [
    "Channels.close",
    "Channels.redeem",
    "Registry.heartbeat",
    "Registry.set_addresses",
    "Registry.set_cost",
    "Registry.set_price",
    "Registry.set_range",
    "Sla.accept",
    "Sla.claim",
    "Sla.complete",
    "Utility.batch_all",
];

/// What else can be done in the market and with batches, which a worker's proxy may not do.
const OWNER: [&str; 23] = [
    "Channels.close_cooperatively",
    "Channels.finish",
    "Channels.open",
    "Channels.open_many",
    "Channels.top_up_to",
    "Registry.register",
    "Registry.register_model",
    "Registry.remove_model",
    "Registry.top_up_stake",
    "Registry.unregister",
    "Registry.withdraw",
    "Sla.acknowledge",
    "Sla.cancel",
    "Sla.object",
    "Sla.propose",
    "Sla.settle",
    "Utility.as_derivative",
    "Utility.batch",
    "Utility.dispatch_as",
    "Utility.dispatch_as_fallible",
    "Utility.force_batch",
    "Utility.if_else",
    "Utility.with_weight",
];

/// Pallets of which all calls are of one kind.
const TRANSFER: [&str; 1] = ["Balances"];
const STAKING: [&str; 2] = ["Session", "Staking"];
const SYSTEM: [&str; 7] = ["Babe", "Clock", "Grandpa", "Proxy", "System", "Timestamp", "VoterList"];

/// Longest call that is decoded here.
const BYTES: usize = 4096;

/// An instance of every call, by the names of its pallet and its own. Its arguments are made of
/// nothing but zeros, or of ones where zeros are no arguments.
fn calls() -> BTreeMap<String, RuntimeCall> {
    let mut calls = BTreeMap::new();
    let indices = (0..=u8::MAX).flat_map(|pallet| (0..=u8::MAX).map(move |call| [pallet, call]));
    for (index, argument) in indices.flat_map(|index| [(index, 1), (index, 0)]) {
        let mut bytes = [argument; BYTES];
        bytes[..2].copy_from_slice(&index);
        if let Ok(call) = RuntimeCall::decode(&mut &bytes[..]) {
            let names = call.get_call_metadata();
            calls.insert(format!("{}.{}", names.pallet_name, names.function_name), call);
        }
    }
    calls
}

#[test]
fn every_call_can_be_made_here() {
    let all = RuntimeCall::get_module_names().iter().flat_map(|pallet| {
        let names = RuntimeCall::get_call_names(pallet).iter();
        names.map(move |name| format!("{pallet}.{name}"))
    });
    let made: BTreeSet<String> = calls().into_keys().collect();
    assert_eq!(made, all.collect(), "calls that are not made here (right only): see `calls`");
}

#[test]
fn every_proxy_may_do_what_the_table_says_and_nothing_else() {
    let mut known = 0;
    for (name, call) in calls() {
        let pallet = name.split('.').next().expect("a pallet");
        let in_pallets = |pallets: &[&str]| pallets.contains(&pallet);
        let [worker, owner] = [&WORKER[..], &OWNER].map(|names| names.contains(&name.as_str()));
        let (transfer, staking) = (in_pallets(&TRANSFER), in_pallets(&STAKING));
        let classes = [worker, owner, transfer, staking, in_pallets(&SYSTEM)];
        assert_eq!(
            classes.into_iter().filter(|is_in| *is_in).count(),
            1,
            "{name} must be in exactly one list of {}",
            file!()
        );
        known += usize::from(worker) + usize::from(owner);
        let may = |proxy: ProxyType| proxy.filter(&call);
        assert!(may(ProxyType::Any), "{name}");
        assert_eq!(may(ProxyType::NonTransfer), !transfer, "{name}: NonTransfer");
        assert_eq!(may(ProxyType::Staking), staking, "{name}: Staking");
        assert_eq!(may(ProxyType::Worker), worker, "{name}: Worker");
    }
    assert_eq!(known, WORKER.len() + OWNER.len(), "the lists name calls that do not exist");
}

#[test]
fn no_proxy_hands_on_more_than_it_may_do() {
    let proxies = [ProxyType::Any, ProxyType::NonTransfer, ProxyType::Staking, ProxyType::Worker];
    for (wide, narrow) in proxies.iter().flat_map(|w| proxies.iter().map(move |n| (w, n))) {
        if wide.is_superset(narrow) {
            for (name, call) in calls() {
                assert!(!narrow.filter(&call) || wide.filter(&call), "{wide:?} {narrow:?} {name}");
            }
        }
    }
}

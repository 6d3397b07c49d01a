//! Who may make which call through a proxy: every call of the runtime, by name.
//!
//! The filter itself (`src/configs/proxy.rs`) has no catch-all over our own pallets, so that a new
//! extrinsic does not compile without a decision. Here it is held to a table that a reader can
//! check.

use std::collections::{BTreeMap, BTreeSet};

use codec::{Decode, Encode};
use frame_support::traits::{GetCallMetadata, InstanceFilter};
use mica_runtime::{
    RuntimeCall,
    configs::proxy::ProxyType::{
        self, Any, Governance, NonTransfer, Staking, Worker, WorkerWithAgreements,
    },
};

/// Calls, by the kinds of proxies that may make them besides `Any`. What is in no row is the
/// account's own.
const ALLOWED: [(&[ProxyType], &[&str]); 9] = [
    (
        &[NonTransfer, Worker, WorkerWithAgreements],
        &[
            "Registry.heartbeat",
            "Registry.set_addresses",
            "Registry.set_cost",
            "Registry.set_price",
            "Registry.set_range",
            "Registry.unjail",
        ],
    ),
    (
        &[Worker, WorkerWithAgreements],
        &["Channels.close", "Channels.redeem", "Sla.acknowledge", "Sla.claim"],
    ),
    (&[WorkerWithAgreements], &["Sla.accept", "Sla.dispute"]),
    (&[NonTransfer], &["Channels.finish", "Sla.cancel", "Sla.settle"]),
    (
        &[NonTransfer, Staking],
        &[
            "Staking.chill",
            "Staking.payout_stakers",
            "Staking.payout_stakers_by_page",
            "Staking.rebond",
            "Staking.unbond",
            "Staking.withdraw_unbonded",
        ],
    ),
    (
        &[Staking],
        &[
            "Session.purge_keys",
            "Session.set_keys",
            "Staking.bond",
            "Staking.bond_extra",
            "Staking.kick",
            "Staking.nominate",
            "Staking.set_payee",
            "Staking.update_payee",
            "Staking.validate",
        ],
    ),
    (
        &[NonTransfer, Governance],
        &[
            "ConvictionVoting.remove_other_vote",
            "ConvictionVoting.remove_vote",
            "ConvictionVoting.undelegate",
            "ConvictionVoting.unlock",
            "ConvictionVoting.vote",
        ],
    ),
    (
        &[Governance],
        &[
            "ConvictionVoting.delegate",
            "Preimage.note_preimage",
            "Preimage.unnote_preimage",
            "Referenda.place_decision_deposit",
            "Referenda.refund_decision_deposit",
            "Referenda.refund_submission_deposit",
            "Referenda.submit",
        ],
    ),
    (
        &[NonTransfer, Staking, Worker, WorkerWithAgreements, Governance],
        &["Utility.batch", "Utility.batch_all", "Utility.force_batch"],
    ),
];

/// All kinds.
const KINDS: [ProxyType; 6] = [Any, NonTransfer, Staking, Worker, WorkerWithAgreements, Governance];

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
    let calls = calls();
    for (_, names) in ALLOWED {
        for name in names {
            assert!(calls.contains_key(*name), "the table names {name}, and there is no such call");
        }
    }
    for (name, call) in calls {
        let rows = ALLOWED.iter().filter(|(_, names)| names.contains(&name.as_str()));
        let rows: Vec<_> = rows.map(|(kinds, _)| kinds).collect();
        assert!(rows.len() <= 1, "{name} is in two rows");
        for kind in KINDS {
            let allowed = kind == Any || rows.iter().any(|kinds| kinds.contains(&kind));
            assert_eq!(kind.filter(&call), allowed, "{name}: {kind:?}");
        }
    }
}

#[test]
fn no_proxy_hands_on_more_than_it_may_do() {
    for (wide, narrow) in KINDS.iter().flat_map(|w| KINDS.iter().map(move |n| (w, n))) {
        if wide.is_superset(narrow) {
            for (name, call) in calls() {
                assert!(!narrow.filter(&call) || wide.filter(&call), "{wide:?} {narrow:?} {name}");
            }
        }
    }
}

#[test]
fn programs_name_kinds_by_numbers_that_stay() {
    for (number, kind) in (0u8..).zip(KINDS) {
        assert_eq!(kind.encode(), [number]);
    }
}

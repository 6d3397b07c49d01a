//! Calls inside other calls: batches, proxies, derivatives, multisigs; and in whose name they act.

use std::collections::BTreeSet;

use mica_runtime::{AccountId, Multisig, Runtime, RuntimeCall, configs::proxy::ProxyType};
use pallet_multisig::Call as MultisigCall;
use pallet_proxy::{Call as ProxyCall, Proxies};
use pallet_sudo::Call as SudoCall;
use pallet_utility::{Call as UtilityCall, derivative_account_id};

use super::{
    super::{
        World,
        people::{COUNT, OWNER, PAYERS, PROXY, SUDO, WORKERS, Who, account},
    },
    Sent, amounts,
};
use crate::reader::Reader;

/// Every kind of proxy.
const KINDS: [ProxyType; 6] = [
    ProxyType::Any,
    ProxyType::NonTransfer,
    ProxyType::Staking,
    ProxyType::Worker,
    ProxyType::WorkerWithAgreements,
    ProxyType::Governance,
];

fn add_proxy(kind: ProxyType, delay: u32) -> RuntimeCall {
    ProxyCall::add_proxy { delegate: account(PROXY).into(), proxy_type: kind, delay }.into()
}

/// The hot account becomes everybody's proxy, each of another kind.
pub(crate) fn proxies() -> Vec<Sent> {
    vec![
        (OWNER, add_proxy(ProxyType::NonTransfer, 0)),
        (WORKERS[0], add_proxy(ProxyType::Worker, 0)),
        (WORKERS[2], add_proxy(ProxyType::WorkerWithAgreements, 0)),
        (PAYERS[1], add_proxy(ProxyType::Any, 0)),
        (PAYERS[0], add_proxy(ProxyType::NonTransfer, 0)),
    ]
}

/// The next wrapped call. What is inside is the input's next calls, of whomever.
pub(crate) fn next(world: &mut World, reader: &mut Reader<'_>) -> Sent {
    let kind = reader.below(12);
    if kind < 2 {
        let call = if reader.below(4) == 0 {
            let delegate = account(PROXY).into();
            ProxyCall::remove_proxy { delegate, proxy_type: reader.pick(&KINDS), delay: 0 }.into()
        } else {
            add_proxy(reader.pick(&KINDS), reader.below(2) as u32)
        };
        return (amounts::anybody(reader), call);
    }
    if world.depth > 2 {
        return amounts::next(reader);
    }
    world.depth += 1;
    let (who, call) = super::next(world, reader);
    let sent = match kind {
        2..=5 => {
            let force_proxy_type = (reader.below(2) == 0).then(|| reader.pick(&KINDS));
            let (real, call) = (account(who).into(), Box::new(call));
            (PROXY, ProxyCall::proxy { real, force_proxy_type, call }.into())
        }
        6..=8 => {
            let mut calls = vec![call];
            calls.extend((0..reader.below(3)).map(|_| super::next(world, reader).1));
            let call: RuntimeCall = match reader.below(3) {
                0 => UtilityCall::batch { calls }.into(),
                1 => UtilityCall::batch_all { calls }.into(),
                _ => UtilityCall::force_batch { calls }.into(),
            };
            (who, call)
        }
        9 => (who, UtilityCall::as_derivative { index: 1, call: Box::new(call) }.into()),
        10 => {
            let others = others(who, reader);
            (
                who,
                MultisigCall::as_multi_threshold_1 {
                    other_signatories: others,
                    call: Box::new(call),
                }
                .into(),
            )
        }
        _ => (SUDO, SudoCall::sudo_as { who: account(who).into(), call: Box::new(call) }.into()),
    };
    world.depth -= 1;
    sent
}

fn others(who: Who, reader: &mut Reader<'_>) -> Vec<AccountId> {
    vec![account((who + 1 + reader.below(COUNT - 1)) % COUNT)]
}

/// Collects the accounts in whose name `call` may do everything if `who` sends it. A proxy of a
/// limited kind does not speak in its principal's name.
pub(crate) fn principals(call: &RuntimeCall, who: &AccountId, names: &mut BTreeSet<AccountId>) {
    names.insert(who.clone());
    match call {
        RuntimeCall::Utility(
            UtilityCall::batch { calls }
            | UtilityCall::batch_all { calls }
            | UtilityCall::force_batch { calls },
        ) => calls.iter().for_each(|call| principals(call, who, names)),
        RuntimeCall::Utility(UtilityCall::as_derivative { index, call }) => {
            principals(call, &derivative_account_id(who.clone(), *index), names);
        }
        RuntimeCall::Proxy(ProxyCall::proxy { real, call, .. }) => {
            let real = id(real);
            let (proxies, _) = Proxies::<Runtime>::get(&real);
            let is_any = |kind: ProxyType| kind == ProxyType::Any;
            if proxies.iter().any(|proxy| proxy.delegate == *who && is_any(proxy.proxy_type)) {
                principals(call, &real, names);
            }
        }
        RuntimeCall::Multisig(MultisigCall::as_multi_threshold_1 { other_signatories, call }) => {
            let mut all = other_signatories.clone();
            all.push(who.clone());
            all.sort();
            principals(call, &Multisig::multi_account_id(&all, 1), names);
        }
        RuntimeCall::Sudo(SudoCall::sudo_as { who, call }) => principals(call, &id(who), names),
        _ => {}
    }
}

fn id(address: &mica_runtime::Address) -> AccountId {
    match address {
        sp_runtime::MultiAddress::Id(account) => account.clone(),
        _ => AccountId::new([0; 32]),
    }
}

//! Who decides, what a pause lets through, and what a proxy cannot take, over whole blocks of the
//! composed runtime.

use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    traits::{Bounded, ValidatorSetWithIdentification, fungible::Inspect, schedule::DispatchTime},
};
use mica_primitives::{
    ChannelId, ChannelOpening, Heartbeat, LayerRange, MarketUnits, ModelManifest, PeerClaim,
    Redeem, Terms, UNIT, Voucher,
};
use mica_runtime::{
    AccountId, Balances, BlockNumber, Clock, Historical, Offences, OriginCaller, Proxy, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, SafeMode, Session, Staking, System, Timing,
    UncheckedExtrinsic,
    configs::{proxy::ProxyType, referenda::SAFETY_TRACK},
    constants::{HEARTBEAT_INTERVAL, durations::PUBLIC},
    genesis::{
        DEV_ENDOWMENT,
        staging::{Staging, StagingAccount, StagingError, StagingValidator, patch},
    },
    origins::Origin,
};
use pallet_conviction_voting::{AccountVote, Conviction, Vote};
use sp_core::Pair;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{self, Alice, Bob, Charlie, Dave, Eve, Ferdie},
};
use sp_runtime::{
    DispatchError, DispatchResult,
    traits::{BlockNumberProvider, Convert, Hash as _},
};
use sp_staking::offence::ReportOffence;

mod chain;
use chain::{genesis_from, genesis_of, make_block, signed};

/// Makes the next block with `calls`, each signed by its sender; returns what each came to.
fn block(calls: Vec<(Sr25519Keyring, RuntimeCall)>) -> Vec<DispatchResult> {
    let number = System::block_number() + 1;
    let mut sent = std::collections::BTreeMap::<AccountId, u32>::new();
    let mut transactions = Vec::new();
    for (who, call) in calls {
        let ours = sent.entry(who.to_account_id()).or_default();
        let nonce = System::account_nonce(who.to_account_id()) + *ours;
        *ours += 1;
        transactions.push(signed(who, nonce, call));
    }
    let results = make_block(number, number % 4, 0, transactions);
    results.into_iter().map(|result| result.expect("valid")).collect()
}

/// The same with one call.
fn one(who: Sr25519Keyring, call: RuntimeCall) -> DispatchResult {
    block(vec![(who, call)])[0]
}

/// Makes empty blocks until `done`, at most `most`.
fn blocks_until(most: BlockNumber, what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..most {
        if done() {
            return;
        }
        block(vec![]);
    }
    panic!("{what}: not after {most} blocks");
}

fn local(test: impl FnOnce()) {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        test();
    });
}

fn transfer(to: Sr25519Keyring, value: u128) -> RuntimeCall {
    let dest = to.to_account_id().into();
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest, value })
}

fn filtered() -> DispatchError {
    frame_system::Error::<Runtime>::CallFiltered.into()
}

/// What makes `call` with `origin` the referendum `index`.
fn propose(
    index: u32,
    origin: impl Into<OriginCaller>,
    call: &RuntimeCall,
) -> Vec<(Sr25519Keyring, RuntimeCall)> {
    let proposal = Bounded::Inline(call.encode().try_into().expect("short"));
    let propose = RuntimeCall::Referenda(pallet_referenda::Call::submit {
        proposal_origin: Box::new(origin.into()),
        proposal,
        enactment_moment: DispatchTime::After(0),
    });
    let deposit = RuntimeCall::Referenda(pallet_referenda::Call::place_decision_deposit { index });
    vec![(Eve, propose), (Eve, deposit)]
}

/// Proposes `call` with `origin` as the next referendum, and has four of six accounts vote for it.
fn vote_for(origin: impl Into<OriginCaller>, call: &RuntimeCall) {
    let index = pallet_referenda::ReferendumCount::<Runtime>::get();
    let mut calls = propose(index, origin, call);
    for voter in [Alice, Bob, Charlie, Dave] {
        let vote = AccountVote::Standard {
            vote: Vote { aye: true, conviction: Conviction::Locked1x },
            balance: DEV_ENDOWMENT * 9 / 10,
        };
        let vote = pallet_conviction_voting::Call::vote { poll_index: index, vote };
        calls.push((voter, RuntimeCall::ConvictionVoting(vote)));
    }
    for result in block(calls) {
        assert_ok!(result);
    }
}

#[test]
fn a_referendum_for_safety_pauses_the_chain_and_it_ends_by_itself() {
    local(|| {
        let pause = RuntimeCall::SafeMode(pallet_safe_mode::Call::force_enter {});
        // Who has not been asked cannot.
        assert_eq!(one(Alice, pause.clone()), Err(DispatchError::BadOrigin));
        vote_for(Origin::Safety, &pause);
        blocks_until(12, "the pause", SafeMode::is_entered);
        assert_eq!(one(Ferdie, transfer(Bob, UNIT)), Err(filtered()));
        let until = pallet_safe_mode::EnteredUntil::<Runtime>::get().expect("it has an end");
        blocks_until(until, "the end of the pause", || !SafeMode::is_entered());
        assert_ok!(one(Ferdie, transfer(Bob, UNIT)));
    });
}

#[test]
fn referenda_that_nobody_wants_keep_no_pause_waiting() {
    local(|| {
        let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        for index in 0..16 {
            for result in block(propose(index, Origin::Safety, &remark)) {
                assert_ok!(result);
            }
        }
        assert!(pallet_referenda::DecidingCount::<Runtime>::get(SAFETY_TRACK) > 8);
        vote_for(Origin::Safety, &RuntimeCall::SafeMode(pallet_safe_mode::Call::force_enter {}));
        blocks_until(12, "the pause", SafeMode::is_entered);
    });
}

#[test]
fn on_a_public_network_a_slash_waits_and_root_can_cancel_it() {
    type Identify = <Historical as ValidatorSetWithIdentification<AccountId>>::IdentificationOf;
    genesis_from(patch(staging()).expect("in order")).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let stash = Session::validators()[1].clone();
        let offender = (stash.clone(), Identify::convert(stash.clone()).expect("in the set"));
        let idle = pallet_mica_seats::Idle {
            session: 0,
            validator_count: 4,
            together: 1,
            offenders: vec![offender],
        };
        assert_ok!(Offences::report_offence(vec![], idle));
        let era = PUBLIC.slash_defer_eras + 1;
        let waiting = || pallet_staking::UnappliedSlashes::<Runtime>::get(era).len();
        assert_eq!(waiting(), 1);
        let active = || Staking::ledger(stash.clone().into()).expect("bonded").active;
        assert_eq!(active(), 2_000 * UNIT);
        assert_noop!(
            Staking::cancel_deferred_slash(RuntimeOrigin::signed(stash.clone()), era, vec![0]),
            DispatchError::BadOrigin
        );
        assert_ok!(Staking::cancel_deferred_slash(RuntimeOrigin::root(), era, vec![0]));
        assert_eq!((waiting(), active()), (0, 2_000 * UNIT));
    });
}

#[test]
fn a_referendum_that_too_few_vote_for_changes_nothing() {
    local(|| {
        let pause = RuntimeCall::SafeMode(pallet_safe_mode::Call::force_enter {});
        let proposal = Bounded::Inline(pause.encode().try_into().expect("short"));
        let propose = RuntimeCall::Referenda(pallet_referenda::Call::submit {
            proposal_origin: Box::new(Origin::Safety.into()),
            proposal,
            enactment_moment: DispatchTime::After(0),
        });
        let deposit = pallet_referenda::Call::place_decision_deposit { index: 0 };
        let vote = pallet_conviction_voting::Call::vote {
            poll_index: 0,
            // A seventh of all money, with the longest lock.
            vote: AccountVote::Standard {
                vote: Vote { aye: true, conviction: Conviction::Locked6x },
                balance: DEV_ENDOWMENT * 9 / 10,
            },
        };
        let calls = vec![
            (Eve, propose),
            (Eve, RuntimeCall::Referenda(deposit)),
            (Alice, RuntimeCall::ConvictionVoting(vote)),
        ];
        for result in block(calls) {
            assert_ok!(result);
        }
        for _ in 0..130 {
            block(vec![]);
            assert!(!SafeMode::is_entered());
        }
        let info = pallet_referenda::ReferendumInfoFor::<Runtime>::get(0).expect("known");
        assert!(matches!(info, pallet_referenda::ReferendumInfo::Rejected(..)), "{info:?}");
    });
}

#[test]
fn a_referendum_of_root_upgrades_the_runtime() {
    local(|| {
        let code = b"a runtime of tomorrow".to_vec();
        let code_hash = <Runtime as frame_system::Config>::Hashing::hash(&code);
        let apply = |code: &[u8]| {
            let code = code.to_vec();
            RuntimeCall::System(frame_system::Call::apply_authorized_upgrade { code })
        };
        let set_code = RuntimeCall::System(frame_system::Call::set_code { code: code.clone() });
        assert_eq!(one(Alice, set_code), Err(DispatchError::BadOrigin));
        // Checks of a real blob need a node; what is tried here is who may.
        let authorize =
            RuntimeCall::System(frame_system::Call::authorize_upgrade_without_checks { code_hash });
        // The wrong origin authorizes nothing, however many vote for it.
        vote_for(Origin::Treasurer, &authorize);
        vote_for(frame_system::RawOrigin::<AccountId>::Root, &authorize);
        blocks_until(30, "the authorization", || System::authorized_upgrade().is_some());
        assert!(one(Ferdie, apply(b"another runtime")).is_err());
        assert_ok!(one(Ferdie, apply(&code)));
        let stored =
            frame_support::storage::unhashed::get_raw(sp_core::storage::well_known_keys::CODE);
        assert_eq!(stored, Some(code));
    });
}

#[test]
fn the_treasurer_spends_and_does_nothing_else() {
    local(|| {
        let spend = |amount| {
            RuntimeCall::Treasury(pallet_treasury::Call::spend {
                asset_kind: Box::new(()),
                amount,
                beneficiary: Box::new(Ferdie.to_account_id()),
                valid_from: None,
            })
        };
        vote_for(Origin::Treasurer, &spend(UNIT / 1_000));
        blocks_until(30, "the approval", || pallet_treasury::Spends::<Runtime>::get(0).is_some());
        let before = Balances::balance(&Ferdie.to_account_id());
        let dest = mica_runtime::Treasury::account_id().into();
        let gift = pallet_balances::Call::transfer_keep_alive { dest, value: UNIT };
        assert_ok!(one(Eve, RuntimeCall::Balances(gift)));
        let payout = RuntimeCall::Treasury(pallet_treasury::Call::payout { index: 0 });
        assert_ok!(one(Eve, payout));
        assert_eq!(Balances::balance(&Ferdie.to_account_id()), before + UNIT / 1_000);
        vote_for(Origin::Treasurer, &spend(100_001 * UNIT));
        for _ in 0..20 {
            block(vec![]);
        }
        assert!(pallet_treasury::Spends::<Runtime>::get(1).is_none(), "beyond its limit");
    });
}

fn manifest() -> ModelManifest {
    let text = |text: &str| text.as_bytes().to_vec();
    ModelManifest {
        name: text("tiny").try_into().expect("short"),
        architecture: text("llama").try_into().expect("short"),
        quantisation: text("Q8_0").try_into().expect("short"),
        layers: 4,
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

fn key(of: Ed25519Keyring) -> [u8; 32] {
    of.public().0
}

/// Registers the model, and `who` as the worker of all its layers.
fn register(who: Sr25519Keyring, peer: Ed25519Keyring) {
    let units = MarketUnits { price_unit: 1_000, cost_unit_us: 50 };
    let model = RuntimeCall::Registry(pallet_mica_registry::Call::register_model {
        manifest: manifest(),
        units,
    });
    let claim = PeerClaim { account: who.to_account_id() };
    let proof = peer.sign(&claim.signing_bytes(&System::block_hash(0).0)).0;
    let worker = RuntimeCall::Registry(pallet_mica_registry::Call::register {
        model: manifest().id(),
        range: LayerRange { first: 0, end: 4 },
        cost_us: 20,
        list_price: 900,
        peer: key(peer),
        proof,
        addresses: Default::default(),
        stake: 100 * UNIT,
    });
    for result in block(vec![(who, model), (who, worker)]) {
        assert_ok!(result);
    }
}

fn open(payee: Sr25519Keyring, signer: Ed25519Keyring, deposit: u128) -> RuntimeCall {
    RuntimeCall::Channels(pallet_mica_channels::Call::open {
        payee: payee.to_account_id(),
        signer: key(signer),
        deposit,
        window: 100,
    })
}

/// The first channel from `payer` to `payee`.
fn first_channel(payer: Sr25519Keyring, payee: Sr25519Keyring) -> ChannelId {
    let genesis = System::block_hash(0).0;
    ChannelId::derive(&genesis, &payer.to_account_id(), &payee.to_account_id(), 0)
}

#[test]
fn a_pause_stops_money_but_not_what_was_promised() {
    local(|| {
        register(Dave, Ed25519Keyring::Dave);
        assert_ok!(one(Bob, open(Dave, Ed25519Keyring::Bob, 10 * UNIT)));
        let channel = first_channel(Bob, Dave);
        let sudo = |call| {
            let call = Box::new(RuntimeCall::SafeMode(call));
            RuntimeCall::Sudo(pallet_sudo::Call::sudo { call })
        };
        for _ in 0..HEARTBEAT_INTERVAL {
            block(vec![]);
        }
        assert_ok!(one(Alice, sudo(pallet_safe_mode::Call::force_enter {})));
        assert!(SafeMode::is_entered());

        let batch = RuntimeCall::Utility(pallet_utility::Call::batch_all {
            calls: vec![transfer(Eve, UNIT)],
        });
        for call in [transfer(Eve, UNIT), batch, open(Dave, Ed25519Keyring::Bob, UNIT)] {
            let what = format!("{call:?}");
            assert_eq!(one(Bob, call), Err(filtered()), "{what}");
        }
        let voucher = Voucher {
            channel,
            lane: 0,
            seq: 1,
            cumulative: UNIT,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 10_000,
            tick: None,
            lock: None,
            bounty: 0,
        };
        let signature =
            Ed25519Keyring::Bob.sign(&voucher.signing_bytes(&System::block_hash(0).0)).0;
        let redeem = RuntimeCall::Channels(pallet_mica_channels::Call::redeem {
            redeem: Redeem { voucher, signature, tick: None, preimage: None },
        });
        let before = Balances::balance(&Dave.to_account_id());
        assert_ok!(one(Dave, redeem));
        let at = Clock::current_block_number();
        let beat = Heartbeat { worker: Dave.to_account_id(), at };
        let signature = Ed25519Keyring::Dave.sign(&beat.signing_bytes(&System::block_hash(0).0)).0;
        let call = pallet_mica_registry::Call::heartbeat { beat, signature };
        let beat = UncheckedExtrinsic::new_bare(RuntimeCall::Registry(call));
        let number = System::block_number() + 1;
        for result in make_block(number, number % 4, 0, vec![beat]) {
            assert_ok!(result.expect("valid"));
        }
        assert!(Balances::balance(&Dave.to_account_id()) > before + UNIT * 9 / 10);
        let close = RuntimeCall::Channels(pallet_mica_channels::Call::close { channel });
        assert_ok!(one(Dave, close));

        assert_ok!(one(Alice, sudo(pallet_safe_mode::Call::force_exit {})));
        assert_ok!(one(Bob, transfer(Eve, UNIT)));
    });
}

#[test]
fn a_stranger_pauses_the_chain_for_a_deposit_that_can_be_taken() {
    local(|| {
        let enter = RuntimeCall::SafeMode(pallet_safe_mode::Call::enter {});
        assert_ok!(one(Ferdie, enter));
        let block = System::block_number();
        let account = Ferdie.to_account_id();
        let left = Balances::balance(&account);
        assert!(left < DEV_ENDOWMENT - 100_000 * UNIT);
        let take = RuntimeCall::SafeMode(pallet_safe_mode::Call::force_slash_deposit {
            account: account.clone(),
            block,
        });
        let issuance = Balances::total_issuance();
        vote_for(Origin::Safety, &take);
        blocks_until(20, "the deposit is gone", || {
            pallet_safe_mode::Deposits::<Runtime>::get(&account, block).is_none()
        });
        assert!(Balances::total_issuance() <= issuance - 100_000 * UNIT, "it is burned");
        assert_eq!(Balances::balance(&account), left);
    });
}

/// What came of the call inside the last block's only proxied one.
fn proxied() -> DispatchResult {
    let mut results = System::events().into_iter().filter_map(|record| match record.event {
        RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => Some(result),
        _ => None,
    });
    results.next_back().expect("a proxy's call was made")
}

/// Has `thief` make `call` for `victim`; returns what came of it.
fn as_proxy(thief: Sr25519Keyring, victim: Sr25519Keyring, call: RuntimeCall) -> DispatchResult {
    let call = RuntimeCall::Proxy(pallet_proxy::Call::proxy {
        real: victim.to_account_id().into(),
        force_proxy_type: None,
        call: Box::new(call),
    });
    one(thief, call)?;
    proxied()
}

fn name_proxy(owner: Sr25519Keyring, delegate: Sr25519Keyring, proxy_type: ProxyType) {
    let call = RuntimeCall::Proxy(pallet_proxy::Call::add_proxy {
        delegate: delegate.to_account_id().into(),
        proxy_type,
        delay: 0,
    });
    assert_ok!(one(owner, call));
    assert_eq!(Proxy::proxies(owner.to_account_id()).0.len(), 1);
}

#[test]
fn a_proxy_that_may_not_transfer_takes_nothing_by_any_way() {
    local(|| {
        register(Eve, Ed25519Keyring::Eve);
        // A channel that the owner opened, which the thief would like to be deeper.
        assert_ok!(one(Bob, open(Eve, Ed25519Keyring::Bob, UNIT)));
        let channel = first_channel(Bob, Eve);
        name_proxy(Bob, Eve, ProxyType::NonTransfer);

        let bob = Bob.to_account_id();
        let before = (Balances::balance(&bob), Balances::total_balance(&bob));
        let opening = ChannelOpening {
            payee: Eve.to_account_id(),
            signer: key(Ed25519Keyring::Eve),
            deposit: 900_000 * UNIT,
            window: 100,
        };
        let open_to_self = || open(Eve, Ed25519Keyring::Eve, 900_000 * UNIT);
        let open_many = RuntimeCall::Channels(pallet_mica_channels::Call::open_many {
            openings: vec![opening].try_into().expect("one"),
        });
        let top_up = RuntimeCall::Channels(pallet_mica_channels::Call::top_up_to {
            channel,
            total: 900_000 * UNIT,
        });
        let propose = RuntimeCall::Sla(pallet_mica_sla::Call::propose {
            worker: Eve.to_account_id(),
            terms: Terms {
                model: manifest().id(),
                range: LayerRange { first: 0, end: 4 },
                tokens: 1_000,
                price_per_layer_token: UNIT,
                window: 16,
                start_blocks: 20,
                first_blocks: 0,
                work_blocks: 80,
                signer: key(Ed25519Keyring::Eve),
            },
        });
        let bond = RuntimeCall::Staking(pallet_staking::Call::bond {
            value: 1_000 * UNIT,
            payee: pallet_staking::RewardDestination::Account(Eve.to_account_id()),
        });
        let spend = pallet_utility::Call::batch_all { calls: vec![open_to_self()] };
        let batches = [
            spend,
            pallet_utility::Call::batch { calls: vec![open_to_self()] },
            pallet_utility::Call::force_batch { calls: vec![open_to_self(), transfer(Eve, UNIT)] },
        ];
        let mut attempts =
            vec![open_to_self(), open_many, top_up, propose, bond, transfer(Eve, UNIT)];
        attempts.extend(batches.into_iter().map(RuntimeCall::Utility));
        attempts.push(RuntimeCall::Utility(pallet_utility::Call::as_derivative {
            index: 0,
            call: Box::new(transfer(Eve, UNIT)),
        }));
        attempts.push(RuntimeCall::Proxy(pallet_proxy::Call::add_proxy {
            delegate: Eve.to_account_id().into(),
            proxy_type: ProxyType::Any,
            delay: 0,
        }));
        for attempt in attempts {
            let what = format!("{attempt:?}");
            // A batch that goes on after a failure succeeds, and has done nothing.
            let _ = as_proxy(Eve, Bob, attempt);
            let after = (Balances::balance(&bob), Balances::total_balance(&bob));
            assert_eq!(after, before, "{what}");
        }
        assert_eq!(as_proxy(Eve, Bob, open_to_self()), Err(filtered()));
    });
}

/// Attack: a payer has a stolen key of its worker end the channel before the worker redeems.
#[test]
fn a_proxy_that_may_not_transfer_gives_up_nothing_that_is_owed() {
    local(|| {
        assert_ok!(one(Eve, open(Bob, Ed25519Keyring::Eve, UNIT)));
        let channel = first_channel(Eve, Bob);
        name_proxy(Bob, Eve, ProxyType::NonTransfer);
        let close = RuntimeCall::Channels(pallet_mica_channels::Call::close { channel });
        assert_eq!(as_proxy(Eve, Bob, close.clone()), Err(filtered()));
        assert_ok!(one(Bob, close));
    });
}

#[test]
fn a_hot_key_works_for_a_cold_stake_and_cannot_touch_it() {
    local(|| {
        register(Dave, Ed25519Keyring::Dave);
        name_proxy(Dave, Eve, ProxyType::Worker);
        let dave = Dave.to_account_id();
        let held = Balances::total_balance(&dave) - Balances::balance(&dave);

        let price = RuntimeCall::Registry(pallet_mica_registry::Call::set_price { price: 800 });
        for _ in 0..6 {
            block(vec![]);
        }
        assert_ok!(as_proxy(Eve, Dave, price));
        let (record, _) = mica_runtime::Registry::worker(&dave).expect("registered");
        assert_eq!(record.list_price_per_layer_token, 800);

        let agreement = 7;
        for call in [
            RuntimeCall::Sla(pallet_mica_sla::Call::accept { agreement }),
            RuntimeCall::Registry(pallet_mica_registry::Call::unregister {}),
            RuntimeCall::Registry(pallet_mica_registry::Call::withdraw {}),
            RuntimeCall::Registry(pallet_mica_registry::Call::top_up_stake { amount: UNIT }),
            transfer(Eve, UNIT),
        ] {
            let what = format!("{call:?}");
            assert_eq!(as_proxy(Eve, Dave, call), Err(filtered()), "{what}");
        }
        assert_eq!(Balances::total_balance(&dave) - Balances::balance(&dave), held);
    });
}

/// A validator whose keys nobody knows who reads this in a book of known keys.
fn staging_validator(number: u8) -> StagingValidator {
    let sr = |kind| sp_core::sr25519::Pair::from_seed(&[number * 8 + kind; 32]).public();
    let ed = sp_core::ed25519::Pair::from_seed(&[number; 32]).public();
    StagingValidator {
        stash: sr(0).into(),
        bond_mica: 2_000,
        babe: sr(1).into(),
        grandpa: ed.into(),
        authority_discovery: sr(2).into(),
    }
}

fn staging() -> Staging {
    let validators: Vec<_> = (1..=4).map(staging_validator).collect();
    let account = |v: &StagingValidator| StagingAccount { account: v.stash.clone(), mica: 5_000 };
    Staging { accounts: validators.iter().map(account).collect(), validators }
}

#[test]
fn a_staging_network_has_long_times_and_no_master() {
    genesis_from(patch(staging()).expect("in order")).execute_with(|| {
        assert_eq!(pallet_sudo::Key::<Runtime>::get(), None);
        assert_eq!(Timing::timing(), pallet_mica_timing::Timing::Public);
        assert_eq!(mica_runtime::Session::validators().len(), 4);
        assert_eq!(mica_runtime::AuthorityDiscovery::authorities().len(), 4);
        assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), 7_200);
    });
}

#[test]
fn a_staging_network_that_anybody_can_sign_for_is_refused() {
    let mut known = staging();
    known.validators[0].grandpa = Ed25519Keyring::Alice.public().into();
    assert_eq!(patch(known), Err(StagingError::WellKnown));
    let mut account = staging();
    account.accounts.push(StagingAccount { account: Alice.to_account_id(), mica: 1 });
    assert_eq!(patch(account), Err(StagingError::WellKnown));
    let mut few = staging();
    few.validators.pop();
    assert_eq!(patch(few), Err(StagingError::FewValidators));
    let mut twice = staging();
    twice.validators[1].babe = twice.validators[0].babe.clone();
    assert_eq!(patch(twice), Err(StagingError::Twice));
    let mut poor = staging();
    poor.validators[2].bond_mica = 999;
    assert_eq!(patch(poor), Err(StagingError::Bond));
    let mut uneven = staging();
    uneven.validators[0].bond_mica = 1_500;
    assert!(patch(uneven.clone()).is_ok(), "less than the others is allowed");
    uneven.validators[3].bond_mica = 4_900;
    assert!(patch(uneven.clone()).is_ok(), "and one may have much more");
    uneven.validators[1].bond_mica = 4_900;
    uneven.validators[2].bond_mica = 4_900;
    assert_eq!(patch(uneven), Err(StagingError::Uneven));
    let mut rich = staging();
    rich.validators[2].bond_mica = 5_000;
    assert_eq!(patch(rich), Err(StagingError::Bond));
}

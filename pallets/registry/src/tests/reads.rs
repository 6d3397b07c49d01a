//! What clients read: pages, filters, shards.

use frame_support::{assert_ok, traits::fungible::Mutate};
use mica_primitives::{ModelId, RegistryParameters, Shard, hooks::Workers as WorkersLookup};

use crate::{Beats, MAX_PAGE, SHELF, Shelves, mock::*};

/// Reads all workers in pages of `page`.
fn pages(range: Option<mica_primitives::LayerRange>, page: u32) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = Vec::new();
    loop {
        let part = Registry::workers(model(), range, accounts.last().copied(), page);
        if part.is_empty() {
            return accounts;
        }
        assert!(part.len() <= page as usize);
        accounts.extend(part.iter().map(|(record, _)| record.account));
    }
}

#[test]
fn pages_of_any_size_list_every_worker_once() {
    run(|| {
        (ALICE..ALICE + 8).for_each(|account| join(account, 0, 4));
        for page in 1..=9 {
            let mut accounts = pages(None, page);
            accounts.sort_unstable();
            assert_eq!(accounts, (ALICE..ALICE + 8).collect::<Vec<_>>());
        }
        assert!(Registry::workers(model(), None, None, 0).is_empty());
    });
}

/// Attack: a question that no worker fits, over a market of millions.
#[test]
fn a_read_looks_at_no_more_workers_than_its_bound() {
    run(|| {
        let count = 3 * AccountId::from(SHELF);
        for account in 1_000..1_000 + count {
            Balances::set_balance(&account, FUNDS);
            join(account, 0, 1);
        }
        let seen = |first, shelves| Registry::listed_from(model(), first, shelves).count();
        let shelf = SHELF as usize;
        assert_eq!([seen(0, 0), seen(0, 1), seen(0, 2)], [0, shelf, 2 * shelf]);
        // A page that begins within a shelf has no more shelves for that.
        assert_eq!((seen(1, 1), seen(0, 99)), (shelf - 1, 3 * shelf));
        assert!(Registry::workers(model(), Some(layers(5, 6)), None, MAX_PAGE).is_empty());
    });
}

#[test]
fn the_last_worker_takes_the_place_of_one_that_leaves() {
    run(|| {
        (ALICE..ALICE + 5).for_each(|account| join(account, 0, 4));
        let listed = || -> Vec<AccountId> {
            Registry::workers(model(), None, None, 10)
                .into_iter()
                .map(|(record, _)| record.account)
                .collect()
        };
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE + 1)));
        assert_eq!(listed(), [ALICE, ALICE + 4, ALICE + 2, ALICE + 3]);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE + 3)));
        assert_eq!(listed(), [ALICE, ALICE + 4, ALICE + 2]);
        // Who is not listed any more is no place to begin after.
        assert_eq!(Registry::workers(model(), None, Some(ALICE + 1), 10).len(), 3);
        join(ALICE + 7, 0, 4);
        for account in [ALICE, ALICE + 4, ALICE + 2, ALICE + 7] {
            assert_ok!(Registry::unregister(RuntimeOrigin::signed(account)));
        }
        assert!(listed().is_empty());
        assert_eq!(Shelves::<Test>::iter().count() + Beats::<Test>::iter().count(), 0);
    });
}

#[test]
fn what_is_read_is_what_was_written_last() {
    run(|| {
        (ALICE..ALICE + 3).for_each(|account| join(account, 0, 4));
        System::set_block_number(1 + INTERVAL);
        assert_ok!(beat(BOB));
        assert_ok!(Registry::set_cost(RuntimeOrigin::signed(CAROL), 77));
        let found = Registry::workers(model(), None, Some(ALICE), 10);
        assert_eq!(found[0].0, record(BOB));
        assert_eq!(found[0].0.last_heartbeat, 1 + INTERVAL);
        assert_eq!((found[1].0.clone(), found.len()), (record(CAROL), 2));
        assert_eq!(found[1].0.cost_us_per_layer_token, 77);
    });
}

#[test]
fn a_range_filters_by_overlap() {
    run(|| {
        join(ALICE, 0, 10);
        join(BOB, 10, 20);
        join(CAROL, 5, 15);
        let serving = |first, end| {
            let mut accounts = pages(Some(layers(first, end)), 1);
            accounts.sort_unstable();
            accounts
        };
        assert_eq!(serving(0, 5), [ALICE]);
        assert_eq!(serving(9, 10), [ALICE, CAROL]);
        assert_eq!(serving(10, 11), [BOB, CAROL]);
        assert_eq!(serving(15, 40), [BOB]);
        assert!(serving(20, 40).is_empty());
        assert!(serving(7, 7).is_empty());
    });
}

#[test]
fn models_are_listed_in_pages() {
    run(|| {
        let mut ids: Vec<ModelId> = (0..5)
            .map(|number| {
                let manifest = manifest(&format!("model {number}"));
                let id = manifest.id();
                assert_ok!(Registry::register_model(RuntimeOrigin::signed(OWNER), manifest, UNITS));
                id
            })
            .collect();
        let first = Registry::models(None, 3);
        let rest = Registry::models(first.last().map(|(id, _)| *id), MAX_PAGE + 1);
        let mut listed: Vec<ModelId> = first.into_iter().chain(rest).map(|(id, _)| id).collect();
        ids.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, ids);
        assert_eq!(Registry::model(ids[0]).map(|record| record.owner), Some(OWNER));
        assert_eq!(Registry::model(ModelId([0; 32])), None);
    });
}

#[test]
fn workers_of_another_model_are_not_listed() {
    run(|| {
        join(ALICE, 0, 4);
        let other = manifest("other");
        assert_ok!(Registry::register_model(RuntimeOrigin::signed(OWNER), other.clone(), UNITS));
        assert!(Registry::workers(other.id(), None, None, 10).is_empty());
        assert_eq!(Registry::coverage(other.id()), vec![0; 40]);
        assert!(Registry::coverage(ModelId([0; 32])).is_empty());
    });
}

#[test]
fn a_shard_changes_with_its_own_layers_only() {
    run(|| {
        let root = |bucket| Registry::shard_root(Shard { model: model(), bucket });
        assert_eq!([root(0), root(1), root(2)], [None; 3]);
        join(ALICE, 0, 16);
        let before = root(0);
        assert!(before.is_some());
        assert_eq!([root(1), root(2)], [None; 2]);
        join(BOB, 16, 17);
        assert_eq!(root(0), before);
        assert!(root(1).is_some());
        join(CAROL, 15, 17);
        assert_ne!(root(0), before);
        for account in [BOB, CAROL] {
            assert_ok!(Registry::unregister(RuntimeOrigin::signed(account)));
        }
        assert_eq!([root(0), root(1)], [before, None]);
    });
}

#[test]
fn the_parameters_are_the_runtimes() {
    run(|| {
        let expected = RegistryParameters {
            min_stake_per_layer: MIN_STAKE,
            heartbeat_interval: INTERVAL,
            offline_after: OFFLINE,
            jail_after: JAIL,
            unbonding: UNBONDING,
            price_interval: PRICE_INTERVAL,
            model_deposit: ModelDeposit::get(),
        };
        assert_eq!(Registry::parameters(), expected);
    });
}

#[test]
fn other_pallets_find_a_worker_with_what_backs_it() {
    run(|| {
        join(ALICE, 0, 4);
        let found = <Registry as WorkersLookup<_>>::worker(&ALICE);
        assert_eq!(found, Some(record(ALICE)));
        assert_eq!(<Registry as WorkersLookup<_>>::worker(&BOB), None);
    });
}

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Store::open(&folder.path().join("state.redb")).expect("opened");
    (folder, store)
}

#[test]
fn lanes_survive_a_restart_and_are_told_apart() {
    let (folder, store) = store();
    let (ours, other) = (ChannelId([1; 32]), ChannelId([2; 32]));
    let lane = |lane, seq| PayerLaneRecord { seq, ..PayerLaneRecord::unused(ours, lane) };
    store
        .apply(&[Change::Lane(lane(0, 7).into()), Change::Lane(lane(1, 8).into())])
        .expect("written");
    store.apply(&[Change::Lane(lane(0, 9).into())]).expect("written");
    drop(store);
    let store = Store::open(&folder.path().join("state.redb")).expect("opened again");
    assert_eq!(store.lanes(ours).expect("read"), [lane(0, 9), lane(1, 8)]);
    assert_eq!(store.lanes(other).expect("read"), []);
}

#[test]
fn what_a_hub_was_promised_is_kept_by_chain_and_forgotten_by_channel() {
    let (_folder, store) = store();
    let record = |channel: u8, lane| PayeeLaneRecord {
        facts: mica_protocol::channel::ChannelFacts {
            channel: ChannelId([channel; 32]),
            payer: [1; 32],
            signer: [2; 32],
            deposit: 5,
            lanes: BTreeMap::new(),
            window: 20,
            ends: None,
        },
        lane,
        best: None,
        receipts: Default::default(),
    };
    let change = |genesis: u8, record: PayeeLaneRecord| Change::Incoming {
        genesis: [genesis; 32],
        record: Box::new(record),
    };
    let changes = [
        change(1, record(1, 0)),
        change(1, record(1, 3)),
        change(1, record(2, 0)),
        change(2, record(1, 0)),
    ];
    store.apply(&changes).expect("written");
    assert_eq!(store.incoming([1; 32]).expect("read").len(), 3);
    let gone = Change::ForgetIncoming { genesis: [1; 32], channel: ChannelId([1; 32]) };
    store.apply(&[gone]).expect("written");
    assert_eq!(store.incoming([1; 32]).expect("read"), [record(2, 0)]);
    assert_eq!(store.incoming([2; 32]).expect("read"), [record(1, 0)], "another chain's");
}

#[test]
fn what_may_cost_a_hub_money_is_kept_by_chain() {
    let (_folder, store) = store();
    let chain = |number: u8| {
        let tick = Some(mica_primitives::Tick { anchor: [number; 32], unit: 3, max: 9 });
        let voucher = mica_primitives::Voucher {
            channel: ChannelId([1; 32]),
            lane: 2,
            seq: number.into(),
            cumulative: 0,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 9,
            tick,
            lock: None,
            bounty: 0,
        };
        let held =
            mica_primitives::Redeem { voucher, signature: [0; 64], tick: None, preimage: None };
        let own: (ChannelId, LaneId) = (ChannelId([3; 32]), 4);
        let fields = ([5_u8; 32], own, false, held, 9_u16, 500_u32, None::<Balance>);
        EarlierChain::decode(&mut &fields.encode()[..]).expect("a chain's fields")
    };
    let noted = |genesis: u8, number: u8| Change::HubChain {
        genesis: [genesis; 32],
        chain: Box::new(chain(number)),
    };
    let banned =
        |account: u8, last| Change::HubBan { genesis: [1; 32], account: [account; 32], last };
    let changes = [noted(1, 1), noted(1, 2), noted(1, 2), noted(2, 3), banned(6, 0), banned(7, 1)];
    store.apply(&changes).expect("written");
    assert_eq!(store.hub_chains([1; 32]).expect("read"), [chain(1), chain(2)]);
    assert_eq!(store.hub_chains([2; 32]).expect("read"), [chain(3)]);
    assert_eq!(store.hub_bans([1; 32]).expect("read"), [([6; 32], 0), ([7; 32], 1)]);
    let (genesis, channel) = ([1; 32], ChannelId([1; 32]));
    let gone = Change::ForgetHubChain { genesis, channel, lane: 2, anchor: [1; 32] };
    let pardoned = Change::ForgetHubBan { genesis, account: [6; 32] };
    store.apply(&[gone, pardoned]).expect("written");
    assert_eq!(store.hub_chains(genesis).expect("read"), [chain(2)]);
    assert_eq!(store.hub_bans(genesis).expect("read"), [([7; 32], 1)]);
    assert!(store.hub_bans([2; 32]).expect("read").is_empty(), "another chain's");
}

#[test]
fn sessions_are_listed_newest_first_and_replaced() {
    let (_folder, store) = store();
    let session = |name, started_unix_ms, is_closed| SessionRecord {
        session: [name; 32],
        genesis: [0; 32],
        started_unix_ms,
        model: mica_primitives::ModelId([0; 32]),
        profile: [0; 32],
        prompt: vec![1],
        tokens: vec![2],
        stages: Vec::new(),
        is_closed,
    };
    let (first, second) = (session(1, 10, false), session(2, 20, false));
    store
        .apply(&[Change::Session(first.into()), Change::Session(second.clone().into())])
        .expect("written");
    let closed = session(1, 10, true);
    store.apply(&[Change::Session(closed.clone().into())]).expect("written");
    assert_eq!(store.sessions().expect("read"), [second, closed]);
}

#[test]
fn the_worker_that_a_lane_paid_last_is_known() {
    let (_folder, store) = store();
    let stage = |worker: u8, lane: LaneId| StageRecord {
        worker: [worker; 32],
        peer: [0; 32],
        layers: mica_primitives::LayerRange { first: 0, end: 1 },
        channel: ChannelId([1; 32]),
        lane,
        price_per_layer_token: 1,
        paid: 1,
        first_receipt: 0,
        receipts: 0,
    };
    let session = |name: u8, stages: Vec<StageRecord>| {
        let session = session_on([0; 32], name, name.into());
        Change::Session(SessionRecord { stages, ..session }.into())
    };
    let first = session(1, vec![stage(5, 0), stage(6, 1)]);
    let second = session(2, vec![stage(7, 1), stage(5, 2)]);
    store.apply(&[second, first]).expect("written");
    let paid: Vec<(LaneId, u8)> =
        store.last_paid().expect("read").iter().map(|((_, lane), who)| (*lane, who[0])).collect();
    assert_eq!(paid, [(0, 5), (1, 7), (2, 5)]);
}

#[test]
fn a_second_process_is_told_to_wait() {
    let (folder, _store) = store();
    assert!(matches!(Store::open(&folder.path().join("state.redb")), Err(StoreError::InUse(_))));
}

#[test]
fn a_foreign_file_is_damaged_and_left_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("state.redb");
    std::fs::write(
        &path,
        "not a database, but long enough to have a header of some kind".repeat(100),
    )
    .expect("written");
    assert!(matches!(Store::open(&path), Err(StoreError::Damaged { .. })));
    assert!(std::fs::read_to_string(&path).expect("read").starts_with("not a database"));
}

#[test]
fn an_oversized_record_is_refused_and_nothing_of_its_batch_is_kept() {
    let (_folder, store) = store();
    let lane = PayerLaneRecord::unused(ChannelId([1; 32]), 0);
    let large = SessionRecord {
        session: [1; 32],
        genesis: [0; 32],
        started_unix_ms: 1,
        model: mica_primitives::ModelId([0; 32]),
        profile: [0; 32],
        prompt: vec![0; MAX_RECORD_BYTES / 4],
        tokens: Vec::new(),
        stages: Vec::new(),
        is_closed: false,
    };
    let refused = store.apply(&[Change::Lane(lane.into()), Change::Session(large.into())]);
    assert!(matches!(refused, Err(StoreError::TooLong(_))));
    assert_eq!(store.lanes(ChannelId([1; 32])).expect("read"), []);
}

#[test]
fn retired_lanes_and_sessions_that_nobody_took_are_remembered_and_forgotten() {
    let (_folder, store) = store();
    let channel = ChannelId([1; 32]);
    store
        .apply(&[
            Change::Retired(channel, 3),
            Change::Retired(channel, 3),
            Change::Retired(channel, 0),
        ])
        .expect("written");
    assert_eq!(store.retired(channel).expect("read"), [0, 3]);
    assert!(store.retired(ChannelId([2; 32])).expect("read").is_empty());
    let record = session_on([0; 32], 7, 10);
    store.apply(&[Change::Session(record.clone().into())]).expect("written");
    let forgotten = Change::RemoveSession { started_unix_ms: 10, session: record.session };
    store.apply(&[forgotten]).expect("written");
    assert_eq!(store.sessions().expect("read"), []);
}

fn session_on(genesis: Hash32, name: u8, started_unix_ms: u64) -> SessionRecord {
    SessionRecord {
        session: [name; 32],
        genesis,
        started_unix_ms,
        model: mica_primitives::ModelId([0; 32]),
        profile: [0; 32],
        prompt: vec![1],
        tokens: vec![2],
        stages: Vec::new(),
        is_closed: true,
    }
}

#[test]
fn records_of_a_chain_that_began_anew_move_into_a_file_of_their_own() {
    let (folder, store) = store();
    let (gone, other) = ([1; 32], [2; 32]);
    let on = |genesis| ChannelRecord {
        genesis,
        payer: [3; 32],
        payee: [4; 32],
        peer: [5; 32],
        signer: [6; 32],
    };
    let (ours, theirs) = (ChannelId([7; 32]), ChannelId([8; 32]));
    let lane = |channel| PayerLaneRecord { seq: 9, ..PayerLaneRecord::unused(channel, 2) };
    let all = |channel, genesis, name| {
        [
            Change::Channel(channel, on(genesis)),
            Change::Lane(lane(channel).into()),
            Change::Retired(channel, 5),
            Change::Session(session_on(genesis, name, 10).into()),
        ]
    };
    store.apply(&all(ours, gone, 1)).expect("written");
    store.apply(&all(theirs, other, 2)).expect("written");
    store
        .apply(&[Change::Spending { day: 1, budget: [0; 32], entry: [0; 32], amount: 5 }])
        .expect("written");
    store.set_first_block(gone, [0xab; 32]).expect("written");
    let aside = store.archive(gone, [0xab; 32], [0xcd; 32]).expect("moved");
    assert_eq!((aside.channels, aside.sessions), (1, 1));
    assert_eq!(aside.path, folder.path().join("state-abababababababab.redb"));
    assert_eq!(store.first_block(gone).expect("read"), Some([0xcd; 32]));
    assert_eq!(
        (store.channel(ours).expect("read"), store.lanes(ours).expect("read")),
        (None, vec![])
    );
    assert!(store.retired(ours).expect("read").is_empty());
    assert_eq!(
        (store.channel(theirs).expect("read"), store.lanes(theirs).expect("read")),
        (Some(on(other)), vec![lane(theirs)])
    );
    assert_eq!(store.sessions().expect("read"), [session_on(other, 2, 10)]);
    assert_eq!(store.spent(1).expect("read").len(), 1, "caps hold across chains");
    let kept = Store::open(&aside.path).expect("a database like any other");
    assert_eq!(
        (kept.channel(ours).expect("read"), kept.lanes(ours).expect("read")),
        (Some(on(gone)), vec![lane(ours)])
    );
    assert_eq!(
        (kept.retired(ours).expect("read"), kept.sessions().expect("read").len()),
        (vec![5], 1)
    );
    assert_eq!(kept.channel(theirs).expect("read"), None);
    drop(kept);
    let again = store.archive(gone, [0xab; 32], [0xcd; 32]).expect("nothing to move");
    assert_eq!(
        (again.channels, again.path),
        (0, folder.path().join("state-abababababababab-2.redb")),
        "nothing is overwritten"
    );

    // Back to the first chain: its records come back, the newest of them.
    store.archive(gone, [0xcd; 32], [0xab; 32]).expect("moved");
    assert_eq!(
        (store.channel(ours).expect("read"), store.lanes(ours).expect("read")),
        (Some(on(gone)), vec![lane(ours)])
    );
    assert_eq!(
        (store.retired(ours).expect("read"), store.sessions().expect("read").len()),
        (vec![5], 2)
    );
    let newer = PayerLaneRecord { seq: 10, cumulative: 7, ..lane(ours) };
    store.apply(&[Change::Lane(newer.clone().into())]).expect("written");
    store.archive(gone, [0xab; 32], [0xcd; 32]).expect("moved");
    assert_eq!(
        (store.channel(ours).expect("read"), store.lanes(ours).expect("read")),
        (None, vec![])
    );
    store.archive(gone, [0xcd; 32], [0xab; 32]).expect("moved");
    assert_eq!(store.lanes(ours).expect("read"), [newer]);
}

#[test]
fn a_copy_that_was_put_back_knows_of_fewer_uses() {
    let (folder, store) = store();
    let (path, copy) = (folder.path().join("state.redb"), folder.path().join("copy"));
    assert!(!was_used(&path));
    store.count_use().expect("counted");
    assert_eq!(store.forgotten_uses().expect("read"), 0);
    drop(store);
    std::fs::copy(&path, &copy).expect("copied");
    let store = Store::open(&path).expect("opened again");
    store.count_use().expect("counted");
    store.count_use().expect("counted");
    assert_eq!(store.forgotten_uses().expect("read"), 0);
    drop(store);
    std::fs::copy(&copy, &path).expect("put back");
    let store = Store::open(&path).expect("opened again");
    assert_eq!(store.forgotten_uses().expect("read"), 2);
    store.count_use().expect("counted");
    assert_eq!(store.forgotten_uses().expect("read"), 0, "from now on it is the newest");
    drop(store);
    std::fs::remove_file(&path).expect("deleted");
    assert!(was_used(&path));
}

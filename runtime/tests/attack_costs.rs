//! What attacks on the market cost and gain, computed from the runtime's constants, weights and
//! fees; the page `docs/attack-costs.md` is what this program makes of them.
//!
//! `UPDATE_REFERENCE=1 cargo test --test attack_costs` writes the page.

use std::{fmt::Write, path::Path};

use codec::MaxEncodedLen;
use frame_support::{
    dispatch::{DispatchClass, DispatchInfo, GetDispatchInfo},
    weights::Weight,
};
use mica_primitives::{
    Balance, Channel, ChannelId, Heartbeat, LayerRange, ModelId, Redeem, UNIT, Voucher,
    layers::MAX_LAYERS,
    settlement::{BOUNTY_PART, EXTENSION_PART, MAX_EXTENSIONS},
};
use mica_runtime::{
    AccountId, Runtime, RuntimeCall, TransactionPayment,
    configs::{
        election::MAX_CANDIDATES,
        referenda::{SubmissionDeposit, Tracks},
        safe_mode::SafeModeDeposit,
        session::{KeyDeposit, SessionKeys},
        system::RuntimeBlockWeights,
    },
    constants::{
        CHANNEL_STORAGE_DEPOSIT, DAYS, HEARTBEAT_INTERVAL, HOURS, MAX_VALIDATOR_CANDIDATES,
        MILLISECS_PER_BLOCK, MIN_CHANNEL_DEPOSIT, MIN_STAKE_PER_LAYER, MINUTES, OFFLINE_AFTER,
        durations::{PUBLIC, TEST},
    },
    genesis::{MIN_VALIDATOR_BOND, VALIDATOR_BOND},
};
use pallet_grandpa::{EquivocationOffence, TimeSlot as GrandpaTimeSlot};
use pallet_mica_seats::{
    Idle,
    rules::{Winner, seated},
};
use pallet_referenda::TracksInfo;
use sp_io::TestExternalities;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{FixedPointNumber, FixedU128, Perbill};
use sp_staking::offence::Offence;

const LONGEST_CLOSE: u32 = TEST.longest_close();
const LONGEST_DISPUTE: u32 = TEST.longest_dispute();
const WORKER_UNBONDING: u32 = TEST.worker_unbonding;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/attack-costs.md");

/// The market that an attacker would take over: what a busy worker with all layers of a model of
/// this width earns. The price is what workers ask for at first.
const LAYERS: u128 = 32;
const TOKENS_PER_SECOND: u128 = 100;
const PRICE_PER_LAYER_TOKEN: Balance = 1_000_000;
/// Positions that a worker computes, and a payer pays for, on credit.
const CREDIT_POSITIONS: Balance = 16;
/// Workers of a large market.
const WORKERS: u128 = 10_000;

/// Bytes that a signed transaction adds to its call.
const ENVELOPE: u32 = 113;

/// One row of the table. All in base units.
struct Attack {
    name: &'static str,
    /// What the attacker never sees again.
    spent: Balance,
    /// What it must have for as long as the attack lasts, and gets back later.
    locked: Balance,
    /// The most that it can win; in a day, of what can go on.
    gain: Balance,
    bar: Bar,
    why: String,
}

/// What stands against an attack. Money that comes back is no cost, however much it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    /// More is spent than won.
    Spent,
    /// It goes on for as long as the money is locked, and a day of it wins less than a thousandth
    /// of that.
    Locked,
    /// Who is awake loses nothing, and who is not no more than this part.
    Part(Balance),
    /// Nobody can say what it wins; it takes a third of all stake, of which what is left burns.
    Stake,
}

fn info(call: &RuntimeCall) -> DispatchInfo {
    call.get_dispatch_info()
}

/// Base units that a signed `call` costs, at fees as they are on a quiet chain.
fn fee(call: &RuntimeCall) -> Balance {
    let bytes = codec::Encode::encoded_size(call) as u32 + ENVELOPE;
    TransactionPayment::compute_fee(bytes, &info(call), 0)
}

/// The part of a block's time that transactions of `class` can have at all.
fn room(class: DispatchClass) -> Weight {
    let weights: frame_system::limits::BlockWeights = RuntimeBlockWeights::get();
    let most = weights.get(class).max_total.expect("the class is bounded");
    most.saturating_sub(weights.base_block)
}

/// Transactions with `call` that fit into `room`, without what signatures add.
fn fitting(call: &RuntimeCall, room: Weight) -> u128 {
    let base = RuntimeBlockWeights::get().get(info(call).class).base_extrinsic;
    (room.ref_time() / (info(call).call_weight.ref_time() + base.ref_time())).into()
}

fn heartbeat() -> RuntimeCall {
    let beat = Heartbeat { worker: AccountId::new([0; 32]), at: 0 };
    RuntimeCall::Registry(pallet_mica_registry::Call::heartbeat { beat, signature: [0; 64] })
}

fn register() -> RuntimeCall {
    RuntimeCall::Registry(pallet_mica_registry::Call::register {
        model: ModelId([0; 32]),
        range: LayerRange { first: 0, end: 1 },
        cost_us: 1,
        list_price: 1,
        peer: [0; 32],
        proof: [0; 64],
        addresses: Default::default(),
        stake: MIN_STAKE_PER_LAYER,
    })
}

fn open() -> RuntimeCall {
    RuntimeCall::Channels(pallet_mica_channels::Call::open {
        payee: AccountId::new([0; 32]),
        signer: [0; 32],
        deposit: MIN_CHANNEL_DEPOSIT,
        window: HOURS,
    })
}

fn close() -> RuntimeCall {
    RuntimeCall::Channels(pallet_mica_channels::Call::close { channel: ChannelId([0; 32]) })
}

fn redeem() -> RuntimeCall {
    let voucher = Voucher {
        channel: ChannelId([0; 32]),
        lane: 0,
        seq: 1,
        cumulative: 1,
        receipts_root: [0; 32],
        receipts: 1,
        expires: 1,
        tick: None,
        lock: None,
        bounty: 0,
    };
    let redeem = Redeem { voucher, signature: [0; 64], tick: None, preimage: None };
    RuntimeCall::Channels(pallet_mica_channels::Call::redeem { redeem })
}

/// Base units that a worker earns in so many blocks if nobody else is there.
fn income(blocks: u32) -> Balance {
    let ms = u128::from(blocks) * u128::from(MILLISECS_PER_BLOCK);
    LAYERS * TOKENS_PER_SECOND * PRICE_PER_LAYER_TOKEN * ms / 1_000
}

/// Base units for `blocks` full blocks of ordinary transactions, one after the other, and what the
/// fees are multiplied with in the last of them.
fn full_blocks(blocks: u32) -> (Balance, FixedU128) {
    type Adjust = <Runtime as pallet_transaction_payment::Config>::FeeMultiplierUpdate;
    let normal = room(DispatchClass::Normal);
    let weight_fee = Balance::from(normal.ref_time());
    let mut multiplier = FixedU128::from_u32(1);
    let mut total: Balance = 0;
    frame_system::BlockWeight::<Runtime>::mutate(|used| used.set(normal, DispatchClass::Normal));
    for _ in 0..blocks {
        total = total.saturating_add(multiplier.saturating_mul_int(weight_fee));
        multiplier =
            <Adjust as sp_runtime::traits::Convert<FixedU128, FixedU128>>::convert(multiplier);
    }
    (total, multiplier)
}

/// Workers that keep the heartbeats of all others out of every block, for as long as they like.
///
/// In each block that another worker's heartbeat waits for, as many must beat that were silent for
/// longer, because those come first; and when one has beaten, it is silent for less than an
/// interval, and of no use until it would be offline itself.
fn workers_that_fill_blocks() -> u128 {
    let each = u128::from(OFFLINE_AFTER - HEARTBEAT_INTERVAL);
    fitting(&heartbeat(), room(DispatchClass::Operational)) * each
}

/// Base units won in `blocks` in which ordinary transactions have filled all that they may have:
/// nothing, if the heartbeats of [`WORKERS`] pass all the same.
fn won_by_full_blocks(blocks: u32) -> Balance {
    if beats_in_the_reserve() * u128::from(HEARTBEAT_INTERVAL) >= WORKERS {
        return 0;
    }
    income(blocks)
}

/// The least that fills all deciding places of a track with junk, base units, and the track.
fn a_full_track() -> (Balance, u16) {
    let costs = Tracks::tracks().map(|track| {
        let each = track.info.decision_deposit + SubmissionDeposit::get();
        (Balance::from(track.info.max_deciding) * each, track.id)
    });
    costs.min().expect("there are tracks")
}

fn attacks() -> Vec<Attack> {
    let mut all = attacks_on_workers();
    all.extend(attacks_on_money());
    all.extend(attacks_on_seats());
    all.extend(attacks_on_governance());
    all
}

fn attacks_on_workers() -> Vec<Attack> {
    let (minute, _) = full_blocks(MINUTES);
    let (silence, _) = full_blocks(OFFLINE_AFTER);
    let (hour, times) = full_blocks(HOURS);
    let crowd = workers_that_fill_blocks();
    vec![
        Attack {
            name: "all blocks of a minute full",
            spent: minute,
            locked: 0,
            gain: won_by_full_blocks(MINUTES),
            bar: Bar::Spent,
            why: "heartbeats, and a quarter of each block, stay free".into(),
        },
        Attack {
            name: "all blocks full until workers without heartbeats would be offline",
            spent: silence,
            locked: 0,
            gain: won_by_full_blocks(OFFLINE_AFTER),
            bar: Bar::Spent,
            why: "nobody is offline: heartbeats pass".into(),
        },
        Attack {
            name: "all blocks of an hour full",
            spent: hour,
            locked: 0,
            gain: won_by_full_blocks(HOURS),
            bar: Bar::Spent,
            why: format!("fees are {} times as high at its end", times.saturating_mul_int(1u128)),
        },
        Attack {
            name: "all workers offline by a crowd of workers of one's own",
            spent: crowd * fee(&register()),
            locked: crowd * MIN_STAKE_PER_LAYER,
            gain: income(DAYS),
            bar: Bar::Locked,
            why: format!(
                "{crowd} workers, of which as many beat in each block as it takes; the stake is \
                 locked for as long as it lasts, and {} minutes more",
                WORKER_UNBONDING / MINUTES
            ),
        },
        Attack {
            name: "all workers offline by authoring every block without heartbeats",
            spent: 0,
            locked: 4 * VALIDATOR_BOND,
            gain: income(DAYS),
            bar: Bar::Locked,
            why: format!(
                "{OFFLINE_AFTER} blocks in a row, and all that follow: every seat, at the bonds of \
                 four validators; who holds all seats can do worse"
            ),
        },
        Attack {
            name: "a pool full of heartbeats",
            spent: 0,
            locked: MIN_STAKE_PER_LAYER,
            gain: 0,
            bar: Bar::Locked,
            why: format!("one for each stake in {HEARTBEAT_INTERVAL} blocks"),
        },
    ]
}

fn attacks_on_money() -> Vec<Attack> {
    let bytes = (Channel::<AccountId>::max_encoded_len() + 2 * 80) as u128;
    let channels_per_gb = 1_000_000_000 / bytes;
    let window = Balance::from(100u32) * UNIT;
    vec![
        Attack {
            name: "a gigabyte of state in channels",
            spent: channels_per_gb * fee(&open()),
            locked: channels_per_gb * (CHANNEL_STORAGE_DEPOSIT + MIN_CHANNEL_DEPOSIT),
            gain: 0,
            bar: Bar::Spent,
            why: format!("{bytes} bytes each at most, for as long as they are there"),
        },
        Attack {
            name: "a thousand channels opened and closed again",
            spent: 1_000 * (fee(&open()) + fee(&close())),
            locked: CHANNEL_STORAGE_DEPOSIT + MIN_CHANNEL_DEPOSIT,
            gain: 0,
            bar: Bar::Spent,
            why: "nothing of them is left, and no id comes back".into(),
        },
        Attack {
            name: "the extensions of a channel with 100 MICA used up against its payee",
            // What is left shrinks by a sixteenth each time.
            spent: window
                - (0..MAX_EXTENSIONS).fold(window, |left, _| left - left / EXTENSION_PART)
                + Balance::from(MAX_EXTENSIONS) * fee(&redeem()),
            locked: 0,
            gain: 0,
            bar: Bar::Spent,
            why: "the payee receives it, and the time as well".into(),
        },
        Attack {
            name: "the bounty of a voucher of 100 MICA, redeemed by its own payer",
            spent: fee(&redeem()),
            locked: 0,
            gain: window / BOUNTY_PART,
            bar: Bar::Part(window / 16),
            why:
                "only against a payee that let half of its window pass: one that is awake has lent \
                 nothing for a while by then, and redeemed"
                    .into(),
        },
        Attack {
            name: "false receipts fixed just before the stake is free",
            spent: 0,
            locked: MIN_STAKE_PER_LAYER,
            gain: CREDIT_POSITIONS * PRICE_PER_LAYER_TOKEN,
            bar: Bar::Locked,
            why: format!(
                "what is lent on one layer; the stake stays {LONGEST_DISPUTE} blocks from the last \
                 voucher on, and vouchers end {LONGEST_CLOSE} blocks after the payer asked to \
                 close. No call judges receipts yet"
            ),
        },
    ]
}

/// The least backing with which `seats` validators sit beside four of the genesis when the last of
/// them comes in, base units each.
fn least_backing(seats: u32) -> Balance {
    let winner = |account, backing, proven| Winner { account, backing, proven };
    let all_sit = |backing: Balance| {
        let founders = (0..4).map(|number| winner(number, VALIDATOR_BOND, true));
        let others = (1..=seats).map(|number| winner(3 + number, backing, number < seats));
        seated(founders.chain(others).collect::<Vec<_>>()).len() as u32 == 4 + seats
    };
    let (mut too_little, mut enough) = (0, VALIDATOR_BOND);
    while enough - too_little > 1 {
        let middle = too_little.midpoint(enough);
        *if all_sit(middle) { &mut enough } else { &mut too_little } = middle;
    }
    enough
}

/// What an idle validator loses that is alone, of `stake`.
fn idle_slash(stake: Balance) -> Balance {
    let alone = Idle::<()> { session: 0, validator_count: 5, together: 1, offenders: vec![] };
    alone.slash_fraction(1).mul_floor(stake)
}

/// The part of their stake that `seats` of `of` validators lose that vote for two chains.
fn two_votes_slash(seats: u32, of: u32) -> Perbill {
    let offence = EquivocationOffence::<()> {
        time_slot: GrandpaTimeSlot { set_id: 0, round: 0 },
        session_index: 0,
        validator_set_count: of,
        offender: (),
    };
    offence.slash_fraction(seats)
}

/// Base units that it costs, and that it locks, to stand for election with the least bond.
fn a_candidate() -> (Balance, Balance) {
    let bond = pallet_staking::Call::bond {
        value: MIN_VALIDATOR_BOND,
        payee: pallet_staking::RewardDestination::Staked,
    };
    let validate = pallet_staking::Call::validate { prefs: Default::default() };
    let keys = SessionKeys {
        babe: Sr25519Keyring::Alice.public().into(),
        grandpa: Ed25519Keyring::Alice.public().into(),
        authority_discovery: Sr25519Keyring::Alice.public().into(),
    };
    let set_keys = pallet_session::Call::set_keys { keys, proof: vec![0; 3 * 64] };
    let calls = [
        RuntimeCall::Staking(bond),
        RuntimeCall::Session(set_keys),
        RuntimeCall::Staking(validate),
    ];
    (calls.iter().map(fee).sum(), MIN_VALIDATOR_BOND + KeyDeposit::get())
}

fn attacks_on_seats() -> Vec<Attack> {
    let candidates = Balance::from(MAX_VALIDATOR_CANDIDATES);
    let too_many = Balance::from(MAX_CANDIDATES) + 1;
    let (fee_of_one, locked_of_one) = a_candidate();
    // Two of six are a third, and eight of twelve two thirds.
    let (third, two_thirds) = (2 * least_backing(2), 8 * least_backing(8));
    vec![
        Attack {
            name: "finality stopped by a third of the seats, beside four validators",
            spent: 0,
            locked: third,
            gain: 0,
            bar: Bar::Locked,
            why:
                "two seats, which must have made blocks; a sixth of all active stake at least; the \
                 market's clock stands meanwhile, so no voucher is lost"
                    .into(),
        },
        Attack {
            name: "two chains made final by two thirds of the seats, beside four validators",
            spent: two_votes_slash(8, 12).mul_floor(8 * MIN_VALIDATOR_BOND),
            locked: two_thirds,
            gain: 0,
            bar: Bar::Stake,
            why: "eight seats: a third of all active stake, until the last of them is taken; then \
                  the least bonds will do, and burn for a vote for two chains. What others deliver \
                  for money on the chain that is given up has no bound here"
                .into(),
        },
        Attack {
            name: "the newcomer's seat beside four validators left idle for an era",
            spent: idle_slash(least_backing(1)),
            locked: least_backing(1),
            gain: 0,
            bar: Bar::Spent,
            why: "nobody else comes in meanwhile; finality and blocks go on".into(),
        },
        Attack {
            name: "more candidates than an election looks at",
            spent: too_many * fee_of_one,
            locked: too_many * locked_of_one,
            gain: 0,
            bar: Bar::Spent,
            why: "elections go on: they look at those with the most stake".into(),
        },
        Attack {
            name: "every place on the list of candidates taken",
            spent: candidates * fee_of_one,
            locked: candidates * locked_of_one,
            gain: 0,
            bar: Bar::Spent,
            why: format!(
                "{candidates} places; nobody new can stand, until root raises the number; \
                 elections go on with those that do"
            ),
        },
    ]
}

fn attacks_on_governance() -> Vec<Attack> {
    let (full_track, track) = a_full_track();
    let deposit = SafeModeDeposit::get().expect("a pause has a price");
    let periods_of_a_day = Balance::from(DAYS.div_ceil(PUBLIC.safe_mode));
    vec![
        Attack {
            name: "all deciding places of a track of referenda taken by junk",
            spent: 0,
            locked: full_track,
            gain: 0,
            bar: Bar::Locked,
            why: format!("track {track}; a referendum that is cancelled gives its deposits back"),
        },
        Attack {
            name: "a pause of the markets by a deposit",
            spent: 0,
            locked: deposit,
            gain: 0,
            bar: Bar::Locked,
            why: format!(
                "{} blocks, in which redeems pass and the clock stands; a referendum may take the \
                 deposit",
                TEST.safe_mode
            ),
        },
        Attack {
            name: "a day's pause of a public network by deposits",
            spent: 0,
            locked: periods_of_a_day * deposit,
            gain: 0,
            bar: Bar::Locked,
            why: format!(
                "{periods_of_a_day} deposits, locked for {} days or taken",
                PUBLIC.safe_mode_deposit / DAYS
            ),
        },
    ]
}

/// Base units as MICA with as many decimals as say something.
fn mica(amount: Balance) -> String {
    if amount == 0 {
        return "0".into();
    }
    let (whole, rest) = (amount / UNIT, amount % UNIT);
    match whole {
        0 => format!("0.{:06}", rest / 1_000_000),
        1..1_000 => format!("{whole}.{:02}", rest / (UNIT / 100)),
        _ => whole.to_string(),
    }
}

fn page(attacks: &[Attack]) -> String {
    let mut page = String::from(
        "# What attacks cost\n\n\
         Computed by `runtime/tests/attack_costs.rs` from the runtime's constants, weights and fees, and checked by it; `make reference` writes\n\
         this page. All in MICA. *Spent* is gone, *gain* is the most that the attacker can win. *Locked* comes back and is no cost: it must be had\n\
         for as long as the attack lasts, and where it is all that stands against one, the gain is that of a day and less than a thousandth of it.\n\
         A gain of 0 means that the attack wins no money: it does harm, for that price.\n\n",
    );
    let _ = write!(
        page,
        "The gain of making others unreachable is what a worker earns alone: {LAYERS} layers, {TOKENS_PER_SECOND} tokens a second, at the price with which workers\n\
         begin ({PRICE_PER_LAYER_TOKEN} base units for a layer and a token): {} MICA in a day, and {} in the {} seconds after which a silent worker\n\
         is offline.\n\n\
         | attack | spent | locked | gain | |\n|---|---|---|---|---|\n",
        mica(income(DAYS)),
        mica(income(OFFLINE_AFTER)),
        u64::from(OFFLINE_AFTER) * MILLISECS_PER_BLOCK / 1_000,
    );
    for Attack { name, spent, locked, gain, bar, why } in attacks {
        let gain = if *bar == Bar::Stake { "no bound".into() } else { mica(*gain) };
        let (spent, locked) = (mica(*spent), mica(*locked));
        let _ = writeln!(page, "| {name} | {spent} | {locked} | {gain} | {why} |");
    }
    let beats = fitting(&heartbeat(), room(DispatchClass::Operational));
    let reserved = beats_in_the_reserve();
    let _ = write!(
        page,
        "\nA block holds {beats} heartbeats at most, and {reserved} of them where ordinary transactions have filled all that they may have. At one\n\
         heartbeat in {HEARTBEAT_INTERVAL} blocks, full blocks carry {} workers; the largest range weighs no more than the smallest, up to {MAX_LAYERS}\n\
         layers.\n",
        reserved * u128::from(HEARTBEAT_INTERVAL),
    );
    page
}

/// Heartbeats that fit into what ordinary transactions leave.
fn beats_in_the_reserve() -> u128 {
    let weights: frame_system::limits::BlockWeights = RuntimeBlockWeights::get();
    let left = weights.get(DispatchClass::Operational).reserved.expect("a part is kept");
    fitting(&heartbeat(), left)
}

#[test]
fn the_page_says_what_the_constants_come_to() {
    let found = TestExternalities::default().execute_with(|| page(&attacks()));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, &found).expect("the page is written");
    }
    let written = std::fs::read_to_string(Path::new(PAGE)).expect("the page is there");
    assert!(written == found, "docs/attack-costs.md is not what it should be: `make reference`");
}

#[test]
fn no_attack_pays() {
    TestExternalities::default().execute_with(|| {
        for Attack { name, spent, locked, gain, bar, .. } in attacks() {
            let is_barred = match bar {
                Bar::Spent => spent > gain,
                Bar::Locked => locked > 1_000 * gain,
                Bar::Part(part) => gain <= part,
                Bar::Stake => spent > 0 && 3 * locked >= 4 * VALIDATOR_BOND + locked,
            };
            assert!(is_barred, "{name} spends {spent}, locks {locked}, and wins {gain}");
        }
    });
}

/// What must be locked to make all workers read as offline is at least a thousand times what that
/// gains in a day.
#[test]
fn taking_all_workers_offline_costs_a_thousand_times_its_gain() {
    TestExternalities::default().execute_with(|| {
        let offline =
            attacks().into_iter().filter(|attack| attack.name.contains("all workers offline"));
        let mut count = 0;
        for Attack { name, locked, gain, .. } in offline {
            count += 1;
            assert!(gain > 0 && locked >= 1_000 * gain, "{name}: {locked} {gain}");
        }
        assert_eq!(count, 2);
    });
}

/// Ten thousand workers beat although ordinary transactions fill every block.
#[test]
fn the_reserve_carries_ten_thousand_workers() {
    assert!(beats_in_the_reserve() * u128::from(HEARTBEAT_INTERVAL) >= WORKERS);
    assert_eq!(
        info(&heartbeat()).call_weight,
        <<Runtime as pallet_mica_registry::Config>::WeightInfo as pallet_mica_registry::WeightInfo>::heartbeat()
    );
}

/// What the benchmark's payee does not cause: the record of a worker that is leaving is written.
#[test]
fn a_redeem_weighs_what_its_listeners_write() {
    type Channels = <Runtime as pallet_mica_channels::Config>::WeightInfo;
    let measured = <Channels as pallet_mica_channels::WeightInfo>::redeem(0);
    let write = <Runtime as frame_system::Config>::DbWeight::get().writes(1);
    assert_eq!(info(&redeem()).call_weight, measured + write);
}

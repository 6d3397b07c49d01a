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
    configs::system::RuntimeBlockWeights,
    constants::{
        CHANNEL_STORAGE_DEPOSIT, HEARTBEAT_INTERVAL, HOURS, MILLISECS_PER_BLOCK,
        MIN_CHANNEL_DEPOSIT, MIN_STAKE_PER_LAYER, MINUTES, OFFLINE_AFTER, durations::TEST,
    },
    genesis::VALIDATOR_BOND,
};
use sp_io::TestExternalities;
use sp_runtime::{FixedPointNumber, FixedU128};

const LONGEST_CLOSE: u32 = TEST.longest_close();
const LONGEST_DISPUTE: u32 = TEST.longest_dispute();
const WORKER_UNBONDING: u32 = TEST.worker_unbonding;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/attack-costs.md");

/// The market that an attacker would take over: what a busy worker with all layers of a model of
/// this width earns. The price is what workers ask for at first.
const LAYERS: u128 = 32;
const TOKENS_PER_SECOND: u128 = 100;
const PRICE_PER_LAYER_TOKEN: Balance = 1_000_000;

/// Bytes that a signed transaction adds to its call.
const ENVELOPE: u32 = 113;

/// One row of the table. All in base units.
struct Attack {
    name: &'static str,
    /// What the attacker never sees again.
    spent: Balance,
    /// What it must have and gets back later.
    locked: Balance,
    /// The most that it can win.
    gain: Balance,
    why: String,
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

/// Workers whose heartbeats fill all of every block from one beat to being offline.
fn workers_that_fill_blocks() -> u128 {
    fitting(&heartbeat(), room(DispatchClass::Operational)) * u128::from(OFFLINE_AFTER)
}

fn attacks() -> Vec<Attack> {
    let (minute, _) = full_blocks(MINUTES);
    let (silence, _) = full_blocks(OFFLINE_AFTER);
    let (hour, times) = full_blocks(HOURS);
    let crowd = workers_that_fill_blocks();
    let bytes = (Channel::<AccountId>::max_encoded_len() + 2 * 80) as u128;
    let channels_per_gb = 1_000_000_000 / bytes;
    let window = Balance::from(100u32) * UNIT;
    vec![
        Attack {
            name: "all blocks of a minute full",
            spent: minute,
            locked: 0,
            gain: 0,
            why: "heartbeats, and a quarter of each block, stay free".into(),
        },
        Attack {
            name: "all blocks full until workers without heartbeats would be offline",
            spent: silence,
            locked: 0,
            gain: 0,
            why: "nobody is offline: heartbeats pass".into(),
        },
        Attack {
            name: "all blocks of an hour full",
            spent: hour,
            locked: 0,
            gain: 0,
            why: format!("fees are {} times as high at its end", times.saturating_mul_int(1u128)),
        },
        Attack {
            name: "all workers offline by a crowd of workers of one's own",
            spent: crowd * fee(&register()),
            locked: crowd * MIN_STAKE_PER_LAYER,
            gain: income(OFFLINE_AFTER),
            why: format!(
                "{crowd} heartbeats fill all blocks in which others would have to beat; the stake \
                 is locked for {} minutes at least",
                WORKER_UNBONDING / MINUTES
            ),
        },
        Attack {
            name: "all workers offline by authoring every block without heartbeats",
            spent: 0,
            locked: 4 * VALIDATOR_BOND,
            gain: income(OFFLINE_AFTER),
            why: format!(
                "{OFFLINE_AFTER} blocks in a row: every seat, at the bonds of four validators"
            ),
        },
        Attack {
            name: "a gigabyte of state in channels",
            spent: channels_per_gb * fee(&open()),
            locked: channels_per_gb * (CHANNEL_STORAGE_DEPOSIT + MIN_CHANNEL_DEPOSIT),
            gain: 0,
            why: format!("{bytes} bytes each at most, for as long as they are there"),
        },
        Attack {
            name: "the extensions of a channel with 100 MICA used up against its payee",
            // What is left shrinks by a sixteenth each time.
            spent: window
                - (0..MAX_EXTENSIONS).fold(window, |left, _| left - left / EXTENSION_PART)
                + Balance::from(MAX_EXTENSIONS) * fee(&redeem()),
            locked: 0,
            gain: 0,
            why: "the payee receives it, and the time as well".into(),
        },
        Attack {
            name: "the bounty of a voucher of 100 MICA, redeemed by its own payer",
            spent: fee(&redeem()),
            locked: 0,
            gain: window / BOUNTY_PART,
            why: "only against a payee that let half of its window pass".into(),
        },
        Attack {
            name: "false receipts fixed just before the stake is free",
            spent: 0,
            locked: MIN_STAKE_PER_LAYER,
            gain: 0,
            why: format!(
                "the stake stays {LONGEST_DISPUTE} blocks from the last voucher on, and vouchers \
                 end {LONGEST_CLOSE} blocks after the payer asked to close"
            ),
        },
        Attack {
            name: "a pool full of heartbeats",
            spent: 0,
            locked: MIN_STAKE_PER_LAYER,
            gain: 0,
            why: format!("one for each stake in {HEARTBEAT_INTERVAL} blocks"),
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
         this page. All in MICA. *Spent* is gone, *locked* comes back later, *gain* is the most that the attacker can win.\n\n",
    );
    let _ = write!(
        page,
        "The gain of making others unreachable is what a worker earns alone: {LAYERS} layers, {TOKENS_PER_SECOND} tokens a second, at the price with which workers\n\
         begin ({PRICE_PER_LAYER_TOKEN} base units for a layer and a token), in the {} seconds after which a silent worker is offline: {} MICA.\n\n\
         | attack | spent | locked | gain | |\n|---|---|---|---|---|\n",
        u64::from(OFFLINE_AFTER) * MILLISECS_PER_BLOCK / 1_000,
        mica(income(OFFLINE_AFTER)),
    );
    for Attack { name, spent, locked, gain, why } in attacks {
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {why} |",
            mica(*spent),
            mica(*locked),
            mica(*gain)
        );
    }
    let beats = fitting(&heartbeat(), room(DispatchClass::Operational));
    let reserved = beats_in_the_reserve();
    let _ = write!(
        page,
        "\nA block holds {beats} heartbeats, and {reserved} of them where ordinary transactions have filled all that they may have. At one\n\
         heartbeat in {HEARTBEAT_INTERVAL} blocks, full blocks carry {} workers; the largest range weighs no more than the smallest, up to {MAX_LAYERS}\n\
         layers.\n",
        reserved * u128::from(HEARTBEAT_INTERVAL),
    );
    page
}

/// Heartbeats that fit into what ordinary transactions leave.
fn beats_in_the_reserve() -> u128 {
    let left = room(DispatchClass::Operational).saturating_sub(room(DispatchClass::Normal));
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
        for Attack { name, spent, locked, gain, .. } in attacks() {
            // The bounty is the one exception, and by how much is bounded: a sixteenth.
            if name.starts_with("the bounty") {
                assert!(gain <= 100 * UNIT / 16, "{name}");
                continue;
            }
            assert!(spent + locked > gain, "{name} costs {spent} and {locked}, and wins {gain}");
        }
    });
}

/// What it takes to make all workers read as offline is at least a thousand times what that gains.
#[test]
fn taking_all_workers_offline_costs_a_thousand_times_its_gain() {
    TestExternalities::default().execute_with(|| {
        let offline =
            attacks().into_iter().filter(|attack| attack.name.contains("all workers offline"));
        let mut count = 0;
        for Attack { name, spent, locked, gain, .. } in offline {
            count += 1;
            assert!(gain > 0 && spent + locked >= 1_000 * gain, "{name}: {spent} {locked} {gain}");
        }
        assert_eq!(count, 2);
    });
}

/// Ten thousand workers beat although ordinary transactions fill every block.
#[test]
fn the_reserve_carries_ten_thousand_workers() {
    assert!(beats_in_the_reserve() * u128::from(HEARTBEAT_INTERVAL) >= 10_000);
    assert_eq!(
        info(&heartbeat()).call_weight,
        <<Runtime as pallet_mica_registry::Config>::WeightInfo as pallet_mica_registry::WeightInfo>::heartbeat()
    );
}

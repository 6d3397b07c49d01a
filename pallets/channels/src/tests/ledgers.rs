//! The pallet and the ledgers of payer and payee, driven with the same random histories: what the
//! payee's ledger calls redeemable is exactly what the pallet pays, and nothing that it accepts is
//! worth less than it was accepted for.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, ChannelId, LaneId, Redeem, Voucher};
use mica_protocol::{
    channel::{ChannelFacts, PayeeLedger, PayerLane, PayerLedger, VoucherKind, VoucherRule},
    messages::Payment,
};
use proptest::prelude::*;
use sp_runtime::{DispatchError, TransactionOutcome};

use crate::mock::*;

const UNIT: Balance = 7;
const DEPOSIT: Balance = 3_000;
/// Most promises that are kept to be shown to the chain later.
const MAX_SEEN: usize = 200;

#[derive(Clone, Debug)]
enum Step {
    /// A session begins on a free lane.
    Open {
        budget: Balance,
        ticks: u16,
        lives: u32,
    },
    /// A session pays with a tick, or with a voucher where its chain is used up.
    Pay {
        session: usize,
        positions: u32,
        lives: u32,
    },
    /// A session ends with its exact sum.
    Settle {
        session: usize,
        lives: u32,
    },
    /// The payee redeems all that its ledger calls redeemable.
    Redeem,
    /// Somebody shows the chain a promise that was made at any time.
    Show {
        who: u64,
        promise: usize,
    },
    /// The payer signs whatever it likes and shows it to the chain itself.
    Drain {
        lane: LaneId,
        seq: u64,
        cumulative: Balance,
    },
    TopUp {
        more: Balance,
    },
    Close,
    Finish,
    Wait {
        blocks: u32,
    },
    RestartPayee,
    RestartPayer,
}

struct World {
    id: ChannelId,
    payer: PayerLedger,
    payee: PayeeLedger,
    sessions: Vec<PayerLane>,
    /// Every promise as the payee held it.
    seen: Vec<Redeem>,
    /// The lanes as they are on the payer's disk.
    disk: BTreeMap<LaneId, mica_protocol::channel::PayerLaneRecord>,
}

fn hot_key() -> SigningKey {
    SigningKey::from_bytes(&[PAYER as u8; 32])
}

fn now() -> u32 {
    System::block_number()
}

/// What the chain says of the channel; nothing if it is gone.
fn facts(id: ChannelId) -> Option<ChannelFacts> {
    let channel = crate::Channels::<Test>::get(id)?;
    Some(ChannelFacts {
        channel: id,
        payer: [PAYER as u8; 32],
        signer: channel.signer,
        deposit: channel.deposit,
        lanes: channel.lanes.iter().map(|(lane, claimed)| (*lane, *claimed)).collect(),
        window: channel.window,
        ends: channel.state.ends(),
    })
}

/// Redeems, and returns what the payee received.
fn redeemed(who: u64, shown: &Redeem) -> Balance {
    let before = free(PAYEE);
    let _ = redeem(who, shown.clone());
    free(PAYEE) - before
}

/// What `act` returns, on a chain that forgets that it happened.
fn undone<T>(act: impl FnOnce() -> T) -> T {
    frame_support::storage::with_transaction(|| {
        TransactionOutcome::Rollback(Ok::<_, DispatchError>(act()))
    })
    .expect("the act itself does not fail")
}

impl World {
    fn new() -> Self {
        let id = open(DEPOSIT);
        let facts = facts(id).expect("just opened");
        Self {
            id,
            payer: PayerLedger::new(genesis(), hot_key(), facts.clone()).expect("own signer"),
            payee: PayeeLedger::new(genesis(), facts).expect("a key"),
            sessions: Vec::new(),
            seen: Vec::new(),
            disk: BTreeMap::new(),
        }
    }

    /// Runs a step; returns whether the channel is still there.
    fn run(&mut self, step: &Step) -> bool {
        match *step {
            Step::Open { budget, ticks, lives } => self.begin(budget, ticks, lives),
            Step::Pay { session, positions, lives } => self.pay(session, positions, lives),
            Step::Settle { session, lives } => self.settle(session, lives),
            Step::Redeem => self.redeem_all(),
            Step::Show { who, promise } => {
                if !self.seen.is_empty() {
                    redeemed(who, &self.seen[promise % self.seen.len()]);
                }
            }
            Step::Drain { lane, seq, cumulative } => {
                let voucher = Voucher { lane, ..voucher(self.id, seq, cumulative) };
                redeemed(PAYER, &signed(voucher));
            }
            Step::TopUp { more } => {
                let total = self.payee.facts().deposit + more;
                let _ = Channels::top_up_to(RuntimeOrigin::signed(PAYER), self.id, total);
            }
            Step::Close => drop(Channels::close(RuntimeOrigin::signed(PAYER), self.id)),
            Step::Finish => drop(Channels::finish(RuntimeOrigin::signed(STRANGER), self.id)),
            Step::Wait { blocks } => System::set_block_number(now() + blocks),
            Step::RestartPayee => self.restart_payee(),
            Step::RestartPayer => self.restart_payer(),
        }
        let Some(facts) = facts(self.id) else { return false };
        self.payer.update(facts.clone());
        self.payee.update(facts);
        true
    }

    fn begin(&mut self, budget: Balance, ticks: u16, lives: u32) {
        let Ok(mut lane) = self.payer.lease(budget) else { return };
        let (id, voucher) = (lane.record().lane, lane.renew(0, UNIT, ticks, now() + lives));
        let voucher = voucher.expect("nothing more is promised");
        self.disk.insert(id, lane.record().clone());
        match self.accept(&voucher, id, VoucherKind::Opening) {
            true => self.sessions.push(lane),
            false => self.payer.give_back(lane.record().clone()),
        }
    }

    fn pay(&mut self, session: usize, positions: u32, lives: u32) {
        if self.sessions.is_empty() {
            return;
        }
        let session = session % self.sessions.len();
        let lane = &mut self.sessions[session];
        let (id, paid) = (lane.record().lane, lane.pay(positions, now() + lives));
        self.disk.insert(id, lane.record().clone());
        match paid {
            Ok(Payment::Tick(proof)) => {
                let accepted = self.payee.accept_tick(id, &proof, now());
                self.check_accepted(id, accepted.ok());
            }
            Ok(Payment::Voucher(voucher)) => {
                self.accept(&voucher, id, VoucherKind::Renewal);
            }
            Err(_) => {}
        }
    }

    fn settle(&mut self, session: usize, lives: u32) {
        if self.sessions.is_empty() {
            return;
        }
        let mut lane = self.sessions.swap_remove(session % self.sessions.len());
        let id = lane.record().lane;
        if let Ok(voucher) = lane.settle(lane.promised(), now() + lives) {
            self.accept(&voucher, id, VoucherKind::Final);
        }
        self.disk.insert(id, lane.record().clone());
        self.payer.give_back(lane.record().clone());
    }

    fn accept(&mut self, voucher: &Redeem, lane: LaneId, kind: VoucherKind) -> bool {
        let rule = VoucherRule { lane, unit: UNIT, block: now(), kind };
        let accepted = self.payee.accept_voucher(voucher, &rule).ok();
        self.check_accepted(lane, accepted);
        accepted.is_some()
    }

    /// What was accepted is paid already, or paid in full when it is shown.
    fn check_accepted(&mut self, lane: LaneId, promised: Option<Balance>) {
        let Some(promised) = promised else { return };
        let held = self.payee.held(lane).expect("just accepted").clone();
        assert_eq!(held.promised(), Some(promised));
        let claimed = undone(|| {
            redeemed(PAYEE, &held);
            facts(self.id).expect("it is open").lane(lane).claimed
        });
        assert!(claimed >= promised, "{promised} was accepted and {claimed} is paid");
        if self.seen.len() < MAX_SEEN {
            self.seen.push(held);
        }
    }

    /// Redeems what the ledger calls redeemable: each brings what the ledger says.
    fn redeem_all(&self) {
        for due in self.payee.redeemable(now()) {
            assert_eq!(redeemed(PAYEE, &due.redeem), due.gain, "{:?}", due.redeem);
        }
    }

    fn restart_payee(&mut self) {
        let facts = self.payee.facts().clone();
        let mut fresh = PayeeLedger::new(genesis(), facts).expect("a key");
        for lane in 0..16 {
            fresh.restore(self.payee.record(lane)).expect("own record");
        }
        self.payee = fresh;
    }

    fn restart_payer(&mut self) {
        let facts = self.payer.facts().clone();
        self.payer = PayerLedger::new(genesis(), hot_key(), facts).expect("own signer");
        for record in self.disk.values() {
            self.payer.restore(record.clone()).expect("own record");
        }
        self.sessions.clear();
    }

    /// The ledger's promises bring exactly what it says, one after the other; then all it holds
    /// brings nothing more.
    fn check(&self) {
        let due = self.payee.redeemable(now());
        let secured: Vec<Balance> = (0..16).map(|lane| self.payee.secured(lane, now())).collect();
        undone(|| {
            self.redeem_all();
            for held in self.payee.promises() {
                assert_eq!(redeemed(PAYEE, held), 0, "not called redeemable: {held:?} of {due:?}");
            }
            let facts = facts(self.id).expect("a redeem ends no channel");
            for (lane, secured) in (0..16).zip(secured) {
                assert_eq!(facts.lane(lane).claimed, secured, "lane {lane}");
            }
        });
        Channels::do_try_state().expect("invariants hold");
    }
}

fn step() -> impl Strategy<Value = Step> {
    // Blocks for which a voucher is good: some are too few to be accepted.
    let lives = || prop_oneof![1 => 90..110u32, 3 => 110..400u32];
    prop_oneof![
        4 => (0..1_200u128, 1..60u16, lives())
            .prop_map(|(budget, ticks, lives)| Step::Open { budget, ticks, lives }),
        12 => (0..8usize, 1..30u32, lives())
            .prop_map(|(session, positions, lives)| Step::Pay { session, positions, lives }),
        2 => (0..8usize, lives()).prop_map(|(session, lives)| Step::Settle { session, lives }),
        3 => Just(Step::Redeem),
        3 => (prop_oneof![Just(STRANGER), Just(PAYER), Just(PAYEE)], 0..MAX_SEEN)
            .prop_map(|(who, promise)| Step::Show { who, promise }),
        1 => (0..18u16, 0..9u64, 0..6_000u128)
            .prop_map(|(lane, seq, cumulative)| Step::Drain { lane, seq, cumulative }),
        1 => (0..2_000u128).prop_map(|more| Step::TopUp { more }),
        1 => Just(Step::Close),
        1 => Just(Step::Finish),
        4 => prop_oneof![4 => 0..3u32, 1 => 0..120u32].prop_map(|blocks| Step::Wait { blocks }),
        1 => Just(Step::RestartPayee),
        1 => Just(Step::RestartPayer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_the_ledger_calls_redeemable_is_exactly_what_the_pallet_pays(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        new_test_ext().execute_with(|| {
            let mut world = World::new();
            for step in steps {
                if !world.run(&step) {
                    break;
                }
                world.check();
            }
        });
    }
}

/// The finding that this test was written for: a lane is redeemed while its session runs, and the
/// session goes on; then the worker starts again from its records.
#[test]
fn the_ticks_after_a_redeem_are_redeemed_also_after_a_restart() {
    test(|| {
        let mut world = World::new();
        let far = 1_000;
        world.run(&Step::Open { budget: 1_000, ticks: 100, lives: far });
        for round in 1..=3 {
            world.run(&Step::Pay { session: 0, positions: 10, lives: far });
            if round == 2 {
                world.run(&Step::RestartPayee);
            }
            let due = world.payee.redeemable(now());
            assert_eq!(due.iter().map(|due| due.gain).sum::<Balance>(), 10 * UNIT);
            world.run(&Step::Redeem);
            assert_eq!(free(PAYEE), FUNDS + Balance::from(10 * round as u32) * UNIT);
        }
    });
}

/// Attack: the payer promises on chain more than it has, on a lane that a session uses. The chain's
/// record of the promise must not count as payment.
#[test]
fn a_promise_that_the_deposit_does_not_cover_is_not_secured() {
    test(|| {
        let mut world = World::new();
        world.run(&Step::Open { budget: 1_000, ticks: 100, lives: 1_000 });
        world.run(&Step::Drain { lane: 5, seq: 1, cumulative: DEPOSIT - 50 });
        world.run(&Step::Drain { lane: 0, seq: 1, cumulative: 100 * DEPOSIT });
        assert_eq!(world.payee.promised(0), 100 * DEPOSIT);
        assert_eq!(world.payee.secured(0, now()), 50, "what the chain has paid");
        world.check();
    });
}

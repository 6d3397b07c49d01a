//! Random histories against a model that knows only money and blocks; the invariants hold after
//! every step.

use std::collections::BTreeMap;

use mica_primitives::{ChannelId, Redeem, Voucher};
use proptest::prelude::*;
use sp_core::Pair;

use crate::mock::*;

#[derive(Clone, Debug)]
enum Step {
    Open {
        payee: u64,
        deposit: u128,
    },
    TopUp {
        channel: usize,
        total: u128,
    },
    Redeem {
        who: u64,
        channel: usize,
        lane: u16,
        seq: u64,
        cumulative: u128,
        ticks: Option<u16>,
        signer: u64,
    },
    Close {
        who: u64,
        channel: usize,
    },
    Agree {
        who: u64,
        channel: usize,
        total: u128,
    },
    Finish {
        channel: usize,
    },
    Wait {
        blocks: u32,
    },
}

/// What the model knows of a channel: enough to say what every step must do.
#[derive(Clone, Debug)]
struct Model {
    payee: u64,
    deposit: u128,
    /// lane → (seq, promised, paid)
    lanes: BTreeMap<u16, (u64, u128, u128)>,
    /// (end, extensions)
    closing: Option<(u32, u8)>,
}

impl Model {
    fn paid(&self) -> u128 {
        self.lanes.values().map(|lane| lane.2).sum()
    }
}

#[derive(Default)]
struct World {
    ids: Vec<ChannelId>,
    live: BTreeMap<ChannelId, Model>,
    received: BTreeMap<u64, u128>,
    block: u32,
}

const UNIT: u128 = 7;

impl World {
    fn id(&self, index: usize) -> ChannelId {
        if self.ids.is_empty() { ChannelId([0; 32]) } else { self.ids[index % self.ids.len()] }
    }

    /// Runs one step on chain and in the model; both must agree on whether it succeeds.
    fn run(&mut self, step: Step) -> (bool, bool) {
        match step {
            Step::Open { payee, deposit } => {
                let next = crate::Payers::<Test>::get(PAYER).next;
                let origin = RuntimeOrigin::signed(PAYER);
                let done =
                    Channels::open(origin, payee, key(PAYER).public().0, deposit, WINDOW).is_ok();
                let fits = self.held() + deposit + ED <= self.wealth();
                let expected =
                    payee != PAYER && deposit >= MIN_DEPOSIT && fits && self.live.len() < 32;
                if expected {
                    let id = ChannelId::derive(&genesis(), &PAYER, &payee, next);
                    self.ids.push(id);
                    self.live.insert(
                        id,
                        Model { payee, deposit, lanes: BTreeMap::new(), closing: None },
                    );
                }
                (done, expected)
            }
            Step::TopUp { channel, total } => {
                let id = self.id(channel);
                let done = Channels::top_up_to(RuntimeOrigin::signed(PAYER), id, total).is_ok();
                let (held, wealth) = (self.held(), self.wealth());
                let expected = self.live.get_mut(&id).is_some_and(|model| {
                    let rises =
                        total >= model.deposit && held + (total - model.deposit) + ED <= wealth;
                    let expected = model.closing.is_none() && (total == model.deposit || rises);
                    if expected {
                        model.deposit = total;
                    }
                    expected
                });
                (done, expected)
            }
            Step::Redeem { who, channel, lane, seq, cumulative, ticks, signer } => {
                let id = self.id(channel);
                let plain = Voucher { lane, ..voucher(id, seq, cumulative) };
                let shown = match ticks {
                    Some(n) => signed_with_tick(ticking(plain, UNIT, 20), n),
                    None => signed(plain),
                };
                let signature = sign(signer, &shown.voucher.signing_bytes(&genesis()));
                let done = redeem(who, Redeem { signature, ..shown }).is_ok();
                let promised = cumulative + ticks.map_or(0, |n| UNIT * u128::from(n));
                (done, self.redeem(who, id, lane, seq, promised, signer))
            }
            Step::Close { who, channel } => {
                let id = self.id(channel);
                let done = Channels::close(RuntimeOrigin::signed(who), id).is_ok();
                let block = self.block;
                let Some(model) = self.live.get_mut(&id) else { return (done, false) };
                let expected = who == model.payee || (who == PAYER && model.closing.is_none());
                if who == model.payee {
                    self.live.remove(&id);
                } else if expected {
                    model.closing = Some((block + WINDOW, 0));
                }
                (done, expected)
            }
            Step::Agree { who, channel, total } => {
                let id = self.id(channel);
                let Some(model) = self.live.get(&id).cloned() else { return (false, false) };
                let (close, signature) =
                    agreed(id, total, NEVER, if who == PAYER { model.payee } else { PAYER });
                let done =
                    Channels::close_cooperatively(RuntimeOrigin::signed(who), close, signature)
                        .is_ok();
                let expected = (who == PAYER || who == model.payee)
                    && (model.paid()..=model.deposit).contains(&total);
                if expected {
                    *self.received.entry(model.payee).or_default() += total - model.paid();
                    self.live.remove(&id);
                }
                (done, expected)
            }
            Step::Finish { channel } => {
                let id = self.id(channel);
                let done = Channels::finish(RuntimeOrigin::signed(STRANGER), id).is_ok();
                let due = self
                    .live
                    .get(&id)
                    .and_then(|model| model.closing)
                    .is_some_and(|(ends, _)| self.block >= ends);
                if due {
                    self.live.remove(&id);
                }
                (done, due)
            }
            Step::Wait { blocks } => {
                self.block += blocks;
                System::set_block_number(self.block);
                (true, true)
            }
        }
    }

    fn redeem(
        &mut self,
        who: u64,
        id: ChannelId,
        lane: u16,
        seq: u64,
        promised: u128,
        signer: u64,
    ) -> bool {
        let block = self.block;
        let Some(model) = self.live.get_mut(&id) else { return false };
        let (last, before, paid) = model.lanes.get(&lane).copied().unwrap_or_default();
        let left = model.deposit - model.paid();
        let pay = promised.saturating_sub(paid).min(left);
        let fixes = who == model.payee && seq > last;
        let open = model.closing.is_none_or(|(ends, _)| block < ends);
        if !open
            || signer != PAYER
            || lane > 15
            || seq == 0
            || seq < last
            || promised < before
            || (pay == 0 && !fixes)
        {
            return false;
        }
        model.lanes.insert(lane, (if fixes { seq } else { last }, promised, paid + pay));
        if let Some((ends, extensions)) = &mut model.closing
            && pay > 0
            && *extensions < 3
            && block + WINDOW / 10 > *ends
        {
            *ends = block + WINDOW / 10;
            *extensions += 1;
        }
        *self.received.entry(model.payee).or_default() += pay;
        true
    }

    fn held(&self) -> u128 {
        self.live.values().map(|model| model.deposit - model.paid()).sum()
    }

    fn wealth(&self) -> u128 {
        FUNDS - self.received.values().sum::<u128>()
    }

    /// Money is where the model says, none is made or lost, and the pallet's own invariants hold.
    fn check(&self) {
        Channels::do_try_state().expect("invariants hold");
        assert_eq!(held(PAYER), self.held());
        assert_eq!(free(PAYER) + held(PAYER), self.wealth());
        for payee in [PAYEE, OTHER_PAYEE] {
            assert_eq!(free(payee), FUNDS + self.received.get(&payee).copied().unwrap_or_default());
        }
        assert_eq!(Balances::total_issuance(), 4 * FUNDS);
        assert_eq!(crate::Channels::<Test>::iter().count(), self.live.len());
    }
}

fn who() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(PAYEE), 2 => Just(PAYER), 1 => Just(STRANGER), 2 => Just(OTHER_PAYEE)]
}

fn step() -> impl Strategy<Value = Step> {
    let channel = 0..4usize;
    prop_oneof![
        2 => (prop_oneof![Just(PAYEE), Just(OTHER_PAYEE), Just(PAYER)], 90..2_000u128)
            .prop_map(|(payee, deposit)| Step::Open { payee, deposit }),
        1 => (channel.clone(), prop_oneof![50..3_000u128, Just(FUNDS), Just(u128::MAX / 2)])
            .prop_map(|(channel, total)| Step::TopUp { channel, total }),
        10 => (who(), channel.clone(), 0..18u16, 0..6u64, 0..900u128, proptest::option::of(0..=20u16), prop_oneof![9 => Just(PAYER), 1 => Just(PAYEE)])
            .prop_map(|(who, channel, lane, seq, cumulative, ticks, signer)| Step::Redeem {
                who, channel, lane: if lane < 12 { lane % 3 } else { lane }, seq, cumulative, ticks, signer,
            }),
        1 => (who(), channel.clone()).prop_map(|(who, channel)| Step::Close { who, channel }),
        1 => (who(), channel.clone(), 0..2_000u128).prop_map(|(who, channel, total)| Step::Agree { who, channel, total }),
        2 => channel.prop_map(|channel| Step::Finish { channel }),
        3 => (0..12u32).prop_map(|blocks| Step::Wait { blocks }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..80)) {
        new_test_ext().execute_with(|| {
            let mut world = World { block: 1, ..World::default() };
            for step in steps {
                let (done, expected) = world.run(step.clone());
                assert_eq!(done, expected, "{step:?}");
                world.check();
            }
        });
    }
}

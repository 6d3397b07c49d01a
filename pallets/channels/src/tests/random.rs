//! Random histories against a model of channels, money and blocks, which settles and closes with
//! the rules of [`mica_primitives::settlement`]; the invariants hold after every step.

use std::collections::BTreeMap;

use mica_primitives::{
    ChannelId, ChannelState, Lane, Redeem, Voucher,
    settlement::{self, Close, Figures, Party, Submitter},
};
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
        bounty: u128,
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
    lanes: BTreeMap<u16, Lane>,
    state: ChannelState,
}

impl Model {
    fn paid(&self) -> u128 {
        self.lanes.values().map(|lane| lane.claimed).sum()
    }

    fn figures(&self) -> Figures {
        let bounty_from = match self.state {
            ChannelState::Open => None,
            ChannelState::Closing(closing) => Some(closing.at + WINDOW / 2),
        };
        let (deposit, ends) = (self.deposit, self.state.ends());
        Figures { deposit, claimed: self.paid(), ends, bounty_from }
    }
}

#[derive(Default)]
struct World {
    ids: Vec<ChannelId>,
    live: BTreeMap<ChannelId, Model>,
    received: BTreeMap<u64, u128>,
    /// The lanes of all channels as they were before the last step.
    seen: BTreeMap<(ChannelId, u16), Lane>,
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
                let next = crate::NextChannel::<Test>::get();
                let origin = RuntimeOrigin::signed(PAYER);
                let done =
                    Channels::open(origin, payee, key(PAYER).public().0, deposit, WINDOW).is_ok();
                let fits = self.held() + deposit + STORAGE + ED <= self.wealth();
                let expected =
                    payee != PAYER && deposit >= MIN_DEPOSIT && fits && self.live.len() < 32;
                if expected {
                    let id = ChannelId::derive(&genesis(), &PAYER, &payee, next);
                    self.ids.push(id);
                    let (lanes, state) = (BTreeMap::new(), ChannelState::Open);
                    self.live.insert(id, Model { payee, deposit, lanes, state });
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
                    let expected =
                        model.state == ChannelState::Open && (total == model.deposit || rises);
                    if expected {
                        model.deposit = total;
                    }
                    expected
                });
                (done, expected)
            }
            Step::Redeem { who, channel, lane, seq, cumulative, ticks, bounty, signer } => {
                let id = self.id(channel);
                let plain = Voucher { lane, bounty, ..voucher(id, seq, cumulative) };
                let shown = match ticks {
                    Some(n) => signed_with_tick(ticking(plain, UNIT, 20), n),
                    None => signed(plain),
                };
                let signature = sign(signer, &shown.voucher.signing_bytes(&genesis()));
                let done = redeem(who, Redeem { signature, ..shown.clone() }).is_ok();
                (done, signer == PAYER && self.redeem(who, &shown))
            }
            Step::Close { who, channel } => {
                let id = self.id(channel);
                let done = Channels::close(RuntimeOrigin::signed(who), id).is_ok();
                let block = self.block;
                let Some(model) = self.live.get_mut(&id) else { return (done, false) };
                let party = match who {
                    PAYER => Party::Payer,
                    who if who == model.payee => Party::Payee,
                    _ => return (done, false),
                };
                let close = settlement::close(&model.state, WINDOW, party, block);
                match close {
                    Ok(Close::AtOnce) => drop(self.live.remove(&id)),
                    Ok(Close::Window(closing)) => model.state = ChannelState::Closing(closing),
                    Err(_) => {}
                }
                (done, close.is_ok())
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
                let due = self.live.get(&id).is_some_and(|model| {
                    settlement::check_finish(&model.state, self.block).is_ok()
                });
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

    fn redeem(&mut self, who: u64, shown: &Redeem) -> bool {
        let (block, voucher) = (self.block, &shown.voucher);
        let Some(model) = self.live.get_mut(&voucher.channel) else { return false };
        let submitter = if who == model.payee { Submitter::Payee } else { Submitter::Other };
        let lane = model.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let Ok(done) = settlement::settle(&model.figures(), &lane, shown, submitter, block) else {
            return false;
        };
        model.lanes.insert(voucher.lane, done.lane_after(lane, voucher));
        if let ChannelState::Closing(closing) = &mut model.state
            && done.extends
            && let Some(moved) = settlement::extended(closing, WINDOW, block)
        {
            *closing = moved;
        }
        *self.received.entry(model.payee).or_default() += done.paid - done.bounty;
        if who == PAYER {
            // Its own money comes back.
            return true;
        }
        *self.received.entry(who).or_default() += done.bounty;
        true
    }

    /// What the payer cannot spend: deposits, and what the channels' storage costs.
    fn held(&self) -> u128 {
        self.deposits() + STORAGE * self.live.len() as u128
    }

    fn deposits(&self) -> u128 {
        self.live.values().map(|model| model.deposit - model.paid()).sum()
    }

    fn wealth(&self) -> u128 {
        FUNDS - self.received.values().sum::<u128>()
    }

    /// Money is where the model says, none is made or lost, and the pallet's own invariants hold.
    fn check(&mut self) {
        Channels::do_try_state().expect("invariants hold");
        self.check_monotone();
        assert_eq!(held(PAYER), self.deposits());
        assert_eq!(held_for_storage(PAYER), STORAGE * self.live.len() as u128);
        assert_eq!(free(PAYER) + held(PAYER), self.wealth());
        for payee in [PAYEE, OTHER_PAYEE, STRANGER] {
            assert_eq!(free(payee), FUNDS + self.received.get(&payee).copied().unwrap_or_default());
        }
        assert_eq!(Balances::total_issuance(), 4 * FUNDS);
        assert_eq!(crate::Channels::<Test>::iter().count(), self.live.len());
    }
}

impl World {
    /// Nothing of a lane falls from one step to the next.
    fn check_monotone(&mut self) {
        for (id, channel) in crate::Channels::<Test>::iter() {
            for (number, lane) in &channel.lanes {
                let before = self.seen.insert((id, *number), *lane).unwrap_or_default();
                assert!(lane.seq >= before.seq && lane.shown >= before.shown);
                assert!(lane.cumulative >= before.cumulative && lane.claimed >= before.claimed);
            }
        }
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
        10 => (who(), channel.clone(), 0..18u16, 0..6u64, 0..900u128, proptest::option::of(0..=20u16), 0..40u128, prop_oneof![9 => Just(PAYER), 1 => Just(PAYEE)])
            .prop_map(|(who, channel, lane, seq, cumulative, ticks, bounty, signer)| Step::Redeem {
                who, channel, lane: if lane < 12 { lane % 3 } else { lane }, seq, cumulative, ticks, bounty, signer,
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

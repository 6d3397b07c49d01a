//! Attacks on what a hub keeps of its payers' tick chains: one chain on several lanes, and ledgers
//! that make room for others.

mod common;

use std::{cell::RefCell, rc::Rc};

use common::{
    PAYER, World,
    hubs::{CREDIT, CREDIT_MONEY, FEE, channel_to_hub, hub_offer, worker_account},
};
use mica_primitives::{Balance, ChannelId, Hash32, Redeem, TickProof, domain::blake2_256};
use mica_protocol::{
    FaultCode, Message, SessionId,
    channel::{PayerLane, PayerLedger},
    hub::HubInput,
    limits::{MAX_LEDGERS, MAX_PREPAID_POSITIONS, VOUCHER_LIFETIME_BLOCKS},
    messages::{Close, CloseWhen, Payment, RelayOpen, RelayPay},
};

const CUTS: &[u16] = &[2, 5];
const LAYERS: u16 = 8;
const POSITIONS: u32 = 1_000;
const TICKS: usize = 1_000;

/// The anchor of a chain, and the preimage of each of its ticks.
fn chain(seed: u8) -> Vec<Hash32> {
    let mut chain = vec![[seed; 32]];
    while chain.len() <= TICKS {
        let last = chain[chain.len() - 1];
        chain.push(blake2_256(&last));
    }
    chain.reverse();
    chain
}

/// A payer that writes its messages by hand, and what its hub answered.
struct Thief {
    world: World,
    promises: Rc<RefCell<Vec<Redeem>>>,
    refusals: Rc<RefCell<Vec<FaultCode>>>,
    lanes: Vec<PayerLane>,
    chains: Vec<Vec<Hash32>>,
}

impl Thief {
    fn new(seed: u64) -> Self {
        let mut world = World::with_hubs(seed, CUTS, LAYERS, 1);
        let promises = Rc::new(RefCell::new(Vec::new()));
        let refusals = Rc::new(RefCell::new(Vec::new()));
        let (promised, refused) = (promises.clone(), refusals.clone());
        world.tamper = Box::new(move |_, _, message| match message {
            Message::Relayed(relayed) => {
                promised.borrow_mut().push(*relayed.promise);
                vec![]
            }
            Message::RelayRefused(refusal) => {
                refused.borrow_mut().push(refusal.fault.code());
                vec![]
            }
            other => vec![other],
        });
        let budget = first_unit(&world, 3) * Balance::from(POSITIONS);
        let lanes = (0..3).map(|_| world.ledgers[0].lease(budget).expect("a lane")).collect();
        let chains = (1..=3).map(chain).collect();
        Self { world, promises, refusals, lanes, chains }
    }

    /// Opens session `session` to a worker, from 1, on one of its lanes, over one of its chains.
    fn open(&mut self, session: u8, lane: usize, worker: usize, chain: usize) {
        let unit = self.world.unit(worker - 1);
        self.open_at(session, lane, worker, chain, unit);
    }

    /// The same for `unit` base units a position.
    fn open_at(&mut self, session: u8, lane: usize, worker: usize, chain: usize, unit: Balance) {
        let first = FEE.with(unit).expect("small");
        let expires = self.world.now.block + VOUCHER_LIFETIME_BLOCKS;
        let voucher = self.lanes[lane].renew(0, first, TICKS as u16, expires).expect("within");
        let voucher = over(voucher, self.chains[chain][0]);
        let open = RelayOpen {
            session: SessionId([session; 32]),
            stage: 0,
            payee: worker_account(worker),
            unit,
            positions: POSITIONS,
            voucher,
        };
        self.tell(Message::RelayOpen(Box::new(open)));
    }

    fn close(&mut self, session: u8) {
        let session = SessionId([session; 32]);
        self.tell(Message::Close(Close { session, when: CloseWhen::Now }));
    }

    fn tell(&mut self, message: Message) {
        self.world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
        while self.world.run_events(1) {}
    }

    /// Pays with tick `n` of a chain.
    fn pay(&mut self, session: u8, chain: usize, n: u16) {
        let (session, stage) = (SessionId([session; 32]), 0);
        let payment = Payment::Tick(self.proof(chain, n));
        self.tell(Message::RelayPay(RelayPay { session, stage, payment }));
    }

    fn proof(&self, chain: usize, n: u16) -> TickProof {
        TickProof { n, preimage: self.chains[chain][usize::from(n)] }
    }

    /// Shows every worker as many ticks as it was promised, and the chain with them. Returns what
    /// the hub loses, base units.
    fn take(&mut self) -> Balance {
        let mut owed = 0;
        let promises = self.promises.borrow().clone();
        assert!(!promises.is_empty(), "something is promised");
        for promise in promises {
            let tick = promise.voucher.tick.expect("a chain");
            let chain = self.chains.iter().find(|chain| chain[0] == tick.anchor).expect("its own");
            let proof = TickProof { n: tick.max, preimage: chain[usize::from(tick.max)] };
            let shown = Redeem { tick: Some(proof), ..promise };
            owed += shown.promised().expect("small");
            self.world.hub_input(0, HubInput::Shown(Box::new(shown)));
        }
        owed.saturating_sub(self.world.hub_redeemable(0))
    }

    fn one_window(&self) -> Balance {
        let dearest = (0..3).map(|worker| self.world.unit(worker)).max().expect("three");
        Balance::from(CREDIT) * dearest
    }
}

/// What the hub gets for a position of a worker's, from 1.
fn first_unit(world: &World, worker: usize) -> Balance {
    FEE.with(world.unit(worker - 1)).expect("small")
}

/// The voucher over another chain.
fn over(mut voucher: Redeem, anchor: Hash32) -> Redeem {
    voucher.voucher.tick.as_mut().expect("a chain").anchor = anchor;
    let bytes = voucher.voucher.signing_bytes(&common::GENESIS);
    voucher.signature = mica_protocol::signing::sign(&common::voucher_key(), &bytes);
    voucher
}

/// Attack: one tick chain pays on several lanes. One preimage pays all workers, and what the hub
/// claims with it on one lane it might think claimed on all.
#[test]
fn one_chain_on_several_lanes_is_worth_one_window() {
    let mut thief = Thief::new(50);
    for worker in 1..=3 {
        thief.open(worker as u8, worker - 1, worker, 0);
    }
    let (lost, most) = (thief.take(), thief.one_window());
    assert!(lost <= most, "the hub lost {lost}, one window is {most}");
    assert_eq!(*thief.refusals.borrow(), [FaultCode::BadTick; 2]);
}

/// Attack: the same on one lane, one worker after the other, so that each session hides the one
/// before it.
#[test]
fn one_chain_for_one_worker_after_the_other_is_worth_one_window() {
    for restarts in [false, true] {
        let mut thief = Thief::new(51);
        for worker in 1..=3 {
            thief.open(worker as u8, 0, worker, 0);
            thief.close(worker as u8);
            if restarts {
                thief.world.restart_hub(0);
            }
        }
        let (lost, most) = (thief.take(), thief.one_window());
        assert!(lost <= most, "the hub lost {lost}, one window is {most}");
        assert_eq!(*thief.refusals.borrow(), [FaultCode::BadTick; 2]);
    }
}

/// Attack: so many channels are shown to the hub that the ledger makes room from which it could
/// claim what workers are shown.
#[test]
fn a_ledger_with_which_the_hub_may_claim_stays() {
    let mut thief = Thief::new(52);
    for worker in 1..=3 {
        thief.open(worker as u8, worker - 1, worker, worker - 1);
        thief.close(worker as u8);
    }
    for number in 0..MAX_LEDGERS as u64 {
        let mut id = [255; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let mut facts = thief.world.facts[&channel_to_hub(0)].clone();
        (facts.channel, facts.payer) = (ChannelId(id), id);
        let ledger = PayerLedger::new(common::GENESIS, common::voucher_key(), facts.clone());
        let mut lane = ledger.expect("own signer").lease(1_000).expect("a lane");
        let voucher = lane.renew(0, first_unit(&thief.world, 1), 1, 20_000).expect("within");
        // More than the channel has: it is refused, once the hub has looked at it.
        facts.deposit = 1;
        thief.world.facts.insert(facts.channel, facts);
        let open = RelayOpen {
            session: SessionId(id),
            stage: 0,
            payee: worker_account(1),
            unit: thief.world.unit(0),
            positions: POSITIONS,
            voucher,
        };
        thief.tell(Message::RelayOpen(Box::new(open)));
    }
    assert!(thief.refusals.borrow().iter().all(|code| *code == FaultCode::Overspend));
    let (lost, most) = (thief.take(), thief.one_window());
    assert!(lost <= most, "the hub lost {lost}, one window is {most}");
}

/// Attack: a payer and its workers agree on a price at which one window is all that the hub has.
#[test]
fn a_price_that_nobody_asks_makes_no_window_greater() {
    let mut thief = Thief::new(53);
    // As much as the channels to its workers are good for, and its own.
    let unit = common::DEPOSIT / Balance::from(POSITIONS) * 9 / 10;
    for worker in 1..=3 {
        thief.open_at(worker as u8, 0, worker, worker - 1, unit);
        thief.close(worker as u8);
    }
    let lost = thief.take();
    assert!(lost <= CREDIT_MONEY, "the hub lost {lost}, and lends {CREDIT_MONEY}");
    // What one position costs more than that is nobody's.
    let mut thief = Thief::new(54);
    let offer = mica_protocol::hub::HubOffer { credit_money: 10, ..hub_offer(0) };
    thief.world.hubs[0].table.set_offer(offer);
    thief.open_at(1, 0, 1, 0, 11);
    assert_eq!(*thief.refusals.borrow(), [FaultCode::BadTerms]);
}

/// Attack: a worker refuses a session and is paid all the same with what was to prepay its room,
/// when its payer has gone on with another one. Nobody but the worker is to blame.
#[test]
fn a_worker_that_refuses_and_redeems_has_no_payer_banned() {
    for (n, is_banned) in [(MAX_PREPAID_POSITIONS, false), (MAX_PREPAID_POSITIONS + 1, true)] {
        let mut thief = Thief::new(55);
        thief.open(1, 0, 1, 0);
        thief.close(1);
        thief.open(2, 0, 2, 1);
        thief.pay(2, 1, 30);
        thief.close(2);
        let refused = thief.promises.borrow()[0].clone();
        let shown = Redeem { tick: Some(thief.proof(0, n)), ..refused };
        let place = (shown.voucher.channel, shown.voucher.lane);
        thief.world.hub_input(0, HubInput::Shown(Box::new(shown)));
        assert_eq!(thief.world.hubs[0].retired, [place], "the worker has lost a lane");
        thief.open(3, 1, 3, 2);
        let refusals = if is_banned { vec![FaultCode::Underpaid] } else { vec![] };
        assert_eq!(*thief.refusals.borrow(), refusals, "{n} ticks");
    }
}

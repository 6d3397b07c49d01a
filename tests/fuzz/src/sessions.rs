//! Every message kind into all state machines in any state: a path of workers, their payer and the
//! hubs between them, over links on which messages are changed, lost, repeated and made up, with
//! programs that start again, engines that fail and channels that close.
//!
//! Whatever happens: no worker holds promises beyond the deposit or caches without a session, no
//! stage is paid more than the exposure beyond verified receipts, no hub owes more than one credit
//! window of each stage beyond what it is owed, and everything ends. (That a
//! worker keeps to its credit is checked in `mica-simulation`, message by message.)

use codec::{Decode, Encode};
use mica_primitives::{Balance, BlockNumber};
use mica_protocol::{
    Message, SessionId, hub::HubInput, limits, payer::PayerInput, stage::StageInput,
    wire::decode_content,
};
use std::{cell::RefCell, rc::Rc};

use crate::{
    common::{
        self, PRICE, World, channel_of, facts_of,
        hubs::{CREDIT, units},
        peer, samples,
    },
    outcome::Outcome,
    reader::Reader,
};

/// Name of the session.
const SESSION: u8 = 3;
/// Layers of the model.
const LAYERS: u16 = 4;
/// Most events between two steps of the input.
const EVENTS: usize = 24;

/// What the links do, shared with the world's tamper.
#[derive(Default)]
struct Links {
    /// Messages that were seen, to be sent again.
    seen: Vec<Message>,
    /// What happens to the next messages: one entry for each.
    plan: Vec<(u8, u8, u8)>,
}

/// Reads a history from the bytes.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let (mut reader, mut outcome) = (Reader::new(bytes), Outcome::new());
    let cuts: &[u16] = [&[][..], &[2], &[1, 3]][reader.below(3)];
    let seed = reader.byte();
    // Half of the worlds pay directly.
    let hubs = usize::from(seed / 64).saturating_sub(1);
    let mut world = match hubs {
        0 => World::new(seed.into(), cuts, LAYERS),
        _ => World::with_hubs(seed.into(), cuts, LAYERS, hubs),
    };
    let links = Rc::new(RefCell::new(Links::default()));
    let tampering = links.clone();
    world.tamper = Box::new(move |_, _, message| tamper(&mut tampering.borrow_mut(), message));
    let prompt = (0..1 + u32::from(reader.byte() % 40)).collect();
    let tokens = 1 + u32::from(reader.byte() % 40);
    let plan = match hubs {
        0 => world.plan(SESSION, prompt, tokens),
        _ => world.relayed_plan(SESSION, prompt, tokens).expect("lanes"),
    };
    let id = world.start(plan);
    while !reader.is_empty() {
        step(&mut world, &links, id, &mut reader);
        check(&world);
    }
    links.borrow_mut().plan.clear();
    world.run();
    check(&world);
    judge(&world, &mut outcome);
    outcome.number()
}

/// What becomes of a message on its way.
fn tamper(links: &mut Links, message: Message) -> Vec<Message> {
    if links.seen.len() < 64 {
        links.seen.push(message.clone());
    }
    match links.plan.pop() {
        Some((0, ..)) => vec![],
        Some((1, ..)) => vec![message.clone(), message],
        Some((2, at, value)) => changed(&message, &[(at, value)]).into_iter().collect(),
        Some((3, at, _)) => {
            let old = links.seen[usize::from(at) % links.seen.len()].clone();
            vec![old, message]
        }
        _ => vec![message],
    }
}

/// The message with some bytes changed, if it is still one.
fn changed(message: &Message, changes: &[(u8, u8)]) -> Option<Message> {
    let mut bytes = vec![limits::PROTOCOL_VERSION];
    message.encode_to(&mut bytes);
    for (at, value) in changes {
        // The version stays; the kind may change.
        let at = 1 + usize::from(*at) % (bytes.len() - 1);
        bytes[at] = *value;
    }
    decode_content(&bytes).ok()
}

fn step(world: &mut World, links: &Rc<RefCell<Links>>, id: SessionId, reader: &mut Reader<'_>) {
    let nodes = nodes(world);
    match reader.below(12) {
        0..=2 => {
            world.run_events(1 + reader.below(EVENTS));
        }
        3 | 4 => {
            let entry = (reader.byte() % 6, reader.byte(), reader.byte());
            links.borrow_mut().plan.push(entry);
        }
        5 => {
            let message = {
                let links = links.borrow();
                let seen = &links.seen;
                (!seen.is_empty()).then(|| seen[reader.below(seen.len())].clone())
            };
            let changes = [(reader.byte(), reader.byte()), (reader.byte(), reader.byte())];
            let message = message.and_then(|message| changed(&message, &changes));
            if let Some(message) = message {
                give(world, id, reader, message);
            }
        }
        6 => {
            let all = samples::messages();
            let (_, message) = &all[reader.below(all.len())];
            let named = named(message, id);
            give(world, id, reader, named);
        }
        7 => {
            world.now.ms += reader.pick(&[1, 500, 15_000, 20_000, 120_000]);
            world.wake();
        }
        8 => {
            let (at, other) = (reader.below(nodes), peer(reader.below(nodes)));
            let workers = world.workers.len();
            match at.checked_sub(1) {
                Some(worker) if worker < workers => {
                    world.worker_input(worker, StageInput::Disconnected { peer: other })
                }
                // A hub waits for its peers; everybody loses it when it is killed.
                Some(hub) => world.restart_hub(hub - workers),
                None => world.payer_input(id, PayerInput::Disconnected { peer: other }),
            }
        }
        9 => {
            let worker = reader.below(world.workers.len());
            let channel = channel_of(worker + 1);
            let facts = match reader.below(4) {
                0 => None,
                1 => {
                    let ends = Some(world.now.block + BlockNumber::from(reader.byte()));
                    Some(mica_protocol::channel::ChannelFacts {
                        ends,
                        ..facts_of(worker + 1, common::DEPOSIT)
                    })
                }
                _ => Some(facts_of(worker + 1, common::DEPOSIT + Balance::from(reader.byte()))),
            };
            world.worker_input(worker, StageInput::Channel { channel, facts });
        }
        10 => match reader.below(4) {
            0 => world.restart_worker(reader.below(world.workers.len())),
            1 => world.restart_payer(),
            _ => world.payer_input(id, PayerInput::Cancel),
        },
        _ => {
            world.now.block += BlockNumber::from(reader.byte());
        }
    }
}

/// A sample of a message, as one of the session.
fn named(sample: &Message, id: SessionId) -> Message {
    let mut bytes = sample.encode();
    // Samples name the session by 32 equal bytes.
    let Some(session) = sample.session() else { return sample.clone() };
    let at = bytes.windows(32).position(|window| window == session.0);
    if let Some(at) = at {
        bytes[at..at + 32].copy_from_slice(&id.0);
    }
    Message::decode(&mut &bytes[..]).unwrap_or_else(|_| sample.clone())
}

/// Somebody says something to somebody.
fn give(world: &mut World, id: SessionId, reader: &mut Reader<'_>, message: Message) {
    let (nodes, workers) = (nodes(world), world.workers.len());
    // One more is a stranger.
    let (from, to) = (peer(reader.below(nodes + 1)), reader.below(nodes));
    match to.checked_sub(1) {
        Some(worker) if worker < workers => {
            world.worker_input(worker, StageInput::Message { from, message })
        }
        Some(hub) => world.hub_input(hub - workers, HubInput::Message { from, message }),
        None => world.payer_input(id, PayerInput::Message { from, message }),
    }
}

/// The payer, the workers and the hubs.
fn nodes(world: &World) -> usize {
    1 + world.workers.len() + world.hubs.len()
}

fn check(world: &World) {
    for (index, worker) in world.workers.iter().enumerate() {
        let sessions = worker.table.sessions();
        assert!(sessions <= limits::MAX_SESSIONS && worker.engine.caches() <= sessions);
        let ledger = worker.table.ledger(&channel_of(index + 1));
        let promised: Balance =
            ledger.map_or(0, |ledger| (0..16).map(|lane| ledger.promised(lane)).sum());
        assert!(promised <= common::DEPOSIT + 255, "worker {index} holds more than the deposit");
    }
    check_hubs(world);
}

/// What each hub owes beyond what it is owed: at most its credit for every stage.
fn check_hubs(world: &World) {
    let workers = 0..world.workers.len();
    let mut owed: Balance = workers.clone().map(|worker| world.redeemable(worker)).sum();
    for hub in (0..world.hubs.len()).rev() {
        let dearest = |worker| units(world.hubs.len(), world.unit(worker))[0];
        let window: Balance =
            workers.clone().map(|worker| Balance::from(CREDIT) * dearest(worker)).sum();
        let claims = world.hub_redeemable(hub);
        assert!(owed <= claims + window, "hub {hub} owes {owed} and is owed {claims}");
        owed = claims;
    }
}

fn judge(world: &World, outcome: &mut Outcome) {
    for worker in &world.workers {
        assert_eq!((worker.table.sessions(), worker.engine.caches()), (0, 0), "everything ends");
        for end in &worker.ends {
            outcome.note(end.fault.map_or(0, |code| u64::from(code.number())));
            outcome.note(u64::from(end.settled));
        }
    }
    for hub in &world.hubs {
        assert_eq!(hub.table.relays(), 0, "everything ends");
        for end in &hub.ends {
            outcome.note(u64::from(end.positions.min(8)));
            outcome.note(u64::from(end.settled));
        }
    }
    for report in world.reports.values() {
        for stage in &report.stages {
            let most =
                Balance::from(stage.positions) + Balance::from(limits::DEFAULT_EXPOSURE_POSITIONS);
            assert!(stage.paid <= most * stage.unit, "paid beyond the exposure");
            assert!(!world.hubs.is_empty() || stage.unit % PRICE == 0);
            outcome.note(stage.refused.map_or(0, |code| u64::from(code.number())));
        }
        let code = report.failure.as_ref().map_or(0, |failure| failure.code.number());
        outcome.note(u64::from(code));
        outcome.note(report.tokens.len().min(8) as u64);
    }
}

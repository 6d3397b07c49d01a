//! Hubs in the world in memory: the payer has one channel, to the first of them, and the last has
//! channels to the workers.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, ChannelId, Hash32, LaneId, PublicKey, WorkerAddresses};
use mica_protocol::{
    SessionId,
    channel::{ChannelFacts, PayeeLaneRecord, PayerLaneRecord, PayerLedger},
    hub::{EarlierChain, HubInput, HubOffer, HubOutput, HubTable, Payee, RelayEnd},
    limits,
    messages::{Account, HubFee},
    payer::{PayerInput, PlannedHub, PlannedStage, SessionPlan},
    signing,
    stage::StageIdentity,
};
use std::collections::BTreeMap;

use super::{
    ACCOUNT, DEPOSIT, Event, GENESIS, PRICE, WINDOW, World, channel_of, peer, peer_key, voucher_key,
};

pub const FEE: HubFee = HubFee { ppm: 10_000, least: 1 };
/// Positions that every hub promises ahead.
pub const CREDIT: u16 = 64;
/// And what those are worth at most, base units: as many of the dearest worker.
pub const CREDIT_MONEY: Balance = CREDIT as Balance * 50;

pub type Disk = BTreeMap<(ChannelId, LaneId), Vec<u8>>;

pub struct Hub {
    pub table: HubTable,
    pub incoming: Disk,
    pub outgoing: Disk,
    pub retired: Vec<(ChannelId, LaneId)>,
    pub ends: Vec<RelayEnd>,
    pub given_up: Vec<Account>,
    /// Its payer's chains over which more may be shown, by channel, lane and anchor.
    pub chains: BTreeMap<(ChannelId, LaneId, Hash32), Vec<u8>>,
    pub banned: BTreeMap<Account, u64>,
}

pub fn hub_account(hub: usize) -> Account {
    [80 + hub as u8; 32]
}

pub fn worker_account(worker: usize) -> Account {
    [70 + worker as u8; 32]
}

/// The key with which a hub signs its vouchers.
pub fn hub_key(hub: usize) -> SigningKey {
    SigningKey::from_bytes(&[210 + hub as u8; 32])
}

/// The channel over which hub `hub` is paid: by the payer, or by the hub before it.
pub fn channel_to_hub(hub: usize) -> ChannelId {
    ChannelId([150 + hub as u8; 32])
}

pub fn hub_offer(hub: usize) -> HubOffer {
    HubOffer {
        account: hub_account(hub),
        fee: FEE,
        credit_positions: CREDIT,
        credit_money: CREDIT_MONEY,
        min_window: limits::HUB_WINDOW_BLOCKS,
        least_promise: 0,
        max_relays: limits::MAX_RELAYS,
    }
}

fn facts(
    channel: ChannelId,
    payer: Account,
    signer: &SigningKey,
    deposit: Balance,
) -> ChannelFacts {
    let signer = signing::public_key(signer);
    let (lanes, window, ends) = (BTreeMap::new(), WINDOW, None);
    ChannelFacts { channel, payer, signer, deposit, lanes, window, ends }
}

/// What each of `hubs` hubs in a row is paid for a position of which the worker gets `unit`.
pub fn units(hubs: usize, unit: Balance) -> Vec<Balance> {
    let mut units = vec![unit];
    for _ in 0..hubs {
        units.insert(0, FEE.with(units[0]).expect("small"));
    }
    units.pop();
    units
}

impl World {
    /// Workers that are paid through `hubs` hubs in a row, and not otherwise.
    pub fn with_hubs(seed: u64, cuts: &[u16], layers: u16, hubs: usize) -> Self {
        let mut world = Self::new(seed, cuts, layers);
        let first = facts(channel_to_hub(0), ACCOUNT, &voucher_key(), DEPOSIT);
        world.facts = BTreeMap::from([(first.channel, first.clone())]);
        world.ledgers = vec![PayerLedger::new(GENESIS, voucher_key(), first).expect("own signer")];
        for hub in 1..hubs {
            let channel = channel_to_hub(hub);
            let own = facts(channel, hub_account(hub - 1), &hub_key(hub - 1), DEPOSIT);
            world.facts.insert(channel, own);
        }
        let last = hubs - 1;
        for worker in 1..=world.workers.len() {
            let channel = channel_of(worker);
            let own = facts(channel, hub_account(last), &hub_key(last), DEPOSIT);
            world.facts.insert(channel, own);
        }
        for hub in 0..hubs {
            let new = world.new_hub(hub, hubs, &Disk::new(), &[]);
            world.hubs.push(Hub {
                table: new,
                incoming: Disk::new(),
                outgoing: Disk::new(),
                retired: Vec::new(),
                ends: Vec::new(),
                given_up: Vec::new(),
                chains: BTreeMap::new(),
                banned: BTreeMap::new(),
            });
        }
        world
    }

    fn hub_node(&self, hub: usize) -> usize {
        self.workers.len() + 1 + hub
    }

    /// Whom hub `hub` of `hubs` pays, and over which channels.
    fn payees(&self, hub: usize, hubs: usize) -> Vec<(Payee, ChannelId)> {
        if hub + 1 < hubs {
            return vec![(
                Payee { account: hub_account(hub + 1), peer: None },
                channel_to_hub(hub + 1),
            )];
        }
        let payee = |worker| Payee { account: worker_account(worker), peer: Some(peer(worker)) };
        (1..=self.workers.len()).map(|worker| (payee(worker), channel_of(worker))).collect()
    }

    fn new_hub(
        &self,
        hub: usize,
        hubs: usize,
        outgoing: &Disk,
        retired: &[(ChannelId, LaneId)],
    ) -> HubTable {
        let identity = StageIdentity::new(peer_key(self.hub_node(hub)), GENESIS);
        let mut table = HubTable::new(identity, hub_offer(hub));
        for (payee, channel) in self.payees(hub, hubs) {
            let Some(facts) = self.facts.get(&channel) else { continue };
            let records = outgoing
                .values()
                .map(|bytes| PayerLaneRecord::decode(&mut &bytes[..]).expect("own record"));
            let records = records.filter(|record| record.channel == channel).collect();
            let lanes = retired.iter().filter(|(of, _)| *of == channel).map(|(_, lane)| *lane);
            let lanes = lanes.collect();
            table
                .pay_from(payee, hub_key(hub), facts.clone(), records, lanes)
                .expect("own channel");
        }
        table
    }

    /// The hub's process is killed, and starts again with what is on its disk. Its payer notices.
    pub fn restart_hub(&mut self, hub: usize) {
        let state = &self.hubs[hub];
        let mut table = self.new_hub(hub, self.hubs.len(), &state.outgoing, &state.retired);
        for bytes in state.incoming.values() {
            let record = PayeeLaneRecord::decode(&mut &bytes[..]).expect("own record");
            table.restore(record).expect("own record");
        }
        for bytes in state.chains.values() {
            table.restore_chain(EarlierChain::decode(&mut &bytes[..]).expect("own record"));
        }
        state.banned.iter().for_each(|(account, number)| table.restore_ban(*account, *number));
        self.hubs[hub].table = table;
        let lost = peer(self.hub_node(hub));
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.payer_input(id, PayerInput::Disconnected { peer: lost });
        }
    }

    /// A plan over all workers in order, each paid through all hubs. Nothing without a lane.
    pub fn relayed_plan(
        &mut self,
        session: u8,
        prompt: Vec<u32>,
        max_new_tokens: u32,
    ) -> Option<SessionPlan> {
        let needed = prompt.len() as Balance + Balance::from(max_new_tokens) - 1;
        let mut stages = Vec::new();
        for index in 0..self.workers.len() {
            let offer = self.workers[index].table.offer();
            let (range, holding_price) = (offer.range, offer.holding_price());
            let hubs = self.planned_hubs(index);
            let budget = needed * hubs[0].unit;
            let lane = self.ledgers[0].lease_for(budget, worker_account(index)).ok()?;
            stages.push(PlannedStage {
                peer: peer(index + 1),
                addresses: WorkerAddresses::default(),
                range,
                price_per_layer_token: PRICE,
                holding_price,
                credit_positions: limits::DEFAULT_CREDIT_POSITIONS,
                quote: None,
                lane,
                hubs,
            });
        }
        Some(SessionPlan {
            session: SessionId([session; 32]),
            genesis: GENESIS,
            model: super::MODEL,
            profile: super::PROFILE,
            model_layers: self.layers,
            stages,
            prompt,
            max_new_tokens,
            sampling: mica_protocol::session::Sampling { seed: 9, ..Default::default() },
            end_ids: mica_protocol::session::EndIds::default(),
            logprobs: None,
            exposure_positions: limits::DEFAULT_EXPOSURE_POSITIONS,
            spending_limit: Balance::MAX,
            voucher_blocks: limits::VOUCHER_LIFETIME_BLOCKS,
            deadlines: mica_protocol::payer::PayerDeadlines::default(),
        })
    }

    /// The hubs between the payer and worker `index`.
    fn planned_hubs(&self, index: usize) -> Vec<PlannedHub> {
        let units = units(self.hubs.len(), self.unit(index));
        let hub = |(hub, unit): (usize, &Balance)| PlannedHub {
            peer: peer(self.hub_node(hub)),
            addresses: WorkerAddresses::default(),
            unit: *unit,
            payee: if hub + 1 < self.hubs.len() {
                hub_account(hub + 1)
            } else {
                worker_account(index + 1)
            },
        };
        units.iter().enumerate().map(hub).collect()
    }

    pub fn hub_input(&mut self, hub: usize, input: HubInput) {
        let now = self.now;
        for output in self.hubs[hub].table.handle(now, input) {
            self.hub_output(hub, output);
        }
    }

    fn hub_output(&mut self, hub: usize, output: HubOutput) {
        let node = self.hub_node(hub);
        let at_ms = self.now.ms + self.chance.below(self.delay_ms + 1);
        match output {
            HubOutput::Send { to, message } => self.send(node, to, message),
            HubOutput::ReadChannel(channel) => {
                self.push(at_ms, Event::HubChannel { hub, channel });
            }
            HubOutput::PersistIncoming { record, .. } => {
                let lane = (record.facts.channel, record.lane);
                self.hubs[hub].incoming.insert(lane, record.encode());
            }
            HubOutput::PersistOutgoing { record, .. } => {
                self.hubs[hub].outgoing.insert((record.channel, record.lane), record.encode());
            }
            HubOutput::Retire(channel, lane) => self.hubs[hub].retired.push((channel, lane)),
            HubOutput::PersistChain(chain) => {
                let ((channel, lane), anchor) = (chain.place(), chain.anchor().expect("a chain"));
                self.hubs[hub].chains.insert((channel, lane, anchor), chain.encode());
            }
            HubOutput::ForgetChain { channel, lane, anchor } => {
                self.hubs[hub].chains.remove(&(channel, lane, anchor));
            }
            HubOutput::Ban(account, number) => {
                self.hubs[hub].banned.insert(account, number);
            }
            HubOutput::ForgetBan(account) => {
                self.hubs[hub].banned.remove(&account);
            }
            HubOutput::Began { .. } => {}
            HubOutput::GivenUp { payee, .. } => self.hubs[hub].given_up.push(payee),
            HubOutput::Ended(end) => self.hubs[hub].ends.push(end),
        }
    }

    /// What the chain would pay hub `hub` now, if it redeemed all that it is promised.
    pub fn hub_redeemable(&self, hub: usize) -> Balance {
        let table = &self.hubs[hub].table;
        let ledgers = table.incoming_channels().filter_map(|channel| table.ledger(&channel));
        ledgers.flat_map(|ledger| ledger.redeemable(self.now.block)).map(|due| due.gain).sum()
    }

    /// The peer key of hub `hub`.
    pub fn hub_peer(&self, hub: usize) -> PublicKey {
        peer(self.hub_node(hub))
    }
}

//! The one task that changes a hub's state and money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mica_chain::{AccountId, Call, Chain, MicaEvent, ReadError, SubmitError, Submitted, Until};
use mica_net::{Alarm, Bounds, Events, Net, NetConfig, NetEvent};
use mica_payer::channels::{ChainComparison, Payer, compare_chain};
use mica_payer::store::{Change, ChannelRecord, Store};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelParameters, Hash32, PublicKey, Redeem,
    Voucher, WorkerAddresses,
};
use mica_protocol::{
    Message, Now,
    channel::ChannelFacts,
    hub::{HubInput, HubOffer, HubOutput, HubTable, Payee},
    limits::{HUB_WINDOW_BLOCKS, MAX_LOST_LANES},
    messages::CloseConsent,
    stage::StageIdentity,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{Answer, News, Watched, follow, read_channel};
use crate::config::{CREDIT_SHARE, HubConfig};
use crate::disk::Pending;
use crate::error::HubError;
use crate::event::{HubEvent, HubStatus, PaidChannel, Sent};
use crate::keeper::{self, Figures};
use crate::looks::{Channels, Looks};
use crate::metrics;

/// What the account's key is asked for.
const PURPOSE: &str = "channels of the hub, and redeems";
/// Messages that are taken before what they led to is written and sent.
const BATCH: usize = 256;
/// Questions to the chain at once.
const MAX_READS: usize = mica_protocol::limits::MAX_OPENINGS;
/// Longest frame of a payer's: a voucher, or what a worker holds on sixteen lanes.
const FRAME_BYTES: usize = 16 * 1024;
/// Longest wait for an extrinsic.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause after an extrinsic that failed.
const PAUSE: Duration = Duration::from_secs(30);
/// Longest sleep without anything to do.
const IDLE: Duration = Duration::from_secs(60);

/// Who is told what happens.
pub type Listener = Box<dyn Fn(HubEvent<'_>) + Send + Sync>;

/// What a hub is made of.
pub struct Parts {
    /// The wallet, and the chain.
    pub payer: Payer,
    /// Its database.
    pub store: Arc<Store>,
    /// The secret of its peer key: payers know it by that.
    pub peer: ed25519_dalek::SigningKey,
    /// What its operator decides.
    pub config: HubConfig,
    /// Who is told what happens.
    pub listener: Listener,
}

/// Runs a hub until `stop` is cancelled: then it takes no new relays, redeems what pays, and ends.
///
/// # Errors
/// [`HubError`] before it runs, or when its database fails: nothing was sent then that is not
/// written.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), HubError> {
    let Parts { payer, store, peer, config, listener } = parts;
    let (chain, genesis) = (payer.chain.clone(), payer.chain.genesis_hash());
    keep_chain(&chain, &store, genesis).await?;
    let view = chain.at_finalized().await?;
    let parameters = view.channel_parameters().await?;
    let window = chain.usual_window().await?.max(HUB_WINDOW_BLOCKS).min(parameters.max_window);
    let fee = chain.estimate_fee_for(payer.id(), &sample()).await?;
    let offer = HubOffer {
        account: payer.id().0,
        fee: config.fee,
        credit_positions: config.credit_positions.max(1),
        credit_money: config.credit_money.unwrap_or(config.deposit / CREDIT_SHARE),
        min_window: config.min_window.unwrap_or(0).max(window),
        least_promise: fee,
        max_relays: config.max_relays,
    };
    let metrics = match config.metrics {
        Some(address) => Some(metrics::listen(address).await?),
        None => None,
    };
    let identity = StageIdentity::new(peer.clone(), genesis);
    let mut table = HubTable::new(identity, offer);
    for record in store.incoming(genesis)? {
        table.restore(record)?;
    }
    store.hub_chains(genesis)?.into_iter().for_each(|chain| table.restore_chain(chain));
    for (account, last) in store.hub_bans(genesis)? {
        table.restore_ban(account, last);
    }
    let (net, events) =
        Net::start(NetConfig::new(peer.to_bytes()).listen(config.listen.iter().cloned()))?;
    let addresses = addresses(&net, &config).await?;
    listener(HubEvent::Listening { addresses: &addresses, account: payer.id() });
    let (tell, news) = mpsc::channel(4);
    let watched = Watched { account: payer.id(), models: config.models.clone() };
    let following = tokio::spawn(follow(chain.clone(), watched, tell, stop.clone()));
    let former = store.channels(genesis)?.into_iter();
    let former = former.filter(|(_, record)| record.payer == payer.id().0);
    let former = former.map(|(id, record)| (id, record.signer)).collect();
    let (told, status) = watch::channel(HubStatus::default());
    let serving =
        metrics.map(|listener| tokio::spawn(metrics::serve(listener, status, stop.clone())));
    let daemon = Daemon {
        pending: Pending::new(genesis),
        genesis,
        payer,
        store,
        config,
        listener,
        table,
        net,
        parameters,
        window,
        fee,
        begun: Instant::now(),
        block: view.clock().await?.now,
        newest: None,
        workers: BTreeMap::new(),
        reads: JoinSet::new(),
        looks: Looks::default(),
        former,
        seen: BTreeMap::new(),
        extrinsics: JoinSet::new(),
        pause: None,
        status: HubStatus::default(),
        told,
    };
    let ended = daemon.run(events, news, stop.clone()).await;
    stop.cancel();
    // It ends with `stop`.
    let _ = following.await;
    if let Some(serving) = serving {
        let _ = serving.await;
    }
    ended
}

/// Puts records aside that are of another chain than this one.
async fn keep_chain(chain: &Chain, store: &Store, genesis: Hash32) -> Result<(), HubError> {
    match compare_chain(chain, store).await? {
        ChainComparison::Same => {}
        ChainComparison::Unknown(first) => store.set_first_block(genesis, first)?,
        ChainComparison::Restarted { old, new } => {
            tokio::task::block_in_place(|| store.archive(genesis, old, new))?;
        }
    }
    Ok(())
}

/// A redeem as long as any, to ask what one costs.
fn sample() -> Call {
    let voucher = Voucher {
        channel: ChannelId([0; 32]),
        lane: 0,
        seq: 1,
        cumulative: 1,
        receipts_root: [0; 32],
        receipts: 0,
        expires: 1,
        tick: None,
        lock: None,
        bounty: 0,
    };
    Call::Redeem(Box::new(Redeem { voucher, signature: [0; 64], tick: None, preimage: None }))
}

/// Where payers reach the hub: multiaddresses with its peer id.
async fn addresses(net: &Net, config: &HubConfig) -> Result<Vec<String>, HubError> {
    type Address = <WorkerAddresses as IntoIterator>::Item;
    let listeners = net.settled().await?;
    let bounds = Bounds { addresses: WorkerAddresses::bound(), bytes: Address::bound() };
    let found = match config.announce.is_empty() {
        true => mica_net::publishable(&listeners, &mica_net::outward(), bounds),
        false => config.announce.clone(),
    };
    // A node's own key is a key.
    let peer = mica_net::peer_id(&net.key()).map(|peer| peer.to_string()).unwrap_or_default();
    Ok(found.into_iter().map(|address| format!("{address}/p2p/{peer}")).collect())
}

/// An answer to a question about one channel; nothing if the chain could not be asked.
type Read = (ChannelId, Option<Answer>);

struct Daemon {
    payer: Payer,
    genesis: Hash32,
    store: Arc<Store>,
    config: HubConfig,
    listener: Listener,
    table: HubTable,
    net: Net,
    parameters: ChannelParameters,
    /// Blocks of the hub's own channels between a request to close and their end.
    window: BlockNumber,
    /// What a redeem costs, base units.
    fee: Balance,
    begun: Instant,
    /// The market's clock as it was last told.
    block: BlockNumber,
    newest: Option<News>,
    /// Workers that serve, by account: their peer keys.
    workers: BTreeMap<[u8; 32], PublicKey>,
    pending: Pending,
    reads: JoinSet<Read>,
    looks: Looks,
    /// Own channels that were there when the hub last ran, until the chain is first read.
    former: Channels,
    /// The newest final blocks in which channels were found by a question: what older ones say of
    /// them is no news.
    seen: BTreeMap<ChannelId, BlockNumber>,
    /// At most one.
    extrinsics: JoinSet<Result<Submitted, SubmitError>>,
    /// No extrinsic before then: the last one failed.
    pause: Option<Instant>,
    status: HubStatus,
    /// The last one that was told.
    told: watch::Sender<HubStatus>,
}

impl Daemon {
    async fn run(
        mut self,
        mut events: Events,
        mut news: mpsc::Receiver<News>,
        stop: CancellationToken,
    ) -> Result<(), HubError> {
        let mut alarm = Alarm::new();
        loop {
            let wake = self.next_wake();
            let mut outputs = Vec::new();
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { return Err(HubError::NetworkStopped) };
                    self.hear(event, &mut outputs);
                    for _ in 1..BATCH {
                        let Some(event) = events.try_recv() else { break };
                        self.hear(event, &mut outputs);
                    }
                }
                Some(found) = news.recv() => self.take_news(found, &mut outputs)?,
                Some(read) = self.reads.join_next() => {
                    if let Ok((channel, Some(Answer { block, facts }))) = read {
                        self.seen.extend(facts.is_some().then_some((channel, block)));
                        outputs.extend(self.input(HubInput::Incoming { channel, facts }));
                    }
                }
                found = self.looks.next(), if self.looks.is_running() => {
                    for held in found.into_iter().flatten() {
                        outputs.extend(self.input(HubInput::Shown(Box::new(held))));
                    }
                    self.look_on();
                }
                Some(done) = self.extrinsics.join_next() => self.sent(done.ok()),
                () = alarm.ring(wake) => outputs.extend(self.input(HubInput::Wake)),
                () = stop.cancelled() => break,
            }
            self.carry_out(outputs)?;
        }
        self.table.drain();
        self.end().await
    }

    fn next_wake(&self) -> Instant {
        let table = self.table.next_deadline_ms().map(|ms| self.begun + Duration::from_millis(ms));
        let idle = Instant::now() + IDLE;
        table.into_iter().chain(self.pending.due()).fold(idle, Instant::min)
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now::new(ms, self.block)
    }

    fn input(&mut self, input: HubInput) -> Vec<HubOutput> {
        self.table.handle(self.now(), input)
    }

    fn hear(&mut self, event: NetEvent, outputs: &mut Vec<HubOutput>) {
        // A payer that is gone may come back: its relays end when nothing is heard of them.
        if let NetEvent::Message { peer: from, message } = event {
            tracing::debug!(kind = message.kind(), "heard");
            outputs.extend(self.input(HubInput::Message { from, message }));
        }
    }

    /// Carries outputs out: what is urgent is on disk before any message leaves.
    fn carry_out(&mut self, outputs: Vec<HubOutput>) -> Result<(), HubError> {
        let mut messages: Vec<(PublicKey, Message)> = Vec::new();
        for output in outputs {
            match output {
                HubOutput::Send { to, message } => messages.push((to, message)),
                HubOutput::ReadChannel(channel) => self.read(channel),
                HubOutput::PersistIncoming { record, durability } => {
                    self.pending.incoming(record, durability);
                }
                HubOutput::PersistOutgoing { record, durability } => {
                    self.pending.outgoing(record, durability);
                }
                HubOutput::PersistChain(chain) => {
                    self.pending.other(Change::HubChain { genesis: self.genesis, chain });
                }
                HubOutput::ForgetChain { channel, lane, anchor } => {
                    let genesis = self.genesis;
                    let change = Change::ForgetHubChain { genesis, channel, lane, anchor };
                    self.pending.other(change);
                }
                HubOutput::Ban(account, last) => {
                    let genesis = self.genesis;
                    self.pending.other(Change::HubBan { genesis, account, last });
                }
                HubOutput::ForgetBan(account) => {
                    let genesis = self.genesis;
                    self.pending.other(Change::ForgetHubBan { genesis, account });
                }
                HubOutput::Retire(channel, lane) => {
                    self.pending.other(Change::Retired(channel, lane));
                }
                HubOutput::GivenUp { channel, payee } => {
                    let text = format!(
                        "{} was paid on {MAX_LOST_LANES} lanes with ticks that payers kept from \
                         this hub: nothing more is promised on channel {channel}; close it with \
                         `mica channel close` when the hub does not run",
                        AccountId::from(payee)
                    );
                    (self.listener)(HubEvent::Warning(&text));
                }
                HubOutput::Began { peer } => self.net.protect(peer, FRAME_BYTES),
                HubOutput::Ended(end) => {
                    self.net.unprotect(end.payer);
                    self.status.ended += 1;
                    self.status.unsettled += u64::from(!end.settled);
                    self.status.earned = self.status.earned.saturating_add(end.earned);
                    self.status.passed_on = self.status.passed_on.saturating_add(end.passed_on);
                    (self.listener)(HubEvent::Ended(&end));
                }
            }
        }
        let is_due = self.pending.due().is_some_and(|due| Instant::now() >= due);
        if self.pending.is_urgent() || is_due {
            self.pending.write(&self.store)?;
        }
        for (to, message) in messages {
            tracing::debug!(kind = message.kind(), "told");
            // A payer that is not there hears nothing, and finds out by itself.
            if let Err(error) = self.net.try_answer(to, &message) {
                tracing::debug!(%error, kind = message.kind(), "not sent");
            }
        }
        Ok(())
    }

    /// Asks the chain about a channel. Too many questions are not asked: their openings run into
    /// their deadlines.
    fn read(&mut self, channel: ChannelId) {
        if self.reads.len() >= MAX_READS {
            tracing::warn!(%channel, "too many channels are being read: an opening is not answered");
            return;
        }
        let (chain, account) = (self.payer.chain.clone(), self.payer.id());
        self.reads.spawn(async move {
            let found = read_channel(&chain, account, channel).await;
            let found = found.inspect_err(
                |error| tracing::warn!(%channel, %error, "a channel could not be read"),
            );
            (channel, found.ok())
        });
    }

    /// Takes what a final block says.
    fn take_news(&mut self, news: News, outputs: &mut Vec<HubOutput>) -> Result<(), HubError> {
        if news.block < self.status.block {
            // A node that is behind knows nothing of what came after.
            return Ok(());
        }
        self.block = self.block.max(news.clock);
        outputs.extend(self.input(HubInput::BlockFinal));
        if let Some(workers) = &news.workers {
            self.workers = workers.iter().map(|(account, peer)| (account.0, *peer)).collect();
        }
        self.seen.retain(|_, block| *block > news.block);
        let told = self.table.incoming_channels().filter(|id| !self.seen.contains_key(id));
        for channel in told.collect::<Vec<_>>() {
            let facts = news.incoming.get(&channel).map(|found| ChannelFacts::new(channel, found));
            let is_gone = facts.is_none();
            outputs.extend(self.input(HubInput::Incoming { channel, facts }));
            if is_gone && !self.table.is_busy(&channel) {
                outputs.extend(self.table.forget(&channel));
                let genesis = self.genesis;
                self.pending.other(Change::ForgetIncoming { genesis, channel });
            }
        }
        self.take_own(&news, outputs)?;
        self.status.block = news.block;
        self.newest = Some(news);
        self.tell_status();
        self.keep(false);
        Ok(())
    }

    /// What became of the hub's own channels. Of one that is gone or was redeemed further than the
    /// hub knows, the redeems are looked at: since the last final block that was told, or, after a
    /// start, as far back as any promise can be good.
    fn take_own(&mut self, news: &News, outputs: &mut Vec<HubOutput>) -> Result<(), HubError> {
        let known: Vec<(ChannelId, PublicKey)> = self
            .table
            .outgoing_channels()
            .map(|(_, ledger)| (ledger.channel(), ledger.facts().signer))
            .collect();
        let mut shown = Channels::new();
        for (channel, signer) in &known {
            let facts = news.own.get(channel).map(|found| ChannelFacts::new(*channel, found));
            if facts.as_ref().is_none_or(|facts| self.table.is_ahead(facts)) {
                shown.insert(*channel, *signer);
            }
            outputs.extend(self.input(HubInput::Outgoing { channel: *channel, facts }));
        }
        let is_known = |id: &ChannelId| known.iter().any(|(known, _)| known == id);
        for (id, channel) in news.own.iter().filter(|(id, _)| !is_known(id)) {
            self.pay_from(*id, channel)?;
            let facts = ChannelFacts::new(*id, channel);
            if self.newest.is_none() && self.table.is_behind(&facts) {
                shown.insert(*id, channel.signer);
            }
        }
        // Whoever closed a channel while the hub was away may have been paid in the same block.
        let former = std::mem::take(&mut self.former);
        shown.extend(former.into_iter().filter(|(id, _)| !news.own.contains_key(id)));
        let from = self.newest.as_ref().map_or(0, |last| last.block.saturating_add(1));
        self.looks.add(shown, from, news.block);
        self.look_on();
        Ok(())
    }

    fn look_on(&mut self) {
        self.looks.go_on(&self.payer.chain, self.genesis);
    }

    /// Pays from one more channel, with what was promised on it before.
    fn pay_from(&mut self, id: ChannelId, channel: &Channel<AccountId>) -> Result<(), HubError> {
        let Some(signer) = self.payer.signer.of(&channel.signer).cloned() else { return Ok(()) };
        let payee =
            Payee { account: channel.payee.0, peer: self.workers.get(&channel.payee.0).copied() };
        let record = ChannelRecord {
            genesis: self.genesis,
            payer: channel.payer.0,
            payee: channel.payee.0,
            peer: payee.peer.unwrap_or_default(),
            signer: channel.signer,
        };
        self.pending.other(Change::Channel(id, record));
        let (records, retired) = (self.store.lanes(id)?, self.store.retired(id)?);
        let facts = ChannelFacts::new(id, channel);
        if let Err(error) = self.table.pay_from(payee, signer, facts, records, retired) {
            (self.listener)(HubEvent::Warning(&format!("channel {id} is not used: {error}")));
        }
        Ok(())
    }

    fn tell_status(&mut self) {
        let due = self.table.redeemable(self.now());
        self.status.relays = self.table.relays();
        self.status.incoming = self.table.incoming_channels().count();
        self.status.redeemable =
            due.iter().fold(0, |sum: Balance, (lane, _)| sum.saturating_add(lane.gain));
        let own = self.table.outgoing_channels().map(|(payee, ledger)| PaidChannel {
            channel: ledger.channel(),
            payee: payee.account.into(),
            deposit: ledger.facts().deposit,
            free: ledger.free(),
        });
        self.status.channels = own.collect();
        self.status.redeems = due.len();
        self.status.owed_out = self.table.owed_out();
        self.status.banned = self.table.banned();
        let lost = self.table.outgoing_channels().map(|(_, ledger)| ledger.lost_lanes());
        self.status.lost_lanes = lost.sum();
        self.told.send_replace(self.status.clone());
        (self.listener)(HubEvent::Status(&self.status));
    }

    /// Sends what is to be sent to the chain, if nothing is under way; only redeems at the `end`.
    fn keep(&mut self, end: bool) {
        let is_paused = self.pause.is_some_and(|pause| Instant::now() < pause);
        let Some(news) = self.newest.as_ref().filter(|_| self.extrinsics.is_empty()) else {
            return;
        };
        if is_paused && !end {
            return;
        }
        let figures = Figures {
            config: &self.config,
            parameters: &self.parameters,
            now: self.now(),
            fee: self.fee,
            money: news.money,
            window: self.window,
            signer: self.payer.signer.current_public(),
        };
        let agreed = keeper::agreed(&mut self.table, &figures);
        let ends: BTreeSet<ChannelId> = agreed.iter().map(|agreed| agreed.close.channel).collect();
        let mut calls: Vec<Call> = agreed
            .into_iter()
            .map(|CloseConsent { close, signature }| Call::CloseCooperatively { close, signature })
            .collect();
        let redeems = keeper::redeems(&self.table, &figures, end).into_iter();
        // All that is owed there is in the end.
        let redeems = redeems.filter(|redeem| !ends.contains(&redeem.voucher.channel));
        calls.extend(redeems.map(|redeem| Call::Redeem(Box::new(redeem))));
        if !end {
            let closes = keeper::closes(&self.table, &figures).into_iter();
            calls.extend(closes.filter(|channel| !ends.contains(channel)).map(Call::Close));
            let workers = self.workers.keys().map(|account| AccountId::from(*account));
            let wanted: Vec<AccountId> = self.config.pay.iter().copied().chain(workers).collect();
            calls.extend(keeper::channels(&self.table, &figures, &news.own, &wanted));
        }
        let call = match calls.len() {
            0 => return,
            1 => calls.remove(0),
            // Each for itself: one that fails keeps no other from being paid.
            _ => Call::ForceBatch(calls),
        };
        let (chain, account) = (self.payer.chain.clone(), self.payer.account.clone());
        self.extrinsics.spawn(async move {
            let signer = tokio::task::block_in_place(|| account.signer(PURPOSE));
            let signer = match signer {
                Ok(signer) => signer,
                Err(error) => {
                    tracing::error!(%error, "the account's key stays locked");
                    return Err(SubmitError::Refused {
                        what: PURPOSE.to_owned(),
                        reason: error.to_string(),
                    });
                }
            };
            // Final, so that what is read next shows it: nothing is sent twice.
            chain.submit_watched(&signer, call, Until::Finalized, PATIENCE, &mut |_| {}).await
        });
    }

    /// Tells what became of an extrinsic.
    fn sent(&mut self, done: Option<Result<Submitted, SubmitError>>) {
        let submitted = match done {
            Some(Ok(submitted)) => submitted,
            Some(Err(error)) => {
                self.pause = Some(Instant::now() + PAUSE);
                self.status.failures += 1;
                self.status.chain_fees = self.status.chain_fees.saturating_add(error.fee_spent());
                let text = format!("an extrinsic of the hub failed and is tried again: {error}");
                (self.listener)(HubEvent::Warning(&text));
                return;
            }
            // It panicked.
            None => return self.pause = Some(Instant::now() + PAUSE),
        };
        let mut sent =
            Sent { fee: submitted.fee, block: submitted.block.number, ..Sent::default() };
        for event in submitted.known() {
            match event {
                MicaEvent::Redeemed { paid, .. } => {
                    sent.redeemed = sent.redeemed.saturating_add(*paid);
                }
                MicaEvent::Closed { .. } => sent.closed += 1,
                MicaEvent::Opened { .. } => sent.opened += 1,
                MicaEvent::ToppedUp { .. } => sent.topped_up += 1,
                _ => {}
            }
        }
        self.status.redeemed = self.status.redeemed.saturating_add(sent.redeemed);
        self.status.chain_fees = self.status.chain_fees.saturating_add(sent.fee);
        (self.listener)(HubEvent::Sent(&sent));
    }

    /// The end: what is owed and pays is redeemed, everything is written.
    async fn end(mut self) -> Result<(), HubError> {
        self.pending.write(&self.store)?;
        while let Some(done) = self.extrinsics.join_next().await {
            self.sent(done.ok());
        }
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "what is owed is redeemed after the next start");
        } else {
            self.keep(true);
        }
        while let Some(done) = self.extrinsics.join_next().await {
            self.sent(done.ok());
        }
        self.net.stop().await;
        Ok(())
    }

    /// Learns what the chain has paid meanwhile, so that nothing is sent twice.
    async fn refresh(&mut self) -> Result<(), ReadError> {
        let view = self.payer.chain.at_finalized().await?;
        for channel in self.table.incoming_channels().collect::<Vec<_>>() {
            let found = view.channel(channel).await?;
            let facts = found.map(|found| ChannelFacts::new(channel, &found));
            self.input(HubInput::Incoming { channel, facts });
        }
        Ok(())
    }
}

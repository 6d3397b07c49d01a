//! The one task that changes a hub's state and money.

mod extrinsics;
mod news;
mod outputs;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mica_chain::{SubmitError, Submitted};
use mica_net::{Alarm, Events, Net, NetEvent};
use mica_payer::channels::Payer;
use mica_payer::store::Store;
use mica_primitives::{Balance, BlockNumber, ChannelId, ChannelParameters, Hash32, PublicKey};
use mica_protocol::{
    Now,
    hub::{HubInput, HubOutput, HubTable},
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{Answer, News};
use crate::config::HubConfig;
use crate::disk::Pending;
use crate::error::HubError;
use crate::event::HubStatus;
use crate::looks::{Channels, Looks};

pub use start::{Listener, Parts, run};

/// Messages that are taken before what they led to is written and sent.
const BATCH: usize = 256;
/// Longest sleep without anything to do.
const IDLE: Duration = Duration::from_secs(60);

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
}

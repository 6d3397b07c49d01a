//! The payer's open channels as one process shares them: sessions that run side by side lease lanes
//! of the same ledgers.
//!
//! A [`Lease`] goes out with [`ChannelPool::lease`], into a session, and what the session leaves of
//! it comes back with [`ChannelPool::settle`]. A ledger is read once from the chain and from the
//! payer's database and then kept, because only here it is known which lanes are leased. A lane
//! that is not settled comes back when its [`LaneGuard`] is dropped, with what the database has of
//! it, which is never less than what a worker may hold.
//!
//! What is missing for a path goes into one extrinsic. Those who wait for one wait in line, and
//! look again before they send another: with some headroom one deposit serves many of them. A
//! process that goes on for long tops channels up while there is still something left in them
//! ([`Deposits::ahead`]), so that nobody waits for the chain. Whoever sends is a task of the pool:
//! an extrinsic that was sent is followed to its end although the session that needed it is given
//! up, and [`ChannelPool::stop`] waits for it.
//!
//! Every fee is somebody's: a session's own, or one that nobody could be charged for (a top-up
//! ahead, an opening whose session never began), which the next session takes over. No destructor
//! moves money: whoever has a lease settles it or gives it up.

mod lease;
mod ledgers;
mod refresh;
mod top_up;

pub(crate) use lease::{Claim, LaneGuard, Lease};

use std::sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool};
use std::time::Duration;

use mica_chain::ReadError;
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, Redeem};
use mica_protocol::{
    channel::{Adopted, LeaseError},
    limits::HUB_WINDOW_BLOCKS,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Payer, notices::NoticeFilter};
use crate::store::{Change, Store, StoreError};
use ledgers::Ledgers;

/// How deposits are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposits {
    /// Sessions of the size asked for that a deposit is made to last for; 0 counts as 1.
    pub headroom: u32,
    /// Whether channels are topped up before a session must wait for it. For processes that go on.
    pub ahead: bool,
    /// Blocks that new channels give their payees to redeem after a request to close, if that is
    /// more than usual and the chain allows it: some workers ask for more.
    pub window: Option<BlockNumber>,
}

impl Deposits {
    /// As much as one session needs, when it needs it.
    pub const ONE: Self = Self { headroom: 1, ahead: false, window: None };
}

/// The shared ledgers.
pub(crate) struct ChannelPool {
    payer: Payer,
    store: Arc<Store>,
    deposits: Deposits,
    /// Blocks that channels give their payees to redeem, once the chain was asked.
    window: tokio::sync::OnceCell<BlockNumber>,
    ledgers: Mutex<Ledgers>,
    /// Held by whoever sends an extrinsic.
    sending: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever reads the chain, so that nothing older is taken for newer.
    reading: tokio::sync::Mutex<()>,
    /// Whether the database knows that this process makes promises.
    is_use_counted: AtomicBool,
    /// Those who send extrinsics.
    tasks: TaskTracker,
    /// Cancelled when nothing more is to be sent.
    closing: CancellationToken,
    /// Cancelled when nothing is waited for any more.
    abandoned: CancellationToken,
}

impl ChannelPool {
    /// An empty pool; what the payer has open is read when it is first needed.
    pub(crate) fn new(payer: Payer, store: Arc<Store>, deposits: Deposits) -> Self {
        Self {
            payer,
            store,
            deposits: Deposits { headroom: deposits.headroom.max(1), ..deposits },
            window: tokio::sync::OnceCell::new(),
            ledgers: Mutex::default(),
            sending: Arc::default(),
            reading: tokio::sync::Mutex::default(),
            is_use_counted: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// The least close window of the channels that sessions are paid from, blocks: what workers ask
    /// for unless their operators want more. A channel with less is not used; its deposit comes
    /// back with `mica channel close`.
    ///
    /// # Errors
    /// [`ReadError`] if the chain cannot be asked.
    async fn window(&self) -> Result<BlockNumber, ReadError> {
        self.window.get_or_try_init(|| self.payer.chain.usual_window()).await.copied()
    }

    /// The longest close window that a hub may ask for, blocks: what the user gives, and at least
    /// what workers ask for and hubs cannot do without.
    ///
    /// # Errors
    /// [`ReadError`] if the chain cannot be asked.
    pub(crate) async fn longest_window(&self) -> Result<BlockNumber, ReadError> {
        let given = self.deposits.window.unwrap_or_default();
        Ok(self.window().await?.max(HUB_WINDOW_BLOCKS).max(given))
    }

    /// Takes note of a promise that a payee showed to the session that holds lane `own`. Returns
    /// what is to be written down; nothing if it is known already.
    ///
    /// # Errors
    /// [`LeaseError::Foreign`] if this payer never signed it, [`LeaseError::BeyondDeposit`].
    pub(crate) fn adopt(&self, held: &Redeem, own: LaneId) -> Result<Option<Adopted>, LeaseError> {
        let mut ledgers = self.lock();
        let Some(open) = ledgers.open.get_mut(&held.voucher.channel) else { return Ok(None) };
        let adopted = open.ledger.adopt(held, own)?;
        if let Some(adopted) = &adopted {
            ledgers.notices.recovered(adopted.recovered);
        }
        Ok(adopted)
    }

    /// Never leases this lane again: its payee knows other receipts on it than we do. Nothing if
    /// the channel is gone meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if that is not on disk; then it holds for this process alone.
    pub(crate) fn retire(&self, channel: ChannelId, lane: LaneId) -> Result<(), StoreError> {
        // Written before the lock goes: when the chain begins anew, ids are given again, and
        // nothing of the old chain may come after.
        let mut ledgers = self.lock();
        let Some(open) = ledgers.open.get_mut(&channel) else { return Ok(()) };
        open.ledger.retire(lane);
        self.store.apply(&[Change::Retired(channel, lane)])
    }

    /// Keeps lanes that were just given back from being leased again, until the guard goes.
    pub(crate) fn exclude_lanes(
        self: &Arc<Self>,
        mut lanes: Vec<(ChannelId, LaneId)>,
    ) -> LaneGuard {
        let mut ledgers = self.lock();
        lanes.retain(|(channel, lane)| ledgers.hold(*channel, *lane));
        LaneGuard::new(self, ledgers.epoch, lanes)
    }

    /// What the user is to be told, each line once.
    pub(crate) fn take_notices(&self, filter: NoticeFilter) -> Vec<String> {
        self.lock().notices.take(filter)
    }

    /// Fees of which no session has an account: the next one takes them over.
    pub(crate) fn carry_fees(&self, fees: Balance) {
        self.lock().carry_fees(fees);
    }

    /// Asks the chain again before the next lease: a channel may have been closed by its payee.
    pub(crate) fn mark_stale(&self) {
        self.lock().is_fresh = false;
    }

    /// Sends nothing more, and waits for what was sent until `patience` is over.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.abandoned.cancel();
            self.tasks.wait().await;
        }
    }

    /// Runs `work`, which sends an extrinsic for `purpose`, to its end, whoever waits for it, or
    /// until the pool has stopped.
    fn follow(
        self: &Arc<Self>,
        purpose: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let pool = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = pool.abandoned.cancelled() => pool.lock().notices.abandoned(purpose),
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Ledgers> {
        // Every change of a ledger is whole when it returns.
        mica_host::lock(&self.ledgers)
    }
}

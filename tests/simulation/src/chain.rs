//! The chain: channels under the rules of `pallets/channels`, one block after another.
//!
//! Extrinsics wait for the next block and are tried in the order in which they came; one that the
//! rules refuse changes nothing. Balances are not kept: what a payee was paid is what its channels'
//! lanes say that it claimed.

use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelState, Closing, Hash32, LaneId, MAX_LANES,
    PublicKey, Redeem, domain::blake2_256,
};
use mica_protocol::{channel::ChannelFacts, signing};
use std::collections::BTreeMap;

/// Milliseconds between two blocks.
pub const BLOCK_MS: u64 = 3_000;
/// Hash of block 0.
pub const GENESIS: Hash32 = [42; 32];
/// How often a late redeem may move the end of a closing channel.
const MAX_EXTENSIONS: u8 = 3;

/// An account's public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Account(pub [u8; 32]);

impl AsRef<[u8; 32]> for Account {
    fn as_ref(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An extrinsic.
#[derive(Clone, Debug)]
pub enum Call {
    /// A new channel.
    Open {
        /// Who pays.
        payer: Account,
        /// Who is paid.
        payee: Account,
        /// Key that signs vouchers.
        signer: PublicKey,
        /// Base units put in.
        deposit: Balance,
        /// Blocks to redeem in after a request to close.
        window: BlockNumber,
    },
    /// More deposit, up to a total.
    TopUp(ChannelId, Balance),
    /// A promise for payment.
    Redeem(Account, Box<Redeem>),
    /// A request to close by the payer, or the end by the payee.
    Close(Account, ChannelId),
    /// The end, once the window is over.
    Finish(ChannelId),
}

/// A channel that ended, with what was claimed on its lanes.
#[derive(Clone, Debug)]
pub struct Ended {
    /// As it was when it ended.
    pub channel: Channel<Account>,
    /// In which block.
    pub block: BlockNumber,
}

/// The chain's state at its best block.
#[derive(Debug, Default)]
pub struct Chain {
    /// Height of the best block.
    pub block: BlockNumber,
    /// Channels that are open or closing.
    pub channels: BTreeMap<ChannelId, Channel<Account>>,
    /// Channels that are over.
    pub ended: BTreeMap<ChannelId, Ended>,
    counters: BTreeMap<Account, u64>,
    pool: Vec<Call>,
}

impl Chain {
    /// Puts an extrinsic into the pool.
    pub fn submit(&mut self, call: Call) {
        self.pool.push(call);
    }

    /// Makes a block of all that waits.
    pub fn make_block(&mut self) {
        self.block += 1;
        for call in std::mem::take(&mut self.pool) {
            self.apply(call);
        }
    }

    /// What a payee's node says of a channel: nothing if it is not to that payee.
    pub fn facts(&self, payee: &Account, id: ChannelId) -> Option<ChannelFacts> {
        let channel = self.channels.get(&id).filter(|channel| channel.payee == *payee)?;
        Some(ChannelFacts::new(id, channel))
    }

    /// What was claimed on a lane, whether its channel lives or not; nothing of a channel that
    /// never was.
    pub fn claimed(&self, id: ChannelId, lane: LaneId) -> Option<Balance> {
        let channel =
            self.channels.get(&id).or_else(|| self.ended.get(&id).map(|ended| &ended.channel))?;
        Some(channel.lanes.get(&lane).map_or(0, |lane| lane.claimed))
    }

    /// How long the payee of a channel that is over had to redeem, ms; nothing of one that lives.
    pub fn window_ms(&self, id: ChannelId) -> Option<u64> {
        self.ended.get(&id).map(|ended| u64::from(ended.channel.window) * BLOCK_MS)
    }

    fn apply(&mut self, call: Call) {
        // A refused extrinsic costs a fee and changes nothing.
        let _ = match call {
            Call::Open { payer, payee, signer, deposit, window } => {
                self.open(payer, payee, signer, deposit, window)
            }
            Call::TopUp(id, total) => self.top_up(id, total),
            Call::Redeem(submitter, redeem) => self.redeem(&submitter, &redeem),
            Call::Close(who, id) => self.close(&who, id),
            Call::Finish(id) => self.finish(id),
        };
    }

    fn open(
        &mut self,
        payer: Account,
        payee: Account,
        signer: PublicKey,
        deposit: Balance,
        window: BlockNumber,
    ) -> Option<()> {
        let counter = self.counters.entry(payer).or_default();
        let id = ChannelId::derive(&GENESIS, &payer.0, &payee.0, *counter);
        *counter += 1;
        let (lanes, state) = (Default::default(), ChannelState::Open);
        let channel = Channel { payer, payee, signer, deposit, claimed: 0, lanes, window, state };
        self.channels.insert(id, channel);
        Some(())
    }

    fn top_up(&mut self, id: ChannelId, total: Balance) -> Option<()> {
        let channel = self.channels.get_mut(&id)?;
        if channel.state == ChannelState::Open && total > channel.deposit {
            channel.deposit = total;
        }
        Some(())
    }

    fn redeem(&mut self, submitter: &Account, redeem: &Redeem) -> Option<()> {
        let (voucher, now) = (&redeem.voucher, self.block);
        let channel = self.channels.get_mut(&voucher.channel)?;
        if let ChannelState::Closing(closing) = &channel.state
            && now >= closing.ends
        {
            return None;
        }
        let mut lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let promised = redeem.promised()?;
        let ticked = match (&voucher.tick, &redeem.tick) {
            (_, None) => true,
            (Some(tick), Some(proof)) => tick.verify(proof, blake2_256),
            (None, Some(_)) => false,
        };
        let is_signed =
            signing::verify(&channel.signer, &voucher.signing_bytes(&GENESIS), &redeem.signature);
        if now > voucher.expires
            || u32::from(voucher.lane) >= MAX_LANES
            || voucher.seq == 0
            || voucher.seq < lane.seq
            || promised < lane.cumulative
            || !ticked
            || !is_signed
        {
            return None;
        }
        let owed = promised.saturating_sub(lane.claimed);
        let paid = owed.min(channel.deposit.saturating_sub(channel.claimed));
        let fixes = *submitter == channel.payee && voucher.seq > lane.seq;
        if paid == 0 && !fixes {
            return None;
        }
        lane.cumulative = promised;
        lane.claimed += paid;
        if fixes {
            (lane.seq, lane.receipts_root, lane.receipts) =
                (voucher.seq, voucher.receipts_root, voucher.receipts);
        }
        channel.lanes.try_insert(voucher.lane, lane).ok()?;
        channel.claimed += paid;
        if let ChannelState::Closing(closing) = &mut channel.state
            && paid > 0
        {
            extend(closing, channel.window, now);
        }
        Some(())
    }

    fn close(&mut self, who: &Account, id: ChannelId) -> Option<()> {
        let (channel, at) = (self.channels.get_mut(&id)?, self.block);
        if *who == channel.payee {
            return self.end(id);
        }
        if *who == channel.payer && channel.state == ChannelState::Open {
            let ends = at.saturating_add(channel.window);
            channel.state = ChannelState::Closing(Closing { at, ends, extended: 0 });
        }
        Some(())
    }

    fn finish(&mut self, id: ChannelId) -> Option<()> {
        match &self.channels.get(&id)?.state {
            ChannelState::Closing(closing) if self.block >= closing.ends => self.end(id),
            _ => None,
        }
    }

    fn end(&mut self, id: ChannelId) -> Option<()> {
        let channel = self.channels.remove(&id)?;
        self.ended.insert(id, Ended { channel, block: self.block });
        Some(())
    }
}

/// Moves the end of a closing channel if `now` lies in the last tenth of its window.
fn extend(closing: &mut Closing, window: BlockNumber, now: BlockNumber) {
    let ends = now.saturating_add(window / 10);
    if closing.extended < MAX_EXTENSIONS && ends > closing.ends {
        closing.extended += 1;
        closing.ends = ends;
    }
}

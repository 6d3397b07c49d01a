//! The chain: channels under the rules with which `pallets/channels` settles and closes
//! ([`mica_primitives::settlement`]), one block after another.
//!
//! Extrinsics wait for the next block and are tried in the order in which they came; one that the
//! rules refuse changes nothing. Balances are not kept: what a payee was paid is what its channels'
//! lanes say that it claimed.

use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelState, Hash32, LaneId, PublicKey, Redeem,
    domain::blake2_256,
    settlement::{Close, Figures, Party, Submitter, check_finish, close, extended, settle},
};
use mica_protocol::{channel::ChannelFacts, signing};
use std::collections::BTreeMap;

/// Milliseconds between two blocks.
pub const BLOCK_MS: u64 = 3_000;
/// Hash of block 0.
pub const GENESIS: Hash32 = [42; 32];

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
    /// Number of the next channel.
    next: u64,
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

    /// What was claimed of a channel, whether it lives or not.
    pub fn claimed_in_all(&self, id: ChannelId) -> Balance {
        let ended = self.ended.get(&id).map(|ended| &ended.channel);
        self.channels.get(&id).or(ended).map_or(0, |channel| channel.claimed)
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
        let id = ChannelId::derive(&GENESIS, &payer.0, &payee.0, self.next);
        self.next += 1;
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
        let lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let by = if *submitter == channel.payee { Submitter::Payee } else { Submitter::Other };
        let settled = settle(&Figures::from(&*channel), &lane, redeem, by, now).ok()?;
        let is_ticked = match (&voucher.tick, &redeem.tick) {
            (Some(tick), Some(proof)) => tick.verify(proof, blake2_256),
            _ => redeem.tick.is_none(),
        };
        let is_open = match (&voucher.lock, &redeem.preimage) {
            (Some(lock), Some(preimage)) => lock.opens(preimage, blake2_256),
            _ => redeem.preimage.is_none(),
        };
        let is_signed =
            signing::verify(&channel.signer, &voucher.signing_bytes(&GENESIS), &redeem.signature);
        if !is_ticked || !is_open || !is_signed {
            return None;
        }
        channel.lanes.try_insert(voucher.lane, settled.lane_after(lane, voucher)).ok()?;
        channel.claimed += settled.paid;
        if let ChannelState::Closing(closing) = &channel.state
            && settled.extends
            && let Some(later) = extended(closing, channel.window, now)
        {
            channel.state = ChannelState::Closing(later);
        }
        Some(())
    }

    fn close(&mut self, who: &Account, id: ChannelId) -> Option<()> {
        let channel = self.channels.get_mut(&id)?;
        let party = match *who {
            who if who == channel.payee => Party::Payee,
            who if who == channel.payer => Party::Payer,
            _ => return None,
        };
        match close(&channel.state, channel.window, party, self.block).ok()? {
            Close::AtOnce => self.end(id),
            Close::Window(closing) => {
                channel.state = ChannelState::Closing(closing);
                Some(())
            }
        }
    }

    fn finish(&mut self, id: ChannelId) -> Option<()> {
        check_finish(&self.channels.get(&id)?.state, self.block).ok()?;
        self.end(id)
    }

    fn end(&mut self, id: ChannelId) -> Option<()> {
        let channel = self.channels.remove(&id)?;
        self.ended.insert(id, Ended { channel, block: self.block });
        Some(())
    }
}

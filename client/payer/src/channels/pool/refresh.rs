//! What the chain says of the payer's channels, read into the ledgers.

use std::collections::BTreeMap;

use mica_primitives::{ChannelState, LaneId, MAX_LANES};
use mica_protocol::channel::ChannelFacts;

use super::{
    super::{
        ChannelError,
        origin::{ChainComparison, compare_chain},
    },
    ChannelPool,
    ledgers::OpenChannel,
};

impl ChannelPool {
    /// Asks the chain where what is known may be wrong. Does not wait for whoever sends.
    pub(super) async fn refresh_if_stale(&self) -> Result<(), ChannelError> {
        if self.lock().is_fresh {
            return Ok(());
        }
        let reading = self.reading.lock().await;
        // Somebody else may have asked while we waited.
        if self.lock().is_fresh { Ok(()) } else { self.read(&reading).await }
    }

    /// Learns what the chain says now.
    pub(super) async fn refresh(&self) -> Result<(), ChannelError> {
        let reading = self.reading.lock().await;
        self.read(&reading).await
    }

    /// Ledgers that are known keep their leases, as long as the chain is the same.
    async fn read(&self, _reading: &tokio::sync::MutexGuard<'_, ()>) -> Result<(), ChannelError> {
        self.archive_if_restarted().await?;
        let view = self.payer.chain.at_best().await?;
        let signers = &self.payer.signer;
        let current = signers.current_public();
        let found = view.channels_of(self.payer.id()).await?;
        let window = self.window().await?;
        let usable = found.into_iter().filter(|(_, channel)| {
            signers.of(&channel.signer).is_some()
                && channel.state == ChannelState::Open
                && channel.window >= window
        });
        let usable: BTreeMap<_, _> = usable.collect();
        let mut ledgers = self.lock();
        ledgers.open.retain(|id, open| {
            open.is_gone = !usable.contains_key(id);
            !open.is_gone || open.leased > 0
        });
        // Hubs want the same workers on the same lanes, also of a program that starts again.
        let is_known = |id| ledgers.open.contains_key(id);
        let paid = match usable.keys().all(is_known) {
            true => BTreeMap::new(),
            false => self.store.last_paid()?,
        };
        for (id, channel) in usable {
            let payee = channel.payee;
            match ledgers.open.get_mut(&id) {
                Some(open) => open.ledger.update(ChannelFacts::new(id, &channel)),
                None => {
                    let mut ledger = self.payer.ledger(&self.store, id, &channel)?;
                    let lanes = (id, LaneId::MIN)..=(id, LaneId::MAX);
                    paid.range(lanes).for_each(|((_, lane), to)| ledger.restore_user(*lane, *to));
                    let is_earlier = channel.signer != current;
                    let open = OpenChannel { is_earlier, ..OpenChannel::new(payee, ledger) };
                    ledgers.open.insert(id, open);
                }
            }
            if ledgers
                .open
                .get(&id)
                .is_some_and(|open| open.ledger.lost_lanes() == MAX_LANES as usize)
            {
                ledgers.notices.exhausted(id, payee);
            }
        }
        ledgers.is_fresh = true;
        Ok(())
    }

    /// Puts the records aside if the chain is another one than theirs.
    async fn archive_if_restarted(&self) -> Result<(), ChannelError> {
        let genesis = self.payer.chain.genesis_hash();
        match compare_chain(&self.payer.chain, &self.store).await? {
            ChainComparison::Same => {}
            ChainComparison::Unknown(first_block) => {
                self.store.set_first_block(genesis, first_block)?
            }
            ChainComparison::Restarted { old, new } => {
                // First, so that sessions of the old chain write nothing more while its records are
                // moved.
                let mut ledgers = self.lock();
                ledgers.open.clear();
                ledgers.epoch += 1;
                drop(ledgers);
                let aside = tokio::task::block_in_place(|| self.store.archive(genesis, old, new))?;
                self.lock().notices.chain_restarted(&aside);
            }
        }
        Ok(())
    }
}

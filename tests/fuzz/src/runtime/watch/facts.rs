//! What a block's events say: who lost money for which cause, and what came to its end.

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::{AgreementId, Balance, ChannelId, LaneId, settlement::Submitter};
use mica_runtime::{AccountId, Balances, RuntimeEvent, System, constants::EXISTENTIAL_DEPOSIT};
use pallet_balances::Event as BalancesEvent;
use pallet_mica_channels::Event as ChannelsEvent;
use pallet_mica_receipts::Event as ReceiptsEvent;
use pallet_mica_registry::Event as RegistryEvent;
use pallet_mica_sla::Event as SlaEvent;
use pallet_staking::Event as StakingEvent;

/// How a channel ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub claimed: Balance,
    pub released: Balance,
}

/// How an agreement ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub paid: Balance,
    pub refunded: Balance,
    pub burned: Balance,
    pub forfeited: Balance,
}

/// The events of a block.
#[derive(Default)]
pub(super) struct Facts {
    /// Money that was made: rewards of validators and nominators.
    pub minted: Balance,
    /// The most that may have been destroyed, for causes that have an event.
    pub burned: Balance,
    /// What accounts lost by slashes that have a cause, and as dust.
    pub lost: BTreeMap<AccountId, Balance>,
    pub opened: BTreeMap<ChannelId, AccountId>,
    pub paid: BTreeMap<ChannelId, Balance>,
    pub closed: BTreeMap<ChannelId, Closed>,
    pub proposed: BTreeSet<AgreementId>,
    pub ended: BTreeMap<AgreementId, Ended>,
    pub fixed: Vec<(ChannelId, LaneId)>,
    pub withdrawn: Vec<AccountId>,
}

impl Facts {
    pub(super) fn of_block() -> Self {
        let mut facts = Self::default();
        for record in System::read_events_no_consensus() {
            facts.take(record.event);
        }
        facts
    }

    fn take(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Channels(event) => self.of_channels(event),
            RuntimeEvent::Sla(event) => self.of_agreements(event),
            RuntimeEvent::Registry(RegistryEvent::Slashed { worker, amount, burned, .. }) => {
                self.lose(worker, amount);
                self.burned += burned;
            }
            RuntimeEvent::Registry(RegistryEvent::Withdrawn { worker, .. }) => {
                self.withdrawn.push(worker);
            }
            RuntimeEvent::Receipts(ReceiptsEvent::RootFixed { channel, lane, .. }) => {
                self.fixed.push((channel, lane));
            }
            RuntimeEvent::Staking(StakingEvent::Rewarded { amount, .. }) => self.minted += amount,
            RuntimeEvent::Staking(StakingEvent::Slashed { staker, amount }) => {
                self.lose(staker, amount);
                self.burned += amount;
            }
            RuntimeEvent::TransactionPayment(
                pallet_transaction_payment::Event::TransactionFeePaid { actual_fee, .. },
            ) => self.burned += actual_fee,
            RuntimeEvent::SafeMode(pallet_safe_mode::Event::DepositSlashed { account, amount }) => {
                self.lose(account, amount);
                self.burned += amount;
            }
            RuntimeEvent::Referenda(pallet_referenda::Event::DepositSlashed { who, amount }) => {
                self.lose(who, amount);
            }
            RuntimeEvent::Balances(event) => self.of_balances(event),
            _ => {}
        }
    }

    fn of_balances(&mut self, event: BalancesEvent<mica_runtime::Runtime>) {
        match event {
            BalancesEvent::DustLost { account, amount } => {
                assert!(amount < EXISTENTIAL_DEPOSIT, "{amount} is more than dust");
                self.lose(account, amount);
                self.burned += amount;
            }
            // Made only by the call that asks for it: what is on hold burns with another event.
            BalancesEvent::Burned { amount, .. } => self.burned += amount,
            BalancesEvent::Unexpected(what) => panic!("balances are out of order: {what:?}"),
            _ => {}
        }
    }

    fn of_channels(&mut self, event: ChannelsEvent<mica_runtime::Runtime>) {
        match event {
            ChannelsEvent::Opened { channel, payer, .. } => {
                assert!(self.opened.insert(channel, payer).is_none(), "opened twice");
            }
            ChannelsEvent::Redeemed { channel, paid, .. } => {
                *self.paid.entry(channel).or_default() += paid;
            }
            ChannelsEvent::Closed { channel, claimed, released } => {
                let closed = Closed { claimed, released };
                assert!(self.closed.insert(channel, closed).is_none(), "closed twice");
            }
            _ => {}
        }
    }

    fn of_agreements(&mut self, event: SlaEvent<mica_runtime::Runtime>) {
        let (agreement, ended) = match event {
            SlaEvent::Proposed { agreement, .. } => {
                self.proposed.insert(agreement);
                return;
            }
            SlaEvent::Paid { agreement, paid, refunded, .. } => {
                (agreement, Ended { paid, refunded, ..Ended::default() })
            }
            SlaEvent::Cancelled { agreement, refunded }
            | SlaEvent::Expired { agreement, refunded } => {
                (agreement, Ended { refunded, ..Ended::default() })
            }
            SlaEvent::Failed { agreement, paid, refunded, forfeited, .. } => {
                (agreement, Ended { paid, refunded, forfeited, burned: 0 })
            }
            SlaEvent::Disputed { agreement, paid, refunded, burned, forfeited, .. } => {
                self.burned += burned;
                (agreement, Ended { paid, refunded, burned, forfeited })
            }
            SlaEvent::SettlementFailed { agreement } => {
                panic!("agreement {agreement} cannot be settled")
            }
            _ => return,
        };
        assert!(self.ended.insert(agreement, ended).is_none(), "{agreement} ended twice");
    }

    fn lose(&mut self, account: AccountId, amount: Balance) {
        *self.lost.entry(account).or_default() += amount;
    }
}

/// Everything that there is, base units.
pub(super) fn issuance() -> Balance {
    Balances::total_issuance()
}

/// Those who may submit a voucher.
pub(super) const SUBMITTERS: [Submitter; 2] = [Submitter::Payee, Submitter::Other];

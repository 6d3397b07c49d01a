//! The hubs through which workers are paid: where they are, what they take and whom they can pay.
//!
//! Each hub is asked for a signed quote; the one next to the workers also says how much it can
//! promise each of them in one session. A worker that it cannot pay is left out of the path, as one
//! that gave no quote is.
//!
//! Limits: [`MAX_HUBS`] in a row, [`PATIENCE`] for all of them to answer.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mica_chain::AccountId;
use mica_net::NetEvent;
use mica_primitives::{Balance, BlockNumber, Hash32, PublicKey, WorkerAddresses};
use mica_protocol::{
    Message,
    limits::{MAX_HUB_PAYEES, MAX_HUBS},
    messages::{Account, HubQuote, HubQuoteRequest, Payees},
    payer::PlannedHub,
};
use rand::RngCore;
use tokio::time::Instant;

use super::MarketError;
use crate::router::Subscription;

/// How long hubs have to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a hub is: a multiaddress that ends with its peer id. Whoever has that key is the hub: its
/// quote names the account that is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAddress {
    peer: PublicKey,
    addresses: WorkerAddresses,
    text: String,
}

/// A text is no hub's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no hub's address ({reason}): write /ip4/…/tcp/…/p2p/…, as `mica hub run` says")]
pub struct HubAddressError {
    text: String,
    reason: String,
}

impl HubAddress {
    /// The hub's peer key.
    pub(crate) const fn peer(&self) -> PublicKey {
        self.peer
    }

    /// Where it may be dialled.
    pub(crate) const fn addresses(&self) -> &WorkerAddresses {
        &self.addresses
    }
}

impl FromStr for HubAddress {
    type Err = HubAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: String| HubAddressError { text: text.to_owned(), reason };
        let (peer, address) = mica_net::split_peer(text).map_err(error)?;
        let long = |_: Vec<u8>| error("it is too long".to_owned());
        let address = address.into_bytes().try_into().map_err(long)?;
        let addresses = WorkerAddresses::try_from(vec![address]).unwrap_or_default();
        Ok(Self { peer, addresses, text: text.to_owned() })
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The hub to which a payer has its channel.
#[derive(Clone, Copy, Debug)]
pub struct FirstHub {
    /// Its account.
    pub account: AccountId,
    /// Its peer key.
    pub peer: PublicKey,
    /// The channel's least window, blocks.
    pub window: BlockNumber,
    /// Positions that it promises ahead of what it was shown.
    pub credit_positions: u16,
}

/// What hubs in a row have quoted, the one that the payer pays first.
#[derive(Clone, Debug)]
pub struct HubTerms {
    hubs: Vec<(HubAddress, HubQuote)>,
    /// What the last one can promise to whom in one session.
    free: BTreeMap<Account, Balance>,
}

impl HubTerms {
    /// The one to which the payer has its channel. Nothing without a hub.
    pub fn first(&self) -> Option<FirstHub> {
        let (address, quote) = self.hubs.first()?;
        Some(FirstHub {
            account: quote.account.into(),
            peer: address.peer,
            window: quote.min_window,
            credit_positions: quote.credit_positions,
        })
    }

    /// Whether the first hub asks for no longer window than `most` blocks: nobody has a deposit
    /// locked for longer than it has said.
    ///
    /// # Errors
    /// [`MarketError::HubWindow`].
    pub(crate) fn check_window(&self, most: BlockNumber) -> Result<(), MarketError> {
        match self.hubs.first() {
            Some((address, quote)) if quote.min_window > most => Err(MarketError::HubWindow {
                hub: address.text.as_str().into(),
                asked: quote.min_window,
                most,
            }),
            _ => Ok(()),
        }
    }

    /// The hubs by which a worker with this account gets `unit` base units for each position;
    /// nothing on overflow.
    pub fn planned(&self, unit: Balance, worker: AccountId) -> Option<Vec<PlannedHub>> {
        let (mut planned, mut payee, mut unit) = (Vec::new(), worker.0, unit);
        for (address, quote) in self.hubs.iter().rev() {
            unit = quote.fee.with(unit)?;
            let HubAddress { peer, addresses, .. } = address.clone();
            planned.insert(0, PlannedHub { peer, addresses, unit, payee });
            payee = quote.account;
        }
        Some(planned)
    }

    /// Whether the last hub can promise this worker so much in one session.
    pub(super) fn can_pay(&self, worker: AccountId, amount: Balance) -> bool {
        self.free.get(&worker.0).is_some_and(|free| *free >= amount)
    }
}

/// Asks `hubs`, of which the last pays workers, whether it can pay `workers`.
///
/// # Errors
/// [`MarketError::Hub`] if one does not answer in time, or not with a quote of its own.
pub(crate) async fn ask_hubs(
    subscription: &mut Subscription,
    genesis: Hash32,
    hubs: &[HubAddress],
    workers: Vec<AccountId>,
) -> Result<HubTerms, MarketError> {
    if hubs.len() > MAX_HUBS {
        let reason = format!("there are {} in a row and may be {MAX_HUBS}", hubs.len());
        return Err(failed(&hubs[MAX_HUBS], &reason));
    }
    subscription.listen(None, hubs.iter().map(|hub| hub.peer));
    let mut awaited: BTreeMap<u64, (usize, Vec<AccountId>)> = BTreeMap::new();
    for (index, hub) in hubs.iter().enumerate() {
        let is_last = index + 1 == hubs.len();
        let asked: Vec<Vec<AccountId>> = match is_last && !workers.is_empty() {
            true => workers.chunks(MAX_HUB_PAYEES as usize).map(<[_]>::to_vec).collect(),
            false => vec![Vec::new()],
        };
        for payees in asked {
            let nonce = rand::rngs::OsRng.next_u64();
            let accounts = payees.iter().map(|payee| payee.0).collect();
            let request = HubQuoteRequest { nonce, payees: Payees::truncate_from(accounts) };
            let (texts, message) =
                (mica_net::address_texts(&hub.addresses), Message::HubQuoteRequest(request));
            let sent = subscription.net.send(hub.peer, &texts, &message).await;
            sent.map_err(|error| failed(hub, &error.to_string()))?;
            awaited.insert(nonce, (index, payees));
        }
    }
    let mut found: Vec<Option<HubQuote>> = vec![None; hubs.len()];
    let (mut free, end) = (BTreeMap::new(), Instant::now() + PATIENCE);
    while let Some((waiting, _)) = awaited.values().next() {
        let waiting = *waiting;
        let event = tokio::time::timeout_at(end, subscription.events.recv()).await;
        let Ok(Some(event)) = event else {
            return Err(failed(&hubs[waiting], "no answer in time"));
        };
        match event {
            NetEvent::Message { peer, message: Message::HubQuote(signed) } => {
                let is_its_own = signed.quote.peer == peer && signed.verify(&genesis);
                let Some((index, payees)) = awaited.remove(&signed.quote.nonce) else { continue };
                if !is_its_own || hubs[index].peer != peer {
                    return Err(failed(&hubs[index], "its quote is not signed by its peer key"));
                }
                let sums = signed.quote.free.iter().copied();
                free.extend(payees.iter().map(|payee| payee.0).zip(sums));
                found[index] = Some(signed.quote);
            }
            NetEvent::Message { peer, message: Message::Fault(fault) } => {
                if let Some(hub) = hubs.iter().find(|hub| hub.peer == peer) {
                    return Err(failed(hub, &fault.to_string()));
                }
            }
            NetEvent::Unreachable { peer, reason, .. } => {
                if let Some(hub) = hubs.iter().find(|hub| hub.peer == peer) {
                    return Err(failed(hub, &reason));
                }
            }
            _ => {}
        }
    }
    let quoted = hubs.iter().cloned().zip(found);
    let hubs = quoted.filter_map(|(hub, quote)| Some((hub, quote?))).collect();
    Ok(HubTerms { hubs, free })
}

fn failed(hub: &HubAddress, reason: &str) -> MarketError {
    MarketError::Hub { hub: hub.text.as_str().into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use mica_protocol::messages::HubFee;

    use super::*;

    fn terms(fees: &[HubFee]) -> HubTerms {
        let hub = |(index, fee): (usize, &HubFee)| {
            let peer = [index as u8; 32];
            let address =
                HubAddress { peer, addresses: WorkerAddresses::default(), text: String::new() };
            let quote = HubQuote {
                peer,
                account: [100 + index as u8; 32],
                nonce: 0,
                fee: *fee,
                credit_positions: 1,
                min_window: 1,
                free: Default::default(),
                valid_until: 1,
            };
            (address, quote)
        };
        HubTerms { hubs: fees.iter().enumerate().map(hub).collect(), free: BTreeMap::new() }
    }

    #[test]
    fn each_hub_is_paid_what_it_passes_on_and_its_fee() {
        let [one, ten] = [1, 10].map(|least| HubFee { ppm: 0, least });
        let planned = terms(&[ten, one]).planned(100, [7; 32].into()).expect("small");
        let units: Vec<_> = planned.iter().map(|hub| (hub.unit, hub.payee)).collect();
        assert_eq!(units, [(111, [101; 32]), (101, [7; 32])]);
        assert_eq!(terms(&[ten]).first().map(|hub| hub.account.0), Some([100; 32]));
        assert!(terms(&[one]).planned(Balance::MAX, [7; 32].into()).is_none());
    }

    #[test]
    fn a_hub_locks_no_deposit_for_longer_than_its_payer_gives() {
        let asking = |min_window| {
            let mut terms = terms(&[HubFee::default(), HubFee::default()]);
            terms.hubs[0].1.min_window = min_window;
            terms.check_window(1_200)
        };
        assert!(asking(1_200).is_ok());
        let error = asking(1_201).expect_err("it is too long").to_string();
        assert!(error.contains("mica config set window 1201"), "{error}");
        // The second hub's channel is the first one's.
        let mut others = terms(&[HubFee::default(), HubFee::default()]);
        others.hubs[1].1.min_window = 200_000;
        assert!(others.check_window(1_200).is_ok());
    }

    #[test]
    fn an_address_without_a_peer_names_no_hub() {
        for text in ["", "/ip4/127.0.0.1/tcp/4001", "hub.example:4001"] {
            let error = text.parse::<HubAddress>().expect_err("no address");
            assert!(error.to_string().contains("mica hub run"), "{error}");
        }
    }
}

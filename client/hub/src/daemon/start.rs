//! What a hub is made of, and how it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use mica_chain::{Call, Chain};
use mica_net::{Bounds, Net, NetConfig};
use mica_payer::channels::{ChainComparison, Payer, compare_chain};
use mica_payer::store::Store;
use mica_primitives::{Hash32, Redeem, WorkerAddresses};
use mica_protocol::{
    hub::{HubOffer, HubTable},
    limits::HUB_WINDOW_BLOCKS,
    stage::StageIdentity,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Daemon;
use crate::chain::{Watched, follow};
use crate::config::{CREDIT_SHARE, HubConfig};
use crate::disk::Pending;
use crate::error::HubError;
use crate::event::{HubEvent, HubStatus};
use crate::looks::Looks;
use crate::metrics;

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
    let redeem = Call::Redeem(Box::new(Redeem::longest()));
    let fee = chain.estimate_fee_for(payer.id(), &redeem).await?;
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

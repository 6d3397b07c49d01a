//! Whether the records are of this chain, and know what the chain knows of the wallet's channels.

use mica_chain::{AccountId, Chain, ReadError, View};
use mica_primitives::{Channel, ChannelId, ChannelState, MAX_LANES};
use mica_protocol::channel::PayerLaneRecord;

use super::{Finding, wallet::SignerNames};
use crate::context::Context;
use mica_payer::channels::{ChainComparison, compare_chain};
use mica_payer::store::{Store, StoreError};

/// The command that learns again what the records do not know.
const LEARN: &str = "mica ask hello";

/// What is worth knowing or wrong; whether the file can be read is told with the home folder.
pub(super) async fn all(
    context: &Context,
    chain: &Chain,
    view: &View,
    account: AccountId,
) -> Result<Vec<Finding>, ReadError> {
    let path = context.home.state();
    let store = match path.exists().then(|| Store::open(&path)).transpose() {
        Ok(store) => store,
        Err(_) => return Ok(Vec::new()),
    };
    let mut findings = Vec::new();
    if let Some(store) = &store {
        match compare_chain(chain, store).await {
            Ok(ChainComparison::Same | ChainComparison::Unknown(_)) => {}
            Ok(ChainComparison::Restarted { .. }) => {
                let found = "they are of a chain before this one, which began anew: the next \
                             prompt puts them aside";
                return Ok(vec![Finding::note("records", found, LEARN)]);
            }
            Err(error) => return Ok(vec![Finding::skipped("records", error.to_string())]),
        }
        findings.extend(other_chains(chain, store));
    }
    let hot = SignerNames::of(context);
    for (id, channel) in view.channels_of(account).await? {
        if channel.state == ChannelState::Open && hot.has(&channel.signer) {
            let finding = channel_finding(store.as_ref(), id, &channel);
            findings.extend(finding.unwrap_or_else(|error| {
                Some(Finding::wrong("records", error.to_string(), "mica receipt list"))
            }));
        }
    }
    Ok(findings)
}

fn other_chains(chain: &Chain, store: &Store) -> Option<Finding> {
    let mut chains = store.chains().ok()?;
    chains.remove(&chain.genesis_hash());
    let other = chains.first()?;
    let found = format!(
        "some are of another chain (genesis 0x{}): they are kept and not used on this one",
        hex::encode(other)
    );
    Some(Finding::note("records", found, "mica receipt list"))
}

fn channel_finding(
    store: Option<&Store>,
    id: ChannelId,
    channel: &Channel<AccountId>,
) -> Result<Option<Finding>, StoreError> {
    let known = store.map(|store| store.channel(id)).transpose()?.flatten();
    let (Some(store), Some(_)) = (store, known) else {
        let found = format!(
            "channel {id} is not on record: state.redb was lost, or the wallet pays from another \
             folder as well"
        );
        return Ok(Some(Finding::note("records", found, LEARN)));
    };
    let (lanes, retired) = (store.lanes(id)?, store.retired(id)?);
    if retired.len() == MAX_LANES as usize {
        let found = format!(
            "channel {id} takes no more sessions, because the records of all its lanes are lost"
        );
        return Ok(Some(Finding::wrong("records", found, format!("mica channel close {id}"))));
    }
    let behind = |lane: &u16, seq: u64, cumulative: u128| {
        let ours = lanes.iter().find(|record| record.lane == *lane);
        ours.map_or(0, |record| record.seq) < seq
            || ours.map_or(0, PayerLaneRecord::promised) < cumulative
    };
    let older = channel.lanes.iter().any(|(lane, claimed)| {
        !retired.contains(lane) && behind(lane, claimed.seq, claimed.cumulative)
    });
    Ok(older.then(|| {
        let found = format!(
            "state.redb is older than channel {id}: it looks like a copy that was put back"
        );
        Finding::note("records", found, LEARN)
    }))
}

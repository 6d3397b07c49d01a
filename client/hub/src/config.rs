//! What a hub's operator decides.

use std::net::SocketAddr;

use mica_chain::AccountId;
use mica_primitives::{Balance, BlockNumber, ModelId, UNIT};
use mica_protocol::{
    limits::{DEFAULT_HUB_CREDIT_POSITIONS, MAX_RELAYS},
    messages::HubFee,
};

/// Base units that a channel to a worker is kept good for, unless the operator says otherwise: one
/// MICA.
pub const DEFAULT_DEPOSIT: Balance = UNIT;
/// Most channels of the hub's own, unless the operator says otherwise.
pub const DEFAULT_MAX_CHANNELS: usize = 64;
/// What a hub takes, unless its operator says otherwise: a hundredth, and at least one base unit
/// for a position.
pub const DEFAULT_FEE: HubFee = HubFee { ppm: 10_000, least: 1 };

/// Part of the deposit that the hub promises ahead of what it was shown at most, unless the
/// operator says otherwise: with one MICA more than 128 positions of a worker that serves 80
/// layers.
pub const CREDIT_SHARE: Balance = 8;

/// The settings of a hub.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Addresses that payers are told, without the peer id; what is listened on if there are none.
    pub announce: Vec<String>,
    /// What the hub takes.
    pub fee: HubFee,
    /// Positions that it promises ahead of what it was shown: what it risks for each account.
    pub credit_positions: u16,
    /// Base units that it promises ahead at most, whatever a position costs; a part of the deposit
    /// without it.
    pub credit_money: Option<Balance>,
    /// Base units that each channel of its own is kept good for.
    pub deposit: Balance,
    /// Models whose workers are paid; all if there are none.
    pub models: Vec<ModelId>,
    /// Other accounts that are paid: further hubs.
    pub pay: Vec<AccountId>,
    /// Most channels of its own.
    pub max_channels: usize,
    /// Most relays at once.
    pub max_relays: usize,
    /// Least window of channels to the hub, blocks, if that is more than what workers ask for and
    /// [`mica_protocol::limits::HUB_WINDOW_BLOCKS`].
    pub min_window: Option<BlockNumber>,
    /// Where its metrics are served over HTTP, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Least gain for which a lane out of use is redeemed, base units; twice the fee without it.
    pub redeem_minimum: Option<Balance>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            announce: Vec::new(),
            fee: DEFAULT_FEE,
            credit_positions: DEFAULT_HUB_CREDIT_POSITIONS,
            credit_money: None,
            deposit: DEFAULT_DEPOSIT,
            models: Vec::new(),
            pay: Vec::new(),
            max_channels: DEFAULT_MAX_CHANNELS,
            max_relays: MAX_RELAYS,
            min_window: None,
            metrics: None,
            redeem_minimum: None,
        }
    }
}

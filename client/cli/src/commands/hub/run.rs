//! `mica hub run`.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use mica_chain::AccountId;
use mica_hub::{
    HubConfig, HubEvent, Parts,
    config::{DEFAULT_DEPOSIT, DEFAULT_FEE, DEFAULT_MAX_CHANNELS},
    peer_key,
};
use mica_payer::{Interrupt, ModelSnapshot, channels::Payer};
use mica_primitives::{Balance, BlockNumber, ModelId};
use mica_protocol::{
    limits::{DEFAULT_HUB_CREDIT_POSITIONS, MAX_RELAYS},
    messages::HubFee,
};
use mica_wallet::files;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::{parse_address, parse_amount};
use crate::render::hub::{HubLine, HubState};

/// What the account's key is asked for.
const PURPOSE: &str = "channels of the hub, and redeems";

/// Options of `mica hub run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Multiaddress to listen on; may be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "/ip4/127.0.0.1/tcp/4101")]
    listen: Vec<String>,
    /// Address that payers are told, if it is not the one that is listened on; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    announce: Vec<String>,
    /// What the hub takes: millionths of what it passes on
    #[arg(long, value_name = "PPM", default_value_t = DEFAULT_FEE.ppm, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    fee_ppm: u32,
    /// Least fee for a position of one stage [default: 1 base unit]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    least_fee: Option<Balance>,
    /// Positions that the hub promises workers ahead of what it was paid: what it risks
    #[arg(long, value_name = "POSITIONS", default_value_t = DEFAULT_HUB_CREDIT_POSITIONS, value_parser = clap::value_parser!(u16).range(1..=1024))]
    credit: u16,
    /// Money that the hub promises ahead at most, whatever a position costs [default: an eighth of
    /// the deposit]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    credit_money: Option<Balance>,
    /// Money that each channel to a worker is kept good for [default: 1 MICA]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    deposit: Option<Balance>,
    /// Name, id or beginning of the id of a model whose workers are paid; may be repeated [default:
    /// every model]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Account of another hub that is paid as well; may be repeated
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_address)]
    pay: Vec<AccountId>,
    /// Most channels to workers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_CHANNELS)]
    max_channels: usize,
    /// Most stages that are paid at once
    #[arg(long, value_name = "N", default_value_t = MAX_RELAYS)]
    max_relays: usize,
    /// Least blocks that a payer's channel must give to redeem after a request to close [default:
    /// as many as workers ask for, and an hour's worth at least]
    #[arg(long, value_name = "BLOCKS")]
    min_window: Option<BlockNumber>,
    /// Address on which metrics are served over HTTP, for example 127.0.0.1:9103 [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Least money for which a promise is redeemed that can wait [default: twice the fee]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    redeem_minimum: Option<Balance>,
}

/// Runs a hub until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`CommandError`]: a wrong password, no node, an address that is taken, or the database.
pub(super) async fn run(context: &Context, arguments: RunArgs) -> Result<(), CommandError> {
    let (interrupt, _listening) = Interrupt::listen();
    let (account, signer, _) = context.lasting_keys(context.passwords(), PURPOSE)?;
    let store = Arc::new(context.store()?);
    let peer = peer_key(&context.home.hub_key())?;
    let chain = context.chain().await?;
    let config = arguments.config(&chain).await?;
    let (output, progress, status) = (context.output, context.progress, context.home.hub_status());
    let listener = move |event: HubEvent<'_>| {
        if let HubEvent::Status(found) = &event {
            let written = serde_json::to_vec_pretty(&HubState::from(*found))
                .map_err(std::io::Error::other)
                .map(|bytes| files::replace_private(&status, &bytes));
            if !matches!(written, Ok(Ok(()))) {
                tracing::warn!("the hub's status was not written");
            }
            return;
        }
        if let HubEvent::Warning(text) = &event {
            progress.note(text);
        }
        // Nobody may be reading any more.
        if let Some(line) = HubLine::new(&event) {
            let _ = output.show_line(&line, HubLine::to_text);
        }
    };
    let payer = Payer { chain, account, signer };
    let parts = Parts { payer, store, peer, config, listener: Box::new(listener) };
    Ok(mica_hub::run(parts, interrupt.finish.clone()).await?)
}

impl RunArgs {
    async fn config(self, chain: &mica_chain::Chain) -> Result<HubConfig, CommandError> {
        let view = chain.at_finalized().await?;
        let mut models: Vec<ModelId> = Vec::new();
        for name in &self.model {
            models.extend(ModelSnapshot::ids(&view, name).await?);
        }
        Ok(HubConfig {
            listen: self.listen,
            announce: self.announce,
            fee: HubFee { ppm: self.fee_ppm, least: self.least_fee.unwrap_or(DEFAULT_FEE.least) },
            credit_positions: self.credit,
            credit_money: self.credit_money,
            deposit: self.deposit.unwrap_or(DEFAULT_DEPOSIT),
            models,
            pay: self.pay,
            max_channels: self.max_channels,
            max_relays: self.max_relays,
            min_window: self.min_window,
            metrics: self.metrics,
            redeem_minimum: self.redeem_minimum,
        })
    }
}

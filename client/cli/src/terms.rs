//! The terms under which a command buys, as options.

use clap::Args;
use mica_payer::terms::{Terms, TermsOverrides, deadline_us};
use mica_primitives::Balance;

use crate::config::{Settings, parse_alpha};
use crate::options::parse_amount;

/// Which path is taken, and what a token may cost.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TermsArgs {
    /// Weight of money against time, from 0 (only time counts) to 1 (only money counts) [default:
    /// 0.5]
    #[arg(long, env = "MICA_ALPHA", value_parser = parse_alpha)]
    alpha: Option<f64>,
    /// Most money per token, all layers together, for example 0.00001 MICA or 5000000u (base units)
    #[arg(long, visible_alias = "max-price", value_name = "AMOUNT", value_parser = parse_amount)]
    max_price_per_token: Option<Balance>,
    /// Most milliseconds per token
    #[arg(long, visible_alias = "deadline", value_name = "MS")]
    deadline_ms: Option<u64>,
}

impl TermsArgs {
    /// What the options say.
    pub(crate) fn overrides(&self) -> TermsOverrides {
        TermsOverrides {
            alpha: self.alpha,
            max_price_per_token: self.max_price_per_token,
            deadline_us: self.deadline_ms.map(deadline_us),
            max_total: None,
        }
    }

    /// The terms of one question: the options', else the settings'. `max_total` is the command's
    /// own limit for it.
    pub(crate) fn terms(&self, settings: &Settings, max_total: Option<Balance>) -> Terms {
        let usual = Terms { alpha: settings.alpha, max_total, ..Terms::default() };
        usual.with(&self.overrides())
    }
}

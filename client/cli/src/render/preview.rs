//! What a command would do, without doing it: the report of `--dry-run`.

use mica_chain::amount;
use mica_payer::{ask::AskPreview, preview::CallPreview};
use mica_primitives::Balance;
use serde::Serialize;

use super::market;

/// What an extrinsic would do, as it is printed. All amounts are base units.
#[derive(Serialize)]
pub struct DryRun {
    dry_run: bool,
    account: String,
    calls: Vec<String>,
    fee: Balance,
    sent: Balance,
    locked: Balance,
    free: Balance,
    stays: Balance,
    left: Balance,
    missing: Balance,
}

impl From<&CallPreview> for DryRun {
    fn from(preview: &CallPreview) -> Self {
        Self {
            dry_run: true,
            account: preview.account.to_string(),
            calls: preview.calls.clone(),
            fee: preview.fee,
            sent: preview.moved.sent,
            locked: preview.moved.locked,
            free: preview.free,
            stays: preview.stays,
            left: preview.left,
            missing: preview.missing(),
        }
    }
}

impl DryRun {
    /// For people.
    pub fn to_text(&self) -> String {
        let calls =
            if self.calls.is_empty() { "none is needed".to_owned() } else { self.calls.join(", ") };
        let mut text = format!(
            "this is what would happen; nothing was sent\naccount    {}\nextrinsic  {calls}\n",
            self.account
        );
        let lines = [
            ("fee", self.fee, " (estimate)"),
            ("sent", self.sent, ""),
            ("locked", self.locked, " (a deposit: what is not spent comes back)"),
            ("free now", self.free, ""),
            ("free then", self.left, ""),
            ("must stay", self.stays, " (the chain keeps no account with less)"),
        ];
        for (label, money, note) in lines {
            let note = if money == 0 { "" } else { note };
            text.push_str(&format!("{label:<9}  {}{note}\n", amount::format(money)));
        }
        if self.missing > 0 {
            text.push_str(&format!(
                "missing    {}: send it to the account first\n",
                amount::format(self.missing)
            ));
        }
        text
    }
}

/// What an answer would take, as it is printed. Amounts are base units.
#[derive(Serialize)]
pub struct AskDryRun {
    #[serde(flatten)]
    channels: DryRun,
    price_per_token: Balance,
    most: Balance,
    stages: Vec<Stage>,
    #[serde(skip)]
    path: String,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: [u16; 2],
    price_per_layer_token: Balance,
}

impl From<&AskPreview> for AskDryRun {
    fn from(preview: &AskPreview) -> Self {
        let stages = preview.path.stages.iter().map(|stage| Stage {
            worker: stage.worker.record.account.to_string(),
            layers: [stage.range.first, stage.range.end],
            price_per_layer_token: stage.price_per_layer_token,
        });
        Self {
            channels: DryRun::from(&preview.channels),
            price_per_token: preview.path.price_per_token,
            most: preview.most,
            stages: stages.collect(),
            path: market::path(&preview.path),
        }
    }
}

impl AskDryRun {
    /// For people.
    pub fn to_text(&self) -> String {
        format!(
            "{}at most {} for the longest answer\n\n{}",
            self.path,
            amount::format(self.most),
            self.channels.to_text()
        )
    }
}

//! What a command would do, without doing it: the report of `--dry-run`.

use mica_chain::amount;
use mica_host::json::{Layers, Money};
use mica_payer::{ask::AskPreview, preview::CallPreview};
use serde::Serialize;

use super::path;

/// What an extrinsic would do.
#[derive(Serialize)]
pub(crate) struct DryRun {
    dry_run: bool,
    account: String,
    calls: Vec<String>,
    fee: Money,
    sent: Money,
    locked: Money,
    free: Money,
    stays: Money,
    left: Money,
    missing: Money,
}

impl From<&CallPreview> for DryRun {
    fn from(preview: &CallPreview) -> Self {
        Self {
            dry_run: true,
            account: preview.account.to_string(),
            calls: preview.calls.clone(),
            fee: Money(preview.fee),
            sent: Money(preview.moved.sent),
            locked: Money(preview.moved.locked),
            free: Money(preview.free),
            stays: Money(preview.stays),
            left: Money(preview.left),
            missing: Money(preview.missing()),
        }
    }
}

impl DryRun {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
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
        for (label, Money(money), note) in lines {
            let note = if money == 0 { "" } else { note };
            text.push_str(&format!("{label:<9}  {}{note}\n", amount::format(money)));
        }
        if self.missing.0 > 0 {
            text.push_str(&format!(
                "missing    {}: send it to the account first\n",
                amount::format(self.missing.0)
            ));
        }
        text
    }
}

/// What an answer would take.
#[derive(Serialize)]
pub(crate) struct AskDryRun {
    #[serde(flatten)]
    channels: DryRun,
    price_per_token: Money,
    most: Money,
    stages: Vec<Stage>,
    #[serde(skip)]
    path: String,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: Layers,
    price_per_layer_token: Money,
}

impl From<&AskPreview> for AskDryRun {
    fn from(preview: &AskPreview) -> Self {
        let stages = preview.path.stages.iter().map(|stage| Stage {
            worker: stage.worker.record.account.to_string(),
            layers: Layers(stage.range),
            price_per_layer_token: Money(stage.price_per_layer_token),
        });
        Self {
            channels: DryRun::from(&preview.channels),
            price_per_token: Money(preview.path.price_per_token),
            most: Money(preview.most),
            stages: stages.collect(),
            path: path::path(&preview.path),
        }
    }
}

impl AskDryRun {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "{}at most {} for the longest answer\n\n{}",
            self.path,
            amount::format(self.most.0),
            self.channels.to_text()
        )
    }
}

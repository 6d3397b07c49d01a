//! Sending an extrinsic and following it as far as somebody wants to wait, with progress on stderr.

use std::{str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use mica_chain::{
    Call, Chain, Reached, SUBMIT_TIMEOUT, Signer, SubmitError, Submitted, Until, amount,
};
use mica_primitives::Balance;
use serde::Serialize;

use crate::progress::Progress;

/// How far an extrinsic is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Until the node has taken it; nobody knows yet what it does
    None,
    /// Until it is in a block, which may still be replaced
    Included,
    /// Until that block is final
    Finalized,
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| "write none, included or finalized".into())
    }
}

/// Options of every command that sends an extrinsic.
#[derive(Clone, Copy, Debug, Args)]
pub struct SendOptions {
    /// Show fee, deposit and what would be locked; send nothing and ask for no password
    #[arg(long)]
    pub dry_run: bool,
    /// How far to follow the extrinsic: none, included or finalized
    #[arg(long, env = "MICA_WAIT", value_name = "LEVEL", value_enum, hide_possible_values = true)]
    pub wait: Option<Wait>,
    /// Longest wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = SUBMIT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

impl SendOptions {
    /// How an extrinsic is followed: as the options say, or the settings, or as far as `usual`.
    pub fn follow(&self, settings: Option<Wait>, usual: Wait) -> Follow {
        Follow {
            wait: self.wait.or(settings).unwrap_or(usual),
            patience: Duration::from_secs(self.timeout),
        }
    }
}

/// How far and how long an extrinsic is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// How far.
    pub wait: Wait,
    /// How long at most.
    pub patience: Duration,
}

/// An extrinsic that was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Hash of the extrinsic.
    pub extrinsic: String,
    /// How far it was followed.
    pub wait: Wait,
    /// The block that holds it; nothing if nobody waited for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u32>,
    /// What it cost, base units; nothing if nobody waited for a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<Balance>,
    /// The events that it left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

impl Sent {
    /// Where it is and what it cost, for people.
    pub fn to_text(&self) -> String {
        match (self.block, self.fee) {
            (Some(block), Some(fee)) => format!("fee {}, block {block}", amount::format(fee)),
            _ => format!(
                "the node has it; `mica wallet status {}` tells what became of it",
                self.extrinsic
            ),
        }
    }
}

impl From<(&Submitted, Wait)> for Sent {
    fn from((submitted, wait): (&Submitted, Wait)) -> Self {
        Self {
            extrinsic: extrinsic(&submitted.extrinsic),
            wait,
            block: Some(submitted.block.number),
            fee: Some(submitted.fee),
            events: submitted
                .events
                .iter()
                .map(|event| format!("{}.{}", event.pallet, event.name))
                .collect(),
        }
    }
}

/// Sends `call` and follows it. `what` is said while that takes its time.
///
/// # Errors
/// [`SubmitError`], as [`Chain::submit`].
pub async fn send(
    chain: &Chain,
    signer: &Signer,
    call: Call,
    Follow { wait, patience }: Follow,
    progress: Progress,
    what: &str,
) -> Result<Sent, SubmitError> {
    let step = progress.step(what);
    let until = match wait {
        Wait::None => {
            let hash = chain.hand_in(signer, &call).await?;
            step.done("the node has it");
            return Ok(Sent {
                extrinsic: extrinsic(&hash),
                wait,
                block: None,
                fee: None,
                events: Vec::new(),
            });
        }
        Wait::Included => Until::InBlock,
        Wait::Finalized => Until::Finalized,
    };
    let submitted = chain
        .submit_watched(signer, call, until, patience, &mut |reached| match reached {
            Reached::Pool(hash) => {
                // Whoever stops waiting can look it up.
                step.note(&format!("    sent as {}", extrinsic(&hash)));
                step.now("the node has it, waiting for a block");
            }
            Reached::Block(_) => step.now("in a block, waiting until it is final"),
            Reached::Final(_) => {}
        })
        .await?;
    let state = if wait == Wait::Finalized { "final in block" } else { "in block" };
    step.done(&format!("{state} {}", submitted.block.number));
    Ok(Sent::from((&submitted, wait)))
}

fn extrinsic(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

//! `mica wallet status`: what became of an extrinsic, looked up in the blocks by its hash. No
//! password is asked for.

use clap::Args;
use mica_chain::{Fate, Included, MAX_BLOCKS_SEARCHED, SubmitError, amount};
use mica_primitives::{Balance, BlockNumber, Hash32};
use serde::Serialize;

use super::Context;
use crate::error::CommandError;

/// Options of `mica wallet status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The extrinsic's hash, as the command that sent it showed it
    #[arg(value_name = "HASH", value_parser = parse_hash)]
    extrinsic: Hash32,
    /// Newest blocks that are looked through
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BLOCKS_SEARCHED)))]
    blocks: BlockNumber,
}

fn parse_hash(text: &str) -> Result<Hash32, String> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok();
    bytes.and_then(|bytes| Hash32::try_from(bytes).ok()).ok_or_else(|| {
        "an extrinsic's hash has 64 hexadecimal digits: the command that sent it showed it".into()
    })
}

#[derive(Serialize)]
struct Status {
    extrinsic: String,
    /// `final`, `included`, `failed`, `waiting` or `unknown`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Balance>,
    events: Vec<String>,
}

/// Runs `mica wallet status`.
///
/// # Errors
/// [`CommandError`] unless it did what it should in a final block: the exit code says what is known
/// instead.
pub async fn run(context: &Context, arguments: &StatusArgs) -> Result<(), CommandError> {
    let extrinsic = arguments.extrinsic;
    let fate = context.chain().await?.fate(extrinsic, arguments.blocks).await?;
    let mut status = Status {
        extrinsic: format!("0x{}", hex::encode(extrinsic)),
        state: "unknown",
        block: None,
        is_final: None,
        fee: None,
        events: Vec::new(),
    };
    let verdict = match fate {
        Fate::Nowhere(blocks) => {
            Err(CommandError::NoTrace { from: *blocks.start(), to: *blocks.end() })
        }
        Fate::Waiting => {
            status.state = "waiting";
            Err(CommandError::Waiting)
        }
        Fate::Included(found) => {
            let Included { block, is_final, fee, failure, events } = *found;
            (status.block, status.is_final, status.fee) =
                (Some(block.number), Some(is_final), Some(fee));
            status.events =
                events.iter().map(|event| format!("{}.{}", event.pallet, event.name)).collect();
            let (what, block) = ("the extrinsic".to_owned(), block.number);
            match failure {
                Some(failure) => {
                    status.state = "failed";
                    Err(SubmitError::Failed {
                        what,
                        failure: Box::new(failure),
                        block,
                        is_final,
                        fee,
                    }
                    .into())
                }
                None if is_final => {
                    status.state = "final";
                    Ok(())
                }
                None => {
                    status.state = "included";
                    Err(SubmitError::NotFinal { what, block, extrinsic, fee }.into())
                }
            }
        }
    };
    context.output.show(&status, to_text)?;
    verdict
}

fn to_text(status: &Status) -> String {
    let state = match (status.block, status.is_final) {
        (Some(block), Some(true)) => {
            format!("{} in block {block}, which is final", done(status.state))
        }
        (Some(block), _) => {
            format!("{} in block {block}, which is not final yet", done(status.state))
        }
        (None, _) => status.state.to_owned(),
    };
    let fee =
        status.fee.map_or(String::new(), |fee| format!("\nfee        {}", amount::format(fee)));
    format!("extrinsic  {}\nstate      {state}{fee}\n", status.extrinsic)
}

fn done(state: &str) -> &'static str {
    if state == "failed" { "failed" } else { "done" }
}

#[cfg(test)]
mod tests {
    use super::parse_hash;

    #[test]
    fn hashes_are_read_with_and_without_prefix() {
        let hash = "ab".repeat(32);
        assert_eq!(parse_hash(&hash), Ok([0xab; 32]));
        assert_eq!(parse_hash(&format!("0x{hash}")), Ok([0xab; 32]));
        for text in ["", "0x", "0xabcd", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(parse_hash(text).is_err(), "{text}");
        }
    }
}

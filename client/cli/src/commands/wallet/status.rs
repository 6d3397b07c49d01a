//! `mica wallet status`: what became of an extrinsic, looked up in the blocks by its hash. No
//! password is asked for.

use clap::Args;
use mica_chain::{Fate, Included, MAX_BLOCKS_SEARCHED, SubmitError};
use mica_primitives::{BlockNumber, Hash32};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::extrinsic::ExtrinsicStatus;

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

/// Runs `mica wallet status`.
///
/// # Errors
/// [`CommandError`] unless it did what it should in a final block: the exit code says what is known
/// instead.
pub(super) async fn run(context: &Context, arguments: &StatusArgs) -> Result<(), CommandError> {
    let extrinsic = arguments.extrinsic;
    let fate = context.chain().await?.fate(extrinsic, arguments.blocks).await?;
    let status = ExtrinsicStatus::new(&extrinsic, &fate);
    context.output.show(&status, ExtrinsicStatus::to_text)?;
    verdict(extrinsic, fate)
}

/// Nothing if the extrinsic did what it should in a final block; else what is known of it.
fn verdict(extrinsic: Hash32, fate: Fate) -> Result<(), CommandError> {
    let what = "the extrinsic".to_owned();
    match fate {
        Fate::Nowhere(blocks) => {
            Err(CommandError::NoTrace { from: *blocks.start(), to: *blocks.end() })
        }
        Fate::Waiting => Err(CommandError::Waiting),
        Fate::Included(found) => {
            let Included { block, is_final, fee, failure, .. } = *found;
            let block = block.number;
            match failure {
                Some(failure) => {
                    let failure = Box::new(failure);
                    Err(SubmitError::Failed { what, failure, block, is_final, fee }.into())
                }
                None if is_final => Ok(()),
                None => Err(SubmitError::NotFinal { what, block, extrinsic, fee }.into()),
            }
        }
    }
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

//! `mica-worker tokenize`: the token ids of a text.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use eyre::{Result, WrapErr, ensure};
use mica_engine::{Bos, Special, Tokenizer, tokenizer::MAX_TEXT_BYTES};
use serde_json::json;

use super::generate::open_model;

/// Arguments of `mica-worker tokenize`.
#[derive(Args, Debug)]
pub struct TokenizeArgs {
    /// GGUF file; the model built into this program if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// File with the text, UTF-8.
    #[arg(long, value_name = "FILE")]
    pub text_file: PathBuf,
    /// Names of control tokens in the text become those tokens.
    #[arg(long)]
    pub parse_special: bool,
    /// Put the beginning-of-sequence token first, if the model has one.
    #[arg(long)]
    pub add_bos: bool,
    /// Print one JSON object: {"ids":[…]}. Without it, a line per token with its name.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// If the model or the text cannot be used.
pub fn run(args: &TokenizeArgs) -> Result<()> {
    let file = open_model(args.model.as_ref())?;
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let shown = args.text_file.display();
    let size =
        std::fs::metadata(&args.text_file).wrap_err_with(|| format!("cannot read {shown}"))?.len();
    ensure!(
        size <= MAX_TEXT_BYTES as u64,
        "{shown} has {size} bytes, more than the {MAX_TEXT_BYTES} that are encoded at once; cut it"
    );
    let text = std::fs::read_to_string(&args.text_file)
        .wrap_err_with(|| format!("cannot read {shown} as UTF-8 text"))?;
    let special = if args.parse_special { Special::Parse } else { Special::Text };
    let bos = if args.add_bos { Bos::Add } else { Bos::Omit };
    let ids = tokenizer.encode(&text, special, bos)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.json {
        writeln!(out, "{}", json!({ "ids": ids }))?;
    } else {
        for id in ids {
            writeln!(out, "{id:>8}  {}", tokenizer.token(id).unwrap_or_default())?;
        }
    }
    Ok(out.flush()?)
}

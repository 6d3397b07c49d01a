//! `mica-worker tokenize`: the token ids of a text.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use mica_engine::{Bos, Special, Tokenizer, TokenizerError};
use serde_json::json;

use super::{
    generate::{OpenError, open_model},
    text::{TextError, read_text},
};

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

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizeError {
    /// The model cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has no tokenizer that this program knows, or that takes the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The text cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// If the model or the text cannot be used.
pub(crate) fn run(args: &TokenizeArgs) -> Result<(), TokenizeError> {
    let file = open_model(args.model.as_ref())?;
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let text = read_text(&args.text_file)?;
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

//! `mica-worker perplexity`: how well a model predicts a text, in the same numbers as llama.cpp's
//! `llama-perplexity` gives by default, so that a file, a format or an engine can be judged by
//! another.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use mica_engine::{
    Bos, ForwardError, LayerRange, LoadError, Model, Special, Tokenizer, TokenizerError,
    perplexity::{Judged, MIN_WINDOW, judge},
};
use serde_json::{Value, json};

use super::{
    generate::{OpenError, open_model, threads},
    progress::Progress,
    text::{TextError, read_text},
};

/// Arguments of `mica-worker perplexity`.
#[derive(Args, Clone, Debug)]
pub struct PerplexityArgs {
    /// GGUF file.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// File with the text, UTF-8. One newline at its end does not count.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// Tokens of a window. The text is cut into windows, and what is left over is not used; the
    /// second half of each is judged, the first half is only context.
    #[arg(long, default_value_t = 512, value_name = "N")]
    pub context: usize,
    /// Judge the first N windows only.
    #[arg(long, value_name = "N")]
    pub windows: Option<usize>,
    /// Threads that compute; as many as the machine has if absent. The result does not depend on
    /// it.
    #[arg(long, value_name = "T")]
    pub threads: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Why a text was not judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PerplexityError {
    /// The model cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has no tokenizer that this program knows, or that takes the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its numbers make no model.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// It cannot be loaded.
    #[error("cannot load layers {range}")]
    Layers {
        /// All its layers.
        range: LayerRange,
        /// Why.
        source: LoadError,
    },
    /// The text cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A window that no model could have, or this one not.
    #[error("--context must be {MIN_WINDOW} to {0}, the model's context")]
    Context(usize),
    /// Not one window.
    #[error("--windows must be at least 1")]
    NoWindows,
    /// The text has not even one window.
    #[error(
        "the text has {tokens} tokens, and one window has {context}; take a longer text or a \
         smaller --context"
    )]
    TooShort {
        /// Its tokens.
        tokens: usize,
        /// The window's.
        context: usize,
    },
    /// A step fails.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// If model, text or window do not fit each other, or if the output is closed.
pub(crate) fn run(args: &PerplexityArgs) -> Result<(), PerplexityError> {
    if args.windows == Some(0) {
        return Err(PerplexityError::NoWindows);
    }
    let mut progress = Progress::new();
    progress.say("loading the model");
    let file = open_model(Some(&args.model))?;
    let config = file.config()?;
    if !(MIN_WINDOW..=config.context).contains(&args.context) {
        return Err(PerplexityError::Context(config.context));
    }
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let tokens = text_tokens(args, &tokenizer)?;
    let range = config.all_layers();
    let model = Model::load(&file, range, threads(args.threads))
        .map_err(|source| PerplexityError::Layers { range, source })?;

    let started = Instant::now();
    let all = tokens.len() / args.context;
    let windows = args.windows.map_or(all, |most| most.min(all));
    let first = tokenizer.bos().filter(|_| tokenizer.adds_bos());
    let mut cache = model.new_cache(args.context)?;
    let mut judged = Judged::default();
    for (done, window) in tokens.chunks_exact(args.context).take(windows).enumerate() {
        progress.say(&progress_line(done, windows, &judged, started.elapsed()));
        judged.add(judge(&model, &mut cache, window, first)?);
    }
    progress.done();

    let report =
        Report { model: &model, args, text_tokens: tokens.len(), windows, judged, started };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.json())?;
    } else {
        writeln!(out, "{}", report.line())?;
    }
    Ok(())
}

/// The text's tokens, with the model's own first one, and at least one window of them.
fn text_tokens(args: &PerplexityArgs, tokenizer: &Tokenizer) -> Result<Vec<u32>, PerplexityError> {
    let text = read_text(&args.text)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let tokens = tokenizer.encode(text, Special::Text, Bos::Model)?;
    if tokens.len() < args.context {
        return Err(PerplexityError::TooShort { tokens: tokens.len(), context: args.context });
    }
    Ok(tokens)
}

fn progress_line(done: usize, windows: usize, judged: &Judged, elapsed: Duration) -> String {
    if done == 0 {
        return format!("window 1 of {windows}");
    }
    let left = elapsed.as_secs_f64() / done as f64 * (windows - done) as f64;
    let (number, so_far) = (done + 1, judged.perplexity());
    format!("window {number} of {windows}, perplexity {so_far:.3} so far, {left:.0} s left")
}

struct Report<'a> {
    model: &'a Model,
    args: &'a PerplexityArgs,
    text_tokens: usize,
    windows: usize,
    judged: Judged,
    started: Instant,
}

impl Report<'_> {
    fn json(&self) -> Value {
        let config = self.model.config();
        json!({
            "perplexity": self.judged.perplexity(),
            "error": self.judged.error(),
            "mean_surprise": self.judged.mean_surprise(),
            "judged_tokens": self.judged.tokens,
            "text_tokens": self.text_tokens,
            "windows": self.windows,
            "context": self.args.context,
            "model": config.name,
            "architecture": config.architecture,
            "quantisation": config.quantisation,
            "kernel_path": self.model.isa_name(),
            "threads": self.model.threads(),
            "seconds": self.started.elapsed().as_secs_f64(),
        })
    }

    fn line(&self) -> String {
        format!(
            "perplexity {:.4} ± {:.4} over {} tokens: the second halves of {} windows of {}",
            self.judged.perplexity(),
            self.judged.error(),
            self.judged.tokens,
            self.windows,
            self.args.context,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_engine::embedded;

    #[test]
    fn what_does_not_fit_is_refused_and_says_what_would() {
        let folder = tempfile::tempdir().expect("a folder");
        let (model, text) = (folder.path().join("tiny.gguf"), folder.path().join("text"));
        std::fs::write(&model, embedded::TINY_Q8_0).expect("written");
        std::fs::write(&text, "The market opens when the sun rises. ".repeat(20)).expect("written");
        let good = PerplexityArgs {
            model,
            text,
            context: 32,
            windows: Some(2),
            threads: Some(1),
            json: true,
        };
        run(&good).expect("judged");
        let told = |args: PerplexityArgs| run(&args).expect_err("refused").to_string();
        assert!(told(PerplexityArgs { windows: Some(0), ..good.clone() }).contains("--windows"));
        assert!(
            told(PerplexityArgs { context: 3, ..good.clone() }).contains("--context must be 4")
        );
        let error = told(PerplexityArgs { context: 480, ..good.clone() });
        assert!(error.contains("smaller --context"), "{error}");
        let absent = folder.path().join("absent");
        assert!(told(PerplexityArgs { text: absent, ..good }).contains("cannot read"));
    }
}

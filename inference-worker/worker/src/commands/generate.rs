//! `mica-worker generate`: answers with a whole model on this machine, without network or money.
//!
//! For trying a model before serving it, and for comparing one machine's bytes with another's.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;
use mica_engine::{
    Bos, ChatMessage, ChatTemplate, ForwardError, GenerationPrompt, GgufError, GgufFile, Input,
    KvCache, LayerRange, LoadError, Model, Output, Sampler, Special, TemplateError, Threads,
    Tokenizer, TokenizerError, Want, embedded,
};
use mica_text::AnswerFilter;
use serde_json::json;

/// Most pipeline stages that `--layers` makes.
const MAX_STAGES: usize = 64;

/// Arguments of `mica-worker generate`.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// GGUF file; the model built into this program if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// What to say to the model.
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Take the prompt as it is: no chat template; names of control tokens in it become those
    /// tokens.
    #[arg(long)]
    pub raw: bool,
    /// 0 always takes the best token; higher is more varied.
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f32,
    /// Only the best N tokens; 0 for all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub top_k: u32,
    /// Only the best tokens that together have this probability.
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Names the stream of random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Most tokens to generate; the end token counts.
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub max_tokens: usize,
    /// Threads that compute; as many as the machine has if absent. The answer does not depend on
    /// it.
    #[arg(long, value_name = "T")]
    pub threads: Option<usize>,
    /// Cut the model before these layers, as workers would, for example 3,6. The answer does not
    /// depend on it.
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    pub layers: Vec<u16>,
    /// Print one JSON object: {"prompt_tokens":[…],"tokens":[…],"text":…}.
    #[arg(long)]
    pub json: bool,
}

/// Why a model cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be used.
    #[error("cannot use the model {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GgufError,
    },
    /// The model in the program cannot be used.
    #[error("cannot use the built-in model")]
    BuiltIn(#[source] GgufError),
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The model cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has no tokenizer that this program knows.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template does not take the prompt.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Its numbers make no model.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// Some layers cannot be loaded.
    #[error("cannot load layers {range}")]
    Layers {
        /// The layers.
        range: LayerRange,
        /// Why.
        source: LoadError,
    },
    /// A step fails.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Nothing to answer.
    #[error("the prompt is empty; give some text with --prompt")]
    EmptyPrompt,
    /// `--layers` cuts too often.
    #[error("--layers makes {0} stages; at most {MAX_STAGES} are allowed")]
    TooManyStages(usize),
    /// `--layers` does not rise.
    #[error("--layers must rise and lie between 1 and {0}")]
    Cuts(u16),
    /// The prompt is longer than the context.
    #[error("the prompt has {tokens} tokens, the model's context {context}; shorten it")]
    TooLong {
        /// The prompt's tokens.
        tokens: usize,
        /// The model's context.
        context: usize,
    },
    /// The stages end before the model does.
    #[error("the last stage gave no logits")]
    NoLogits,
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Opens a model file, or the built-in model.
///
/// # Errors
/// If the file cannot be used; the message says what to do.
pub(crate) fn open_model(path: Option<&PathBuf>) -> Result<GgufFile, OpenError> {
    match path {
        Some(path) => {
            GgufFile::open(path).map_err(|source| OpenError::File { path: path.to_owned(), source })
        }
        None => GgufFile::from_bytes(embedded::TINY_Q8_0).map_err(OpenError::BuiltIn),
    }
}

/// Threads by the flag's value.
pub(crate) fn threads(flag: Option<usize>) -> Threads {
    flag.map_or_else(Threads::available, Threads::new)
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be used, if the prompt does not fit its context, or if the output is closed.
pub(crate) fn run(args: &GenerateArgs) -> Result<(), GenerateError> {
    let file = open_model(args.model.as_ref())?;
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let prompt = prompt_tokens(args, &file, &tokenizer)?;
    let stages = load_stages(args, &file)?;
    let sampler = Sampler {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        seed: args.seed,
    };
    let mut out = std::io::stdout().lock();
    // A model may say what moves a terminal's cursor; a pipe gets every byte.
    let mut filter = out.is_terminal().then(AnswerFilter::default);
    let mut seen =
        |piece: &str| filter.as_mut().map_or_else(|| piece.to_owned(), |filter| filter.pass(piece));
    let mut stream = tokenizer.stream();
    let mut text = String::new();
    let tokens = generate(&stages, &prompt, args.max_tokens, &tokenizer, &sampler, |token| {
        let piece = stream.push(token);
        if !args.json {
            write!(out, "{}", seen(&piece)).and_then(|()| out.flush())?;
        }
        text.push_str(&piece);
        Ok(())
    })?;
    let rest = stream.finish();
    text.push_str(&rest);
    if args.json {
        writeln!(out, "{}", json!({ "prompt_tokens": prompt, "tokens": tokens, "text": text }))?;
    } else {
        writeln!(out, "{}", seen(&rest))?;
    }
    Ok(())
}

fn prompt_tokens(
    args: &GenerateArgs,
    file: &GgufFile,
    tokenizer: &Tokenizer,
) -> Result<Vec<u32>, GenerateError> {
    let prompt = if args.raw {
        tokenizer.encode(&args.prompt, Special::Parse, Bos::Model)?
    } else {
        let message = ChatMessage::new("user", args.prompt.as_str());
        let prompt =
            ChatTemplate::from_gguf(file)?.prompt(&[message], GenerationPrompt::Add, tokenizer)?;
        tokenizer.encode_prompt(&prompt, Bos::Model)?
    };
    if prompt.is_empty() { Err(GenerateError::EmptyPrompt) } else { Ok(prompt) }
}

fn load_stages(args: &GenerateArgs, file: &GgufFile) -> Result<Vec<Model>, GenerateError> {
    let layers = file.config()?.layers;
    let mut cuts = vec![0];
    cuts.extend(&args.layers);
    cuts.push(layers);
    if cuts.len() > MAX_STAGES {
        return Err(GenerateError::TooManyStages(cuts.len() - 1));
    }
    let range =
        |cut: &[u16]| LayerRange::new(cut[0], cut[1]).ok_or(GenerateError::Cuts(layers - 1));
    let load = |range| {
        Model::load(file, range, threads(args.threads))
            .map_err(|source| GenerateError::Layers { range, source })
    };
    cuts.windows(2).map(|cut| range(cut).and_then(load)).collect()
}

/// Tokens after `prompt`: until one that ends the answer, which is then the last one, or until
/// there are `limit` or the context is full. `each` sees every token as it comes.
fn generate(
    stages: &[Model],
    prompt: &[u32],
    limit: usize,
    tokenizer: &Tokenizer,
    sampler: &Sampler,
    mut each: impl FnMut(u32) -> io::Result<()>,
) -> Result<Vec<u32>, GenerateError> {
    let context = stages.first().map_or(0, |stage| stage.config().context);
    if prompt.len() > context {
        return Err(GenerateError::TooLong { tokens: prompt.len(), context });
    }
    let limit = limit.min(context - prompt.len() + 1);
    // The last token generated is not computed any more.
    let positions = (prompt.len() + limit).saturating_sub(1).max(prompt.len());
    let mut caches =
        stages.iter().map(|stage| stage.new_cache(positions)).collect::<Result<Vec<_>, _>>()?;
    let mut tokens = Vec::new();
    let mut input = prompt.to_vec();
    while tokens.len() < limit {
        let logits = step(stages, &mut caches, &input)?;
        // Every cache has as many positions as tokens went in.
        let position = prompt.len() + tokens.len();
        let token = sampler.sample(&logits, position as u32);
        tokens.push(token);
        each(token)?;
        if tokenizer.is_end(token) {
            break;
        }
        input = vec![token];
    }
    Ok(tokens)
}

fn step(
    stages: &[Model],
    caches: &mut [KvCache],
    tokens: &[u32],
) -> Result<Vec<f32>, GenerateError> {
    let mut hidden: Option<Vec<f32>> = None;
    for (stage, cache) in stages.iter().zip(caches) {
        let input = hidden.as_deref().map_or(Input::Tokens(tokens), Input::Hidden);
        match stage.forward(cache, input, Want::LastLogits)? {
            Output::Hidden(rows) => hidden = Some(rows),
            Output::Logits(logits) => return Ok(logits),
            Output::Nothing => break,
        }
    }
    Err(GenerateError::NoLogits)
}

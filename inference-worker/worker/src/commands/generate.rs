//! `mica-worker generate`: answers with a whole model on this machine, without network or money.
//!
//! For trying a model before serving it, and for comparing one machine's bytes with another's.

use std::{io::Write, path::PathBuf};

use clap::Args;
use eyre::{Result, WrapErr, bail, ensure};
use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, Input, KvCache, LayerRange, Model,
    Output, Sampler, Special, Threads, Tokenizer, Want, embedded,
};
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

/// Opens a model file, or the built-in model.
///
/// # Errors
/// If the file cannot be used; the message says what to do.
pub fn open_model(path: Option<&PathBuf>) -> Result<GgufFile> {
    match path {
        Some(path) => GgufFile::open(path)
            .wrap_err_with(|| format!("cannot use the model {}", path.display())),
        None => GgufFile::from_bytes(embedded::TINY_Q8_0).wrap_err("cannot use the built-in model"),
    }
}

/// Threads by the flag's value.
pub fn threads(flag: Option<usize>) -> Threads {
    flag.map_or_else(Threads::available, Threads::new)
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be used, if the prompt does not fit its context, or if the output is closed.
pub fn run(args: &GenerateArgs) -> Result<()> {
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
    let mut stream = tokenizer.stream();
    let mut text = String::new();
    let tokens = generate(&stages, &prompt, args.max_tokens, &tokenizer, &sampler, |token| {
        let piece = stream.push(token);
        if !args.json {
            write!(out, "{piece}").and_then(|()| out.flush())?;
        }
        text.push_str(&piece);
        Ok(())
    })?;
    let rest = stream.finish();
    text.push_str(&rest);
    if args.json {
        writeln!(out, "{}", json!({ "prompt_tokens": prompt, "tokens": tokens, "text": text }))?;
    } else {
        writeln!(out, "{rest}")?;
    }
    Ok(())
}

fn prompt_tokens(args: &GenerateArgs, file: &GgufFile, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let prompt = if args.raw {
        tokenizer.encode(&args.prompt, Special::Parse, Bos::Model)?
    } else {
        let message = ChatMessage::new("user", args.prompt.as_str());
        let prompt =
            ChatTemplate::from_gguf(file)?.prompt(&[message], GenerationPrompt::Add, tokenizer)?;
        tokenizer.encode_prompt(&prompt, Bos::Model)?
    };
    ensure!(!prompt.is_empty(), "the prompt is empty; give some text with --prompt");
    Ok(prompt)
}

fn load_stages(args: &GenerateArgs, file: &GgufFile) -> Result<Vec<Model>> {
    let layers = file.config()?.layers;
    let mut cuts = vec![0];
    cuts.extend(&args.layers);
    cuts.push(layers);
    ensure!(
        cuts.len() <= MAX_STAGES,
        "--layers makes {} stages; at most {MAX_STAGES} are allowed",
        cuts.len() - 1
    );
    let range = |cut: &[u16]| match LayerRange::new(cut[0], cut[1]) {
        Some(range) => Ok(range),
        None => bail!("--layers must rise and lie between 1 and {}", layers - 1),
    };
    let load = |range| {
        Model::load(file, range, threads(args.threads))
            .wrap_err_with(|| format!("cannot load layers {range}"))
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
    mut each: impl FnMut(u32) -> Result<()>,
) -> Result<Vec<u32>> {
    let context = stages.first().map_or(0, |stage| stage.config().context);
    ensure!(
        prompt.len() <= context,
        "the prompt has {} tokens, the model's context {context}; shorten it",
        prompt.len()
    );
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

fn step(stages: &[Model], caches: &mut [KvCache], tokens: &[u32]) -> Result<Vec<f32>> {
    let mut hidden: Option<Vec<f32>> = None;
    for (stage, cache) in stages.iter().zip(caches) {
        let input = hidden.as_deref().map_or(Input::Tokens(tokens), Input::Hidden);
        match stage.forward(cache, input, Want::LastLogits)? {
            Output::Hidden(rows) => hidden = Some(rows),
            Output::Logits(logits) => return Ok(logits),
            Output::Nothing => break,
        }
    }
    bail!("the last stage gave no logits")
}

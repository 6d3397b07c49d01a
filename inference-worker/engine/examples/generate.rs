//! The answer of a whole model, on this machine and without network or money: `cargo run --release
//! -p mica-engine --example generate -- model.gguf "What is a lighthouse?" 64`.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::error::Error;

use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, Input, Model, Output, Sampler,
    Threads, Tokenizer, Want,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, question, limit] = arguments.as_slice() else {
        return Err("give a GGUF file, a question and the most tokens of the answer".into());
    };
    let (file, limit) = (GgufFile::open(path)?, limit.parse::<usize>()?);
    let model = Model::load(&file, file.config()?.all_layers(), Threads::available())?;
    let (tokenizer, template) = (Tokenizer::from_gguf(&file)?, ChatTemplate::from_gguf(&file)?);
    let message = ChatMessage::new("user", question.as_str());
    let prompt = template.prompt(&[message], GenerationPrompt::Add, &tokenizer)?;
    let mut tokens = tokenizer.encode_prompt(&prompt, Bos::Model)?;

    let mut cache = model.new_cache(tokens.len() + limit)?;
    let (sampler, mut answer) = (Sampler::greedy(), tokenizer.stream());
    for _ in 0..limit {
        let Output::Logits(logits) =
            model.forward(&mut cache, Input::Tokens(&tokens), Want::LastLogits)?
        else {
            return Err("a whole model gives logits".into());
        };
        let token = sampler.sample(&logits, u32::try_from(cache.len())?);
        if tokenizer.is_end(token) {
            break;
        }
        print!("{}", answer.push(token));
        tokens = vec![token];
    }
    println!("{}", answer.finish());
    Ok(())
}

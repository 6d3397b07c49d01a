//! The built-in model's words, put together by hand.

use mica_engine::{Bos, GgufFile, Special, Tokenizer, embedded};

/// Token ids of turns, each a role and what it says, up to where the assistant speaks: the control
/// tokens of the model's template, and between them the ordinary tokens of the text.
pub fn turns(said: &[(&str, &str)]) -> Vec<u32> {
    let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("the built-in model");
    let tokenizer = Tokenizer::from_gguf(&file).expect("a tokenizer");
    let encode = |text: &str, special| tokenizer.encode(text, special, Bos::Omit).expect("encodes");
    let [start, end] = ["<|im_start|>", "<|im_end|>"].map(|name| encode(name, Special::Parse));
    let mut ids = Vec::new();
    for (role, text) in said {
        ids.extend(&start);
        ids.extend(encode(&format!("{role}\n{text}"), Special::Text));
        ids.extend(&end);
        ids.extend(encode("\n", Special::Text));
    }
    ids.extend(&start);
    ids.extend(encode("assistant\n", Special::Text));
    ids
}

//! Against Hugging Face's tokenizers and SentencePiece: vocabularies and ids in
//! `fixtures/tokenizers.json`, made by `fixtures/make_tokenizers.py`.

mod support;

use mica_engine::{Bos, GgufFile, Special, Tokenizer};
use serde_json::Value;
use support::{Meta, Writer};

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/tokenizers.json")).expect("JSON")
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(|id| id.as_u64().expect("an id") as u32)
        .collect()
}

fn tokenizer(writer: &Writer) -> Tokenizer {
    Tokenizer::from_gguf(&GgufFile::from_bytes(writer.bytes()).expect("well-formed"))
        .expect("tokenizer")
}

/// Compares ids, the way back, and the way back token by token.
fn check(name: &str, tokenizer: &Tokenizer, text: &str, expected: &[u32]) {
    let found = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
    let named = |ids: &[u32]| {
        ids.iter().map(|&id| tokenizer.token(id).unwrap_or("?").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        found,
        expected,
        "{name}: {text:?}: {:?} instead of {:?}",
        named(&found),
        named(expected)
    );
    assert_eq!(tokenizer.decode(&found), text, "{name}");
    let mut stream = tokenizer.stream();
    let mut parts: Vec<String> = found.iter().map(|&id| stream.push(id)).collect();
    parts.push(stream.finish());
    assert!(
        parts.iter().all(|part| !part.contains('\u{fffd}')),
        "{name}: half a character in {parts:?}"
    );
    assert_eq!(parts.concat(), text, "{name}");
}

#[test]
fn byte_level_tokenizers_give_the_ids_of_hugging_faces() {
    let fixture = fixture();
    let part = &fixture["byte_level"];
    let mut texts = texts(&fixture["texts"]);
    texts.push("zqzqz zqzqz".to_owned());
    let (tokens, merges) = (self::texts(&part["tokens"]), self::texts(&part["merges"]));
    let cases = part["cases"].as_object().expect("cases");
    assert_eq!(cases.len(), 7);
    for (pre, cases) in cases {
        let mut writer = Writer::default();
        writer
            .set("tokenizer.ggml.model", "gpt2")
            .set("tokenizer.ggml.pre", pre.as_str())
            .set("tokenizer.ggml.tokens", Meta::Texts(tokens.clone()))
            .set("tokenizer.ggml.merges", Meta::Texts(merges.clone()));
        let tokenizer = tokenizer(&writer);
        let cases = cases.as_array().expect("cases");
        assert_eq!(cases.len(), texts.len());
        for (text, expected) in texts.iter().zip(cases) {
            check(pre, &tokenizer, text, &ids(expected));
        }
    }
}

#[test]
fn sentence_piece_gives_the_ids_of_sentence_piece() {
    let fixture = fixture();
    let part = &fixture["sentence_piece"];
    let types = ids(&part["types"]).into_iter().map(|kind| kind as i32).collect();
    let scores = part["scores"]
        .as_array()
        .expect("scores")
        .iter()
        .map(|score| score.as_f64().expect("a score") as f32)
        .collect();
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.tokens", Meta::Texts(texts(&part["tokens"])))
        .set("tokenizer.ggml.token_type", Meta::I32s(types))
        .set("tokenizer.ggml.scores", Meta::F32s(scores));
    let tokenizer = tokenizer(&writer);
    let texts: Vec<String> =
        texts(&fixture["texts"]).into_iter().filter(|text| !text.contains('\0')).collect();
    let cases = part["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), texts.len());
    for (text, expected) in texts.iter().zip(cases) {
        check("SentencePiece", &tokenizer, text, &ids(expected));
    }
}

//! Names of models: equal for equal contents, different for any difference that matters.

mod support;

use mica_engine::{ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, TemplateError, embedded};
use support::{F32, Q8_0, small_llama};

#[test]
fn the_embedded_model_has_the_stored_name() {
    let manifest =
        GgufFile::from_bytes(embedded::TINY_Q8_0).expect("file").manifest().expect("manifest");
    assert_eq!(
        (manifest.layers, manifest.hidden, manifest.vocabulary, manifest.context),
        (8, 256, 2048, 512)
    );
    assert_eq!(manifest.name.as_slice(), b"Mica Tiny");
    assert_eq!(manifest.quantisation.as_slice(), b"Q8_0");
    let path = format!("{}/models/mica-tiny-q8_0.gguf", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(
        GgufFile::open(path).expect("file").manifest().expect("manifest").id(),
        manifest.id(),
        "mapped or embedded"
    );
}

#[test]
fn weights_tokenizer_and_numbers_change_what_they_should() {
    let manifest = |writer: &support::Writer| {
        GgufFile::from_bytes(writer.bytes()).expect("file").manifest().expect("manifest")
    };
    let base = manifest(&small_llama(Q8_0, false));
    let mut other = small_llama(Q8_0, false);
    other.tensors[3].bytes[40] ^= 1;
    assert!(
        manifest(&other).weights_root != base.weights_root
            && manifest(&other).tokenizer_hash == base.tokenizer_hash
    );
    let mut other = small_llama(Q8_0, false);
    other.set("tokenizer.chat_template", "x");
    assert!(
        manifest(&other).weights_root == base.weights_root
            && manifest(&other).tokenizer_hash != base.tokenizer_hash
    );
    assert_eq!(manifest(&other).profile, base.profile);
    let mut other = small_llama(Q8_0, false);
    other.set("llama.rope.freq_base", support::Meta::F32(20_000.0));
    assert!(
        manifest(&other).weights_root == base.weights_root
            && manifest(&other).profile != base.profile
    );
    assert_ne!(manifest(&small_llama(F32, false)).id(), base.id());
    let mut long = small_llama(Q8_0, false);
    long.set("general.name", "ü".repeat(60).as_str());
    assert_eq!(manifest(&long).name.len(), 64);
}

#[test]
fn the_embedded_template_is_chat_ml() {
    let template =
        ChatTemplate::from_gguf(&GgufFile::from_bytes(embedded::TINY_Q8_0).expect("file"))
            .expect("template");
    let text = template
        .render(&[ChatMessage::new("user", "Who are you?")], GenerationPrompt::Add)
        .expect("renders");
    assert_eq!(text, "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n");
    let file = GgufFile::from_bytes(small_llama(F32, true).bytes()).expect("file");
    assert!(matches!(ChatTemplate::from_gguf(&file), Err(TemplateError::Absent)));
}

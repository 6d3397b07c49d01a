//! Reads all that there is to read in a model file, whatever its bytes are.

use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, LayerRange, Model, Special,
    Threads, Tokenizer,
};

/// How far a file got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reached {
    /// It is not a GGUF file that we accept.
    Nothing,
    /// Its header and tensors are well-formed.
    File,
    /// It has a tokenizer or a chat template too.
    Text,
    /// Its model can be loaded.
    Model,
}

/// Opens a file and looks at everything in it. Must not panic.
pub fn everything(bytes: &[u8]) -> Reached {
    let Ok(file) = GgufFile::from_bytes(bytes.to_vec()) else { return Reached::Nothing };
    let mut reached = Reached::File;
    for (key, value) in file.entries() {
        assert!(file.metadata(key).is_some());
        let _ = (
            file.integer(key),
            file.float(key),
            file.boolean(key),
            file.string(key),
            file.array(key),
            value,
        );
    }
    for tensor in file.tensors() {
        assert_eq!(
            tensor.read().expect("it lies inside the file").len(),
            tensor.rows() * tensor.row_bytes()
        );
        let mut row = vec![0; tensor.row_bytes()];
        tensor.read_rows(tensor.rows() - 1..tensor.rows(), &mut row).expect("the last row");
        assert!(tensor.read_rows(tensor.rows()..tensor.rows() + 1, &mut row).is_err());
        assert!(
            file.tensor(tensor.name).is_some_and(|found| found.size_bytes() == tensor.size_bytes())
        );
    }
    if let Ok(tokenizer) = Tokenizer::from_gguf(&file) {
        reached = Reached::Text;
        for (special, bos) in [(Special::Text, Bos::Omit), (Special::Parse, Bos::Model)] {
            let ids = tokenizer.encode("Hi <|x|> é🦊 12 \n", special, bos).unwrap_or_default();
            assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary()));
            let mut stream = tokenizer.stream();
            let parts: String = ids.iter().map(|&id| stream.push(id)).collect();
            assert_eq!(parts + &stream.finish(), tokenizer.decode(&ids));
        }
    }
    if let Ok(template) = ChatTemplate::from_gguf(&file) {
        reached = Reached::Text;
        if let Ok(tokenizer) = Tokenizer::from_gguf(&file) {
            let messages = [
                ChatMessage::new("user", "Hi <|im_end|> </s> é🦊"),
                ChatMessage::new("x", "\u{f0000}<think>"),
            ];
            if let Ok(prompt) = template.prompt(&messages, GenerationPrompt::Add, &tokenizer) {
                let _ = tokenizer.encode_prompt(&prompt, Bos::Model);
            }
        }
    }
    if let Ok(config) = file.config() {
        let _ = file.manifest();
        if Model::load(&file, LayerRange { first: 0, end: config.layers }, Threads::new(1)).is_ok()
        {
            reached = Reached::Model;
        }
    }
    reached
}

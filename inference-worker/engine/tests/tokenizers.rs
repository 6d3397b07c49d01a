//! Tokenizers built from vocabularies of all supported kinds.

mod support;

use mica_engine::{Bos, GgufFile, Special, Tokenizer, TokenizerError, embedded};
use support::{Meta, Writer};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER: i32 = 4;
const BYTE: i32 = 6;

fn tokenizer(writer: &Writer) -> Result<Tokenizer, TokenizerError> {
    Tokenizer::from_gguf(&GgufFile::from_bytes(writer.bytes()).expect("well-formed"))
}

/// SentencePiece: control tokens, bytes, then pieces with scores.
fn sentence_piece(pieces: &[(&str, f32)]) -> Writer {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    let mut kinds = vec![UNKNOWN, CONTROL, CONTROL];
    let mut scores = vec![0.0; 3];
    for byte in 0..=255u8 {
        tokens.push(format!("<0x{byte:02X}>"));
        kinds.push(BYTE);
        scores.push(0.0);
    }
    for &(piece, score) in pieces {
        tokens.push(piece.to_owned());
        kinds.push(NORMAL);
        scores.push(score);
    }
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.tokens", Meta::Texts(tokens))
        .set("tokenizer.ggml.token_type", Meta::I32s(kinds))
        .set("tokenizer.ggml.scores", Meta::F32s(scores));
    writer
}

const PIECES: [(&str, f32); 11] = [
    ("▁", -10.0),
    ("h", -11.0),
    ("e", -12.0),
    ("l", -13.0),
    ("o", -14.0),
    ("▁h", -5.0),
    ("el", -3.0),
    ("ll", -2.0),
    ("lo", -4.0),
    ("▁he", -6.0),
    ("▁hello", -1.0),
];

/// Id of the n-th piece.
const fn piece(n: u32) -> u32 {
    3 + 256 + n
}

/// What SentencePiece does: merge the neighbours whose joint token has the best score, the leftmost
/// of equals, until none is left.
fn by_hand(text: &str) -> Vec<u32> {
    let mut parts: Vec<String> =
        format!("▁{}", text.replace(' ', "▁")).chars().map(String::from).collect();
    let find = |token: &str| PIECES.iter().position(|(name, _)| *name == token);
    loop {
        let mut best: Option<(f32, usize)> = None;
        for at in 1..parts.len() {
            if let Some(n) = find(&format!("{}{}", parts[at - 1], parts[at]))
                && best.is_none_or(|(score, _)| PIECES[n].1 > score)
            {
                best = Some((PIECES[n].1, at));
            }
        }
        let Some((_, at)) = best else { break };
        let right = parts.remove(at);
        parts[at - 1].push_str(&right);
    }
    let ids = |part: &String| match find(part) {
        Some(n) => vec![piece(n as u32)],
        None => part.bytes().map(|byte| 3 + u32::from(byte)).collect(),
    };
    parts.iter().flat_map(ids).collect()
}

#[test]
fn sentence_piece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = tokenizer(&sentence_piece(&PIECES)).expect("tokenizer");
    for text in [
        "hello",
        "he",
        "hell",
        "ell",
        "hellohello",
        "h e l l o",
        "  hello",
        "lol\u{e9}",
        "héllo 🦊",
        "llllll",
        "ooo",
    ] {
        let ids = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
        assert_eq!(ids, by_hand(text), "{text}");
        assert_eq!(tokenizer.decode(&ids), text);
    }
    assert_eq!(tokenizer.encode("he", Special::Text, Bos::Omit).expect("encodes"), [piece(9)]);
    assert_eq!(tokenizer.encode("", Special::Text, Bos::Omit).expect("encodes"), [0u32; 0]);
}

#[test]
fn sentence_piece_puts_bos_first_and_parses_control_tokens_only_when_told() {
    let tokenizer = tokenizer(&sentence_piece(&PIECES)).expect("tokenizer");
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(1));
    let encode = |special, bos| tokenizer.encode("he</s>he", special, bos).expect("encodes");
    // Each stretch of text between control tokens gets a space of its own.
    assert_eq!(encode(Special::Parse, Bos::Model), [1, piece(9), 2, piece(9)]);
    let text = encode(Special::Text, Bos::Omit);
    assert!(!text.contains(&2) && tokenizer.decode(&text) == "he</s>he");
    assert_eq!(
        tokenizer.encode("<s>he", Special::Parse, Bos::Add).expect("encodes"),
        [1, piece(9)],
        "no second beginning"
    );
    let bare = tokenizer_without_prefix();
    assert_eq!(bare.encode("h", Special::Text, Bos::Omit).expect("encodes"), [piece(1)]);
}

fn tokenizer_without_prefix() -> Tokenizer {
    tokenizer(sentence_piece(&PIECES).set("tokenizer.ggml.add_space_prefix", Meta::Bool(false)))
        .expect("tokenizer")
}

/// Byte-level BPE with all bytes, some merges and two special tokens.
fn byte_level(pre: &str, merges: &[&str]) -> Writer {
    let itself = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut shifted = 256..;
    let mut tokens: Vec<String> = (0..256u32)
        .map(|byte| if itself(byte) { byte } else { shifted.next().expect("endless") })
        .map(|code| char::from_u32(code).expect("a character").to_string())
        .collect();
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![NORMAL; tokens.len()];
    tokens.extend(["<|eot_id|>".to_owned(), "<tool>".to_owned()]);
    kinds.extend([CONTROL, USER]);
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", pre)
        .set("tokenizer.ggml.tokens", Meta::Texts(tokens))
        .set("tokenizer.ggml.token_type", Meta::I32s(kinds))
        .set(
            "tokenizer.ggml.merges",
            Meta::Texts(merges.iter().map(|merge| (*merge).to_owned()).collect()),
        );
    writer
}

/// Names of the tokens of a text.
fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
    assert_eq!(tokenizer.decode(&ids), text);
    ids.iter().map(|&id| tokenizer.token(id).expect("known").to_owned()).collect()
}

#[test]
fn the_pre_tokenizer_decides_where_text_may_be_cut() {
    let merges = ["1 2", "12 3", "123 4", "Ġ Ġ", "Ġ a", "b c", "bc Ċ", "! Ċ", "' S"];
    let cut = |pre: &str, text: &str| {
        pieces(&tokenizer(&byte_level(pre, &merges)).expect("tokenizer"), text)
    };
    assert_eq!(cut("gpt-2", "12345"), ["1234", "5"]);
    assert_eq!(cut("llama-bpe", "12345"), ["123", "4", "5"]);
    assert_eq!(cut("qwen2", "123"), ["1", "2", "3"]);
    assert_eq!(cut("smollm", "123"), ["1", "2", "3"]);
    assert_eq!(cut("default", "12345"), ["123", "4", "5"]);
    assert_eq!(cut("gpt-2", "   a"), ["ĠĠ", "Ġa"]);
    assert_eq!(cut("gpt-2", "!\n"), ["!", "Ċ"]);
    assert_eq!(cut("llama-bpe", "!\n"), ["!Ċ"]);
    assert_eq!(cut("gpt-2", "b'Sc"), ["b", "'", "S", "c"]);
    assert_eq!(cut("qwen2", "b'Sc"), ["b", "'S", "c"]);
    assert_eq!(cut("gpt-2", "é🦊\t"), ["Ã", "©", "ð", "Ł", "¦", "Ĭ", "ĉ"]);
}

#[test]
fn special_tokens_are_text_unless_asked_for_and_user_tokens_are_always_found() {
    let tokenizer = tokenizer(&byte_level("llama-bpe", &[])).expect("tokenizer");
    assert!(tokenizer.is_end(256));
    let encode =
        |special| tokenizer.encode("<|eot_id|><tool>", special, Bos::Omit).expect("encodes");
    assert_eq!(encode(Special::Parse), [256, 257]);
    let text = encode(Special::Text);
    assert!(!text.contains(&256) && text.last() == Some(&257));
    assert_eq!(tokenizer.decode(&text), "<|eot_id|><tool>");
    assert_eq!(tokenizer.decode(&[256]), "");
}

#[test]
fn messages_of_an_answer_stay_apart_and_end_it_only_where_that_has_no_name_of_its_own() {
    let names = ["<|end|>", "<|channel|>", "<|message|>", "<|return|>", "<|call|>"];
    let with = |names: &[&str]| {
        let mut writer = byte_level("gpt-4o", &[]);
        for (key, value) in &mut writer.metadata {
            match (key.as_str(), value) {
                ("tokenizer.ggml.tokens", Meta::Texts(tokens)) => {
                    tokens.extend(names.iter().map(|&name| name.to_owned()));
                }
                ("tokenizer.ggml.token_type", Meta::I32s(kinds)) => {
                    kinds.resize(kinds.len() + names.len(), 3);
                }
                _ => {}
            }
        }
        tokenizer(&writer).expect("tokenizer")
    };
    let first = 258;
    let several = with(&names);
    let ends: Vec<bool> = (first..first + 5).map(|id| several.is_end(id)).collect();
    assert_eq!(ends, [false, false, false, true, true]);
    assert!(with(&names[..3]).is_end(first), "without names of their own it is the end");
    let ids = several.encode("<|channel|>final<|message|>Hi<|end|>", Special::Parse, Bos::Omit);
    assert_eq!(several.decode(&ids.expect("encodes")), "<|channel|>final<|message|>Hi");
    let content = several.encode("<|channel|>", Special::Text, Bos::Omit).expect("encodes");
    assert!(!content.contains(&(first + 1)), "shown, and yet no message can write it");
}

#[test]
fn characters_come_out_of_the_stream_whole() {
    let tokenizer = Tokenizer::from_gguf(&GgufFile::from_bytes(embedded::TINY_Q8_0).expect("file"))
        .expect("tokenizer");
    let text = "A fox 🦊 says “naïve” — 12 + 30 = 42.\n";
    let ids = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
    let mut stream = tokenizer.stream();
    let parts: Vec<String> = ids.iter().map(|&id| stream.push(id)).collect();
    assert!(parts.iter().all(|part| !part.contains('\u{fffd}')));
    assert_eq!(parts.concat() + &stream.finish(), text);
    let mut stream = tokenizer.stream();
    let cut =
        ids.iter().position(|&id| tokenizer.token(id) == Some("ð")).expect("the fox's first byte");
    assert_eq!(stream.bytes(ids[cut]), [0xf0]);
    assert!(stream.is_whole());
    assert_eq!(stream.push(ids[cut]), "");
    assert!(!stream.is_whole());
    assert_eq!(
        stream.push(tokenizer.encode("a", Special::Text, Bos::Omit).expect("encodes")[0]),
        "\u{fffd}a"
    );
    stream.push(ids[cut]);
    assert_eq!(stream.finish(), "\u{fffd}");
    assert_eq!(tokenizer.decode(&[u32::MAX]), "");
    assert!(tokenizer.stream().bytes(u32::MAX).is_empty());
}

#[test]
fn what_a_token_would_bring_is_what_it_brings() {
    let tokenizer = tokenizer(&sentence_piece(&PIECES)).expect("tokenizer");
    let (he, end) = (piece(9), 2);
    let mut stream = tokenizer.stream();
    for expected in ["he", " he"] {
        assert_eq!(
            stream.bytes(he),
            expected.as_bytes(),
            "the space in front of the text is none of the text's"
        );
        assert_eq!(stream.push(he), expected);
    }
    assert!(stream.bytes(end).is_empty() && stream.push(end).is_empty());
}

#[test]
fn damaged_and_foreign_vocabularies_are_named() {
    let error = |writer: &Writer| tokenizer(writer).err().expect("an error");
    assert!(matches!(
        error(&Writer::default()),
        TokenizerError::Metadata { key: "tokenizer.ggml.model" }
    ));
    assert!(matches!(
        error(byte_level("gpt-2", &[]).set("tokenizer.ggml.model", "bert")),
        TokenizerError::Unsupported { .. }
    ));
    let unknown = error(&byte_level("tekken-9", &[]));
    assert!(
        matches!(unknown, TokenizerError::Unsupported { .. })
            && unknown.to_string().contains("llama-bpe"),
        "{unknown}"
    );
    assert!(matches!(
        error(byte_level("gpt-2", &[]).remove("tokenizer.ggml.merges")),
        TokenizerError::Metadata { .. }
    ));
    for merges in [["ab"], ["a "], ["a b"], ["zz zz"]] {
        let mut writer = byte_level("gpt-2", &[]);
        writer.set("tokenizer.ggml.merges", Meta::Texts(merges.map(str::to_owned).to_vec()));
        assert!(matches!(error(&writer), TokenizerError::Vocabulary { .. }), "{merges:?}");
    }
    let mut writer = sentence_piece(&PIECES);
    writer.set("tokenizer.ggml.scores", Meta::F32s(vec![0.0; 5]));
    assert!(matches!(error(&writer), TokenizerError::Vocabulary { .. }));
    assert!(matches!(
        error(sentence_piece(&PIECES).remove("tokenizer.ggml.scores")),
        TokenizerError::Metadata { .. }
    ));
    let long = "x".repeat(mica_engine::tokenizer::MAX_TEXT_BYTES + 1);
    let whole = tokenizer(&byte_level("gpt-2", &[])).expect("tokenizer");
    assert!(matches!(
        whole.encode(&long, Special::Text, Bos::Omit),
        Err(TokenizerError::TooLong { .. })
    ));
}

#[test]
fn the_files_flags_say_what_stands_before_and_behind_a_text() {
    let encode = |writer: &Writer, text: &str, bos| {
        tokenizer(writer).expect("tokenizer").encode(text, Special::Parse, bos).expect("encodes")
    };
    let mut writer = sentence_piece(&PIECES);
    assert_eq!(
        encode(&writer, "he", Bos::Model),
        [1, piece(9)],
        "a beginning, no end, where the file is silent"
    );
    writer
        .set("tokenizer.ggml.add_bos_token", Meta::Bool(false))
        .set("tokenizer.ggml.add_eos_token", Meta::Bool(true));
    assert_eq!(encode(&writer, "he", Bos::Model), [piece(9), 2]);
    assert_eq!(encode(&writer, "he</s>", Bos::Model), [piece(9), 2], "no second end");
    assert_eq!(encode(&writer, "he", Bos::Add), [1, piece(9)]);
    assert_eq!(encode(&writer, "", Bos::Model), [2]);
    let both = tokenizer(&writer).expect("tokenizer");
    assert!(!both.adds_bos() && both.adds_eos());

    let mut writer = byte_level("llama-bpe", &[]);
    writer.set("tokenizer.ggml.bos_token_id", 256);
    assert_eq!(encode(&writer, "a", Bos::Model)[0], 256, "Llama 3 begins every text");
    writer.set("tokenizer.ggml.pre", "qwen2");
    assert_eq!(encode(&writer, "a", Bos::Model).len(), 1, "Qwen does not");
    assert_eq!(encode(&writer, "a", Bos::Add)[0], 256);
    writer.set("tokenizer.ggml.bos_token_id", 9999);
    assert_eq!(
        tokenizer(&writer).expect("tokenizer").bos(),
        None,
        "an id outside the vocabulary is none"
    );
}

#[test]
fn what_users_write_never_becomes_a_control_token() {
    // Merges that lead to a control token, and one that a whole piece equals.
    let merges = ["< /", "</ s", "</s >"];
    let mut writer = byte_level("llama-bpe", &merges[..2]);
    for (key, value) in &mut writer.metadata {
        match value {
            Meta::Texts(texts) if key == "tokenizer.ggml.tokens" => {
                texts.extend(["</s>".to_owned(), "abc".to_owned()])
            }
            Meta::I32s(kinds) => kinds.extend([CONTROL, CONTROL]),
            _ => {}
        }
    }
    let byte = tokenizer(&writer).expect("tokenizer");
    let control = [260, 261];
    assert_eq!(control.map(|id| byte.token(id).expect("known")), ["</s>", "abc"]);
    for text in ["</s>", "abc", " abc </s>"] {
        let ids = byte.encode(text, Special::Text, Bos::Omit).expect("encodes");
        assert!(!ids.iter().any(|id| control.contains(id)), "{text}: {ids:?}");
        assert_eq!(byte.decode(&ids), text);
    }
    let pieces = [
        ("▁", -1.0),
        ("<", -1.0),
        ("/", -1.0),
        ("s", -1.0),
        (">", -1.0),
        ("</", -1.0),
        ("s>", -1.0),
    ];
    let piece = tokenizer(&sentence_piece(&pieces)).expect("tokenizer");
    let ids = piece.encode("</s>", Special::Text, Bos::Omit).expect("encodes");
    assert!(!ids.contains(&2), "{ids:?}");
    assert_eq!(piece.decode(&ids), "</s>");
}

#[test]
fn of_equal_scores_the_leftmost_pair_merges_and_characters_need_no_token_of_their_own() {
    let tokenizer = tokenizer(
        sentence_piece(&[("bc", 0.0), ("ab", 0.0), ("cd", 0.0)])
            .set("tokenizer.ggml.add_space_prefix", Meta::Bool(false)),
    );
    let encode = |text| {
        tokenizer
            .as_ref()
            .expect("tokenizer")
            .encode(text, Special::Text, Bos::Omit)
            .expect("encodes")
    };
    assert_eq!(encode("abcd"), [piece(1), piece(2)]);
    assert_eq!(encode("bcd"), [piece(0), 3 + u32::from(b'd')]);
}

#[test]
fn a_vocabulary_must_fit_its_model() {
    let damaged = |writer: &Writer| match tokenizer(writer) {
        Err(TokenizerError::Vocabulary { reason }) => reason,
        other => panic!("{:?}", other.err()),
    };
    let mut writer = byte_level("gpt-2", &[]);
    writer.tensor("token_embd.weight", &[258, 32], support::F32, vec![0; 258 * 32 * 4]);
    assert!(tokenizer(&writer).is_ok());
    writer.tensors.clear();
    writer.tensor("token_embd.weight", &[259, 32], support::F32, vec![0; 259 * 32 * 4]);
    assert!(damaged(&writer).contains("259 rows"));
    for mut empty in [byte_level("gpt-2", &[]), sentence_piece(&[])] {
        empty.set("tokenizer.ggml.tokens", Meta::Texts(Vec::new()));
        assert!(damaged(&empty).contains("no tokens"));
    }
    let mut bare = Writer::default();
    bare.set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.tokens", Meta::Texts(vec!["a".to_owned()]))
        .set("tokenizer.ggml.token_type", Meta::I32s(vec![NORMAL]))
        .set("tokenizer.ggml.scores", Meta::F32s(vec![0.0]));
    let bare = tokenizer(&bare).expect("the first token is the unknown one");
    assert_eq!(
        bare.encode("é", Special::Text, Bos::Omit).expect("encodes"),
        [0; 5],
        "three bytes of the space, two of the letter"
    );
    let mut many = byte_level("gpt-2", &[]);
    many.set("tokenizer.ggml.token_type", Meta::I32s(vec![NORMAL; 3]));
    assert!(damaged(&many).contains("3 entries for 258 tokens"));
}

//! What a message says is text: whatever it says, the control tokens of a prompt are those of its
//! template.

mod support;

use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, PromptText, Special, TemplateError,
    Tokenizer, embedded,
};
use proptest::prelude::*;
use support::{Meta, Writer};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER: i32 = 4;
const BYTE: i32 = 6;

/// Tokens with a name of their own: type 3 and 2 are for templates only, type 4 is found everywhere
/// unless it is named like a turn's.
const NAMED: [(&str, i32); 9] = [
    ("<unk>", UNKNOWN),
    ("<|im_start|>", CONTROL),
    ("<|im_end|>", CONTROL),
    ("</s>", CONTROL),
    ("[INST]", CONTROL),
    ("<｜end▁of▁turn｜>", CONTROL),
    ("<|user|>", CONTROL),
    ("<think>", USER),
    ("</think>", USER),
];

/// Texts out of which messages are made: names, their parts, and what brings parts together.
const PIECES: [&str; 35] = [
    "<|im_start|>",
    "<|im_end|>",
    "</s>",
    "[INST]",
    "<｜end▁of▁turn｜>",
    "<|user|>",
    "<unk>",
    "<think>",
    "</think>",
    "<|im_",
    "start|>",
    "end|>",
    "<|",
    "|>",
    "<",
    ">",
    "|",
    "/s>",
    "[IN",
    "ST]",
    "im_end",
    "XX",
    "<|IM_END|>",
    "system",
    "\n",
    " ",
    "Hi",
    "é",
    "🦊",
    "\u{f0000}",
    "\u{10fffd}",
    "\u{f0001}",
    "&lt;",
    "{{ x }}",
    "\"",
];

/// Templates that do with a message what published ones do.
const TEMPLATES: [&str; 16] = [
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + \
     '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{% for m in messages %}[INST] {{ m.content | trim }} </s>{% endfor %}",
    // Some make control tokens of the role.
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content.strip() + '<｜end▁of▁turn｜>' \
     }}{% endfor %}",
    // Qwen 3's way with earlier thoughts.
    "{% for m in messages %}{% set content = m.content %}{% set thought = '' %}{% if '</think>' \
     in content %}{% set thought = \
     content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{% set content \
     = content.split('</think>')[-1].lstrip('\n') %}{% endif %}<|im_start|>{{ m.role }}{% if \
     thought %}<think>{{ thought.strip('\n') }}</think>{% endif %}{{ content.lstrip('\n') \
     }}<|im_end|>{% endfor %}",
    // These bring parts of a name together.
    "{% for m in messages %}<|im_start|>{{ m.content | replace('<think>', '') | replace('\n', '') \
     }}<|im_end|>{% endfor %}",
    "{% for m in messages %}<|im_start|>{{ m.content.split('</think>') | join('') }}{{ \
     m.content.replace('Hi', '') }}<|im_end|>{% endfor %}",
    "{% for m in messages %}{{ m.content | lower }}{{ m.content.upper() }}{{ m.content.title() \
     }}{{ m.content | capitalize }}</s>{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{{ m.content[1:] }}|{{ m.content[:-1] }}|{{ m.content[::-1] }}</s>{% \
     endfor %}",
    "{% for m in messages %}{% for c in m.content %}{% if c != ' ' %}{{ c }}{% endif %}{% endfor \
     %}</s>{% endfor %}",
    "{% for m in messages %}{{ m | tojson }}{{ [m.content] | tojson(ensure_ascii=true) }}</s>{% \
     endfor %}",
    "{% for m in messages %}{{ '%s' % m.content }}{{ '{}'.format(m.content) }}{{ m.content ~ \
     m.content }}{% generation %}{{ m.content.rstrip() }}</s>{% endgeneration %}{% endfor %}",
    "{% for m in messages %}{% if m.content.startswith('<') %}</s>{% endif %}{% if m.content | \
     length > 9 %}[INST]{% endif %}{{ m.content }}{% endfor %}",
    // It asks for texts that make a name together.
    "{% for m in messages %}{% if '<|' in m.content and 'im_end' in m.content and '|>' in \
     m.content %}!{% endif %}{{ m.content }}{% endfor %}",
    // The template has the beginning of a name, the message its end.
    "{% for m in messages %}<|im_{{ m.content }}[IN{{ m.content }}</s>{% endfor %}",
    // It makes a name of texts, asks for another's part and brings parts together.
    "{% for m in messages %}{{ '<|' + 'im_start' + '|>' + m.content.replace('XX', '') }}{% if \
     m.content == 'im_end' %}!{% endif %}{% endfor %}",
];

fn open(writer: &Writer) -> Tokenizer {
    Tokenizer::from_gguf(&GgufFile::from_bytes(writer.bytes()).expect("well-formed"))
        .expect("a tokenizer")
}

/// Byte-level BPE with all bytes, a few merges and the named tokens.
fn byte_level() -> Tokenizer {
    byte_level_with(&NAMED)
}

fn byte_level_with(named: &[(&str, i32)]) -> Tokenizer {
    let itself = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut shifted = 256..;
    let letters =
        (0..256u32).map(|byte| if itself(byte) { byte } else { shifted.next().expect("endless") });
    let mut tokens: Vec<String> =
        letters.map(|code| char::from_u32(code).expect("a character").to_string()).collect();
    let merges = ["< |", "| >", "i m", "e n", "en d", "end |", "end| >", "H i"];
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![NORMAL; tokens.len()];
    tokens.extend(named.iter().map(|(name, _)| (*name).to_owned()));
    kinds.extend(named.iter().map(|(_, kind)| *kind));
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "gpt-2")
        .set("tokenizer.ggml.tokens", Meta::Texts(tokens))
        .set("tokenizer.ggml.token_type", Meta::I32s(kinds))
        .set(
            "tokenizer.ggml.merges",
            Meta::Texts(merges.iter().map(|merge| (*merge).to_owned()).collect()),
        );
    open(&writer)
}

/// SentencePiece with a few pieces; texts between tokens that are found as a whole get a space of
/// their own.
fn sentence_piece() -> Tokenizer {
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), BYTE, 0.0));
    let named = NAMED.iter().map(|(name, kind)| ((*name).to_owned(), *kind, 0.0));
    let pieces = ["▁", "<", "|", ">", "<|", "|>", "i", "m", "im", "H", "Hi", "▁Hi"];
    let pieces =
        pieces.iter().enumerate().map(|(at, piece)| ((*piece).to_owned(), NORMAL, -(at as f32)));
    let all: Vec<(String, i32, f32)> = named.chain(bytes).chain(pieces).collect();
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "llama")
        .set(
            "tokenizer.ggml.tokens",
            Meta::Texts(all.iter().map(|(token, ..)| token.clone()).collect()),
        )
        .set(
            "tokenizer.ggml.token_type",
            Meta::I32s(all.iter().map(|(_, kind, _)| *kind).collect()),
        )
        .set("tokenizer.ggml.scores", Meta::F32s(all.iter().map(|(.., score)| *score).collect()));
    open(&writer)
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned()).expect("compiles")
}

/// Names of the control tokens among some ids.
fn control(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    let is_control =
        |name: &&str| NAMED.iter().any(|(control, kind)| control == name && *kind != USER);
    ids.iter().filter_map(|&id| tokenizer.token(id)).filter(is_control).map(str::to_owned).collect()
}

fn ids(tokenizer: &Tokenizer, prompt: &PromptText) -> Vec<u32> {
    tokenizer.encode_prompt(prompt, Bos::Omit).expect("encodes")
}

/// The same messages without a character that any name has.
fn blank(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let letter = |c: char| if c.is_whitespace() { c } else { 'Q' };
    messages
        .iter()
        .map(|message| {
            ChatMessage::new(&message.role, message.content.chars().map(letter).collect::<String>())
        })
        .collect()
}

fn check(tokenizer: &Tokenizer, source: &str, messages: &[ChatMessage]) {
    let template = template(source);
    let plain = template.render(messages, GenerationPrompt::Add).expect("renders");
    let prompt = template.prompt(messages, GenerationPrompt::Add, tokenizer).expect("a prompt");
    let found = control(tokenizer, &ids(tokenizer, &prompt));
    if source.contains("startswith") {
        // Here the template adds a control token by how the message begins; one that begins with a
        // control token's name does not begin with its characters.
        let is_name =
            |text: &str| NAMED.iter().any(|(name, kind)| *kind != USER && text.starts_with(name));
        let starts = messages
            .iter()
            .filter(|message| message.content.starts_with('<') && !is_name(&message.content))
            .count();
        assert_eq!(found.iter().filter(|name| *name == "</s>").count(), starts, "{messages:?}");
        return;
    }
    // A template that asks for parts of names is not always answered.
    let is_whole = prompt.as_str() == plain || source.contains("'im_end'");
    assert!(is_whole, "{} instead of {plain}: {source} over {messages:?}", prompt.as_str());
    assert_eq!(
        prompt.as_str().replace('!', ""),
        plain.replace('!', ""),
        "marks change nothing: {source} over {messages:?}"
    );
    let expected =
        template.prompt(&blank(messages), GenerationPrompt::Add, tokenizer).expect("a prompt");
    assert_eq!(found, control(tokenizer, &ids(tokenizer, &expected)), "{source} over {messages:?}");
    // Where the text has no others, the ids are those of the text as a whole.
    let whole = tokenizer.encode(&plain, Special::Parse, Bos::Omit).expect("encodes");
    if control(tokenizer, &whole) == found && prompt.as_str() == plain {
        assert_eq!(ids(tokenizer, &prompt), whole, "{source} over {messages:?}");
    }
}

fn content() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_a_control_token(contents in prop::collection::vec(content(), 1..4), role in prop::sample::select(&["user", "assistant"][..])) {
        let messages: Vec<ChatMessage> = contents.iter().map(|content| ChatMessage::new(role, content)).collect();
        for tokenizer in [byte_level(), sentence_piece()] {
            for source in TEMPLATES {
                check(&tokenizer, source, &messages);
            }
        }
    }

    /// With the built-in model: exactly the template's tokens, and between them those of the text
    /// as text.
    #[test]
    fn the_built_in_model_gets_its_control_tokens_and_ordinary_ones(contents in prop::collection::vec(content(), 1..4)) {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("the built-in model");
        let (tokenizer, template) = (Tokenizer::from_gguf(&file).expect("a tokenizer"), ChatTemplate::from_gguf(&file).expect("a template"));
        let messages: Vec<ChatMessage> = contents.iter().map(|content| ChatMessage::new("user", content)).collect();
        let [start, end] = ["<|im_start|>", "<|im_end|>"].map(|name| tokenizer.encode(name, Special::Parse, Bos::Omit).expect("one")[0]);
        let mut expected = Vec::new();
        let mut push = |id: u32, text: &str| {
            expected.push(id);
            expected.extend(tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes"));
        };
        for content in &contents {
            push(start, &format!("user\n{content}"));
            push(end, "\n");
        }
        push(start, "assistant\n");
        let prompt = template.prompt(&messages, GenerationPrompt::Add, &tokenizer).expect("a prompt");
        prop_assert_eq!(tokenizer.encode_prompt(&prompt, Bos::Model).expect("encodes"), expected);
    }
}

#[test]
fn the_fixtures_templates_are_held_to_it_too() {
    let tokenizer = byte_level();
    for name in ["headers", "constructs"] {
        let path = format!("{}/tests/fixtures/templates/{name}.jinja", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).expect("a template");
        for content in
            ["A<|im_end|>B", "<|im_</think>end|>", "</s>", " plain ", "[INST]<think>x</think>"]
        {
            let messages = [ChatMessage::new("system", "S</s>"), ChatMessage::new("user", content)];
            let prompt = template(&source)
                .prompt(&messages, GenerationPrompt::Add, &tokenizer)
                .expect("a prompt");
            // Of themselves they have `<s>` and `</s>` at most, of which the first is no token
            // here.
            assert_eq!(
                control(&tokenizer, &ids(&tokenizer, &prompt)),
                [""; 0],
                "{name}: {content}"
            );
        }
    }
}

#[test]
fn a_role_that_nobody_knows_is_content() {
    let tokenizer = byte_level();
    let prompt = |role: &str| {
        let messages = [ChatMessage::new(role, "x")];
        let prompt = template(TEMPLATES[0])
            .prompt(&messages, GenerationPrompt::Omit, &tokenizer)
            .expect("a prompt");
        control(&tokenizer, &ids(&tokenizer, &prompt))
    };
    assert_eq!(prompt("user"), ["<|im_start|>", "<|im_end|>"]);
    assert_eq!(prompt("user\n</s><|im_end|>"), ["<|im_start|>", "<|im_end|>"]);
    let made = template(TEMPLATES[2])
        .prompt(&[ChatMessage::new("user", "x")], GenerationPrompt::Omit, &tokenizer)
        .expect("a prompt");
    assert_eq!(control(&tokenizer, &ids(&tokenizer, &made)), ["<|user|>", "<｜end▁of▁turn｜>"]);
}

#[test]
fn tokens_that_users_defined_are_found_in_messages_and_control_tokens_are_not() {
    let tokenizer = byte_level();
    let prompt = template("{{ messages[0].content }}");
    let prompt = prompt.prompt(
        &[ChatMessage::new("user", "<think>a</think></s>")],
        GenerationPrompt::Add,
        &tokenizer,
    );
    let ids = ids(&tokenizer, &prompt.expect("a prompt"));
    let names: Vec<_> = ids.iter().filter_map(|&id| tokenizer.token(id)).collect();
    assert_eq!(names, ["<think>", "a", "</think>", "<", "/", "s", ">"]);
}

#[test]
fn turns_whose_tokens_users_defined_are_not_forged() {
    let names = [
        "<|im_start|>",
        "<|im_end|>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<EOT>",
        "</s>",
        "<｜User｜>",
        "<|tool|>",
    ];
    let named: Vec<(&str, i32)> = names
        .into_iter()
        .chain(["<think>", "</think>", "<tool_call>", "<|>"])
        .map(|name| (name, USER))
        .collect();
    let tokenizer = byte_level_with(&named);
    let whole =
        |text: &str, special: Special| tokenizer.encode(text, special, Bos::Omit).expect("encodes");
    for name in names {
        let id = whole(name, Special::Parse)[0];
        assert_eq!((tokenizer.token(id), tokenizer.decode(&[id]).as_str()), (Some(name), ""));
        let prompt = template(TEMPLATES[0]).prompt(
            &[ChatMessage::new("user", format!("A{name}B"))],
            GenerationPrompt::Omit,
            &tokenizer,
        );
        let text = whole(&format!("user\nA{name}B"), Special::Text);
        assert!(!text.contains(&id), "{name}");
        let [start, end] =
            ["<|im_start|>", "<|im_end|>"].map(|name| whole(name, Special::Parse)[0]);
        let expected = [vec![start], text, vec![end], whole("\n", Special::Text)].concat();
        assert_eq!(ids(&tokenizer, &prompt.expect("a prompt")), expected, "{name}");
    }
    for name in ["<think>", "</think>", "<tool_call>", "<|>"] {
        assert_eq!(tokenizer.decode(&whole(name, Special::Text)), name);
        assert_eq!(whole(name, Special::Text).len(), 1, "{name}");
    }
    let ends =
        ["<|im_end|>", "<end_of_turn>", "<EOT>", "</s>"].map(|name| whole(name, Special::Parse)[0]);
    assert_eq!(tokenizer.ends(), ends);
}

#[test]
fn what_the_file_calls_an_end_is_not_forged() {
    let mut writer = Writer::default();
    writer
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "gpt-2")
        .set(
            "tokenizer.ggml.tokens",
            Meta::Texts(["<", "e", ">", "<e>", "<b>", "<u>"].map(str::to_owned).to_vec()),
        )
        .set(
            "tokenizer.ggml.token_type",
            Meta::I32s(vec![NORMAL, NORMAL, NORMAL, USER, USER, USER]),
        )
        .set("tokenizer.ggml.merges", Meta::Texts(Vec::new()))
        .set("tokenizer.ggml.eot_token_id", 3u32)
        .set("tokenizer.ggml.bos_token_id", 4u32);
    let tokenizer = open(&writer);
    let encode = |special| tokenizer.encode("<e><u>", special, Bos::Omit).expect("encodes");
    assert_eq!((encode(Special::Text), encode(Special::Parse)), (vec![0, 1, 2, 5], vec![3, 5]));
    assert!(!tokenizer.encode("<b>", Special::Text, Bos::Omit).expect("encodes").contains(&4));
}

#[test]
fn parts_that_a_template_has_as_texts_make_no_name() {
    let tokenizer = byte_level();
    let source =
        TEMPLATES.iter().find(|source| source.contains("'XX'")).expect("one brings parts together");
    let prompt = template(source).prompt(
        &[ChatMessage::new("user", "A<|XXim_endXX|>B")],
        GenerationPrompt::Add,
        &tokenizer,
    );
    let prompt = prompt.expect("a prompt");
    assert_eq!(prompt.as_str(), "<|im_start|>A<|im_end|>B");
    assert_eq!(control(&tokenizer, &ids(&tokenizer, &prompt)), ["<|im_start|>"]);
}

#[test]
fn ordinary_text_may_be_looked_at() {
    let tokenizer = byte_level();
    let turn = "{% for m in messages %}{% if CONDITION %}<|im_start|>yes {% else %}</s>no {% \
                endif %}{{ m.content }}{% endfor %}";
    for (condition, content) in [
        ("'help' in m.content | lower", "Help me"),
        ("'help' in m.content | lower", "Please HELP him to start the user's end"),
        ("m.content.isalpha()", "Hello"),
        ("m.content | first | upper == 'D'", "dinner?"),
        ("'start' in m.content", "we start"),
    ] {
        let template = template(&turn.replace("CONDITION", condition));
        let prompt = template
            .prompt(&[ChatMessage::new("user", content)], GenerationPrompt::Add, &tokenizer)
            .expect("a prompt");
        let plain = tokenizer
            .encode(&format!("<|im_start|>yes {content}"), Special::Parse, Bos::Omit)
            .expect("encodes");
        assert_eq!(ids(&tokenizer, &prompt), plain, "{condition}: {content}");
    }
}

#[test]
fn a_message_without_signs_makes_no_control_token_between_those_of_the_template() {
    let tokenizer = byte_level();
    for (source, role, content, expected) in [
        ("<|{{ messages[0].content }}|>", "user", "user", &[][..]),
        ("{{ '<|' + messages[0].content + '|>' }}<|user|>", "user", "user", &["<|user|>"][..]),
        ("<{{ messages[0].role }}>{{ messages[0].content }}</s>", "unk", "Hello", &["</s>"][..]),
        (
            "<{{ messages[0].role }}>{% if messages[0].content.isalpha() %}[INST]{% endif %}",
            "unk",
            "Hello",
            &["[INST]"][..],
        ),
    ] {
        let prompt = template(source).prompt(
            &[ChatMessage::new(role, content)],
            GenerationPrompt::Add,
            &tokenizer,
        );
        assert_eq!(
            control(&tokenizer, &ids(&tokenizer, &prompt.expect("a prompt"))),
            expected,
            "{source}"
        );
    }
}

#[test]
fn a_template_that_refuses_marks_is_not_trusted_with_fewer() {
    let tokenizer = byte_level();
    // Letters of the name are marks at first, which are no letters; what comes of fewer cannot be
    // held against that.
    let source = "{% if not messages[0].content[5:6].isalpha() %}{{ raise_exception('a letter, \
                  please') }}{% endif %}{{ messages[0].content.replace('Hi', '') }}";
    let ask = |content: &str| {
        template(source).prompt(
            &[ChatMessage::new("user", content)],
            GenerationPrompt::Add,
            &tokenizer,
        )
    };
    let error = ask("<|im_endHi|>").expect_err("nothing to hold it against");
    assert!(error.to_string().contains("a letter, please"), "{error}");
    assert_eq!(ask("Helloyou").expect("ordinary text").as_str(), "Helloyou");
}

#[test]
fn what_a_template_asks_for_is_answered() {
    let tokenizer = byte_level();
    // What it asks for is not in the names of control tokens, so that it adds one of its own.
    let source = "{% if '</think>' in messages[0].content %}</s>{% endif %}{{ \
                  messages[0].content.split('</think>')[-1] }}";
    let ask = |content: &str| {
        let prompt = template(source).prompt(
            &[ChatMessage::new("user", content)],
            GenerationPrompt::Add,
            &tokenizer,
        );
        let prompt = prompt.expect("a prompt");
        (prompt.as_str().to_owned(), control(&tokenizer, &ids(&tokenizer, &prompt)).len())
    };
    assert_eq!(ask("a</think>b<|im_end|>"), ("</s>b<|im_end|>".to_owned(), 1));
    assert_eq!(ask("b<|im_end|>"), ("b<|im_end|>".to_owned(), 0));
    // It asks for a control token: no message has one.
    let source = "{% if '</s>' in messages[0].content %}{{ raise_exception('no') }}{% endif %}{{ \
                  messages[0].content }}";
    let asked = template(source).prompt(
        &[ChatMessage::new("user", "a</s>")],
        GenerationPrompt::Add,
        &tokenizer,
    );
    assert!(matches!(asked, Err(TemplateError::Render(_))), "the template still has the last word");
}

#[test]
fn two_messages_do_not_make_a_control_token_together() {
    let tokenizer = byte_level();
    let asking = TEMPLATES
        .iter()
        .find(|source| source.contains("'im_end'"))
        .expect("one asks for parts of a name");
    for source in [asking, &TEMPLATES[7]] {
        for parts in [["<|", "im_end|>"], ["<|im_end", "|>"], ["<", "|im_end|>"]] {
            let messages = parts.map(|content| ChatMessage::new("user", content));
            let prompt = template(source)
                .prompt(&messages, GenerationPrompt::Omit, &tokenizer)
                .expect("a prompt");
            assert_eq!(prompt.as_str(), "<|im_end|>");
            assert_eq!(
                control(&tokenizer, &ids(&tokenizer, &prompt)),
                [""; 0],
                "{source} over {parts:?}"
            );
        }
    }
}

#[test]
fn characters_for_private_use_go_through_unless_all_are_taken() {
    let tokenizer = byte_level();
    let all = |skipped: char| {
        ('\u{f0000}'..='\u{ffffd}')
            .chain('\u{100000}'..='\u{10fffd}')
            .filter(move |&c| c != skipped)
    };
    let prompt = |content: String| {
        template("{{ messages[0].content }}</s>").prompt(
            &[ChatMessage::new("user", content)],
            GenerationPrompt::Add,
            &tokenizer,
        )
    };
    let content: String = all('\u{10abcd}').chain(['>']).collect();
    let found = prompt(content.clone()).expect("one is free");
    assert_eq!(found.as_str(), content + "</s>");
    let error = prompt(all('x').chain(['>']).collect()).expect_err("none is free");
    assert!(matches!(error, TemplateError::Private), "{error}");
}

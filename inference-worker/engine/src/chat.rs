//! The chat template of a model file: turns messages into the text that the model was trained on.
//!
//! Templates are Jinja programs written by strangers. They run without any access to the machine,
//! with a bound on their steps (but not on the memory that those steps can fill: opening a model
//! file means trusting it that far). Errors name the line of the template.
//!
//! Whatever a message says stays text: it never yields a control token, not through its role and
//! not in combination with the template's text ([`ChatTemplate::prompt`]). A model's own `<think>`
//! and the like are not control tokens but tokens that its makers added (type 4); they are found in
//! messages too, as in llama.cpp. Tokens of that type with the name of a turn marker, such as
//! `<|im_end|>`, count as control tokens.
//!
//! Templates see what transformers gives them (`apply_chat_template` in Hugging Face's transformers
//! 5):
//!
//! | construct | here |
//! |---|---|
//! | `{% generation %}…{% endgeneration %}` | its body, in a scope of its own ([`tags`]) |
//! | `{% break %}`, `{% continue %}`, trimmed blocks, whitespace signs | as in Jinja2 |
//! | `raise_exception(text)` | refuses the conversation with that text |
//! | `strftime_now(format)` | the time in UTC |
//! | `tojson(ensure_ascii, indent, separators, sort_keys)` | `json.dumps`: nothing escaped for HTML, entries in their order ([`json`]) |
//! | `messages`, `add_generation_prompt`, `bos_token`, `eos_token` and other names of tokens | from the conversation and the file |
//! | `tools`, `documents` | `none` |
//! | `set` blocks, `with`, `filter`, macros, `call`, `namespace`, recursive loops, `loop.…` | as in Jinja2 |
//! | `'%s' % x`, `'{}'.format(x)`, `a[::-1]`, `~`, `//`, `**`, `x if y` | as in Jinja2 ([`operators`]) |
//! | methods of Python's strings, lists and dictionaries | those that templates use ([`methods`]); nothing can be changed by them |
//! | filters and tests of Jinja2 | all that templates use ([`builtins`]); not `wordwrap`, `striptags`, `truncate`, `xmlattr` and the like |
//! | `include`, `import`, `extends` | refused: there is one template |
//!
//! Every row is held to what transformers makes of it in `tests/templates.rs`.

mod builtins;
mod clock;
mod json;
mod marks;
mod methods;
mod operators;
mod tags;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use minijinja::{Environment, Error, ErrorKind, context, syntax::SyntaxConfig, value::Value};

use crate::{
    gguf::GgufFile,
    tokenizer::{PromptText, Tokenizer, special::Names},
};
use marks::{Extent, Marks};

/// Steps that a template may take: conversations of thousands of messages need far fewer.
const FUEL: u64 = 5_000_000;
/// Messages of one conversation.
const MAX_MESSAGES: usize = 4096;
const NAME: &str = "chat";

/// Why a conversation cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The file has none.
    #[error("the model file has no chat template; give the whole prompt yourself (--raw)")]
    Absent,
    /// It is not a template that we understand.
    #[error(
        "the model's chat template cannot be used: {0}; give the whole prompt yourself (--raw)"
    )]
    Syntax(#[source] Error),
    /// It refused the conversation or failed.
    #[error("the model's chat template refused the conversation: {0}")]
    Render(#[source] Error),
    /// More messages than are allowed.
    #[error(
        "{found} messages are more than the {MAX_MESSAGES} that are allowed; leave out the oldest"
    )]
    TooMany {
        /// Number of messages.
        found: usize,
    },
    /// The messages use up the characters by which content is told from the template.
    #[error(
        "the conversation has too many different characters for private use (U+F0000 and above); \
         leave some of them out"
    )]
    Private,
}

/// One turn of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChatMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl ChatMessage {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// Whether the rendered text ends with the beginning of the model's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GenerationPrompt {
    /// It does: the model speaks next.
    Add,
    /// It ends with the last message.
    Omit,
}

/// A compiled template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// Texts in quotes in the template.
    literals: Vec<String>,
    /// The variables that name tokens, `bos_token` and the like.
    tokens: BTreeMap<&'static str, String>,
}

/// Variables that name tokens, with the metadata keys of their ids.
const TOKENS: [(&str, &str); 7] = [
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
    ("sep_token", "tokenizer.ggml.seperator_token_id"),
    ("cls_token", "tokenizer.ggml.cls_token_id"),
    ("mask_token", "tokenizer.ggml.mask_token_id"),
];

impl ChatTemplate {
    /// The file's `tokenizer.chat_template`.
    ///
    /// # Errors
    /// [`TemplateError::Absent`] if there is none, [`TemplateError::Syntax`] if it does not
    /// compile.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TemplateError> {
        let source = file
            .string("tokenizer.chat_template")
            .filter(|source| !source.trim().is_empty())
            .ok_or(TemplateError::Absent)?;
        let token = |key: &str| {
            let id = file.integer(key)? as usize;
            match file.array("tokenizer.ggml.tokens")?.get(id)? {
                candle_core::quantized::gguf_file::Value::String(token) => Some(token.clone()),
                _ => None,
            }
        };
        let bos = token("tokenizer.ggml.bos_token_id").unwrap_or_default();
        let mut template =
            Self::new(source, bos, token("tokenizer.ggml.eos_token_id").unwrap_or_default())?;
        for (name, key) in TOKENS {
            if let Some(token) = token(key) {
                template.tokens.insert(name, token);
            }
        }
        Ok(template)
    }

    /// A template with the names of the tokens that it may use.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`] if it does not compile.
    pub fn new(source: &str, bos: String, eos: String) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // As transformers sets Jinja up, for which the templates are written.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(TemplateError::Syntax)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function("raise_exception", |text: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, text))
        });
        environment
            .add_function("strftime_now", |format: String| clock::strftime(&format, clock::now()));
        environment.add_filter("tojson", json::tojson);
        builtins::add(&mut environment);
        environment.set_unknown_method_callback(methods::call);
        let tags::Source { text, literals } = tags::read(source);
        environment.add_template_owned(NAME, text).map_err(TemplateError::Syntax)?;
        let tokens = BTreeMap::from([("bos_token", bos), ("eos_token", eos)]);
        Ok(Self { environment, source: source.to_owned(), literals, tokens })
    }

    /// The prompt of a conversation, for [`Tokenizer::encode_prompt`]: its text is that of
    /// [`Self::render`], and what the messages say is content, in which no control token is found.
    ///
    /// The template runs at least twice where a message has a character of a control token's name:
    /// plainly, and with marks in the messages ([`marks`]), up to four times more. Where the marks
    /// change what it says, because it looks at the messages otherwise than for a text of its own,
    /// fewer of them are tried. The fewest are taken that change nothing and do not bring control
    /// tokens which were not there with the most.
    ///
    /// # Errors
    /// [`TemplateError::Render`] if the template refuses the conversation, or the conversation with
    /// the most marks in it, so that there is nothing to hold fewer against;
    /// [`TemplateError::Private`].
    pub fn prompt(
        &self,
        messages: &[ChatMessage],
        generation: GenerationPrompt,
        tokenizer: &Tokenizer,
    ) -> Result<PromptText, TemplateError> {
        let plain = self.render(messages, generation)?;
        let control = tokenizer.names().control();
        let literals = Names::of_texts(&marks::kept(&self.literals, &control));
        let mut unmarked = PromptText::default();
        unmarked.push_template(&plain);
        let named = tokenizer.control_ids(&unmarked);
        let words = marks::words(named.iter().filter_map(|&id| tokenizer.token(id)));
        let of_words = Names::of_texts(words.as_deref().unwrap_or_default());
        let template = std::iter::once(&self.source).chain(self.tokens.values());
        let marks =
            Marks::new(&control, &literals, &of_words, template.map(String::as_str), messages)?;
        if marks.is_empty() {
            return Ok(unmarked);
        }
        let marked = |extent| {
            self.render(&marks.mark(messages, extent), generation).map(|text| marks.resolve(&text))
        };
        if words.is_some()
            && !marks.has_signs()
            && let Ok(found) = marked(Extent::Words)
            && found.as_str() == plain
        {
            return Ok(found);
        }
        let mut best = marked(Extent::Everything)?;
        let control = tokenizer.control_ids(&best);
        for extent in [Extent::Signs, Extent::Names] {
            if best.as_str() == plain {
                break;
            }
            if let Ok(found) = marked(extent)
                && tokenizer.control_ids(&found) == control
            {
                best = found;
            }
        }
        Ok(best)
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// [`TemplateError::Render`] if the template refuses the conversation, for example a role that
    /// it does not know.
    pub fn render(
        &self,
        messages: &[ChatMessage],
        generation: GenerationPrompt,
    ) -> Result<String, TemplateError> {
        if messages.len() > MAX_MESSAGES {
            return Err(TemplateError::TooMany { found: messages.len() });
        }
        let template = self.environment.get_template(NAME).map_err(TemplateError::Syntax)?;
        let message = |message: &ChatMessage| context! { role => message.role.as_str(), content => message.content.as_str() };
        let variables = context! {
            messages => messages.iter().map(message).collect::<Vec<_>>(),
            add_generation_prompt => generation == GenerationPrompt::Add,
            // What transformers passes where there are none.
            tools => (),
            documents => (),
            ..Value::from(self.tokens.clone())
        };
        // minijinja 3.0 panics over some slices with a negative step.
        let rendered = catch_unwind(AssertUnwindSafe(|| template.render(variables)));
        let panicked = |_| {
            Error::new(
                ErrorKind::InvalidOperation,
                "the template engine failed: the template asks too much of it",
            )
        };
        rendered.map_err(panicked).flatten().map_err(TemplateError::Render)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[ChatMessage]) -> Result<String, TemplateError> {
        ChatTemplate::new(source, "<s>".into(), "</s>".into())?
            .render(messages, GenerationPrompt::Add)
    }

    fn conversation() -> Vec<ChatMessage> {
        vec![ChatMessage::new("system", " Be brief. "), ChatMessage::new("user", "Hi <b>")]
    }

    #[test]
    fn the_idioms_of_published_templates_work() {
        let source = "{{ bos_token }}{%- if messages[0]['role'] == 'system' %}\n{%- set system = \
                      messages[0].content.strip() %}
            {%- set rest = messages[1:] %}\n{%- endif %}[{{ system | trim }}]\n{%- for m in rest %}
            {%- if m['role'].startswith('us') and not m.get('tool') %}{{ \
                      m['content'].upper().replace('HI', 'Hello') }}{% endif %}
            {%- endfor %}{% for key, value in messages[0].items() %}{% if key == 'role' %}{{ value \
                      }}{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
        assert_eq!(
            render(source, &conversation()).expect("renders"),
            "<s>[Be brief.]Hello <B>system>"
        );
    }

    #[test]
    fn a_template_can_refuse() {
        let error = render("{{ raise_exception('no system turns') }}", &conversation())
            .expect_err("refuses");
        assert!(error.to_string().contains("no system turns"), "{error}");
    }

    #[test]
    fn endless_and_broken_templates_end_in_errors() {
        assert!(matches!(render("{% for x in %}", &[]), Err(TemplateError::Syntax(_))));
        assert!(matches!(render("{{ 'a'.explode() }}", &[]), Err(TemplateError::Render(_))));
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in \
                       range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
        assert!(matches!(render(endless, &[]), Err(TemplateError::Render(_))));
        let many = vec![ChatMessage::new("user", "x"); MAX_MESSAGES + 1];
        assert!(matches!(render("", &many), Err(TemplateError::TooMany { .. })));
    }
}

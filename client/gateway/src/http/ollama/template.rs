//! The `template` of a request: the little of Go's templates that prompts for text models use.
//!
//! `{{ .System }}`, `{{ .Prompt }}`, `{{ .Response }}` (where the rendered text ends) and `{{ if
//! .System }}…{{ end }}`, with or without the dashes that trim spaces. Anything else is refused:
//! half a template is worse than none.
//!
//! The names of control tokens count in the template. In the system message and the prompt they are
//! text.

use mica_engine::{PromptText, tokenizer::MAX_TEXT_BYTES};

use crate::core::GatewayError;

/// What `template` makes of a system message and a prompt.
///
/// # Errors
/// [`GatewayError`] names the action that is not known, or says that the text is longer than
/// [`MAX_TEXT_BYTES`].
pub(crate) fn render(
    template: &str,
    system: &str,
    prompt: &str,
) -> Result<PromptText, GatewayError> {
    let (mut text, mut rest) = (PromptText::default(), template);
    // Whether each open `if` is true.
    let mut conditions: Vec<bool> = Vec::new();
    let mut trim_next = false;
    while let Some(at) = rest.find("{{") {
        let action = &rest[at + 2..];
        let end = action.find("}}").ok_or_else(|| wrong("an action without its end"))?;
        let (before, inner) = (&rest[..at], &action[..end]);
        let before = if trim_next { before.trim_start() } else { before };
        let trims_before = inner.starts_with('-');
        trim_next = inner.ends_with('-');
        let shown = conditions.iter().all(|condition| *condition);
        if shown {
            text.push_template(if trims_before { before.trim_end() } else { before });
        }
        rest = &action[end + 2..];
        let words: Vec<&str> = inner.trim_matches('-').split_whitespace().collect();
        let value = |name: &str| match name {
            ".System" => Ok(system),
            ".Prompt" => Ok(prompt),
            other => Err(wrong(other)),
        };
        match words.as_slice() {
            [".Response"] if shown => return Ok(text),
            [".Response"] => {}
            ["if", name] => conditions.push(!value(name)?.is_empty()),
            ["else"] => match conditions.last_mut() {
                Some(condition) => *condition = !*condition,
                None => return Err(wrong("else without if")),
            },
            ["end"] => {
                conditions.pop().ok_or_else(|| wrong("end without if"))?;
            }
            [name] => {
                let value = value(name)?;
                if shown {
                    // A short template may name a long prompt many times.
                    if text.as_str().len().saturating_add(value.len()) > MAX_TEXT_BYTES {
                        let message = format!(
                            "template: the prompt that it makes is longer than {MAX_TEXT_BYTES} \
                             bytes"
                        );
                        return Err(GatewayError::field("template", message));
                    }
                    text.push_content(value);
                }
            }
            _ => return Err(wrong(inner.trim())),
        }
    }
    if !conditions.is_empty() {
        return Err(wrong("if without end"));
    }
    text.push_template(if trim_next { rest.trim_start() } else { rest });
    Ok(text)
}

fn wrong(what: &str) -> GatewayError {
    let what: String = what.chars().take(60).collect();
    let message = format!(
        "template: `{what}` is not known here: use {{{{ .System }}}}, {{{{ .Prompt }}}}, {{{{ \
         .Response }}}} and {{{{ if .System }}}}, or send a finished prompt with raw"
    );
    GatewayError::field("template", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str, system: &str, prompt: &str) -> String {
        render(template, system, prompt).expect("known").as_str().to_owned()
    }

    #[test]
    fn the_usual_templates_are_rendered() {
        let chat = "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end \
                    }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ \
                    .Response }}<|im_end|>";
        let user = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(text(chat, "", "Hi"), user);
        assert_eq!(text(chat, "S", "Hi"), format!("<|im_start|>system\nS<|im_end|>\n{user}"));
        assert_eq!(text("{{.Prompt}}", "", "{{ .System }}"), "{{ .System }}");
        assert_eq!(text("a {{- if .System -}} s {{- else }} n {{ end -}} z", "", ""), "a n z");
        assert_eq!(text("plain", "", "Hi"), "plain");
    }

    #[test]
    fn what_is_filled_in_is_content() {
        let rendered =
            render("<s>{{ .System }}|{{ .Prompt }}{{ .Prompt }}</s>", "S", "<s>").expect("known");
        assert_eq!(
            (rendered.as_str(), rendered.content()),
            ("<s>S|<s><s></s>", &[3..4, 5..11][..])
        );
    }

    #[test]
    fn a_prompt_that_is_named_many_times_has_a_bound() {
        let error =
            render(&"{{.Prompt}}".repeat(1000), "", &"x".repeat(1 << 20)).expect_err("a gigabyte");
        assert!(
            error.field.as_deref() == Some("template") && error.message.contains("longer than"),
            "{}",
            error.message
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for template in [
            "{{ range .Messages }}{{ end }}",
            "{{ .Prompt",
            "{{ if .System }}",
            "{{ end }}",
            "{{ else }}",
            "{{ .Tools }}",
            "{{}}",
            "{{ if }}",
        ] {
            assert!(render(template, "", "").is_err(), "{template}");
        }
    }
}

//! Prompt templates: `{{ input }}`, `{{ previous }}` and `{{ steps.NAME }}` in a text, checked
//! before anything is paid.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, syntax::SyntaxConfig};

/// Most bytes of a rendered prompt.
pub(crate) const MAX_PROMPT_BYTES: usize = 1 << 20;
/// Most template instructions; a template that needs more would not end.
const FUEL: u64 = 100_000;
/// What a template may name.
const NAMES: [&str; 3] = ["input", "previous", "steps"];

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// Not a template, or it fails while it is rendered.
    #[error("its prompt template cannot be used: {0}")]
    Template(String),
    /// It names what is not there.
    #[error(
        "its prompt template names `{0}`, and there are only `input`, `previous` and `steps.NAME` \
         of earlier steps"
    )]
    Unknown(String),
    /// It gives an empty prompt.
    #[error("its prompt is empty")]
    Empty,
    /// It gives a prompt that no model takes.
    #[error(
        "its prompt is longer than {MAX_PROMPT_BYTES} bytes: shorten the input or the texts that \
         it takes in"
    )]
    TooLong,
}

fn environment() -> Result<Environment<'static>, PromptError> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    environment.set_syntax(syntax.build().map_err(failed)?);
    // A prompt is no page: nothing is escaped, nothing trimmed, and what is missing is an error.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    Ok(environment)
}

fn failed(error: minijinja::Error) -> PromptError {
    PromptError::Template(error.to_string())
}

/// Checks that `template` is one and names nothing but the input and steps among `earlier`.
///
/// # Errors
/// [`PromptError`].
pub(crate) fn check(template: &str, earlier: &[&str]) -> Result<(), PromptError> {
    let environment = environment()?;
    let compiled = environment.template_from_str(template).map_err(failed)?;
    for name in compiled.undeclared_variables(true) {
        let is_known = match name.split_once('.') {
            Some(("steps", step)) => earlier.contains(&step.split('.').next().unwrap_or(step)),
            Some(_) => false,
            None => NAMES.contains(&name.as_str()),
        };
        if !is_known {
            return Err(PromptError::Unknown(name));
        }
    }
    Ok(())
}

/// Fills `template`.
///
/// # Errors
/// [`PromptError`].
pub(crate) fn render(
    template: &str,
    input: &str,
    previous: &str,
    steps: &BTreeMap<String, String>,
) -> Result<String, PromptError> {
    let environment = environment()?;
    let compiled = environment.template_from_str(template).map_err(failed)?;
    let prompt = compiled.render(context! { input, previous, steps }).map_err(failed)?;
    match prompt.len() {
        _ if prompt.trim().is_empty() => Err(PromptError::Empty),
        bytes if bytes > MAX_PROMPT_BYTES => Err(PromptError::TooLong),
        _ => Ok(prompt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_one(template: &str) -> Result<String, PromptError> {
        let steps = BTreeMap::from([("generate".to_owned(), "<b>long & winding</b>".to_owned())]);
        render(template, "why?", "a text\n", &steps)
    }

    #[test]
    fn texts_are_put_in_as_they_are() {
        let text = "Summarize the following text in 2 lines:\n\n{{ previous }}";
        assert_eq!(
            render_one(text).expect("renders"),
            "Summarize the following text in 2 lines:\n\na text\n"
        );
        assert_eq!(
            render_one("{{ steps.generate }}|{{ input }}\n").expect("renders"),
            "<b>long & winding</b>|why?\n"
        );
        // A text that looks like a template is only text.
        let steps = BTreeMap::new();
        assert_eq!(
            render("{{ input }}", "{{ previous }}", "x", &steps).expect("renders"),
            "{{ previous }}"
        );
    }

    #[test]
    fn what_a_template_names_is_checked_before_it_is_used() {
        assert_eq!(check("{{ input }} {{ previous }} {{ steps.generate }}", &["generate"]), Ok(()));
        assert_eq!(check("{% for c in input %}{{ c }}{% endfor %}", &[]), Ok(()));
        for unknown in ["{{ inptu }}", "{{ steps.later }}", "{{ input.text }}", "{{ config.key }}"]
        {
            assert!(
                matches!(check(unknown, &["generate"]), Err(PromptError::Unknown(_))),
                "{unknown}"
            );
        }
        assert!(matches!(check("{{ input", &[]), Err(PromptError::Template(_))));
        assert!(matches!(check("{% if %}", &[]), Err(PromptError::Template(_))));
    }

    #[test]
    fn empty_endless_and_huge_prompts_are_refused() {
        assert_eq!(render_one("  {% if false %}x{% endif %}\n"), Err(PromptError::Empty));
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(matches!(render_one(endless), Err(PromptError::Template(_))));
        let long = "x".repeat(MAX_PROMPT_BYTES);
        assert_eq!(render("{{ input }}y", &long, "", &BTreeMap::new()), Err(PromptError::TooLong));
        assert!(matches!(render_one("{{ steps.absent }}"), Err(PromptError::Template(_))));
    }
}

//! Kinds of prompts, by which results are grouped.

/// P2PLLMEdge's five kinds of prompts, and its prompts.
pub(super) const PROMPTS: [(&str, &str); 5] = [
    ("Explanation", "Explain quantum mechanics."),
    ("Logical", "What are the three laws of motion?"),
    ("Creative", "Write a short story about a robot discovering emotions."),
    ("Numerical", "What is the next number in the series: 1, 4, 9, 16?"),
    ("Comparative", "Compare the features of Python and Java programming languages."),
];

/// Kind of a prompt in a table that does not say: P2PLLMEdge's, or the prompt itself, shortened.
pub(super) fn kind_of(prompt: &str) -> String {
    let known =
        PROMPTS.iter().find(|(_, text)| *text == prompt.trim()).map(|(kind, _)| (*kind).to_owned());
    known.unwrap_or_else(|| match prompt.trim() {
        "" => "none".into(),
        prompt => prompt.chars().take(40).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn a_prompt_without_a_kind_is_one_of_its_own() {
        assert_eq!(kind_of("Explain quantum mechanics."), "Explanation");
        assert_eq!((kind_of(" Other? "), kind_of(" ")), ("Other?".into(), "none".into()));
    }
}

//! Tells message text from template text after both have gone through the template.
//!
//! A template joins, cuts, replaces and compares strings as it likes, and its output is one string.
//! So those characters of a message that also occur in names of control tokens go through the
//! template as **marks**: one private-use character for each, found nowhere else. In the rendered
//! text a mark is content and stands for its character; everything else belongs to the template. A
//! message keeps its number of characters.
//!
//! A template that searches a message ("does it contain `</think>`?") does so with a literal in its
//! source; where a message contains such a literal, it keeps its characters ([`kept`]). Names of
//! control tokens never do.
//!
//! Most messages contain none of the punctuation of such names, no `<` or `|`. Then a name can only
//! arise if the template puts its punctuation around a word of the message, so only words that
//! occur in names need marks ([`Extent::Words`]) and the template may inspect the rest. No template
//! is known that assembles a name from its own punctuation and parts of words.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use super::{ChatMessage, TemplateError};
use crate::tokenizer::{PromptText, special::Names};

/// Unicode's planes for private use.
const PRIVATE: [RangeInclusive<char>; 2] = ['\u{f0000}'..='\u{ffffd}', '\u{100000}'..='\u{10fffd}'];
/// Roles that templates are written for; they make control tokens of some, as in `'<|' + role +
/// '|>'`.
const ROLES: [&str; 7] =
    ["system", "user", "assistant", "tool", "developer", "function", "ipython"];

/// Which characters of a message become marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// All that occur in names of control tokens, but for the texts that the template asks for.
    Everything,
    /// Of those, the ones that are neither letters nor digits: for templates that change capitals.
    Signs,
    /// The first of each whole name of a control token.
    Names,
    /// Of all, those in the words of the names that the text has ([`words`]): enough where the
    /// messages have no signs.
    Words,
}

/// The words of some names: what stands between their signs, as `im` and `start` in `<|im_start|>`.
/// `None` if a name begins or ends without a sign, so that nothing of the template's need stand
/// around it.
pub(super) fn words<'a>(names: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    let mut words = BTreeSet::new();
    for name in names {
        if name.starts_with(char::is_alphanumeric) || name.ends_with(char::is_alphanumeric) {
            return None;
        }
        words.extend(
            name.split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    }
    Some(words.into_iter().collect())
}

/// Those of the texts in a template that keep their characters where they stand in a message.
///
/// Not a text with the name of a control token in it, and none of those that make such a name when
/// they are put together: a template that has `'<|'`, `'user'` and `'|>'` may well put together
/// what two messages say.
pub(super) fn kept(literals: &[String], control: &Names) -> Vec<String> {
    let has_name = |text: &String| {
        (0..text.len()).any(|at| control.longest(&text.as_bytes()[at..], usize::MAX).is_some())
    };
    let mut kept: Vec<String> =
        literals.iter().filter(|text| !text.is_empty() && !has_name(text)).cloned().collect();
    kept.sort_unstable();
    kept.dedup();
    let parts = kept.clone();
    for name in control.texts() {
        let parts: Vec<&str> =
            parts.iter().map(String::as_str).filter(|part| name.contains(part)).collect();
        // Whether the parts can be put together up to each byte.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for at in 0..name.len() {
            if reached[at] {
                parts
                    .iter()
                    .filter(|part| name[at..].starts_with(**part))
                    .for_each(|part| reached[at + part.len()] = true);
            }
        }
        if reached[name.len()] {
            kept.retain(|text| !name.contains(text.as_str()));
        }
    }
    kept
}

/// The marks for one conversation.
pub(super) struct Marks<'a> {
    control: &'a Names,
    literals: &'a Names,
    words: &'a Names,
    marks: HashMap<char, char>,
    characters: HashMap<char, char>,
}

impl<'a> Marks<'a> {
    /// Marks for what is in `messages`. The texts of `literals` are those that the template asks
    /// for, `words` those of [`Extent::Words`], `template` is all that it says.
    ///
    /// # Errors
    /// [`TemplateError::Private`] if the texts use up the characters for private use.
    pub(super) fn new(
        control: &'a Names,
        literals: &'a Names,
        words: &'a Names,
        template: impl Iterator<Item = &'a str>,
        messages: &[ChatMessage],
    ) -> Result<Self, TemplateError> {
        let roles = messages
            .iter()
            .map(|message| message.role.as_str())
            .filter(|role| !ROLES.contains(role));
        let contents = messages.iter().map(|message| message.content.as_str());
        let said: BTreeSet<char> = roles.chain(contents).flat_map(str::chars).collect();
        let in_names: BTreeSet<char> = control.characters().collect();
        let used: BTreeSet<char> =
            template.flat_map(str::chars).chain(said.iter().chain(&in_names).copied()).collect();
        let mut free = PRIVATE.into_iter().flatten().filter(|mark| !used.contains(mark));
        let mut marks = HashMap::new();
        for &character in in_names.intersection(&said) {
            marks.insert(character, free.next().ok_or(TemplateError::Private)?);
        }
        let characters = marks.iter().map(|(&character, &mark)| (mark, character)).collect();
        Ok(Self { control, literals, words, marks, characters })
    }

    /// Whether no character of the messages could be part of a control token.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether a message has a character of such a name that is neither a letter nor a digit.
    pub(super) fn has_signs(&self) -> bool {
        self.marks.keys().any(|character| !character.is_alphanumeric())
    }

    /// The messages with marks in them.
    pub(super) fn mark(&self, messages: &[ChatMessage], extent: Extent) -> Vec<ChatMessage> {
        let message = |message: &ChatMessage| {
            let role = &message.role;
            let role =
                if ROLES.contains(&role.as_str()) { role.clone() } else { self.text(role, extent) };
            ChatMessage { role, content: self.text(&message.content, extent) }
        };
        messages.iter().map(message).collect()
    }

    fn text(&self, text: &str, extent: Extent) -> String {
        let bytes = text.as_bytes();
        // Where the text that the template asks for ends, and the word of a name.
        let (mut kept, mut word) = (0, 0);
        let mut out = String::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            if extent != Extent::Names
                && let Some((length, _)) = self.literals.longest(&bytes[at..], 0)
            {
                kept = kept.max(at + length);
            }
            if extent == Extent::Words
                && let Some((length, _)) = self.words.longest(&bytes[at..], 0)
            {
                word = word.max(at + length);
            }
            let is_content = match extent {
                Extent::Everything => at >= kept,
                Extent::Signs => at >= kept && !character.is_alphanumeric(),
                Extent::Names => false,
                Extent::Words => at >= kept && at < word,
            };
            out.push(match self.marks.get(&character) {
                Some(&mark)
                    if is_content || self.control.longest(&bytes[at..], usize::MAX).is_some() =>
                {
                    mark
                }
                _ => character,
            });
        }
        out
    }

    /// What a rendered text is without its marks.
    pub(super) fn resolve(&self, rendered: &str) -> PromptText {
        let mut prompt = PromptText::default();
        let mut start = 0;
        for (at, found) in rendered.char_indices() {
            if let Some(character) = self.characters.get(&found) {
                prompt.push_template(&rendered[start..at]);
                prompt.push_content(character.encode_utf8(&mut [0; 4]));
                start = at + found.len_utf8();
            }
        }
        prompt.push_template(&rendered[start..]);
        prompt
    }
}

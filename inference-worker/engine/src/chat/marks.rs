//! Tells what a message said from what the template says, in a text that went through the template.
//!
//! A template joins, cuts, replaces and compares texts as it likes, and what comes out is one text. So the characters of the
//! messages that occur in names of control tokens go through it as **marks**: characters for private use that occur nowhere else,
//! one for each. In the rendered text a mark is content and stands for its character, everything else is the template's. A message
//! keeps its number of characters.
//!
//! A template that asks for a text ("does the message contain `</think>`?") asks with a text in its source; places of a message
//! where such a text stands keep their characters. Places where the name of a control token stands never do.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use super::{ChatMessage, TemplateError};
use crate::tokenizer::{PromptText, special::Names};

/// Unicode's planes for private use.
const PRIVATE: [RangeInclusive<char>; 2] = ['\u{f0000}'..='\u{ffffd}', '\u{100000}'..='\u{10fffd}'];
/// Roles that templates are written for; they make control tokens of some, as in `'<|' + role + '|>'`.
const ROLES: [&str; 7] = ["system", "user", "assistant", "tool", "developer", "function", "ipython"];

/// Which characters of a message become marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// All that occur in names of control tokens, but for the texts that the template asks for.
    Everything,
    /// Of those, the ones that are neither letters nor digits: for templates that change capitals.
    Signs,
    /// The first of each whole name of a control token.
    Names,
}

impl Extent {
    /// From the most marks to the fewest. With each of them, the first character of every whole name is one.
    pub const ALL: [Self; 3] = [Self::Everything, Self::Signs, Self::Names];
}

/// The marks for one conversation.
pub(super) struct Marks<'a> {
    control: &'a Names,
    literals: &'a Names,
    marks: HashMap<char, char>,
    characters: HashMap<char, char>,
}

impl<'a> Marks<'a> {
    /// Marks for what is in `messages`. The texts of `literals` are those that the template asks for, `template` is all that it says.
    ///
    /// # Errors
    /// [`TemplateError::Private`] if the texts use up the characters for private use.
    pub fn new(
        control: &'a Names,
        literals: &'a Names,
        template: impl Iterator<Item = &'a str>,
        messages: &[ChatMessage],
    ) -> Result<Self, TemplateError> {
        let roles = messages.iter().map(|message| message.role.as_str()).filter(|role| !ROLES.contains(role));
        let contents = messages.iter().map(|message| message.content.as_str());
        let said: BTreeSet<char> = roles.chain(contents).flat_map(str::chars).collect();
        let in_names: BTreeSet<char> = control.characters().collect();
        let used: BTreeSet<char> = template.flat_map(str::chars).chain(said.iter().chain(&in_names).copied()).collect();
        let mut free = PRIVATE.into_iter().flatten().filter(|mark| !used.contains(mark));
        let mut marks = HashMap::new();
        for &character in in_names.intersection(&said) {
            marks.insert(character, free.next().ok_or(TemplateError::Private)?);
        }
        let characters = marks.iter().map(|(&character, &mark)| (mark, character)).collect();
        Ok(Self { control, literals, marks, characters })
    }

    /// Whether no character of the messages could be part of a control token.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The messages with marks in them.
    pub fn mark(&self, messages: &[ChatMessage], extent: Extent) -> Vec<ChatMessage> {
        let message = |message: &ChatMessage| {
            let role = &message.role;
            let role = if ROLES.contains(&role.as_str()) { role.clone() } else { self.text(role, extent) };
            ChatMessage { role, content: self.text(&message.content, extent) }
        };
        messages.iter().map(message).collect()
    }

    fn text(&self, text: &str, extent: Extent) -> String {
        let bytes = text.as_bytes();
        // Where the text that the template asks for ends.
        let mut kept = 0;
        let mut out = String::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            if extent != Extent::Names
                && let Some((length, _)) = self.literals.longest(&bytes[at..], 0)
            {
                kept = kept.max(at + length);
            }
            let is_content = match extent {
                Extent::Everything => at >= kept,
                Extent::Signs => at >= kept && !character.is_alphanumeric(),
                Extent::Names => false,
            };
            out.push(match self.marks.get(&character) {
                Some(&mark) if is_content || self.control.longest(&bytes[at..], usize::MAX).is_some() => mark,
                _ => character,
            });
        }
        out
    }

    /// What a rendered text is without its marks.
    pub fn resolve(&self, rendered: &str) -> PromptText {
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

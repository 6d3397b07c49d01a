//! What was said so far, and what it has cost.

use mica_engine::ChatMessage;
use mica_primitives::Balance;

/// Money and tokens of a chat. Amounts are base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Answers.
    pub turns: u32,
    /// Tokens of the prompts, the conversation before them included.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub answer_tokens: u64,
    /// Promised to workers.
    pub paid: Balance,
    /// Fees of the chain.
    pub fees: Balance,
}

impl Spent {
    /// Adds a turn.
    pub(crate) fn add(
        &mut self,
        prompt_tokens: usize,
        answer_tokens: usize,
        paid: Balance,
        fees: Balance,
    ) {
        self.turns = self.turns.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(prompt_tokens as u64);
        self.answer_tokens = self.answer_tokens.saturating_add(answer_tokens as u64);
        self.paid = self.paid.saturating_add(paid);
        self.fees = self.fees.saturating_add(fees);
    }
}

/// The messages, in order, from the system message on.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    system: Option<ChatMessage>,
    turns: Vec<ChatMessage>,
}

impl Conversation {
    /// Nothing said yet.
    pub(crate) fn new(system: Option<ChatMessage>) -> Self {
        Self { system, turns: Vec::new() }
    }

    /// All messages with `text` as the user's next one, which is not kept.
    pub(crate) fn with(&self, text: &str) -> Vec<ChatMessage> {
        self.system
            .iter()
            .chain(&self.turns)
            .cloned()
            .chain([ChatMessage::new("user", text)])
            .collect()
    }

    /// Keeps a turn that was answered.
    pub(crate) fn keep(&mut self, said: &str, answer: &str) {
        self.turns.push(ChatMessage::new("user", said));
        self.turns.push(ChatMessage::new("assistant", answer));
    }

    /// Forgets everything but the system message.
    pub(crate) fn reset(&mut self) {
        self.turns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_kept_only_when_it_was_answered_and_the_system_message_stays() {
        let mut conversation = Conversation::new(Some(ChatMessage::new("system", "be brief")));
        assert_eq!(conversation.with("one").len(), 2);
        assert_eq!(conversation.with("two").len(), 2, "nothing of the first is left");
        conversation.keep("two", "answer");
        assert_eq!(conversation.with("three").len(), 4);
        conversation.reset();
        assert_eq!(conversation.with("four").len(), 2);
    }

    #[test]
    fn money_is_added_up_without_overflow() {
        let mut spent = Spent::default();
        spent.add(3, 4, 1_000_000_000_000, 5);
        spent.add(3, 4, Balance::MAX, 5);
        assert_eq!(
            (spent.turns, spent.prompt_tokens, spent.paid, spent.fees),
            (2, 6, Balance::MAX, 10)
        );
    }
}

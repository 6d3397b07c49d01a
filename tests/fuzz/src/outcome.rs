//! What came out of an input, as a number.

/// Folds facts into a number: the order counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome(u64);

impl Outcome {
    /// Nothing has come out yet.
    pub(crate) const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    /// Takes note of a fact.
    pub(crate) const fn note(&mut self, fact: u64) {
        self.0 = (self.0 ^ fact).wrapping_mul(0x0000_0100_0000_01B3);
    }

    /// Takes note of a text, by its beginning up to the first digit or quote: what follows speaks
    /// of the values.
    pub(crate) fn text(&mut self, text: &str) {
        let is_value = |c: char| c.is_ascii_digit() || matches!(c, '"' | '\'' | '`');
        text.chars().take_while(|c| !is_value(*c)).take(60).for_each(|c| self.note(u64::from(c)));
    }

    /// The number.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

//! Every sequence of choices, one after the other, like the digits of a counter whose length and
//! bases depend on the digits before.

/// The choices of one game.
#[derive(Default)]
pub struct Choices {
    /// What is chosen at each step, and of how many.
    steps: Vec<(usize, usize)>,
    /// Steps taken in this game.
    taken: usize,
}

impl Choices {
    /// One of `options`.
    pub fn choose<M: Copy>(&mut self, options: &[M]) -> M {
        if self.taken == self.steps.len() {
            self.steps.push((0, options.len()));
        }
        let (choice, of) = self.steps[self.taken];
        assert_eq!(of, options.len(), "the same choices lead to the same step");
        self.taken += 1;
        options[choice]
    }

    /// Goes on to the next sequence; whether there is one.
    fn advance(&mut self) -> bool {
        assert_eq!(self.taken, self.steps.len(), "a game takes all its steps");
        self.taken = 0;
        while let Some((choice, of)) = self.steps.pop() {
            if choice + 1 < of {
                self.steps.push((choice + 1, of));
                return true;
            }
        }
        false
    }
}

/// Runs `game` once for every sequence of choices; returns how often.
pub fn every(mut game: impl FnMut(&mut Choices)) -> usize {
    let mut choices = Choices::default();
    let mut games = 1;
    game(&mut choices);
    while choices.advance() {
        game(&mut choices);
        games += 1;
    }
    games
}

#[test]
fn every_sequence_is_taken_once() {
    let mut seen = Vec::new();
    let games = every(|choices| {
        let first = choices.choose(&[0, 1, 2]);
        seen.push((first, if first == 1 { choices.choose(&[7, 8]) } else { 0 }));
    });
    assert_eq!((games, seen), (4, vec![(0, 0), (1, 7), (1, 8), (2, 0)]));
}

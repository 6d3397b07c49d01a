//! How well a model predicts a text, counted as llama.cpp's `llama-perplexity` counts it by
//! default.
//!
//! The text's tokens are cut into windows of equal length, and what is left over is not used. Every
//! window is computed by itself; if the model wants a beginning-of-sequence token, it takes the
//! place of the window's first token. The first half of a window is only context: tokens are judged
//! from the one at `length/2 + 1` on, each by the logits of the position before it, so that a
//! window of 512 judges 255. The perplexity is `e` to the mean of `−ln p` over all judged tokens of
//! all windows.

use crate::{
    cache::KvCache,
    error::ForwardError,
    model::{Input, Model, Output, Want},
    sampler::log_probabilities,
};

/// Shortest window: one token is context, one is judged by another.
pub const MIN_WINDOW: usize = 4;

/// Logits that are held at once.
const MAX_LOGITS: usize = 1 << 24;
/// Most rows of a step, whatever their logits take.
const MAX_ROWS: usize = 128;

/// Judged tokens.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Judged {
    /// How many.
    pub tokens: u64,
    /// Sum of `−ln p`.
    pub surprise: f64,
    /// Sum of its squares.
    pub squares: f64,
}

impl Judged {
    /// Takes further tokens into the count.
    pub fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.surprise += other.surprise;
        self.squares += other.squares;
    }

    /// Mean of `−ln p`; NaN without tokens.
    pub fn mean_surprise(&self) -> f64 {
        self.surprise / self.tokens as f64
    }

    /// `e` to the mean surprise; NaN without tokens.
    pub fn perplexity(&self) -> f64 {
        self.mean_surprise().exp()
    }

    /// Standard error of [`Judged::perplexity`], as if tokens were independent; NaN below two
    /// tokens.
    pub fn error(&self) -> f64 {
        let mean = self.mean_surprise();
        let variance = self.squares / self.tokens as f64 - mean * mean;
        (variance.max(0.0) / (self.tokens as f64 - 1.0)).sqrt() * self.perplexity()
    }
}

/// Judges one window of at least [`MIN_WINDOW`] tokens with a model of all layers. `first` takes
/// the place of the first token, if it is given. What the cache held before is forgotten.
///
/// # Errors
/// [`ForwardError`], for example if the cache is shorter than the window, or
/// [`ForwardError::Empty`] if the window is too short.
pub fn judge(
    model: &Model,
    cache: &mut KvCache,
    window: &[u32],
    first: Option<u32>,
) -> Result<Judged, ForwardError> {
    if window.len() < MIN_WINDOW {
        return Err(ForwardError::Empty);
    }
    cache.clear();
    let mut inputs = window[..window.len() - 1].to_vec();
    if let (Some(place), Some(first)) = (inputs.first_mut(), first) {
        *place = first;
    }
    let (context, judging) = inputs.split_at(window.len() / 2);
    model.forward(cache, Input::Tokens(context), Want::Nothing)?;
    let vocabulary = model.config().vocabulary;
    let rows = (MAX_LOGITS / vocabulary).clamp(1, MAX_ROWS);
    let mut judged = Judged::default();
    let mut next = window[context.len() + 1..].iter();
    for piece in judging.chunks(rows) {
        let Output::Logits(logits) =
            model.forward(cache, Input::Tokens(piece), Want::EveryLogits)?
        else {
            return Err(ForwardError::Empty);
        };
        for (logits, &token) in logits.chunks_exact(vocabulary).zip(&mut next) {
            let surprise = -log_probabilities(logits, token, 0).token;
            judged.add(Judged { tokens: 1, surprise, squares: surprise * surprise });
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GgufFile, Threads, embedded};

    #[test]
    fn a_window_is_judged_as_token_by_token_and_only_its_second_half() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let layers = file.config().expect("config").all_layers();
        let model = Model::load(&file, layers, Threads::new(2)).expect("loads");
        let window: Vec<u32> = (0..17).map(|i| (i * 97 + 5) % 300).collect();
        let mut cache = model.new_cache(window.len()).expect("room");
        let found = judge(&model, &mut cache, &window, Some(1)).expect("judged");
        let (mut surprise, mut tokens) = (0.0, 0);
        cache.clear();
        for at in 0..window.len() - 1 {
            let token = if at == 0 { 1 } else { window[at] };
            let step = model.forward(&mut cache, Input::Tokens(&[token]), Want::LastLogits);
            let Output::Logits(logits) = step.expect("computed") else { panic!("logits") };
            if at >= 8 {
                surprise -= log_probabilities(&logits, window[at + 1], 0).token;
                tokens += 1;
            }
        }
        assert_eq!((found.tokens, tokens), (8, 8));
        assert!((found.surprise - surprise).abs() < 1e-9, "{found:?} {surprise}");
        assert!(found.perplexity() > 1.0 && found.error() > 0.0);
        assert_eq!(judge(&model, &mut cache, &window[..3], None), Err(ForwardError::Empty));
        let mut short = model.new_cache(8).expect("room");
        assert!(matches!(
            judge(&model, &mut short, &window, None),
            Err(ForwardError::CacheFull { .. })
        ));
    }

    #[test]
    fn the_mean_is_over_tokens_of_all_windows() {
        let mut all = Judged { tokens: 1, surprise: 2.0, squares: 4.0 };
        all.add(Judged { tokens: 3, surprise: 2.0, squares: 4.0 });
        assert_eq!(all.perplexity(), 1.0f64.exp());
        let error = (1.0f64 / 3.0).sqrt() * 1.0f64.exp();
        assert!((all.error() - error).abs() < 1e-12, "{}", all.error());
        assert!(Judged::default().perplexity().is_nan());
    }
}

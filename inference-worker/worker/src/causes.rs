//! The message of an error together with its causes.

use std::{error::Error, fmt::Write as _};

/// An error and all that caused it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("layers 0..3 cannot be served")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_named_once_and_in_order() {
        let outer = Outer(std::io::Error::other("no memory"));
        assert_eq!(with_causes(&outer), "layers 0..3 cannot be served: no memory");
    }
}

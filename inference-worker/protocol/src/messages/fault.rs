//! Faults on the wire. Their shape is the same in every version, so that even a refusal of the
//! version can be read.

use codec::{Decode, Encode};
use core::fmt;
use mica_primitives::Redeem;

use crate::{FaultCode, SessionId, limits::MAX_FAULT_TEXT_BYTES};

/// A refusal, or the end of a session that failed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Fault {
    /// The session, unless the fault is about the link itself.
    pub session: Option<SessionId>,
    /// [`FaultCode::number`]; a number that this version does not know is kept as it came.
    pub number: u16,
    /// What happened, for people. At most [`MAX_FAULT_TEXT_BYTES`]; longer ones are cut when the
    /// fault is made.
    pub text: String,
    /// With [`FaultCode::StaleVoucher`]: the newest promise that the worker holds, so that a payer
    /// who lost its records can go on.
    pub held: Option<Box<Redeem>>,
}

impl Fault {
    /// A fault of `session` with `code`.
    pub fn new(session: Option<SessionId>, code: FaultCode, text: impl fmt::Display) -> Self {
        let mut text = text.to_string();
        if text.len() > MAX_FAULT_TEXT_BYTES {
            let cut =
                (0..=MAX_FAULT_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
        }
        Self { session, number: code.number(), text, held: None }
    }

    /// The reason.
    pub const fn code(&self) -> FaultCode {
        FaultCode::from_number(self.number)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = mica_text::shown(&self.text, MAX_FAULT_TEXT_BYTES);
        write!(f, "{}: {text}; {}", self.code(), self.code().remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let fault = Fault::new(None, FaultCode::Malformed, "ä".repeat(MAX_FAULT_TEXT_BYTES));
        assert_eq!(fault.text.len(), MAX_FAULT_TEXT_BYTES);
        let fault = Fault::new(
            None,
            FaultCode::Malformed,
            format!("x{}", "ä".repeat(MAX_FAULT_TEXT_BYTES)),
        );
        assert_eq!(fault.text.len(), MAX_FAULT_TEXT_BYTES - 1);
    }

    #[test]
    fn what_a_peer_writes_reaches_a_terminal_without_control_characters() {
        let fault = Fault::new(None, FaultCode::Malformed, "a\u{1b}[2J\u{202e}b\n");
        assert!(!fault.to_string().chars().any(mica_text::is_control));
    }
}

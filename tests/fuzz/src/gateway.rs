//! A request's body, read by every route of the gateway.

use mica_gateway::http::{BodyOf, read_body};

use crate::outcome::Outcome;

/// Each route takes it or says what is wrong.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::new();
    for route in BodyOf::ALL {
        match read_body(route, bytes) {
            Ok(()) => outcome.note(1),
            Err(error) => {
                // What a client wrote is told back in part only.
                assert!(error.message.len() < 2_000, "an error as long as its body");
                outcome.text(&error.message);
            }
        }
    }
    outcome.number()
}

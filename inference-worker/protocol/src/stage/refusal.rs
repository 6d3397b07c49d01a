//! A refusal, before it is sent as a fault.

use mica_primitives::Redeem;

use crate::{FaultCode, SessionId, channel::LedgerError, messages::Fault};

/// Why something is refused, with what goes on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: FaultCode,
    pub(crate) text: String,
    pub(crate) held: Option<Box<Redeem>>,
}

impl Refusal {
    pub(crate) fn new(code: FaultCode, text: impl ToString) -> Self {
        Self { code, text: text.to_string(), held: None }
    }

    /// A refusal of money; with the promise that is held, where the payer may have lost its
    /// records.
    pub(crate) fn of_money(error: &LedgerError, held: Option<&Redeem>) -> Self {
        let stale = error.fault_code() == FaultCode::StaleVoucher;
        Self {
            held: held.filter(|_| stale).map(|held| Box::new(held.clone())),
            ..Self::new(error.fault_code(), error)
        }
    }

    pub(crate) fn fault(self, session: SessionId) -> Fault {
        Fault { held: self.held, ..Fault::new(Some(session), self.code, self.text) }
    }
}

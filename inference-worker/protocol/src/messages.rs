//! What peers say to each other: one file per kind, in the order in which a session meets them.

mod channel_close;
mod close;
mod fault;
mod hub;
mod open;
mod pay;
mod promises;
mod quote;
mod receipt;
mod step;
mod token;

pub use channel_close::CloseConsent;
pub use close::{Close, CloseWhen, Closed, Statement};
pub use fault::Fault;
pub use hub::{
    Account, HubFee, HubQuote, HubQuoteRequest, Payees, RelayOpen, RelayPay, RelayRefused, Relayed,
    SignedHubQuote,
};
pub use open::{Acceptance, Open, Opened};
pub use pay::{Pay, Payment, PaymentKind};
pub use promises::{HeldPromises, Promises};
pub use quote::{Quote, QuoteRequest, SignedQuote};
pub use receipt::SessionReceipt;
pub use step::{Payload, PayloadError, Step};
pub use token::Token;

use codec::{Decode, Encode};

/// One frame's content. Indices are part of the wire format; [`Message::Fault`] keeps its index and
/// shape in every version.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Message {
    /// Anyone → worker: what do you ask?
    #[codec(index = 0)]
    QuoteRequest(QuoteRequest),
    /// Worker → anyone: a signed offer.
    #[codec(index = 1)]
    Quote(SignedQuote),
    /// Payer → stage: serve this session.
    #[codec(index = 2)]
    Open(Box<Open>),
    /// Stage → payer: accepted.
    #[codec(index = 3)]
    Opened(Opened),
    /// Payer → stage 0 (the prompt), stage k → stage k+1: compute this.
    #[codec(index = 4)]
    Step(Step),
    /// Last stage → payer and stage 0: the next token.
    #[codec(index = 5)]
    Token(Token),
    /// Payer → stage: money.
    #[codec(index = 6)]
    Pay(Pay),
    /// Stage → payer: what was computed, signed. Payer → hub: the same, so that the hub's vouchers
    /// fix it.
    #[codec(index = 7)]
    Receipt(SessionReceipt),
    /// Payer → stage or hub: stop.
    #[codec(index = 8)]
    Close(Close),
    /// Stage → payer: everything that I computed and gave receipts for.
    #[codec(index = 9)]
    Statement(Statement),
    /// Stage → payer: paid, done.
    #[codec(index = 10)]
    Closed(Closed),
    /// Stage → payer: what I hold of your promises on this channel. Payer → hub: of yours.
    #[codec(index = 11)]
    Promises(Promises),
    /// Anyone → hub: what do you take, and whom can you pay?
    #[codec(index = 12)]
    HubQuoteRequest(HubQuoteRequest),
    /// Hub → anyone: a signed offer.
    #[codec(index = 13)]
    HubQuote(Box<SignedHubQuote>),
    /// Payer → hub: promise this payee what I promise you.
    #[codec(index = 14)]
    RelayOpen(Box<RelayOpen>),
    /// Payer → hub: money for a relay.
    #[codec(index = 15)]
    RelayPay(RelayPay),
    /// Hub → payer: what I promise the payee now.
    #[codec(index = 16)]
    Relayed(Relayed),
    /// Hub → payer: a relay refused, or given up.
    #[codec(index = 17)]
    RelayRefused(RelayRefused),
    /// Either side of a channel → the other: I agree to this end of it.
    #[codec(index = 18)]
    CloseConsent(CloseConsent),
    /// Either way: refused, or given up.
    #[codec(index = 255)]
    Fault(Fault),
}

impl Message {
    /// The kind's name, for logs and errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::QuoteRequest(_) => "QuoteRequest",
            Self::Quote(_) => "Quote",
            Self::Open(_) => "Open",
            Self::Opened(_) => "Opened",
            Self::Step(_) => "Step",
            Self::Token(_) => "Token",
            Self::Pay(_) => "Pay",
            Self::Receipt(_) => "Receipt",
            Self::Close(_) => "Close",
            Self::Statement(_) => "Statement",
            Self::Closed(_) => "Closed",
            Self::Promises(_) => "Promises",
            Self::HubQuoteRequest(_) => "HubQuoteRequest",
            Self::HubQuote(_) => "HubQuote",
            Self::RelayOpen(_) => "RelayOpen",
            Self::RelayPay(_) => "RelayPay",
            Self::Relayed(_) => "Relayed",
            Self::RelayRefused(_) => "RelayRefused",
            Self::CloseConsent(_) => "CloseConsent",
            Self::Fault(_) => "Fault",
        }
    }

    /// The session that the message belongs to, if it belongs to one.
    pub fn session(&self) -> Option<crate::SessionId> {
        match self {
            Self::QuoteRequest(_)
            | Self::Quote(_)
            | Self::HubQuoteRequest(_)
            | Self::HubQuote(_)
            | Self::CloseConsent(_) => None,
            Self::Open(message) => Some(message.session),
            Self::Opened(message) => Some(message.acceptance.session),
            Self::Step(message) => Some(message.session),
            Self::Token(message) => Some(message.session),
            Self::Pay(message) => Some(message.session),
            Self::Receipt(message) => Some(message.session()),
            Self::Close(message) => Some(message.session),
            Self::Statement(message) => Some(message.session),
            Self::Closed(message) => Some(message.session),
            Self::Promises(message) => Some(message.session),
            Self::RelayOpen(message) => Some(message.session),
            Self::RelayPay(message) => Some(message.session),
            Self::Relayed(message) => Some(message.session),
            Self::RelayRefused(message) => message.fault.session,
            Self::Fault(message) => message.session,
        }
    }
}

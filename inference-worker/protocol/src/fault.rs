//! Why something was refused, as a number that crosses the wire and a remedy that a person can
//! follow.
//!
//! Numbers never change their meaning and are never reused; a number unknown to this version is
//! read as [`FaultCode::Unlisted`]. Groups of ten: the link, the session, the offer, money, steps,
//! receipts, the end.

use core::fmt;

macro_rules! fault_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $remedy:literal;)+) => {
        /// Why a peer refused or gave up. See the table in this file for numbers and remedies.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum FaultCode { $($(#[doc = $doc])+ $name = $number,)+ }

        impl FaultCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code with this number; [`FaultCode::Unlisted`] for a number of another version.
            pub const fn from_number(number: u16) -> Self {
                match number { $($number => Self::$name,)+ _ => Self::Unlisted }
            }

            /// What the one who reads the fault can do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

fault_codes! {
    /// A number that this version does not know.
    Unlisted = 0, "the peer gave a reason that this version does not know: update this program";
    /// The frame's version byte is not ours.
    UnknownVersion = 1, "both sides must speak one protocol version: update the older program";
    /// The frame does not decode.
    Malformed = 2, "the bytes are no message of this protocol: check that the other side is a Mica peer of this version";
    /// The frame is longer than the bound.
    FrameTooLarge = 3, "the frame exceeds the protocol's bound: send fewer positions per step";
    /// The message is of a kind that this side never takes.
    WrongDirection = 4, "this peer does not take such messages: the sender mistakes its part";

    /// No such session here.
    UnknownSession = 10, "the session is over or was never opened here: open a new one";
    /// The session's id is taken.
    SessionExists = 11, "a session id was used twice: draw a random one and open again";
    /// No room for another session.
    TooManySessions = 12, "the worker or your share of it is full: close a session, wait, or choose another worker";
    /// The message came from a peer that has no say in the session.
    WrongPeer = 13, "only the payer and the path's neighbours may speak in a session: check the path";
    /// The message does not fit the session's state.
    OutOfOrder = 14, "the message came at the wrong moment of the session: open a new session";
    /// Nothing was heard for too long.
    Silent = 15, "the other side was silent past the deadline: check its connection and open a new session";
    /// The worker is leaving.
    Draining = 16, "the worker takes no new sessions: choose another one";
    /// A peer of the path is gone.
    PeerLost = 17, "the connection to a peer of the path broke: open a session on another path";

    /// The worker serves another model.
    WrongModel = 20, "the worker serves another model: read the registry again";
    /// The worker computes under another profile.
    WrongProfile = 21, "the worker's exact profile differs: one of the two programs is older, update it";
    /// The worker serves other layers.
    WrongRange = 22, "the worker has moved to other layers: read the registry again and choose a new path";
    /// The path has gaps, overlaps, twice the same peer, or not this worker where it says.
    BadPath = 23, "the path's stages must cover the model's layers once and in order: choose the path again";
    /// The price offered is below the worker's.
    PriceTooLow = 24, "the worker asks for more than was offered: ask it for a quote, or raise the limit";
    /// The terms cannot work.
    BadTerms = 25, "the terms contradict themselves: see the text and correct price, credit or exposure";
    /// The session is longer than the worker's cache has room for.
    NoCacheRoom = 26, "the worker has no memory for so many positions: ask for a shorter answer or another worker";
    /// The session's limits or sampling are out of range.
    BadLimits = 27, "lengths or sampling settings are out of range: see the text";
    /// The next worker of the path is in no registry that this one can read.
    UnknownNeighbour = 29, "the worker dials only workers in the registry and does not find the path's next one there: choose the path again, and if that goes on another worker";

    /// The chain knows no such channel to this worker.
    UnknownChannel = 30, "the chain has no such channel to this worker: open one, or wait until it is in a block";
    /// The channel is closing.
    ChannelClosing = 31, "the channel is being closed: open a new one";
    /// The voucher's signature is not the channel signer's.
    BadSignature = 32, "the voucher is not signed by the channel's signer: check which key the channel was opened with";
    /// The voucher does not go further than the last one.
    StaleVoucher = 33, "a newer voucher is known: ask again, which takes another lane; if that goes on, close the channel";
    /// The voucher or tick is for another channel or lane.
    ForeignVoucher = 34, "the voucher belongs to another channel or lane: pay with this session's own";
    /// The deposit does not cover the promise.
    Overspend = 35, "the channel's deposit does not cover this: top the channel up";
    /// The voucher pays another amount per position than was agreed.
    WrongUnit = 36, "each tick must pay the agreed price times the layers: correct the voucher";
    /// The voucher ends too soon.
    VoucherExpiring = 37, "the voucher can hardly be redeemed in time: send one that lives longer";
    /// The tick does not lie on the chain or pays too far ahead: it has ended the session.
    BadTick = 38, "the tick is not on the voucher's chain or pays too far ahead, which ended the session: open a new one; if that goes on, update this program";
    /// Another session uses the lane.
    LaneBusy = 39, "another session uses this lane: ask again, which takes another one";
    /// The voucher names receipts that the worker did not give.
    ReceiptsDiffer = 40, "both sides know different receipts for this lane: ask again, which takes another one; if that goes on, close the channel";
    /// The payment for a step did not come.
    CreditExhausted = 41, "the worker was not paid in time: pay, or open a new session";
    /// The final voucher does not pay for everything, or too many sessions of the account ended
    /// without one or held room for nothing.
    Underpaid = 42, "what was delivered or reserved was not paid for: ask again in a minute; sessions that are paid to their end make it good";

    /// The opening voucher does not prepay for the room that the session holds.
    HoldingUnpaid = 43, "the opening must prepay for the room that it reserves: ask the worker for a quote and pay its holding price, or update this program";
    /// The channel can never bring what a redeem costs.
    TooLittle = 44, "the channel holds less than a redeem costs: top it up, or open a larger one";
    /// The voucher lives longer than a worker keeps one.
    VoucherTooLong = 45, "the voucher expires too late: send one that lives a shorter time";
    /// The hub cannot promise that much to this payee.
    NoRelay = 46, "the hub has no channel to this worker with enough left in it: choose another worker, or pay this one directly";
    /// The hub is promised too little for what it shall promise.
    FeeTooLow = 47, "the hub asks for more than was offered: ask it for a quote";

    /// The channel's window is shorter than the worker's least.
    WindowTooShort = 48, "the channel gives the worker too few blocks to redeem after a request to close: run `mica config set window BLOCKS` with as many as it asks for, then `mica channel close`, and ask again";
    /// No new block has become final for too long.
    ChainStalled = 49, "the worker sees no new final blocks and takes no promises until it does: wait, or choose another worker";

    /// The step or token is not the next one.
    UnexpectedPosition = 50, "positions must come in order, without gaps: open a new session";
    /// The step's rows, payload or token ids do not fit.
    BadStep = 51, "the step's size does not fit the session: check rows, width and token ids";
    /// Too many positions wait.
    QueueFull = 52, "more was sent than the stage holds: wait for receipts before sending more";
    /// The engine failed.
    ComputeFailed = 53, "the worker's engine failed: use another worker, and see the worker's log";
    /// The engine was too slow.
    ComputeLate = 54, "the worker's engine missed its deadline: use a faster worker";

    /// The acceptance is not signed by the stage or answers another opening.
    BadAcceptance = 60, "the worker's acceptance does not verify: use another worker";
    /// The receipt is not the next one of its stage, or not signed by it.
    BadReceipt = 61, "the worker's receipt does not verify: use another worker";
    /// The receipt contradicts the tokens or a neighbour's receipt.
    ReceiptMismatch = 62, "receipts contradict each other: keep them and use another worker for the stages named";
    /// The account of a stage differs from its receipts.
    BadStatement = 63, "the worker's account differs from its receipts: pay what the receipts show and use another worker";

    /// The payer ended the session.
    Cancelled = 70, "the payer ended the session: nothing to do";
    /// The session would cost more than the payer allows.
    LimitReached = 71, "the spending limit does not cover the session: raise it or ask for a shorter answer";
}

impl FaultCode {
    /// The number that crosses the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::FaultCode;

    #[test]
    fn numbers_are_unique_and_read_back() {
        for pair in FaultCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} before {}", pair[0], pair[1]);
        }
        for code in FaultCode::ALL {
            assert_eq!(FaultCode::from_number(code.number()), *code);
            assert!(code.remedy().len() > 20, "{code} has no remedy");
        }
    }

    #[test]
    fn a_number_of_another_version_is_unlisted() {
        assert_eq!(FaultCode::from_number(9_999), FaultCode::Unlisted);
    }

    #[test]
    fn published_numbers_stay() {
        let numbers = [
            (FaultCode::UnknownVersion, 1),
            (FaultCode::UnknownSession, 10),
            (FaultCode::WrongModel, 20),
            (FaultCode::UnknownChannel, 30),
            (FaultCode::CreditExhausted, 41),
            (FaultCode::UnexpectedPosition, 50),
            (FaultCode::ReceiptMismatch, 62),
            (FaultCode::Cancelled, 70),
        ];
        numbers.iter().for_each(|(code, number)| assert_eq!(code.number(), *number));
    }
}

//! How often a peer may send each kind of message.
//!
//! Token buckets, one per kind of message that costs its receiver more than it costs its sender.
//! The rates are far above what an honest payer with all its sessions sends; what exceeds them is
//! dropped (from a stranger) or waited for (from a peer with a session) and counts as a strike.

use std::time::{Duration, Instant};

use mica_protocol::{Message, messages::PaymentKind};

use crate::{
    bounds::{HANDSHAKE_BURST, HANDSHAKES_PER_SECOND},
    standing::Rank,
};

/// Kinds of messages that are counted apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A quote costs a signature. This one is for a stranger.
    FirstQuote,
    /// An opening, of a session or of a hub's relay, costs up to three checks of signatures and a
    /// question to the chain, and so does a consent to close. This one is a stranger's.
    FirstOpen,
    /// A quote for a peer with a session: a gateway asks for one before each of its sessions.
    Quote,
    /// An opening of a peer with a session.
    Open,
    /// A voucher costs the check of a signature and a wait for the disk.
    Voucher,
    /// A tick costs one hash per position that it pays for.
    Tick,
    /// A fault costs nothing but must not be answered for ever.
    Fault,
    /// Work or money from a peer that has no session: at most what was under way when one ended.
    Stray,
    /// Everything else: it is only sent within a session, whose own bounds are narrower.
    Other,
}

/// Messages at once after a quiet time, and per second.
struct Rate {
    burst: u32,
    per_second: u32,
}

impl Kind {
    const COUNT: usize = 9;

    /// The kind of a message from a peer of this rank.
    pub(crate) const fn of(message: &Message, rank: Rank) -> Self {
        match message {
            Message::QuoteRequest(_) | Message::HubQuoteRequest(_)
                if matches!(rank, Rank::Stranger) =>
            {
                Self::FirstQuote
            }
            Message::Open(_) | Message::RelayOpen(_) | Message::CloseConsent(_)
                if matches!(rank, Rank::Stranger) =>
            {
                Self::FirstOpen
            }
            Message::QuoteRequest(_) | Message::HubQuoteRequest(_) => Self::Quote,
            Message::Open(_) | Message::RelayOpen(_) | Message::CloseConsent(_) => Self::Open,
            Message::Step(_) | Message::Pay(_) | Message::RelayPay(_) | Message::Close(_)
                if matches!(rank, Rank::Stranger) =>
            {
                Self::Stray
            }
            Message::Pay(pay) => Self::of_payment(pay.payment.kind()),
            Message::RelayPay(pay) => Self::of_payment(pay.payment.kind()),
            Message::Fault(_) => Self::Fault,
            _ => Self::Other,
        }
    }

    const fn of_payment(kind: PaymentKind) -> Self {
        match kind {
            PaymentKind::Tick => Self::Tick,
            PaymentKind::Renewal | PaymentKind::Final => Self::Voucher,
        }
    }

    const fn rate(self) -> Rate {
        let (burst, per_second) = match self {
            Self::FirstQuote => (64, 16),
            Self::FirstOpen => (32, 8),
            Self::Quote => (512, 256),
            Self::Open => (256, 128),
            Self::Voucher => (256, 128),
            Self::Tick => (8_192, 8_192),
            Self::Fault => (256, 64),
            Self::Stray => (256, 16),
            Self::Other => (16_384, 16_384),
        };
        Rate { burst, per_second }
    }
}

/// Of each stranger, messages that cost a signature or a question to the chain and that count as
/// its first: a question and an opening.
pub(crate) const FIRST_WORDS: u32 = 2;
/// Strangers' first words at once and per second: as many as handshakes let in, so that those who
/// go on asking leave room for whoever has just come.
const NEWCOMERS: Rate =
    Rate { burst: FIRST_WORDS * HANDSHAKE_BURST, per_second: FIRST_WORDS * HANDSHAKES_PER_SECOND };
/// The same of what strangers say after that, all together: keys are free, so that a limit per key
/// alone limits nobody.
const STRANGERS: Rate = Rate { burst: 128, per_second: 32 };

/// A bucket of tokens that fills up by itself.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// Millionths of a token.
    level: u64,
    full: u64,
    /// Millionths per millisecond.
    per_ms: u64,
    at: Instant,
}

impl Bucket {
    const TOKEN: u64 = 1_000_000;

    /// A full bucket.
    pub(crate) fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let full = u64::from(burst) * Self::TOKEN;
        Self { level: full, full, per_ms: u64::from(per_second) * Self::TOKEN / 1_000, at: now }
    }

    fn of(rate: &Rate, now: Instant) -> Self {
        Self::new(rate.burst, rate.per_second, now)
    }

    /// When a token was last asked for.
    pub(crate) const fn asked(&self) -> Instant {
        self.at
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long to wait for one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(0);
        if ms > 0 {
            self.at = now;
            self.level = self.level.saturating_add(ms.saturating_mul(self.per_ms)).min(self.full);
        }
        match self.level.checked_sub(Self::TOKEN) {
            Some(level) => {
                self.level = level;
                Ok(())
            }
            None => {
                let missing = Self::TOKEN - self.level;
                Err(Duration::from_millis(missing.div_ceil(self.per_ms.max(1))))
            }
        }
    }
}

/// One peer's buckets.
#[derive(Debug)]
pub(crate) struct Traffic([Bucket; Kind::COUNT]);

impl Traffic {
    pub(crate) fn new(now: Instant) -> Self {
        let kinds = [
            Kind::FirstQuote,
            Kind::FirstOpen,
            Kind::Quote,
            Kind::Open,
            Kind::Voucher,
            Kind::Tick,
            Kind::Fault,
            Kind::Stray,
            Kind::Other,
        ];
        Self(kinds.map(|kind| Bucket::of(&kind.rate(), now)))
    }

    /// Counts a message of this kind.
    ///
    /// # Errors
    /// How long to wait until one more may come.
    pub(crate) fn take(&mut self, kind: Kind, now: Instant) -> Result<(), Duration> {
        self.0[kind as usize].take(now)
    }
}

/// What all strangers together may ask.
#[derive(Debug)]
pub(crate) struct StrangersTraffic {
    newcomers: Bucket,
    others: Bucket,
}

impl StrangersTraffic {
    pub(crate) fn new(now: Instant) -> Self {
        Self { newcomers: Bucket::of(&NEWCOMERS, now), others: Bucket::of(&STRANGERS, now) }
    }

    /// Whether one more message of this kind may be taken from a stranger. `words` is how many such
    /// messages it has sent before.
    pub(crate) fn take(&mut self, kind: Kind, words: u32, now: Instant) -> bool {
        match kind {
            Kind::FirstQuote | Kind::FirstOpen if words < FIRST_WORDS => {
                self.newcomers.take(now).is_ok()
            }
            Kind::FirstQuote | Kind::FirstOpen => self.others.take(now).is_ok(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, 2, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(500)));
        let later = start + Duration::from_millis(400);
        assert_eq!(bucket.take(later), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(start + Duration::from_millis(500)), Ok(()));
        let long_after = start + Duration::from_secs(3_600);
        for _ in 0..3 {
            assert_eq!(bucket.take(long_after), Ok(()), "no more than the burst is saved up");
        }
        assert!(bucket.take(long_after).is_err());
    }

    #[test]
    fn kinds_are_counted_apart() {
        let now = Instant::now();
        let mut traffic = Traffic::new(now);
        while traffic.take(Kind::Quote, now).is_ok() {}
        assert_eq!(traffic.take(Kind::Tick, now), Ok(()));
        assert_eq!(traffic.take(Kind::Open, now), Ok(()));
    }

    #[test]
    fn strangers_share_what_costs_signatures_and_leave_room_for_whoever_has_just_come() {
        let now = Instant::now();
        let mut strangers = StrangersTraffic::new(now);
        let mut taken =
            |words| (0..10_000).take_while(|_| strangers.take(Kind::FirstOpen, words, now)).count();
        assert_eq!(taken(FIRST_WORDS), STRANGERS.burst as usize);
        assert_eq!(taken(FIRST_WORDS - 1), NEWCOMERS.burst as usize, "of their own");
        assert!(!strangers.take(Kind::FirstQuote, 0, now) && strangers.take(Kind::Fault, 9, now));
    }
}

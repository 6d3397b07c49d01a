//! What a redeem pays and how a channel ends: the rules that the chain keeps, and that payer and
//! payee reckon with before anything reaches the chain.
//!
//! The channels pallet settles with [`settle`] and closes with [`close`], [`extended`] and
//! [`check_finish`]; a payee's ledger asks [`settle`] what a promise is worth at this moment. There
//! is no second copy of a rule, so both sides cannot come to different sums. Signatures and hash
//! chains are checked elsewhere: the chain does it with host functions, peers do it once per
//! message.
//!
//! Pure arithmetic: no storage, no clock, and nothing can fail but with a [`SettleError`] or an
//! [`EndError`].

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{
    Balance, BlockNumber, Channel, ChannelState, Closing, Lane, MAX_LANES, Redeem, Voucher,
};

/// How often a late redeem may move the end of a closing channel.
pub const MAX_EXTENSIONS: u8 = 3;
/// A late redeem by somebody else moves the end only if it pays at least one part in so many of
/// what the channel still held: otherwise a payer could use all extensions up for three base units.
pub const EXTENSION_PART: Balance = 16;
/// A bounty is at most one part in so many of what the redeem pays.
pub const BOUNTY_PART: Balance = 16;

/// The longest that a payee can have from a payer's request to close to the end of a channel with
/// this window: all extensions included.
pub const fn longest_close(window: BlockNumber) -> BlockNumber {
    window.saturating_add((MAX_EXTENSIONS as BlockNumber).saturating_mul(window / 10))
}

/// What a redeem depends on of its channel, but for its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Everything ever put in, base units.
    pub deposit: Balance,
    /// Everything ever paid out, base units.
    pub claimed: Balance,
    /// First block in which the payer can finish the channel, if it asked to close.
    pub ends: Option<BlockNumber>,
    /// First block in which somebody else may keep a bounty: the middle of the payee's window.
    /// Nothing while the channel is open, and nothing to a payee, which gets everything.
    pub bounty_from: Option<BlockNumber>,
}

impl<AccountId> From<&Channel<AccountId>> for Figures {
    fn from(channel: &Channel<AccountId>) -> Self {
        let bounty_from = match &channel.state {
            ChannelState::Open => None,
            ChannelState::Closing(closing) => Some(closing.at.saturating_add(channel.window / 2)),
        };
        Self {
            deposit: channel.deposit,
            claimed: channel.claimed,
            ends: channel.state.ends(),
            bounty_from,
        }
    }
}

impl ChannelState {
    /// First block in which the payer can finish the channel, if it asked to close.
    pub const fn ends(&self) -> Option<BlockNumber> {
        match self {
            Self::Open => None,
            Self::Closing(closing) => Some(closing.ends),
        }
    }
}

/// Who submits a redeem. Whoever it is, the payee is paid.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Submitter {
    /// The payee: its submission is its consent to the voucher's receipts.
    Payee,
    /// Anybody else, the payer included.
    Other,
}

/// What a redeem does to the lane's number and receipts.
///
/// The payee's submission is its consent: it moves the lane's number, and vouchers below that are
/// stale. A submission by somebody else must not, or the payer would make the payee's better
/// voucher stale with a newer and poorer one. But its receipts are fixed beside the payee's own: a
/// worker that redeems through a second account answers for them like any other, and a root that
/// the payer made up binds nobody, because a dispute needs a receipt with the worker's signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipts {
    /// The payee submitted a newer voucher.
    Fixed,
    /// Somebody else was the first to submit a voucher so new.
    Shown,
    /// The voucher is no newer than one that was redeemed before.
    Unchanged,
}

/// What a redeem does, decided before anything is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Total promised on the lane, ticks included, base units.
    pub promised: Balance,
    /// Base units to pay now, the bounty included.
    pub paid: Balance,
    /// Base units of it that the submitter keeps.
    pub bounty: Balance,
    /// Base units promised on the lane that stay unpaid, because the deposit does not cover them.
    pub missing: Balance,
    /// Which receipts are fixed.
    pub receipts: Receipts,
    /// Whether a redeem like this moves the end of a channel that is about to end: the payee's own
    /// does if it pays at all, another's if it pays a good part of what is left.
    pub extends: bool,
}

impl Settlement {
    /// The lane after the redeem of `voucher`.
    #[must_use]
    pub const fn lane_after(&self, lane: Lane, voucher: &Voucher) -> Lane {
        let mut after = lane;
        if self.promised > after.cumulative {
            after.cumulative = self.promised;
        }
        after.claimed = lane.claimed.saturating_add(self.paid);
        if matches!(self.receipts, Receipts::Fixed) {
            after.seq = voucher.seq;
            after.receipts_root = voucher.receipts_root;
            after.receipts = voucher.receipts;
        }
        if !matches!(self.receipts, Receipts::Unchanged) && voucher.seq > after.shown {
            after.shown = voucher.seq;
        }
        after
    }
}

/// Why a redeem does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettleError {
    /// The payee's window is over.
    WindowOver,
    /// The voucher has expired.
    Expired,
    /// There is no such lane.
    LaneOutOfRange,
    /// A newer voucher of the lane was redeemed by the payee, or the number is 0.
    StaleVoucher,
    /// A tick is shown and the voucher has no chain.
    BadTick,
    /// A preimage is shown and the voucher has no lock, or it has a lock and a chain.
    BadLock,
    /// The preimage comes too late.
    LockExpired,
    /// The promised amount does not fit a balance.
    AmountOverflow,
    /// More than this was promised on the lane before, and the payee did not submit it.
    AmountFell,
    /// Everything promised was paid before, or the deposit is used up.
    NothingToPay,
}

/// What `redeem` does in block `now` to a channel with these figures, of which `lane` is the lane
/// that the voucher names (zeros for one that was never redeemed).
///
/// A voucher may be redeemed again with a further tick, so its number may equal the lane's. A
/// redeem that pays nothing is an error, unless the payee fixes the receipts of a newer voucher
/// with it; then the voucher may promise less than was promised before, so that nobody keeps the
/// payee from fixing its receipts by paying it one unit more.
///
/// # Errors
/// [`SettleError`], in the order of its variants.
pub fn settle(
    channel: &Figures,
    lane: &Lane,
    redeem: &Redeem,
    submitter: Submitter,
    now: BlockNumber,
) -> Result<Settlement, SettleError> {
    let voucher = &redeem.voucher;
    if channel.ends.is_some_and(|ends| now >= ends) {
        return Err(SettleError::WindowOver);
    }
    if now > voucher.expires {
        return Err(SettleError::Expired);
    }
    if u32::from(voucher.lane) >= MAX_LANES {
        return Err(SettleError::LaneOutOfRange);
    }
    if voucher.seq == 0 || voucher.seq < lane.seq {
        return Err(SettleError::StaleVoucher);
    }
    let promised = promise(redeem)?;
    if redeem.preimage.is_some() && voucher.lock.is_some_and(|lock| now > lock.expires) {
        return Err(SettleError::LockExpired);
    }
    let receipts = match submitter {
        Submitter::Payee if voucher.seq > lane.seq => Receipts::Fixed,
        Submitter::Other if voucher.seq > lane.shown.max(lane.seq) => Receipts::Shown,
        _ => Receipts::Unchanged,
    };
    // What somebody else promised or showed beyond it takes nothing from the payee's own voucher.
    if promised < lane.cumulative && submitter == Submitter::Other {
        return Err(SettleError::AmountFell);
    }
    let owed = promised.saturating_sub(lane.claimed);
    // Not negative: claimed <= deposit in a channel.
    let left = channel.deposit.saturating_sub(channel.claimed);
    let paid = owed.min(left);
    if paid == 0 && receipts != Receipts::Fixed {
        return Err(SettleError::NothingToPay);
    }
    let extends = match submitter {
        Submitter::Payee => paid > 0,
        Submitter::Other => paid >= left.div_ceil(EXTENSION_PART),
    };
    let bounty = bounty(channel, voucher, submitter, paid, now);
    let missing = owed.saturating_sub(paid);
    Ok(Settlement { promised, paid, bounty, missing, receipts, extends })
}

/// What the submitter of a redeem that pays `paid` keeps of it, base units.
///
/// The payer signs the bounty and the payee only accepts the voucher, so the payer could sign
/// another with all of the money in it and redeem that itself. Therefore it is at most a sixteenth,
/// and paid only from the middle of a closing channel's window on: a payee that is there has
/// redeemed by then, and one that is not would lose everything.
pub fn bounty(
    channel: &Figures,
    voucher: &Voucher,
    submitter: Submitter,
    paid: Balance,
    now: BlockNumber,
) -> Balance {
    let is_due = channel.bounty_from.is_some_and(|from| now >= from);
    match submitter {
        Submitter::Other if is_due => voucher.bounty.min(paid / BOUNTY_PART),
        _ => 0,
    }
}

/// What `redeem` promises on its lane, ticks included, wherever it stands.
///
/// # Errors
/// [`SettleError::LaneOutOfRange`], [`SettleError::BadTick`], [`SettleError::BadLock`],
/// [`SettleError::AmountOverflow`].
pub fn promise(redeem: &Redeem) -> Result<Balance, SettleError> {
    let voucher = &redeem.voucher;
    if u32::from(voucher.lane) >= MAX_LANES {
        return Err(SettleError::LaneOutOfRange);
    }
    if redeem.tick.is_some() && voucher.tick.is_none() {
        return Err(SettleError::BadTick);
    }
    let has_both = voucher.tick.is_some() && voucher.lock.is_some();
    if has_both || redeem.preimage.is_some() && voucher.lock.is_none() {
        return Err(SettleError::BadLock);
    }
    redeem.promised().ok_or(SettleError::AmountOverflow)
}

/// The last block in which a voucher can be redeemed that expires after block `expires`, on a
/// channel that can be finished from block `ends` on.
pub const fn last_redeem(ends: Option<BlockNumber>, expires: BlockNumber) -> BlockNumber {
    match ends {
        Some(ends) if ends <= expires => ends.saturating_sub(1),
        _ => expires,
    }
}

/// Blocks that are left for a redeem, this one included; 0 if it is too late.
pub const fn remaining_life(
    ends: Option<BlockNumber>,
    expires: BlockNumber,
    now: BlockNumber,
) -> BlockNumber {
    // A window that ends with block 0 leaves none, not one.
    if matches!(ends, Some(0)) {
        return 0;
    }
    last_redeem(ends, expires).saturating_add(1).saturating_sub(now)
}

/// Who asks to close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// Gets the rest back, after the window.
    Payer,
    /// May end the channel at any time.
    Payee,
}

/// What a request to close does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// The channel is over.
    AtOnce,
    /// The payee's window runs.
    Window(Closing),
}

/// Why a channel does not end now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndError {
    /// The payer has asked already.
    AlreadyClosing,
    /// Nobody has asked.
    NotClosing,
    /// The payee's window still runs.
    WindowRuns,
}

/// What the request of `party` does in block `now` to a channel with this state and window.
///
/// # Errors
/// [`EndError::AlreadyClosing`].
pub const fn close(
    state: &ChannelState,
    window: BlockNumber,
    party: Party,
    now: BlockNumber,
) -> Result<Close, EndError> {
    match (party, state) {
        (Party::Payee, _) => Ok(Close::AtOnce),
        (Party::Payer, ChannelState::Open) => {
            Ok(Close::Window(Closing { at: now, ends: now.saturating_add(window), extended: 0 }))
        }
        (Party::Payer, ChannelState::Closing(_)) => Err(EndError::AlreadyClosing),
    }
}

/// A closing channel after a redeem in block `now` that [extends](Settlement::extends), if that
/// moves its end: in the last tenth of the window, at most [`MAX_EXTENSIONS`] times.
pub const fn extended(closing: &Closing, window: BlockNumber, now: BlockNumber) -> Option<Closing> {
    let ends = now.saturating_add(window / 10);
    if closing.extended >= MAX_EXTENSIONS || ends <= closing.ends {
        return None;
    }
    Some(Closing { at: closing.at, ends, extended: closing.extended + 1 })
}

/// Whether anybody may finish the channel in block `now`.
///
/// # Errors
/// [`EndError::NotClosing`], [`EndError::WindowRuns`].
pub const fn check_finish(state: &ChannelState, now: BlockNumber) -> Result<(), EndError> {
    match state.ends() {
        None => Err(EndError::NotClosing),
        Some(ends) if now < ends => Err(EndError::WindowRuns),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelId, Lock, Tick, TickProof};

    const OPEN: Figures = Figures { deposit: 1_000, claimed: 0, ends: None, bounty_from: None };

    fn redeem(seq: u64, cumulative: Balance, ticks: Option<u16>) -> Redeem {
        let voucher = Voucher {
            channel: ChannelId([1; 32]),
            lane: 0,
            seq,
            cumulative,
            receipts_root: [seq as u8; 32],
            receipts: seq,
            expires: 100,
            tick: ticks.map(|_| Tick { anchor: [0; 32], unit: 10, max: 50 }),
            lock: None,
            bounty: 0,
        };
        let tick = ticks.filter(|n| *n > 0).map(|n| TickProof { n, preimage: [0; 32] });
        Redeem { voucher, signature: [0; 64], tick, preimage: None }
    }

    fn locked(seq: u64, cumulative: Balance, amount: Balance, expires: BlockNumber) -> Redeem {
        let mut shown = redeem(seq, cumulative, None);
        shown.voucher.lock = Some(Lock { hash: [0; 32], amount, expires });
        shown.preimage = Some([0; 32]);
        shown
    }

    #[test]
    fn one_voucher_pays_each_further_tick_and_fixes_its_receipts_once() {
        let (mut channel, mut lane, mut paid) = (OPEN, Lane::default(), Vec::new());
        for n in [0, 5, 5, 20] {
            let shown = redeem(1, 100, Some(n));
            match settle(&channel, &lane, &shown, Submitter::Payee, 7) {
                Ok(done) => {
                    lane = done.lane_after(lane, &shown.voucher);
                    channel.claimed += done.paid;
                    paid.push((done.paid, done.receipts));
                }
                Err(error) => assert_eq!(error, SettleError::NothingToPay),
            }
        }
        use Receipts::{Fixed, Unchanged};
        assert_eq!(paid, vec![(100, Fixed), (50, Unchanged), (150, Unchanged)]);
        assert_eq!((lane.seq, lane.receipts, lane.claimed), (1, 1, 300));
    }

    #[test]
    fn a_stranger_moves_money_and_no_number_of_the_payee() {
        let shown = redeem(9, 100, None);
        let done = settle(&OPEN, &Lane::default(), &shown, Submitter::Other, 7).expect("pays");
        assert_eq!(done.receipts, Receipts::Shown);
        let lane = done.lane_after(Lane::default(), &shown.voucher);
        assert_eq!((lane.seq, lane.shown, lane.receipts, lane.claimed), (0, 9, 0, 100));
        // The same voucher with more money fixes nothing a second time.
        let more = settle(&OPEN, &lane, &redeem(9, 110, None), Submitter::Other, 7);
        assert_eq!(more.map(|done| done.receipts), Ok(Receipts::Unchanged));
        // The payee's older number still counts.
        let own = settle(&OPEN, &lane, &redeem(1, 100, Some(1)), Submitter::Payee, 7);
        assert_eq!(own.map(|done| (done.paid, done.receipts)), Ok((10, Receipts::Fixed)));
    }

    #[test]
    fn the_payee_fixes_its_receipts_whatever_was_promised_meanwhile() {
        // The payer pays one unit more than the payee's voucher says, with a number above it.
        let drained = Lane { cumulative: 101, claimed: 101, shown: u64::MAX, ..Lane::default() };
        let own = redeem(4, 100, None);
        let done = settle(&OPEN, &drained, &own, Submitter::Payee, 7).expect("it fixes");
        assert_eq!((done.paid, done.missing, done.receipts), (0, 0, Receipts::Fixed));
        let lane = done.lane_after(drained, &own.voucher);
        assert_eq!((lane.seq, lane.receipts, lane.cumulative, lane.claimed), (4, 4, 101, 101));
        assert_eq!(
            settle(&OPEN, &drained, &own, Submitter::Other, 7),
            Err(SettleError::AmountFell)
        );
        assert_eq!(settle(&OPEN, &lane, &own, Submitter::Payee, 7), Err(SettleError::NothingToPay));
        // A promise that the deposit did not cover takes nothing from the ticks that follow.
        let short = Lane { cumulative: 5_000, claimed: 90, seq: 4, ..lane };
        let done = settle(&OPEN, &short, &own, Submitter::Payee, 7).expect("it pays");
        assert_eq!((done.paid, done.receipts), (10, Receipts::Unchanged));
    }

    #[test]
    fn a_lock_pays_until_its_last_block_and_never_beside_ticks() {
        let pays = |shown: &Redeem, now| {
            settle(&OPEN, &Lane::default(), shown, Submitter::Payee, now).map(|done| done.paid)
        };
        let shown = locked(1, 100, 30, 50);
        assert_eq!(pays(&shown, 50), Ok(130));
        assert_eq!(pays(&shown, 51), Err(SettleError::LockExpired));
        // Without the preimage the rest is paid, before and after.
        let rest = Redeem { preimage: None, ..shown.clone() };
        assert_eq!((pays(&rest, 50), pays(&rest, 51)), (Ok(100), Ok(100)));
        let mut both = shown;
        both.voucher.tick = Some(Tick { anchor: [0; 32], unit: 1, max: 1 });
        assert_eq!(pays(&both, 1), Err(SettleError::BadLock));
        let keyless = Redeem { preimage: Some([0; 32]), ..redeem(1, 100, None) };
        assert_eq!(pays(&keyless, 1), Err(SettleError::BadLock));
        assert_eq!(pays(&locked(1, 1, Balance::MAX, 50), 1), Err(SettleError::AmountOverflow));
    }

    #[test]
    fn a_bounty_waits_for_half_of_the_window_and_takes_a_sixteenth_at_most() {
        let closing = Figures { ends: Some(50), bounty_from: Some(30), ..OPEN };
        let bounty = |figures: &Figures, by, bounty, now| {
            let mut shown = redeem(1, 160, None);
            shown.voucher.bounty = bounty;
            let done = settle(figures, &Lane::default(), &shown, by, now).expect("pays");
            assert_eq!(done.paid, 160);
            done.bounty
        };
        assert_eq!(bounty(&closing, Submitter::Other, 3, 30), 3);
        assert_eq!(bounty(&closing, Submitter::Other, 160, 49), 10);
        assert_eq!(bounty(&closing, Submitter::Other, 160, 29), 0);
        assert_eq!(bounty(&closing, Submitter::Payee, 160, 30), 0);
        assert_eq!(bounty(&OPEN, Submitter::Other, 160, 30), 0);
    }

    #[test]
    fn dust_from_somebody_else_extends_nothing() {
        let extends = |cumulative, by| {
            settle(&OPEN, &Lane::default(), &redeem(1, cumulative, None), by, 7)
                .map(|done| done.extends)
        };
        assert_eq!(extends(1, Submitter::Other), Ok(false));
        assert_eq!(extends(62, Submitter::Other), Ok(false));
        assert_eq!(extends(63, Submitter::Other), Ok(true));
        assert_eq!(extends(1, Submitter::Payee), Ok(true));
        assert_eq!(extends(0, Submitter::Payee), Ok(false));
    }

    #[test]
    fn the_longest_close_is_what_the_extensions_come_to() {
        for window in [10, 20, 99, 1_000] {
            let Ok(Close::Window(mut closing)) =
                close(&ChannelState::Open, window, Party::Payer, 5)
            else {
                panic!("a payer waits")
            };
            while let Some(later) = extended(&closing, window, closing.ends - 1) {
                closing = later;
            }
            assert!(closing.ends - closing.at <= longest_close(window), "{window}");
        }
    }

    #[test]
    fn what_the_deposit_lacks_is_paid_after_a_top_up() {
        let (mut channel, shown) = (OPEN, redeem(1, 1_300, None));
        let first = settle(&channel, &Lane::default(), &shown, Submitter::Payee, 7).expect("pays");
        assert_eq!((first.paid, first.missing), (1_000, 300));
        channel.claimed = 1_000;
        let lane = first.lane_after(Lane::default(), &shown.voucher);
        let again = settle(&channel, &lane, &shown, Submitter::Payee, 7);
        assert_eq!(again, Err(SettleError::NothingToPay));
        channel.deposit = 1_200;
        let again = settle(&channel, &lane, &shown, Submitter::Payee, 7).expect("pays the rest");
        assert_eq!((again.paid, again.missing), (200, 100));
    }

    #[test]
    fn every_reason_to_refuse_has_its_boundary() {
        let lane = Lane { seq: 5, cumulative: 100, claimed: 100, ..Lane::default() };
        let on = |figures: Figures, shown: Redeem, now| {
            settle(&figures, &lane, &shown, Submitter::Payee, now).err()
        };
        let closing = Figures { ends: Some(50), ..OPEN };
        assert_eq!(on(closing, redeem(6, 200, None), 49), None);
        assert_eq!(on(closing, redeem(6, 200, None), 50), Some(SettleError::WindowOver));
        assert_eq!(on(OPEN, redeem(6, 200, None), 100), None);
        assert_eq!(on(OPEN, redeem(6, 200, None), 101), Some(SettleError::Expired));
        assert_eq!(on(OPEN, redeem(4, 200, None), 1), Some(SettleError::StaleVoucher));
        assert_eq!(on(OPEN, redeem(5, 100, None), 1), Some(SettleError::NothingToPay));
        assert_eq!(on(OPEN, redeem(5, 99, None), 1), Some(SettleError::NothingToPay));
        let others = settle(&OPEN, &lane, &redeem(6, 99, None), Submitter::Other, 1);
        assert_eq!(others, Err(SettleError::AmountFell));
        assert_eq!(
            on(OPEN, redeem(6, Balance::MAX, Some(1)), 1),
            Some(SettleError::AmountOverflow)
        );
        let mut shown = redeem(6, 200, Some(3));
        shown.voucher.tick = None;
        assert_eq!(on(OPEN, shown, 1), Some(SettleError::BadTick));
        let mut shown = redeem(6, 200, None);
        shown.voucher.lane = MAX_LANES as u16;
        assert_eq!(on(OPEN, shown, 1), Some(SettleError::LaneOutOfRange));
        let zero = settle(&OPEN, &Lane::default(), &redeem(0, 9, None), Submitter::Payee, 1);
        assert_eq!(zero, Err(SettleError::StaleVoucher));
    }

    #[test]
    fn the_life_that_remains_is_counted_as_a_redeem_would_find_it() {
        for ends in [None, Some(0), Some(1), Some(20), Some(21), Some(22)] {
            for now in 0..30 {
                let life = remaining_life(ends, 20, now);
                let figures = Figures { ends, ..OPEN };
                for ahead in 0..5 {
                    let mut shown = redeem(1, 10, None);
                    shown.voucher.expires = 20;
                    let pays =
                        settle(&figures, &Lane::default(), &shown, Submitter::Other, now + ahead);
                    assert_eq!(pays.is_ok(), ahead < life, "{ends:?} {now} {ahead}");
                }
            }
        }
    }

    #[test]
    fn a_channel_ends_as_its_manual_says() {
        let open = ChannelState::Open;
        assert_eq!(close(&open, 20, Party::Payee, 5), Ok(Close::AtOnce));
        assert_eq!(check_finish(&open, 5), Err(EndError::NotClosing));
        let Ok(Close::Window(mut closing)) = close(&open, 20, Party::Payer, 5) else {
            panic!("a payer waits")
        };
        assert_eq!(closing, Closing { at: 5, ends: 25, extended: 0 });
        let state = ChannelState::Closing(closing);
        assert_eq!(close(&state, 20, Party::Payee, 6), Ok(Close::AtOnce));
        assert_eq!(close(&state, 20, Party::Payer, 6), Err(EndError::AlreadyClosing));
        assert_eq!(check_finish(&state, 24), Err(EndError::WindowRuns));
        assert_eq!(check_finish(&state, 25), Ok(()));
        assert_eq!(extended(&closing, 20, 23), None);
        for _ in 0..MAX_EXTENSIONS {
            let before = closing.ends;
            closing = extended(&closing, 20, before - 1).expect("the last tenth");
            assert_eq!(closing.ends, before + 1);
        }
        assert_eq!(extended(&closing, 20, closing.ends - 1), None);
    }
}

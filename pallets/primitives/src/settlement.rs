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

use crate::{
    Balance, BlockNumber, Channel, ChannelState, Closing, Lane, MAX_LANES, Redeem, Voucher,
};

/// How often a late redeem may move the end of a closing channel.
pub const MAX_EXTENSIONS: u8 = 3;

/// What a redeem depends on of its channel, but for its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Everything ever put in, base units.
    pub deposit: Balance,
    /// Everything ever paid out, base units.
    pub claimed: Balance,
    /// First block in which the payer can finish the channel, if it asked to close.
    pub ends: Option<BlockNumber>,
}

impl<AccountId> From<&Channel<AccountId>> for Figures {
    fn from(channel: &Channel<AccountId>) -> Self {
        Self { deposit: channel.deposit, claimed: channel.claimed, ends: channel.state.ends() }
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

/// Who submits a redeem. Whoever it is, only the payee is paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Submitter {
    /// The payee: its submission is its consent to the voucher's receipts.
    Payee,
    /// Anybody else, the payer included.
    Other,
}

/// Whether a redeem fixes its voucher's number and receipts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipts {
    /// The payee submitted a newer voucher.
    Fixed,
    /// Somebody else submitted it, or it is the voucher that was redeemed last.
    Unchanged,
}

/// What a redeem does, decided before anything is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Total promised on the lane, ticks included, base units.
    pub promised: Balance,
    /// Base units to pay now.
    pub paid: Balance,
    /// Base units promised on the lane that stay unpaid, because the deposit does not cover them.
    pub missing: Balance,
    /// Whether the lane's number and receipts move: only the payee moves them.
    pub receipts: Receipts,
}

impl Settlement {
    /// The lane after the redeem of `voucher`.
    #[must_use]
    pub const fn lane_after(&self, lane: Lane, voucher: &Voucher) -> Lane {
        let mut after = lane;
        after.cumulative = self.promised;
        after.claimed = lane.claimed.saturating_add(self.paid);
        if matches!(self.receipts, Receipts::Fixed) {
            after.seq = voucher.seq;
            after.receipts_root = voucher.receipts_root;
            after.receipts = voucher.receipts;
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
    /// The promised amount does not fit a balance.
    AmountOverflow,
    /// More than this was promised on the lane before.
    AmountFell,
    /// Everything promised was paid before, or the deposit is used up.
    NothingToPay,
}

/// What `redeem` does in block `now` to a channel with these figures, of which `lane` is the lane
/// that the voucher names (zeros for one that was never redeemed).
///
/// A voucher may be redeemed again with a further tick, so its number may equal the lane's. A
/// redeem that pays nothing is an error, unless it fixes the receipts of a newer voucher.
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
    if promised < lane.cumulative {
        return Err(SettleError::AmountFell);
    }
    // Neither difference can be negative: claimed <= cumulative <= promised on a lane, claimed <=
    // deposit in a channel.
    let owed = promised.saturating_sub(lane.claimed);
    let paid = owed.min(channel.deposit.saturating_sub(channel.claimed));
    let receipts = match submitter {
        Submitter::Payee if voucher.seq > lane.seq => Receipts::Fixed,
        _ => Receipts::Unchanged,
    };
    if paid == 0 && receipts == Receipts::Unchanged {
        return Err(SettleError::NothingToPay);
    }
    Ok(Settlement { promised, paid, missing: owed.saturating_sub(paid), receipts })
}

/// What `redeem` promises on its lane, ticks included, wherever it stands.
///
/// # Errors
/// [`SettleError::LaneOutOfRange`], [`SettleError::BadTick`], [`SettleError::AmountOverflow`].
pub fn promise(redeem: &Redeem) -> Result<Balance, SettleError> {
    let voucher = &redeem.voucher;
    if u32::from(voucher.lane) >= MAX_LANES {
        return Err(SettleError::LaneOutOfRange);
    }
    if redeem.tick.is_some() && voucher.tick.is_none() {
        return Err(SettleError::BadTick);
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

/// A closing channel after a redeem that paid in block `now`, if that moves its end: in the last
/// tenth of the window, at most [`MAX_EXTENSIONS`] times.
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
    use crate::{ChannelId, Tick, TickProof};

    const OPEN: Figures = Figures { deposit: 1_000, claimed: 0, ends: None };

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
        };
        let tick = ticks.filter(|n| *n > 0).map(|n| TickProof { n, preimage: [0; 32] });
        Redeem { voucher, signature: [0; 64], tick }
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
    fn a_stranger_moves_money_and_nothing_else() {
        let shown = redeem(9, 100, None);
        let done = settle(&OPEN, &Lane::default(), &shown, Submitter::Other, 7).expect("pays");
        let lane = done.lane_after(Lane::default(), &shown.voucher);
        assert_eq!((lane.seq, lane.receipts, lane.claimed), (0, 0, 100));
        // The payee's older number still counts.
        let own = settle(&OPEN, &lane, &redeem(1, 100, Some(1)), Submitter::Payee, 7);
        assert_eq!(own.map(|done| (done.paid, done.receipts)), Ok((10, Receipts::Fixed)));
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
        assert_eq!(on(OPEN, redeem(6, 99, None), 1), Some(SettleError::AmountFell));
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

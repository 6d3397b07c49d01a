//! Every bound of the protocol in one place. A peer that exceeds one is refused with a code that
//! names it; none of them is advisory.
//!
//! They bound the memory and work that a stranger can cause, before and after paying.
//! `tests/limits.rs` crosses each of them.

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ pub const $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// Every bound: its name, its value and what its documentation says. The book's table of
        /// limits is made from it.
        pub const ALL: &[(&str, u64, &str)] =
            &[$((stringify!($name), $name as u64, concat!($($doc),+)),)+];
    };
}

limits! {
    /// Version byte of every frame. Another version is refused with
    /// [`crate::FaultCode::UnknownVersion`].
    pub const PROTOCOL_VERSION: u8 = 6;
    /// Most bytes of one frame after its length field: a full step of the widest model, and room
    /// for its header.
    pub const MAX_FRAME_BYTES: usize = MAX_STEP_ROWS as usize * MAX_HIDDEN as usize * 4 + 64 * 1024;
    /// Widest hidden state, in f32 values per position.
    pub const MAX_HIDDEN: u32 = 16_384;
    /// Most positions in one step. Equal to [`LEAF_POSITIONS`], so that a step touches at most two
    /// receipts.
    pub const MAX_STEP_ROWS: u16 = 16;
    /// Positions that one receipt covers: it ends at the next multiple of this, or where the
    /// session ends.
    pub const LEAF_POSITIONS: u32 = 16;
    /// Most positions (prompt and answer) in one session.
    pub const MAX_SESSION_POSITIONS: u32 = 131_072;
    /// Most stages in one path.
    pub const MAX_STAGES: usize = 16;
    /// Most token ids that end the answer.
    pub const MAX_END_IDS: u32 = 16;
    /// Most likely tokens whose log probabilities may come with each token.
    pub const MAX_TOP_LOG_PROBABILITIES: u32 = 20;
    /// Most bytes of a fault's text.
    pub const MAX_FAULT_TEXT_BYTES: usize = 512;
    /// Most hubs in a row between a payer and a stage.
    pub const MAX_HUBS: usize = 4;
    /// Most accounts of which a hub is asked at once whether it can pay them: a whole path's.
    pub const MAX_HUB_PAYEES: u32 = MAX_STAGES as u32;

    /// Positions that a worker computes before it is paid for them, unless its offer says
    /// otherwise.
    pub const DEFAULT_CREDIT_POSITIONS: u16 = 16;
    /// Positions that a payer pays for before receipts cover them, unless it decides otherwise.
    pub const DEFAULT_EXPOSURE_POSITIONS: u16 = 48;
    /// Positions that a hub promises ahead of the ticks that it was shown, unless its operator says
    /// otherwise: twice what a payer may have under way, so that it is renewed before it is used
    /// up.
    pub const DEFAULT_HUB_CREDIT_POSITIONS: u16 = 128;
    /// Least sum of credit and exposure with which a session cannot wait for itself: one receipt
    /// short of complete, and a full step.
    pub const MIN_CREDIT_AND_EXPOSURE: u16 = LEAF_POSITIONS as u16 - 1 + MAX_STEP_ROWS;
    /// Most positions of a prompt that a payer keeps between what it has sent and what every stage
    /// has given receipts for.
    pub const MAX_PIPELINE_POSITIONS: u32 = 128;
    /// Most positions that a stage gives its engine at once: at least one step.
    pub const MAX_JOB_POSITIONS: u32 = 64;
    /// Most positions that a stage holds while it waits for payment or for its engine. Above
    /// [`MAX_PIPELINE_POSITIONS`], so that an honest payer never meets it.
    pub const MAX_HELD_POSITIONS: u32 = 256;
    /// Most positions that a payer may have paid for beyond those that the stage has given receipts
    /// for: a tick that pays for more is refused before it is hashed. Above
    /// [`MAX_PIPELINE_POSITIONS`], so that an honest payer never meets it.
    pub const MAX_PAID_AHEAD: u32 = MAX_HELD_POSITIONS;
    /// Most ticks of one session that pay nothing new and are ignored, or are refused for something
    /// else than themselves: as many as an honest payer can have under way.
    pub const MAX_USELESS_TICKS: u32 = MAX_PAID_AHEAD;

    /// Most sessions that a worker serves at once.
    pub const MAX_SESSIONS: usize = 256;
    /// Most sessions that one payer may have at one worker.
    pub const MAX_SESSIONS_PER_PEER: usize = 8;
    /// Most sessions that one account may have at one worker, over all its channels and under
    /// whatever peer keys it comes.
    pub const MAX_SESSIONS_PER_ACCOUNT: usize = 128;
    /// Most sessions that wait for the chain's word on their channel. They keep no room.
    pub const MAX_OPENINGS: usize = 64;
    /// Most of them on channels of which the worker has no ledger: the others are left to payers
    /// that it knows.
    pub const MAX_UNKNOWN_OPENINGS: usize = 32;
    /// How often the chain must not have known a channel, one time after the other, before an
    /// opening on it is refused without asking.
    pub const MAX_UNKNOWN_ANSWERS: u32 = 3;
    /// Milliseconds for which that is remembered: a block.
    pub const UNKNOWN_CHANNEL_MS: u64 = 3_000;
    /// Most channels that are remembered like that.
    pub const MAX_UNKNOWN_CHANNELS: usize = 1_024;
    /// Most channels whose ledgers a worker keeps in memory. When there are as many, those of which
    /// nothing is to be redeemed make room, then those of which less is than a redeem costs.
    pub const MAX_LEDGERS: usize = 4_096;
    /// Mishaps of one account (sessions that ended unpaid or by a false tick, or held room that
    /// they never used) after which the worker takes its sessions one by one. What a payer leaves
    /// behind when its program dies counts once.
    pub const MAX_UNPAID_SESSIONS: u32 = 4;
    /// Milliseconds between two openings of an account that has had too many mishaps.
    pub const UNPAID_PAUSE_MS: u64 = 60_000;
    /// Blocks after which an account's mishaps are forgotten, if no other comes: a day.
    pub const SCORE_BLOCKS: u32 = 28_800;
    /// Most accounts whose mishaps are remembered; the oldest make room.
    pub const MAX_SCORES: usize = 4_096;
    /// Most sessions of which is remembered that they ended because their payers cheated; the
    /// oldest make room. What such a payer still sends is refused as what ended the session.
    pub const MAX_EXPELLED: usize = 256;
    /// Most receipts of a lane that no voucher has fixed yet: the longest session's, and as many
    /// again from sessions cut short.
    pub const MAX_UNFIXED_RECEIPTS: usize = 2 * (MAX_SESSION_POSITIONS / LEAF_POSITIONS) as usize;
    /// Most receipts of one stage that a payer keeps until the tokens that they speak of arrive.
    pub const MAX_WAITING_RECEIPTS: usize = 64;

    /// A voucher must be redeemable for at least so many more blocks, or a worker does not work for
    /// it.
    pub const EXPIRY_MARGIN_BLOCKS: u32 = 100;
    /// Most blocks before the middle of a closing channel's window in which nothing more is lent
    /// to its payer, nor afterwards; a quarter of the window, if that is less. From the middle on
    /// others may keep a bounty of what is not redeemed.
    pub const CLOSING_MARGIN_BLOCKS: u32 = 100;
    /// An agreement to close must be good for at least so many more blocks, or a worker does not
    /// submit it.
    pub const CONSENT_MARGIN_BLOCKS: u32 = 10;
    /// Blocks for which a payer makes an agreement to close good: longer than a hub waits for ticks
    /// that may still be shown ([`HUB_TICKS_BLOCKS`] and a part of its margin, or the least window
    /// if it pays another hub).
    pub const CONSENT_BLOCKS: u32 = 1_200;
    /// Blocks for which a payer makes its vouchers good.
    pub const VOUCHER_LIFETIME_BLOCKS: u32 = 20_000;
    /// Most blocks for which a voucher may be good when it comes: what never expires would have to
    /// be kept for ever.
    pub const MAX_VOUCHER_BLOCKS: u32 = 2 * VOUCHER_LIFETIME_BLOCKS;
    /// Blocks by which what a hub promises expires before what it is promised, and ticks also
    /// before the channel over which it is promised them can end.
    pub const HUB_MARGIN_BLOCKS: u32 = 200;
    /// Least window of a channel to a hub, and of its own ones, blocks: with it a promise outlives
    /// the margins of four hubs.
    pub const HUB_WINDOW_BLOCKS: u32 = 1_200;
    /// A hub's promise that could live for so many more blocks is made anew with the next tick.
    pub const HUB_RENEWAL_BLOCKS: u32 = 100;
    /// Most blocks for which a hub's promise with ticks to a worker lives: it is renewed long
    /// before, as long as the session runs, and as long as it lives the payer's channel cannot be
    /// closed early.
    pub const HUB_TICKS_BLOCKS: u32 = 400;
    /// Most chains of one lane of a payer's of which a hub remembers that ticks may have been kept
    /// from it.
    pub const MAX_EARLIER_CHAINS_PER_LANE: usize = 64;
    /// Most of them altogether; the second half is for channels that have few.
    pub const MAX_EARLIER_CHAINS: usize = 65_536;
    /// Lanes of one channel of a hub's own on which ticks may be lost to it before it promises
    /// nothing more there.
    pub const MAX_LOST_LANES: usize = 4;
    /// Blocks for which a hub promises nothing to an account that has kept ticks from it.
    pub const BAN_BLOCKS: u32 = 40_000;
    /// Most accounts of which a hub remembers that they have kept ticks from it; the first ones
    /// make room.
    pub const MAX_BANNED: usize = 4_096;
    /// Most relays that a hub has at once.
    pub const MAX_RELAYS: usize = 4_096;
    /// Most openings of relays that one peer may have waiting for the chain's word: two paths'.
    pub const MAX_RELAY_OPENINGS_PER_PEER: usize = 2 * MAX_STAGES;
    /// Milliseconds for which a hub waits for the first tick of a relay: longer than a payer waits
    /// for its workers' answers.
    pub const RELAY_OPENING_MS: u64 = 3 * OPENING_DEADLINE_MS;
    /// Milliseconds for which a hub waits for the next tick or receipt of a relay: longer than a
    /// payer waits for progress.
    pub const RELAY_IDLE_MS: u64 = STEP_DEADLINE_MS + 30_000;
    /// Blocks for which a worker or a hub keeps to a quote.
    pub const QUOTE_LIFETIME_BLOCKS: u32 = 100;

    /// Most positions that an opening voucher prepays for the room that the session holds. They are
    /// the first that the session computes.
    pub const MAX_PREPAID_POSITIONS: u16 = 16;
    /// Milliseconds of holding the session's room that an opening voucher prepays, up to
    /// [`MAX_PREPAID_POSITIONS`].
    pub const PREPAID_HOLDING_MS: u64 = 30_000;
    /// Unless the operator says otherwise, holding room costs one in so many parts of what it could
    /// earn.
    pub const HOLDING_SHARE: u128 = 20;

    /// Most milliseconds that an opening waits for the chain's word on its channel.
    pub const OPENING_DEADLINE_MS: u64 = 15_000;
    /// Milliseconds without a new final block after which a worker lends nothing more, or half of a
    /// channel's window, if that is less: a promise is worth what the chain will pay, and a chain
    /// that stands still, or a node that has lost it, says nothing of channels that are being
    /// closed.
    pub const FINALITY_DEADLINE_MS: u64 = 120_000;
    /// Most milliseconds that a stage waits for its next step: as long as the session has paid for
    /// its room, and no longer than this.
    pub const STEP_DEADLINE_MS: u64 = 120_000;
    /// Least milliseconds that it waits while half of its room is free: the time that the other
    /// stages of a path need to open.
    pub const LEAST_STEP_DEADLINE_MS: u64 = 20_000;
    /// Milliseconds that it waits when no room is free.
    pub const SCARCE_STEP_DEADLINE_MS: u64 = 10_000;
    /// Milliseconds of each wait that are not counted against what was paid: the pace of a path.
    pub const FREE_WAIT_MS: u64 = 1_000;
    /// Most milliseconds that a step waits for its payment.
    pub const CREDIT_DEADLINE_MS: u64 = 20_000;
    /// Most milliseconds that a step may take in the engine.
    pub const COMPUTE_DEADLINE_MS: u64 = 120_000;
    /// Most milliseconds that a stage waits for the final voucher.
    pub const SETTLE_DEADLINE_MS: u64 = 15_000;
}

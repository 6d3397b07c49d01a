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
    pub const PROTOCOL_VERSION: u8 = 3;
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

    /// Positions that a worker computes before it is paid for them, unless its offer says
    /// otherwise.
    pub const DEFAULT_CREDIT_POSITIONS: u16 = 16;
    /// Positions that a payer pays for before receipts cover them, unless it decides otherwise.
    pub const DEFAULT_EXPOSURE_POSITIONS: u16 = 48;
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

    /// Most sessions that a worker serves at once.
    pub const MAX_SESSIONS: usize = 256;
    /// Most sessions that one payer may have at one worker.
    pub const MAX_SESSIONS_PER_PEER: usize = 8;
    /// Most sessions that wait for the chain's word on their channel.
    pub const MAX_OPENINGS: usize = 64;
    /// Most channels whose ledgers a worker keeps in memory.
    pub const MAX_LEDGERS: usize = 4_096;
    /// How often sessions on one channel may end unpaid before the worker takes them one by one.
    /// What a payer leaves behind when its program dies counts once.
    pub const MAX_UNPAID_SESSIONS: u32 = 4;
    /// Milliseconds between two openings on a channel whose sessions ended unpaid too often.
    pub const UNPAID_PAUSE_MS: u64 = 60_000;
    /// Most receipts of a lane that no voucher has fixed yet: the longest session's, and as many
    /// again from sessions cut short.
    pub const MAX_UNFIXED_RECEIPTS: usize = 2 * (MAX_SESSION_POSITIONS / LEAF_POSITIONS) as usize;
    /// Most receipts of one stage that a payer keeps until the tokens that they speak of arrive.
    pub const MAX_WAITING_RECEIPTS: usize = 64;

    /// A voucher must be redeemable for at least so many more blocks, or a worker does not work for
    /// it.
    pub const EXPIRY_MARGIN_BLOCKS: u32 = 100;
    /// Most blocks before the end of a closing channel in which nothing more is lent to its payer;
    /// half of the window, if that is less.
    pub const CLOSING_MARGIN_BLOCKS: u32 = 100;
    /// Blocks for which a payer makes its vouchers good.
    pub const VOUCHER_LIFETIME_BLOCKS: u32 = 20_000;
    /// Blocks for which a worker keeps to a quote.
    pub const QUOTE_LIFETIME_BLOCKS: u32 = 100;

    /// Most milliseconds that an opening waits for the chain's word on its channel.
    pub const OPENING_DEADLINE_MS: u64 = 15_000;
    /// Milliseconds without a new final block after which a worker lends nothing more: a promise is
    /// worth what the chain will pay, and a chain that stands still, or a node that has lost it,
    /// says nothing of channels that are being closed.
    pub const FINALITY_DEADLINE_MS: u64 = 120_000;
    /// Most milliseconds that a stage waits for its next step.
    pub const STEP_DEADLINE_MS: u64 = 120_000;
    /// Most milliseconds that a step waits for its payment.
    pub const CREDIT_DEADLINE_MS: u64 = 20_000;
    /// Most milliseconds that a step may take in the engine.
    pub const COMPUTE_DEADLINE_MS: u64 = 120_000;
    /// Most milliseconds that a stage waits for the final voucher.
    pub const SETTLE_DEADLINE_MS: u64 = 15_000;
}

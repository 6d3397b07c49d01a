//! The payer's library: asks a swarm of workers a question, pays them per token and keeps their
//! receipts.
//!
//! A question, its answer and what it cost, from a program of your own (`examples/ask.rs` is the
//! whole of it, and a test runs it; `stream`, `quote` and `verify` lie beside it):
//!
//! ```no_run
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! use mica_payer::{Asker, LocalModel, Payer, Question, Secret, amount, verify};
//!
//! let secret = Secret::from_suri("//Alice")?;
//! let payer = Payer::connect("ws://127.0.0.1:9944", &secret).await?;
//! let asker = Asker::open(payer, "payer.redb".as_ref())?;
//! let model = LocalModel::open(None)?;
//! let question = Question::chat(&model, "What is a blockchain?", 64)?;
//! let answer = asker.complete(&model, &question).await?;
//! let stages = verify::stored(asker.store(), None, &answer.outcome.record).await?;
//! let receipts: u64 = stages.iter().map(|stage| stage.receipts).sum();
//! let paid = amount::format(answer.paid());
//! tracing::info!(paid, receipts, "{}", answer.text);
//! asker.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The modules follow a paid prompt. A [`model`] turns text into tokens; it is a file, or one of
//! the [`heads`] that workers give; the [`market`] is read from the chain, workers are asked for
//! their quotes over a [`router`], and a path is chosen under the payer's [`terms`] and by what is
//! remembered of workers ([`market::Memory`]); [`channels`] to the path's workers are opened or
//! topped up with the account's [`funds`]; a [`session`] pays token by token and keeps what it
//! promised and what it received in the [`store`]; [`verify`] checks the receipts again later.
//! [`ask`] does all of that for one question and reports what happens as [events](ask::Event).
//! [`preview`] says what an extrinsic would do, and sends nothing.
//!
//! Architecture invariants: only `mica-chain` names subxt and only `mica-net` names libp2p; a
//! promise is on disk before it is sent; money is an integer of base units everywhere, and no
//! destructor moves any; every wait has a deadline. Nothing here prints, asks at a terminal, or
//! knows an exit code or an HTTP status.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod model;
pub mod terms;

pub mod heads;
pub mod market;
pub mod router;

pub mod funds;
pub mod preview;

pub mod channels;
pub mod store;

pub mod interrupt;
pub mod session;

pub mod ask;
pub mod verify;

pub use ask::{Answer, Asker, Event, Offer, Question};
pub use channels::Payer;
pub use heads::Heads;
pub use interrupt::Interrupt;
pub use market::ModelSnapshot;
pub use mica_chain::{Chain, amount};
pub use mica_wallet::Secret;
pub use model::LocalModel;
pub use router::Router;
pub use store::Store;
pub use terms::Terms;

//! What a command can fail with, and the exit code that scripts can rely on.

use mica_chain::{ConnectError, ReadError, SubmitError, amount};
use mica_primitives::{Balance, BlockNumber};

mod details;

pub use details::Details;

use crate::{
    channels::ChannelError,
    chat::ChatError,
    config::ConfigError,
    demo::DemoError,
    files::FileError,
    funds::Shortfall,
    gateway::config::ConfigError as GatewayConfigError,
    home::NoHome,
    market::MarketError,
    matrix::{MatrixError, ReportError},
    model::ModelError,
    output::OutputError,
    session::SessionError,
    store::StoreError,
    verify::VerifyError,
    wallet::{
        KeystoreError, PasswordError, PhraseError, UnlockError, polkadot_js::PolkadotJsError,
    },
    workflow::{GenerateError, HttpError, WorkflowError},
};

/// Kind of failure. Codes never change their meaning; 1 and 2 are kept for failures without a class
/// and for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Anything that has no class.
    Other,
    /// The command line or a value on it.
    Usage,
    /// No wallet, a broken one, or a wrong password.
    Wallet,
    /// Files and the payer's database.
    Storage,
    /// The node does not answer or is not a Mica node.
    Node,
    /// The chain refused an extrinsic.
    Refused,
    /// Not enough money.
    Funds,
    /// The market has no path, or none within the limits.
    Market,
    /// No such model, or its file differs.
    Model,
    /// A worker is gone or failed.
    Worker,
    /// A worker or node speaks another version.
    Version,
    /// A receipt does not verify.
    Receipt,
    /// The demo could not run.
    Demo,
    /// A signature is not the account's over the message.
    Signature,
    /// `mica doctor` found something wrong.
    Unwell,
    /// An extrinsic is done in a block that is not final yet.
    NotFinal,
    /// An extrinsic was sent, and it is not known whether a block has it.
    Unknown,
    /// Ctrl-C.
    Interrupted,
}

impl ErrorClass {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Wallet => 10,
            Self::Storage => 11,
            Self::Node => 12,
            Self::Refused => 13,
            Self::Funds => 14,
            Self::Market => 15,
            Self::Model => 16,
            Self::Worker => 17,
            Self::Version => 18,
            Self::Receipt => 19,
            Self::Demo => 20,
            Self::Signature => 21,
            Self::Unwell => 22,
            Self::NotFinal => 23,
            Self::Unknown => 24,
            Self::Interrupted => 130,
        }
    }

    /// Name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::Wallet => "wallet",
            Self::Storage => "storage",
            Self::Node => "node",
            Self::Refused => "refused",
            Self::Funds => "funds",
            Self::Market => "market",
            Self::Model => "model",
            Self::Worker => "worker",
            Self::Version => "version",
            Self::Receipt => "receipt",
            Self::Demo => "demo",
            Self::Signature => "signature",
            Self::Unwell => "unwell",
            Self::NotFinal => "not-final",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each wrapped error documents itself")]
pub enum CommandError {
    #[error(transparent)]
    Home(#[from] NoHome),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    #[error(transparent)]
    PolkadotJs(#[from] PolkadotJsError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Market(#[from] MarketError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Gateway(#[from] GatewayConfigError),
    #[error(transparent)]
    Server(#[from] HttpError),
    #[error(transparent)]
    Workflow(Box<WorkflowError>),
    #[error(transparent)]
    Matrix(Box<MatrixError>),
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The node is of another chain than the settings say.
    #[error(
        "the node at {url} is of chain 0x{found}, and the settings allow only chain 0x{expected}: \
         name another node with --node-url, or take the key out with `mica config unset genesis`"
    )]
    ForeignChain {
        /// The node.
        url: String,
        /// Hash that is allowed.
        expected: String,
        /// Hash of its first block.
        found: String,
    },
    /// Somebody was asked and did not agree, or nobody could be asked.
    #[error("not confirmed; nothing was done (pass --yes if nobody can be asked)")]
    NotConfirmed,
    /// A signature that does not hold.
    #[error(
        "this is not {0}'s signature of this message: compare message, signature and address with \
         what the signer gave"
    )]
    BadSignature(String),
    /// What the doctor found.
    #[error("{0} of the checks found something wrong: each says how to mend it")]
    Unwell(usize),
    /// The wallet file's address is none.
    #[error(
        "'{0}' is not an address: the wallet's file was changed, so restore it from a backup or \
         import its phrase again"
    )]
    Address(String),
    /// Standard input failed.
    #[error("cannot read standard input: {0}")]
    Input(std::io::Error),
    /// A transfer of nothing.
    #[error("the amount is zero: nothing was sent")]
    NothingToSend,
    /// Less money than is needed.
    #[error(transparent)]
    NoFunds(#[from] Shortfall),
    /// A transfer of more than can be sent.
    #[error("{short}, or send at most {} (`mica wallet transfer {to} all` sends that)", amount::format(*.most))]
    TooMuchToSend {
        /// What is missing.
        short: Shortfall,
        /// The most that can be sent, base units.
        most: Balance,
        /// Who is to receive it.
        to: String,
    },
    /// A transfer of less than the receiver can take.
    #[error(
        "{to} has less than the existential deposit, so the chain takes no less than {} for it, and {} would fail and cost the fee; \
         nothing was sent: send {} or more",
        amount::format(*.least), amount::format(*.amount), amount::format(*.least)
    )]
    TooLittleToArrive {
        /// Who is to receive it.
        to: String,
        /// Base units that were to be sent.
        amount: Balance,
        /// The least base units that can arrive.
        least: Balance,
    },
    /// An extrinsic that is in the node's pool.
    #[error(
        "no block has the extrinsic yet, and the node's pool does: do not send it again, and look \
         again later"
    )]
    Waiting,
    /// An extrinsic of which nothing is found.
    #[error(
        "none of the blocks {from} to {to} has the extrinsic, nor does the node's pool: one that \
         was sent before block {from} may be in an earlier block (--blocks looks at more); one \
         that is not valid any more, as it is 64 blocks after it was sent, never comes"
    )]
    NoTrace {
        /// The first block that was searched.
        from: BlockNumber,
        /// The last one.
        to: BlockNumber,
    },
    /// A command was used in a way that cannot work.
    #[error("{0}")]
    Usage(String),
}

impl CommandError {
    /// Its class, which fixes the exit code.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Home(_)
            | Self::File(_)
            | Self::Store(_)
            | Self::Keystore(KeystoreError::File(_))
            | Self::Config(ConfigError::File(_)) => ErrorClass::Storage,
            Self::Output(_) | Self::Input(_) | Self::NotConfirmed | Self::Chat(_) => {
                ErrorClass::Other
            }
            Self::Phrase(_)
            | Self::Password(_)
            | Self::Keystore(_)
            | Self::Unlock(_)
            | Self::PolkadotJs(_)
            | Self::Address(_) => ErrorClass::Wallet,
            Self::Connect(_) | Self::Read(_) | Self::ForeignChain { .. } => ErrorClass::Node,
            Self::BadSignature(_) => ErrorClass::Signature,
            Self::Unwell(_) => ErrorClass::Unwell,
            Self::Submit(error) => submit_class(error),
            Self::Model(_) => ErrorClass::Model,
            Self::Market(_) => ErrorClass::Market,
            Self::Channel(error) => error.class(),
            Self::Session(error) => error.class(),
            Self::Verify(_) => ErrorClass::Receipt,
            Self::Demo(error) => error.class(),
            Self::Server(error) => error.class(),
            Self::Workflow(error) => error.class(),
            Self::Matrix(error) => error.class(),
            Self::Report(error) => error.class(),
            Self::NothingToSend | Self::Usage(_) | Self::Config(_) | Self::Gateway(_) => {
                ErrorClass::Usage
            }
            Self::NoFunds(_) | Self::TooMuchToSend { .. } | Self::TooLittleToArrive { .. } => {
                ErrorClass::Funds
            }
            Self::Waiting | Self::NoTrace { .. } => ErrorClass::Unknown,
        }
    }
}

impl From<WorkflowError> for CommandError {
    fn from(error: WorkflowError) -> Self {
        Self::Workflow(Box::new(error))
    }
}

impl From<MatrixError> for CommandError {
    fn from(error: MatrixError) -> Self {
        Self::Matrix(Box::new(error))
    }
}

impl From<GenerateError> for CommandError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Network(error) => *error,
            GenerateError::Server(error) => error.into(),
            GenerateError::Gateway(error) => Self::Usage(error.message),
        }
    }
}

/// Class of a failed submission.
pub fn submit_class(error: &SubmitError) -> ErrorClass {
    match error {
        SubmitError::NoFunds { .. } => ErrorClass::Funds,
        SubmitError::Failed { failure, .. } if failure.pallet == "Token" => ErrorClass::Funds,
        SubmitError::UnknownCall { .. } => ErrorClass::Version,
        SubmitError::Refused { .. } | SubmitError::Failed { .. } | SubmitError::Expired { .. } => {
            ErrorClass::Refused
        }
        SubmitError::NotFinal { .. } => ErrorClass::NotFinal,
        SubmitError::Unknown { .. } => ErrorClass::Unknown,
        _ => ErrorClass::Node,
    }
}

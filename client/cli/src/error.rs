//! What a command can fail with.

use mica_chain::{ConnectError, ReadError, SubmitError, amount};
use mica_primitives::{Balance, BlockNumber};

use crate::chat::ChatError;
use crate::config::ConfigError;
use crate::confirm::ConfirmError;
use crate::demo::DemoError;
use crate::home::NoHome;
use crate::localnet::LocalnetError;
use crate::output::OutputError;
use mica_gateway::config::ConfigError as GatewayConfigError;
use mica_gateway::{http::TlsError, keys::KeyError};
use mica_hub::{HubError, PeerKeyError};
use mica_payer::ask::AskError;
use mica_payer::channels::{AgreementError, ChannelError};
use mica_payer::funds::Shortfall;
use mica_payer::heads::HeadError;
use mica_payer::market::MarketError;
use mica_payer::model::ModelError;
use mica_payer::preview::PreviewError;
use mica_payer::session::SessionError;
use mica_payer::store::StoreError;
use mica_payer::verify::{StoredError, VerifyError};
use mica_wallet::files::FileError;
use mica_wallet::{
    KeystoreError, PasswordError, PhraseError, UnlockError, polkadot_js::PolkadotJsError,
};
use mica_workflow::matrix::{MatrixError, ReportError};
use mica_workflow::{GenerateError, HttpError, WorkflowError};

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
    Head(#[from] HeadError),
    #[error(transparent)]
    Market(#[from] MarketError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Ask(Box<AskError>),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    HubKey(#[from] PeerKeyError),
    #[error(transparent)]
    Gateway(#[from] GatewayConfigError),
    #[error(transparent)]
    GatewayKey(#[from] KeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    #[error(transparent)]
    Confirm(#[from] ConfirmError),
    /// A signature that does not hold.
    #[error(
        "this is not {0}'s signature of this message: compare message, signature and address with \
         what the signer gave"
    )]
    BadSignature(String),
    /// What the doctor found.
    #[error("{0} of the checks found something wrong: each says how to mend it")]
    Unwell(usize),
    /// The wallet file's address is not valid.
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
            GenerateError::Ask(error) => (*error).into(),
            GenerateError::Server(error) => error.into(),
            GenerateError::Model(error) => error.into(),
            other => Self::Usage(other.to_string()),
        }
    }
}

impl From<AskError> for CommandError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Market(error) => error.into(),
            AskError::Session(error) => error.into(),
            AskError::Read(error) => error.into(),
            AskError::Preview(error) => error.into(),
            other => Self::Ask(Box::new(other)),
        }
    }
}

impl From<StoredError> for CommandError {
    fn from(error: StoredError) -> Self {
        match error {
            StoredError::Verify(error) => error.into(),
            StoredError::Store(error) => error.into(),
            StoredError::Read(error) => error.into(),
            other => Self::Usage(other.to_string()),
        }
    }
}

impl From<PreviewError> for CommandError {
    fn from(error: PreviewError) -> Self {
        match error {
            PreviewError::Read(error) => error.into(),
            PreviewError::Fee(error) => error.into(),
            other => Self::Usage(other.to_string()),
        }
    }
}

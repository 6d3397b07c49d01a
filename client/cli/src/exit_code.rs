//! What every failure means to a script: the one table from errors to exit codes.

use mica_chain::SubmitError;
use mica_gateway::{http::TlsError, keys::KeyError};
use mica_hub::HubError;
use mica_payer::{
    ask::AskError,
    channels::{AgreementError, ChannelError},
    heads::HeadError,
    preview::PreviewError,
    session::SessionError,
};
use mica_protocol::{FaultCode, channel::LeaseError, payer::PlanError};
use mica_wallet::KeystoreError;
use mica_workflow::{
    DefinitionError, GenerateError, HttpError, WorkflowError,
    matrix::{MatrixError, ReportError, TableError},
};

use crate::{
    config::ConfigError, demo::DemoError, error::CommandError, local::LocalError,
    localnet::LocalnetError,
};

macro_rules! classes {
    ($($(#[doc = $doc:literal])+
       $class:ident = $code:literal, $name:literal, $meaning:literal;)+) => {
        /// Kind of failure. Codes never change their meaning; 1 and 2 are kept for failures without
        /// a class and for the command line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ErrorClass { $($(#[doc = $doc])+ $class,)+ }

        impl ErrorClass {
            /// Every class, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$class,)+];

            /// The process's exit code.
            pub const fn code(self) -> u8 {
                match self { $(Self::$class => $code,)+ }
            }

            /// Name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => $name,)+ }
            }

            /// What failed, in words for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$class => $meaning,)+ }
            }
        }
    };
}

classes! {
    /// Anything that has no class.
    Other = 1, "other", "standard input or output; a confirmation that was not given";
    /// The command line or a value on it.
    Usage = 2, "usage", "the command line, a value on it, or a setting";
    /// No wallet, a broken one, or a wrong password.
    Wallet = 10, "wallet", "no wallet, a broken one, a wrong or missing password";
    /// Files and the payer's database.
    Storage = 11, "storage", "files, the home folder, the payer's database, a full disk";
    /// The node does not answer or is not a Mica node.
    Node = 12, "node", "no node answers, or it is of another chain";
    /// The chain refused an extrinsic.
    Refused = 13, "refused", "the chain refused an extrinsic, and nothing was moved";
    /// Not enough money.
    Funds = 14, "funds", "not enough money, too little for a new account, or a limit is reached";
    /// The market has no path, or none within the limits.
    Market = 15, "market", "no path, or none within the limits";
    /// No such model, or its file differs.
    Model = 16, "model", "no such model, its file, or a prompt that does not fit it";
    /// A worker is gone or failed.
    Worker = 17, "worker", "a worker failed or is gone";
    /// A worker or node speaks another version.
    Version = 18, "version", "a worker or node speaks another version";
    /// A receipt does not verify.
    Receipt = 19, "receipt", "a receipt does not verify";
    /// The demo could not run.
    Demo = 20, "demo", "the demonstration or the local network could not run";
    /// A signature is not the account's over the message.
    Signature = 21, "signature", "a signature is not the account's over the message";
    /// `mica doctor` found something wrong.
    Unwell = 22, "unwell", "`mica doctor` found something wrong";
    /// An extrinsic is done in a block that is not final yet.
    NotFinal = 23, "not-final",
        "nothing: it is done in a block that is not final yet; do not send it again";
    /// An extrinsic was sent, and it is not known whether a block has it.
    Unknown = 24, "unknown",
        "it was sent, and it is not known whether a block has it: see `mica wallet status`";
    /// Ctrl-C.
    Interrupted = 130, "interrupted", "Ctrl-C";
}

/// An error that a command can end with.
pub trait Classified {
    /// Its class, which fixes the exit code.
    fn class(&self) -> ErrorClass;
}

impl Classified for CommandError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Home(_)
            | Self::File(_)
            | Self::Store(_)
            | Self::Keystore(KeystoreError::File(_))
            | Self::HubKey(_)
            | Self::Config(ConfigError::File(_)) => ErrorClass::Storage,
            Self::Output(_) | Self::Input(_) | Self::Confirm(_) | Self::Chat(_) => {
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
            Self::Submit(error) => error.class(),
            Self::Model(_) => ErrorClass::Model,
            Self::Head(HeadError::Market(_)) | Self::Market(_) => ErrorClass::Market,
            Self::Head(HeadError::Store(_)) => ErrorClass::Storage,
            Self::Head(HeadError::Network(_)) => ErrorClass::Worker,
            Self::Head(_) => ErrorClass::Model,
            Self::Channel(error) => error.class(),
            Self::Agreement(AgreementError::Channel(error)) => error.class(),
            Self::Agreement(_) => ErrorClass::Worker,
            Self::Session(error) => error.class(),
            Self::Ask(error) => error.class(),
            Self::Verify(_) => ErrorClass::Receipt,
            Self::Demo(error) => error.class(),
            Self::Localnet(error) => error.class(),
            Self::Hub(error) => error.class(),
            Self::Server(error) => error.class(),
            Self::Workflow(error) => error.class(),
            Self::Matrix(error) => error.class(),
            Self::Report(error) => error.class(),
            Self::GatewayKey(KeyError::File(_)) | Self::Tls(TlsError::File(_)) => {
                ErrorClass::Storage
            }
            Self::NothingToSend
            | Self::Usage(_)
            | Self::Config(_)
            | Self::Gateway(_)
            | Self::GatewayKey(_)
            | Self::Tls(_) => ErrorClass::Usage,
            Self::NoFunds(_) | Self::TooMuchToSend { .. } | Self::TooLittleToArrive { .. } => {
                ErrorClass::Funds
            }
            Self::Waiting | Self::NoTrace { .. } => ErrorClass::Unknown,
        }
    }
}

impl Classified for DemoError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Model(_) => ErrorClass::Model,
            Self::Market(_) => ErrorClass::Market,
            Self::Read(_) => ErrorClass::Node,
            Self::Submit(error) => error.class(),
            Self::Phrase(_) => ErrorClass::Wallet,
            Self::Store(_) | Self::File(_) | Self::Config(_) => ErrorClass::Storage,
            Self::Keystore(_) => ErrorClass::Wallet,
            Self::UnknownModel(_) | Self::Head(_) => ErrorClass::Model,
            Self::Ask(error) => error.class(),
            Self::Channel(error) => error.class(),
            Self::Verify(_) => ErrorClass::Receipt,
            Self::Interrupted => ErrorClass::Interrupted,
            _ => ErrorClass::Demo,
        }
    }
}

impl Classified for LocalnetError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Model(_) => ErrorClass::Model,
            Self::Market(_) => ErrorClass::Market,
            Self::Read(_) => ErrorClass::Node,
            Self::Submit(error) => error.class(),
            Self::Phrase(_) => ErrorClass::Wallet,
            Self::Local(LocalError::Folder { .. }) | Self::Record { .. } => ErrorClass::Storage,
            Self::Interrupted => ErrorClass::Interrupted,
            _ => ErrorClass::Demo,
        }
    }
}

impl Classified for HubError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Network(_) | Self::NetworkStopped | Self::Metrics { .. } => ErrorClass::Worker,
            Self::Fee(error) => error.class(),
            Self::Store(_) | Self::Record(_) => ErrorClass::Storage,
            Self::Channel(error) => error.class(),
            _ => ErrorClass::Node,
        }
    }
}

impl Classified for GenerateError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Ask(error) => error.class(),
            Self::Server(error) => error.class(),
            Self::Model(_) => ErrorClass::Model,
            _ => ErrorClass::Usage,
        }
    }
}

impl Classified for AskError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Market(_) => ErrorClass::Market,
            Self::Session(error) => error.class(),
            Self::Preview(PreviewError::Fee(error)) => error.class(),
            Self::NoOtherPath { first, again } => {
                if again.is_interrupted() {
                    ErrorClass::Interrupted
                } else {
                    first.class()
                }
            }
            _ => ErrorClass::Node,
        }
    }
}

impl Classified for ChannelError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoFunds(_) => ErrorClass::Funds,
            Self::Unknown(_) => ErrorClass::Usage,
            Self::Submit(error) => error.class(),
            Self::Store(_) => ErrorClass::Storage,
            Self::Locked(_) => ErrorClass::Wallet,
            Self::Read(_)
            | Self::NotThere(_)
            | Self::ChainRestarted
            | Self::OtherChain { .. }
            | Self::NothingFinal { .. } => ErrorClass::Node,
            Self::StillOpen { .. } | Self::Ledger(_) => ErrorClass::Refused,
            _ => ErrorClass::Node,
        }
    }
}

impl Classified for SessionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Network(_) | Self::Send(_) => ErrorClass::Worker,
            Self::Lease(LeaseError::Deposit { .. }) => ErrorClass::Funds,
            Self::Lease(_) => ErrorClass::Refused,
            Self::Plan(PlanError::Limit { .. } | PlanError::Lane { .. }) => ErrorClass::Funds,
            Self::Plan(_) | Self::EndIds => ErrorClass::Usage,
            Self::Channel(error) => error.class(),
            Self::Store(_) => ErrorClass::Storage,
            Self::Failed { failure, .. } => failure_class(failure.code),
            Self::Interrupted => ErrorClass::Interrupted,
            _ => ErrorClass::Worker,
        }
    }
}

impl Classified for HttpError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Url(_) | Self::Key => ErrorClass::Usage,
            Self::Refused { status: 400 | 401 | 403, .. } => ErrorClass::Usage,
            Self::Refused { status: 402, .. } => ErrorClass::Funds,
            Self::Refused { status: 404, .. } => ErrorClass::Model,
            _ => ErrorClass::Worker,
        }
    }
}

impl Classified for WorkflowError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Definition(DefinitionError::File(_)) => ErrorClass::Storage,
            Self::Definition(_) | Self::FrontEnd(_) | Self::Prompt { .. } => ErrorClass::Usage,
            Self::Step { source, .. } => source.class(),
            Self::Empty { .. } => ErrorClass::Worker,
            Self::Limit { .. } => ErrorClass::Funds,
            _ => ErrorClass::Worker,
        }
    }
}

impl Classified for MatrixError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Plan(_) => ErrorClass::Usage,
            Self::Journal(_) => ErrorClass::Storage,
            Self::Stopped { source, .. } => source.class(),
            Self::Failed { .. } => ErrorClass::Worker,
            Self::Limit { .. } => ErrorClass::Funds,
            Self::Interrupted(_) => ErrorClass::Interrupted,
            _ => ErrorClass::Worker,
        }
    }
}

impl Classified for ReportError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Table(TableError::File(_)) | Self::Write { .. } => ErrorClass::Storage,
            Self::Table(_) | Self::Groups(_) => ErrorClass::Usage,
            Self::Figure(_) | Self::Page(_) => ErrorClass::Other,
            _ => ErrorClass::Other,
        }
    }
}

impl Classified for SubmitError {
    fn class(&self) -> ErrorClass {
        match self {
            SubmitError::NoFunds { .. } => ErrorClass::Funds,
            SubmitError::Failed { failure, .. } if failure.pallet == "Token" => ErrorClass::Funds,
            SubmitError::UnknownCall { .. } => ErrorClass::Version,
            SubmitError::Refused { .. }
            | SubmitError::Failed { .. }
            | SubmitError::Expired { .. } => ErrorClass::Refused,
            SubmitError::NotFinal { .. } => ErrorClass::NotFinal,
            SubmitError::Unknown { .. } => ErrorClass::Unknown,
            _ => ErrorClass::Node,
        }
    }
}

fn failure_class(code: FaultCode) -> ErrorClass {
    match code {
        FaultCode::UnknownVersion | FaultCode::WrongProfile | FaultCode::Unlisted => {
            ErrorClass::Version
        }
        FaultCode::BadReceipt | FaultCode::ReceiptMismatch | FaultCode::BadStatement => {
            ErrorClass::Receipt
        }
        FaultCode::Overspend | FaultCode::TooLittle | FaultCode::LimitReached => ErrorClass::Funds,
        FaultCode::Cancelled => ErrorClass::Interrupted,
        _ => ErrorClass::Worker,
    }
}

#[cfg(test)]
mod tests {
    use mica_payer::{ask::AskError, market::MarketError, model::ModelError};
    use mica_protocol::payer::SessionFailure;

    use super::*;

    fn failed(code: FaultCode) -> SessionError {
        let failure = SessionFailure { stage: Some(0), culprits: None, code, text: String::new() };
        SessionError::Failed { failure, paid: 0 }
    }

    #[test]
    fn a_session_ends_with_the_class_of_what_failed() {
        for (error, class) in [
            (failed(FaultCode::WrongProfile), ErrorClass::Version),
            (failed(FaultCode::BadReceipt), ErrorClass::Receipt),
            (failed(FaultCode::Overspend), ErrorClass::Funds),
            (failed(FaultCode::Cancelled), ErrorClass::Interrupted),
            (failed(FaultCode::LaneBusy), ErrorClass::Worker),
            (SessionError::Channel(ChannelError::NotThere("x".into())), ErrorClass::Node),
            (
                SessionError::Channel(ChannelError::Unknown(mica_primitives::ChannelId([0; 32]))),
                ErrorClass::Usage,
            ),
            (SessionError::EndIds, ErrorClass::Usage),
            (SessionError::Interrupted, ErrorClass::Interrupted),
        ] {
            assert_eq!(error.class(), class, "{error}");
            let text = error.to_string();
            let asked = AskError::from(error);
            assert_eq!(asked.class(), class, "{text}");
            let again = Box::new(AskError::from(MarketError::NoModel("m".into())));
            let first = Box::new(asked);
            let asked = AskError::NoOtherPath { first, again };
            assert_eq!(asked.class(), class, "how it failed first counts: {text}");
            assert_eq!(CommandError::from(asked).class(), class, "{text}");
        }
    }

    #[test]
    fn a_step_of_a_workflow_ends_with_the_class_of_what_failed() {
        let step = |source: GenerateError| WorkflowError::Step {
            step: "generate".into(),
            number: 1,
            of: 2,
            source,
        };
        let refused =
            |status| HttpError::Refused { url: "http://h/".into(), status, message: String::new() };
        for (error, class) in [
            (step(ModelError::EmptyPrompt.into()), ErrorClass::Model),
            (step(refused(402).into()), ErrorClass::Funds),
            (step(refused(401).into()), ErrorClass::Usage),
            (step(refused(404).into()), ErrorClass::Model),
            (step(refused(500).into()), ErrorClass::Worker),
            (step(MarketError::NoModel("m".into()).into()), ErrorClass::Market),
            (step(GenerateError::NoModel), ErrorClass::Usage),
            (WorkflowError::FrontEnd("x".into()), ErrorClass::Usage),
        ] {
            let text = error.to_string();
            assert_eq!(error.class(), class, "{text}");
            let stopped = MatrixError::Stopped { cell: "c".into(), source: error, done: 1 };
            assert_eq!(stopped.class(), class, "{text}");
        }
    }
}

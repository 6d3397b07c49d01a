//! Exit codes that scripts and service managers can rely on. Where `mica` has the same kind of
//! failure the code is the same.

use crate::{
    commands::{
        backup::BackupError, config::ConfigCommandError, doctor::DoctorError, init::InitError,
        life::LifeError, run::RunError, status::StatusError,
    },
    daemon::{
        network::NetworkError, origin::OriginError, ready::ReadyError, register::RegisterError,
        serve::ServeError,
    },
    data_dir::FolderError,
    error::Error,
};

/// Kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitKind {
    /// Everything that has no code of its own.
    Other,
    /// A setting or a flag that cannot work.
    Usage,
    /// The folder is in use.
    Storage,
    /// The account lacks money.
    Funds,
    /// `status`: a worker runs and does not serve.
    Unwell,
    /// Another process runs with the same account and peer key.
    Duplicate,
    /// Only the account's own key may do what is left.
    OwnKey,
}

impl ExitKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Other,
        Self::Usage,
        Self::Storage,
        Self::Funds,
        Self::Unwell,
        Self::Duplicate,
        Self::OwnKey,
    ];

    /// What failed, in words for the documentation.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Other => "anything that has no code of its own; the message says what",
            Self::Usage => {
                "a flag or setting that cannot work: an address, a port that is taken, a node of \
                 another network than the records are of"
            }
            Self::Storage => {
                "the folder is in use by another process, or has newer records than a backup"
            }
            Self::Funds => "the account lacks money for stake or deposit",
            Self::Unwell => {
                "`mica-worker status`: a process runs and does not serve, or not yet; \
                 `mica-worker doctor`: something is wrong"
            }
            Self::Duplicate => "another process runs with this account and peer key",
            Self::OwnKey => {
                "an operator's key has done what it may; the message has the command for the \
                 account's own key"
            }
        }
    }

    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Storage => 11,
            Self::Funds => 14,
            Self::Unwell => 22,
            Self::Duplicate => 23,
            Self::OwnKey => 25,
        }
    }
}

/// The exit code of a failed command; 1 if it has none of its own.
pub fn code_of(error: &Error) -> u8 {
    let kind = match error {
        Error::Folder(error)
        | Error::Init(InitError::Folder(error))
        | Error::Status(StatusError::Folder(error))
        | Error::Doctor(DoctorError::Status(StatusError::Folder(error))) => of_folder(error),
        Error::Status(StatusError::NotServing(_)) | Error::Doctor(DoctorError::Unwell(_)) => {
            ExitKind::Unwell
        }
        Error::Backup(BackupError::Folder(error)) => of_folder(error),
        Error::Backup(BackupError::Newer { .. }) => ExitKind::Storage,
        Error::Config(ConfigCommandError::Edit(_) | ConfigCommandError::Config(_)) => {
            ExitKind::Usage
        }
        Error::Run(RunError::Serve(error)) => of_serving(error),
        Error::Life(error) => of_life(error),
        _ => ExitKind::Other,
    };
    kind.code()
}

const fn of_folder(error: &FolderError) -> ExitKind {
    match error {
        FolderError::InUse(_) => ExitKind::Storage,
        _ => ExitKind::Other,
    }
}

const fn of_life(error: &LifeError) -> ExitKind {
    match error {
        LifeError::Folder(error) => of_folder(error),
        LifeError::OtherAccount { .. } => ExitKind::Usage,
        LifeError::Funds(_) => ExitKind::Funds,
        LifeError::NeedsOwnKey { .. } => ExitKind::OwnKey,
        LifeError::StillRuns { .. } | LifeError::CannotStop(_) => ExitKind::Storage,
        _ => ExitKind::Other,
    }
}

const fn of_serving(error: &ServeError) -> ExitKind {
    match error {
        ServeError::Folder(error) => of_folder(error),
        ServeError::Announce(_) | ServeError::Metrics(_) | ServeError::Spec(_) => ExitKind::Usage,
        ServeError::Ready(ReadyError::Duplicate(_)) => ExitKind::Duplicate,
        ServeError::Ready(ReadyError::Origin(OriginError::OtherNetwork { .. })) => ExitKind::Usage,
        ServeError::Ready(ReadyError::Network(
            NetworkError::Start(_) | NetworkError::NoAddress,
        )) => ExitKind::Usage,
        ServeError::Ready(ReadyError::Register(RegisterError::Funds(_))) => ExitKind::Funds,
        ServeError::Ready(ReadyError::Register(RegisterError::Operator { .. })) => ExitKind::OwnKey,
        _ => ExitKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::register::FundsError;

    fn serving(error: ServeError) -> u8 {
        code_of(&Error::Run(RunError::Serve(error)))
    }

    #[test]
    fn a_code_is_found_however_deep_the_failure_lies() {
        let funds = FundsError {
            account: mica_chain::AccountId::from([1; 32]),
            purpose: "register the model",
            free: 0,
            needed: 2,
            stays: 1,
            missing: 2,
        };
        let register = ReadyError::Register(RegisterError::Funds(funds));
        assert_eq!(serving(ServeError::Ready(register)), 14);
        assert_eq!(serving(ServeError::Ready(ReadyError::Duplicate(Vec::new()))), 23);
        let network = ReadyError::Network(NetworkError::NoAddress);
        assert_eq!(serving(ServeError::Ready(network)), 2);
        assert_eq!(serving(ServeError::Folder(FolderError::InUse("/tmp".into()))), 11);
        assert_eq!(serving(ServeError::ActorFailed), 1);
        let own = LifeError::NeedsOwnKey {
            account: mica_chain::AccountId::from([1; 32]),
            what: "leave",
            command: String::new(),
        };
        assert_eq!(code_of(&Error::Life(own)), 25);
        assert_eq!(code_of(&Error::Status(StatusError::NotServing(String::new()))), 22);
    }
}

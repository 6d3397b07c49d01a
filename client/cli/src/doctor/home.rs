//! The settings, and the home folder with its files: there, writable, and private.

use std::path::Path;

use super::{Finding, shell};
use crate::config::ConfigError;
use crate::context::Context;
use mica_payer::store::{Store, StoreError, was_used};
use mica_wallet::files::{self, FileError};

/// Whether the settings can be used.
pub(super) fn settings(context: &Context) -> Vec<Finding> {
    let path = context.home.config();
    let finding = match &context.config_problem {
        None if path.exists() => Finding::good("settings", path.display().to_string()),
        None => Finding::good("settings", "none, so the defaults hold"),
        Some(problem) => {
            let mend = match problem {
                ConfigError::Value { key, .. } => format!("mica config unset {key}"),
                ConfigError::File(_) => format!("chmod 600 {}", shell(&path)),
                _ => format!("mv {0} {0}.broken", shell(&path)),
            };
            Finding::wrong("settings", problem.to_string(), mend)
        }
    };
    vec![finding]
}

/// Whether the folders are there and the owner's alone, and the database can be opened.
pub(super) fn folders(context: &Context) -> Vec<Finding> {
    let root = context.home.root();
    if !root.exists() {
        return vec![Finding::note(
            "home",
            format!("{} is not there yet", root.display()),
            "mica wallet new",
        )];
    }
    let mut findings = vec![writable(root)];
    let secret = [
        root.to_owned(),
        context.home.wallets(),
        context.home.config(),
        context.home.state(),
        context.home.chat_history(),
    ];
    for path in secret {
        match files::is_private(&path) {
            Ok(true) | Err(FileError::Missing(_)) => {}
            Ok(false) => {
                let mode = if path.is_dir() { "700" } else { "600" };
                let found = format!("others on this machine may read {}", path.display());
                findings.push(Finding::wrong(
                    "home",
                    found,
                    format!("chmod {mode} {}", shell(&path)),
                ));
            }
            Err(error) => findings.push(Finding::wrong(
                "home",
                error.to_string(),
                format!("ls -ld {}", shell(&path)),
            )),
        }
    }
    findings.extend(database(&context.home.state()));
    findings
}

fn writable(root: &Path) -> Finding {
    match tempfile::tempfile_in(root) {
        Ok(_) => Finding::good("home", root.display().to_string()),
        Err(error) => {
            let found = format!("nothing can be written into {}: {error}", root.display());
            Finding::wrong("home", found, format!("chmod u+rwx {0} && df -h {0}", shell(root)))
        }
    }
}

/// Whether the records of channels and receipts can be read and are those that were written last;
/// one that is not there yet is made by the first prompt.
fn database(path: &Path) -> Option<Finding> {
    let learn = "what it does not know is learnt from the workers with the next prompts; receipts \
                 come back only with the newer file";
    if !path.exists() {
        let found = format!("{} is gone: {learn}", path.display());
        return was_used(path).then(|| Finding::note("records", found, "mica ask hello"));
    }
    Some(
        match Store::open(path).and_then(|store| Ok((store.sessions()?, store.forgotten_uses()?))) {
            Ok((_, forgotten)) if forgotten > 0 => {
                let found = format!(
                    "{} is older than this folder's last use ({forgotten} uses are missing): \
                     {learn}",
                    path.display()
                );
                Finding::note("records", found, "mica ask hello")
            }
            Ok((sessions, _)) => {
                Finding::good("records", format!("{} prompts are on record", sessions.len()))
            }
            Err(error @ StoreError::InUse(_)) => {
                Finding::note("records", error.to_string(), "mica receipt list")
            }
            Err(error) => {
                Finding::wrong("records", error.to_string(), format!("ls -l {}", shell(path)))
            }
        },
    )
}

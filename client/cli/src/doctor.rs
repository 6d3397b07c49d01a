//! What is wrong here, and the command that mends it: the checks of `mica doctor`.
//!
//! A check looks and changes nothing. It finds that something is good, worth knowing, wrong, or
//! that it could not look because something before it is wrong. Every wrong finding has a remedy
//! that can be typed as it stands.

mod chain;
mod channels;
mod disk;
mod home;
mod market;
mod records;
mod wallet;

use crate::context::Context;
use crate::finding::{Finding, Report};

/// Whether the node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything.
    All,
    /// This machine alone.
    Machine,
}

/// Makes all checks.
pub(crate) async fn examine(context: &Context, reach: Reach) -> Report {
    let mut findings = home::settings(context);
    findings.extend(home::folders(context));
    findings.push(disk::space(context));
    findings.extend(wallet::files(context));
    findings.push(wallet::password(context));
    match reach {
        Reach::All => findings.extend(chain::all(context).await),
        Reach::Machine => {
            findings.extend(chain::CHECKS.map(|check| Finding::skipped(check, "--offline")))
        }
    }
    Report { findings }
}

/// A path as a shell takes it.
fn shell(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+=:@%".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_remedy_can_be_typed_as_it_stands() {
        assert_eq!(shell(Path::new("/home/me/.mica")), "/home/me/.mica");
        assert_eq!(shell(Path::new("/home/m e/it's")), r"'/home/m e/it'\''s'");
    }
}

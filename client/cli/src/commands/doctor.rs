//! `mica doctor`: says what is wrong and how to mend it. The exit code says whether something is.

use clap::Args;

use crate::context::Context;
use crate::doctor::{Reach, examine};
use crate::error::CommandError;
use crate::render::doctor::Diagnosis;

/// Options of `mica doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at this machine alone, not at the node and the market
    #[arg(long)]
    offline: bool,
}

/// Runs `mica doctor`.
///
/// # Errors
/// [`CommandError::Unwell`] if something is wrong, after everything that was found is printed.
pub(crate) async fn run(context: &Context, arguments: &DoctorArgs) -> Result<(), CommandError> {
    let reach = if arguments.offline { Reach::Machine } else { Reach::All };
    let report = examine(context, reach).await;
    context.output.show(&Diagnosis::from(&report), Diagnosis::to_text)?;
    match report.wrong() {
        0 => Ok(()),
        wrong => Err(CommandError::Unwell(wrong)),
    }
}

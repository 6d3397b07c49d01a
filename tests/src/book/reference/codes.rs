//! What the programs' exit codes mean.

use mica_cli::exit_code::ErrorClass;
use mica_worker::exit::ExitKind;

use super::{Page, code, table};

/// The page.
pub fn page() -> Page {
    let success = [code("0"), String::new(), "nothing".to_owned()];
    let payer = ErrorClass::ALL.iter().map(|class| {
        [code(&class.code().to_string()), code(class.name()), class.meaning().to_owned()]
    });
    let worker = ExitKind::ALL.map(|kind| [code(&kind.code().to_string()), kind.meaning().into()]);
    let worker = std::iter::once([code("0"), "nothing".to_owned()]).chain(worker);
    let text = format!(
        "Codes never change their meaning. Every failure also says in words what is wrong and what \
         to do about it, on standard error; with `--json`, `mica` writes a document with `class`, \
         `code` and `message` (see [scripts](../wallet.md#scripts)).\n\n\
         ## mica\n\n{}\n## mica-worker\n\n{}\n\
         Where both programs know a kind of failure, the code is the same. 23 is different: for \
         `mica` it is an extrinsic that is not final, for `mica-worker` a second process with the \
         same account.\n\n\
         ## mica-node\n\n\
         0 when it was stopped, 1 when it failed (the log's last lines say why), 2 for the command \
         line.",
        table(["code", "class", "what failed"], std::iter::once(success).chain(payer)),
        table(["code", "what failed"], worker)
    );
    Page { path: "docs/operations/exit-codes.md", title: "Exit codes", text }
}

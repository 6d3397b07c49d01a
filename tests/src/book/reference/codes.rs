//! What the programs' exit codes mean.

use mica_cli::exit_code::ErrorClass;
use mica_worker::exit::ExitKind;

use super::{Page, code, table};

/// The classes of failures of `mica`, and what failed.
const MICA: [(ErrorClass, &str); 18] = [
    (ErrorClass::Other, "standard input or output; a confirmation that was not given"),
    (ErrorClass::Usage, "the command line, a value on it, or a setting"),
    (ErrorClass::Wallet, "no wallet, a broken one, a wrong or missing password"),
    (ErrorClass::Storage, "files, the home folder, the payer's database, a full disk"),
    (ErrorClass::Node, "no node answers, or it is of another chain"),
    (ErrorClass::Refused, "the chain refused an extrinsic, and nothing was moved"),
    (ErrorClass::Funds, "not enough money, too little for a new account, or a limit is reached"),
    (ErrorClass::Market, "no path, or none within the limits"),
    (ErrorClass::Model, "no such model, its file, or a prompt that does not fit it"),
    (ErrorClass::Worker, "a worker failed or is gone"),
    (ErrorClass::Version, "a worker or node speaks another version"),
    (ErrorClass::Receipt, "a receipt does not verify"),
    (ErrorClass::Demo, "the demonstration could not run"),
    (ErrorClass::Signature, "a signature is not the account's over the message"),
    (ErrorClass::Unwell, "`mica doctor` found something wrong"),
    (
        ErrorClass::NotFinal,
        "nothing: it is done in a block that is not final yet; do not send it again",
    ),
    (
        ErrorClass::Unknown,
        "it was sent, and it is not known whether a block has it: see `mica wallet status`",
    ),
    (ErrorClass::Interrupted, "Ctrl-C"),
];

/// The page.
pub fn page() -> Page {
    let success = [code("0"), String::new(), "nothing".to_owned()];
    let payer = MICA.map(|(class, what)| {
        [code(&class.code().to_string()), code(class.name()), what.to_owned()]
    });
    let worker = ExitKind::ALL.map(|kind| [code(&kind.code().to_string()), kind.meaning().into()]);
    let others = [
        [code("0"), "nothing".to_owned()],
        [code("1"), "anything without a code of its own; the message says what".to_owned()],
    ];
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
        table(["code", "what failed"], others.into_iter().chain(worker))
    );
    Page { path: "docs/operations/exit-codes.md", title: "Exit codes", text }
}

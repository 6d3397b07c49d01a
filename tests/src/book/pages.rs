//! All pages of the repository: each one with commands is run by a test, and what its running text
//! names exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{Block, blocks, repository};
use crate::process::command;

/// Pages with fenced blocks, and the test that opens each.
const RUN_BY: [(&str, &str); 9] = [
    ("README.md", "network/book.rs"),
    ("docs/gateway.md", "gateway/page.rs"),
    ("docs/operations/localnet.md", "network/localnet.rs"),
    ("docs/operations/other-clients.md", "network/foreign_clients.rs"),
    ("docs/payer.md", "network/book.rs"),
    ("docs/validator.md", "network/validator.rs"),
    ("docs/wallet.md", "network/book.rs"),
    ("docs/worker.md", "network/book.rs"),
    ("docs/workflows.md", "network/book.rs"),
];

/// Pages whose fenced blocks nobody runs, and why.
const NO_COMMANDS: [(&str, &str); 6] = [
    ("ARCHITECTURE.md", "a tree of folders"),
    ("docs/decisions/021-hubs-relay-ticks.md", "who sends what when, and how states follow"),
    ("docs/protocol/messages.md", "the shape of a frame, and who sends what when"),
    ("docs/reference/gateway-toml.md", "the settings as the gateway prints them"),
    ("docs/reference/worker-toml.md", "the settings as the worker writes them"),
    ("inference-worker/engine/models/README.md", "the chat template of the model"),
];

/// Pages with commands that nobody runs, and why.
const NOT_RUN: [(&str, &str); 6] = [
    (
        "packaging/README.md",
        "it is read beside the programs of a tarball; scripts/test-dist.sh starts the demo there",
    ),
    (
        "docs/installation.md",
        "it installs for the whole machine; scripts/test-dist.sh runs it in a fresh Debian",
    ),
    (
        "inference-worker/engine/fuzz/README.md",
        "it fuzzes for minutes; the tests do so for seconds",
    ),
    (
        "docs/operations/backups.md",
        "it copies between two machines; a watcher over a dead worker's folder has a test of its own",
    ),
    (
        "docs/operations/networks.md",
        "it takes the keys of four founders on four machines; chain.rs makes a specification of such",
    ),
    (
        "docs/operations/ports.md",
        "it opens a port to the world for good; chain.rs asks such a node what it answers",
    ),
];

/// Folders with nothing of the project's in them.
pub(super) const FOREIGN: [&str; 5] = ["target", ".git", "shared", "node_modules", ".venv"];

/// Pages that tell of the past, where names may be gone.
pub(super) const HISTORY: [&str; 2] = ["CHANGELOG.md", "docs/decisions"];

/// All Markdown pages, as paths from the repository's root.
pub fn all() -> Vec<String> {
    files("md")
}

/// All files whose names end so, as paths from the repository's root.
pub(super) fn files(ending: &str) -> Vec<String> {
    let root = repository();
    let (mut pages, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("the repository is readable").flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if entry.path().is_dir() && !FOREIGN.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                pages.push(path.display().to_string());
            }
        }
    }
    pages.sort();
    pages
}

fn read(page: &str) -> String {
    fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Fails if a page has fenced blocks and no test opens it, or if a page that is named here is gone.
pub fn check_that_each_is_run() {
    let with_blocks: BTreeSet<String> =
        all().into_iter().filter(|page| !blocks(&read(page)).is_empty()).collect();
    let named: BTreeSet<String> = RUN_BY
        .iter()
        .chain(&NO_COMMANDS)
        .chain(&NOT_RUN)
        .map(|(page, _)| (*page).to_owned())
        .collect();
    assert_eq!(
        with_blocks,
        named,
        "pages with fenced blocks (left) and those that a test knows (right): see {}",
        file!()
    );
    for (page, test) in RUN_BY {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(test);
        let source = fs::read_to_string(&source)
            .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        assert!(source.contains(&format!("\"{page}\"")), "tests/tests/{test} does not open {page}");
    }
    for (page, _) in NO_COMMANDS {
        let command = blocks(&read(page)).into_iter().find(has_commands);
        assert_eq!(command, None, "{page} has commands now: run them in a test");
    }
}

/// Whether a block is marked as commands, or has a line that looks like one.
fn has_commands(block: &Block) -> bool {
    let is_program = |word: &str| PROGRAMS.contains(&word) || ["cargo", "curl"].contains(&word);
    ["sh", "bash", "shell", "console", "python", "js"].contains(&block.language.as_str())
        || block
            .text
            .lines()
            .any(|line| line.split_once(' ').is_some_and(|(word, _)| is_program(word)))
}

/// Commands in running text: code between backticks that begins with a program's name, by page and
/// line.
fn in_text(page: &str) -> Vec<(String, String)> {
    let text = read(page);
    let fenced: BTreeSet<usize> = blocks(&text)
        .iter()
        .flat_map(|block| block.line..block.line + block.text.lines().count())
        .collect();
    let lines = (1..)
        .zip(text.lines())
        .filter(|(number, line)| !fenced.contains(number) && !line.trim_start().starts_with("```"));
    let spans = lines.flat_map(|(number, line)| {
        let spans = line.split('`').skip(1).step_by(2);
        spans.map(move |span| (format!("{page}:{number}"), span.trim().to_owned()))
    });
    spans
        .filter(|(_, span)| PROGRAMS.contains(&span.split(' ').next().unwrap_or_default()))
        .collect()
}

const PROGRAMS: [&str; 4] = ["mica", "mica-worker", "mica-node", "make"];

/// Fails if running text, or a text in a program (remedies name commands), names a subcommand, an
/// option or a target of `make` that does not exist.
pub fn check_that_what_text_names_exists() {
    let mut helps: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let makefile = read("Makefile");
    let pages = all().into_iter().filter(|page| !HISTORY.iter().any(|old| page.starts_with(old)));
    let mut seen = 0;
    for (place, span) in pages.chain(files("rs")).flat_map(|page| in_text(&page)) {
        let words: Vec<&str> = span.split_whitespace().collect();
        if words[0] == "make" {
            let target = words.get(1).copied().unwrap_or("help");
            assert!(
                makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
                "{place}: there is no `{span}`"
            );
            continue;
        }
        let path: Vec<String> =
            words.iter().take_while(|word| is_plain(word)).map(|&word| word.to_owned()).collect();
        let help = helps.entry(path.clone()).or_insert_with(|| help(&path));
        let help = help
            .as_ref()
            .unwrap_or_else(|| panic!("{place}: there is no command `{}`", path.join(" ")));
        for option in words.iter().filter_map(|word| word.strip_prefix("--")) {
            let name: String =
                option.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            assert!(
                name.is_empty() || help.contains(&format!("--{name}")),
                "{place}: `{}` has no --{name}",
                path.join(" ")
            );
        }
        seen += 1;
    }
    assert!(seen > 20, "only {seen} commands were found in running text");
}

/// A word that may be a subcommand.
fn is_plain(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// What a command says of itself; nothing if there is no such command.
fn help(path: &[String]) -> Option<String> {
    let output =
        command(&path[0]).args(&path[1..]).arg("--help").output().expect("the program starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

//! Environment variables: those that stand for options, from the command lines, and the others.

use std::{collections::BTreeMap, fs};

use super::{Page, code, command_line, table};
use crate::book::{pages, repository};

/// Variables that no option stands for.
const OTHERS: [(&str, &str, &str); 8] = [
    ("MICA_PASSWORD", "`mica`", "the wallet's password"),
    ("MICA_NEW_PASSWORD", "`mica wallet change-password`", "the new password"),
    (
        "MICA_FILE_PASSWORD",
        "`mica wallet import`, `mica wallet export`",
        "the password of a polkadot-js file",
    ),
    (
        "MICA_LOG",
        "`mica`",
        "what developers want to see on standard error, for example `debug`; off without it",
    ),
    ("RUST_LOG", "`mica-worker`", "the same for the worker and the node; warnings without it"),
    ("MICA_NODE_BIN", "`mica demo`", "the node's program, if it does not lie beside `mica`"),
    ("MICA_WORKER_BIN", "`mica demo`", "the worker's program, if it does not lie beside `mica`"),
    ("HOME", "`mica`, `mica-worker`", "where the folder `.mica` is, unless a folder is named"),
];

/// The page.
pub fn page() -> Page {
    let mut options = BTreeMap::<String, (String, Vec<String>, String)>::new();
    for variable in command_line::variables() {
        let entry = options
            .entry(variable.name)
            .or_insert_with(|| (variable.option, Vec::new(), variable.meaning));
        entry.1.push(code(&variable.command));
    }
    let rows = options.iter().map(|(name, (option, commands, meaning))| {
        [code(name), code(option), commands.join(", "), meaning.clone()]
    });
    let others =
        OTHERS.map(|(name, program, meaning)| [code(name), program.into(), meaning.into()]);
    let text = format!(
        "An option on the command line goes before its variable, the variable before \
         [the settings](settings.md), the settings before the default.\n\n\
         ## In place of options\n\n{}\n## Others\n\n{}",
        table(["variable", "option", "commands", "meaning"], rows),
        table(["variable", "read by", "meaning"], others)
    );
    let page = Page { path: "docs/reference/environment.md", title: "Environment variables", text };
    for (file, name) in in_sources() {
        assert!(
            page.text.contains(&code(&name)),
            "{file} reads {name}, and the page of environment variables does not know it: add it \
             to {}",
            file!()
        );
    }
    page
}

/// The variables that the programs' sources name, with a file of each.
fn in_sources() -> Vec<(String, String)> {
    let sources = pages::files("rs").into_iter().filter(|file| {
        ["client/", "inference-worker/", "node/"].iter().any(|folder| file.starts_with(folder))
            && file.contains("/src/")
    });
    let mut found = Vec::new();
    for file in sources {
        let text = fs::read_to_string(repository().join(&file)).expect("a source is readable");
        for after in text.split("\"MICA_").skip(1) {
            let name: String =
                after.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            found.push((file.clone(), format!("MICA_{name}")));
        }
    }
    assert!(found.len() > 10, "the sources name no variables any more: look where they went");
    found
}

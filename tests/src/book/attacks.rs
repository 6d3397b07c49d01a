//! The threat model's tables of attacks: each row names its tests, and they exist.

use std::{collections::BTreeSet, fs};

use super::{pages::files, repository};

/// The page, and the word for a row without a test.
const PAGE: &str = "docs/threat-model.md";
const UNTESTED: &str = "*no test*";
/// The tables' first row.
const HEADER: &str = "| attacker | wish | defence | test |";

/// Fails if a row names no test and does not say so, or names one that is not in the sources.
pub fn check_tests() {
    let tests = tests();
    let page = fs::read_to_string(repository().join(PAGE)).expect("the page");
    let (mut rows, mut wrong, mut in_table) = (0, Vec::new(), false);
    for line in page.lines() {
        in_table = line == HEADER || (in_table && line.starts_with('|'));
        if !in_table || line == HEADER || line.starts_with("|---") {
            continue;
        }
        rows += 1;
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [.., named] = cells[..] else { continue };
        let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if cells.len() != 4 || (names.is_empty() != named.contains(UNTESTED)) {
            wrong.push(format!("neither tests nor {UNTESTED}: {line}"));
        }
        let missing = names.into_iter().filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("there is no test {name}: {line}")));
    }
    assert!(rows > 20, "the tables of attacks are gone");
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
}

/// Names of all functions that follow a line with a test's attribute, those in `proptest!`, and the
/// fuzzer's, which a macro makes.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files("rs") {
        let text = fs::read_to_string(repository().join(file)).unwrap_or_default();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(list) = line.strip_prefix("targets!(") {
                names.extend(list.trim_end_matches(");").split(' ').map(str::to_owned));
            } else if is_test
                && let Some(rest) = line.trim_start_matches("async ").strip_prefix("fn ")
            {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
                is_test = false;
            }
        }
    }
    names
}

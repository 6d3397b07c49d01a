//! What pages and sources point to exists: links and their anchors, the book's table of contents,
//! cited pages, and paths of the repository that running text names.
//!
//! A page of the book links to pages of the book only. The same files are read in the repository
//! and as the built book, and a link that leaves `docs/` leads nowhere in the second.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{
    blocks,
    pages::{self, HISTORY},
    repository,
};

/// The book's table of contents.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Sources in which a page may be cited, by the ends of their names.
const SOURCES: [&str; 9] = ["rs", "toml", "sh", "py", "md", "yml", "yaml", "hbs", "json"];

/// Characters that a path has.
fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-*".contains(c)
}

/// A link as it stands on a page.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    target: String,
}

/// The lines of a page outside its fenced blocks, without code between backticks.
fn prose(page: &str) -> Vec<(usize, String)> {
    unfenced(page)
        .map(|(number, line)| (number, line.split('`').step_by(2).collect::<Vec<_>>().join("")))
        .collect()
}

/// The lines of a page outside its fenced blocks, from 1.
fn unfenced(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let fenced: BTreeSet<usize> = blocks(page)
        .iter()
        .flat_map(|block| block.line - 1..=block.line + block.text.lines().count())
        .collect();
    (1..).zip(page.lines()).filter(move |(number, _)| !fenced.contains(number))
}

/// The links of a page in the form `[text](target)`, which is the only one that the project uses.
fn links(page: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, text) in prose(page) {
        for after in text.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            found.push(Link { line, target: target.to_owned() });
        }
    }
    found
}

/// The anchors that a page's headings have, as mdBook and code-hosting sites make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let (mut found, mut times) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for (_, line) in unfenced(page) {
        let title = line.trim_start_matches('#');
        let depth = line.len() - title.len();
        let Some(title) = title.strip_prefix(' ').filter(|_| (1..=6).contains(&depth)) else {
            continue;
        };
        let anchor = anchor(title);
        let time = times.entry(anchor.clone()).or_default();
        found.insert(if *time == 0 { anchor } else { format!("{anchor}-{time}") });
        *time += 1;
    }
    found
}

/// The anchor of a heading.
fn anchor(title: &str) -> String {
    let mut text = String::new();
    // Of a link only the text is shown.
    for (index, part) in title.trim().split("](").enumerate() {
        let part =
            if index == 0 { part } else { part.split_once(')').map_or("", |(_, left)| left) };
        text.push_str(part);
    }
    text.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            _ if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// `path` from the folder of `page`, without `.` and `..`; nothing if it leaves the repository.
fn resolve(page: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn is_of_book(page: &str) -> bool {
    page.starts_with("docs/")
}

/// Fails if a link of any page leads nowhere.
pub fn check_links() {
    let root = repository();
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in pages::all() {
        for Link { line, target } in links(&read(&page)) {
            seen += 1;
            if target.starts_with("https://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) =
                target.split_once('#').map_or((target.as_str(), None), |(p, a)| (p, Some(a)));
            let file = if path.is_empty() { Some(page.clone()) } else { resolve(&page, path) };
            let problem = match file {
                None => Some("leaves the repository"),
                Some(file) if !root.join(&file).exists() => Some("does not exist"),
                Some(file) if is_of_book(&page) && !is_of_book(&file) => {
                    Some("is no page of the book: name the file as code instead")
                }
                Some(file) if is_of_book(&page) && root.join(&file).is_dir() => {
                    Some("is a folder, which the book does not show: link to a page of it")
                }
                Some(file) => anchor
                    .filter(|anchor| !anchors(&read(&file)).contains(*anchor))
                    .map(|_| "has no such heading"),
            };
            broken.extend(problem.map(|problem| format!("{page}:{line}: {target} {problem}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > 60, "only {seen} links were found");
}

/// Fails if the table of contents leaves out a page of the book, or names one twice.
pub fn check_contents() {
    let named: Vec<String> = links(&read(SUMMARY))
        .into_iter()
        .map(|link| resolve(SUMMARY, &link.target).expect("inside the repository"))
        .collect();
    let pages: BTreeSet<String> =
        pages::all().into_iter().filter(|page| is_of_book(page) && page != SUMMARY).collect();
    let distinct: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(distinct.len(), named.len(), "{SUMMARY} names a page twice");
    let left_out: Vec<_> = pages.difference(&distinct).collect();
    let missing: Vec<_> = distinct.difference(&pages).collect();
    assert!(left_out.is_empty(), "{SUMMARY} leaves out {left_out:?}");
    assert!(missing.is_empty(), "{SUMMARY} names {missing:?}, which are no pages of docs/");
}

/// The paths under `docs/` that a text cites, with their lines.
fn citations(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (at, _) in line.match_indices("docs/") {
            // The end of another path, or of a word.
            if line[..at].chars().next_back().is_some_and(|c| is_of_path(c) || c == ':') {
                continue;
            }
            let path = line[at..].split(|c| !is_of_path(c)).next().unwrap_or_default();
            found.push((number, path.trim_end_matches(['.', '-'])));
        }
    }
    found
}

/// Whether there is such a file or folder. What stands before a `*` or a `NAME`, and the number of
/// a decision, are the beginning of a name.
fn exists(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let start = path.split("NAME").next().unwrap_or_default();
    let start = start.split('*').next().unwrap_or_default();
    let (folder, name) = start.rsplit_once('/').unwrap_or(("", start));
    let begins = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(name);
    let is_beginning = start != path || path.starts_with("docs/decisions/");
    repository().join(path).exists()
        || is_beginning
            && fs::read_dir(repository().join(folder))
                .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(begins)))
}

/// Fails if a source, a text in a program or a page cites a page that does not exist.
pub fn check_citations() {
    let mut files: Vec<String> = SOURCES.iter().flat_map(|ending| pages::files(ending)).collect();
    files.extend(["Makefile".to_owned(), ".ci/run".to_owned()]);
    let mut dangling = Vec::new();
    for file in files {
        // Examples of broken citations.
        if file == "tests/src/book/links.rs" {
            continue;
        }
        for (line, path) in citations(&read(&file)) {
            if !exists(path) {
                dangling.push(format!("{file}:{line}: {path} does not exist"));
            }
        }
    }
    assert!(dangling.is_empty(), "{}", dangling.join("\n"));
}

/// Fails if running text names a file or folder of the repository that does not exist.
pub fn check_paths() {
    let folders: BTreeSet<String> = fs::read_dir(repository())
        .expect("the repository is readable")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !pages::FOREIGN.contains(&name.as_str()))
        .collect();
    let mut gone = Vec::new();
    for page in pages::all() {
        if HISTORY.iter().any(|old| page.starts_with(old)) {
            continue;
        }
        let text = read(&page);
        for (line, span) in unfenced(&text)
            .flat_map(|(line, text)| text.split('`').skip(1).step_by(2).map(move |s| (line, s)))
        {
            // What follows a colon is a line or a name in the file.
            let path = span.split(':').next().unwrap_or_default();
            let is_path = path.split_once('/').is_some_and(|(first, _)| folders.contains(first))
                && path.chars().all(is_of_path);
            if is_path && !exists(path) {
                gone.push(format!("{page}:{line}: there is no {path}"));
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let page =
            "# A\n[a](b.md) and [`c`](d/e.md#f \"title\")\n```\n[no](no.md)\n```\n`[no](n)`\n";
        let link = |target: &str| Link { line: 2, target: target.to_owned() };
        assert_eq!(links(page), [link("b.md"), link("d/e.md#f")]);
    }

    #[test]
    fn headings_have_the_anchors_that_readers_follow() {
        let page = "# The wallet\n## `mica wallet new`\n## What is Q8_0?\n## [A](b.md) link\n\
                    ## The wallet\n```\n# no\n```\n#no\n";
        let expected = ["the-wallet", "mica-wallet-new", "what-is-q8_0", "a-link", "the-wallet-1"];
        assert_eq!(anchors(page), expected.map(String::from).into());
    }

    #[test]
    fn paths_are_resolved_inside_the_repository() {
        assert_eq!(resolve("docs/a/b.md", "../c.md").as_deref(), Some("docs/c.md"));
        assert_eq!(resolve("README.md", "docs/a.md").as_deref(), Some("docs/a.md"));
        assert_eq!(resolve("README.md", "../a.md"), None);
    }

    #[test]
    fn citations_of_pages_that_are_gone_are_noticed() {
        let text =
            "// see docs/decisions/011.\n// docs/operations/none.md, https://a.b/docs/x.md\n";
        assert_eq!(citations(text), [(1, "docs/decisions/011"), (2, "docs/operations/none.md")]);
        assert!(exists("docs/decisions/011") && exists("docs/benchmarks*.md") && exists("docs/"));
        assert!(exists("docs/concepts/NAME.md") && !exists("docs/absent/NAME.md"));
        assert!(!exists("docs/operations/none.md") && !exists("docs/decisions/999"));
    }
}

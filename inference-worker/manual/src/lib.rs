//! Manual pages of a program, one for it and one for each of its commands, from the same text as
//! `--help`.
//!
//! **Architecture invariant:** nothing here knows more than a command line, so that every program
//! may use it.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

use std::io;

use clap::Command;

/// One page of section 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its file: `mica-wallet-new.1` for `mica wallet new`.
    pub file: String,
    /// Its text, in roff.
    pub text: Vec<u8>,
}

/// The page of the program whose command line is `command`, then those of its commands, by name.
/// What does not show in `--help` has none.
///
/// # Errors
/// None of a sound command line: the pages are written to memory.
pub fn pages(mut command: Command) -> io::Result<Vec<Page>> {
    command.build();
    let mut pages = Vec::new();
    // A tree without loops: its depth is that of the command line.
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        pages.push(page(&command)?);
        let shown = |one: &&Command| !one.is_hide_set() && one.get_name() != "help";
        left.extend(command.get_subcommands().filter(shown).cloned());
    }
    if let Some((_, commands)) = pages.split_first_mut() {
        commands.sort_by(|one, other| one.file.cmp(&other.file));
    }
    Ok(pages)
}

fn page(command: &Command) -> io::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(Page { file: format!("{name}.1"), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        Command::new("tool").about("Does things").subcommands([
            Command::new("sort").about("Puts things in order").subcommand(Command::new("all")),
            Command::new("secret").hide(true),
            Command::new("add").arg(clap::Arg::new("dry-run").long("dry-run").help("Only says")),
        ])
    }

    #[test]
    fn every_command_that_shows_has_a_page_and_the_program_is_first() {
        let pages = pages(program()).expect("pages");
        let files: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files, ["tool.1", "tool-add.1", "tool-sort-all.1", "tool-sort.1"]);
    }

    #[test]
    fn a_page_says_what_help_says_and_is_the_same_each_time() {
        let first = pages(program()).expect("pages");
        let text = String::from_utf8(first[1].text.clone()).expect("text");
        assert!(text.contains(".TH") && text.contains("dry\\-run") && text.contains("Only says"));
        assert_eq!(first, pages(program()).expect("pages"));
    }
}

//! The command lines, from their definitions; of the node, whose options are the SDK's, the tasks.

use clap::{Arg, Command, CommandFactory};
use mica_cli::cli::Cli as PayerCli;
use mica_worker::cli::Cli as WorkerCli;

use super::{Page, code, plain, table};
use crate::process::command;

/// `mica`.
pub fn payer() -> Page {
    Page {
        path: "docs/reference/mica.md",
        title: "mica",
        text: page(
            PayerCli::command(),
            "The command line of payers and validators. Start with [the quick start](../payer.md), \
             [the wallet](../wallet.md) or [the validator's page](../validator.md); this page \
             lists everything. `mica man` writes the same as manual pages, and \
             [exit codes](../operations/exit-codes.md) have a page of their own.",
        ),
    }
}

/// `mica-worker`.
pub fn worker() -> Page {
    Page {
        path: "docs/reference/mica-worker.md",
        title: "mica-worker",
        text: page(
            WorkerCli::command(),
            "The command line of worker operators. Start with [the quick start](../worker.md); \
             most settings are in [config.toml](worker-toml.md).",
        ),
    }
}

/// `mica-node`.
pub fn node() -> Page {
    let output = command("mica-node").arg("--help").output().expect("mica-node starts");
    let help = String::from_utf8_lossy(&output.stdout);
    let tasks = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(name, _)| *name != "help")
        .map(|(name, about)| [code(&format!("mica-node {name}")), plain(about.trim())]);
    let text = format!(
        "The node is a Substrate node with its usual options; `mica-node --help` lists them, and \
         [the validator's page](../validator.md) uses those that matter. `--chain` takes `dev`, \
         `local` or a file. Without a task the node runs; these are the tasks:\n\n{}",
        table(["task", "what it does"], tasks)
    );
    Page { path: "docs/reference/mica-node.md", title: "mica-node", text }
}

fn page(mut program: Command, introduction: &str) -> String {
    let global: Vec<Arg> =
        program.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let mut text = format!("{introduction}\n\n## Options of every command\n\n");
    text.push_str(&options(&global));
    let name = program.get_name().to_owned();
    describe(&mut program, &name, &mut text);
    text
}

/// One section for each command that does something, in the order of the help.
fn describe(command: &mut Command, path: &str, text: &mut String) {
    let usage = command.clone().bin_name(path).render_usage().to_string();
    let usage: Vec<String> =
        usage.lines().map(|line| code(line.trim_start_matches("Usage:").trim_start())).collect();
    if command.get_subcommands().next().is_none() || command.get_arguments().any(is_own) {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!(
            "\n## `{path}`\n\n{}\n\nUsage: {}\n",
            plain(&sentence(&about)),
            usage.join(" or ")
        ));
        let own: Vec<Arg> = command.get_arguments().filter(|arg| is_own(arg)).cloned().collect();
        if !own.is_empty() {
            text.push_str(&format!("\n{}", options(&own)));
        }
    }
    for subcommand in command.get_subcommands_mut() {
        let path = format!("{path} {}", subcommand.get_name());
        describe(subcommand, &path, text);
    }
}

/// What is said of this command only.
fn is_own(argument: &Arg) -> bool {
    !argument.is_global_set()
        && !argument.is_hide_set()
        && !["help", "version"].contains(&argument.get_id().as_str())
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '?', '!']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn options(arguments: &[Arg]) -> String {
    let rows = arguments.iter().map(|argument| [code(&spelling(argument)), meaning(argument)]);
    table(["option", "what it means"], rows)
}

/// `-y, --yes`, `--home <DIR>`, `<PROMPT>`.
fn spelling(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let id = argument.get_id().as_str().to_uppercase();
    let values = argument
        .get_value_names()
        .map_or(vec![id], |names| names.iter().map(ToString::to_string).collect());
    let value = values.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ");
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    match (names.is_empty(), takes_value) {
        (true, _) => value,
        (false, true) => format!("{} {value}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

/// What its help says, with values, default and variable behind it.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let mut parts = vec![plain(&sentence(&help.split_whitespace().collect::<Vec<_>>().join(" ")))];
    let values = argument.get_possible_values();
    if argument.get_action().takes_values() && !values.is_empty() {
        let names = values.iter().filter(|value| !value.is_hide_set());
        let names: Vec<String> = names.map(|value| code(value.get_name())).collect();
        parts.push(format!("One of {}.", names.join(", ")));
    }
    let defaults = argument.get_default_values();
    if argument.get_action().takes_values() && defaults.iter().any(|value| !value.is_empty()) {
        let defaults: Vec<String> =
            defaults.iter().map(|value| code(&value.to_string_lossy())).collect();
        parts.push(format!("Default: {}.", defaults.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        parts.push(format!("Environment: `{}`.", variable.to_string_lossy()));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// Every environment variable that an option can come from, with the option's help and where it
/// occurs.
pub fn variables() -> Vec<Variable> {
    let mut found = Vec::new();
    for (program, mut definition) in
        [("mica", PayerCli::command()), ("mica-worker", WorkerCli::command())]
    {
        collect(&mut definition, program, &mut found);
    }
    found
}

/// An option that an environment variable can stand for.
pub struct Variable {
    /// The environment variable.
    pub name: String,
    /// A command that has the option.
    pub command: String,
    /// The option, with its dashes.
    pub option: String,
    /// What it means.
    pub meaning: String,
}

fn collect(command: &mut Command, path: &str, found: &mut Vec<Variable>) {
    for argument in command.get_arguments() {
        let (Some(name), Some(long)) = (argument.get_env(), argument.get_long()) else { continue };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        found.push(Variable {
            name: name.to_string_lossy().into_owned(),
            command: path.to_owned(),
            option: format!("--{long}"),
            meaning: plain(&help),
        });
    }
    for subcommand in command.get_subcommands_mut() {
        let path = format!("{path} {}", subcommand.get_name());
        collect(subcommand, &path, found);
    }
}

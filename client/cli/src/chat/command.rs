//! What the user typed: something to say, or a command with a slash.

/// What `/help` prints.
pub(crate) const HELP: &str = "\
/cost          what this chat has cost so far
/path          the workers that gave the last answer
/model         the model in use, and the models of this chain
/model FILE    go on with another model, from its GGUF file
/reset         forget the conversation
/help          this list
/quit          end (also Ctrl-D)
A line that ends with a backslash goes on in the next one; pasted lines stay together. To say
something that begins with a slash, begin with two.";

/// A command of the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChatCommand {
    /// `/cost`
    Cost,
    /// `/path`
    Path,
    /// `/model`, or `/model FILE`
    Model(Option<String>),
    /// `/reset`
    Reset,
    /// `/help`
    Help,
    /// `/quit`
    Quit,
    /// Anything else with a slash.
    Unknown(String),
}

/// One turn at the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Only space.
    Nothing,
    /// For the model.
    Say(String),
    /// For us.
    Command(ChatCommand),
}

/// Reads what was typed, continued lines already joined.
pub(crate) fn parse(text: &str) -> Entry {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Entry::Nothing;
    }
    let Some(line) = trimmed.strip_prefix('/') else { return Entry::Say(trimmed.to_owned()) };
    if line.starts_with('/') {
        return Entry::Say(line.to_owned());
    }
    let (word, rest) =
        line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
    Entry::Command(match (word, rest) {
        ("cost", "") => ChatCommand::Cost,
        ("path", "") => ChatCommand::Path,
        ("model", "") => ChatCommand::Model(None),
        ("model", file) => ChatCommand::Model(Some(file.to_owned())),
        ("reset", "") => ChatCommand::Reset,
        ("help" | "?", "") => ChatCommand::Help,
        ("quit" | "exit", "") => ChatCommand::Quit,
        _ => ChatCommand::Unknown(format!("/{line}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_what_is_said() {
        let command = |text: &str| match parse(text) {
            Entry::Command(command) => command,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(command(" /cost\n"), ChatCommand::Cost);
        assert_eq!(command("/model"), ChatCommand::Model(None));
        assert_eq!(
            command("/model  my model.gguf "),
            ChatCommand::Model(Some("my model.gguf".into()))
        );
        assert_eq!(command("/quit"), ChatCommand::Quit);
        assert_eq!(command("/rest"), ChatCommand::Unknown("/rest".into()));
        assert_eq!(command("/reset now"), ChatCommand::Unknown("/reset now".into()));
        assert_eq!(command("/"), ChatCommand::Unknown("/".into()));
        assert_eq!(parse("//etc is a folder"), Entry::Say("/etc is a folder".into()));
        assert_eq!(parse(" two\nlines \n"), Entry::Say("two\nlines".into()));
        assert_eq!(parse(" \n"), Entry::Nothing);
    }
}

//! Where a password comes from: a file, a command, the environment, or a person who is asked. Never
//! the command line itself, which others see.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// Least characters of a new password.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// Most bytes of a password or of a file that holds one.
const MAX_PASSWORD_BYTES: u64 = 1024;
/// The option that names a command.
const COMMAND_FLAG: &str = "--password-command";
/// Longest time that a command may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const COMMAND_POLL: Duration = Duration::from_millis(20);

/// What a password opens, and the names under which it can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordRole {
    /// The wallet.
    #[default]
    Wallet,
    /// The wallet from now on.
    NewWallet,
    /// A polkadot-js file.
    File,
}

impl PasswordRole {
    /// The option that names a file with it.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Wallet => "--password-file",
            Self::NewWallet => "--new-password-file",
            Self::File => "--file-password-file",
        }
    }

    /// The environment variable that may hold it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Wallet => "MICA_PASSWORD",
            Self::NewWallet => "MICA_NEW_PASSWORD",
            Self::File => "MICA_FILE_PASSWORD",
        }
    }
}

/// A password; wiped when dropped.
pub struct Password(Zeroizing<String>);

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("cannot read the password file: {0}")]
    File(#[from] FileError),
    /// The file is not text.
    #[error("the password file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// The command gave none.
    #[error("the password command failed ({0}): run it by hand to see what it says")]
    Command(String),
    /// There is no terminal to ask at.
    #[error("there is no terminal to ask for the password of {what}: pass {} FILE or set {}", .role.flag(), .role.variable())]
    NoTerminal {
        /// What it opens.
        what: String,
        /// The names under which it can be given.
        role: PasswordRole,
    },
    /// The terminal failed.
    #[error("cannot read the password from the terminal: {0}")]
    Terminal(std::io::Error),
    /// The password was entered twice and the two differ.
    #[error("the two passwords differ; nothing was changed: try again")]
    Differ,
    /// Too weak.
    #[error("a new password needs at least {MIN_PASSWORD_CHARS} characters; nothing was changed")]
    TooShort,
}

/// Asks a person for passwords.
pub trait PasswordPrompt: Send + Sync {
    /// Whether a person can be asked.
    fn is_available(&self) -> bool;

    /// The answer to `question`, which is not shown while it is typed.
    ///
    /// # Errors
    /// What the system says if the answer cannot be read.
    fn ask(&self, question: &str) -> std::io::Result<String>;
}

/// Where to look for the password. Its `Debug` shows no password.
#[derive(Clone, Default)]
pub struct PasswordSource {
    role: PasswordRole,
    file: Option<PathBuf>,
    command: Option<String>,
    variable: Option<Zeroizing<String>>,
    prompt: Option<&'static dyn PasswordPrompt>,
}

impl PasswordSource {
    /// The first line of `file`, or the role's variable.
    pub fn from_environment(role: PasswordRole, file: Option<PathBuf>) -> Self {
        Self {
            role,
            file,
            command: None,
            variable: std::env::var(role.variable())
                .ok()
                .filter(|text| !text.is_empty())
                .map(Zeroizing::new),
            prompt: None,
        }
    }

    /// The same; `command`, if there is one, is run by the shell where there is no file, and the
    /// first line of its output is the password.
    pub fn or_run(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// The same; where nothing is given, `prompt` asks.
    pub fn or_ask(self, prompt: &'static dyn PasswordPrompt) -> Self {
        Self { prompt: Some(prompt), ..self }
    }

    /// The prompt, if a person can be asked.
    fn available_prompt(&self) -> Option<&'static dyn PasswordPrompt> {
        self.prompt.filter(|prompt| prompt.is_available())
    }

    /// The password of an existing wallet.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one.
    pub fn existing(&self, wallet: &str) -> Result<Password, PasswordError> {
        self.of(&format!("wallet '{wallet}'"))
    }

    /// The password of `what`, which the prompt names.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one.
    pub fn of(&self, what: &str) -> Result<Password, PasswordError> {
        match self.given()? {
            Some(password) => Ok(password),
            None => self.prompt(what, &format!("Password of {what}: ")),
        }
    }

    /// A password for a new wallet; a person is asked for it twice.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one, or it is too short, or the two differ.
    pub fn new_wallet(&self, wallet: &str) -> Result<Password, PasswordError> {
        self.fresh(&format!("wallet '{wallet}'"))
    }

    /// A new password for `what`; a person is asked for it twice.
    ///
    /// # Errors
    /// [`PasswordError`] if no source has one, or it is too short, or the two differ.
    pub fn fresh(&self, what: &str) -> Result<Password, PasswordError> {
        let password = match self.given()? {
            Some(password) => password,
            None => {
                let first = self.prompt(what, &format!("New password for {what}: "))?;
                let second = self.prompt(what, "The same again: ")?;
                if *first.0 != *second.0 {
                    return Err(PasswordError::Differ);
                }
                first
            }
        };
        if password.0.chars().count() < MIN_PASSWORD_CHARS {
            Err(PasswordError::TooShort)
        } else {
            Ok(password)
        }
    }

    /// Which source would be asked: the option, the variable or `terminal`; nothing if there is
    /// none.
    pub fn origin(&self) -> Option<&'static str> {
        self.unattended().or_else(|| self.available_prompt().map(|_| "terminal"))
    }

    /// The source that needs nobody: the option or the variable; nothing if there is none.
    pub fn unattended(&self) -> Option<&'static str> {
        match (&self.file, &self.command, &self.variable) {
            (Some(_), _, _) => Some(self.role.flag()),
            (None, Some(_), _) => Some(COMMAND_FLAG),
            (None, None, Some(_)) => Some(self.role.variable()),
            (None, None, None) => None,
        }
    }

    /// The password, if a file, a command or the environment has it.
    ///
    /// # Errors
    /// [`PasswordError`] if the file or the command cannot be used.
    pub fn given(&self) -> Result<Option<Password>, PasswordError> {
        if let Some(path) = &self.file {
            let bytes = Zeroizing::new(files::read_bounded(path, MAX_PASSWORD_BYTES)?);
            let text =
                std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText(path.clone()))?;
            return Ok(Some(Password::new(text.lines().next().unwrap_or_default())));
        }
        if let Some(command) = &self.command {
            return command_output(command).map(Some);
        }
        Ok(self.variable.as_deref().map(|text| Password::new(text)))
    }

    fn prompt(&self, what: &str, question: &str) -> Result<Password, PasswordError> {
        let Some(prompt) = self.available_prompt() else {
            return Err(PasswordError::NoTerminal { what: what.into(), role: self.role });
        };
        let text = prompt.ask(question).map_err(PasswordError::Terminal)?;
        Ok(Password(Zeroizing::new(text)))
    }
}

/// The first line that a command of the shell prints. Its errors go where this program's go.
fn command_output(command: &str) -> Result<Password, PasswordError> {
    let failed = |error: std::io::Error| PasswordError::Command(error.to_string());
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let status = ended(&mut child).map_err(failed);
    if status.is_err() {
        // It is no use any more, whatever it still does.
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = status?;
    if !status.success() {
        return Err(PasswordError::Command(status.to_string()));
    }
    let mut bytes = Zeroizing::new([0; MAX_PASSWORD_BYTES as usize]);
    let mut length = 0;
    if let Some(mut stdout) = child.stdout.take() {
        // Not to the end: what the command has started may hold its output open for ever.
        while length < bytes.len() && !bytes[..length].contains(&b'\n') {
            match stdout.read(&mut bytes[length..]).map_err(failed)? {
                0 => break,
                count => length += count,
            }
        }
    }
    let line = bytes[..length].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = std::str::from_utf8(line)
        .map_err(|_| PasswordError::Command("it prints no UTF-8 text".into()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Password::new(line)),
        _ => Err(PasswordError::Command("it prints nothing".into())),
    }
}

/// Waits for the end of a process that prints no more than a pipe holds.
fn ended(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    let deadline = Instant::now() + COMMAND_PATIENCE;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status),
            None if Instant::now() < deadline => std::thread::sleep(COMMAND_POLL),
            None => {
                let late = format!("it did not end within {} s", COMMAND_PATIENCE.as_secs());
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, late));
            }
        }
    }
}

impl std::fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordSource({})", self.origin().unwrap_or("none"))
    }
}

impl Password {
    /// Takes the text as it is.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The bytes that go into the key derivation.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: Option<PathBuf>, variable: Option<&str>) -> PasswordSource {
        PasswordSource {
            role: PasswordRole::Wallet,
            file,
            command: None,
            variable: variable.map(|text| Zeroizing::new(text.to_owned())),
            prompt: None,
        }
    }

    #[test]
    fn the_file_goes_before_the_variable_and_only_its_first_line_counts() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "from the file\r\nsecond line\n").expect("written");
        let both = source(Some(path), Some("from the variable"));
        assert_eq!(both.existing("w").expect("password").as_bytes(), b"from the file");
        assert_eq!(both.origin(), Some("--password-file"));
        let variable = source(None, Some("from the variable"));
        assert_eq!(variable.existing("w").expect("password").as_bytes(), b"from the variable");
        assert_eq!(variable.origin(), Some("MICA_PASSWORD"));
    }

    #[test]
    fn a_command_goes_before_the_variable_and_only_its_first_line_counts() {
        let asked = |command: &str| {
            source(None, Some("from the variable")).or_run(Some(command.into())).existing("w")
        };
        let password = asked("printf 'from the command\\nmore\\n'").expect("password");
        assert_eq!(password.as_bytes(), b"from the command");
        // What it leaves running keeps its output open.
        let password = asked("sleep 600 & echo $!").expect("a password, at once");
        let id = std::str::from_utf8(password.as_bytes()).expect("a number");
        assert!(Command::new("kill").arg(id).status().expect("started").success());
        for wrong in ["exit 3", "true", "printf '\\377'", "no-such-program-anywhere"] {
            assert!(matches!(asked(wrong), Err(PasswordError::Command(_))), "{wrong}");
        }
        let both = source(Some("nowhere".into()), None).or_run(Some("echo x".into()));
        assert_eq!(both.unattended(), Some("--password-file"));
        let command = source(None, None).or_run(Some("echo x".into()));
        assert_eq!(command.origin(), Some("--password-command"));
    }

    #[test]
    fn unusable_sources_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("password");
        assert!(matches!(
            source(Some(path.clone()), None).existing("w"),
            Err(PasswordError::File(_))
        ));
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(matches!(
            source(Some(path.clone()), None).existing("w"),
            Err(PasswordError::NotText(_))
        ));
        std::fs::write(&path, vec![b'a'; 2000]).expect("written");
        assert!(matches!(source(Some(path), None).existing("w"), Err(PasswordError::File(_))));
        assert!(matches!(
            source(None, Some("short")).new_wallet("w"),
            Err(PasswordError::TooShort)
        ));
    }

    /// Answers every question with its own length, so that no two answers are the same.
    struct Typist;

    impl PasswordPrompt for Typist {
        fn is_available(&self) -> bool {
            true
        }

        fn ask(&self, question: &str) -> std::io::Result<String> {
            Ok(format!("{:08}", question.len()))
        }
    }

    #[test]
    fn a_person_is_asked_last_and_twice_for_a_new_password() {
        let asking = source(None, None).or_ask(&Typist);
        assert_eq!(asking.origin(), Some("terminal"));
        assert_eq!(asking.existing("w").expect("typed").as_bytes(), b"00000024");
        assert!(matches!(asking.new_wallet("w"), Err(PasswordError::Differ)));
        let given = source(None, Some("from the variable")).or_ask(&Typist);
        assert_eq!(given.existing("w").expect("given").as_bytes(), b"from the variable");
        let nobody = source(None, None);
        assert!(matches!(nobody.existing("w"), Err(PasswordError::NoTerminal { .. })));
    }

    #[test]
    fn a_missing_password_is_told_with_its_own_names() {
        let error = PasswordError::NoTerminal { what: "a.json".into(), role: PasswordRole::File };
        let text = error.to_string();
        assert!(
            text.contains("--file-password-file") && text.contains("MICA_FILE_PASSWORD"),
            "{text}"
        );
    }
}

//! `mica` in a home of its own, run to its end.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The development phrase of Substrate.
pub const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
/// Its account.
pub const ADDRESS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
/// Its account at `//Alice`.
pub const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/// A home folder; gone with the test.
pub struct Home(tempfile::TempDir);

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// With the wallet `default` of [`PHRASE`].
    pub fn with_wallet() -> Self {
        let home = Self::new();
        home.mica(&["wallet", "import"]).says(PHRASE).ok();
        home
    }

    /// A command with a password, and with a node that nobody runs.
    pub fn mica(&self, arguments: &[&str]) -> Mica {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mica"));
        command.env_clear().env("MICA_HOME", self.path()).env("MICA_PASSWORD", "correct horse");
        command.env("MICA_NODE_URL", "ws://127.0.0.1:9").args(arguments);
        Mica { command, input: Vec::new() }
    }
}

/// A command before it runs.
pub struct Mica {
    command: Command,
    input: Vec<u8>,
}

impl Mica {
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_password(mut self) -> Self {
        self.command.env_remove("MICA_PASSWORD");
        self
    }

    /// What is on its standard input.
    pub fn says(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    pub fn run(mut self) -> Ran {
        let pipes =
            self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("started");
        // A command that does not read what it is told has closed the pipe.
        let _ = child.stdin.take().expect("piped").write_all(&self.input);
        let output = child.wait_with_output().expect("ended");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let ran = Ran {
            code: output.status.code().expect("no signal"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    /// Runs it; it must succeed.
    pub fn ok(self) -> Ran {
        let ran = self.run();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran
    }

    /// Runs it; it must print JSON.
    pub fn json(self) -> Value {
        let ran = self.ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// Runs it; it must fail with this code and say `text`.
    pub fn fails(self, code: i32, text: &str) -> Ran {
        let ran = self.run();
        assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(text), "`{text}` is not in: {}", ran.stderr);
        ran
    }
}

/// The last three digits of a file's mode.
pub fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("there").permissions()) & 0o777
}

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("listed");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

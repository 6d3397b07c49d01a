//! A command that ran to its end, as a user or a program sees it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use mica_primitives::Balance;
use serde_json::Value;

/// How a command ended.
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it told beside that.
    pub stderr: String,
}

impl Ran {
    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// The error that it told, as JSON.
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let told: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr));
        told["error"].clone()
    }
}

/// Runs a command to its end with this input; no program may panic.
pub fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may end without reading anything.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let ran = Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// Money as the programs print it: a decimal string of base units.
pub fn units(value: &Value) -> Balance {
    let units = value.as_str().and_then(|text| text.parse().ok());
    units.unwrap_or_else(|| panic!("{value} is no decimal string of base units"))
}

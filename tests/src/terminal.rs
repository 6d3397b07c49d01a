//! A program at a terminal: reads what it prints, types what a person would type.
//!
//! The terminal comes from `script`, which every Debian has.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::wait::eventually;

/// Longest wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program and its screen.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    looked: usize,
    device: String,
}

impl Terminal {
    /// Starts the program and arguments of `command`, with its environment, at a terminal of its
    /// own.
    pub fn start(command: &Command) -> Self {
        let quoted =
            |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
        let words: Vec<String> =
            [command.get_program()].into_iter().chain(command.get_args()).map(quoted).collect();
        let mut script = Command::new("script");
        script
            .args(["-qefc", &format!("tty; exec {}", words.join(" ")), "/dev/null"])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut child =
            script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
        let (keyboard, mut output) =
            (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let shared = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&bytes[..count]);
            }
        });
        let mut terminal = Self { child, keyboard, screen, looked: 0, device: String::new() };
        let first = terminal.wait_for("\n");
        terminal.device = first.trim().to_owned();
        terminal
    }

    /// Everything on the screen so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// Waits until `text` appears after what was waited for before, and returns what stands
    /// between, `text` included.
    pub fn wait_for(&mut self, text: &str) -> String {
        let (screen, from) = (self.screen.clone(), self.looked);
        let found = eventually(&format!("`{text}` on the screen"), PATIENCE, || {
            let bytes = screen.lock().unwrap_or_else(PoisonError::into_inner);
            let rest = &bytes[from..];
            let at = rest.windows(text.len()).position(|window| window == text.as_bytes())?;
            Some((at + text.len(), String::from_utf8_lossy(&rest[..at + text.len()]).into_owned()))
        });
        self.looked += found.0;
        found.1
    }

    /// Types.
    pub fn types(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .and_then(|()| self.keyboard.flush())
            .expect("the terminal takes keys");
    }

    /// Types a secret once the terminal shows no more what is typed.
    pub fn types_unseen(&mut self, secret: &str) {
        eventually("the terminal hides what is typed", PATIENCE, || {
            let state =
                Command::new("stty").args(["-F", &self.device, "-a"]).output().expect("stty runs");
            String::from_utf8_lossy(&state.stdout)
                .split([' ', ';', '\n'])
                .any(|word| word == "-echo")
                .then_some(())
        });
        self.types(secret);
    }

    /// Waits for the program's end and returns its exit code.
    pub fn ends(&mut self) -> i32 {
        let status = eventually("the program ends", PATIENCE, || {
            self.child.try_wait().expect("a child can be asked")
        });
        status.code().expect("no signal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen:\n{}", self.screen());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The book: every page of the project with commands in it, run as it stands.
//!
//! A [`Reader`] goes through the fenced blocks of one page from top to bottom. Blocks marked `sh`
//! and `console` run in bash, one process each, and what one sets (variables, the working folder)
//! the next one has, as at a reader's terminal; `python` and `js` blocks run with the packages of
//! `tests/python/requirements.txt` and of `tests/javascript/package-lock.json`. Whatever differs
//! from what stands on the page is stated by the test: texts that are replaced (ports, addresses),
//! blocks that are files, and blocks that are not run, whole and with a reason. A block that nobody
//! knows fails the test, and so does a stated exception that no block needs any more.
//!
//! The module [`pages`] goes through all pages of the repository, so that a new page, or a command
//! in running text, cannot be forgotten; [`links`] sees that nothing points to what is not there,
//! and [`mod@reference`] that generated pages are up to date.

pub mod attacks;
pub mod links;
pub mod pages;
pub mod reference;

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    javascript,
    process::{Process, binary_folder, mark, without_proxies},
    python,
};

/// Saves what the next block needs: variables that may be set, and the working folder.
const SAVE: &str = "{ declare -p | grep -Ev '^declare -[A-Za-z]*r|^declare -[^ ]* \
                    (BASH|DIRSTACK|FUNCNAME|GROUPS|PIPESTATUS|_=)'; printf 'cd %q\\n' \"$PWD\"; } \
                    >\"$BASH_ENV.new\" 2>/dev/null && mv \"$BASH_ENV.new\" \"$BASH_ENV\"";

/// Longest time for the commands of one block, on a busy machine.
const LONGEST_BLOCK: Duration = Duration::from_secs(600);

/// The repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Subscription of the page on which its text begins, from 1.
    pub line: usize,
    /// What stands behind the fence.
    pub language: String,
    /// Its text.
    pub text: String,
}

impl Block {
    /// Its first line.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// What is typed: all of it, or of a `console` block what stands behind the prompts.
    fn commands(&self) -> String {
        if self.language != "console" {
            return self.text.clone();
        }
        let (mut commands, mut continues) = (String::new(), false);
        for line in self.text.lines() {
            let typed = line.strip_prefix("$ ").or(continues.then_some(line));
            continues = typed.is_some_and(|typed| typed.ends_with('\\'));
            commands.extend(typed.map(|typed| format!("{typed}\n")));
        }
        commands
    }
}

/// The fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let text = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.trim_start().starts_with("```"));
            let text = text.map(|line| format!("{line}\n")).collect();
            blocks.push(Block { line: number + 2, language: language.trim().to_owned(), text });
        }
    }
    blocks
}

/// What the test says of a block that is not simply run.
struct Exception {
    /// The whole block if it is left, so that a line that is added to it is not left too; otherwise
    /// its first line.
    text: String,
    fate: Fate,
    is_used: bool,
}

enum Fate {
    File(PathBuf),
    Left,
}

impl Exception {
    fn is_of(&self, block: &Block) -> bool {
        match self.fate {
            Fate::Left => block.text.trim_end() == self.text,
            Fate::File(_) => block.first_line() == self.text,
        }
    }
}

/// Goes through one page.
pub struct Reader {
    page: &'static str,
    blocks: std::vec::IntoIter<Block>,
    folder: PathBuf,
    state: PathBuf,
    variables: Vec<(String, String)>,
    replaced: Vec<(String, String)>,
    exceptions: Vec<Exception>,
    forbidden: Option<&'static str>,
    groups: Vec<u32>,
    said: String,
    run: usize,
}

impl Reader {
    /// Opens `page`, a path from the repository's root. Its commands run in `folder`, which is made
    /// if it is not there, with `folder/home` as their home.
    pub fn open(page: &'static str, folder: &Path) -> Self {
        let text = fs::read_to_string(repository().join(page))
            .unwrap_or_else(|error| panic!("{page}: {error}"));
        let home = folder.join("home");
        fs::create_dir_all(&home).expect("the test's folder is writable");
        let state = folder.join(format!("{}.state", page.replace('/', "-")));
        fs::write(&state, "").expect("the test's folder is writable");
        let reader = Self {
            page,
            blocks: blocks(&text).into_iter(),
            folder: folder.to_owned(),
            state,
            variables: Vec::new(),
            replaced: Vec::new(),
            exceptions: Vec::new(),
            forbidden: None,
            groups: Vec::new(),
            said: String::new(),
            run: 0,
        };
        reader.variable("HOME", &home.display().to_string())
    }

    /// Sets an environment variable for all blocks.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces a text, for example an address, wherever it stands in what is still to be run.
    pub fn replacing(mut self, text: &str, by: &str) -> Self {
        self.replace(text, by);
        self
    }

    /// The same in the middle of a page, for what is known only then.
    pub fn replace(&mut self, text: &str, by: &str) {
        let occurs = self.blocks.as_slice().iter().any(|block| block.text.contains(text));
        assert!(
            occurs,
            "{}: `{text}` is to be replaced and stands nowhere: take the replacement out of the \
             test",
            self.page
        );
        self.replaced.push((text.to_owned(), by.to_owned()));
    }

    /// A block that is not run, as it stands on the page, and why.
    pub fn leaving(self, text: &str, reason: &str) -> Self {
        assert!(reason.contains(' '), "a reason is a sentence");
        self.except(text, Fate::Left)
    }

    /// A block that is a file, by its first line; it is written when the reader comes to it.
    pub fn file(self, first_line: &str, name: &str) -> Self {
        let path = self.folder.join(name);
        self.except(first_line, Fate::File(path))
    }

    fn except(mut self, text: &str, fate: Fate) -> Self {
        self.exceptions.push(Exception { text: text.to_owned(), fate, is_used: false });
        self
    }

    /// Fails if a command says this, also if it says that it succeeded.
    pub fn never_saying(mut self, text: &'static str) -> Self {
        self.forbidden = Some(text);
        self
    }

    /// Runs the blocks up to the one that begins with `start`, which is the next then.
    pub fn until(&mut self, start: &str) {
        while let Some(block) = self.blocks.as_slice().first() {
            if block.text.starts_with(start) {
                return;
            }
            self.next();
        }
        panic!("{}: no block that is still to come begins with `{start}`", self.page);
    }

    /// Starts the next block, whose last command runs until it is stopped.
    pub fn start(&mut self, log: &str) -> Process {
        let block = self
            .blocks
            .next()
            .unwrap_or_else(|| panic!("{}: there is no block left to start", self.page));
        let text = self.replaced(&block.commands());
        let text = text.trim_end();
        // A continued line belongs to the command that it continues.
        let mut lines = text.lines().scan(false, |continues, line| {
            let begins = !*continues;
            *continues = line.ends_with('\\');
            Some((begins, line))
        });
        let begins: Vec<&str> =
            lines.by_ref().filter(|(begins, _)| *begins).map(|(_, line)| line).collect();
        let last = begins.last().and_then(|line| text.rfind(line)).expect("a block has a command");
        let (before, command) = text.split_at(last);
        self.run += 1;
        Process::start(self.bash(&format!("{before}exec {command}")), self.folder.join(log))
    }

    /// Runs what is left and returns what all commands printed on standard output.
    pub fn finish(mut self) -> String {
        while !self.blocks.as_slice().is_empty() {
            self.next();
        }
        for exception in &self.exceptions {
            let text = &exception.text;
            assert!(
                exception.is_used,
                "{}: there is no block `{text}`: take it out of the test",
                self.page
            );
        }
        assert!(self.run > 0, "{}: no command was run", self.page);
        std::mem::take(&mut self.said)
    }

    fn next(&mut self) {
        let Some(block) = self.blocks.next() else { return };
        let text = self.replaced(&block.commands());
        if let Some(exception) =
            self.exceptions.iter_mut().find(|exception| exception.is_of(&block))
        {
            exception.is_used = true;
            if let Fate::File(path) = &exception.fate {
                fs::write(path, text).expect("the test's folder is writable");
            }
            return;
        }
        let place = format!("{}:{}", self.page, block.line);
        let command = match block.language.as_str() {
            "sh" | "console" => self.bash(&format!("{text}\n{{ set +x; }} 2>/dev/null\n{SAVE}")),
            "python" => self.python(&text),
            "js" => self.javascript(&text),
            other => panic!(
                "{place}: a block marked `{other}` is neither run nor named in the test:\n{text}"
            ),
        };
        self.execute(command, &place, &text);
    }

    fn execute(&mut self, mut command: Command, place: &str, text: &str) {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shell starts");
        let group = child.id();
        // Whoever waits for the end of its output also waits for what it left in the background.
        let (ended, waiting) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            let is_late =
                waiting.recv_timeout(LONGEST_BLOCK) == Err(mpsc::RecvTimeoutError::Timeout);
            is_late && signal("KILL", group)
        });
        let output = child.wait_with_output().expect("the shell ends");
        drop(ended);
        let was_killed = watch.join().expect("the watch does not panic");
        assert!(!was_killed, "{place} did not end within {} s:\n{text}", LONGEST_BLOCK.as_secs());
        if signal("0", group) {
            self.groups.push(group);
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        let all = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{place} failed:\n{text}\n{all}");
        let forbidden = self.forbidden.filter(|forbidden| all.contains(forbidden));
        assert!(forbidden.is_none(), "{place} says {forbidden:?}:\n{text}\n{all}");
        self.said.push_str(&stdout);
        self.run += 1;
    }

    fn replaced(&self, text: &str) -> String {
        let (mut rest, mut result) = (text, String::with_capacity(text.len()));
        // In one pass: what is put in is not looked at again.
        while let Some(first) = rest.chars().next() {
            let found = self
                .replaced
                .iter()
                .find_map(|(from, to)| rest.strip_prefix(from.as_str()).map(|left| (to, left)));
            rest = match found {
                Some((to, left)) => {
                    result.push_str(to);
                    left
                }
                None => {
                    result.push(first);
                    &rest[first.len_utf8()..]
                }
            };
        }
        result
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &format!("set -x\n{script}")])
            .env("BASH_ENV", &self.state);
        self.prepare(command)
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(python::python());
        command.arg("-c").arg(script);
        self.prepare(command)
    }

    /// In the folder of the packages, where alone they are found.
    fn javascript(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", script]);
        let mut command = self.prepare(command);
        command.current_dir(javascript::folder());
        command
    }

    /// With the built programs, without settings of the machine's own, in a process group of its
    /// own.
    fn prepare(&self, mut command: Command) -> Command {
        mark(&mut command);
        let path =
            format!("{}:{}", binary_folder().display(), std::env::var("PATH").unwrap_or_default());
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("MICA_") && name != "MICA_TEST_RUN")
        {
            command.env_remove(name);
        }
        without_proxies(&mut command);
        command.env("PATH", path).current_dir(&self.folder).stdin(Stdio::null()).process_group(0);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Reader {
    /// Ends what the blocks left running in the background. A page that was not read to its end
    /// fails the test.
    fn drop(&mut self) {
        for group in &self.groups {
            signal("KILL", *group);
        }
        let left = self.blocks.as_slice().first();
        assert!(
            left.is_none() || thread::panicking(),
            "{}: nobody has run what begins with {left:?}",
            self.page
        );
    }
}

/// Sends a signal to a process group; whether there is one.
fn signal(signal: &str, group: u32) -> bool {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), "--", &format!("-{group}")])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Text.\n```sh\nA=1\n```\n```console\n$ mica ask \\\n    --json\nan \
                        answer\n$ mica market\n```\n";

    #[test]
    fn blocks_have_their_language_and_their_line() {
        let found = blocks(PAGE);
        assert_eq!(
            found.iter().map(|block| (block.line, block.language.as_str())).collect::<Vec<_>>(),
            [(3, "sh"), (6, "console")]
        );
        assert_eq!(found[0].commands(), "A=1\n");
        assert_eq!(
            found[1].commands(),
            "mica ask \\\n    --json\nmica market\n",
            "what is typed, and not what is printed"
        );
    }

    /// A reader of a page that is not in the repository.
    fn reader(page: &str, folder: &Path) -> Reader {
        let mut reader = Reader::open("docs/wallet.md", folder);
        reader.blocks = blocks(page).into_iter();
        reader
    }

    fn complaint(reader: Reader) -> String {
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.finish()))
            .expect_err("it fails");
        failed.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn blocks_share_one_shell_and_texts_are_replaced_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let page = "```sh\nA='one two'\nmkdir inside && cd inside\n```\n```sh\necho \"$A\" 30333 \
                    9944 \"$(basename \"$PWD\")\"\n```\n";
        let said =
            reader(page, folder.path()).replacing("30333", "9944").replacing("9944", "1").finish();
        assert_eq!(said, "one two 9944 1 inside\n");
    }

    #[test]
    fn what_nobody_knows_and_what_fails_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let said = complaint(reader("```sh\ntrue\n```\n\n```toml\na = 1\n```\n", folder.path()));
        assert!(said.starts_with("docs/wallet.md:6: a block marked `toml`"), "{said}");
        let said = complaint(reader("```sh\nfalse | true\n```\n", folder.path()));
        assert!(said.starts_with("docs/wallet.md:2 failed"), "{said}");
        let said = complaint(
            reader("```sh\ntrue\n```\n", folder.path()).leaving("make demo", "it is long"),
        );
        assert!(said.contains("there is no block `make demo`"), "{said}");
        let said = complaint(
            reader("```sh\necho '\"error\"'\n```\n", folder.path()).never_saying("\"error\""),
        );
        assert!(said.contains("says"), "{said}");
    }
}

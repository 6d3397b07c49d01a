//! A real process: started with its output in a file, killed when its handle is dropped.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use crate::wait::eventually;

/// Lines of its output that a process tells when a test fails.
const LINES_TOLD: usize = 40;
/// Marks every process of one test run; its value is the test's process id.
const MARKER: &str = "MICA_TEST_RUN";

/// The folder of the project's programs, beside the test's own.
pub fn binary_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent);
    folder.expect("tests run from target/<profile>/deps").to_owned()
}

/// Path of one of the project's programs.
pub fn binary(name: &str) -> PathBuf {
    let path = binary_folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests with `make test`, which builds the programs first",
        path.display()
    );
    path
}

/// A port on loopback that nobody listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

/// The first of `count` ports in a row on loopback that nobody listens on at this moment.
pub fn free_ports(count: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    eventually("free ports in a row", Duration::from_secs(10), || {
        let first = free_port();
        (first..first.checked_add(count)?).all(is_free).then_some(first)
    })
}

/// A command of one of the project's programs with the run's marker in its environment.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    mark(&mut command);
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

/// Gives any other program the run's marker.
pub fn mark(command: &mut Command) {
    command.env(MARKER, std::process::id().to_string());
}

/// Settings of the machine's own that would send loopback elsewhere.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Takes settings of the machine's own away from a program that talks to loopback.
pub fn without_proxies(command: &mut Command) {
    PROXIES.iter().for_each(|name| {
        command.env_remove(name);
    });
}

/// Runs a program of somebody else's to its end, and panics with what it printed if it fails, or
/// with `remedy` if it is not there.
pub fn run_foreign(command: &mut Command, remedy: &str) -> Output {
    let output = output_of(command, remedy);
    assert!(output.status.success(), "{command:?} failed:\n{}", printed(&output));
    output
}

/// Has a package manager fetch `packages`, and panics with what to do if it cannot.
pub fn install(command: &mut Command, remedy: &str, packages: &str) {
    let output = output_of(command, remedy);
    assert!(
        output.status.success(),
        "{packages} could not be installed. They are fetched once, and kept beside the binaries: \
         give this machine a network, or the package manager a mirror. {command:?} said:\n{}",
        printed(&output)
    );
}

fn output_of(command: &mut Command, remedy: &str) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}): {remedy}"))
}

fn printed(output: &Output) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{stdout}\n{stderr}")
}

/// Command lines of processes that this test run started and that still live, except those of
/// handles that are held.
pub fn leftovers() -> Vec<String> {
    let marker = format!("{MARKER}={}", std::process::id());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is readable").flatten() {
        let folder = entry.path();
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(environment) = fs::read(folder.join("environ")) else { continue };
        if environment.split(|&byte| byte == 0).any(|variable| variable == marker.as_bytes()) {
            let line = fs::read(folder.join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}

/// A process in the background.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error in `log`.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let out = File::create(&log).expect("the test's folder is writable");
        let err = out.try_clone().expect("a file handle can be copied");
        let child = command.stdout(out).stderr(err).spawn().expect("the program starts");
        Self { child, log }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ports of UDP on which it listens.
    pub fn udp_ports(&self) -> Vec<u16> {
        let folder = format!("/proc/{}/fd", self.child.id());
        let sockets: Vec<_> = fs::read_dir(folder)
            .expect("a child's files are readable")
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .collect();
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(fs::read_to_string);
        let lines = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
        // Of a line, the second column is `address:port` in hexadecimal and the tenth the inode.
        lines
            .filter_map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let socket = format!("socket:[{}]", columns.get(9)?);
                let port = columns.get(1)?.rsplit(':').next()?;
                let is_its = sockets.iter().any(|path| path.as_os_str() == socket.as_str());
                is_its.then(|| u16::from_str_radix(port, 16).ok()).flatten()
            })
            .collect()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Waits until a line of its output satisfies `found`, and panics with the output if it ends or
    /// the deadline passes.
    pub fn wait_for_line<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        eventually(what, deadline, || {
            if let Some(value) = self.output().lines().find_map(&found) {
                return Some(value);
            }
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                panic!("the process ended with {status} before: {what}\n{}", self.output());
            }
            None
        })
    }

    /// Sends `signal` (a name that `kill` knows, for example `TERM`).
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{signal} failed");
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        eventually("the process ends", deadline, || {
            self.child.try_wait().expect("a child can be asked")
        })
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.output();
            let last = output.lines().rev().take(LINES_TOLD).collect::<Vec<_>>();
            eprintln!(
                "the end of {}:\n{}",
                self.log.display(),
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        self.kill();
    }
}

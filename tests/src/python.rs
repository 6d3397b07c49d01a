//! Third-party clients: Python packages in a virtual environment beside the tests' binaries,
//! created once.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A Python with the packages of `tests/python/requirements.txt`.
pub fn python() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let requirements = source.join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests run from target/<profile>/deps")
        .join("python-clients");
    let (program, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return program;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    run(Command::new(&program)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    std::fs::write(&installed, wanted).expect("the environment is writable");
    program
}

/// Runs one of the scripts in `tests/python` and gives what it printed; panics if it fails.
pub fn script(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name);
    let mut command = Command::new(python());
    // Settings of the machine's own must not send loopback elsewhere.
    for variable in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ] {
        command.env_remove(variable);
    }
    command.arg(script).args(arguments).envs(variables.iter().copied());
    String::from_utf8(run(&mut command).stdout).expect("text")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start ({error}): install python3 with venv")
    });
    let said = || {
        format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    assert!(output.status.success(), "{command:?} failed:\n{}", said());
    output
}

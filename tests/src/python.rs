//! Third-party clients in Python: packages in a virtual environment beside the tests' binaries,
//! created once.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::process::{binary_folder, install, run_foreign, without_proxies};

const REMEDY: &str = "install python3 with venv";

/// A Python with the packages of `tests/python/requirements.txt`.
pub fn python() -> PathBuf {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(installed);
    PYTHON.clone()
}

fn installed() -> PathBuf {
    let requirements = source().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    let folder = binary_folder().join("python-clients");
    let (program, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return program;
    }
    run_foreign(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), REMEDY);
    let mut pip = Command::new(&program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    install(pip.arg(&requirements), REMEDY, "the packages of tests/python/requirements.txt");
    std::fs::write(&installed, wanted).expect("the environment is writable");
    program
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// Runs one of the scripts in `tests/python` and gives what it printed; panics if it fails.
pub fn script(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(python());
    without_proxies(&mut command);
    command.arg(source().join(name)).args(arguments).envs(variables.iter().copied());
    String::from_utf8(run_foreign(&mut command, REMEDY).stdout).expect("text")
}

//! Third-party clients in JavaScript: packages in a folder beside the tests' binaries, installed
//! once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::process::{binary_folder, install, run_foreign, without_proxies};

const REMEDY: &str = "install nodejs (18 or newer) with npm: scripts/setup.sh test does";
const LOCK: &str = "package-lock.json";

/// A folder with the packages of `tests/javascript/package-lock.json` and the scripts beside it:
/// what a script imports is looked for where it lies.
pub fn folder() -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(installed);
    FOLDER.clone()
}

fn installed() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript");
    let folder = binary_folder().join("javascript-clients");
    fs::create_dir_all(&folder).expect("the folder of the binaries is writable");
    for entry in fs::read_dir(&source).expect("the scripts are readable").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("the folder is writable");
        }
    }
    let wanted = fs::read_to_string(source.join(LOCK)).expect("the list of packages");
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return folder;
    }
    // Nothing of what they bring runs while they are installed.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install(npm.current_dir(&folder), REMEDY, "the packages of tests/javascript/package-lock.json");
    fs::write(&installed, wanted).expect("the folder is writable");
    folder
}

/// Runs one of the scripts in `tests/javascript` and gives what it printed; panics if it fails.
pub fn script(name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("node");
    without_proxies(&mut command);
    command.current_dir(folder()).arg(name).args(arguments);
    String::from_utf8(run_foreign(&mut command, REMEDY).stdout).expect("text")
}

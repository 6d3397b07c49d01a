//! Files of settings: the keys of `mica config`, and the annotated files that the programs write.

use mica_cli::config::Key;

use super::{Page, code, plain, table};
use crate::process::command;

/// Keys of the payer's `config.toml`.
pub fn payer() -> Page {
    let rows = Key::ALL.map(|key| {
        [
            code(key.name()),
            plain(key.meaning()),
            code(key.default().unwrap_or_default()),
            code(key.variable().unwrap_or_default()),
        ]
    });
    let text = format!(
        "`config.toml` in the payer's folder (`mica config path` prints where). `mica config set` \
         writes it and refuses values that cannot be; `mica config list` shows what each key comes \
         to and where that comes from. Every key but `genesis` and `window` is also an option of \
         the commands that use it.\n\n{}",
        table(["key", "meaning", "default", "variable"], rows)
    );
    Page { path: "docs/reference/settings.md", title: "config.toml of payers", text }
}

/// The gateway's annotated file, as it prints it.
pub fn gateway() -> Page {
    let output = command("mica").args(["gateway", "--print-config"]).output().expect("mica starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = format!(
        "`gateway.toml` in the payer's folder, as `mica gateway --print-config` prints it; \
         [the gateway's page](../gateway.md) explains the most important parts.\n\n\
         ```toml\n{}\n```",
        String::from_utf8_lossy(&output.stdout).trim()
    );
    Page { path: "docs/reference/gateway-toml.md", title: "gateway.toml", text }
}

/// The worker's annotated file, as `init` writes it.
pub fn worker() -> Page {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("worker");
    let output = command("mica-worker")
        .arg("init")
        .arg("--data-dir")
        .arg(&data)
        .output()
        .expect("mica-worker starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = std::fs::read_to_string(data.join("config.toml")).expect("init writes it");
    let text = format!(
        "`config.toml` in the worker's folder, as `mica-worker init` writes it. Options of \
         [mica-worker run](mica-worker.md#mica-worker-run) stand above it.\n\n```toml\n{}\n```",
        file.trim()
    );
    Page { path: "docs/reference/worker-toml.md", title: "config.toml of workers", text }
}

//! Every command of `docs/gateway.md`, as it stands there: only the port is another one.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use mica_primitives::UNIT;
use mica_tests::{Gateway, Process, Wallet, binary, python};

use crate::world::World;

const PASSWORD: &str = "correct horse";

pub async fn every_command_of_the_page_works(world: &World) {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/gateway.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let wallet = Wallet::create(&world.folder.path().join("page"), &world.node.url);
    wallet.fund(&world.chain, 10 * UNIT).await;
    let mut gateway: Option<Gateway> = None;
    let mut commands = 0;
    for (language, block) in blocks(&page) {
        let port = gateway.as_ref().map(|gateway| gateway.address.port().to_string());
        let block = port.map_or(block.clone(), |port| block.replace("11434", &port));
        let mut command = match language.as_str() {
            "sh" if block.starts_with("mica gateway") && !block.contains("--print-config") => {
                let line = format!("exec {} --listen 127.0.0.1:0", block.trim());
                let mut process = Process::start(shell(&wallet, &line), wallet.home.join("page.log"));
                let address = process.wait_for_line("the gateway listens", Duration::from_secs(60), |line| {
                    line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
                });
                gateway = Some(Gateway { process, address });
                continue;
            }
            "sh" => shell(&wallet, &block),
            "python" => {
                let mut command = Command::new(python::python());
                command.arg("-c").arg(&block);
                without_proxies(&mut command);
                command
            }
            _ => continue,
        };
        let output = command.output().expect("it starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{block}\nfailed: {said}");
        assert!(!said.contains("\"error\""), "{block}\nwas refused: {said}");
        commands += 1;
    }
    assert!(commands >= 6, "only {commands} commands were found on the page");
    gateway.expect("the page starts a gateway").stop();
}

fn shell(wallet: &Wallet, script: &str) -> Command {
    let programs = binary("mica").parent().expect("a folder").to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euc", script]).env("PATH", path);
    without_proxies(&mut command);
    command.env("MICA_HOME", &wallet.home).env("MICA_PASSWORD", PASSWORD).env("MICA_NODE_URL", wallet.node_url());
    command.stdin(std::process::Stdio::null());
    command
}

/// What is asked is on this machine.
fn without_proxies(command: &mut Command) {
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(variable);
    }
}

/// The language and the text of every fenced block.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push((language.to_owned(), block.join("\n") + "\n"));
        }
    }
    blocks
}

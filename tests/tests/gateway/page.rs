//! Every command of `docs/gateway.md`, verbatim except for the port.

use std::time::Duration;

use mica_primitives::UNIT;
use mica_tests::{Gateway, Reader, Wallet};

use crate::fixture::Fixture;

const PASSWORD: &str = "correct horse";

pub async fn every_command_of_the_page_works(fixture: &Fixture) {
    let folder = fixture.folder.path().join("page");
    let wallet = Wallet::create(&folder.join("home/.mica"), &fixture.node.url);
    wallet.fund(&fixture.chain, 10 * UNIT).await;
    let mut page = Reader::open("docs/gateway.md", &folder)
        .variable("MICA_NODE_URL", &fixture.node.url)
        .variable("MICA_PASSWORD", PASSWORD)
        // A refusal is a body like any other for curl.
        .never_saying("\"error\"")
        .leaving(
            "[tls]\ncert = \"/etc/mica/gateway.pem\"     # with those that lead to its \
             authority\nkey = \"/etc/mica/gateway.key\"      # nobody else may read it",
            "the tests of who is let in write a certificate of their own",
        )
        .replacing("mica gateway\n", "mica gateway --listen 127.0.0.1:0\n");
    page.until("mica gateway\n");
    let mut process = page.start("gateway.log");
    let address: std::net::SocketAddr =
        process.wait_for_line("the gateway listens", Duration::from_secs(60), |line| {
            line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
        });
    page.replace("11434", &address.port().to_string());
    the_page_of_metrics_knows(&page.finish());
    Gateway { process, address }.stop();
}

/// Fails if the gateway counts something that `docs/operations/metrics.md` does not explain.
fn the_page_of_metrics_knows(said: &str) {
    let page = mica_tests::book::repository().join("docs/operations/metrics.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let names = said.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 10, "the gateway's page shows the metrics: {names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "the page of metrics leaves out {name}");
    }
}

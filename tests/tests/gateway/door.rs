//! Who is let in, within which limits, and what the program holds meanwhile: over running gateways,
//! each with the defaults or with the settings that it is about.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    time::Duration,
};

use mica_primitives::UNIT;
use mica_tests::{Wallet, eventually, http, process::command};
use serde_json::{Value, json};

use crate::{
    bad_requests::is_error,
    fixture::{Fixture, TINY, prompt},
};

const JSON: (&str, &str) = ("content-type", "application/json");

fn wallet(fixture: &Fixture, name: &str) -> Wallet {
    Wallet::create(&fixture.folder.path().join(name), &fixture.node.url)
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn run(mut command: Command) -> Output {
    command.output().expect("the program starts")
}

/// Sends a request whose head is as it stands here.
fn raw(fixture: &Fixture, head: &str, body: &str) -> http::Answer {
    let length = body.len();
    let request = format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    http::send_raw(fixture.open.address, request.as_bytes())
}

pub fn a_first_run_has_limits_and_says_so(fixture: &Fixture) {
    let started = fixture.open.process.output();
    for limit in ["1 MICA a day (--max-day)", "0.0005 MICA for a token (--max-price-per-token)"] {
        assert!(started.contains(limit), "{started}");
    }
    // A request lowers the highest price and does not raise it.
    let gateway =
        wallet(fixture, "prices").gateway("[path]\nmax_price_per_token = \"1u\"\n", false);
    let body = prompt("Hi", 4, 1, false);
    for headers in [&[][..], &[("x-mica-max-price", "1 MICA")]] {
        let answer = http::send(gateway.address, "POST", "/api/generate", headers, &body);
        assert_eq!(answer.status, 402, "{headers:?}: {}", answer.body);
        assert!(answer.body.contains("--max-price"), "{}", answer.body);
    }
}

pub fn a_web_page_gets_in_by_its_name_its_origin_and_its_type_alone(fixture: &Fixture) {
    let show = json!({"model": TINY}).to_string();
    let ask = |lines: &[&str]| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        raw(fixture, &format!("POST /api/show HTTP/1.1\r\n{lines}"), &show)
    };
    // What its browser was led to take for the page's own server.
    for host in ["evil.example", "evil.example:11434", "localhost.evil.example"] {
        let answer = ask(&[&format!("host: {host}")]);
        assert_eq!(answer.status, 403, "{host}: {}", answer.body);
        assert!(answer.body.contains("`names`"), "{}", answer.body);
        is_error("/api/show", &answer.json());
    }
    for host in ["localhost", "localhost:11434", "127.0.0.1:1"] {
        assert_eq!(ask(&[&format!("host: {host}")]).status, 200, "{host}");
    }
    let proxied = "POST http://evil.example/api/show HTTP/1.1\r\nhost: evil.example\r\n";
    assert_eq!(raw(fixture, proxied, &show).status, 200, "a client that takes us for its proxy");
    // Another program's page on this machine is a stranger too; the gateway's own is not.
    let json = "content-type: application/json";
    let page =
        |origin: &str, kind: &str| ask(&["host: localhost:9", &format!("origin: {origin}"), kind]);
    for origin in ["http://localhost:3000", "http://127.0.0.1:3000", "http://evil.example", "null"]
    {
        let answer = page(origin, json);
        assert_eq!(answer.status, 403, "{origin}: {}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let own = page("http://localhost:9", json);
    assert_eq!(own.status, 200, "{}", own.body);
    assert_eq!(own.header("access-control-allow-origin"), Some("http://localhost:9"));
    // What a browser sends for a page without asking first.
    for kind in
        ["content-type: text/plain", "content-type: application/x-www-form-urlencoded", "x: y"]
    {
        let answer = page("http://localhost:9", kind);
        assert_eq!(answer.status, 415, "{kind}: {}", answer.body);
        is_error("/api/show", &answer.json());
    }
    assert_eq!(ask(&["host: localhost", "content-type: text/plain"]).status, 415);
    let curl = "content-type: application/x-www-form-urlencoded";
    assert_eq!(ask(&["host: localhost", curl]).status, 200, "what `curl -d` sends");
    // Names and origins of the settings.
    let settings = "names = [\"gateway.lan\"]\norigins = [\"http://localhost:*\"]\n";
    let gateway = wallet(fixture, "named").gateway(settings, true);
    let request = "GET /api/tags HTTP/1.1\r\nhost: gateway.lan\r\norigin: http://localhost:3000\r\n\
                   connection: close\r\n\r\n";
    assert_eq!(http::send_raw(gateway.address, request.as_bytes()).status, 200);
}

pub fn an_address_for_others_needs_a_key_of_which_a_hash_is_kept(fixture: &Fixture) {
    let wallet = wallet(fixture, "others");
    let listen = || {
        let mut gateway = wallet.command();
        gateway.args(["gateway", "--listen", "0.0.0.0:0"]);
        gateway
    };
    let keys = |arguments: &[&str]| {
        let mut keys = wallet.command();
        keys.args(["--json", "gateway", "keys"]).args(arguments);
        let output = run(keys);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let refused = run(listen());
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("mica gateway keys add NAME"), "{}", said(&refused));

    let made = keys(&["add", "phone", "--per-day", "1u"]);
    let key = made["key"].as_str().expect("a key").to_owned();
    let path = wallet.home.join("gateway-keys.json");
    let kept = fs::read_to_string(&path).expect("written");
    assert!(!kept.contains(&key) && !kept.contains(&key[5..]), "the key itself is kept: {kept}");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let listed = keys(&["list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["per_day"]), (&"phone".into(), &"1".into()));

    let mut gateway = wallet.start(listen());
    let address = ([127, 0, 0, 1], gateway.address.port()).into();
    let bearer = format!("Bearer {key}");
    let tags =
        |headers: &[(&str, &str)]| http::send(address, "GET", "/api/tags", headers, b"").status;
    assert_eq!(tags(&[]), 401);
    assert_eq!(tags(&[("authorization", "Bearer mica_00")]), 401);
    assert_eq!(tags(&[("authorization", &bearer)]), 200);
    let body = prompt("Hi", 4, 1, false);
    let asked = http::send(address, "POST", "/api/generate", &[("authorization", &bearer)], &body);
    assert_eq!(asked.status, 402, "{}", asked.body);
    assert!(asked.body.contains("key 'phone' has"), "{}", asked.body);
    keys(&["remove", "phone"]);
    assert_eq!(tags(&[("authorization", &bearer)]), 401, "at once");
    gateway.stop();

    keys(&["add", "notebook"]);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
    let refused = run(listen());
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("chmod 600"), "{}", said(&refused));
}

pub fn who_guesses_keys_is_not_heard_for_a_while(fixture: &Fixture) {
    let wallet = wallet(fixture, "guessed");
    let mut add = wallet.command();
    add.args(["--json", "gateway", "keys", "add", "made"]);
    let made: Value = serde_json::from_slice(&run(add).stdout).expect("JSON");
    let made = format!("Bearer {}", made["key"].as_str().expect("a key"));
    let gateway = wallet.gateway("[[keys]]\nname = \"a\"\nkey = \"tell-nobody\"\n", true);
    assert!(gateway.process.output().contains("mica gateway keys add"), "it warns");
    let ask = |key: &str| {
        http::send(gateway.address, "GET", "/v1/models", &[("authorization", key)], b"")
    };
    assert_eq!(ask("Bearer tell-nobody").status, 200, "a key as somebody wrote it still works");
    let guesses: Vec<u16> =
        (0..16).map(|guess| ask(&format!("Bearer guess-{guess}")).status).collect();
    assert!(guesses[..5].iter().all(|status| *status == 401), "{guesses:?}");
    assert!(guesses.contains(&429), "{guesses:?}");
    let unheard = ask("Bearer tell-nobody");
    assert_eq!(unheard.status, 429, "{}", unheard.body);
    assert!(unheard.header("retry-after").is_some());
    is_error("/v1/models", &unheard.json());
    assert_eq!(ask(&made).status, 200, "what nobody can guess is always heard");
}

pub fn https_is_spoken_with_a_certificate(fixture: &Fixture) {
    let wallet = wallet(fixture, "tls");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| wallet.home.join(name));
    let made = run({
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-nodes", "-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost", "-keyout"]).arg(&key);
        openssl.arg("-out").arg(&cert);
        openssl
    });
    assert!(made.status.success(), "{}", said(&made));
    let settings = format!("[tls]\ncert = {cert:?}\nkey = {key:?}\n");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("set");
    wallet.settings(&settings);
    let mut exposed = wallet.command();
    exposed.args(["gateway", "--listen", "127.0.0.1:0"]);
    let refused = run(exposed);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("chmod 600"), "{}", said(&refused));

    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("set");
    let gateway = wallet.gateway(&settings, true);
    let port = gateway.address.port();
    let curl = |url: String, page: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "30", "--cacert"]).arg(&cert);
        curl.args(["-H", page, &url]);
        run(curl)
    };
    let own = format!("origin: https://localhost:{port}");
    let spoken = curl(format!("https://localhost:{port}/api/tags"), &own);
    assert!(spoken.status.success() && said(&spoken).contains("models"), "{}", said(&spoken));
    let plain = curl(format!("http://localhost:{port}/health"), "x: y");
    assert!(!plain.status.success(), "without TLS: {}", said(&plain));
}

pub async fn a_stream_says_that_it_is_there_while_channels_are_opened(fixture: &Fixture) {
    let chat = json!({
        "model": TINY, "stream": true, "max_tokens": 4,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    let chat = ("/v1/chat/completions", chat.to_string().into_bytes());
    let mut answers = Vec::new();
    for (path, body) in [chat, ("/api/generate", prompt("Hi", 4, 1, true))] {
        // A wallet of its own for each: channels are opened for the first request alone.
        let wallet = wallet(fixture, &format!("waiting{}", path.replace('/', "-")));
        wallet.fund(&fixture.chain, 10 * UNIT).await;
        let gateway = wallet.gateway("heartbeat_seconds = 1\n", false);
        let answer = http::send(gateway.address, "POST", path, &[JSON], &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answers.push(answer);
    }
    let (events, lines) = (&answers[0], &answers[1]);
    assert!(events.body.contains(": waiting\n\n"), "{}", events.body);
    assert_eq!(events.events().last(), Some(&"[DONE]"), "{}", events.body);
    assert!(lines.body.starts_with(' '), "{}", lines.body);
    let last = lines.lines().last().cloned().expect("lines of JSON");
    assert_eq!(last["done"], true, "{last}");
}

pub async fn the_accounts_key_is_opened_for_each_use_and_kept_by_nobody(fixture: &Fixture) {
    let wallet = wallet(fixture, "on-demand");
    wallet.fund(&fixture.chain, 10 * UNIT).await;
    let password = wallet.home.join("password");
    let write = || fs::write(&password, "correct horse\n").expect("written");
    write();
    let mut gateway = wallet.command();
    gateway.env_remove("MICA_PASSWORD").args(["gateway", "--listen", "127.0.0.1:0"]);
    gateway.arg("--password-file").arg(&password);
    let mut gateway = wallet.start(gateway);
    assert!(gateway.process.output().contains("--password-file, for each use alone"));
    let ask =
        || http::send(gateway.address, "POST", "/api/generate", &[], &prompt("Hi", 4, 1, false));
    // Nothing in the process opens the account any more.
    fs::remove_file(&password).expect("removed");
    let refused = ask();
    assert_eq!(refused.status / 100, 5, "{}", refused.body);
    assert!(refused.body.contains("password file"), "{}", refused.body);
    write();
    eventually("a channel is opened with the password's file", Duration::from_secs(60), || {
        (ask().status == 200).then_some(())
    });
    // Vouchers need the hot key alone.
    fs::remove_file(&password).expect("removed");
    assert_eq!(ask().status, 200);
    gateway.stop();
    // A command is as good as a file.
    let mut by_command = wallet.command();
    by_command.env_remove("MICA_PASSWORD").args(["gateway", "--listen", "127.0.0.1:0"]);
    by_command.args(["--password-command", "echo correct horse"]);
    let mut by_command = wallet.start(by_command);
    assert!(by_command.process.output().contains("--password-command, for each use alone"));
    by_command.stop();
    let mut wrong = command("mica");
    wrong.env("MICA_HOME", &wallet.home).env("MICA_NODE_URL", wallet.node_url());
    wrong.args(["gateway", "--listen", "127.0.0.1:0", "--password-command", "echo wrong horse"]);
    let wrong = run(wrong);
    assert_eq!(wrong.status.code(), Some(10), "{}", said(&wrong));
}

//! Wrong requests: each is told so in its API's own words, none costs anything, none harms the
//! others.

use mica_tests::{Wallet, http};
use serde_json::{Value, json};

use crate::fixture::{Fixture, prompt};

pub fn wrong_requests_get_the_apis_own_errors_and_cost_nothing(fixture: &Fixture) {
    fixture.quiet();
    let before = fixture.paid();
    let (model, long) = ("mica-tiny:q8_0", "word ".repeat(5_000));
    let user = json!([{"role": "user", "content": "Hi"}]);
    let bodies: Vec<(&str, u16, Vec<u8>)> = vec![
        ("/api/generate", 400, b"".to_vec()),
        ("/api/generate", 400, b"{".to_vec()),
        ("/api/generate", 400, b"[]".to_vec()),
        ("/api/generate", 400, vec![b'{', b'"', 0xff, 0xfe, b'"', b'}']),
        ("/api/generate", 400, "[".repeat(10_000).into_bytes()),
        ("/api/generate", 400, json!({"prompt": "Hi"}).to_string().into()),
        ("/api/generate", 400, json!({"model": 5, "prompt": "Hi"}).to_string().into()),
        ("/api/generate", 400, json!({"model": model, "prompt": ["Hi"]}).to_string().into()),
        (
            "/api/generate",
            400,
            json!({"model": model, "prompt": "Hi", "options": {"num_predict": -7}})
                .to_string()
                .into(),
        ),
        (
            "/api/generate",
            400,
            json!({"model": model, "prompt": "Hi", "options": []}).to_string().into(),
        ),
        (
            "/api/generate",
            400,
            json!({"model": model, "prompt": "Hi", "images": ["aGk="]}).to_string().into(),
        ),
        (
            "/api/generate",
            400,
            json!({"model": model, "prompt": "Hi", "context": [99_999_999]}).to_string().into(),
        ),
        (
            "/api/generate",
            400,
            json!({"model": model, "prompt": "Hi", "template": "{{ range . }}"}).to_string().into(),
        ),
        ("/api/generate", 400, json!({"model": model, "prompt": long}).to_string().into()),
        ("/api/generate", 404, json!({"model": "nobody", "prompt": "Hi"}).to_string().into()),
        ("/api/generate", 413, vec![b' '; 100_000]),
        (
            "/api/chat",
            400,
            json!({"model": model, "messages": [{"role": "pirate", "content": "Hi"}]})
                .to_string()
                .into(),
        ),
        ("/api/chat", 400, json!({"model": model, "messages": "Hi"}).to_string().into()),
        (
            "/api/chat",
            400,
            json!({"model": model, "messages": user, "tools": [{}]}).to_string().into(),
        ),
        (
            "/api/chat",
            400,
            json!({"model": model, "messages": user, "logprobs": true, "top_logprobs": 21})
                .to_string()
                .into(),
        ),
        ("/api/show", 404, json!({"model": "nobody"}).to_string().into()),
        ("/api/nothing", 404, b"{}".to_vec()),
        ("/api/tags", 405, b"{}".to_vec()),
        ("/api/pull", 501, b"{}".to_vec()),
        ("/v1/chat/completions", 400, b"nothing".to_vec()),
        ("/v1/chat/completions", 400, json!({"model": model, "messages": []}).to_string().into()),
        (
            "/v1/chat/completions",
            400,
            json!({"model": model, "messages": user, "max_tokens": -1}).to_string().into(),
        ),
        (
            "/v1/chat/completions",
            400,
            json!({"model": model, "messages": user, "n": 3}).to_string().into(),
        ),
        (
            "/v1/chat/completions",
            400,
            json!({"model": model, "messages": user, "top_logprobs": 2}).to_string().into(),
        ),
        (
            "/v1/chat/completions",
            400,
            json!({"model": model, "messages": user, "temperature": "hot"}).to_string().into(),
        ),
        (
            "/v1/chat/completions",
            404,
            json!({"model": "nobody", "messages": user}).to_string().into(),
        ),
        ("/v1/chat/completions", 413, vec![b' '; 100_000]),
        ("/v1/completions", 400, json!({"model": model, "prompt": ""}).to_string().into()),
        ("/v1/completions", 400, json!({"model": model, "prompt": ["a", "b"]}).to_string().into()),
        (
            "/v1/completions",
            400,
            json!({"model": model, "prompt": "Hi", "logprobs": 6}).to_string().into(),
        ),
        ("/v1/embeddings", 501, b"{}".to_vec()),
        ("/v1/nothing", 404, b"{}".to_vec()),
    ];
    for (path, status, body) in bodies {
        let answer = http::send(
            fixture.open.address,
            "POST",
            path,
            &[("content-type", "application/json")],
            &body,
        );
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        assert_eq!(answer.status, status, "{path} {shown}: {}", answer.body);
        is_error(path, &answer.json());
    }
    let strange = [("origin", "http://evil.example")];
    let answer = http::send(
        fixture.open.address,
        "POST",
        "/api/generate",
        &strange,
        &prompt("Hi", 4, 1, false),
    );
    assert_eq!(answer.status, 403, "a web page may not spend the wallet's money");
    let wishes = [
        ("x-mica-alpha", "much", 400),
        ("x-mica-max-price", "1u", 402),
        ("x-mica-max-total", "1u", 402),
    ];
    for (name, value, status) in wishes {
        let answer = http::send(
            fixture.open.address,
            "POST",
            "/api/generate",
            &[(name, value)],
            &prompt("Hi", 4, 1, false),
        );
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
    let answer =
        http::send(fixture.open.address, "GET", "/health", &[("x-request-id", "mine-7")], b"");
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("mine-7")));
    assert_eq!(http::send(fixture.open.address, "GET", "/ready", &[], b"").status, 200);
    assert_eq!(http::send(fixture.open.address, "HEAD", "/", &[], b"").status, 200);
    assert_eq!(
        http::send(fixture.open.address, "GET", "/openapi.json", &[], b"").json()["openapi"],
        "3.1.0"
    );
    fixture.quiet();
    assert_eq!(fixture.paid(), before, "a wrong request cost something");
}

/// The error has the shape of the path's API and says something.
pub fn is_error(path: &str, body: &Value) {
    if path.starts_with("/v1/") {
        let error = &body["error"];
        assert!(
            error["message"].as_str().is_some_and(|text| text.len() > 10)
                && error["type"].is_string(),
            "{path}: {body}"
        );
        assert!(error.get("param").is_some() && error.get("code").is_some(), "{path}: {body}");
    } else {
        assert!(body["error"].as_str().is_some_and(|text| text.len() > 10), "{path}: {body}");
    }
}

pub fn slow_and_flooding_connections_are_closed(fixture: &Fixture) {
    let slow = http::exchange(
        fixture.open.address,
        b"POST /api/generate HTTP/1.1\r\nhost: localhost\r\n",
        |_| false,
    );
    assert!(
        slow.is_empty() || slow.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&slow)
    );
    let slow = http::send_raw(
        fixture.open.address,
        b"POST /api/generate HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{",
    );
    assert_eq!(slow.status, 408, "{}", slow.body);
    let fields: String = (0..500).map(|number| format!("x-{number}: y\r\n")).collect();
    let flood = http::send_raw(
        fixture.open.address,
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n").as_bytes(),
    );
    assert!(matches!(flood.status, 0 | 400 | 431), "{}", flood.status);
    let long =
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "y".repeat(300_000));
    let flood = http::send_raw(fixture.open.address, long.as_bytes());
    assert!(matches!(flood.status, 0 | 400 | 431), "{}", flood.status);
    assert_eq!(
        http::send(fixture.open.address, "GET", "/", &[], b"").body,
        "Ollama is running",
        "the others are served"
    );
}

pub async fn a_locked_wallet_serves_all_but_generation(fixture: &Fixture) {
    let wallet = Wallet::create(&fixture.folder.path().join("locked"), &fixture.node.url);
    let mut gateway = wallet.gateway("", true);
    assert_eq!(http::send(gateway.address, "GET", "/api/tags", &[], b"").status, 200);
    assert_eq!(http::send(gateway.address, "GET", "/ready", &[], b"").status, 503);
    for path in ["/api/generate", "/v1/completions"] {
        let answer = http::send(gateway.address, "POST", path, &[], &prompt("Hi", 4, 1, false));
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.contains("wallet is locked"), "{}", answer.body);
        is_error(path, &answer.json());
    }
    gateway.stop();
}

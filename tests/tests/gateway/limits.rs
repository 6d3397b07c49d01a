//! Budgets, the queue, and a node that disappears.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use mica_tests::{eventually, http};

use crate::{
    bad_requests::is_error,
    fixture::{Fixture, TINY, metric, prompt, text_of},
};

fn ask(fixture: &Fixture, key: &str, path: &str, body: &[u8]) -> http::Answer {
    let bearer = format!("Bearer {key}");
    http::send(fixture.keyed.address, "POST", path, &[("authorization", &bearer)], body)
}

pub fn caps_are_told_in_each_apis_words_and_nothing_is_spent(fixture: &Fixture) {
    let body = prompt("Hi", 8, 1, false);
    for (path, headers) in
        [("/api/generate", &[][..]), ("/v1/models", &[("authorization", "Bearer wrong")])]
    {
        let answer = http::send(fixture.keyed.address, "POST", path, headers, &body);
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
        is_error(path, &answer.json());
    }
    assert_eq!(
        http::send(fixture.keyed.address, "GET", "/health", &[], b"").status,
        200,
        "no key is needed to look"
    );
    let spent = || metric(&fixture.keyed, "mica_gateway_spent_today_base_units");
    let before = spent();
    let text = br#"{"model":"mica-tiny:q8_0","prompt":"Hi","max_tokens":8}"#;
    for (path, body) in [("/api/generate", body.as_slice()), ("/v1/completions", text)] {
        let answer = ask(fixture, "key-careful", path, body);
        assert_eq!(answer.status, 402, "{}", answer.body);
        assert!(answer.body.contains("one request of key 'careful'"), "{}", answer.body);
        is_error(path, &answer.json());
    }
    assert_eq!(spent(), before, "a refused request cost something");
    let mut answered = 0;
    let refused = loop {
        let answer = ask(fixture, "key-daily", "/api/generate", &body);
        match answer.status {
            200 => answered += 1,
            _ => break answer,
        }
        assert!(answered < 50, "the day's budget has no end");
    };
    assert!(
        answered >= 1 && refused.status == 402,
        "{answered} answers, then {}: {}",
        refused.status,
        refused.body
    );
    assert!(refused.body.contains("key 'daily' has"), "{}", refused.body);
    assert_eq!(
        ask(fixture, "key-with-plenty", "/api/generate", &body).status,
        200,
        "one key's budget is not another's"
    );
}

pub fn bodies_are_bounded_together(fixture: &Fixture) {
    // Two bytes each, and many times that in memory.
    let zeros = "0,".repeat(300_000) + "0";
    let generate = format!("{{\"model\": \"{TINY}\", \"prompt\": \"Hi\", \"context\": [{zeros}]}}");
    let completions = format!("{{\"model\": \"{TINY}\", \"prompt\": [{zeros}]}}");
    for (path, body) in [("/api/generate", &generate), ("/v1/completions", &completions)] {
        let answer = ask(fixture, "key-with-plenty", path, body.as_bytes());
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        assert!(answer.body.contains("values"), "{}", answer.body);
        is_error(path, &answer.json());
    }
    // More long bodies than are read at once, none of which ends: short ones are read meanwhile, a
    // long one after them.
    let begun = "POST /api/show HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \
                 key-with-plenty\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n{";
    let endless: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream =
                TcpStream::connect(fixture.keyed.address).expect("the gateway listens");
            stream.write_all(begun.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let short = format!("{{\"model\": \"{TINY}\"}}");
    let long = format!(
        "{{\"model\": \"{TINY}\", \"verbose\": false, \"more\": \"{}\"}}",
        "x".repeat(100_000)
    );
    let show = |body: &str| ask(fixture, "key-with-plenty", "/api/show", body.as_bytes());
    let answer = show(&short);
    assert_eq!(answer.status, 200, "{}", answer.body);
    eventually("the long one is read", Duration::from_secs(30), || {
        let answer = show(&long);
        // It waits no longer than a body may take, so all that it finds may end a moment after it.
        assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
        (answer.status == 200).then_some(())
    });
    for mut stream in endless {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

pub fn a_full_queue_refuses_and_a_slow_reader_holds_up_nobody(fixture: &Fixture) {
    let bearer = [("authorization", "Bearer key-with-plenty")];
    let long = http::request(
        "POST",
        "/api/generate",
        &bearer,
        &prompt("Write a short story about a robot.", 300, 3, true),
    );
    std::thread::scope(|scope| {
        // One runs, and its client reads nothing after the first bytes until the others are done.
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let long = &long;
        let slow = scope.spawn(move || {
            let held = std::cell::Cell::new(false);
            http::exchange(fixture.keyed.address, long, |received| {
                if !received.is_empty() && !held.replace(true) {
                    begun.send(()).expect("somebody waits");
                    told.recv().expect("somebody tells");
                }
                false
            })
        });
        has_begun.recv().expect("the first answer begins");
        let mut statuses: Vec<u16> = Vec::new();
        let waiting = scope.spawn(|| {
            ask(fixture, "key-with-plenty", "/api/generate", &prompt("Hi", 4, 1, false)).status
        });
        let has_queued = || metric(&fixture.keyed, "mica_gateway_requests_waiting") == 1;
        let is_over = || metric(&fixture.keyed, "mica_gateway_sessions_running") == 0;
        eventually("one waits, or the first is done", Duration::from_secs(30), || {
            (has_queued() || is_over() || waiting.is_finished()).then_some(())
        });
        if has_queued() {
            statuses.push(
                ask(fixture, "key-with-plenty", "/api/generate", &prompt("Hi", 4, 1, false)).status,
            );
            let text = br#"{"model":"mica-tiny:q8_0","prompt":"Hi","max_tokens":4}"#;
            statuses.push(ask(fixture, "key-with-plenty", "/v1/completions", text).status);
        }
        // The second is answered although the first one's client does not read.
        assert_eq!(waiting.join().expect("an answer"), 200);
        tell.send(()).expect("the reader waits");
        let slow = String::from_utf8(slow.join().expect("an answer")).expect("text");
        assert!(slow.contains("\"done\":true"), "the slow reader gets everything: {slow}");
        for (status, expected) in statuses.into_iter().zip([503, 429]) {
            // The place may have become free in between.
            assert!(status == expected || status == 200, "{status} instead of {expected}");
        }
    });
}

pub fn a_node_that_is_gone_is_done_without_for_a_while(fixture: &Fixture) {
    let body = prompt("Hi", 4, 1, true);
    assert_eq!(ask(fixture, "key-with-plenty", "/api/generate", &body).status, 200);
    fixture.relay.cut();
    let answer = ask(fixture, "key-with-plenty", "/api/generate", &body);
    assert_eq!(answer.status, 200, "the last state is good enough: {}", answer.body);
    text_of(&answer.lines());
    eventually("the state is too old", Duration::from_secs(60), || {
        (http::send(fixture.keyed.address, "GET", "/ready", &[], b"").status == 503).then_some(())
    });
    let refused = ask(fixture, "key-with-plenty", "/api/generate", &body);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("has not answered for more than"), "{}", refused.body);
    fixture.relay.mend();
    eventually("the gateway goes on", Duration::from_secs(60), || {
        (ask(fixture, "key-with-plenty", "/api/generate", &body).status == 200).then_some(())
    });
}

pub fn a_path_without_workers_is_told(fixture: &mut Fixture) {
    let body = br#"{"model":"small","prompt":"Hi","options":{"num_predict":4},"stream":false}"#;
    let ask =
        |fixture: &Fixture| http::send(fixture.open.address, "POST", "/api/generate", &[], body);
    assert_eq!(ask(fixture).status, 200);
    fixture.workers[2].kill();
    let answer = ask(fixture);
    // Whether it is known to be gone already, or fails the answer that it was promised money for.
    assert!([502, 503].contains(&answer.status), "{}: {}", answer.status, answer.body);
    assert!(
        answer.body.contains("[0, 8)"),
        "the layers without a worker are named: {}",
        answer.body
    );
    is_error("/api/generate", &answer.json());
}

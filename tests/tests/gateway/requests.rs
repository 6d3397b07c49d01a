//! Every field of `tests/requests`, verbatim and as the client packages send it.

use std::sync::atomic::{AtomicUsize, Ordering};

use mica_tests::{
    http, python,
    requests::{Fate, Field, Route, routes},
};
use serde_json::{Map, Value};

use crate::{bad_requests::is_error, fixture::Fixture};

/// Requests at once.
const CLIENTS: usize = 8;

/// The bytes of each value over the wire.
pub fn every_value_of_every_field_is_taken_or_refused(fixture: &Fixture) {
    let mut wrong = Vec::new();
    let mut requests = 0;
    for (name, route) in routes() {
        let base = ask(fixture, &route, &Value::Object(route.base.clone()).to_string());
        let plain = text(&route.path, &base).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cases: Vec<(&Field, &str, Fate)> = route
            .fields
            .iter()
            .flat_map(|field| {
                field.values.iter().map(move |(value, fate)| (field, value.as_str(), *fate))
            })
            .collect();
        requests += cases.len();
        let next = AtomicUsize::new(0);
        let check = || {
            let mut wrong = Vec::new();
            while let Some((field, value, fate)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = ask(fixture, &route, &route.body(field, value));
                if let Err(error) = judge(&route, field, *fate, &plain, &answer) {
                    wrong.push(format!(
                        "{name}: {} = {value} should be {fate:?}: {error}",
                        field.name
                    ));
                }
            }
            wrong
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(check)).collect();
            clients.into_iter().for_each(|client| wrong.extend(client.join().expect("no panic")));
        });
    }
    assert!(
        wrong.is_empty(),
        "{} of {requests} requests went wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The same by those who wrote the packages that people use. Each fails for a parameter of its own
/// that the tables do not have.
pub fn every_field_of_every_package_is_taken_or_refused(fixture: &Fixture) {
    let tables: Map<String, Value> =
        routes().into_iter().map(|(name, route)| (name.to_owned(), route.to_json())).collect();
    let file = fixture.folder.path().join("requests.json");
    std::fs::write(&file, Value::from(tables).to_string()).expect("written");
    let (file, base) =
        (file.to_str().expect("a plain path"), format!("http://{}", fixture.open.address));
    for package in ["openai", "litellm", "langchain", "ollama"] {
        let said = python::script(&format!("every_field_{package}.py"), &[&base, file], &[]);
        eprintln!("{package}: {}", said.trim());
    }
}

/// What no body and no number may be: in the API's own form, and without harm to a field that is
/// ignored.
pub fn bodies_and_numbers_beyond_all_bounds_are_refused(fixture: &Fixture) {
    let digits = "9".repeat(1000);
    let counts = ["temperature", "seed", "max_tokens", "num_predict", "top_k"];
    for (name, route) in routes() {
        let plain = ask(fixture, &route, &Value::Object(route.base.clone()).to_string());
        let plain = text(&route.path, &plain).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unknown =
            Field { name: "a_field_of_next_year".into(), with: Map::new(), values: Vec::new() };
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let known = route.fields.iter().filter(|field| counts.contains(&field.name.as_str()));
        let refused = known.flat_map(|field| {
            [(field, digits.clone()), (field, format!("-{digits}")), (field, nested(100))]
        });
        let ignored =
            [digits.clone(), format!("0.{digits}"), nested(100)].map(|value| (&unknown, value));
        for ((field, value), fate) in refused
            .map(|case| (case, Fate::Refused))
            .chain(ignored.map(|case| (case, Fate::Ignored)))
        {
            let answer = ask(fixture, &route, &route.body(field, &value));
            let judged = judge(&route, field, fate, &plain, &answer);
            judged.unwrap_or_else(|error| {
                panic!("{name}: {} = {value} should be {fate:?}: {error}", field.name)
            });
        }
        let too_deep = route.body(&unknown, &nested(200));
        for body in [
            too_deep.as_str(),
            "",
            "nothing",
            "{\"model\": }",
            "{\"model\": \"mica-tiny\"",
            "[]",
            "{\"n\": NaN}",
            "{\"n\": 01}",
        ] {
            let answer = ask(fixture, &route, body);
            assert_eq!(answer.status, 400, "{name} {body}: {}", answer.body);
            is_error(&route.path, &answer.json());
        }
    }
}

fn ask(fixture: &Fixture, route: &Route, body: &str) -> http::Answer {
    http::send(
        fixture.open.address,
        "POST",
        &route.path,
        &[("content-type", "application/json")],
        body.as_bytes(),
    )
}

/// Why an answer is not what it should be.
fn judge(
    route: &Route,
    field: &Field,
    fate: Fate,
    plain: &str,
    answer: &http::Answer,
) -> Result<(), String> {
    if fate != Fate::Refused {
        let text = text(&route.path, answer)?;
        let is_same = fate == Fate::Taken || text == plain;
        return if is_same { Ok(()) } else { Err(format!("{text:?} instead of {plain:?}")) };
    }
    if answer.status != 400 {
        return Err(format!("{}: {}", answer.status, answer.body));
    }
    let body = answer.json();
    is_error(&route.path, &body);
    let is_named = match body["error"]["param"].as_str() {
        Some(param) => param.starts_with(&field.name),
        None => body["error"].as_str().is_some_and(|message| message.contains(&field.name)),
    };
    if is_named { Ok(()) } else { Err(format!("the field is not named: {body}")) }
}

/// The text of a whole, sound answer.
fn text(path: &str, answer: &http::Answer) -> Result<String, String> {
    let broken = |why: &str| Err(format!("{why}: {} {}", answer.status, answer.body));
    if answer.status != 200 {
        return broken("no answer");
    }
    let is_openai = path.starts_with("/v1/");
    let is_events = answer.body.starts_with("data: ");
    let pieces: Vec<Value> = match (is_openai, is_events) {
        (true, true) => {
            let mut events = answer.events();
            if events.pop() != Some("[DONE]") {
                return broken("no end");
            }
            events
                .into_iter()
                .map(|event| serde_json::from_str(event).unwrap_or_default())
                .collect()
        }
        (true, false) => vec![answer.json()],
        (false, _) => answer.lines(),
    };
    let is_over = |piece: &Value| match is_openai {
        true => piece["choices"][0]["finish_reason"].is_string(),
        false => piece["done"] == true && piece["done_reason"].is_string(),
    };
    if !pieces.iter().any(is_over) {
        return broken("no end");
    }
    let texts = [
        "/choices/0/message/content",
        "/choices/0/delta/content",
        "/choices/0/text",
        "/response",
        "/message/content",
    ];
    let text_of =
        |piece: &Value| texts.iter().find_map(|at| piece.pointer(at)?.as_str().map(str::to_owned));
    Ok(pieces.iter().filter_map(text_of).collect())
}

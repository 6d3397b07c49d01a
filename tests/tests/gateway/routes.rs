//! What `/openapi.json` describes is what a running gateway answers: every path, with these methods
//! and no others. The gateway's own unit tests compare the description with its table of routes.

use std::collections::{BTreeMap, BTreeSet};

use mica_tests::http;
use serde_json::Value;

use crate::fixture::Fixture;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub fn every_path_of_openapi_json_takes_its_methods_and_no_others(fixture: &Fixture) {
    for (path, methods) in described(fixture) {
        let path = path.replace("{id}", "nobody").replace("{name}", "nothing");
        assert!(!path.contains('{'), "{path}: say here what to put into its place");
        for method in METHODS {
            let answer =
                http::send(fixture.open.address, &method.to_uppercase(), &path, &[], b"nothing");
            assert_eq!(answer.status != 405, methods.contains(method), "{method} {path}");
            assert!(!answer.body.contains("no such path"), "{path}: {}", answer.body);
        }
    }
}

/// Paths, and the methods that each takes.
fn described(fixture: &Fixture) -> BTreeMap<String, BTreeSet<String>> {
    let openapi = http::send(fixture.open.address, "GET", "/openapi.json", &[], b"").json();
    let methods = |path: &Value| {
        let keys = path.as_object().expect("a path's methods").keys();
        keys.filter(|key| METHODS.contains(&key.as_str())).cloned().collect()
    };
    let paths = openapi["paths"].as_object().expect("paths");
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

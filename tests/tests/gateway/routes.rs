//! `/openapi.json` and the gateway's routes say the same.
//!
//! The description is written by hand. What is described is asked of the running gateway; what is
//! routed is read from the source, because a router cannot be asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use mica_tests::http;

use crate::fixture::Fixture;

/// Paths, and the methods that each takes.
type Routes = BTreeMap<String, BTreeSet<String>>;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub fn openapi_json_describes_every_route_and_nothing_else(fixture: &Fixture) {
    let described = described(fixture);
    let mut routed = Routes::new();
    read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../client"), &mut routed);
    assert!(!routed.is_empty(), "no routes were found in client/");
    assert_eq!(routed, described, "routes in client/ (left) and in openapi.json (right)");
    for (path, methods) in &described {
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

fn described(fixture: &Fixture) -> Routes {
    let openapi = http::send(fixture.open.address, "GET", "/openapi.json", &[], b"").json();
    let paths = openapi["paths"].as_object().expect("paths");
    let methods = |path: &serde_json::Value| {
        let keys = path.as_object().expect("a path's methods").keys();
        keys.filter(|key| METHODS.contains(&key.as_str())).cloned().collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// Adds the routes of all Rust files in a folder.
fn read_folder(folder: &Path, routes: &mut Routes) {
    for entry in fs::read_dir(folder).expect("the repository is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_folder(&path, routes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read_source(&fs::read_to_string(&path).expect("a source"), routes);
        }
    }
}

/// Adds the routes of a source: `.route("/path", get(…).post(…))`. Routes whose path is no literal
/// are those of services that the gateway does not offer.
fn read_source(source: &str, routes: &mut Routes) {
    for part in source.split(".route(").skip(1) {
        let Some((path, rest)) =
            part.trim_start().strip_prefix('"').and_then(|part| part.split_once('"'))
        else {
            continue;
        };
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let handlers = &rest[..end.expect("a route ends")];
        let takes = |method: &&str| {
            [" ", ".", "\n", ",", "::"]
                .iter()
                .any(|before| handlers.contains(&format!("{before}{method}(")))
        };
        let methods = METHODS.into_iter().filter(takes).map(str::to_owned).collect();
        // OpenAPI has one kind of parameter in a path.
        routes.insert(path.replace("{*", "{"), methods);
    }
}

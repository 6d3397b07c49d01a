//! The tables of `tests/requests`: every field of every route, with values as they appear in JSON.

use std::path::Path;

use serde_json::{Map, Value, json};
use toml::Table;

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The answer is a sound one. What sampling's fields do to it, `gateway/effects.rs` checks.
    Taken,
    /// The answer is as without it.
    Ignored,
    /// The answer is 400 and names the field.
    Refused,
}

/// A route and its fields.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its path.
    pub path: String,
    /// The request to which fields are added.
    pub base: Map<String, Value>,
    /// The object of the body that holds the fields, where it is not the body itself.
    pub inside: Option<String>,
    /// The fields.
    pub fields: Vec<Field>,
}

/// A field and its values.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What a request has besides when it has this field.
    pub with: Map<String, Value>,
    /// Values as JSON texts.
    pub values: Vec<(String, Fate)>,
}

/// The files, in the order in which they are read.
const FILES: [&str; 5] = [
    "openai-chat.toml",
    "openai-completions.toml",
    "ollama-generate.toml",
    "ollama-chat.toml",
    "ollama-options.toml",
];

/// All routes, by the names of their files without the ending.
pub fn routes() -> Vec<(&'static str, Route)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("requests");
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    FILES
        .iter()
        .map(|name| (name.trim_end_matches(".toml"), Route::parse(name, &read(name))))
        .collect()
}

impl Route {
    fn parse(file: &str, text: &str) -> Self {
        let table: Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let string = |name: &str| table.get(name).and_then(toml::Value::as_str).map(str::to_owned);
        let fields = table
            .get("field")
            .and_then(toml::Value::as_table)
            .unwrap_or_else(|| panic!("{file} has no fields"));
        Self {
            path: string("route").unwrap_or_else(|| panic!("{file} names no route")),
            base: object(&string("base").unwrap_or_else(|| panic!("{file} has no base"))),
            inside: string("inside"),
            fields: fields.iter().map(|(name, field)| Field::parse(name, field)).collect(),
        }
    }

    /// The body with one field as it is written, in place of the one that the base has.
    pub fn body(&self, field: &Field, value: &str) -> String {
        let mut body = self.base.clone();
        body.extend(field.with.clone());
        match &self.inside {
            None => with_field(body, &field.name, value),
            Some(inside) => {
                let inner = body
                    .remove(inside)
                    .and_then(|inner| inner.as_object().cloned())
                    .unwrap_or_default();
                with_field(body, inside, &with_field(inner, &field.name, value))
            }
        }
    }

    /// The table for programs in other languages.
    pub fn to_json(&self) -> Value {
        let fields = self.fields.iter().map(|field| {
            let values: Vec<Value> = field
                .values
                .iter()
                .map(|(text, fate)| json!([text, format!("{fate:?}").to_lowercase()]))
                .collect();
            (field.name.clone(), json!({"with": field.with, "values": values}))
        });
        json!({"base": self.base, "fields": fields.collect::<Map<_, _>>()})
    }
}

impl Field {
    fn parse(name: &str, field: &toml::Value) -> Self {
        let mut values = Vec::new();
        for (key, fate) in
            [("taken", Fate::Taken), ("ignored", Fate::Ignored), ("refused", Fate::Refused)]
        {
            let texts = field.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            values.extend(texts.map(|text| {
                (text.as_str().unwrap_or_else(|| panic!("{name}: {text}")).to_owned(), fate)
            }));
        }
        assert!(!values.is_empty(), "{name} has no values");
        let with = field.get("with").and_then(toml::Value::as_str).map(object).unwrap_or_default();
        Self { name: name.to_owned(), with, values }
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An object's text with one more field, whose value is written as it is.
fn with_field(mut object: Map<String, Value>, name: &str, value: &str) -> String {
    object.remove(name);
    let others =
        object.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
    let fields: Vec<String> = others.chain([format!("{}:{value}", Value::from(name))]).collect();
    format!("{{{}}}", fields.join(","))
}

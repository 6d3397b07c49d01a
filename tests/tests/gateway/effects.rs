//! What the sampling fields do to an answer, on every route that generates.

use std::collections::BTreeSet;

use mica_tests::http;
use serde_json::{Value, json};

use crate::fixture::{Fixture, TINY};

/// Tokens of the answers that are compared.
const TOKENS: u32 = 16;
/// Hot enough that what is drawn is seldom the most likely, and within both APIs' ranges.
const WARM: f64 = 1.5;
const HOT: f64 = 2.0;

/// A route, and where its answers say what matters here.
struct Route {
    path: &'static str,
    /// Its name for the most tokens.
    most: &'static str,
    text: &'static str,
    tokens: &'static str,
    end: &'static str,
}

const ROUTES: [Route; 4] = [
    Route {
        path: "/v1/chat/completions",
        most: "max_tokens",
        text: "/choices/0/message/content",
        tokens: "/usage/completion_tokens",
        end: "/choices/0/finish_reason",
    },
    Route {
        path: "/v1/completions",
        most: "max_tokens",
        text: "/choices/0/text",
        tokens: "/usage/completion_tokens",
        end: "/choices/0/finish_reason",
    },
    Route {
        path: "/api/generate",
        most: "num_predict",
        text: "/response",
        tokens: "/eval_count",
        end: "/done_reason",
    },
    Route {
        path: "/api/chat",
        most: "num_predict",
        text: "/message/content",
        tokens: "/eval_count",
        end: "/done_reason",
    },
];

struct Answered {
    text: String,
    tokens: u64,
    end: String,
}

impl Route {
    /// Asks for at most `tokens` with these fields besides.
    fn ask(&self, fixture: &Fixture, tokens: u32, mut fields: Value) -> Answered {
        const QUESTION: &str = "What is a Raspberry Pi?";
        fields[self.most] = tokens.into();
        let mut body = if self.path.starts_with("/v1/") {
            fields
        } else {
            json!({"options": fields, "stream": false})
        };
        body["model"] = TINY.into();
        if self.path.ends_with("/chat") || self.path.contains("/chat/") {
            body["messages"] = json!([{"role": "user", "content": QUESTION}]);
        } else {
            // A text that ends with its question mark is a whole one: a completion of it is empty.
            body["prompt"] =
                if self.path == "/v1/completions" { "A Raspberry Pi is" } else { QUESTION }.into();
        }
        let answer =
            http::send(fixture.open.address, "POST", self.path, &[], body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{} {body}: {}", self.path, answer.body);
        let answer = answer.json();
        let text = |at| {
            answer
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("no {at} in {answer}"))
                .to_owned()
        };
        let tokens = answer
            .pointer(self.tokens)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("no count in {answer}"));
        Answered { text: text(self.text), tokens, end: text(self.end) }
    }
}

pub fn fields_of_sampling_have_their_effect(fixture: &Fixture) {
    for route in &ROUTES {
        let path = route.path;
        let plain = route.ask(fixture, TOKENS, json!({"temperature": 0})).text;

        let one = route.ask(fixture, 1, json!({"temperature": 0}));
        assert_eq!((one.tokens, one.end.as_str()), (1, "length"), "{path}");
        assert!(
            plain.starts_with(&one.text) && plain != one.text,
            "{path}: {:?} of {plain:?}",
            one.text
        );

        // From all tokens: the APIs' own defaults differ, and this model is sure of itself.
        let drawn = |seed: u32| {
            route
                .ask(
                    fixture,
                    TOKENS,
                    json!({"temperature": WARM, "seed": seed, "top_k": 0, "top_p": 1}),
                )
                .text
        };
        let texts: Vec<String> = (1..=4).map(drawn).collect();
        assert_eq!(
            (1..=4).map(drawn).collect::<Vec<_>>(),
            texts,
            "{path}: a seed's answer is the same each time"
        );
        assert!(
            BTreeSet::from_iter(&texts).len() > 1,
            "{path}: no seed makes a difference: {texts:?}"
        );

        // With a seed that leads elsewhere, only the most likely token is left to draw from.
        let hot = |seed: u32, field: &str, value: u32| {
            let mut fields = json!({"temperature": HOT, "seed": seed, "top_k": 0, "top_p": 1});
            fields[field] = value.into();
            route.ask(fixture, TOKENS, fields).text
        };
        let seed = (1..=4)
            .find(|seed| hot(*seed, "top_p", 1) != plain)
            .unwrap_or_else(|| panic!("{path}: heat has no effect"));
        for (field, value) in [("top_k", 1), ("top_p", 0)] {
            assert_eq!(hot(seed, field, value), plain, "{path}: {field} {value}");
        }

        let letters = plain.chars().count();
        let stop: String = plain.chars().skip(letters / 2).take(3).collect();
        let (before, _) = plain.split_once(&stop).expect("a part of it");
        assert!(!before.is_empty(), "{path}: {stop:?} does not cut {plain:?}");
        let cut = route.ask(fixture, TOKENS, json!({"temperature": 0, "stop": stop}));
        assert_eq!(
            (cut.text.as_str(), cut.end.as_str()),
            (before, "stop"),
            "{path}: {stop:?} in {plain:?}"
        );
    }
}

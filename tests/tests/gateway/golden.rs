//! `curl` transcripts, stored as files. What differs between runs (times, random names, accounts)
//! is written as `<…>`. `MICA_BLESS=1` rewrites the files.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::fixture::Fixture;

const GENERATE: &str = r#"{"model":"mica-tiny","prompt":"What is a Raspberry Pi?","options":{"num_predict":6,"temperature":0}"#;
const CHAT: &str = r#""messages":[{"role":"user","content":"What is a Raspberry Pi?"}]"#;

/// Fields whose values are never twice the same.
const CHANGING: [&str; 20] = [
    "created_at",
    "modified_at",
    "expires_at",
    "created",
    "id",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
    "load_ms",
    "prompt_ms",
    "predicted_ms",
    "total_ms",
    "worker",
    "session",
    "fees",
    "mica",
    "size_vram",
    "tokenizer.chat_template",
    "template",
];

pub fn transcripts_are_as_they_were(fixture: &Fixture) {
    let generate = |more: &str| format!("{GENERATE}{more}}}");
    let openai = |more: &str| {
        format!(r#"{{"model":"mica-tiny",{CHAT},"max_tokens":6,"temperature":0{more}}}"#)
    };
    let cases: Vec<(&str, &str, Option<String>)> = vec![
        ("root", "/", None),
        ("ollama-version", "/api/version", None),
        ("ollama-tags", "/api/tags", None),
        ("ollama-show", "/api/show", Some(r#"{"model":"mica-tiny"}"#.into())),
        ("ollama-generate", "/api/generate", Some(generate(r#","stream":false"#))),
        ("ollama-generate-stream", "/api/generate", Some(generate(""))),
        ("ollama-generate-raw", "/api/generate", Some(generate(r#","stream":false,"raw":true"#))),
        (
            "ollama-chat-stream",
            "/api/chat",
            Some(format!(r#"{{"model":"mica-tiny",{CHAT},"options":{{"num_predict":6,"temperature":0}}}}"#)),
        ),
        ("ollama-load", "/api/generate", Some(r#"{"model":"mica-tiny"}"#.into())),
        ("ollama-unload", "/api/chat", Some(r#"{"model":"mica-tiny","messages":[],"keep_alive":0}"#.into())),
        ("ollama-unknown-model", "/api/generate", Some(r#"{"model":"nobody","prompt":"x"}"#.into())),
        ("ollama-embed", "/api/embed", Some(r#"{"model":"mica-tiny","input":"x"}"#.into())),
        ("openai-models", "/v1/models", None),
        ("openai-model", "/v1/models/mica-tiny", None),
        ("openai-chat", "/v1/chat/completions", Some(openai(""))),
        ("openai-chat-stream", "/v1/chat/completions", Some(openai(r#","stream":true,"stream_options":{"include_usage":true}"#))),
        (
            "openai-completions",
            "/v1/completions",
            Some(r#"{"model":"mica-tiny","prompt":"A Raspberry Pi is","max_tokens":4,"temperature":0}"#.into()),
        ),
        ("openai-unknown-model", "/v1/chat/completions", Some(format!(r#"{{"model":"nobody",{CHAT}}}"#))),
        ("openai-tools", "/v1/chat/completions", Some(openai(r#","tools":[{"type":"function"}]"#))),
        ("unknown-path", "/api/nothing", None),
    ];
    let mut wrong = Vec::new();
    for (name, path, body) in cases {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--max-time", "60", "--noproxy", "*"]);
        curl.arg(format!("http://{}{path}", fixture.open.address));
        if let Some(body) = &body {
            curl.args(["--data", body]);
        }
        let output = curl.output().expect("curl is installed");
        assert!(output.status.success(), "{name}: curl failed with {}", output.status);
        let seen = normal(&String::from_utf8(output.stdout).expect("text"));
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/gateway/{name}.txt"));
        if std::env::var_os("MICA_BLESS").is_some() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(&file, &seen).expect("written");
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        if seen != kept {
            wrong.push(format!(
                "{name} differs from {}:\n--- kept\n{kept}\n--- seen\n{seen}",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Status, content type and body of a transcript, without what changes.
fn normal(transcript: &str) -> String {
    let (head, body) = transcript.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines: Vec<String> = head
        .lines()
        .enumerate()
        .filter(|(number, line)| *number == 0 || line.starts_with("content-type"))
        .map(|(_, line)| line.to_owned())
        .collect();
    for line in body.lines() {
        let (mark, text) = line.strip_prefix("data: ").map_or(("", line), |rest| ("data: ", rest));
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => {
                scrub(&mut value);
                lines.push(format!("{mark}{value}"));
            }
            Err(_) => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

fn scrub(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_name = name == "id"
                    && !value
                        .as_str()
                        .is_some_and(|id| id.starts_with("chatcmpl-") || id.starts_with("cmpl-"));
                if CHANGING.contains(&name.as_str()) && !is_name {
                    *value = Value::String("<…>".into());
                } else {
                    scrub(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(scrub),
        _ => {}
    }
}

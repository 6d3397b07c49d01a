//! Chat templates against transformers, which renders them with Jinja2: `fixtures/templates.json`,
//! made by `fixtures/make_templates.py`.

use mica_engine::{ChatMessage, ChatTemplate, GenerationPrompt};
use serde_json::Value;

fn source(name: &str) -> String {
    let path = format!("{}/tests/fixtures/templates/{name}.jinja", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a template");
    text.strip_suffix('\n').expect("a last line").to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned()).expect("compiles")
}

/// Today's date as a template would print it.
fn today(format: &str) -> String {
    template(&format!("{{{{ strftime_now('{format}') }}}}"))
        .render(&[], GenerationPrompt::Omit)
        .expect("a date")
}

#[test]
fn templates_render_as_jinja2_renders_them() {
    let fixture: Value =
        serde_json::from_str(include_str!("fixtures/templates.json")).expect("JSON");
    let conversations: Vec<Vec<ChatMessage>> = fixture["conversations"]
        .as_array()
        .expect("conversations")
        .iter()
        .map(|messages| {
            let message = |message: &Value| {
                ChatMessage::new(text(&message["role"]), text(&message["content"]))
            };
            messages.as_array().expect("messages").iter().map(message).collect()
        })
        .collect();
    let templates = fixture["templates"].as_object().expect("templates");
    assert_eq!(templates.len(), 2);
    for (name, expected) in templates {
        let template = template(&source(name));
        for (messages, expected) in conversations.iter().zip(expected.as_array().expect("a list")) {
            for (at, generation) in
                [GenerationPrompt::Omit, GenerationPrompt::Add].into_iter().enumerate()
            {
                let dated = || {
                    let dates = fixture["dates"].as_object().expect("dates");
                    dates.iter().fold(text(&expected[at]).to_owned(), |whole, (mark, format)| {
                        whole.replace(mark, &today(text(format)))
                    })
                };
                // Midnight may pass in between.
                let before = dated();
                let rendered = template.render(messages, generation).expect("renders");
                assert!(
                    rendered == before || rendered == dated(),
                    "{name}, {messages:?}:\n{rendered}\ninstead of\n{before}"
                );
            }
        }
    }
}

/// Every row of the table in the documentation of `chat`: one construct each.
#[test]
fn every_construct_of_the_table_renders_as_transformers_renders_it() {
    let fixture: Value =
        serde_json::from_str(include_str!("fixtures/templates.json")).expect("JSON");
    let message =
        |message: &Value| ChatMessage::new(text(&message["role"]), text(&message["content"]));
    let messages: Vec<ChatMessage> =
        fixture["conversations"][1].as_array().expect("messages").iter().map(message).collect();
    let table = fixture["table"].as_array().expect("a table");
    assert!(table.len() > 90);
    let mut wrong = Vec::new();
    for row in table {
        let rendered = ChatTemplate::new(text(&row["source"]), "<s>".to_owned(), "</s>".to_owned())
            .and_then(|template| template.render(&messages, GenerationPrompt::Add));
        match (&rendered, row["text"].as_str()) {
            (Ok(rendered), Some(expected)) if rendered == expected => {}
            (Err(_), None) => {}
            (rendered, expected) => wrong
                .push(format!("{}\n  {rendered:?}\n  instead of {expected:?}", text(&row["name"]))),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} rows differ:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

#[test]
fn errors_name_the_line_of_the_template() {
    let broken = ChatTemplate::new("{{ 1 }}\n\n{% if %}", String::new(), String::new())
        .err()
        .expect("an error")
        .to_string();
    assert!(broken.contains("chat:3"), "{broken}");
    let messages = [ChatMessage::new("system", "x")];
    let refused = template(
        "a\n{% if messages[0].role == 'system' %}\n{{ raise_exception('no system turns') }}{% \
         endif %}",
    );
    let refused =
        refused.render(&messages, GenerationPrompt::Add).expect_err("refuses").to_string();
    assert!(refused.contains("no system turns") && refused.contains("chat:3"), "{refused}");
    let failing = template("\n{{ messages[0].content.nothing.more }}")
        .render(&messages, GenerationPrompt::Add);
    let failing = failing.expect_err("fails").to_string();
    assert!(failing.contains("chat:2"), "{failing}");
}

#[test]
fn operators_nested_without_end_are_refused() {
    for levels in [33, 1000, 60_000, 300_000] {
        let source = format!("{{{{ {}1{} }}}}", "''%(".repeat(levels), ")".repeat(levels));
        let result = ChatTemplate::new(&source, String::new(), String::new());
        assert!(
            result.and_then(|template| template.render(&[], GenerationPrompt::Omit)).is_err(),
            "{levels} levels"
        );
    }
}

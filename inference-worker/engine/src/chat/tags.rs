//! What is handled in a template's source before minijinja compiles it: the tag `generation`, which
//! only transformers has, some operators ([`operators`]), and the literals with which the template
//! may compare a message.
//!
//! This follows minijinja's lexer: comments and raw blocks are skipped, a tag ends where no bracket
//! and no string is open. Broken source is left as it is, so that minijinja reports it.

use super::operators;

/// A template's source, as minijinja understands it.
pub(super) struct Source {
    /// The source without tags of transformers, with as many lines.
    pub text: String,
    /// The texts in quotes, unescaped.
    pub literals: Vec<String>,
}

/// Where a tag begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Variable,
    Block,
    Comment,
}

/// Reads a template.
///
/// `{% generation %}…{% endgeneration %}` marks what the model wrote, for training. Its body has a
/// scope of its own, so that `{% with %}…{% endwith %}` is the same; the signs for white space stay
/// where they are.
pub(super) fn read(source: &str) -> Source {
    let mut read = Source { text: String::with_capacity(source.len()), literals: Vec::new() };
    let mut rest = source;
    while let Some((start, opening)) = next_opening(rest) {
        let (before, tag) = rest.split_at(start);
        read.text.push_str(before);
        let length = match opening {
            Opening::Comment => tag.find("#}").map(|end| end + 2),
            Opening::Block if keyword(tag) == "raw" => end_of_raw(tag),
            Opening::Block => end_of_tag(tag, "%}", &mut read.literals),
            Opening::Variable => end_of_tag(tag, "}}", &mut read.literals),
        };
        let Some(length) = length else {
            read.text.push_str(tag);
            return read;
        };
        let (tag, behind) = tag.split_at(length);
        match keyword(tag) {
            word @ ("generation" | "endgeneration")
                if opening == Opening::Block && is_alone(tag, word) =>
            {
                read.text.push_str(&tag.replacen(
                    word,
                    if word == "generation" { "with" } else { "endwith" },
                    1,
                ));
            }
            word if opening == Opening::Comment || (opening == Opening::Block && word == "raw") => {
                read.text.push_str(tag)
            }
            _ => read.text.push_str(&operators::as_filters(tag)),
        }
        rest = behind;
    }
    read.text.push_str(rest);
    read
}

fn next_opening(text: &str) -> Option<(usize, Opening)> {
    text.match_indices('{').find_map(|(at, _)| match text.as_bytes().get(at + 1) {
        Some(b'{') => Some((at, Opening::Variable)),
        Some(b'%') => Some((at, Opening::Block)),
        Some(b'#') => Some((at, Opening::Comment)),
        _ => None,
    })
}

/// What stands in a tag behind its two signs and one for white space.
fn inside(tag: &str) -> &str {
    let inner = tag.get(2..).unwrap_or_default();
    inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_ascii_start()
}

/// The word that a block's tag begins with.
fn keyword(tag: &str) -> &str {
    let inner = inside(tag);
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    &inner[..end]
}

/// Whether a block's tag has nothing but its word.
fn is_alone(tag: &str, word: &str) -> bool {
    matches!(inside(tag)[word.len()..].trim_ascii_start(), "%}" | "-%}" | "+%}")
}

/// Length of a raw block, its last tag included.
fn end_of_raw(block: &str) -> Option<usize> {
    if !is_alone(&block[..block.find("%}")? + 2], "raw") {
        return None;
    }
    let mut end = 0;
    for (at, _) in block.match_indices("{%").skip(1) {
        // Many openings may stand before one end: it is looked for once.
        if end < at + 2 {
            end = at + block[at..].find("%}")? + 2;
        }
        let tag = &block[at..end];
        if keyword(tag) == "endraw" && is_alone(tag, "endraw") {
            return Some(end);
        }
    }
    None
}

/// Length of a tag that ends with `end`; the texts in it are added to `literals`.
fn end_of_tag(tag: &str, end: &str, literals: &mut Vec<String>) -> Option<usize> {
    let (mut at, mut open) = (2, 0i32);
    while let Some(&byte) = tag.as_bytes().get(at) {
        match byte {
            b'\'' | b'"' => {
                let text = &tag[at + 1..];
                let length = end_of_text(text, byte)?;
                literals.push(unescaped(&text[..length]));
                at += length + 2;
                continue;
            }
            _ if open == 0 && tag.as_bytes()[at..].starts_with(end.as_bytes()) => {
                return Some(at + end.len());
            }
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where a text in quotes ends.
pub(super) fn end_of_text(text: &str, quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == quote && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

/// A text in quotes with its common escapes resolved.
fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        out.push(match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => '\n',
            (_, Some('t')) => '\t',
            (_, Some('r')) => '\r',
            (_, Some(other)) => other,
            (c, None) => c,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        read(source).text
    }

    #[test]
    fn generation_becomes_a_scope_with_the_same_white_space() {
        assert_eq!(text("a{% generation %}b{% endgeneration %}c"), "a{% with %}b{% endwith %}c");
        assert_eq!(text("{%- generation -%}b{%+endgeneration+%}"), "{%- with -%}b{%+endwith+%}");
        assert_eq!(text("{%-\n\tgeneration\n-%}{%endgeneration%}"), "{%-\n\twith\n-%}{%endwith%}");
        assert_eq!(
            text("{% if x['}'] %}{% generation %}{% endif %}"),
            "{% if x['}'] %}{% with %}{% endif %}"
        );
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for source in [
            "{% generation x %}",
            "{% generations %}",
            "{% if generation %}{{ generation }}{% endif %}",
            "{{ '{% generation %}' }}",
            "{{ \"it\\\"s {% generation %}\" ~ '\\\\' }}{{ x }}",
            "{# {% generation %} #}",
            "{% raw %}{% generation %}{{ ' }}{% endraw %}",
            "{%- raw -%}{% generation %}{% endrawx %}{%- endraw +%}{ % generation % }",
            "{% set x = {'a': {'b': '{% generation %}'}} %}",
            "{{ [1, {'%}': 2}] }} {% generation",
            "{{ 'open",
            "{# open {% generation %}",
            "{% raw %}{% generation %}",
            "{",
            "{{",
            "",
        ] {
            assert_eq!(text(source), source);
        }
    }

    #[test]
    fn an_open_raw_block_takes_no_longer_for_what_is_in_it() {
        for source in [
            format!("{{% raw %}}{}", "{%".repeat(2_000_000)),
            format!("{{% raw %}}{}%}}", "{%".repeat(2_000_000)),
        ] {
            assert!(text(&source) == source);
        }
    }

    #[test]
    fn texts_in_tags_are_collected() {
        let source = "'no' {{ 'a' ~ \"b\\n\\\"c\" }}{# 'no' #}{% raw %}{{ 'no' }}{% endraw %}{% \
                      if x == 'é\\\\' %}'no'{% endif %}{{ ''}}";
        assert_eq!(read(source).literals, ["a", "b\n\"c", "é\\", ""]);
    }
}

//! Operators that minijinja lacks, wholly or in some cases, rewritten as filters that it has.
//!
//! `'%s: %d' % (name, number)` is `'%s: %d'|format(name, number)`. It is recognised where a quoted
//! string stands before the operator; after a variable, `%` is the remainder.
//!
//! `list[::-1]` is `list|reverse`: minijinja 3.0 panics on an empty list.

use super::tags::end_of_text;

/// Operators within the operands of others; templates have two or three. minijinja refuses what is
/// nested deeper.
const MAX_DEPTH: usize = 32;

/// A tag with filters for those operators.
pub(super) fn as_filters(tag: &str) -> String {
    nested(tag, MAX_DEPTH)
}

/// The same for a part of a tag that has operators up to `depth` levels deep.
fn nested(tag: &str, depth: usize) -> String {
    if depth == 0 {
        return tag.to_owned();
    }
    let (mut out, mut rest) = (String::with_capacity(tag.len()), tag);
    while let Some(quote) = rest.find(['\'', '"']) {
        let Some(length) = end_of_text(&rest[quote + 1..], rest.as_bytes()[quote]) else { break };
        let (text, behind) = rest.split_at(quote + length + 2);
        let (code, text) = text.split_at(quote);
        out.push_str(&reversed(code));
        out.push_str(text);
        rest = behind;
        let operator = behind.trim_ascii_start();
        if !operator.starts_with('%') || operator.starts_with("%}") {
            continue;
        }
        let operand = operator[1..].trim_ascii_start();
        let (operand, behind) = operand.split_at(length_of_operand(operand));
        let is_tuple = operand.starts_with('(') && length_of_brackets(operand) == operand.len();
        let operand = nested(operand, depth - 1);
        out.push_str(&if is_tuple {
            format!("|format{operand}")
        } else {
            format!("|format({operand})")
        });
        rest = behind;
    }
    out.push_str(&reversed(rest));
    out
}

/// Code without texts in quotes; what goes on behind the brackets would mean something else behind
/// a filter.
fn reversed(code: &str) -> String {
    const BACKWARDS: &str = "[::-1]";
    let (mut out, mut rest) = (String::with_capacity(code.len()), code);
    while let Some(at) = rest.find(BACKWARDS) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        rest = &found[BACKWARDS.len()..];
        out.push_str(if rest.starts_with(['[', '.', '(']) { BACKWARDS } else { "|reverse" });
    }
    out.push_str(rest);
    out
}

/// Length of what the operator takes on its right: a sign, a name, number, text or bracket, and
/// what belongs to it.
fn length_of_operand(text: &str) -> usize {
    let mut at = usize::from(text.starts_with(['-', '+']));
    at += match text.as_bytes().get(at) {
        Some(b'(' | b'[' | b'{') => length_of_brackets(&text[at..]),
        Some(&quote @ (b'\'' | b'"')) => {
            end_of_text(&text[at + 1..], quote).map_or(text.len() - at, |length| length + 2)
        }
        _ => length_of_word(&text[at..]),
    };
    loop {
        let rest = &text[at..];
        let filter = rest.trim_ascii_start().strip_prefix('|').map(str::trim_ascii_start);
        at += match (rest.as_bytes().first(), filter) {
            (Some(b'.'), _) => 1 + length_of_word(&rest[1..]),
            (Some(b'(' | b'['), _) => length_of_brackets(rest),
            (_, Some(name)) => rest.len() - name.len() + length_of_word(name),
            _ => return at,
        };
    }
}

fn length_of_word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Length of a text up to where its first bracket is closed; all of it if that is nowhere.
fn length_of_brackets(text: &str) -> usize {
    let (mut at, mut open) = (0, 0u32);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'\'' | b'"' => {
                at += end_of_text(&text[at + 1..], byte).map_or(text.len(), |length| length + 1)
            }
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' if open <= 1 => return at + 1,
            b')' | b']' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::as_filters;

    #[test]
    fn operators_become_filters() {
        for (tag, expected) in [
            ("{{ '%s' % x }}", "{{ '%s'|format(x) }}"),
            (
                "{{ \"%s-%s\"%('a)', m['b'][0]) ~ 'c' }}",
                "{{ \"%s-%s\"|format('a)', m['b'][0]) ~ 'c' }}",
            ),
            ("{{ '%s' % (a).b + c }}", "{{ '%s'|format((a).b) + c }}"),
            (
                "{{ '%s' % m.role | upper | trim('x') if y }}",
                "{{ '%s'|format(m.role | upper | trim('x')) if y }}",
            ),
            ("{{ '%d' % -3.5 }}{{ 5 % 3 }}", "{{ '%d'|format(-3.5) }}{{ 5 % 3 }}"),
            ("{{ ('a%s' % 'b') ~ '%' % x }}", "{{ ('a%s'|format('b')) ~ '%'|format(x) }}"),
            ("{{ '%s' % ('%s' % 1) }}", "{{ '%s'|format('%s'|format(1)) }}"),
            ("{{ 'é' % [1, '}'] }}", "{{ 'é'|format([1, '}']) }}"),
            ("{% for m in messages[::-1] %}", "{% for m in messages|reverse %}"),
            ("{{ 'a' ~ x[::-1]|join('[::-1]') }}", "{{ 'a' ~ x|reverse|join('[::-1]') }}"),
        ] {
            assert_eq!(as_filters(tag), expected);
        }
    }

    #[test]
    fn what_is_nested_too_deep_stays() {
        let source =
            |levels: usize| format!("{{{{ {}1{} }}}}", "''%(".repeat(levels), ")".repeat(levels));
        for levels in [31, 32, 33, 1_000_000] {
            let tag = as_filters(&source(levels));
            assert_eq!(tag.matches("|format(").count(), levels.min(super::MAX_DEPTH));
            assert_eq!(tag.matches('%').count(), levels.saturating_sub(super::MAX_DEPTH));
        }
        assert_eq!(
            as_filters(&"''%(".repeat(1_000_000)).matches("|format(").count(),
            super::MAX_DEPTH
        );
    }

    #[test]
    fn everything_else_stays() {
        for tag in [
            "{% if x == 'a' %}",
            "{%- if x == 'a' -%}",
            "{{ a % b }}",
            "{{ 'a",
            "{{ '%' }}",
            "{{ 7 % 3 }}",
            "{{ x[::-1][0] }}",
            "",
            "'",
        ] {
            assert_eq!(as_filters(tag), tag);
        }
        // What is broken is not made worse.
        assert_eq!(as_filters("{{ 'a' % (b"), "{{ 'a'|format(b");
        assert_eq!(as_filters("{{ 'a' %"), "{{ 'a'|format()");
        assert_eq!(as_filters("{{ 'a' % ("), "{{ 'a'|format(");
    }
}

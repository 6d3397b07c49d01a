//! Bounds of the protocol between peers, and the reasons that they give one another.

use mica_protocol::{FaultCode, limits};

use super::{Page, code, plain, table};

/// Every bound.
pub fn limits() -> Page {
    let rows = limits::ALL
        .iter()
        .map(|(name, value, meaning)| [code(name), grouped(*value), without_links(meaning.trim())]);
    let text = format!(
        "Every bound of the protocol between payers and workers, version {}. A peer that crosses \
         one is refused with a [fault](faults.md) that names it. Names end in their unit; \
         *positions* are tokens of prompt and answer together.\n\n{}",
        limits::PROTOCOL_VERSION,
        table(["bound", "value", "meaning"], rows)
    );
    Page { path: "docs/protocol/limits.md", title: "Limits", text }
}

/// Every reason.
pub fn faults() -> Page {
    let rows = FaultCode::ALL.iter().map(|fault| {
        [fault.number().to_string(), code(&format!("{fault:?}")), plain(fault.remedy())]
    });
    let text = format!(
        "Why a peer refused something or gave up. The number crosses the wire with up to {} bytes \
         of text; programs show both, and the remedy below. Numbers never change their meaning. In \
         groups of ten: the link, the session, the offer, money (30 to 49), steps, receipts, the \
         end.\n\n{}",
        limits::MAX_FAULT_TEXT_BYTES,
        table(["number", "name", "what it means, and what to do"], rows)
    );
    Page { path: "docs/protocol/faults.md", title: "Faults", text }
}

/// A number in groups of three digits.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A doc comment without the brackets of its links, and with the last part of their paths only.
fn without_links(comment: &str) -> String {
    let mut text = String::new();
    for (index, part) in comment.split("[`").enumerate() {
        match part.split_once("`]").filter(|_| index > 0) {
            Some((path, left)) => {
                let name = path.rsplit("::").next().unwrap_or(path);
                text.push_str(&format!("`{name}`{left}"));
            }
            None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_links_read_as_text() {
        assert_eq!(
            [1, 999, 1_000, 1_048_576].map(grouped),
            ["1", "999", "1,000", "1,048,576"].map(String::from)
        );
        assert_eq!(without_links("Above [`crate::A::B`], and [`C`]."), "Above `B`, and `C`.");
        assert_eq!(without_links("No link."), "No link.");
    }
}

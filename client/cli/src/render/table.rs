//! Tables for people. What peers and the registry say is in them, so no cell can move a cursor or
//! begin a line.

use mica_text::{MAX_SHOWN_BYTES, shown};

/// Lines up `rows` under `header`: two spaces between columns, numbers as they come.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let plain = |row: &Vec<String>| row.iter().map(|cell| shown(cell, MAX_SHOWN_BYTES)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(plain).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["a".to_owned(), "long".to_owned()], vec!["longer".to_owned(), "b".to_owned()]];
        assert_eq!(super::table(&["x", "y"], &rows), "x       y\na       long\nlonger  b\n");
    }

    #[test]
    fn no_cell_moves_the_cursor_or_begins_a_line() {
        let rows = [vec!["a\u{1b}[2Jb\nc\u{202e}\u{9b}m".to_owned(), "d".to_owned()]];
        assert_eq!(super::table(&["x", "y"], &rows), "x         y\na[2Jb cm  d\n");
    }
}

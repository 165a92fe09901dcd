//! What people see of entities: aligned columns, one line each, cut where the terminal ends. What comes from other
//! devices is never let through as it is: a control character could rewrite the terminal.

use std::io::IsTerminal;

use crate::output::Lines;

/// The last column is never narrower than this, however narrow the terminal.
const LAST_COLUMN_MIN: usize = 16;

/// A table whose last column takes what room there is.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    shows_heading: bool,
    rows: Vec<Vec<String>>,
    width: Option<usize>,
}

impl Table {
    /// With these columns. On a terminal it keeps to its width; elsewhere nothing is cut.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), shows_heading: true, rows: Vec::new(), width: terminal_width() }
    }

    /// Whether the names of the columns come first.
    pub(crate) fn with_heading(mut self, shows_heading: bool) -> Self {
        self.shows_heading = shows_heading;
        self
    }

    /// Adds a row, as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// Writes all of it; nothing when there is no row.
    pub(crate) fn write(self, lines: &mut Lines) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let heading: Vec<String> = self.heading.iter().map(|cell| (*cell).to_owned()).collect();
        // A column that nobody fills is not shown.
        let longest = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let title = |column: usize| heading.get(column).map_or(0, |title| title.chars().count());
        let last = heading.len().saturating_sub(1);
        let widths: Vec<(usize, usize)> = (0..last)
            .filter_map(|column| {
                Some((column, longest(column).filter(|width| *width > 0)?.max(title(column))))
            })
            .collect();
        let before: usize = widths.iter().map(|(_, width)| width + 2).sum();
        let room = self.width.map(|width| width.saturating_sub(before).max(LAST_COLUMN_MIN));
        for row in self.shows_heading.then_some(&heading).into_iter().chain(&self.rows) {
            let mut line = String::new();
            for &(column, width) in &widths {
                let cell = row.get(column).map_or("", String::as_str);
                line.push_str(&format!("{cell:width$}  "));
            }
            if let Some(last) = row.get(last) {
                line.push_str(&cut(last, room));
            }
            lines.write_raw(line.trim_end().as_bytes())?;
            lines.write_raw(b"\n")?;
        }
        Ok(())
    }
}

/// How many characters a line of standard output holds; `None` when it is no terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// Text without control characters: each becomes what names it.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        // Marks that turn the direction of writing would let a line pass for another, too.
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// At most so many characters, with a mark where something is left out.
pub(crate) fn cut(text: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if text.chars().count() > room => {
            text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_the_cursor_is_shown_instead() {
        assert_eq!(
            plain("a\u{1b}[2Jb\nc\u{9b}d\u{202e}e\u{7f}"),
            "a\\u{1b}[2Jb\\nc\\u{9b}d\\u{202e}e\\u{7f}"
        );
        assert_eq!(plain("größe ✓ 日本"), "größe ✓ 日本");
    }

    #[test]
    fn a_long_cell_is_cut_where_the_room_ends() {
        assert_eq!(cut("abcdef", Some(4)), "abc…");
        assert_eq!(cut("abcd", Some(4)), "abcd");
        assert_eq!(cut("abcdef", None), "abcdef");
    }
}

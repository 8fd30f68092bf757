//! Text in aligned columns. Names and reasons may come from the target.

pub use crowd_core::printable::{line as cut, one_line};

/// The widest line that is written.
pub const WIDTH: usize = 100;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text: for files, pipes and tests.
    #[default]
    Plain,
    /// With ANSI escape sequences: for a terminal.
    Ansi,
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accent {
    /// What is as it should be.
    Good,
    /// What is worth a look.
    Warning,
    /// What is wrong.
    Bad,
    /// What names a part.
    Title,
}

impl Colour {
    /// The text in that accent, if there are colours.
    pub fn paint(self, accent: Accent, text: &str) -> String {
        let code = match (self, accent) {
            (Self::Plain, _) => return text.to_owned(),
            (Self::Ansi, Accent::Good) => "1;32",
            (Self::Ansi, Accent::Warning) => "1;33",
            (Self::Ansi, Accent::Bad) => "1;31",
            (Self::Ansi, Accent::Title) => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Rows of cells under headings. The first column is text and gives way if a line gets too long;
/// the others are numbers, aligned to the right.
#[derive(Debug)]
pub struct Table {
    title: String,
    /// (group, heading) of each column after the first.
    heads: Vec<(&'static str, &'static str)>,
    rows: Vec<Vec<String>>,
    /// A last column of text, which gives way as well.
    tail: Option<&'static str>,
}

impl Table {
    /// A table called `title`, with columns under these headings after the first; neighbours
    /// that name the same group share a heading above their own.
    pub fn new(title: &str, heads: &[(&'static str, &'static str)]) -> Self {
        Self { title: title.to_owned(), heads: heads.to_vec(), rows: Vec::new(), tail: None }
    }

    /// The same with a last column of text.
    pub fn with_tail(mut self, head: &'static str) -> Self {
        self.tail = Some(head);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines; none if there are no rows.
    pub fn lines(&self, colour: Colour, width: usize) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let widths: Vec<usize> = self
            .heads
            .iter()
            .enumerate()
            .map(|(at, (_, head))| self.gap(at) + self.widest(at + 1).max(length(head)))
            .collect();
        let numbers: usize = widths.iter().sum();
        let free = width.saturating_sub(numbers);
        let tail = match self.tail {
            Some(_) => self.widest(self.heads.len() + 1) + GAP,
            None => 0,
        };
        // The first column keeps a third of the room if both texts are too long.
        let first = self
            .widest(0)
            .max(length(&self.title))
            .min(free.saturating_sub(tail).max(free / if self.tail.is_some() { 3 } else { 1 }));
        let mut lines = Vec::new();
        if self.heads.iter().any(|(group, _)| !group.is_empty()) {
            lines.push(self.groups(first, &widths));
        }
        let title = pad(&self.title, first);
        let mut head = colour.paint(Accent::Title, &title);
        for ((_, text), width) in self.heads.iter().zip(&widths) {
            head.push_str(&right(text, *width));
        }
        if let Some(text) = self.tail {
            head.push_str(&format!("{:GAP$}{text}", ""));
        }
        lines.push(head.trim_end().to_owned());
        for row in &self.rows {
            let mut cells = row.iter();
            let mut line = pad(&cut(cells.next().map_or("", String::as_str), first), first);
            for (cell, width) in cells.by_ref().zip(&widths) {
                line.push_str(&right(cell, *width));
            }
            if let (Some(_), Some(text)) = (self.tail, row.get(widths.len() + 1)) {
                let room = width.saturating_sub(length(&line) + GAP);
                line.push_str(&format!("{:GAP$}{}", "", cut(text, room)));
            }
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    /// The line above the headings: each group's name at the right end of its columns.
    fn groups(&self, first: usize, widths: &[usize]) -> String {
        let mut line = pad("", first);
        let mut at = 0;
        while at < self.heads.len() {
            let group = self.heads[at].0;
            let mut span = 0;
            while at < self.heads.len() && self.heads[at].0 == group {
                span += widths[at];
                at += 1;
            }
            line.push_str(&right(group, span));
        }
        line.trim_end().to_owned()
    }

    /// How much room is left before a column of numbers: more where a group begins.
    fn gap(&self, at: usize) -> usize {
        let group = self.heads[at].0;
        let begins = !group.is_empty() && (at == 0 || self.heads[at - 1].0 != group);
        if begins { 2 * GAP } else { GAP }
    }

    fn widest(&self, column: usize) -> usize {
        self.rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| length(cell))
            .max()
            .unwrap_or(0)
    }
}

const GAP: usize = 2;

/// How many columns a text takes, taking each character for one.
pub fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text broken between words into lines of at most `width`.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in one_line(text).split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last] = word.to_owned();
        } else if length(&lines[last]) + 1 + length(word) <= width {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked_for() {
        let mut table = Table::new("failures", &[("", "count")]).with_tail("reason");
        table.row(["action ".repeat(9), "12".into(), "connection refused ".repeat(20)]);
        table.row(["user".into(), "1,234".into(), "no\nsuch\u{1b}[31m room".into()]);
        for width in [40, 60, 100] {
            let lines = table.lines(Colour::Plain, width);
            assert!(lines.iter().all(|line| length(line) <= width), "{lines:#?}");
        }
        insta::assert_snapshot!(table.lines(Colour::Plain, 60).join("\n"), @r"
        failures           count  reason
        action action ac…     12  connection refused connection ref…
        user               1,234  no such [31m room
        ");
    }

    #[test]
    fn long_sentences_are_broken_between_words() {
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 8), ["incompr…"]);
        assert_eq!(wrap("", 8), [""]);
    }
}

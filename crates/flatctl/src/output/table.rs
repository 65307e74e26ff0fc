//! Aligned columns that fit the terminal.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Style;

/// The space between two columns.
const GAP: usize = 2;
/// What a column that may be cut keeps at least.
const LEAST: usize = 10;

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    name: &'static str,
    align: Align,
    wide: bool,
    flexible: bool,
    wraps: bool,
}

impl Column {
    /// A column of texts.
    pub fn text(name: &'static str) -> Self {
        Self {
            name,
            align: Align::Left,
            wide: false,
            flexible: false,
            wraps: false,
        }
    }

    /// A column of numbers.
    pub fn number(name: &'static str) -> Self {
        Self {
            align: Align::Right,
            ..Self::text(name)
        }
    }

    /// Shown with `-o wide` only.
    #[must_use]
    pub fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// May be cut where the terminal is too narrow.
    #[must_use]
    pub fn flexible(self) -> Self {
        Self {
            flexible: true,
            ..self
        }
    }
}

impl Column {
    /// Goes on in the next line where the terminal is too narrow: for sentences.
    #[must_use]
    pub fn wrapped(self) -> Self {
        Self {
            flexible: true,
            wraps: true,
            ..self
        }
    }
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell with a colour.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

impl Cell {
    /// Whether there is no text in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::styled(value.to_string(), Style::Plain)
    }
}

/// Rows under headings.
#[derive(Debug, Clone, Default)]
pub struct Table {
    title: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
    empty: &'static str,
    headless: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            empty: "none",
            ..Self::default()
        }
    }

    /// With a line above.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Without the columns' names.
    #[must_use]
    pub fn without_heads(mut self) -> Self {
        self.headless = true;
        self
    }

    /// With what is said where there are no rows.
    #[must_use]
    pub fn or_empty(mut self, text: &'static str) -> Self {
        self.empty = text;
        self
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row. Cells that are missing stay empty.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Adds a line below.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The text, each line ended.
    pub fn render(&self, wide: bool, width: Option<usize>, colour: bool) -> String {
        let mut out = String::new();
        if let Some(title) = &self.title {
            out.push_str(&Style::Bold.paint(title, colour));
            out.push('\n');
        }
        if self.rows.is_empty() {
            if !self.columns.is_empty() {
                out.push_str(&Style::Dim.paint(self.empty, colour));
                out.push('\n');
            }
        } else {
            self.body(&mut out, wide, width, colour);
        }
        for note in &self.notes {
            out.push_str(&Style::Dim.paint(note, colour));
            out.push('\n');
        }
        out
    }

    fn body(&self, out: &mut String, wide: bool, width: Option<usize>, colour: bool) {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|i| wide || !self.columns[*i].wide)
            // A column that says nothing takes no space.
            .filter(|i| self.rows.iter().any(|r| !cell(r, *i).text.is_empty()))
            .collect();
        let widths = self.widths(&shown, width);
        let heads: Vec<Cell> = self
            .columns
            .iter()
            .map(|c| Cell::styled(c.name, Style::Dim))
            .collect();
        let heads = (!self.headless).then_some(&heads);
        let mut grid = comfy_table::Table::new();
        grid.load_preset(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::MAX);
        for row in heads.into_iter().chain(&self.rows) {
            let cells = shown.iter().zip(&widths).map(|(&i, &width)| {
                let cell = cell(row, i);
                let text = match self.columns[i].wraps {
                    true => cell.text,
                    false => fit(&cell.text, width),
                };
                let coloured = colour && !text.is_empty();
                comfy_table::Cell::new(cell.style.paint(&text, coloured))
            });
            grid.add_row(cells);
        }
        for ((column, &i), &width) in grid.column_iter_mut().zip(&shown).zip(&widths) {
            let width = u16::try_from(width + GAP).unwrap_or(u16::MAX);
            column
                .set_padding((0, 2))
                .set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)))
                .set_cell_alignment(match self.columns[i].align {
                    Align::Left => CellAlignment::Left,
                    Align::Right => CellAlignment::Right,
                });
        }
        for line in grid.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }

    /// The columns' widths: what the cells need, and less for those that may be cut.
    fn widths(&self, shown: &[usize], width: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = shown
            .iter()
            .map(|&i| {
                let cells = self.rows.iter().map(|r| cell(r, i).text.width());
                let name = if self.headless {
                    0
                } else {
                    self.columns[i].name.width()
                };
                cells.max().unwrap_or(0).max(name)
            })
            .collect();
        let Some(width) = width else { return widths };
        let gaps = GAP * shown.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        while excess > 0 {
            // The widest gives first, so that several end up alike.
            let widest = shown
                .iter()
                .enumerate()
                .filter(|(k, i)| self.columns[**i].flexible && widths[*k] > LEAST)
                .max_by_key(|(k, _)| widths[*k])
                .map(|(k, _)| k);
            let Some(k) = widest else { break };
            widths[k] -= 1;
            excess -= 1;
        }
        widths
    }
}

fn cell(row: &[Cell], i: usize) -> Cell {
    row.get(i).cloned().unwrap_or_default()
}

/// `text` in at most `width` columns.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Table {
        let mut table = Table::new([
            Column::text("HOST"),
            Column::number("FREE"),
            Column::text("RANGES").flexible(),
            Column::text("RACK").wide(),
            Column::text("NOTE"),
        ])
        .title("hosts");
        table.row([
            "idc-001".into(),
            7.into(),
            "10.0.0.0/26 10.0.1.0/26".into(),
            "r1".into(),
        ]);
        table.row([
            Cell::styled("idc-002", Style::Bad),
            1234.into(),
            "10.0.0.64/26".into(),
            "r1".into(),
        ]);
        table.note("2 hosts");
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        assert_eq!(
            hosts().render(false, None, false),
            "hosts\n\
             HOST     FREE  RANGES\n\
             idc-001     7  10.0.0.0/26 10.0.1.0/26\n\
             idc-002  1234  10.0.0.64/26\n\
             2 hosts\n"
        );
        assert!(hosts().render(true, None, false).contains("RACK\n"));
    }

    #[test]
    fn a_narrow_terminal_cuts_only_what_may_be_cut() {
        let text = hosts().render(false, Some(30), false);
        assert!(text.lines().all(|l| l.width() <= 30), "{text}");
        assert!(text.contains("10.0.0.0/26 10…"), "{text}");
        let text = hosts().render(false, Some(5), false);
        assert!(text.contains("idc-001"), "names stay whole: {text}");
    }

    #[test]
    fn sentences_go_on_in_the_next_line() {
        let mut table = Table::new([
            Column::text("WHAT"),
            Column::text("MIND").wrapped(),
            Column::number("N"),
        ]);
        table.row([
            "drain".into(),
            "its containers are made again elsewhere".into(),
            7.into(),
        ]);
        assert_eq!(
            table.render(false, Some(30), false),
            "WHAT   MIND                  N\n\
             drain  its containers are    7\n\
             \x20      made again elsewhere\n"
        );
        let whole = table.render(false, None, false);
        assert!(whole.contains("drain  its containers are made again elsewhere  7\n"));
    }

    #[test]
    fn colour_does_not_move_a_column() {
        let plain = hosts().render(false, Some(30), false);
        let coloured = hosts().render(false, Some(30), true);
        assert!(coloured.contains("\u{1b}["));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            stripped.push_str(before);
            rest = after.split_once('m').map_or("", |(_, r)| r);
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_table_without_rows_says_so() {
        let empty = Table::new([Column::text("HOST")]).or_empty("no hosts");
        assert_eq!(empty.render(false, None, false), "no hosts\n");
    }
}

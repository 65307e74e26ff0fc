//! The one place where flatctl prints.
//!
//! ```text
//!   a command ──▶ View (serde) ──┬─ json, yaml ──▶ the view as it is
//!                                └─ table, wide ─▶ [table::Table] fitted to the terminal
//! ```

pub mod style;
pub mod table;

use std::io::{self, Write};

use clap::ValueEnum;
use flatnet_plan::grow::GrowError;
use flatnet_types::Timestamp;
use serde::Serialize;

use crate::error::CliError;
pub use style::Style;
pub use table::{Align, Cell, Column, Table};

/// `1 host`, `2 hosts`.
pub fn counted(n: usize, what: &str) -> String {
    let plural = match what.strip_suffix('y') {
        _ if n == 1 => what.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{what}s"),
    };
    format!("{n} {plural}")
}

/// What a result is printed as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns that fit the terminal.
    #[default]
    Table,
    /// Every column, as wide as it is.
    Wide,
    /// For programs: the whole of what is known.
    Json,
    /// The same as YAML.
    Yaml,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a run prints, and what that place can show.
pub struct Output<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// The terminal's width in columns; none: no terminal, nothing is fitted.
    pub width: Option<usize>,
    /// Whether results are coloured.
    pub colour: bool,
    /// Whether messages on the error stream are.
    pub colour_err: bool,
    /// The form of results.
    pub format: Format,
    /// The time of the run.
    pub now: Timestamp,
}

impl<'a> Output<'a> {
    /// Prints results to `out` and messages to `err`: uncoloured tables of any width.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            out,
            err,
            width: None,
            colour: false,
            colour_err: false,
            format: Format::Table,
            now: Timestamp::default(),
        }
    }

    /// Prints a result: the view itself for programs, what `tables` makes of it for people.
    ///
    /// # Errors
    /// [`CliError::Print`].
    pub fn show<V: Serialize>(
        &mut self,
        view: &V,
        tables: impl FnOnce(&V) -> Vec<Table>,
    ) -> Result<(), CliError> {
        let text = match self.format {
            Format::Json => {
                let mut text = serde_json::to_string_pretty(view)
                    .map_err(|e| CliError::Print(io::Error::other(e)))?;
                text.push('\n');
                text
            }
            Format::Yaml => {
                serde_norway::to_string(view).map_err(|e| CliError::Print(io::Error::other(e)))?
            }
            Format::Table | Format::Wide => {
                let wide = self.format == Format::Wide;
                let width = if wide { None } else { self.width };
                tables(view)
                    .iter()
                    .map(|t| t.render(wide, width, self.colour))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
        };
        self.text(&text)
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// [`CliError::Print`].
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// [`CliError::Print`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .map_err(CliError::Print)
    }

    /// Says something that is not the result, such as where it was written.
    pub fn note(&mut self, text: &str) {
        self.message(Style::Bold, "note", text);
    }

    /// Warns of something that does not stop the run.
    pub fn warning(&mut self, text: &str) {
        self.message(Style::Warn, "warning", text);
    }

    /// Prints an error and what to do next.
    pub fn error(&mut self, error: &CliError) {
        let report = match error {
            CliError::NotAPlan { report, .. } => Some(report),
            CliError::Grow {
                source: GrowError::WouldBreak(report) | GrowError::Broken(report),
                ..
            } => Some(report),
            _ => None,
        };
        if let Some(report) = report {
            let text = report.render(flatnet_plan::Style::Text {
                color: self.colour_err,
            });
            self.raw_message(&text);
        }
        let chain = error.lines();
        self.message(Style::Bad, "error", &chain.join("\n       "));
        if let Some(hint) = error.hint() {
            self.message(Style::Good, "next", &hint.replace('\n', "\n      "));
        }
    }

    /// Prints a message that has its own form. There is no one to tell where the error
    /// stream itself fails.
    pub fn raw_message(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
    }

    fn message(&mut self, style: Style, word: &str, text: &str) {
        let word = style.paint(&format!("{word}:"), self.colour_err);
        self.raw_message(&format!("{word} {text}\n"));
    }
}

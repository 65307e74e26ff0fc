//! What is printed: the only place that writes to the terminal.

use std::io::{IsTerminal, Write};

/// Prints one line.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away (`| head`) is no reason to stop the work.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Prints the beginning of a line whose end follows later.
pub(crate) fn begin(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}");
    let _ = out.flush();
}

/// Paints a word on a terminal; plain text everywhere else, and where `NO_COLOR` is set.
pub(crate) fn paint(good: bool, word: &str) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match (colour, good) {
        (false, _) => word.to_owned(),
        (true, true) => format!("\x1b[32m{word}\x1b[0m"),
        (true, false) => format!("\x1b[31m{word}\x1b[0m"),
    }
}

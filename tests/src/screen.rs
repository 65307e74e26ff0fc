//! What the programs print: the only place of the demo and the benchmark that writes to the
//! terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A colour, for what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Less important.
    Dim,
    /// A heading.
    Bold,
}

/// Where text goes, and whether it may bear colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    colour: bool,
}

impl Screen {
    /// Standard output; colours only on a terminal and without `NO_COLOR`.
    pub(crate) fn stdout() -> Self {
        Self {
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Text without colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    /// Prints one line, or several.
    pub(crate) fn line(self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone away (`| head`) is no reason to stop: there is a lab to end.
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }

    /// A word in its colour.
    pub(crate) fn paint(self, paint: Paint, word: &str) -> String {
        if !self.colour {
            return word.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\x1b[{code}m{word}\x1b[0m")
    }

    /// A bar for work of so many steps; where there is no terminal, nothing is drawn and the
    /// line is printed when the work ends.
    pub(crate) fn progress(self, what: &str, steps: usize) -> Progress {
        let bar = ProgressBar::new(steps.try_into().unwrap_or(u64::MAX));
        if let Ok(style) = ProgressStyle::with_template("{msg:<28} {bar:32} {pos}/{len} {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress {
            screen: self,
            bar,
            what: what.to_owned(),
        }
    }
}

/// Work that is under way.
#[derive(Debug)]
pub(crate) struct Progress {
    screen: Screen,
    bar: ProgressBar,
    what: String,
}

impl Progress {
    /// One more step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// All is done: the bar gives way to a line.
    pub(crate) fn done(self, outcome: &str) {
        self.bar.finish_and_clear();
        let seconds = self.bar.elapsed().as_secs_f64();
        let Self { screen, what, .. } = self;
        screen.line(&format!("{what:<28} {outcome} ({seconds:.1} s)"));
    }
}

//! Saying what is going on, to whom it may concern.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Is told what the lab does.
pub trait Progress: Sync {
    /// A step begins.
    fn step(&self, what: &str);
    /// Something that is worth a line of its own.
    fn note(&self, what: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}
    fn note(&self, _: &str) {}
}

/// Speaks on standard error: a spinner on a terminal, a line for each step elsewhere.
#[derive(Debug)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    step: Mutex<Option<(String, Instant)>>,
}

impl Default for Terminal {
    fn default() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        Self {
            bar,
            step: Mutex::new(None),
        }
    }
}

impl Terminal {
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // Nobody to tell is no reason to fail.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    fn finish(&self, next: Option<&str>) {
        let Ok(mut step) = self.step.lock() else {
            return;
        };
        let next = next.map(|what| (what.to_owned(), Instant::now()));
        if let Some((what, since)) = std::mem::replace(&mut *step, next) {
            self.line(&format!(
                "  {:>6.2} s  {what}",
                since.elapsed().as_secs_f64()
            ));
        }
    }
}

impl Progress for Terminal {
    fn step(&self, what: &str) {
        self.finish(Some(what));
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{what} …"));
        }
    }

    fn note(&self, what: &str) {
        self.line(&format!("            {what}"));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish(None);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

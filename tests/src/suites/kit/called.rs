//! What came of a call of a program: its exit code and its words.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What came of a call.
#[derive(Debug)]
pub(in crate::suites) struct Called {
    /// The exit code; -1 where a signal ended it.
    pub(in crate::suites) code: i32,
    pub(in crate::suites) out: String,
    pub(in crate::suites) err: String,
}

impl Called {
    /// Runs a program with that on its standard input, to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(in crate::suites) fn of(command: &mut Command, input: &str) -> Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            use std::io::Write;
            // A program that ends early says why by its status.
            let _ = stdin.write_all(input.as_bytes());
        }
        let done = child.wait_with_output()?;
        Ok(Self {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// What it printed, where it did what it was asked.
    ///
    /// # Errors
    /// Its exit code and its words.
    pub(in crate::suites) fn well(self) -> Result<String> {
        let Self { code, out, err } = self;
        ensure!(code == 0, "exit {code}: {out}{err}");
        Ok(out)
    }

    /// That it failed, and says all of that as an error.
    ///
    /// # Errors
    /// The word that is not there.
    pub(in crate::suites) fn refused(&self, words: &[&str]) -> Result<()> {
        self.failed(words, &self.err)
    }

    /// That it was done to an end that is a failure, of which the answer says all of that.
    ///
    /// # Errors
    /// The word that is not there.
    pub(in crate::suites) fn answers_failure(&self, words: &[&str]) -> Result<()> {
        self.failed(words, &self.out)
    }

    fn failed(&self, words: &[&str], text: &str) -> Result<()> {
        ensure!(self.code != 0, "it was done: {}", self.out);
        for word in words {
            ensure!(
                text.contains(word),
                "{word:?} is not in {}{}",
                self.out,
                self.err
            );
        }
        Ok(())
    }
}

//! A plan's document, from a file or standard input.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flatnet_plan::expand::Origin;
use flatnet_plan::model::Day;
use flatnet_plan::source::MAX_BYTES;
use flatnet_plan::{NetworkPlan, Report, diagnose, diagnose_on};

use crate::CliError;
use crate::encoding::{self, NotText};
use crate::output::{Output, counted};

/// A document that was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is, as it was named.
    pub path: PathBuf,
    /// The document's whole text.
    pub text: String,
}

/// A plan as it is written and as it is written out.
#[derive(Debug, Clone)]
pub struct Plans {
    /// As it is written: groups stay groups.
    pub written: NetworkPlan,
    /// Every host of its own.
    pub whole: NetworkPlan,
    /// Where each host of `whole` comes from.
    pub origins: Vec<Origin>,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// [`CliError::Read`], [`CliError::Directory`], [`CliError::NotText`].
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::Read {
            path: path.to_owned(),
            source,
        };
        let is_stream = path.as_os_str() == "-";
        if !is_stream && path.is_dir() {
            return Err(CliError::Directory {
                path: path.to_owned(),
                plans: plans_in(path),
            });
        }
        let (head, text) = if is_stream {
            let mut stream = Head::of(io::stdin());
            let text = flatnet_files::stream_text(&mut stream, MAX_BYTES);
            (stream.head, text)
        } else {
            let bytes = flatnet_files::read(path, MAX_BYTES).map_err(failed)?;
            let head = bytes[..bytes.len().min(HEAD)].to_vec();
            (head, flatnet_files::text(bytes))
        };
        let is_utf8 = !matches!(&text, Err(e) if e.kind() == io::ErrorKind::InvalidData);
        if let Some(what) = encoding::not_text(&head, is_utf8) {
            return Err(CliError::NotText {
                path: path.to_owned(),
                what,
                source: text.err().filter(|_| what == NotText::Foreign),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            text: text.map_err(failed)?,
        })
    }

    /// Everything that is wrong with it.
    pub fn report(&self) -> Report {
        diagnose(&self.text, &self.path.display().to_string())
    }

    /// The same on a day, by which its allowances are judged.
    pub fn report_on(&self, day: Day) -> Report {
        diagnose_on(&self.text, &self.path.display().to_string(), Some(day))
    }

    /// The plan, groups written out. A plan with errors is taken as it is, so that it can be
    /// looked at, with a warning; only what cannot be read is refused.
    ///
    /// # Errors
    /// [`CliError::NotAPlan`].
    pub fn plans(&self, output: &mut Output<'_>) -> Result<Plans, CliError> {
        let mut report = self.report();
        let Some(document) = report.take_document() else {
            return Err(CliError::NotAPlan {
                path: self.path.clone(),
                report: Box::new(report),
            });
        };
        if report.errors() > 0 {
            output.warning(&format!(
                "{} has {}: run `flatctl plan check {}`",
                self.path.display(),
                counted(report.errors(), "error"),
                self.path.display()
            ));
        }
        Ok(Plans {
            written: document.written,
            whole: document.expanded.plan,
            origins: document.expanded.origins,
        })
    }
}

/// How much of a text tells what it is, in bytes.
const HEAD: usize = 4096;

/// A stream whose beginning is kept.
struct Head<R> {
    stream: R,
    head: Vec<u8>,
}

impl<R> Head<R> {
    fn of(stream: R) -> Self {
        Self {
            stream,
            head: Vec::new(),
        }
    }
}

impl<R: Read> Read for Head<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let wanted = HEAD.saturating_sub(self.head.len()).min(read);
        self.head.extend_from_slice(&buffer[..wanted]);
        Ok(read)
    }
}

/// Files of a directory that may be plans, by name.
fn plans_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| {
        let extension = path.extension().and_then(|e| e.to_str());
        matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    });
    let mut names: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    names.sort_unstable();
    names
}

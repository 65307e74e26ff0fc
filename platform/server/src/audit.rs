//! The audit log: a file of lines of JSON, two for each change (begun, and what became of it), chained by hashes.
//!
//! ```text
//!   {"number":7,"at":…,"by":"local:ann","action":"release.start",…,"previous":"9f2c…"}     fsync, then the change
//!   {"number":7,"outcome":"done","previous":"41d0…"}                                       what became of it
//! ```
//!
//! `previous` is the SHA-256 of the line before, so that a line that is changed, left out or put in is found:
//! `platformd audit verify FILE`.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use flatnet_platform_types::Moment;
use flatnet_platform_types::api::{Change, ChangeOutcome, Code, FieldChange};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::problem::{Refusal, Reply};

/// Changes that are kept for reading; older ones are in the file alone.
const KEPT: usize = 10_000;
/// What the first line's `previous` is.
const FIRST: &str = "";

/// A change that is about to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    pub(crate) at: Moment,
    pub(crate) by: String,
    pub(crate) action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) team: Option<String>,
    pub(crate) object: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) difference: Vec<FieldChange>,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    number: u64,
    #[serde(flatten)]
    what: What,
    previous: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum What {
    Ended {
        outcome: ChangeOutcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Begun(Asked),
}

/// The log.
#[derive(Debug)]
pub(crate) struct Audit(Mutex<Log>);

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    /// The length of what was written whole.
    length: u64,
    read: Read,
}

/// What was read of a log.
#[derive(Debug, Default)]
struct Read {
    last: u64,
    previous: String,
    changes: VecDeque<Change>,
    /// The first line, from 1, that does not follow from the one before it.
    broken: Option<u64>,
}

impl Read {
    fn line(&mut self, number: u64, text: &str) {
        match serde_json::from_str::<Line>(text) {
            Ok(line) if line.previous == self.previous => self.take(line.number, line.what),
            Ok(line) => {
                self.broken.get_or_insert(number);
                self.take(line.number, line.what);
            }
            Err(_) => {
                self.broken.get_or_insert(number);
            }
        }
        self.previous = hash(text);
    }

    fn take(&mut self, number: u64, what: What) {
        match what {
            What::Begun(asked) => {
                self.last = self.last.max(number);
                self.changes.push_back(Change {
                    number,
                    at: asked.at,
                    by: asked.by,
                    action: asked.action,
                    team: asked.team,
                    object: asked.object,
                    outcome: ChangeOutcome::Begun,
                    reason: None,
                    difference: asked.difference,
                });
                if self.changes.len() > KEPT {
                    self.changes.pop_front();
                }
            }
            What::Ended { outcome, reason } => {
                // What was begun last ends first, mostly.
                let begun = self.changes.iter_mut().rev().find(|c| c.number == number);
                if let Some(change) = begun {
                    change.outcome = outcome;
                    change.reason = reason;
                }
            }
        }
    }
}

fn hash(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a log to its last whole line; the length of these lines in bytes.
fn read(file: &File) -> io::Result<(Read, u64)> {
    let mut found = Read {
        previous: FIRST.to_owned(),
        ..Read::default()
    };
    let mut reader = BufReader::new(file);
    let (mut text, mut length, mut number) = (String::new(), 0, 0);
    loop {
        text.clear();
        let bytes = reader.read_line(&mut text)?;
        let Some(line) = text.strip_suffix('\n') else {
            // The end, or a line that a power cut left unfinished: its change was not begun.
            return Ok((found, length));
        };
        number += 1;
        length += bytes as u64;
        found.line(number, line);
    }
}

impl Audit {
    /// Opens the log in a directory, which is made where it is not there.
    ///
    /// # Errors
    /// If it cannot be read or written, or another server has it.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir.join("audit.jsonl");
        let place = || format!("the audit log {}", path.display());
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(&path).with_context(place)?;
        file.try_lock().with_context(|| {
            format!(
                "{}: another server has it: give each one a directory of its own",
                path.display()
            )
        })?;
        let (read, length) = read(&file).with_context(place)?;
        file.set_len(length).with_context(place)?;
        file.seek(SeekFrom::End(0)).with_context(place)?;
        flatnet_files::sync_directory_of(&path).with_context(place)?;
        if let Some(line) = read.broken {
            tracing::error!(path = %path.display(), line, "the audit log was altered: that line does not follow from the one before");
        }
        Ok(Self(Mutex::new(Log {
            path,
            file,
            length,
            read,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps that a change is begun, durably; its number.
    ///
    /// # Errors
    /// 503: without it nothing may be changed.
    pub(crate) async fn begin(self: &Arc<Self>, asked: Asked) -> Reply<u64> {
        let log = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let mut log = log.lock();
            let number = log.read.last + 1;
            log.append(number, What::Begun(asked)).map(|()| number)
        });
        let unavailable = |why: String| {
            tracing::error!(why, "the audit log cannot be written: nothing is changed");
            Refusal::new(
                Code::AuditUnavailable,
                format!("the audit log cannot be written: {why}"),
            )
            .hint("nothing was changed; an administrator has to make room for --audit-dir")
        };
        match written.await {
            Ok(Ok(number)) => Ok(number),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(panic) => Err(unavailable(panic.to_string())),
        }
    }

    /// Keeps what became of a change. Where that cannot be written, the log says that it was begun.
    pub(crate) async fn end(
        self: &Arc<Self>,
        number: u64,
        outcome: ChangeOutcome,
        reason: Option<String>,
    ) {
        let log = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            log.lock().append(number, What::Ended { outcome, reason })
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, number, "the audit log cannot be written"),
            Err(panic) => {
                tracing::error!(error = %panic, number, "the audit log cannot be written")
            }
        }
    }

    /// The latest changes that `wanted` says, the latest first, older than number `before`.
    pub(crate) fn changes(
        &self,
        before: u64,
        limit: usize,
        wanted: impl Fn(&Change) -> bool,
    ) -> Vec<Change> {
        let log = self.lock();
        let older = log.read.changes.iter().rev().filter(|c| c.number < before);
        older.filter(|c| wanted(c)).take(limit).cloned().collect()
    }
}

impl Log {
    fn append(&mut self, number: u64, what: What) -> io::Result<()> {
        let line = Line {
            number,
            what,
            previous: self.read.previous.clone(),
        };
        let text = serde_json::to_string(&line)?;
        let written = self
            .file
            .write_all(format!("{text}\n").as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is half written is taken away, so that the next line begins where it should.
            let back = self.file.set_len(self.length);
            let back = back.and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop));
            if let Err(error) = back {
                tracing::error!(path = %self.path.display(), %error, "half a line is left in the audit log");
            }
            return Err(error);
        }
        self.length += text.len() as u64 + 1;
        self.read.previous = hash(&text);
        self.read.take(number, line.what);
        Ok(())
    }
}

/// Reads a log and says how many changes it holds.
///
/// # Errors
/// If it cannot be read, or was altered: the first line that does not follow from the one before.
pub(crate) fn verify(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let (read, _) = read(&file).with_context(|| path.display().to_string())?;
    if let Some(line) = read.broken {
        anyhow::bail!(
            "{}:{line}: the line was altered, or one before it left out or put in",
            path.display()
        );
    }
    ensure!(
        read.last > 0,
        "{}: there is no change in it",
        path.display()
    );
    Ok(read.last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(object: &str) -> Asked {
        Asked {
            at: Moment::from_millis(1),
            by: "local:ann".to_owned(),
            action: "app.update".to_owned(),
            team: Some("shop".to_owned()),
            object: object.to_owned(),
            difference: Vec::new(),
        }
    }

    async fn two_changes(dir: &Path) {
        let audit = Arc::new(Audit::open(dir).expect("a log"));
        let number = audit.begin(asked("apps/web")).await.expect("begun");
        audit.end(number, ChangeOutcome::Done, None).await;
        let number = audit.begin(asked("apps/api")).await.expect("begun");
        assert_eq!(number, 2);
        let told = audit.changes(u64::MAX, 10, |_| true);
        let told: Vec<_> = told
            .iter()
            .map(|c| (c.object.as_str(), c.outcome))
            .collect();
        assert_eq!(
            told,
            [
                ("apps/api", ChangeOutcome::Begun),
                ("apps/web", ChangeOutcome::Done)
            ]
        );
    }

    #[tokio::test]
    async fn a_log_goes_on_after_a_restart_and_an_unfinished_line_is_no_change() {
        let dir = tempfile::tempdir().expect("a directory");
        two_changes(dir.path()).await;
        let path = dir.path().join("audit.jsonl");
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("the log");
        file.write_all(b"{\"number\":3,\"at\"")
            .expect("half a line");
        drop(file);
        let audit = Arc::new(Audit::open(dir.path()).expect("a log"));
        assert_eq!(audit.begin(asked("apps/web")).await, Ok(3));
        assert!(Audit::open(dir.path()).is_err(), "another one has it");
        drop(audit);
        assert_eq!(verify(&path).expect("it is whole"), 3);
    }

    #[tokio::test]
    async fn an_altered_line_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        two_changes(dir.path()).await;
        let path = dir.path().join("audit.jsonl");
        let text = std::fs::read_to_string(&path).expect("the log");
        let lines: Vec<&str> = text.lines().collect();
        for altered in [
            text.replace("local:ann", "local:bob"),
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]),
        ] {
            std::fs::write(&path, altered).expect("the log");
            let error = verify(&path).expect_err("it was altered").to_string();
            assert!(error.contains("altered"), "{error}");
        }
    }
}

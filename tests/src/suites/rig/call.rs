//! One run of the plugin, with nothing in its environment but what is set here.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::run;
use crate::runtime::netns;

/// A call before it is made.
#[derive(Debug, Clone)]
pub(in crate::suites) struct Call {
    program: PathBuf,
    netns: PathBuf,
    env: BTreeMap<OsString, OsString>,
    conf: Map<String, Value>,
    stdin: Option<Vec<u8>>,
}

/// What came of a call.
#[derive(Debug)]
pub(in crate::suites) struct Answer {
    output: Output,
}

impl Call {
    pub(super) fn new(program: &Path, netns: &Path, conf: Map<String, Value>) -> Self {
        Self {
            program: program.to_owned(),
            netns: netns.to_owned(),
            env: BTreeMap::new(),
            conf,
            stdin: None,
        }
    }

    /// With a variable.
    pub(in crate::suites) fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// Without a variable.
    pub(in crate::suites) fn unset(mut self, name: &str) -> Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// With a key of the configuration.
    pub(in crate::suites) fn key(mut self, name: &str, value: Value) -> Self {
        self.conf.insert(name.to_owned(), value);
        self
    }

    /// Without a key of the configuration.
    pub(in crate::suites) fn without(mut self, name: &str) -> Self {
        self.conf.remove(name);
        self
    }

    /// With another standard input than the configuration.
    pub(in crate::suites) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// The configuration as text.
    pub(in crate::suites) fn text(&self) -> String {
        Value::Object(self.conf.clone()).to_string()
    }

    /// Makes it, in the node's namespace, and waits for its end.
    pub(in crate::suites) fn run(&self) -> Result<Answer> {
        let stdin = match &self.stdin {
            Some(bytes) => bytes.clone(),
            None => self.text().into_bytes(),
        };
        let mut command = run::command(&self.program);
        command
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = netns::within(&self.netns, || {
            let mut child = command.spawn()?;
            if let Some(mut pipe) = child.stdin.take() {
                // A plugin that has read enough closes its end: its answer counts.
                let _ = pipe.write_all(&stdin);
            }
            child.wait_with_output()
        })?;
        let output = output.with_context(|| format!("run {}", self.program.display()))?;
        Ok(Answer { output })
    }
}

impl Answer {
    /// What a success printed; nothing is `Null`.
    pub(in crate::suites) fn ok(&self) -> Result<Value> {
        ensure!(
            self.output.status.success(),
            "the plugin failed: {}",
            self.shown()
        );
        if self.output.stdout.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.output.stdout)
            .with_context(|| format!("stdout is no result: {}", self.shown()))
    }

    /// Fails unless this is an error object with that code which says all of `words`.
    pub(in crate::suites) fn refused(&self, code: u64, words: &[&str]) -> Result<Value> {
        let object = self.error()?;
        ensure!(
            object["code"] == code,
            "code {code} was expected: {}",
            self.shown()
        );
        let said = format!("{} {}", object["msg"], object["details"]);
        for word in words {
            ensure!(
                said.contains(word),
                "the error does not say {word:?}: {}",
                self.shown()
            );
        }
        Ok(object)
    }

    /// The error object, with its form checked (SPEC.md 1.1.0, "Error").
    pub(in crate::suites) fn error(&self) -> Result<Value> {
        let status = self.output.status;
        ensure!(!status.success(), "an error was expected: {}", self.shown());
        ensure!(
            status.code().is_some(),
            "the plugin died of a signal: {}",
            self.shown()
        );
        let object: Value = serde_json::from_slice(&self.output.stdout)
            .with_context(|| format!("stdout is no error object: {}", self.shown()))?;
        let Some(fields) = object.as_object() else {
            bail!("stdout is no object: {}", self.shown());
        };
        for key in fields.keys() {
            let known = ["cniVersion", "code", "msg", "details"].contains(&key.as_str());
            ensure!(known, "an error object has no {key}: {}", self.shown());
        }
        let text = |key: &str| object[key].as_str().is_some_and(|t| !t.is_empty());
        ensure!(
            text("cniVersion") && text("msg"),
            "it lacks a part: {}",
            self.shown()
        );
        let lines = object["msg"].as_str().map_or(0, |msg| msg.lines().count());
        ensure!(lines == 1, "msg has {lines} lines: {}", self.shown());
        ensure!(
            self.output.stderr.is_empty(),
            "it is told twice: {}",
            self.shown()
        );
        Ok(object)
    }

    /// Everything that was printed.
    pub(in crate::suites) fn printed(&self) -> String {
        let out = String::from_utf8_lossy(&self.output.stdout).into_owned();
        out + &String::from_utf8_lossy(&self.output.stderr)
    }

    fn shown(&self) -> String {
        let text: String = self.printed().trim().chars().take(600).collect();
        format!("{} {text}", self.output.status)
    }
}

//! What is nobody's business: a value that Flatnet does not know the key of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Victim, refused};
use crate::suites::rig::{Call, Changed, PATIENCE, Rig};
use crate::{Lab, LabGuard};

/// In the configuration, and in `CNI_ARGS`.
const SECRETS: [&str; 2] = ["hunter2-in-the-configuration", "hunter2-in-the-arguments"];

/// A netd that logs everything, until this is dropped.
struct VerboseNetd<'l> {
    lab: &'l Lab,
}

impl<'l> VerboseNetd<'l> {
    fn start(lab: &'l Lab) -> Result<Self> {
        let talkative = Self { lab };
        lab.set_netd_env("idc1", &[("RUST_LOG", "trace")])?;
        lab.wait_ready("idc1", PATIENCE)?;
        Ok(talkative)
    }
}

impl Drop for VerboseNetd<'_> {
    fn drop(&mut self) {
        // The next `up` does it where this fails.
        let _ = self.lab.set_netd_env("idc1", &[]);
        let _ = self.lab.wait_ready("idc1", PATIENCE);
    }
}

/// The call with secrets wherever somebody may put them.
fn with_secrets(call: Call) -> Call {
    let secret = SECRETS[0];
    call.key("apiToken", json!(secret))
        .key("vendor", json!({"credentials": [{"password": secret}]}))
        .key("args", json!({"org.example": {"token": secret}}))
        .key("runtimeConfig", json!({"token": {"value": secret}}))
        .set(
            "CNI_ARGS",
            format!("IgnoreUnknown=1;K8S_POD_NAME=p;TOKEN={}", SECRETS[1]),
        )
}

/// The files below a directory that have one of the secrets in them.
fn holding(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(holding(&entry.path())?);
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path())?;
            if SECRETS
                .iter()
                .any(|s| bytes.windows(s.len()).any(|w| w == s.as_bytes()))
            {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

pub(super) fn nowhere(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-secret")?;
    let ns = &victim.ns;
    let log = rig.node.paths.log("netd");
    let talkative = VerboseNetd::start(lab)?;
    let began = usize::try_from(std::fs::metadata(&log).map_or(0, |m| m.len()))?;
    let mut printed = Vec::new();

    let call = |command: &str| with_secrets(rig.call(command, ns));
    let added = call("ADD").run()?;
    let result = added.ok().context("ADD")?;
    printed.push(added.printed());
    let check = call("CHECK").key("prevResult", result).run()?;
    check.ok().context("CHECK")?;
    printed.push(check.printed());
    for (what, codes, wrong) in [
        ("an ADD repeated", &[100][..], call("ADD")),
        (
            "an MTU that is too large",
            &[7],
            call("ADD").key("mtu", json!(9000)),
        ),
        (
            "an unknown network",
            &[7],
            call("ADD").key("network", json!("nowhere")),
        ),
        (
            "a result that is none",
            &[6, 7],
            call("CHECK").key("prevResult", json!(7)),
        ),
        (
            "a namespace that is none",
            &[8],
            call("ADD")
                .set("CNI_IFNAME", "eth1")
                .set("CNI_NETNS", "/dev/null"),
        ),
        (
            "an argument that nobody knows",
            &[4],
            call("ADD").set("CNI_ARGS", format!("TOKEN={}", SECRETS[1])),
        ),
        (
            "an argument without a value",
            &[4],
            call("ADD").set("CNI_ARGS", SECRETS[1]),
        ),
    ] {
        let answer = wrong.run()?;
        refused(&answer, codes).with_context(|| what.to_owned())?;
        printed.push(answer.printed());
    }
    let text = call("ADD").text();
    for end in [
        text.len() - 1,
        text.find(SECRETS[0]).unwrap_or(1) + SECRETS[0].len(),
    ] {
        let answer = call("ADD").stdin(&text.as_bytes()[..end]).run()?;
        refused(&answer, &[6]).context("a configuration that was cut off")?;
        printed.push(answer.printed());
    }
    printed.push(call("STATUS").run()?.printed());
    printed.push(call("DEL").run()?.printed());
    drop(talkative);

    // The spool keeps what a DEL needs, and no more.
    let away = Changed::stopped(lab, "idc1")?;
    let answer = call("DEL").run()?;
    answer.ok().context("DEL while netd is away")?;
    printed.push(answer.printed());
    ensure!(rig.spool()?.len() == 1, "the DEL is not in the spool");
    let spooled = holding(&rig.node.paths.spool())?;
    ensure!(spooled.is_empty(), "it is in {spooled:?}");
    away.back()?;

    for text in printed {
        let told = SECRETS.iter().find(|s| text.contains(**s));
        ensure!(told.is_none(), "an answer tells it: {text}");
    }
    let logged = std::fs::read(&log)?;
    let logged = String::from_utf8_lossy(logged.get(began..).unwrap_or_default());
    ensure!(
        logged.contains("TRACE") || logged.contains("DEBUG"),
        "{} has nothing of level debug",
        log.display()
    );
    let found = holding(rig.node.paths.dir())?;
    ensure!(found.is_empty(), "it is in {found:?}");
    Ok(())
}

//! People, and what they do by flatctl.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::kit::bound;
use crate::suites::kubernetes::cluster::Cluster;

/// Who is there, and with which password.
pub(super) const PEOPLE: [(&str, &str); 2] = [("ann", "right for ann"), ("ops", "right for ops")];

/// What came of a call.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Called {
    pub(super) fn well(self) -> Result<String> {
        ensure!(
            self.code == 0,
            "exit {}: {}{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self.out)
    }

    /// That it failed, and says all of that somewhere.
    pub(super) fn refused(&self, words: &[&str]) -> Result<()> {
        ensure!(self.code != 0, "it was done: {}", self.out);
        for word in words {
            let said = self.out.contains(word) || self.err.contains(word);
            ensure!(said, "{word:?} is not in {}{}", self.out, self.err);
        }
        Ok(())
    }
}

/// A program beside this one.
pub(super) fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.is_file(),
        "there is no {}: `cargo xtask build` makes it",
        path.display()
    );
    Ok(path)
}

/// Accounts and roles.
pub(super) fn people(hub: &Cluster) -> Result<()> {
    let apply = ["apply", "--server-side", "-f", "-"];
    for (name, password) in PEOPLE {
        let mut hash = bound(&netns_path(&namespace(VPC_ROUTER)), &beside("platformd")?)?;
        let hash = output_with(hash.arg("hash-password"), password)?;
        let account = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": format!("account-{name}"), "namespace": "flatnet-platform",
                "labels": {"platform.flatnet.io/account": "true"},
            },
            "stringData": {"hash": hash.trim(), "groups": ""},
        });
        output_with(
            &mut hub.kubectl_command("admin", &apply),
            &account.to_string(),
        )?;
    }
    let role = |name: &str| format!("--clusterrole=flatnet-platform-{name}");
    let owner = role("owner");
    hub.kubectl(&[
        "create",
        "rolebinding",
        "ann",
        "-n",
        "shop",
        &owner,
        "--user=local:ann",
    ])?;
    let readers = role("reader");
    let everybody = "--group=system:authenticated";
    hub.kubectl(&[
        "create",
        "clusterrolebinding",
        "readers",
        &readers,
        everybody,
    ])?;
    hub.kubectl(&[
        "create",
        "clusterrolebinding",
        "ops",
        &role("operator"),
        "--user=local:ops",
    ])
    .map(drop)
}

/// Where people are: each has a home of its own.
pub(super) struct Desk {
    pub(super) dir: PathBuf,
}

impl Desk {
    /// `flatctl …` of somebody, with that on standard input.
    pub(super) fn call_with(&self, who: &str, args: &[&str], input: &str) -> Result<Called> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &beside("flatctl")?)?;
        let home = self.dir.join(format!("home-{who}"));
        std::fs::create_dir_all(&home)?;
        command
            .args(args)
            .env("XDG_CONFIG_HOME", &home)
            .env("HOME", &home);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run flatctl")?;
        {
            use std::io::Write as _;
            let mut stdin = child.stdin.take().context("no standard input")?;
            stdin.write_all(input.as_bytes())?;
        }
        let done = child.wait_with_output()?;
        Ok(Called {
            code: done.status.code().context("flatctl was killed")?,
            out: String::from_utf8(done.stdout)?,
            err: String::from_utf8(done.stderr)?,
        })
    }
}

//! People, and what they do by flatctl.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::kit::bound;
use crate::suites::kit::called::Called;
use crate::suites::kubernetes::cluster::Cluster;

/// Who is there, and with which password.
pub(super) const PEOPLE: [(&str, &str); 2] = [("ann", "right for ann"), ("ops", "right for ops")];

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
        Called::of(&mut command, input)
    }
}

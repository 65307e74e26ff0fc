//! Who may acknowledge what, by trying.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::world::{NAMESPACE, SOON, World};
use crate::LabGuard;
use crate::suites::kit::eventually;

/// The rights of one subscriber, as they are shipped.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/address-subscriber.yaml");
const USER: &str = "web-firewall";

pub(super) fn own_name_only(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let spec = json!({
        "selector": {"matchLabels": {"app": "web"}},
        "subscribers": [{"name": "firewall"}, {"name": "other"}],
    });
    world.make_set("web", &spec)?;
    world.apply(MANIFEST)?;
    world.becomes("web", |s| s["generation"] == 1)?;
    let token = world.kubectl(&["-n", NAMESPACE, "create", "token", USER])?;
    world.cluster.kubeconfig(USER, token.trim())?;
    let patch = |set: &str, status: &Value| {
        let patch = json!({"status": status}).to_string();
        let args = [
            "-n",
            NAMESPACE,
            "patch",
            "addresssets",
            set,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        let tried = world.cluster.kubectl_command(USER, &args).output()?;
        match tried.status.success() {
            true => Ok(()),
            false => bail!("{}", String::from_utf8_lossy(&tried.stderr)),
        }
    };
    let item = |name: &str, generation: i64| json!({"subscriber": name, "generation": generation, "at": "2026-01-01T00:00:00Z"});
    let acknowledges = |items: &[Value]| json!({"acknowledgements": items});
    // A policy that is new is in force after a moment.
    eventually(SOON, || {
        match patch("web", &acknowledges(&[item("other", 1)])) {
            Ok(()) => bail!("it acknowledged for another one"),
            Err(error) => {
                let said = error.to_string();
                ensure!(
                    said.contains("may not acknowledge for this subscriber"),
                    "{said}"
                );
                Ok(())
            }
        }
    })?;
    for (status, words) in [
        (json!({"generation": 9}), "only addressd"),
        (
            json!({"addresses": ["192.0.2.1"], "count": 1}),
            "only addressd",
        ),
        (json!({"acknowledged": 1, "missing": []}), "only addressd"),
        (
            acknowledges(&[item("firewall", 1), item("other", 1)]),
            "its own acknowledgement",
        ),
    ] {
        let Err(error) = patch("web", &status) else {
            bail!("{status} was taken");
        };
        ensure!(error.to_string().contains(words), "{error}");
    }
    // Neither another set, nor the spec, nor a Lease of somebody else, nor pods.
    for (may, words) in [
        (true, ["get", "addresssets/web"]),
        (false, ["get", "addresssets/bare"]),
        (false, ["update", "addresssets/web"]),
        (false, ["list", "pods"]),
        (true, ["patch", "leases/web.firewall"]),
        (false, ["patch", "leases/web.other"]),
        (false, ["create", "leases"]),
    ] {
        let ask = [&["-n", NAMESPACE, "auth", "can-i", "--quiet"], &words[..]].concat();
        let status = world.cluster.kubectl_command(USER, &ask).status()?;
        ensure!(status.success() == may, "{words:?}: {status}");
    }
    // With these rights alone it follows, acknowledges and renews.
    let file = world.file("web.txt");
    let (to, state) = (
        format!("file:{}", file.display()),
        world.file("web.json").display().to_string(),
    );
    let args = ["web", "--to", &to, "--name", "firewall", "--state", &state];
    let follower = world.follower(USER, "web.log", &args)?;
    world.becomes("web", |s| s["subscribers"][0]["state"] == "Current")?;
    let Err(error) = patch("web", &acknowledges(&[])) else {
        bail!("an acknowledgement was taken away");
    };
    ensure!(error.to_string().contains("takes none away"), "{error}");
    follower.end()
}

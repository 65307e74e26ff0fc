//! The desk: platformd's API server, the people who have accounts there, and their flatctl.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::kubelet::NAMESPACE;
use super::world::{SOON, World};
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::cloud::rig::Running;
use crate::suites::kit::called::Called;
use crate::suites::kit::{bound, eventually};

/// The server's rights, and the roles that it asks for.
const MANIFESTS: [&str; 2] = [
    include_str!("../../../../deploy/platform/server.yaml"),
    include_str!("../../../../deploy/platform/roles.yaml"),
];
/// Kinds that the server follows, beside the controller's: it is not ready while one of them cannot be listed.
const DEFINITIONS: [&str; 2] = [
    include_str!("../../../../deploy/platform/crds/builds.yaml"),
    include_str!("../../../../deploy/platform/crds/locationclaims.yaml"),
];
pub(in crate::suites) const SERVER: &str = "http://127.0.0.1:9441";
/// Who is there: a name, a password, and what is bound to it.
pub(in crate::suites) const PEOPLE: [(&str, &str); 3] = [
    ("ann", "right for ann"),
    ("eve", "right for eve"),
    ("ops", "right for ops"),
];

/// The server, and the programs that people have.
pub(in crate::suites) struct Desk {
    pub(in crate::suites) world: Arc<World>,
    server: Option<Running>,
    flatctl: PathBuf,
    pub(super) platformd: PathBuf,
    /// The console that it serves.
    console: Option<PathBuf>,
}

impl Desk {
    /// The API alone.
    pub(super) fn open(world: &Arc<World>) -> Result<Self> {
        Self::with_console(world, None)
    }

    /// The API, and the console where there is one.
    ///
    /// # Errors
    /// If a program is missing, or the server does not get ready.
    pub(in crate::suites) fn with_console(
        world: &Arc<World>,
        console: Option<&Path>,
    ) -> Result<Self> {
        let beside = |name: &str| -> Result<PathBuf> {
            let path = std::env::current_exe()?.with_file_name(name);
            ensure!(
                path.is_file(),
                "there is no {}: `cargo xtask build` makes it",
                path.display()
            );
            Ok(path)
        };
        let mut desk = Self {
            world: Arc::clone(world),
            server: None,
            flatctl: beside("flatctl")?,
            platformd: beside("platformd")?,
            console: console.map(Path::to_owned),
        };
        desk.install()?;
        desk.start()?;
        Ok(desk)
    }

    /// Rights, accounts and their bindings.
    fn install(&self) -> Result<()> {
        let hub = &self.world.hub;
        let apply = ["apply", "--server-side", "-f", "-"];
        for manifest in DEFINITIONS.iter().chain(&MANIFESTS) {
            output_with(&mut hub.kubectl_command("admin", &apply), manifest)?;
        }
        let token = hub.kubectl(&["-n", "flatnet-platform", "create", "token", "server"])?;
        hub.kubeconfig("server", token.trim())?;
        for (name, password) in PEOPLE {
            let mut hash = bound(&netns_path(&namespace(VPC_ROUTER)), &self.platformd)?;
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
        let bind = |args: &[&str]| {
            let made = hub.kubectl(&[&["create"], args].concat());
            // The world may have them from the check before.
            match made {
                Err(error) if error.to_string().contains("already exists") => Ok(()),
                made => made.map(drop),
            }
        };
        let releaser = "--clusterrole=flatnet-platform-releaser";
        bind(&[
            "rolebinding",
            "ann",
            "-n",
            NAMESPACE,
            releaser,
            "--user=local:ann",
        ])?;
        let role = |name: &str| format!("--clusterrole=flatnet-platform-{name}");
        bind(&[
            "clusterrolebinding",
            "readers",
            &role("reader"),
            "--group=system:authenticated",
        ])?;
        bind(&[
            "clusterrolebinding",
            "ops",
            &role("operator"),
            "--user=local:ops",
        ])?;
        bind(&[
            "clusterrolebinding",
            "ops-owner",
            &role("owner"),
            "--user=local:ops",
        ])
    }

    pub(in crate::suites) fn log(&self) -> PathBuf {
        self.world.hub.dir.join("server.log")
    }

    /// Starts the server, or another one after it was stopped.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(in crate::suites) fn start(&mut self) -> Result<()> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &self.platformd)?;
        command.args(["serve", "--metrics", "127.0.0.1:9442", "--kubeconfig"]);
        command.arg(self.world.hub.dir.join("server.conf"));
        command
            .arg("--audit-dir")
            .arg(self.world.hub.dir.join("audit"));
        if let Some(console) = &self.console {
            command.arg("--console").arg(console);
        }
        self.server = Some(Running::start(&mut command, &self.log())?);
        eventually(SOON, || {
            let mut ask = bound(
                &netns_path(&namespace(VPC_ROUTER)),
                &PathBuf::from("/usr/bin/curl"),
            )?;
            let ready = crate::run::output(ask.args(["-sSf", "http://127.0.0.1:9442/readyz"]));
            Ok(ready?)
        })
        .map(drop)
    }

    /// Stops the server.
    ///
    /// # Errors
    /// If it does not run.
    pub(in crate::suites) fn stop(&mut self) -> Result<()> {
        self.server.take().context("it runs")?.end()
    }

    fn home(&self, who: &str) -> PathBuf {
        self.world.hub.dir.join(format!("home-{who}"))
    }

    /// Runs flatctl as somebody.
    pub(super) fn flatctl(&self, who: &str, args: &[&str], input: &str) -> Result<Called> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &self.flatctl)?;
        command
            .args(args)
            .env("HOME", self.home(who))
            .env_remove("XDG_CONFIG_HOME");
        Called::of(&mut command, input)
    }

    pub(super) fn login(&self) -> Result<()> {
        for (name, password) in PEOPLE {
            self.flatctl(name, &["login", SERVER, "--name", name], password)?
                .well()?;
        }
        Ok(())
    }

    /// A command that prints JSON.
    pub(super) fn json(&self, who: &str, args: &[&str]) -> Result<Value> {
        let text = self
            .flatctl(who, &[args, &["-o", "json"]].concat(), "")?
            .well()?;
        Ok(serde_json::from_str(&text)?)
    }
}

//! The binary with its files, and a simulator behind it.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Cloud;

/// The simulator's example world.
pub(crate) const WORLD: &str = include_str!("../../../tests/aliyun-sim/examples/world.yaml");
/// A plan for it.
pub(crate) const PLAN: &str = include_str!("../data/plan.yml");

/// A configuration, a plan and a state directory, with a simulator behind them.
pub(crate) struct Site {
    pub(crate) cloud: Cloud,
    directory: TempDir,
}

impl Site {
    /// With a simulator of the world; configuration and plan are to be written.
    pub(crate) async fn new(world: &str) -> Self {
        Self {
            cloud: Cloud::start(world).await,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Writes the configuration that every test starts from, changed by `with`.
    pub(crate) fn configure(&self, region: &str, with: impl FnOnce(&mut Value)) {
        let mut config = json!({
            "cluster": "lab",
            "plan": self.path("plan.yml"),
            "stateDir": self.path("state"),
            "socket": self.path("vpc-route.sock"),
            "intervalSeconds": 1,
            "graceSeconds": 1,
            "leaseSeconds": 3,
            "aliyun": {
                "endpoint": self.cloud.address,
                "region": region,
                "credentials": {
                    "source": "static", "accessKeyId": "testid", "accessKeySecret": "testsecret",
                },
            },
        });
        with(&mut config);
        self.write("config.yml", &config.to_string());
    }

    /// What the plan of [`PLAN`] needs besides: its line and its edge router, as a file.
    pub(crate) fn edge(&self, config: &mut Value) {
        config["aliyun"]["lineInterfaces"] = json!({"line1": "ri-line1"});
        config["edgeRouters"] =
            json!({"edge": {"provider": "file", "path": self.path("edge.conf")}});
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpc-route"));
        command
            .arg("--config")
            .arg(self.path("config.yml"))
            .args(arguments);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap());
        done.await.unwrap()
    }

    /// Runs a command to its end: its status, and what it said on stdout.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, .. } = self.output(arguments).await;
        (status.code().unwrap(), String::from_utf8(stdout).unwrap())
    }

    /// `vpc-route run`.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut command = self.command(&["run"]);
        Daemon(command.stderr(Stdio::null()).spawn().unwrap())
    }
}

/// A daemon that dies with its test.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be dead already: that is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The API server with the kind, a namespace, and two addressds; pods as objects.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::lab::inside;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::Skip;
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually};
use crate::suites::kubernetes::cluster::{Access, Cluster};
use crate::{Lab, LabGuard};

const CRD: &str = include_str!("../../../../deploy/crds/addresssets.yaml");
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/addressd.yaml");
/// The namespace of the application.
pub(super) const NAMESPACE: &str = "shop";
/// Generous for a busy machine: what is measured is printed.
pub(super) const SOON: Duration = Duration::from_secs(30);

static WORLD: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// The API server, and who keeps the sets.
pub(super) struct World {
    pub(super) cluster: Cluster,
    /// Which of them runs.
    pub(super) keepers: Mutex<Vec<(String, Running)>>,
    netns: PathBuf,
    flatctl: PathBuf,
    addressd: PathBuf,
}

impl World {
    /// The one that runs, or a new one.
    ///
    /// # Errors
    /// If it does not come up.
    pub(super) fn get(lab: &LabGuard) -> Result<Arc<Self>> {
        let mut slot = locked(&WORLD);
        if let Some(world) = &*slot {
            return Ok(Arc::clone(world));
        }
        let world = Arc::new(Self::raise(lab)?);
        *slot = Some(Arc::clone(&world));
        Ok(world)
    }

    fn raise(lab: &Lab) -> Result<Self> {
        let cluster = Cluster::start(lab, Access::local())?;
        let world = Self {
            cluster,
            keepers: Mutex::new(Vec::new()),
            netns: netns_path(&namespace(VPC_ROUTER)),
            flatctl: lab.layout().bin("flatctl"),
            addressd: beside_this("addressd")?,
        };
        world.apply(CRD)?;
        let wait = ["wait", "--for=condition=Established", "--timeout=30s"];
        world.kubectl(&[&wait[..], &["crd/addresssets.flatnet.io"]].concat())?;
        world.apply(MANIFEST)?;
        world.kubectl(&["create", "namespace", NAMESPACE])?;
        world.kubectl(&["-n", NAMESPACE, "create", "serviceaccount", "default"])?;
        let token = world.kubectl(&["-n", "flatnet", "create", "token", "addressd"])?;
        world.cluster.kubeconfig("addressd", token.trim())?;
        world.keeper("a")?;
        world.keeper("b")?;
        Ok(world)
    }

    /// What kubectl says to the administrator.
    pub(super) fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.cluster.kubectl(args)
    }

    /// Applies documents.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let mut command = self
            .cluster
            .kubectl_command("admin", &["apply", "--server-side", "-f", "-"]);
        Ok(output_with(&mut command, text)?)
    }

    /// Starts an addressd of that name, by the rights of its manifest.
    pub(super) fn keeper(&self, name: &str) -> Result<()> {
        let file = |name: &str| self.cluster.dir.join(name);
        let mut command = bound(&self.netns, &self.addressd)?;
        command.arg("--kubeconfig").arg(file("addressd.conf"));
        // Removals are to be seen soon; the default lets an address linger for ten seconds.
        command.args(["--identity", name, "--lease", "5", "--linger", "1"]);
        let log = file(&format!("addressd-{name}.log"));
        let running = Running::start(&mut command, &log)?;
        locked(&self.keepers).push((name.to_owned(), running));
        Ok(())
    }

    /// Makes a set of that selector and those subscribers.
    pub(super) fn make_set(&self, name: &str, spec: &Value) -> Result<String> {
        let set = json!({
            "apiVersion": "flatnet.io/v1alpha1", "kind": "AddressSet",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
        });
        self.apply(&set.to_string())
    }

    /// A set's status.
    pub(super) fn status(&self, name: &str) -> Result<Value> {
        let get = ["-n", NAMESPACE, "get", "addresssets", name, "-o", "json"];
        let mut set: Value = serde_json::from_str(&self.kubectl(&get)?)?;
        Ok(set["status"].take())
    }

    /// Pods of that label, the first with the first of the addresses.
    pub(super) fn pods(&self, app: &str, names: &[String]) -> Result<()> {
        let pod = |name: &String| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": app}},
                "spec": {"containers": [{"name": "c", "image": "none"}]},
            })
        };
        let items: Vec<Value> = names.iter().map(pod).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.apply(&list.to_string()).map(drop)
    }

    /// Gives a pod its addresses, as its kubelet does.
    pub(super) fn give(&self, pod: &str, addresses: &[&str]) -> Result<()> {
        let ips: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let status = json!({"phase": "Running", "podIP": addresses.first(), "podIPs": ips});
        self.patch_pod(pod, &json!({"status": status}))
    }

    pub(super) fn patch_pod(&self, pod: &str, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        let args = [
            "-n",
            NAMESPACE,
            "patch",
            "pod",
            pod,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kubectl(&args).map(drop)
    }

    /// Deletes a pod as its kubelet does at the end.
    pub(super) fn delete(&self, pod: &str) -> Result<()> {
        let args = [
            "-n",
            NAMESPACE,
            "delete",
            "pod",
            pod,
            "--force",
            "--grace-period=0",
        ];
        self.kubectl(&args).map(drop)
    }

    /// `flatctl addresses …` beside the API server, as one of its users: exit code, result, messages.
    pub(super) fn flatctl(&self, user: &str, args: &[&str]) -> Result<(i32, String, String)> {
        let mut command = inside(&self.netns, &self.flatctl.display().to_string());
        command.args(self.call(user, args)).stdin(Stdio::null());
        let output = command.output().context("cannot run flatctl")?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes);
        let code = output.status.code().context("flatctl was killed")?;
        Ok((code, text(output.stdout)?, text(output.stderr)?))
    }

    fn call(&self, user: &str, args: &[&str]) -> Vec<String> {
        let config = self.cluster.dir.join(format!("{user}.conf"));
        let more = ["-n", NAMESPACE, "--kubeconfig"];
        let all = ["addresses"]
            .into_iter()
            .chain(args.iter().copied())
            .chain(more);
        let mut all: Vec<String> = all.map(str::to_owned).collect();
        all.push(config.display().to_string());
        all
    }

    /// A follower, with its messages in a log of that name. It dies with this process.
    pub(super) fn follower(&self, user: &str, log: &str, args: &[&str]) -> Result<Running> {
        let mut command = bound(&self.netns, &self.flatctl)?;
        let args = [&["follow"], args].concat();
        command.args(self.call(user, &args));
        Running::start(&mut command, &self.file(log))
    }

    /// A command in the namespace of the follower.
    pub(super) fn beside(&self, program: &str) -> Command {
        inside(&self.netns, program)
    }

    /// A file of this suite.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.cluster.dir.join(name)
    }

    /// Waits until a set has this status.
    pub(super) fn becomes(
        &self,
        set: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<(Value, Duration)> {
        eventually(SOON, || {
            let status = self.status(set)?;
            ensure!(is(&status), "it is {status}");
            Ok(status)
        })
    }
}

/// A program that is not one of the lab's own, beside this one.
fn beside_this(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.is_file(),
        "there is no {}: `cargo xtask build` makes it",
        path.display()
    );
    Ok(path)
}

/// That a program is there, or that the check cannot be made.
pub(super) fn needs(program: &str) -> Result<()> {
    let found = crate::run::command(program).arg("--version").output();
    match found {
        Ok(_) => Ok(()),
        Err(_) => Err(Skip(format!("there is no {program}")).into()),
    }
}

/// Waits until a file has this content.
pub(super) fn holds(path: &Path, wanted: &str) -> Result<Duration> {
    let ((), took) = eventually(SOON, || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        ensure!(
            text == wanted,
            "{} has {text:?}, not {wanted:?}",
            path.display()
        );
        Ok(())
    })?;
    Ok(took)
}

/// Takes everything down, and looks.
pub(super) fn nothing_left(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let keepers = std::mem::take(&mut *locked(&world.keepers));
    for (_, keeper) in keepers {
        keeper.end()?;
    }
    let holder = world.kubectl(&[
        "-n",
        "flatnet",
        "get",
        "lease",
        "addressd",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ])?;
    ensure!(holder.is_empty(), "the Lease was not given back: {holder}");
    let dir = world.cluster.dir.clone();
    let programs = [world.cluster.kube.clone(), world.addressd.clone()];
    drop(world);
    locked(&WORLD).take();
    ensure!(!dir.exists(), "{} is left", dir.display());
    for pid in crate::process::all_pids() {
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
        let left = exe.is_ok_and(|exe| programs.contains(&exe));
        ensure!(!left, "process {pid} is left");
    }
    Ok(())
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

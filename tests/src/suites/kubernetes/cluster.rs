//! etcd and an API server, in the VPC router's namespace; they die with the suite.
//!
//! The suite `kubernetes` has one of its own; the suite `cluster` starts one that nodes reach.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lab::inside;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::kit::{bound, eventually, output, say};
use crate::{Lab, LabGuard, ProcessId};

/// The namespace and the Lease that the manifest in `deploy` makes.
pub(super) const NAMESPACE: &str = "flatnet";
/// The Lease, and the service account that may have it.
pub(super) const LEASE: &str = "vpc-route";
/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/vpc-route-lease.yaml");
/// Where the API server listens.
pub(super) const PORT: u16 = 6443;
/// Its address for hosts of the vSwitch zone-a: their gateway's.
const REMOTE: &str = "172.20.1.253";
/// A start takes about 4 s, on a busy machine much more.
const STARTED: Duration = Duration::from_secs(90);
/// The administrator's token.
const TOKEN: &str = "the-suites-own-token";

/// The one that runs, for all the checks of this process.
static CLUSTER: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);

/// How an API server is reached, and by whom beside the administrator.
#[derive(Clone)]
pub(in crate::suites) struct Access {
    /// Where it listens.
    pub(in crate::suites) address: Ipv4Addr,
    /// What it says of itself to others; the endpoint of the service `kubernetes` is none where it
    /// cannot be reached.
    pub(in crate::suites) advertise: bool,
    /// Users' names and groups; the token of each is [`token_of`] its name.
    pub(in crate::suites) users: Vec<(String, &'static str)>,
    /// Prefixes of services.
    pub(in crate::suites) services: &'static str,
}

/// Of the suite `kubernetes`: nobody but its namespace reaches it.
const LOCAL: Access = Access {
    address: Ipv4Addr::LOCALHOST,
    advertise: false,
    users: Vec::new(),
    services: "10.96.0.0/16",
};

impl Access {
    /// Beside the API server, in its network namespace, and by nobody else.
    pub(in crate::suites) fn local() -> Self {
        LOCAL
    }
}

/// The token of a user of [`Access`].
pub(in crate::suites) fn token_of(user: &str) -> String {
    format!("token-of-{}", user.replace(':', "-"))
}

/// An API server and its etcd.
pub(in crate::suites) struct Cluster {
    /// Directory that all its files are in.
    pub(in crate::suites) dir: PathBuf,
    pub(in crate::suites) kube: PathBuf,
    access: Access,
    pub(in crate::suites) port: u16,
    /// What its keys in etcd begin with: several API servers may share one.
    prefix: String,
    etcd: Mutex<Option<Child>>,
    server: Mutex<Option<Child>>,
}

impl Cluster {
    /// The one that runs, or a new one with what the manifest makes.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn get(lab: &Lab) -> Result<Arc<Self>> {
        let mut slot = locked(&CLUSTER);
        if let Some(cluster) = &*slot {
            return Ok(Arc::clone(cluster));
        }
        let cluster = Arc::new(Self::start(lab, LOCAL)?);
        let manifest = cluster.dir.join("manifest.yaml");
        std::fs::write(&manifest, MANIFEST)?;
        cluster.kubectl(&["apply", "-f", &manifest.display().to_string()])?;
        *slot = Some(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// One that is reached so.
    ///
    /// # Errors
    /// If it does not start.
    pub(in crate::suites) fn start(lab: &Lab, access: Access) -> Result<Self> {
        let dir = lab.layout().member(VPC_ROUTER).dir().join("kubernetes");
        // Of a suite that was killed; its processes died with it.
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir(&dir)?;
        let cluster = Self {
            kube: kube()?,
            etcd: Mutex::new(None),
            server: Mutex::new(None),
            access,
            port: PORT,
            prefix: "/registry".to_owned(),
            dir,
        };
        cluster.keys()?;
        let (_, took) = {
            *locked(&cluster.etcd) = Some(cluster.etcd()?);
            cluster.start_server()?
        };
        let resident = locked(&cluster.server)
            .as_ref()
            .and_then(|child| resident(child.id()));
        say(&format!(
            "the API server is ready after {took:.1?}, {} MiB",
            resident.unwrap_or(0) >> 10
        ));
        Ok(cluster)
    }

    /// Another cluster beside this one: an API server with the same keys and users over the same etcd, in a
    /// directory of this one. It is not started yet.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub(in crate::suites) fn beside(&self, name: &str, port: u16, access: Access) -> Result<Self> {
        let dir = self.dir.join(name);
        std::fs::create_dir(&dir)?;
        for file in [
            "ca.crt",
            "server.crt",
            "server.key",
            "accounts.key",
            "tokens.csv",
        ] {
            std::fs::copy(self.dir.join(file), dir.join(file))?;
        }
        let cluster = Self {
            kube: self.kube.clone(),
            etcd: Mutex::new(None),
            server: Mutex::new(None),
            access,
            port,
            prefix: format!("/{name}"),
            dir,
        };
        cluster.kubeconfig("admin", TOKEN)?;
        Ok(cluster)
    }

    /// Where it listens.
    pub(in crate::suites) fn address(&self) -> Ipv4Addr {
        self.access.address
    }

    /// Certificates and keys, by openssl.
    fn keys(&self) -> Result<()> {
        let openssl = |args: &[&str]| {
            let mut command = Command::new("openssl");
            output(command.current_dir(&self.dir).args(args)).map(drop)
        };
        let ec = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let request = ["req", "-x509", "-days", "2"];
        let ca = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca"];
        openssl(&[&request[..], &ec, &ca].concat())?;
        let leaf = [
            "-keyout",
            "server.key",
            "-out",
            "server.crt",
            "-subj",
            "/CN=apiserver",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            &format!(
                "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,IP:{REMOTE},IP:{}",
                self.access.address
            ),
        ];
        openssl(&[&request[..], &ec, &leaf].concat())?;
        openssl(&["genrsa", "-out", "accounts.key", "2048"])?;
        let mut tokens = format!("{TOKEN},admin,1,\"system:masters\"\n");
        for (user, groups) in &self.access.users {
            tokens += &format!("{},{user},{user},\"{groups}\"\n", token_of(user));
        }
        std::fs::write(self.dir.join("tokens.csv"), tokens)?;
        self.kubeconfig("admin", TOKEN)?;
        Ok(())
    }

    fn etcd(&self) -> Result<Child> {
        let data = self.dir.join("etcd").display().to_string();
        self.spawn(
            "etcd",
            Path::new("etcd"),
            &[
                "--data-dir",
                &data,
                "--unsafe-no-fsync",
                "--log-level",
                "warn",
            ],
        )
    }

    /// Starts the API server, and waits until it is ready.
    ///
    /// # Errors
    /// If it is not in time, with the end of its log.
    pub(in crate::suites) fn start_server(&self) -> Result<((), Duration)> {
        self.launch_server()?;
        self.ready()
    }

    /// Starts the API server, and does not wait. It dies with the thread that starts it.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(in crate::suites) fn launch_server(&self) -> Result<()> {
        let file = |name: &str| self.dir.join(name).display().to_string();
        let flags = [
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--etcd-prefix={}", self.prefix),
            format!("--secure-port={}", self.port),
            format!("--service-cluster-ip-range={}", self.access.services),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("accounts.key")),
            format!(
                "--service-account-signing-key-file={}",
                file("accounts.key")
            ),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--cert-dir={}", file("certificates")),
        ];
        let bind = format!("--bind-address={}", self.access.address);
        let reached: &[&str] = match self.access.advertise {
            // It advertises what it binds; for all addresses it would look for a default route.
            true => &[&bind],
            // It advertises no loopback address, and none is needed.
            false => &[
                "--bind-address=0.0.0.0",
                "--advertise-address=192.0.2.1",
                "--endpoint-reconciler-type=none",
            ],
        };
        let args: Vec<&str> = ["apiserver"]
            .into_iter()
            .chain(reached.iter().copied())
            .chain(flags.iter().map(String::as_str))
            .collect();
        let child = self.spawn("apiserver", &self.kube, &args)?;
        *locked(&self.server) = Some(child);
        Ok(())
    }

    /// Waits until the API server that was started is ready.
    ///
    /// # Errors
    /// If it is not in time, with the end of its log.
    pub(in crate::suites) fn ready(&self) -> Result<((), Duration)> {
        eventually(STARTED, || {
            self.kubectl(&["get", "--raw", "/readyz"]).map(drop)
        })
        .with_context(|| tail(&self.dir.join("apiserver.log")))
    }

    /// A child in the VPC router's namespace that dies with this process, however that ends.
    pub(in crate::suites) fn spawn(
        &self,
        name: &str,
        program: &Path,
        args: &[&str],
    ) -> Result<Child> {
        let log = std::fs::File::create(self.dir.join(format!("{name}.log")))?;
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), program)?;
        command.args(args);
        command.stdout(log.try_clone()?).stderr(log);
        let spawned = command.current_dir(&self.dir).spawn();
        spawned.with_context(|| format!("cannot run {}", program.display()))
    }

    /// What kubectl prints, for the administrator.
    ///
    /// # Errors
    /// If it fails, with its words.
    pub(in crate::suites) fn kubectl(&self, args: &[&str]) -> Result<String> {
        output(&mut self.kubectl_command("admin", args))
    }

    /// kubectl for one of the [`Self::kubeconfig`]s.
    pub(in crate::suites) fn kubectl_command(&self, user: &str, args: &[&str]) -> Command {
        let mut command = self.kube(&["kubectl", "--kubeconfig"]);
        command
            .arg(self.dir.join(format!("{user}.conf")))
            .args(args);
        command
    }

    /// One of Kubernetes' programs, for a short question.
    fn kube(&self, args: &[&str]) -> Command {
        let netns = netns_path(&namespace(VPC_ROUTER));
        let mut command = inside(&netns, &self.kube.display().to_string());
        command
            .args(args)
            .env("HOME", &self.dir)
            .stdin(Stdio::null());
        command
    }

    /// One of Kubernetes' programs that runs on, with the kubeconfig of a user; it dies with this
    /// process.
    ///
    /// # Errors
    /// If this program is not known.
    pub(super) fn kube_lasting(&self, what: &str, user: &str) -> Result<Command> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &self.kube)?;
        command.args([what, "--kubeconfig"]);
        command.arg(self.dir.join(format!("{user}.conf")));
        command.env("HOME", &self.dir);
        Ok(command)
    }

    /// Writes the kubeconfig of a user with a token.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::suites) fn kubeconfig(&self, user: &str, token: &str) -> Result<PathBuf> {
        let address = self.access.address.to_string();
        self.kubeconfig_at(&address, user, token)?;
        Ok(self.dir.join(format!("{user}.conf")))
    }

    /// The kubeconfig of a user of this name beside the API server; and one for the same user on a host of
    /// the vSwitch zone-a, whose path this gives.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn remote(&self, user: &str, token: &str) -> Result<PathBuf> {
        self.kubeconfig(user, token)?;
        self.kubeconfig_at(REMOTE, &format!("{user}-remote"), token)
    }

    fn kubeconfig_at(&self, address: &str, user: &str, token: &str) -> Result<PathBuf> {
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "suite",
            "clusters": [{"name": "suite", "cluster": {
                "server": format!("https://{address}:{}", self.port),
                "certificate-authority": self.dir.join("ca.crt"),
            }}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "suite", "context": {"cluster": "suite", "user": user}}],
        });
        let path = self.dir.join(format!("{user}.conf"));
        std::fs::write(&path, serde_json::to_vec(&config)?)?;
        Ok(path)
    }

    /// A token of a service account, and the kubeconfig with it.
    ///
    /// # Errors
    /// What kubectl says.
    pub(super) fn account(&self, name: &str) -> Result<PathBuf> {
        let token = self.token(name)?;
        self.kubeconfig(name, &token)
    }

    /// A token of a service account.
    ///
    /// # Errors
    /// What kubectl says.
    pub(super) fn token(&self, name: &str) -> Result<String> {
        let token = self.kubectl(&["-n", NAMESPACE, "create", "token", name])?;
        Ok(token.trim().to_owned())
    }

    /// The Lease's specification.
    ///
    /// # Errors
    /// What kubectl says.
    pub(super) fn lease(&self) -> Result<Value> {
        let text = self.kubectl(&["-n", NAMESPACE, "get", "lease", LEASE, "-o", "json"])?;
        let mut lease: Value = serde_json::from_str(&text)?;
        Ok(lease["spec"].take())
    }

    /// Sends the API server a signal.
    ///
    /// # Errors
    /// If it does not run.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let server = locked(&self.server);
        let server = server.as_ref().context("there is no API server")?;
        let process = ProcessId::of(i32::try_from(server.id())?);
        Ok(process
            .context("the API server has ended")?
            .signal(signal)?)
    }

    /// SIGKILL to the API server, and its end.
    ///
    /// # Errors
    /// If it does not run.
    pub(in crate::suites) fn kill_server(&self) -> Result<()> {
        let server = locked(&self.server).take();
        let mut server = server.context("there is no API server")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for slot in [&self.server, &self.etcd] {
            if let Some(mut child) = locked(slot).take() {
                // Both fail harmlessly on one that has ended.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Takes it down, and looks.
pub(super) fn nothing_left(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let dir = cluster.dir.clone();
    let kube = cluster.kube.clone();
    drop(cluster);
    locked(&CLUSTER).take();
    ensure!(!dir.exists(), "{} is left", dir.display());
    for pid in crate::process::all_pids() {
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
        ensure!(!exe.is_ok_and(|exe| exe == kube), "process {pid} is left");
    }
    Ok(())
}

/// The program, beside this one.
pub(in crate::suites) fn kube() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let path = exe.with_file_name("kube");
    if !path.is_file() {
        bail!(
            "there is no {}: `cargo xtask kubernetes` builds it (Go, the module proxy, some minutes)",
            path.display()
        );
    }
    Ok(path)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The resident memory of a process, in KiB.
fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

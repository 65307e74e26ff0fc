//! Private namespaces to try the adapter in, removed however a test ends, and `ip` and
//! `ethtool` as independent witnesses.

#![allow(dead_code)]

use std::fs::File;
use std::future::Future;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use flatnet_kernel::{ContainerRoute, ContainerSpec, Kernel, Netns, VethSpec};
use flatnet_types::{IfName, MacAddr, Mtu, NetnsPath};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

/// Whether tests that need root are wanted; says so if not.
pub(crate) fn wanted() -> bool {
    let wanted = std::env::var_os("FLATNET_ROOT_TESTS").is_some_and(|v| v == "1");
    if !wanted {
        eprintln!("skipped: it makes network namespaces; set FLATNET_ROOT_TESTS=1 as root");
    }
    wanted
}

/// A named namespace that goes when this is dropped.
pub(crate) struct Ns {
    pub(crate) name: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Ns {
    pub(crate) fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let ns = Self {
            name: format!("fnt-k-{}-{n}", std::process::id()),
        };
        run("ip", &["netns", "add", &ns.name]);
        ns
    }

    pub(crate) fn path(&self) -> NetnsPath {
        NetnsPath::new(format!("/run/netns/{}", self.name)).expect("a sound path")
    }

    pub(crate) fn open(&self) -> Netns {
        Netns::open(&self.path()).expect("the namespace was just made")
    }

    /// `ip -j -n NAME …` as JSON.
    pub(crate) fn ip(&self, args: &[&str]) -> Value {
        let mut all = vec!["-j", "-d", "-n", &self.name];
        all.extend(args);
        let out = run("ip", &all);
        serde_json::from_str(&out).unwrap_or(Value::Array(Vec::new()))
    }

    /// Runs a command inside.
    pub(crate) fn exec(&self, args: &[&str]) -> String {
        let mut all = vec!["netns", "exec", &self.name];
        all.extend(args);
        run("ip", &all)
    }

    /// The one link `name`, if it is there.
    pub(crate) fn link(&self, name: &str) -> Option<Value> {
        let all = self.ip(&["link", "show"]);
        let links = all.as_array().cloned().unwrap_or_default();
        links.into_iter().find(|l| l["ifname"] == name)
    }

    /// The addresses of `name`, as `address/prefix`, sorted, without the link-local one.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let all = self.ip(&["addr", "show", "dev", name]);
        let mut found: Vec<String> = all[0]["addr_info"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|a| a["scope"] == "global")
            .map(|a| format!("{}/{}", a["local"].as_str().expect("text"), a["prefixlen"]))
            .collect();
        found.sort();
        found
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// Runs a command and returns what it prints; panics if it fails.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        out.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs `f` on a thread that is in the namespace `host`, in a runtime of its own.
pub(crate) fn in_host<T, F>(host: &Ns, f: impl FnOnce() -> F + Send) -> T
where
    T: Send,
    F: Future<Output = T>,
{
    let path = host.path();
    thread::scope(|scope| {
        scope
            .spawn(move || {
                let ns = File::open(path.as_path()).expect("the host's namespace");
                setns(ns, CloneFlags::CLONE_NEWNET).expect("root may enter it");
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(f())
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The same, with a `Kernel` that was started there.
pub(crate) fn with_kernel<T, F>(host: &Ns, f: impl FnOnce(Kernel) -> F + Send) -> T
where
    T: Send,
    F: Future<Output = T>,
{
    in_host(host, || f(Kernel::start().expect("the adapter starts")))
}

pub(crate) fn ifname(name: &str) -> IfName {
    IfName::new(name).expect("a sound name")
}

/// A pair for the `n`th container.
pub(crate) fn veth(n: u32, container: &Netns) -> VethSpec {
    VethSpec {
        host_name: ifname(&format!("flt{n}")),
        host_ifindex: 1000 + n,
        host_mac: None,
        alias: Some(format!("flatnet:test/{n}")),
        container: container.clone(),
        container_name: ifname("eth0"),
        container_ifindex: None,
        container_mac: MacAddr([0x0a, 0xf1, 10, 100, 0, 5]),
        mtu: Mtu::ETHERNET,
        promiscuous: false,
    }
}

/// A dual-stack configuration.
pub(crate) fn dual_stack(ifindex: u32) -> ContainerSpec {
    ContainerSpec {
        ifname: ifname("eth0"),
        ifindex,
        addresses: vec![net("10.100.0.5/24"), net("2001:db8:100::5/64")],
        routes: vec![
            ContainerRoute::new(net("0.0.0.0/0"), Some(ip("10.100.0.1"))),
            ContainerRoute::new(net("::/0"), Some(ip("2001:db8:100::1"))),
        ],
        tx_checksum_off: true,
        loopback_up: true,
    }
}

pub(crate) fn net(s: &str) -> ipnetwork::IpNetwork {
    s.parse().expect("a prefix")
}

pub(crate) fn ip(s: &str) -> std::net::IpAddr {
    s.parse().expect("an address")
}

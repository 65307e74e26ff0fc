//! Where everything of the lab is: the fixed contract with the tools that use it.

use std::path::{Path, PathBuf};

/// The lab's state.
pub const ROOT: &str = "/run/flatnet-lab";
/// Where `ip netns` keeps the names of namespaces.
pub const NETNS_DIR: &str = "/run/netns";
/// What the names of the members' namespaces begin with.
pub const MEMBER_PREFIX: &str = "fn-";
/// What the names of containers' namespaces begin with.
pub const CONTAINER_PREFIX: &str = "fnc-";
/// The IDC's edge router.
pub const EDGE: &str = "edge";
/// The VPC's router.
pub const VPC_ROUTER: &str = "vpcr";
/// The supervisor's own namespace: it needs no network, and is found there after any crash.
pub const SUPERVISOR: &str = "lab";
/// The bridge that netd makes on each node.
pub const NODE_BRIDGE: &str = "br-flat";

/// The name of a member's namespace: `fn-idc1`.
pub fn namespace(member: &str) -> String {
    format!("{MEMBER_PREFIX}{member}")
}

/// The file that names a namespace.
pub fn netns_path(namespace: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(namespace)
}

/// Whether a namespace is the lab's: a member's or a container's.
pub fn is_ours(namespace: &str) -> bool {
    namespace.starts_with(MEMBER_PREFIX) || namespace.starts_with(CONTAINER_PREFIX)
}

/// The state directory and what is directly in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Self::at(ROOT)
    }
}

impl Layout {
    /// A state directory elsewhere, for tests of the supervisor.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan that the lab runs.
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.yaml")
    }

    /// Which datapath the lab's switches have, as a word ([`crate::Datapath::name`]).
    pub fn datapath(&self) -> PathBuf {
        self.root.join("datapath")
    }

    /// The binaries; serves as `CNI_PATH`.
    pub fn bin_dir(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// One binary.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.bin_dir().join(name)
    }

    /// The world of the lab's cloud; a lab without it has no simulator.
    pub fn world(&self) -> PathBuf {
        self.root.join("world.yaml")
    }

    /// What the supervisor is to run.
    pub fn units(&self) -> PathBuf {
        self.root.join("units.json")
    }

    /// The supervisor's PID; it holds a lock on this file as long as it lives.
    pub fn supervisor_pid(&self) -> PathBuf {
        self.root.join("supervisor.pid")
    }

    /// The supervisor's log.
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// ipamd's socket, which every node reaches.
    pub fn ipamd_sock(&self) -> PathBuf {
        self.root.join("ipamd").join("ipamd.sock")
    }

    /// The files of one member.
    pub fn member(&self, name: &str) -> MemberPaths {
        MemberPaths {
            dir: self.root.join(name),
        }
    }
}

/// The files of one member: a node, a switch or a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPaths {
    dir: PathBuf,
}

impl MemberPaths {
    /// The member's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `OVS_RUNDIR` of the member.
    pub fn ovs_dir(&self) -> PathBuf {
        self.dir.join("ovs")
    }

    /// OVSDB's file.
    pub fn ovs_db(&self) -> PathBuf {
        self.ovs_dir().join("conf.db")
    }

    /// OVSDB's socket.
    pub fn db_sock(&self) -> PathBuf {
        self.ovs_dir().join("db.sock")
    }

    /// The control socket of ovsdb-server.
    pub fn ovsdb_ctl(&self) -> PathBuf {
        self.ovs_dir().join("ovsdb.ctl")
    }

    /// The PID of ovsdb-server.
    pub fn ovsdb_pid(&self) -> PathBuf {
        self.ovs_dir().join("ovsdb.pid")
    }

    /// The control socket of ovs-vswitchd.
    pub fn vswitchd_ctl(&self) -> PathBuf {
        self.ovs_dir().join("vswitchd.ctl")
    }

    /// The PID of ovs-vswitchd.
    pub fn vswitchd_pid(&self) -> PathBuf {
        self.ovs_dir().join("vswitchd.pid")
    }

    /// netd's socket.
    pub fn netd_sock(&self) -> PathBuf {
        self.dir.join("netd.sock")
    }

    /// The PID of netd.
    pub fn netd_pid(&self) -> PathBuf {
        self.dir.join("netd.pid")
    }

    /// The directory of CNI configurations.
    pub fn net_d(&self) -> PathBuf {
        self.dir.join("net.d")
    }

    /// The CNI configuration of the node's network number `index`, counted from 0.
    pub fn conflist(&self, index: usize, network: &str) -> PathBuf {
        self.net_d().join(match index {
            0 => "10-flatnet.conflist".to_owned(),
            _ => format!("20-flatnet-{network}.conflist"),
        })
    }

    /// netd's store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Where the plugin leaves DELs while netd is down.
    pub fn spool(&self) -> PathBuf {
        self.dir.join("spool")
    }

    /// The log of one daemon.
    pub fn log(&self, daemon: &str) -> PathBuf {
        self.dir.join(format!("{daemon}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_paths_are_as_promised() {
        let node = Layout::default().member("idc1");
        let text = |p: PathBuf| p.display().to_string();
        assert_eq!(text(node.netd_sock()), "/run/flatnet-lab/idc1/netd.sock");
        assert_eq!(text(node.db_sock()), "/run/flatnet-lab/idc1/ovs/db.sock");
        assert_eq!(
            text(node.conflist(0, "web")),
            "/run/flatnet-lab/idc1/net.d/10-flatnet.conflist"
        );
        assert_eq!(
            text(node.conflist(1, "db")),
            "/run/flatnet-lab/idc1/net.d/20-flatnet-db.conflist"
        );
    }

    #[test]
    fn only_the_labs_namespaces_are_ours() {
        assert!(is_ours("fn-idc1") && is_ours("fnc-pod7"));
        assert!(!is_ours("fnt-ovs") && !is_ours("cni-1234") && !is_ours("xfn-idc1"));
    }
}

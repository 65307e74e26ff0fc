//! The steps of a move. Each can be undone, whether it was done or not.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use flatnet_kernel::{Entry, LinkId};
use flatnet_types::{MacAddr, VlanId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// An [`Entry`] that is written to the journal as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item(pub Entry);

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Entry::from_str(&text).map(Self).map_err(de::Error::custom)
    }
}

/// What is written to Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchSpec {
    /// Name of the bridge.
    pub bridge: String,
    /// Whether it is there already.
    pub bridge_exists: bool,
    /// `system` or `netdev`.
    pub datapath: String,
    /// The host's port.
    pub host_port: String,
    /// Whether it is there already.
    pub host_port_exists: bool,
    /// The uplink's NIC or bond.
    pub nic: String,
    /// Whether it is a port of the bridge already.
    pub nic_exists: bool,
    /// The host's VLAN; `None`: its frames are untagged.
    pub tag: Option<VlanId>,
    /// The VLANs that the uplink carries.
    pub trunks: Vec<VlanId>,
    /// The MAC of the host's port.
    pub mac: Option<MacAddr>,
    /// The MTU of the host's port, in bytes.
    pub mtu: u32,
}

/// One step. `Give` and `Take` hold an entry as it was on the device that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// End a DHCP client of the device, without releasing its lease. Undone by starting it again.
    StopClient {
        /// Its process ID.
        pid: i32,
        /// Its command line.
        argv: Vec<String>,
    },
    /// Write a file of a manager's runtime configuration and have it read. What is netd's own stays
    /// so until the next boot; a device of the host's is given back by [`Step::Regain`].
    Unmanage {
        /// Below `/run`.
        file: PathBuf,
        /// What is in it.
        text: String,
        /// What makes the manager read it.
        reload: Vec<String>,
    },
    /// Undone by removing the file of [`Step::Unmanage`]: the manager configures the device anew then,
    /// so it comes first, and is undone when all else is as it was.
    Regain {
        /// Below `/run`.
        file: PathBuf,
        /// What makes the manager read that.
        reload: Vec<String>,
    },
    /// Tell a manager something. Undone by telling it the opposite.
    Tell {
        /// What tells it.
        argv: Vec<String>,
        /// What tells it the opposite.
        back: Vec<String>,
        /// The manager's program: where it does not run any more, there is nobody to tell.
        program: String,
    },
    /// Make the bridge and the host's port, as far as they are not there.
    Bridge(SwitchSpec),
    /// The two flows that join the host's port and the uplink. netd's own take their place.
    Flows(SwitchSpec),
    /// Set the host's port up.
    HostUp(String),
    /// Set a sysctl below `net`.
    Sysctl {
        /// Key below `net`, with `/` between its parts.
        key: String,
        /// Its value before; `None`: its interface is not there before.
        before: Option<String>,
        /// Its value after.
        after: String,
    },
    /// Undone by putting these back, as far as the kernel dropped them.
    RestoreBefore(Vec<Item>),
    /// Give the host's port what the device has.
    Give(Item),
    /// Take the NIC into the bridge.
    TakeNic(SwitchSpec),
    /// Undone by taking the NIC out of the bridge: before routes go back to it, since what the NIC
    /// is answered would come to the host's port else.
    FreeNic(SwitchSpec),
    /// Take it off the device.
    Take(Item),
    /// Delete the 802.1Q sub-interface. Undone by making it again, with its index.
    DeleteLink {
        /// Its name and index.
        name: String,
        /// Interface index, which it gets again when this is undone.
        ifindex: u32,
        /// What makes it again.
        making: Vec<u8>,
        /// Its sysctls below `net` that differ from the default.
        sysctls: BTreeMap<String, String>,
    },
    /// Put these there, as far as the kernel dropped them; those of the device on the host's port.
    RestoreAfter(Vec<Item>),
    /// Start a DHCP client on the host's port, so that the lease is renewed. Undone by ending it.
    StartClient {
        /// Its command line.
        argv: Vec<String>,
        /// The file with its process's number.
        pid_file: PathBuf,
    },
}

/// Why a step was not done or not undone.
#[derive(Debug, Error)]
#[error("{step}: {reason}")]
pub struct StepError {
    /// The step in words.
    pub step: String,
    /// What came back.
    pub reason: String,
}

impl Step {
    /// The commands that it amounts to, in the words of `ip`, `ovs-vsctl`, `ovs-ofctl` and
    /// `sysctl`. None for a step that only its undoing needs.
    pub fn words(&self, from: &LinkId, to: &str, name_of: &dyn Fn(u32) -> String) -> Vec<String> {
        let moved = |index: u32| {
            if index == from.ifindex {
                to.to_owned()
            } else {
                name_of(index)
            }
        };
        match self {
            Self::StopClient { pid, argv } => vec![format!("kill {pid}  # {}", argv.join(" "))],
            Self::Unmanage { file, text, reload } => vec![
                format!("printf {text:?} > {}", file.display()),
                reload.join(" "),
            ],
            Self::Tell { argv, .. } => vec![argv.join(" ")],
            Self::Bridge(s) => s.bridge_words(),
            Self::Flows(s) => s.flow_words(),
            Self::HostUp(name) => vec![format!("ip link set {name} up")],
            Self::Sysctl { key, after, .. } => {
                vec![format!("sysctl -w net/{key}={after}")]
            }
            Self::RestoreBefore(_) | Self::FreeNic(_) | Self::Regain { .. } => Vec::new(),
            Self::RestoreAfter(items) => items
                .iter()
                .filter(|i| !i.0.is_of(from))
                .map(|Item(e)| format!("{} replace {}", e.object(), e.words(&moved)))
                .collect(),
            Self::Give(Item(e)) => {
                let target = LinkId {
                    name: to.to_owned(),
                    ifindex: from.ifindex,
                };
                let verb = match e.kind() {
                    flatnet_kernel::EntryKind::Route => "append",
                    _ => "add",
                };
                let entry = e.moved(from, &target);
                vec![format!("{} {verb} {}", e.object(), entry.words(&moved))]
            }
            Self::Take(Item(e)) => vec![format!("{} del {}", e.object(), e.words(name_of))],
            Self::TakeNic(s) => s.nic_words(),
            Self::DeleteLink { name, .. } => vec![format!("ip link delete {name}")],
            Self::StartClient { argv, .. } => vec![argv.join(" ")],
        }
    }
}

impl SwitchSpec {
    fn bridge_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let (br, port) = (&self.bridge, &self.host_port);
        if !self.bridge_exists {
            words.push(format!(
                "ovs-vsctl add-br {br} -- set bridge {br} datapath_type={} fail_mode=secure \
                 external_ids:flatnet-owner=netd",
                self.datapath
            ));
        }
        let tag = self.tag.map(|v| format!(" tag={v}")).unwrap_or_default();
        let mac = self
            .mac
            .map(|m| format!(" mac=\"{m}\""))
            .unwrap_or_default();
        let first = match (self.host_port_exists, tag.as_str()) {
            (false, _) => format!("add-port {br} {port}{tag}"),
            (true, "") => format!("clear port {port} tag"),
            (true, _) => format!("set port {port}{tag}"),
        };
        words.push(format!(
            "ovs-vsctl {first} -- set interface {port} type=internal ofport_request=2 \
             mtu_request={}{mac}",
            self.mtu
        ));
        words
    }

    fn nic_words(&self) -> Vec<String> {
        if self.nic_exists {
            return Vec::new();
        }
        let trunks: Vec<String> = self.trunks.iter().map(ToString::to_string).collect();
        let trunks = match trunks.as_slice() {
            [] => String::new(),
            some => format!(" trunks={}", some.join(",")),
        };
        vec![format!(
            "ovs-vsctl add-port {} {}{trunks} -- set interface {} ofport_request=1",
            self.bridge, self.nic, self.nic
        )]
    }

    fn flow_words(&self) -> Vec<String> {
        let (inward, out) = match self.tag {
            Some(v) => (
                format!("dl_vlan={v},actions=strip_vlan,output:2"),
                format!("actions=mod_vlan_vid:{v},output:1"),
            ),
            None => (
                "vlan_tci=0/0x1fff,actions=output:2".to_owned(),
                "actions=output:1".to_owned(),
            ),
        };
        let add = |rest: String| format!("ovs-ofctl add-flow {} priority=10,{rest}", self.bridge);
        vec![
            add(format!("in_port=1,{inward}")),
            add(format!("in_port=2,{out}")),
        ]
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopClient { argv, .. } => write!(f, "stop {}", argv.join(" ")),
            Self::Unmanage { file, .. } => {
                write!(f, "write {}", file.display())
            }
            Self::Regain { file, .. } => write!(f, "have {} removed in the end", file.display()),
            Self::Tell { argv, .. } => f.write_str(&argv.join(" ")),
            Self::Bridge(s) => write!(f, "make {} with {}", s.bridge, s.host_port),
            Self::Flows(s) => write!(f, "join {} and {} by flows", s.nic, s.host_port),
            Self::HostUp(name) => write!(f, "set {name} up"),
            Self::Sysctl { key, after, .. } => write!(f, "set net/{key} to {after}"),
            Self::RestoreBefore(_) | Self::RestoreAfter(_) => {
                f.write_str("restore what the kernel dropped")
            }
            Self::Give(Item(e)) => write!(f, "give the host's port the {e:?}"),
            Self::Take(Item(e)) => write!(f, "take away the {e:?}"),
            Self::TakeNic(s) | Self::FreeNic(s) => {
                write!(f, "take {} into {}", s.nic, s.bridge)
            }
            Self::DeleteLink { name, .. } => write!(f, "delete the sub-interface {name}"),
            Self::StartClient { argv, .. } => write!(f, "start {}", argv.join(" ")),
        }
    }
}

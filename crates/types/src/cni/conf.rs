//! The network configuration on stdin.
//!
//! Beside CNI's own keys (`cniVersion`, `name`, `runtimeConfig`, `args`, `prevResult`,
//! `cni.dev/valid-attachments`, `cni.dev/attachments`) these are Flatnet's; all may be absent:
//!
//! | key | value | where absent |
//! |---|---|---|
//! | `socket` | netd's unix socket, an absolute path | [`DEFAULT_SOCKET`] |
//! | `spool` | where a DEL waits while netd is down, an absolute path | [`DEFAULT_SPOOL`] |
//! | `network` | the plan's network to take addresses from | `name` |
//! | `mtu` | a smaller MTU than the plan's, in bytes | the plan's |
//! | `vlanTrunk` | VLANs that the pod may send tagged: a list of `N`, `{"id":N}` or `{"minID":N,"maxID":M}` | none |
//! | `routes` | `[{"dst":"10.0.0.0/8","gw":"10.1.0.1"}]`: routes beside the default routes | none |
//! | `dns` | CNI's `dns`, handed to the runtime in the result | none |
//! | `podAnnotations` | `"admitted"`: the pod's annotations `flatnet.io/…` choose network, addresses, MAC and trunk | annotations are ignored |
//!
//! `capabilities` that are served: `ips`, `mac`, `bandwidth`, `io.kubernetes.cri.pod-annotations`.
//!
//! Foreign keys are ignored (CNI passes all keys of the file), except two that Flatnet does not
//! support: a delegated `ipam`, and `ipMasq`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::annotations::PodAnnotations;
use super::args::AskedIp;
use super::json::{self, Node, address_opt, kind};
use super::result::{CniResult, Dns};
use super::runtime::{ArgsConf, RuntimeConf};
use super::value::{ValueError, shorten};
use super::{CniArgs, CniVersion, Command, InputError};
use crate::api::{GcAttachment, PodRef, Route};
use crate::{Bandwidth, ContainerId, IfName, MacAddr, Mtu, NetworkName, VlanId};

/// The most bytes of stdin that are read. A configuration has a few kilobytes, a GC of a full node
/// a few hundred.
pub const STDIN_LIMIT: usize = 4 * 1024 * 1024;

/// netd's socket where the configuration names none.
pub const DEFAULT_SOCKET: &str = "/run/flatnet/netd.sock";

/// The spool of DELs where the configuration names none.
pub const DEFAULT_SPOOL: &str = "/var/lib/flatnet/spool";

/// The two names of the list of valid attachments. The specification's section on GC has the
/// second, its list of keys the first (containernetworking/cni#1101): the reference library sends
/// both, other runtimes one of them.
const VALID_ATTACHMENTS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// The keys that are read; every other one is foreign.
fn is_known(key: &str) -> bool {
    const CNI: [&str; 8] = [
        "cniVersion",
        "name",
        "runtimeConfig",
        "args",
        "prevResult",
        "dns",
        "ipam",
        "ipMasq",
    ];
    const OURS: [&str; 7] = [
        "socket",
        "spool",
        "network",
        "mtu",
        "vlanTrunk",
        "routes",
        "podAnnotations",
    ];
    VALID_ATTACHMENTS.contains(&key) || CNI.contains(&key) || OURS.contains(&key)
}

/// The configuration as valid JSON. Each command reads the keys that it needs, so that a DEL does
/// not fail for an invalid `mtu`.
#[derive(Debug, Clone)]
pub struct Document {
    map: Map<String, Value>,
}

/// The keys that every command but VERSION needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConf {
    /// The configuration's version, in which the result is printed.
    pub version: CniVersion,
    /// The network's name.
    pub name: NetworkName,
    /// The plan's network, where the configuration names one.
    pub network: Option<NetworkName>,
    /// netd's socket.
    pub socket: PathBuf,
    /// Directory of DELs while netd is down.
    pub spool: PathBuf,
}

/// The keys that ADD needs besides [`NetConf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachConf {
    /// The plan's network that the pod's annotations choose.
    pub network: Option<NetworkName>,
    /// Requested addresses.
    pub ips: Vec<AskedIp>,
    /// Requested MAC.
    pub mac: Option<MacAddr>,
    /// A smaller MTU than the plan's.
    pub mtu: Option<Mtu>,
    /// VLANs that the pod may send tagged, ascending, none twice.
    pub trunk: Vec<VlanId>,
    /// Bandwidth limits.
    pub bandwidth: Bandwidth,
    /// Routes beside the default routes, their destinations without host bits.
    pub routes: Vec<Route>,
    /// `dns`, copied into the result.
    pub dns: Dns,
    /// Name of the pod, for logs and tables.
    pub pod: PodRef,
}

impl Document {
    /// Decodes stdin.
    ///
    /// # Errors
    /// [`InputError`] with CNI code 6: more than [`STDIN_LIMIT`], not UTF-8, not JSON, nested
    /// too deeply, not an object, a known key twice.
    pub fn parse(stdin: &[u8]) -> Result<Self, InputError> {
        if stdin.len() > STDIN_LIMIT {
            return Err(InputError::TooLarge { limit: STDIN_LIMIT });
        }
        Ok(Self {
            map: json::parse_object(stdin, is_known)?,
        })
    }

    fn node(&self, key: &str) -> Option<Node<'_>> {
        Node::root(&self.map, key)
    }

    /// `cniVersion` as it was written, empty where absent.
    ///
    /// # Errors
    /// [`InputError::VersionType`] if it is not a string.
    pub fn asked_version(&self) -> Result<&str, InputError> {
        match self.map.get("cniVersion") {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(asked)) => Ok(asked),
            Some(other) => Err(InputError::VersionType { found: kind(other) }),
        }
    }

    /// `cniVersion`, one that is supported.
    ///
    /// # Errors
    /// As [`Self::asked_version`] and [`CniVersion::parse`].
    pub fn version(&self) -> Result<CniVersion, InputError> {
        Ok(CniVersion::parse(self.asked_version()?)?)
    }

    /// The keys that every command needs.
    ///
    /// # Errors
    /// CNI code 1 for the version, 7 for anything else.
    pub fn net_conf(&self) -> Result<NetConf, InputError> {
        let version = self.version()?;
        let name = self
            .node("name")
            .ok_or_else(|| InputError::Missing {
                key: "name".to_owned(),
            })?
            .parse()?;
        Ok(NetConf {
            version,
            name,
            network: self.node("network").map(|n| n.parse()).transpose()?,
            socket: self.path("socket", DEFAULT_SOCKET, SOCKET_PATH_MAX)?,
            spool: self.path("spool", DEFAULT_SPOOL, SPOOL_PATH_MAX)?,
        })
    }

    fn path(&self, key: &str, default: &str, max: usize) -> Result<PathBuf, InputError> {
        let Some(node) = self.node(key) else {
            return Ok(PathBuf::from(default));
        };
        let path = node.string()?;
        if !path.starts_with('/') || path.len() > max || path.contains('\0') {
            return Err(node.invalid(ValueError::Path {
                value: shorten(path),
                max,
            }));
        }
        Ok(PathBuf::from(path))
    }

    /// The keys that ADD needs, merged from the configuration, `runtimeConfig`, the pod's
    /// annotations, `args.cni` and `CNI_ARGS`.
    ///
    /// For addresses and MAC, `runtimeConfig` comes before annotations and `args.cni`, and these before
    /// `CNI_ARGS`, which must be ignored where `args` says it too (CONVENTIONS.md,
    /// "CNI_ARGS").
    ///
    /// # Errors
    /// CNI code 7 for a wrong type or value, 2 for what is not supported, 11 for a pod that was not
    /// admitted.
    pub fn attach_conf(&self, cni_args: CniArgs) -> Result<AttachConf, InputError> {
        self.refuse_unsupported()?;
        let runtime_node = self.node("runtimeConfig");
        let runtime = runtime_node.as_ref().map(RuntimeConf::read).transpose()?;
        let runtime = runtime.unwrap_or_default();
        let annotations = self
            .node("podAnnotations")
            .map(|mode| PodAnnotations::read(&mode, runtime_node.as_ref()))
            .transpose()?
            .unwrap_or_default();
        let args = self
            .node("args")
            .map(|n| ArgsConf::read(&n))
            .transpose()?
            .unwrap_or_default();
        let trunk = match annotations.trunk.is_empty() {
            true => self.node("vlanTrunk").map(|n| trunk(&n)).transpose()?,
            false => Some(annotations.trunk),
        };
        let lists = [runtime.ips, annotations.ips, args.ips, cni_args.ips];
        Ok(AttachConf {
            network: annotations.network,
            ips: lists
                .into_iter()
                .find(|ips| !ips.is_empty())
                .unwrap_or_default(),
            mac: runtime
                .mac
                .or(annotations.mac)
                .or(args.mac)
                .or(cni_args.mac),
            mtu: self.mtu()?,
            trunk: trunk.unwrap_or_default(),
            bandwidth: runtime.bandwidth,
            routes: self.routes()?,
            dns: self.dns()?,
            pod: cni_args.pod,
        })
    }

    fn refuse_unsupported(&self) -> Result<(), InputError> {
        let ipam = self
            .node("ipam")
            .map(|n| n.get("type"))
            .transpose()?
            .flatten();
        if let Some(kind) = ipam
            && !kind.string()?.is_empty()
        {
            return Err(kind.unsupported("Flatnet assigns the addresses itself; remove `ipam`"));
        }
        if let Some(masq) = self.node("ipMasq")
            && masq.boolean()?
        {
            return Err(masq.unsupported("Flatnet's addresses are routable and never translated"));
        }
        Ok(())
    }

    /// `mtu`; 0 counts as absent, as in the reference plugins.
    fn mtu(&self) -> Result<Option<Mtu>, InputError> {
        let Some(node) = self.node("mtu") else {
            return Ok(None);
        };
        match node.number()? {
            0 => Ok(None),
            bytes => Mtu::new(bytes).map(Some).map_err(|e| node.invalid(e)),
        }
    }

    fn routes(&self) -> Result<Vec<Route>, InputError> {
        match self.node("routes") {
            Some(list) => list.items()?.iter().map(route).collect(),
            None => Ok(Vec::new()),
        }
    }

    fn dns(&self) -> Result<Dns, InputError> {
        let Some(node) = self.node("dns") else {
            return Ok(Dns::default());
        };
        if let Some(servers) = node.get("nameservers")? {
            for server in servers.items()? {
                let text = server.string()?;
                text.parse::<IpAddr>()
                    .map_err(|e| server.invalid(ValueError::address(text, &e)))?;
            }
        }
        Dns::read(&node)
    }

    /// `prevResult`, in the version that it names, else in the configuration's.
    ///
    /// # Errors
    /// CNI code 1 for its version, 7 for anything else.
    pub fn prev_result(&self) -> Result<Option<CniResult>, InputError> {
        let Some(node) = self.node("prevResult") else {
            return Ok(None);
        };
        CniResult::read(&node, self.version()?).map(Some)
    }

    /// `cni.dev/valid-attachments` and `cni.dev/attachments`, two names of one list: `None`
    /// where both are absent (or `null`), which releases nothing; an empty list means that
    /// no attachment is valid. If both lists are there, their union is meant.
    ///
    /// # Errors
    /// CNI code 7 for the first invalid entry: skipping it would release a valid attachment.
    pub fn valid_attachments(&self) -> Result<Option<Vec<GcAttachment>>, InputError> {
        let read = |item: &Node<'_>| {
            Ok::<_, InputError>(GcAttachment {
                container_id: item.need("containerID")?.parse::<ContainerId>()?,
                ifname: item.need("ifname")?.parse::<IfName>()?,
            })
        };
        let mut valid: Option<BTreeSet<GcAttachment>> = None;
        for list in VALID_ATTACHMENTS.iter().filter_map(|key| self.node(key)) {
            let known = valid.get_or_insert_default();
            for item in list.items()? {
                known.insert(read(&item)?);
            }
        }
        Ok(valid.map(|valid| valid.into_iter().collect()))
    }

    /// Fails if `command` is not in the configuration's version: it was added in `since`.
    ///
    /// # Errors
    /// [`InputError::CommandTooNew`] if the configuration's version is older.
    pub fn require(&self, command: Command, since: CniVersion) -> Result<(), InputError> {
        let version = self.version()?;
        if version < since {
            return Err(InputError::CommandTooNew {
                command: command.as_str(),
                version,
                since,
            });
        }
        Ok(())
    }
}

/// `sun_path` has 108 bytes with its final NUL (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Linux's `PATH_MAX` less the final NUL and room for the names inside.
const SPOOL_PATH_MAX: usize = 4000;

fn route(node: &Node<'_>) -> Result<Route, InputError> {
    for key in ["mtu", "advmss", "priority", "table", "scope"] {
        if let Some(extra) = node.get(key)? {
            return Err(extra.unsupported("a route of the configuration has `dst` and `gw` only"));
        }
    }
    let place = node.need("dst")?;
    let dst = place.prefix()?;
    // The kernel refuses a destination with host bits.
    let dst = ipnetwork::IpNetwork::new(dst.network(), dst.prefix()).unwrap_or(dst);
    let gateway = address_opt(node, "gw")?;
    if let Some(gateway) = gateway
        && gateway.is_ipv4() != dst.is_ipv4()
    {
        return Err(place.invalid(ValueError::FamilyMismatch { dst, gateway }));
    }
    Ok(Route { dst, gateway })
}

/// One flag for each VLAN ID: the cost does not grow with repeated entries.
type VlanSet = [bool; 4096];

/// `vlanTrunk`, as ovs-cni writes it (its `trunk`), or as a plain list of IDs.
fn trunk(node: &Node<'_>) -> Result<Vec<VlanId>, InputError> {
    let mut set: VlanSet = [false; 4096];
    for item in node.items()? {
        if item.value().is_object() {
            trunk_entry(&item, &mut set)?;
        } else {
            set[usize::from(vlan(&item)?.get())] = true;
        }
    }
    Ok((1..=4094)
        .filter(|id| set[*id as usize])
        .filter_map(|id| VlanId::new(id).ok())
        .collect())
}

fn trunk_entry(item: &Node<'_>, set: &mut VlanSet) -> Result<(), InputError> {
    let id = |key| item.get(key)?.map(|n| vlan(&n)).transpose();
    let (id, min, max) = (id("id")?, id("minID")?, id("maxID")?);
    match (id, min, max) {
        (Some(_), None, None) => {}
        (_, Some(min), Some(max)) if min <= max => {
            set[usize::from(min.get())..=usize::from(max.get())].fill(true);
        }
        (_, Some(min), Some(max)) => {
            let (min, max) = (min.get(), max.get());
            return Err(item.invalid(ValueError::EmptyVlanRange { min, max }));
        }
        _ => return Err(item.invalid(ValueError::NotATrunkEntry)),
    }
    if let Some(id) = id {
        set[usize::from(id.get())] = true;
    }
    Ok(())
}

fn vlan(node: &Node<'_>) -> Result<VlanId, InputError> {
    let id = node.number()?;
    let bounds = ValueError::OutOfBounds {
        value: id,
        min: 1,
        max: 4094,
    };
    let id = u32::try_from(id).map_err(|_| node.invalid(bounds))?;
    VlanId::new(id).map_err(|e| node.invalid(e))
}

//! The messages between the CNI plugin, `flatctl` and netd: JSON over HTTP/1.1 on a unix
//! socket, so that `curl --unix-socket` is a client too.
//!
//! Every request carries [`VERSION`]. A newer netd serves each version that it lists in
//! `GET /v1/version`; a version that it does not know is answered with code
//! [`code::UNSUPPORTED_VERSION`] and the list. Unknown fields of a message are ignored, so
//! that an older reader understands a newer writer.
//!
//! | request | body | reply |
//! |---|---|---|
//! | `POST /v1/cni/add` | [`AddRequest`] | [`AddReply`] |
//! | `POST /v1/cni/del` | [`DelRequest`] | [`DelReply`] |
//! | `POST /v1/cni/check` | [`CheckRequest`] | [`CheckReply`] |
//! | `POST /v1/cni/gc` | [`GcRequest`] | [`GcReply`] |
//! | `POST /v1/cni/status` | [`StatusRequest`] | [`StatusReply`] |
//! | `GET /v1/version` | | [`VersionReply`] |
//!
//! Success is 200. Every other status bears an [`ErrorReply`], whose `code` is already
//! CNI's: the plugin prints it as it is.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{
    AttachmentKey, Bandwidth, ContainerId, IfName, MacAddr, Mtu, NetnsPath, NetworkName, VlanId,
};

pub mod trace;
pub mod view;

/// The version of these messages.
pub const VERSION: u32 = 1;

/// CNI's error codes (SPEC.md 1.1.0, "Error"; 100 and above are the plugin's own).
pub mod code {
    /// Incompatible CNI version.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// A field of the configuration is not supported; the message names key and value.
    pub const UNSUPPORTED_FIELD: u32 = 2;
    /// The container is unknown or does not exist.
    pub const UNKNOWN_CONTAINER: u32 = 3;
    /// A necessary environment variable is missing or wrong.
    pub const INVALID_ENVIRONMENT: u32 = 4;
    /// Input or output failed.
    pub const IO_FAILURE: u32 = 5;
    /// The content could not be decoded.
    pub const DECODE: u32 = 6;
    /// The network configuration is wrong.
    pub const INVALID_CONFIG: u32 = 7;
    /// The network namespace is not one (libcni's constant).
    pub const INVALID_NETNS: u32 = 8;
    /// A transient condition: the runtime should try again later.
    pub const TRY_AGAIN_LATER: u32 = 11;
    /// The plugin is not available: it cannot serve ADD (STATUS).
    pub const NOT_AVAILABLE: u32 = 50;
    /// Not available, and existing containers may have limited connectivity (STATUS).
    pub const LIMITED_CONNECTIVITY: u32 = 51;
    /// Ours: the attachment exists already.
    pub const ALREADY_ATTACHED: u32 = 100;
    /// Ours: what is there is not what was attached (CHECK).
    pub const CHECK_FAILED: u32 = 101;
    /// Ours: some of the work of a GC or DEL failed; the details list what.
    pub const INCOMPLETE: u32 = 102;
    /// Ours: the message's version is not served.
    pub const UNSUPPORTED_VERSION: u32 = 103;
    /// Ours: a requested address cannot be had (taken, excluded, outside the ranges).
    pub const ADDRESS_UNAVAILABLE: u32 = 104;
    /// Ours: no free address is left.
    pub const RANGE_EXHAUSTED: u32 = 105;
    /// A fault of ours (libcni's constant).
    pub const INTERNAL: u32 = 999;
}

/// What a pod is called. For logs and `flatctl` only: nothing is ever decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// `K8S_POD_NAMESPACE`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `K8S_POD_NAME`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `K8S_POD_UID`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// ADD: attach a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The attachment to make.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The container's network namespace.
    pub netns: NetnsPath,
    /// The plan's network to take addresses from; `key.network` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_network: Option<NetworkName>,
    /// Addresses that the caller asks for, at most one of a family for each range; none:
    /// netd chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpAddr>,
    /// Those of [`Self::ips`] that were asked for with a prefix length. A netd of a release
    /// before this field gives the network's length, whichever was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_prefixes: Vec<AskedPrefix>,
    /// The MAC that the caller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// A smaller MTU than the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// VLANs that the container may send tagged, beside its access VLAN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trunk: Vec<VlanId>,
    /// Limits of its bandwidth.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// Routes in the container beside the default routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// For people.
    #[serde(default)]
    pub pod: PodRef,
}

/// An address that a caller asked for with a prefix length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedPrefix {
    /// The address and the length.
    pub address: IpNetwork,
    /// Where it was asked: `runtimeConfig.ips[0]`, `args.cni.ips[0]`, `CNI_ARGS IP`.
    pub place: String,
}

/// A route inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination prefix.
    pub dst: IpNetwork,
    /// The next hop; the network's gateway of that family where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// One address of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedIp {
    /// The address with the prefix length that its interface bears.
    pub address: IpNetwork,
    /// The gateway of its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// ADD's reply: what the container has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddReply {
    /// The host's end of the veth: the port of the bridge.
    pub host_ifname: IfName,
    /// The MAC of the host's end.
    pub host_mac: MacAddr,
    /// The container's MAC.
    pub mac: MacAddr,
    /// The container's MTU in bytes.
    pub mtu: Mtu,
    /// Addresses, IPv4 first.
    pub ips: Vec<AssignedIp>,
    /// Routes, the default routes among them.
    pub routes: Vec<Route>,
    /// The attachment's generation: higher than that of every earlier one of this node.
    pub generation: u64,
}

/// DEL: detach. Never fails for what is gone already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Which attachment: network, container and interface.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The namespace, where the runtime still knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetnsPath>,
}

/// DEL's reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelReply {
    /// Whether there was such an attachment.
    pub existed: bool,
}

/// CHECK: is the attachment still as `prevResult` says?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Which attachment: network, container and interface.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The container's network namespace.
    pub netns: NetnsPath,
    /// The container interface's MAC in `prevResult`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// The addresses in `prevResult` that belong to this interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpNetwork>,
    /// The routes in `prevResult`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// CHECK's reply where all is well; what is wrong comes as an [`ErrorReply`] with
/// [`code::CHECK_FAILED`] and one line of details for each difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReply {}

/// GC: release every attachment of a network that the runtime does not list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The `name` of the CNI configuration.
    pub network: NetworkName,
    /// What lives (`cni.dev/valid-attachments`); empty means that nothing does.
    pub valid: Vec<GcAttachment>,
}

/// One living attachment in a GC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GcAttachment {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}

/// GC's reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReply {
    /// What was released.
    pub released: Vec<AttachmentKey>,
    /// What was not listed and is not garbage all the same: a process lives in its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<AttachmentKey>,
}

/// STATUS: could an ADD to this network succeed? Runtimes ask every five seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The plan's network.
    pub network: NetworkName,
}

/// STATUS's reply where all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReply {
    /// The daemon's name and version, `netd 0.1.0`.
    pub server: String,
    /// The versions of these messages that it serves.
    pub versions: Vec<u32>,
}

/// What went wrong, in CNI's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// One of [`code`].
    pub code: u32,
    /// One line: what failed.
    pub msg: String,
    /// What to do about it, or each part that failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

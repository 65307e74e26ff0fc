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
    /// The path is not a network namespace (libcni's constant).
    pub const INVALID_NETNS: u32 = 8;
    /// A transient condition: the runtime should try again later.
    pub const TRY_AGAIN_LATER: u32 = 11;
    /// The plugin is not available: it cannot serve ADD (STATUS).
    pub const NOT_AVAILABLE: u32 = 50;
    /// Not available, and existing containers may have limited connectivity (STATUS).
    pub const LIMITED_CONNECTIVITY: u32 = 51;
    /// Flatnet's own: the attachment exists already.
    pub const ALREADY_ATTACHED: u32 = 100;
    /// Flatnet's own: the attachment differs from what was attached (CHECK).
    pub const CHECK_FAILED: u32 = 101;
    /// Flatnet's own: some of the work of a GC or DEL failed; the details list what.
    pub const INCOMPLETE: u32 = 102;
    /// Flatnet's own: the message's version is not served.
    pub const UNSUPPORTED_VERSION: u32 = 103;
    /// Flatnet's own: a requested address is not available (taken, excluded, outside the ranges).
    pub const ADDRESS_UNAVAILABLE: u32 = 104;
    /// Flatnet's own: no free address is left.
    pub const RANGE_EXHAUSTED: u32 = 105;
    /// Internal error (libcni's constant).
    pub const INTERNAL: u32 = 999;
}

/// Name of a pod. For logs and `flatctl` only: no decision depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Requested addresses, at most one of a family for each range; if empty, netd chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub ips: Vec<IpAddr>,
    /// Those of [`Self::ips`] that were requested with a prefix length. An older netd ignores the
    /// field and uses the network's prefix length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_prefixes: Vec<AskedPrefix>,
    /// The requested MAC.
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
    /// For logs and tables.
    #[serde(default)]
    pub pod: PodRef,
}

/// A requested address with a prefix length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskedPrefix {
    /// The address and the length.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: IpNetwork,
    /// Where it was requested: `runtimeConfig.ips[0]`, `args.cni.ips[0]`, `CNI_ARGS IP`.
    pub place: String,
}

/// A route inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Route {
    /// The destination prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub dst: IpNetwork,
    /// The next hop; the network's gateway of that family where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub gateway: Option<IpAddr>,
}

/// One address of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssignedIp {
    /// The address with its interface's prefix length.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: IpNetwork,
    /// The gateway of its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub gateway: Option<IpAddr>,
}

/// ADD's reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// DEL: detach. Succeeds if the attachment is gone already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DelRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Which attachment: network, container and interface.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The container's network namespace, if the runtime still knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetnsPath>,
}

/// DEL's reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DelReply {
    /// Whether there was such an attachment.
    pub existed: bool,
}

/// CHECK: compare the attachment with `prevResult`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub ips: Vec<IpNetwork>,
    /// The routes in `prevResult`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// CHECK's reply if there is no difference. Differences are an [`ErrorReply`] with
/// [`code::CHECK_FAILED`] and one line of details for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReply {}

/// GC: release every attachment of a network that the runtime does not list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GcRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The `name` of the CNI configuration.
    pub network: NetworkName,
    /// The valid attachments (`cni.dev/valid-attachments`); if empty, all are released.
    pub valid: Vec<GcAttachment>,
}

/// A valid attachment in a GC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GcAttachment {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}

/// GC's reply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GcReply {
    /// Attachments that were released.
    pub released: Vec<AttachmentKey>,
    /// Attachments that were not listed and were kept, because a process runs in their namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<AttachmentKey>,
}

/// STATUS: whether an ADD to this network could succeed. Runtimes call it every five seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusRequest {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The plan's network.
    pub network: NetworkName,
}

/// STATUS's reply if an ADD could succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusReply {}

/// The reply of `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionReply {
    /// The daemon's name and version, `netd 0.1.0`.
    pub server: String,
    /// The versions of these messages that it serves.
    pub versions: Vec<u32>,
}

/// An error, in the form of CNI's error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorReply {
    /// One of [`code`].
    pub code: u32,
    /// One line: what failed.
    pub msg: String,
    /// What an operator can do, or a list of the failed parts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

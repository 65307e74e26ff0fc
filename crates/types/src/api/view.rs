//! The state of netd as its socket shows it, to `flatctl` and other clients.
//!
//! | request | reply |
//! |---|---|
//! | `GET /v1/attachments` | a list of [`AttachmentView`] |
//! | `GET /v1/node` | [`NodeView`] |
//! | `GET /v1/plan` | [`PlanView`] |

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{PodRef, Route};
use crate::{
    Bandwidth, ContainerId, IfName, MacAddr, Mtu, NetnsPath, NetworkName, Timestamp, VlanId,
};

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachmentView {
    /// The CNI network.
    pub network: NetworkName,
    /// The plan's network.
    pub plan_network: NetworkName,
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
    /// Its addresses with prefix lengths.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<IpNetwork>,
    /// Whether its ADD has completed.
    pub state: AttachmentState,
    /// Generation: higher than that of every earlier attachment of this node.
    pub generation: u64,
    /// The host's end of its link.
    pub host_ifname: IfName,
    /// Its OpenFlow number.
    pub ofport: u32,
    /// Time of its ADD.
    pub created_at: Timestamp,
    /// netd's own data of it; `None` while its ADD is in progress.
    #[serde(flatten)]
    pub detail: Option<Detail>,
}

/// Whether the ADD of an attachment has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AttachmentState {
    /// An ADD is creating it.
    Reserved,
    /// Its ADD has completed.
    Committed,
}

impl AttachmentState {
    /// The spelling in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Committed => "committed",
        }
    }
}

/// netd's own data of an attachment, stored with the allocator's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Detail {
    /// The version of this record.
    pub version: u32,
    /// The container's namespace, as it was at ADD.
    pub netns: NetnsPath,
    /// The container's MAC.
    pub mac: MacAddr,
    /// MTU of the interface, in bytes.
    pub mtu: Mtu,
    /// VLANs that it may send tagged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trunk: Vec<VlanId>,
    /// Bandwidth limits.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// Requested routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name of the pod, for logs and tables only.
    #[serde(default)]
    pub pod: PodRef,
}

/// The node. `S` is its part of the plan, in the reader's type.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeView<S> {
    /// Whether packets pass and ADD is served: what `/readyz` says.
    pub ready: bool,
    /// Its part of the plan.
    pub spec: S,
    /// Usage of each network's ranges.
    pub usage: Vec<NetworkUsage>,
    /// Result of the last reconcile.
    pub last_reconcile: ReconcileView,
    /// Present problems that netd cannot repair alone, oldest first. Absent before netd 0.2.
    #[serde(default)]
    pub problems: Vec<ProblemView>,
    /// The bridge's datapath, as Open vSwitch reports it; `None` until it has been queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datapath: Option<DatapathView>,
    /// The accepted plan, and the error of the current file if it is refused. Absent before netd
    /// 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
}

/// The plan that a daemon has accepted. Parts that netd applies only after a restart are a problem
/// (`plan-changed`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanStatus {
    /// The version of the accepted plan: the SHA-256 of its text, in hexadecimal digits.
    pub version: String,
    /// When it was accepted first.
    pub since: Timestamp,
    /// Why the plan file as it is now is refused, with every diagnostic; `None` if it is the
    /// accepted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why the accepted plan could not be saved to disk; `None` if it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unkept: Option<String>,
}

/// A bridge's datapath.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatapathView {
    /// `system` (the kernel's) or `netdev` (userspace).
    pub kind: String,
    /// Its features: names and values of `ovs-appctl dpif/show-dp-features`.
    pub features: BTreeMap<String, String>,
}

/// A problem of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemView {
    /// A stable name in kebab-case, such as `uplink-bears-addresses`; the label `code` of the
    /// metric `flatnet_problem`. docs/operations.md lists them.
    pub code: String,
    /// What is wrong, on which object, and what was observed.
    pub text: String,
    /// The command that repairs it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// Whether the node is not ready because of it.
    pub blocks_ready: bool,
    /// Time of its first observation.
    pub since: Timestamp,
}

/// Usage of a network's ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkUsage {
    /// The plan's network.
    pub network: NetworkName,
    /// The network's ranges on this node, each with its usage.
    pub ranges: Vec<RangeView>,
}

/// Usage of a range, in addresses. `capacity = used + quarantined + free`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RangeView {
    /// The range: a prefix, or `first-last`.
    pub range: String,
    /// Number of addresses that can be assigned in all.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub capacity: u128,
    /// Number of addresses that attachments have.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub used: u128,
    /// Number of addresses that are in quarantine after a release.
    #[serde(rename = "resting")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub quarantined: u128,
    /// Number of addresses that could be assigned now.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub free: u128,
}

/// Result of a reconcile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconcileView {
    /// The ops that were applied, one sentence each.
    pub applied: Vec<String>,
    /// The ops that failed, with the error.
    pub failed: Vec<String>,
    /// Differences that netd cannot repair by itself.
    pub problems: Vec<String>,
    /// Whether nothing is left to do.
    pub converged: bool,
}

/// A dry run. `P` is the plan of ops and `A` the observed state, in the reader's types.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanView<P, A> {
    /// The ops that would be applied, one sentence each.
    pub would: Vec<String>,
    /// The same ops for programs, with the problems that block some of them.
    pub plan: P,
    /// The observed state.
    pub actual: A,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attachment_has_its_detail_beside_its_own_fields_or_none() {
        let mut wire = json!({
            "network": "web", "plan_network": "web", "container_id": "c1", "ifname": "eth0",
            "addresses": ["10.0.0.5/24"], "state": "reserved", "generation": 7,
            "host_ifname": "fn7", "ofport": 107, "created_at": 1_000,
        });
        let bare: AttachmentView = serde_json::from_value(wire.clone()).expect("reads");
        assert_eq!(
            (bare.detail.clone(), bare.state.as_str()),
            (None, "reserved")
        );
        assert_eq!(serde_json::to_value(&bare).expect("writes"), wire);

        for (key, value) in [
            ("version", json!(1)),
            ("netns", json!("/run/netns/c1")),
            ("mac", json!("0a:f1:0a:64:01:05")),
            ("mtu", json!(1500)),
            ("bandwidth", json!({})),
            ("pod", json!({"namespace": "shop", "name": "cart-0"})),
        ] {
            wire[key] = value;
        }
        let whole: AttachmentView = serde_json::from_value(wire.clone()).expect("reads");
        assert_eq!(serde_json::to_value(&whole).expect("writes"), wire);
        let pod = whole.detail.map(|d| d.pod.name);
        assert_eq!(pod.as_deref(), Some("cart-0"));
    }
}

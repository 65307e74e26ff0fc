//! Errors of ADD, DEL, CHECK, GC and STATUS, with their CNI codes.

use flatnet_ipam::{AllocateError, ChangeError, DurableError, ReserveError};
use flatnet_types::api::{ErrorReply, code};
use flatnet_types::{AttachmentKey, MacAddr, Mtu, NetError, NetworkName, NodeName, VlanId};
use ipnetwork::IpNetwork;
use thiserror::Error;

use crate::node_ops::NodeOpsError;
use crate::state::NotReady;

/// A request that can never succeed unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RefusedRequest {
    /// The node has no range of that network.
    #[error(
        "node {node} has no range of network {name}; it has ranges of: {}",
        list(known)
    )]
    Network {
        /// The requested value.
        name: NetworkName,
        /// This node's name.
        node: NodeName,
        /// The names or VLANs that the node has.
        known: Vec<NetworkName>,
    },
    /// An MTU larger than the network's.
    #[error("MTU {requested} is larger than the network's {max}")]
    Mtu {
        /// The requested value.
        requested: Mtu,
        /// What the plan allows.
        max: Mtu,
    },
    /// Too small for a network that has IPv6.
    #[error(
        "MTU {requested} is too small: the network has IPv6, which needs {} (RFC 8200 §5)",
        Mtu::MIN_IPV6
    )]
    MtuForIpv6 {
        /// The requested value.
        requested: Mtu,
    },
    /// A group address or all zeros.
    #[error("the requested MAC cannot be used: {0}")]
    Mac(NetError),
    /// A MAC of the form that Flatnet derives from an address.
    #[error(
        "MAC {0} is of those that Flatnet derives from addresses: ask for another, or for its address too"
    )]
    MacReserved(MacAddr),
    /// A MAC of the form that netd gives the host's ends of links.
    #[error("MAC {0} is of those that Flatnet gives to the host's ends of links: ask for another")]
    MacOfLink(MacAddr),
    /// A MAC of a virtual router.
    #[error(
        "MAC {mac} is a virtual router's ({what}): neighbours would send this container what is for their \
         gateway; ask for another"
    )]
    MacVirtual {
        /// The requested value.
        mac: MacAddr,
        /// The protocol, and its source.
        what: &'static str,
    },
    /// A VLAN of no network of this node, or the network's own access VLAN.
    #[error(
        "vlanTrunk {vlan} is not to be had here; this network may add: {}",
        list(allowed)
    )]
    Trunk {
        /// The requested value.
        vlan: VlanId,
        /// The names or VLANs that the node has.
        allowed: Vec<VlanId>,
    },
    /// A VLAN that the plan does not let the network's containers send tagged.
    #[error(
        "vlanTrunk {vlan} is not declared: the plan has to say which addresses containers of network \
         {network} may have there, by `trunk: [{{vlan: {vlan}, addresses: [PREFIX, …]}}]` of that network, or \
         `any: true` for all"
    )]
    TrunkUndeclared {
        /// The requested value.
        vlan: VlanId,
        /// The plan's network.
        network: NetworkName,
    },
    /// An address with another prefix length than its network has.
    #[error(
        "{place}: {requested} asks for a prefix of /{}, and addresses of network {network} bear /{} \
         (its subnet is {subnet}): ask for {}/{}, or for {} without a length",
        requested.prefix(), subnet.prefix(), requested.ip(), subnet.prefix(), requested.ip()
    )]
    PrefixLength {
        /// Path of the field in the request, such as `runtimeConfig.ips[0]`.
        place: String,
        /// The requested value.
        requested: IpNetwork,
        /// The plan's network.
        network: NetworkName,
        /// The subnet whose length addresses bear.
        subnet: IpNetwork,
    },
    /// A rate below what a meter can hold.
    #[error(
        "{direction} bandwidth of {rate} bit/s with a burst of {burst} bits cannot be set: at least 1000 bit/s and a burst are needed"
    )]
    Rate {
        /// `ingress` or `egress`.
        direction: &'static str,
        /// In bit/s.
        rate: u64,
        /// In bits.
        burst: u64,
    },
}

fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Error of a CNI call.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The request can never succeed unchanged.
    #[error(transparent)]
    Refused(RefusedRequest),
    /// netd is not ready: Open vSwitch is away or the node is not set up yet.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// No address, or the attachment exists.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    /// The store could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The store could not be written.
    #[error("the store could not be written: {0}")]
    Durable(#[from] DurableError),
    /// A step failed; what was made before it has been removed.
    #[error("{step}: {source}")]
    Step {
        /// The step that failed, as a verb phrase.
        step: &'static str,
        /// The step's error.
        #[source]
        source: NodeOpsError,
    },
    /// Another container of this node has the MAC that was asked for.
    #[error("MAC {mac} is in use by {owner}")]
    MacTaken {
        /// The requested value.
        mac: MacAddr,
        /// The owner of the MAC.
        owner: AttachmentKey,
    },
    /// The host, or a neighbour of it such as the gateway or another host, has the requested MAC.
    #[error("MAC {mac} is {owner}'s: ask for another")]
    MacOnNetwork {
        /// The requested value.
        mac: MacAddr,
        /// The owner of the MAC.
        owner: String,
    },
    /// A record that this version of netd cannot read.
    #[error("the record of {key} cannot be read: {reason}")]
    Record {
        /// The attachment that was asked for.
        key: AttachmentKey,
        /// What in it cannot be read.
        reason: String,
    },
    /// CHECK: there is no such attachment.
    #[error("there is no attachment {key}")]
    Unknown {
        /// The requested value.
        key: AttachmentKey,
    },
    /// CHECK: the attachment differs from what ADD made.
    #[error("attachment {key} is not as it was made")]
    Differs {
        /// The attachment that was asked for.
        key: AttachmentKey,
        /// Each difference.
        differences: Vec<String>,
    },
    /// DEL or GC: these parts could not be removed; the others were.
    #[error("{} part(s) could not be taken away and will be tried again", .0.len())]
    Incomplete(Vec<String>),
    /// STATUS: an ADD could not succeed now.
    #[error(transparent)]
    Unavailable(Box<AttachError>),
    /// The task that executed the call ended without a result.
    #[error("the request was not finished: netd is stopping or hit a fault of its own")]
    Interrupted,
}

impl AttachError {
    /// Whether the runtime may repeat the call as it is.
    pub fn is_retryable(&self) -> bool {
        self.cni_code() == code::TRY_AGAIN_LATER
    }

    /// CNI 1.1, "Error": the code that says what the runtime should do.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Refused(_) => code::INVALID_CONFIG,
            Self::NotReady(_) | Self::Incomplete(_) | Self::Interrupted => code::TRY_AGAIN_LATER,
            Self::Reserve(e) => e.cni_code(),
            Self::Change(e) => e.cni_code(),
            Self::Durable(e) => e.cni_code(),
            Self::Step { source, .. } => step_code(source),
            Self::MacTaken { .. } | Self::MacOnNetwork { .. } => code::ADDRESS_UNAVAILABLE,
            Self::Record { .. } => code::INTERNAL,
            Self::Unknown { .. } => code::UNKNOWN_CONTAINER,
            Self::Differs { .. } => code::CHECK_FAILED,
            Self::Unavailable(reason) => status_code(reason),
        }
    }

    /// The error as the plugin prints it.
    pub fn reply(&self) -> ErrorReply {
        ErrorReply {
            code: self.cni_code(),
            msg: self.to_string(),
            details: self.details(),
        }
    }

    fn details(&self) -> String {
        match self {
            Self::Differs { differences, .. } => differences.join("\n"),
            Self::Incomplete(parts) => parts.join("\n"),
            Self::Unavailable(reason) if status_code(reason) == code::LIMITED_CONNECTIVITY => {
                "no container can be attached until another is gone; those that are attached are \
                 not affected"
                    .to_owned()
            }
            Self::Unavailable(reason) => reason.details(),
            Self::Step { source: NodeOpsError::Netns(_), .. } => {
                "the runtime gave a path that is not a container's network namespace".to_owned()
            }
            Self::Refused(RefusedRequest::Network { .. }) => {
                "write one of these names as \"network\" in the CNI configuration, or give the node \
                 a range in the plan"
                    .to_owned()
            }
            _ => String::new(),
        }
    }
}

/// CNI 1.1, "STATUS": 50 where no ADD can be served at all, 51 where it is served as soon as
/// there is room again.
fn status_code(reason: &AttachError) -> u32 {
    match reason {
        AttachError::Refused(_) => code::INVALID_CONFIG,
        AttachError::Reserve(
            ReserveError::Allocate(AllocateError::Exhausted { .. })
            | ReserveError::SlotsExhausted { .. },
        ) => code::LIMITED_CONNECTIVITY,
        _ => code::NOT_AVAILABLE,
    }
}

fn step_code(source: &NodeOpsError) -> u32 {
    use flatnet_kernel::LinkError;
    match source {
        NodeOpsError::Netns(_) => code::INVALID_NETNS,
        NodeOpsError::Link(LinkError::ContainerNameTaken { .. }) => code::ALREADY_ATTACHED,
        NodeOpsError::Link(LinkError::NamespaceGone { .. }) => code::INVALID_NETNS,
        // A retry gets another generation and slot, and with them another name and index.
        NodeOpsError::Link(LinkError::HostNameTaken { .. } | LinkError::HostIndexTaken { .. }) => {
            code::TRY_AGAIN_LATER
        }
        e if e.is_retryable() => code::TRY_AGAIN_LATER,
        _ => code::IO_FAILURE,
    }
}

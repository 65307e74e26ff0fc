//! The rows of Open vSwitch.

use super::{Owned, Response, Section, Source};

const fn column(
    table: &'static str,
    column: &'static str,
    what: &'static str,
    wanted: &'static str,
    response: Response,
) -> Owned {
    Owned {
        what,
        wanted,
        source: Source::Column { table, column },
        response,
    }
}

const fn repaired(
    table: &'static str,
    name: &'static str,
    what: &'static str,
    wanted: &'static str,
) -> Owned {
    column(table, name, what, wanted, Response::Repair)
}

const fn flows(what: &'static str, wanted: &'static str) -> Owned {
    Owned {
        what,
        wanted,
        source: Source::FlowMonitor,
        response: Response::Repair,
    }
}

const fn polled(what: &'static str, wanted: &'static str) -> Owned {
    Owned {
        what,
        wanted,
        source: Source::Polled,
        response: Response::Repair,
    }
}

const fn connection(what: &'static str, which: &'static str, code: &'static str) -> Owned {
    Owned {
        what,
        wanted: "answers",
        source: Source::Connection(which),
        response: Response::Report(code),
    }
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Open vSwitch: processes and the whole switch",
        about: "netd neither starts nor stops Open vSwitch. While one of its processes is away the node \
                is not ready; when it is back, netd puts back what is missing. Other keys of \
                `other_config` (threads, offload, timers of the cache) are the administrator's.",
        rows: SWITCH,
    },
    Section {
        title: "Open vSwitch: the bridge",
        about: "The bridge bears `external_ids:flatnet-owner=netd` and is netd's alone (ADR 23). Its \
                `other_config`, `netflow`, `sflow` and `ipfix` are the administrator's: they do not \
                change where a frame goes.",
        rows: BRIDGE,
    },
    Section {
        title: "Open vSwitch: ports of the bridge",
        about: "Of the uplink, of `flat0` and of each container. Foreign keys under `external_ids` stay.",
        rows: PORTS,
    },
    Section {
        title: "Open vSwitch: flows, meters and settings that no database keeps",
        about: "Cookies of netd's flows begin with `0x464e`. Those that begin with `0x464c` were learned for \
                services by an earlier netd's; they go by themselves and wake nobody.",
        rows: FLOWS,
    },
    Section {
        title: "Open vSwitch: how long connections are kept",
        about: "Of conntrack zone 64000 and of each container's zone (32768 and its slot), where the database and \
                the datapath can (Open vSwitch 2.13; `share-timeouts` where they cannot). netd's rows bear \
                `external_ids:flatnet-owner=netd`, come with the container's port and go with it. The row of \
                the datapath may be somebody else's; netd makes one where there is none, and it stays. Rows of other \
                zones are others'.",
        rows: TIMEOUTS,
    },
];

const SWITCH: &[Owned] = &[
    connection("ovsdb-server", "ovsdb-server", "database-away"),
    connection("ovs-vswitchd", "the bridge", "switch-away"),
    column(
        "Open_vSwitch",
        "other_config",
        "`other_config:flow-restore-wait`",
        "absent or `false`",
        Response::ReportThenRepair("flow-restore-wait"),
    ),
    repaired(
        "Open_vSwitch",
        "bridges",
        "the bridge, also after a lost database",
        "there",
    ),
];

const BRIDGE: &[Owned] = &[
    column(
        "Bridge",
        "external_ids",
        "`external_ids:flatnet-owner`",
        "`netd`",
        Response::Report("bridge-foreign"),
    ),
    repaired(
        "Bridge",
        "datapath_type",
        "`datapath_type`",
        "`system` or `netdev`, as netd was told",
    ),
    repaired("Bridge", "fail_mode", "`fail_mode`", "`secure`"),
    repaired(
        "Bridge",
        "protocols",
        "`protocols`",
        "OpenFlow 1.0, 1.3, 1.4 and 1.5",
    ),
    repaired("Bridge", "controller", "`controller`", "empty"),
    repaired("Bridge", "stp_enable", "`stp_enable`", "`false`"),
    repaired("Bridge", "rstp_enable", "`rstp_enable`", "`false`"),
    repaired(
        "Bridge",
        "mcast_snooping_enable",
        "`mcast_snooping_enable`",
        "`false`",
    ),
    repaired(
        "Bridge",
        "flow_tables",
        "`flow_tables` (limits, eviction, prefixes)",
        "prefixes `ip_dst`, `ip_src`, `ipv6_dst` in tables 1, 2, 3, 4 and 6; nothing else",
    ),
    column(
        "Bridge",
        "mirrors",
        "`mirrors`",
        "empty",
        Response::Report("mirror"),
    ),
    column(
        "Bridge",
        "ports",
        "`ports`: those that are not netd's",
        "none",
        Response::Report("foreign-port"),
    ),
];

const PORTS: &[Owned] = &[
    repaired("Bridge", "ports", "the port itself", "there"),
    repaired(
        "Port",
        "tag",
        "`tag`, `trunks`, `vlan_mode`",
        "as the plan says",
    ),
    repaired("Port", "cvlans", "`cvlans`", "empty"),
    repaired("Port", "qos", "`qos`", "empty: limits are meters"),
    repaired("Port", "protected", "`protected`", "`false`"),
    repaired(
        "Port",
        "other_config",
        "`other_config` (priority tags, spanning tree)",
        "empty",
    ),
    repaired(
        "Port",
        "external_ids",
        "`external_ids` that netd set",
        "as netd set them",
    ),
    repaired(
        "Interface",
        "type",
        "`type`",
        "`internal` for `flat0`, else empty",
    ),
    repaired(
        "Interface",
        "ofport_request",
        "`ofport_request`",
        "the number that the flows name",
    ),
    repaired("Interface", "mac", "`mac` of `flat0`", "the uplink's"),
    repaired(
        "Interface",
        "ingress_policing_rate",
        "`ingress_policing_rate`, `…_burst`, `…_kpkts_rate`, `…_kpkts_burst`",
        "0",
    ),
    column(
        "Interface",
        "error",
        "`error`: the device cannot be opened",
        "empty",
        Response::Report("port-error"),
    ),
];

const FLOWS: &[Owned] = &[
    flows(
        "netd's flows: one deleted, or changed",
        "as the plan and the store say",
    ),
    flows(
        "foreign flows (another cookie), such as the NORMAL of a bridge without `secure`",
        "none: deleted",
    ),
    Owned {
        what: "ports that may neither receive nor send (`ovs-ofctl mod-port`)",
        wanted: "none of netd's",
        source: Source::PortStatus,
        response: Response::Repair,
    },
    flows(
        "flows that count new connections to a container (register 3)",
        "those of containers that are drained (docs/platform/in-service.md), and of nobody else",
    ),
    polled(
        "meters of netd's",
        "as the attachments' limits and their networks' `neighbourRate` say; from 196608 on three for each container \
         that is drained, which count and drop nothing",
    ),
    polled(
        "group 1, by which containers' ARP and neighbour discovery pass (deleted: its flows are, which \
         is an event)",
        "select, one bucket: `resubmit(,1)`",
    ),
    polled(
        "limits of conntrack zones: `ovs-appctl dpctl/ct-get-limits`",
        "`--service-connections` for each container's, any number for zone 64000",
    ),
    polled(
        "fragments: `ovs-ofctl get-frags`, back to `normal` after each restart",
        "`nx-match`",
    ),
];

const TIMEOUTS: &[Owned] = &[
    repaired(
        "Open_vSwitch",
        "datapaths",
        "the datapath's row: `ovs-vsctl list Datapath`",
        "there",
    ),
    repaired(
        "Datapath",
        "ct_zones",
        "`ct_zones`: netd's zones",
        "a `CT_Zone` of netd's; none for a container that is gone",
    ),
    repaired(
        "CT_Zone",
        "timeout_policy",
        "`timeout_policy` of netd's zones",
        "a `CT_Timeout_Policy`",
    ),
    repaired(
        "CT_Timeout_Policy",
        "timeouts",
        "its `timeouts`, in seconds",
        POLICY,
    ),
];

/// The policy as `ovs-vsctl` writes it.
const POLICY: &str = "icmp_first=15 tcp_established=86400 tcp_syn_recv=15 tcp_syn_sent=15 tcp_syn_sent2=15 \
                      tcp_unack=130 udp_first=30 udp_single=30";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_one_that_netd_sets() {
        let pairs = crate::reconcile::TIMEOUTS.map(|(name, seconds)| format!("{name}={seconds}"));
        assert_eq!(POLICY, pairs.join(" "));
    }
}

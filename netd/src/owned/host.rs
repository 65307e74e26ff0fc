//! The rows of the host's kernel and disk.

use super::{Owned, Response, Section, Source};

const fn row(
    what: &'static str,
    wanted: &'static str,
    source: Source,
    response: Response,
) -> Owned {
    Owned {
        what,
        wanted,
        source,
        response,
    }
}

const fn link(what: &'static str, wanted: &'static str) -> Owned {
    row(
        what,
        wanted,
        Source::Netlink("RTNLGRP_LINK"),
        Response::Repair,
    )
}

const fn repaired(what: &'static str, wanted: &'static str) -> Owned {
    row(what, wanted, Source::Polled, Response::Repair)
}

const fn reported(what: &'static str, wanted: &'static str, code: &'static str) -> Owned {
    row(what, wanted, Source::Polled, Response::Report(code))
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "The datapath itself",
        about: "Two pairs of links (`fnprobe0` and `fnprobe0p`, `fnprobe1` and `fnprobe1p`), one end of \
                each a port of the bridge (ADR 24). Each second a frame of IPv4 and one of IPv6 goes in by \
                the one and has to come out of the other, by flows that no cache answers.",
        rows: DATAPATH,
    },
    Section {
        title: "The host's links, addresses and routes",
        about: "Routes of netd's bear protocol 94, and so do its addresses from Linux 5.18 on. \
                Routes and rules of others are never changed.",
        rows: KERNEL,
    },
    Section {
        title: "Sysctls",
        about: "Below `net.`; `UPLINK` stands for the uplink's name. The kernel announces a change of \
                `forwarding`, `rp_filter` and `proxy_arp` (`RTNLGRP_IPV4_NETCONF`, `RTNLGRP_IPV6_NETCONF`), \
                and netd looks at once; the others it reads each second.",
        rows: SYSCTLS,
    },
    Section {
        title: "Netfilter",
        about: "Where the node forwards: in mode `routed`, and where the plan has services. nftables is \
                read anew when its generation has changed, the filter tables of the older iptables each \
                second. Rules are understood as far as they name interfaces and addresses; what nobody \
                can tell (a set, a mark) is taken for right.",
        rows: NETFILTER,
    },
    Section {
        title: "The disk",
        about: "netd looks at the file and its file system, and writes nothing to find out.",
        rows: DISK,
    },
    Section {
        title: "The plan",
        about: "netd takes over at once what of an accepted plan is live or for new attachments. The problem \
                says what of the rest changes for this node; `systemctl restart netd` takes it, and the \
                data path goes on meanwhile.",
        rows: PLAN,
    },
];

const DATAPATH: &[Owned] = &[row(
    "frames of netd's own through the bridge",
    "come out within 0.7 s, both families",
    Source::Polled,
    Response::Report("datapath"),
)];

const KERNEL: &[Owned] = &[
    link("the probe's links", "there, up"),
    link("`flat0`: up, MTU", "up, at least the plan's MTU"),
    link("UPLINK: up, MTU", "up, at least the plan's MTU"),
    row(
        "UPLINK: carrier",
        "there",
        Source::Netlink("RTNLGRP_LINK"),
        Response::Report("uplink-no-carrier"),
    ),
    row(
        "the host's gateways, asked for every ten seconds",
        "answer",
        Source::Polled,
        Response::Report("gateway-silent"),
    ),
    link("the host's end of each container's link", "up"),
    row(
        "the host's addresses on `flat0`; the ranges' gateways in mode `routed`",
        "as the plan says",
        Source::Netlink("RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR"),
        Response::Repair,
    ),
    row(
        "netd's routes: ranges, defaults, other nodes",
        "as the plan says",
        Source::Netlink("RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE"),
        Response::Repair,
    ),
    row(
        "a default route of another program in the place of, or before, netd's",
        "none that leads elsewhere",
        Source::Netlink("RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE (default)"),
        Response::Report("foreign-default-route"),
    ),
    row(
        "another route of another program in the place of netd's",
        "none that leads elsewhere",
        Source::Netlink("RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE (same destination)"),
        Response::Report("foreign-route"),
    ),
    row(
        "rules and tables: where the kernel sends packets to the node's ranges and to other nodes",
        "`flat0`; UPLINK",
        Source::Netlink("RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE"),
        Response::Report("route-diverted"),
    ),
    row(
        "the host's addresses on UPLINK (mode `routed`), which others give",
        "as the plan says",
        Source::Netlink("RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR"),
        Response::Report("host-address-missing"),
    ),
    row(
        "the host's default route, by family (mode `routed`), which others give",
        "there",
        Source::Netlink("RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE (default)"),
        Response::Report("default-route-missing"),
    ),
];

const SYSCTLS: &[Owned] = &[
    repaired(
        "`ipv4.ip_forward`, `ipv6.conf.all.forwarding`, `forwarding` of `flat0` and of UPLINK (mode `routed`)",
        "1",
    ),
    repaired("`ipv6.conf.flat0.disable_ipv6`", "0"),
    repaired("`ipv6.conf.flat0.accept_ra` (mode `vlan`)", "0"),
    repaired("`ipv4.conf.flat0.send_redirects` (mode `routed`)", "0"),
    repaired(
        "`ipv4.conf.flat0.rp_filter`; of UPLINK in mode `routed`",
        "2 (of `all` and this the larger counts)",
    ),
    repaired(
        "`ipv4.conf.flat0.arp_ignore`, `ipv4.conf.flat0.proxy_arp`",
        "0",
    ),
    repaired(
        "`ipv6.conf.UPLINK.disable_ipv6`, `ipv4.conf.UPLINK.arp_ignore` (mode `vlan`)",
        "1; 8",
    ),
    repaired(
        "`ipv6.conf.UPLINK.accept_ra` (mode `routed`)",
        "not 1, where it was on: 2",
    ),
    repaired("`ipv6.conf.*.disable_ipv6` of the probe's links", "1"),
    repaired(
        "`arp_ignore`, `rp_filter`, `disable_ipv6` of `default` (userspace datapath)",
        "8; 1; 1",
    ),
    reported("`ipv4.conf.all.arp_ignore`", "0 to 2", "arp-ignore"),
    reported("`ipv4.conf.all.proxy_arp`", "0", "proxy-arp"),
    reported(
        "`ipv4.conf.all.rp_filter` (userspace datapath)",
        "0 or 1",
        "rp-filter",
    ),
    reported(
        "`bridge.bridge-nf-call-*`, where UPLINK is a Linux bridge",
        "0",
        "bridge-netfilter",
    ),
    reported(
        "`netfilter.nf_conntrack_count`, where the node forwards",
        "below 80 % of `nf_conntrack_max`",
        "conntrack-full",
    ),
];

const NETFILTER: &[Owned] = &[reported(
    "chains at the forward hook (families ip, ip6, inet; nftables and the older iptables)",
    "let pass what goes from and to the node's ranges",
    "forward-drop",
)];

const DISK: &[Owned] = &[
    reported(
        "the store's file",
        "the one that netd has open",
        "store-lost",
    ),
    reported("its file system: mounted", "writable", "store-read-only"),
    reported("its file system: free", "at least 1 MiB", "store-full"),
    reported(
        "the store's file and file system: answer",
        "yes",
        "store-unreachable",
    ),
];

const PLAN: &[Owned] = &[
    reported(
        "the plan that was accepted last",
        "what netd runs by",
        "plan-changed",
    ),
    reported(
        "the plan's file: there, sound, with this node",
        "yes; else the accepted plan stands",
        "plan-invalid",
    ),
    row(
        "the node's objects in a cluster (`--plan-from-cluster`): there, and the API server answers",
        "yes; else the accepted plan stands",
        Source::Connection("the API server"),
        Response::Report("plan-unreachable"),
    ),
    reported(
        "the accepted plan's copy",
        "on disk in the state directory",
        "plan-unkept",
    ),
];

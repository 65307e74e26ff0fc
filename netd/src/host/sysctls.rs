//! The sysctls of the host that netd reads.

pub(super) const ARP_IGNORE: &str = "ipv4/conf/all/arp_ignore";
pub(super) const PROXY_ARP: &str = "ipv4/conf/all/proxy_arp";
pub(super) const RP_FILTER: &str = "ipv4/conf/all/rp_filter";
pub(super) const CONNTRACK: &str = "netfilter/nf_conntrack_count";
pub(super) const CONNTRACK_MAX: &str = "netfilter/nf_conntrack_max";
pub(super) const BRIDGE_CALLS: [(&str, &str); 3] = [
    ("bridge/bridge-nf-call-iptables", "ip"),
    ("bridge/bridge-nf-call-ip6tables", "ip6"),
    ("bridge/bridge-nf-call-arptables", "arp"),
];

/// The sysctls that netd depends on but does not set.
pub(super) fn sysctls_to_read() -> impl Iterator<Item = String> {
    [ARP_IGNORE, PROXY_ARP, RP_FILTER, CONNTRACK, CONNTRACK_MAX]
        .into_iter()
        .chain(BRIDGE_CALLS.map(|(key, _)| key))
        .map(str::to_owned)
}

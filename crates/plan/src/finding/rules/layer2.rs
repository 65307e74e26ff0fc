//! Layer 2: VLANs and trunks (FN03), uplinks, switches and MTUs (FN04).

use super::Rule;
use crate::finding::Severity;

rules! {
    LAYER2;
    VLAN_BOUNDS "FN0301" Error "a VLAN ID is out of bounds"
        why "802.1Q has twelve bits: 0 is a priority tag, 4095 is reserved, and there is \
            nothing above."
        help "Use 1 to 4094."
        example "vlans: [{id: 4095, …}]";
    VLAN_RESERVED "FN0302" Error "a VLAN ID is reserved"
        why "Switches keep 1 as their default VLAN and 1002–1005 for old media; some keep more \
            for themselves (`reservedVlans`). Frames of such a VLAN are dropped, or mixed with \
            untagged traffic."
        help "Use another ID."
        example "vlans: [{id: 1002, …}]";
    DUPLICATE_VLAN "FN0303" Error "a VLAN ID is given twice in a site"
        why "Within a site an ID is one broadcast domain: the two would be one."
        help "Give one of them another ID, or make them one VLAN with both subnets."
        example "vlans:\n\
            \x20 - {id: 100, name: web}\n\
            \x20 - {id: 100, name: db}";
    VLAN_ROLE "FN0304" Error "a VLAN is used in a role that it does not have"
        why "Containers on a VLAN of hosts, storage or consoles can reach what they must not, \
            and fill its broadcast domain."
        help "Use a VLAN of role pod for containers and another one of role host for the hosts."
        example "vlans: [{id: 300, role: storage}]\n\
            networks: [{name: web, vlan: 300}]";
    NOT_TRUNKED "FN0305" Error "a VLAN is used on an uplink that does not trunk it"
        why "The switch drops its frames at the port: containers come up and reach nobody \
            beyond their host."
        help "Add the VLAN to the trunk, or take the host's range of that network away."
        example "uplink: {interface: eth0, trunk: [10, 100]}\n\
            ranges: [{network: db, …}]   # VLAN 200";
    TRUNKED_UNUSED "FN0306" Warning "a VLAN is trunked to hosts and used by none of them"
        why "Its broadcasts reach the hosts for nothing, and a wrong cable can loop it."
        help "Take it off the trunk."
        example "uplink: {interface: eth0, trunk: [10, 100, 300]}   # nothing uses 300";
    VLAN_SITE "FN0307" Error "a network and its site do not fit"
        why "In an IDC a network is a VLAN; in a VPC there are none."
        help "Give the network of an IDC a `vlan`; take it out in a VPC."
        example "networks: [{name: cloud, site: vpc, vlan: 100}]";
    ALLOW "FN0308" Error "a protocol is allowed that cannot be, or with a MAC or address that is not its"
        why "A virtual MAC or address that is somebody else's takes that one's traffic; what netd \
            cannot bring from one speaker to the other is not allowed to any use."
        help "Name a protocol of docs/threat-model.md; a virtual MAC of its block, in a network of \
            an IDC with `mac: pod`; addresses of the VLAN that no gateway, host or range has."
        example "networks:\n\
            \x20 - name: web\n\
            \x20   mac: pod\n\
            \x20   allow:\n\
            \x20     - {protocol: vrrp, mac: \"00:00:5e:00:01:0a\", addresses: [10.100.0.1]}";
    TRUNK "FN0309" Error "a network's trunk cannot be"
        why "In a VLAN that it sends tagged, a container with another's address takes that one's \
            traffic."
        help "Name another VLAN of role pod of the site, once, and either `addresses` of its subnets \
            that no gateway and no host's range has, or `any: true`."
        example "networks: [{name: web, vlan: 100, trunk: [{vlan: 200}]}]";
    TRUNK_ANY "FN0310" Warning "containers may have any address in a VLAN of their trunk"
        why "Each container that asks for the VLAN may take the gateway's address there and every \
            neighbour's."
        help "Declare the `addresses` that they need instead; or keep it where these containers are \
            trusted as a router would be."
        example "networks: [{name: web, vlan: 100, trunk: [{vlan: 200, any: true}]}]";
    VLAN_EMPTY "FN0311" Warning "no host is in one of several VLANs of role host"
        why "A host is in the VLAN of role host that its first address is in. One that bears no host \
            is a rack that is not there yet, or a VLAN of another role."
        help "Correct its role, or its subnets; or leave it for hosts to come."
        example "vlans:\n\
            \x20 - {id: 10, role: host, subnets: [{prefix: 10.10.0.0/24, …}]}\n\
            \x20 - {id: 11, role: host, subnets: [{prefix: 10.10.1.0/24, …}]}\n\
            # and no host in 10.10.1.0/24";
    NATIVE "FN0312" Error "a port's native VLAN and the host's uplink do not agree"
        why "What one side sends without a tag the other takes for another VLAN's, or drops: the host \
            is cut off, or is in the wrong VLAN."
        help "Write `untagged: true` in the uplink of a host whose own VLAN is the native one of its \
            ports, and nowhere else; or correct `native`. Containers' VLANs are always tagged."
        example "switches: [{name: tor1, native: 10}]\n\
            uplink: {interface: eth0, switch: tor1}   # untagged: true";
    PEER_LINK "FN0313" Error "a bond's VLAN is not on the link between its switches"
        why "A frame that comes in at one switch and is for what hangs on the other takes the link \
            between them: without the VLAN there it is lost, for some flows and not for others."
        help "Add the VLAN to `peerTrunk` of both switches."
        example "switches:\n\
            \x20 - {name: tor1, peers: [tor2], peerTrunk: [10]}\n\
            \x20 - {name: tor2, peerTrunk: [10]}\n\
            uplink:\n\
            \x20 interface: bond0\n\
            \x20 bond: lacp\n\
            \x20 nics: [{…, switch: tor1}, {…, switch: tor2}]\n\
            ranges: [{network: web, …}]   # VLAN 100";
    EGRESS "FN0314" Error "a network's list of destinations cannot be"
        why "Each entry is a flow that lets packets out, and nothing else does: an entry that says \
            something else than it seems to opens too much, or nothing."
        help "Give each prefix once with a protocol and its ports, or with neither. A network with \
            `egress` has neither `allow` nor `trunk`."
        example "networks:\n\
            \x20 - name: builds\n\
            \x20   egress: [{to: 10.20.0.0/24, ports: [443]}]   # protocol: tcp";
    EGRESS_GUARDED "FN0315" Warning "containers may reach what a list of destinations keeps away"
        why "The metadata address gives a node's credentials to whoever asks, and the API server is \
            one secret away from the whole cluster. Who runs untrusted code in a network with \
            `egress` seldom means to let it there."
        help "Write the prefixes of the machines that are meant, and their ports."
        example "networks:\n\
            \x20 - name: builds\n\
            \x20   egress: [{to: 0.0.0.0/0, protocol: tcp, ports: [443]}]";
    UNBONDED "FN0401" Error "a host has two uplinks that are not bonded"
        why "Two trunks into one bridge are a layer-2 loop: one broadcast circles until the \
            VLAN is dead."
        help "Bond them (`bond: active-backup`, `lacp`, …), or leave one."
        example "uplink:\n\
            \x20 interface: eth0\n\
            \x20 nics: [{interface: eth0, switch: tor1}, {interface: eth1, switch: tor2}]";
    NOT_PEERS "FN0402" Error "a bond ends at switches that do not belong together"
        why "Switches that are not peers learn one MAC on two sides: frames loop or flap \
            between them, or the backup link leads nowhere."
        help "Declare the switches as `peers` if they are (MLAG, stack), cable both NICs to one \
            pair, or use active-backup between switches of one layer-2 domain."
        example "switches: [{name: tor1}, {name: tor2}]\n\
            uplink:\n\
            \x20 interface: bond0\n\
            \x20 bond: balance-xor\n\
            \x20 nics: [{…, switch: tor1}, {…, switch: tor2}]";
    LACP_PEERS "FN0403" Error "LACP ends at switches that are not peers"
        why "Two switches that do not act as one send different system IDs: the bond takes one \
            of the links and drops the other, or splits."
        help "Declare the switches as `peers` if they are (MLAG, stack), or use active-backup."
        example "switches: [{name: tor1}, {name: tor2}]\n\
            uplink:\n\
            \x20 interface: bond0\n\
            \x20 bond: lacp\n\
            \x20 nics: [{…, switch: tor1}, {…, switch: tor2}]";
    MTU_SHRINKS "FN0404" Error "the MTU shrinks along a layer-2 path"
        why "A switch does not fragment and sends no ICMP: large frames vanish, small ones \
            pass, and connections hang."
        help "Raise the MTU of what is smaller, or give the network a smaller `mtu`."
        example "vlans: [{id: 100, mtu: 9000}]\n\
            uplink: {interface: eth0, mtu: 1500}";
    LINE_MTU "FN0405" Warning "a leased line's MTU is smaller than that of what it joins"
        why "Full-sized packets depend on path MTU discovery, which every filter of ICMP on the \
            way breaks."
        help "Give the networks on both sides the line's MTU, or raise the line's."
        example "mtu: 1500\n\
            links: [{name: line1, mtu: 1400}]";
    PORT_TWICE "FN0406" Error "two cables are in one port of a switch"
        why "One port takes one cable: at least one of the two hosts is not where the plan \
            says."
        help "Look at the switch and correct one of the ports."
        example "uplink: {interface: eth0, switch: tor1, port: \"1\"}   # idc1\n\
            uplink: {interface: eth0, switch: tor1, port: \"1\"}   # idc2";
    MTU_IPV6 "FN0407" Error "the MTU is too small for IPv6"
        why "IPv6 asks 1280 bytes of every link (RFC 8200 §5): the kernel takes IPv6 off a \
            smaller one."
        help "Raise the MTU to 1280 at least, or take the IPv6 pool out."
        example "networks: [{name: web, mtu: 1000, pools: [{prefix: \"fd10:100::/64\"}]}]";
    OVS_BOND "FN0408" Error "a bond of Open vSwitch's own"
        why "netd's flows send to the uplink's port, and Open vSwitch balances over a bond of its \
            own only what it forwards by itself: half of the frames would leave by a link on \
            which the switch expects none."
        help "Make it a bond of Linux: `bond: active-backup`, or `lacp` or `balance-xor` where the \
            switches are one towards the bond."
        example "uplink:\n\
            \x20 interface: bond0\n\
            \x20 bond: balance-slb\n\
            \x20 nics: [{…, switch: tor1}, {…, switch: tor2}]";
    UPLINK_TOLD "FN0409" Warning "an uplink is declared twice or incompletely"
        why "One of the two is not read; and of a bond without its NICs no cable is checked."
        help "Write either `switch` and `port` for one NIC, or `nics` with theirs."
        example "uplink: {interface: bond0, bond: lacp, switch: tor1}   # nics: […]";
    UPLINK_NAME "FN0410" Error "an interface that cannot be an uplink"
        why "The uplink becomes a port of the bridge and carries every VLAN of the host: netd refuses \
            what it makes itself, what is no NIC, and one VLAN of a NIC."
        help "Name the NIC, or the bond, that the cables are in."
        example "uplink: {interface: eth0.10}   # eth0";
    LOOP "FN0411" Error "switches' uplinks form a loop"
        why "A broadcast frame is forwarded endlessly, faster than any link carries, until the VLAN is dead."
        help "Take one of the links out, declare switches that are one as `peers`, or say \
            `spanningTree: true` of a switch of the loop where it runs."
        example "switches:\n\
            \x20 - {name: a, uplinks: [b]}\n\
            \x20 - {name: b, uplinks: [c]}\n\
            \x20 - {name: c, uplinks: [a]}";
}

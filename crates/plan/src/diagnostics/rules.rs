//! Every kind of finding: its code, which never changes its meaning, and its words.

use super::Severity;

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable code: `FN`, two digits for the part, two for the rule.
    pub code: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// What it is about, in a line.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, in general.
    pub help: &'static str,
    /// What it looks like.
    pub example: &'static str,
}

/// The rule of a code, whatever its case.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .copied()
        .find(|r| r.code.eq_ignore_ascii_case(code))
}

/// Declares the rules and the list of them all.
macro_rules! rules {
    ($($name:ident $code:literal $severity:ident $title:literal
        why $why:literal
        help $help:literal
        example $example:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: Rule = Rule {
                code: $code,
                severity: Severity::$severity,
                title: $title,
                why: $why,
                help: $help,
                example: $example,
            };
        )*

        /// Every rule, by its code.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    SYNTAX "FN0001" Error "the text is not one YAML document"
        why "A plan that cannot be read by every process in the same way is not read by any."
        help "Mend the YAML at this place; an editor with the plan's JSON Schema shows such \
            faults while one types."
        example "spec:\n\
            \x20 mtu: [1500     # the bracket is never closed";
    SHAPE "FN0002" Error "a field is unknown, missing or of another type"
        why "A misspelt option that is silently dropped is missed on the day when it is needed."
        help "Compare with the reference in docs/plan.md; an editor with the plan's JSON Schema \
            completes the names."
        example "spec:\n\
            \x20 mut: 1500      # mtu";
    HEADER "FN0003" Error "the document's version or kind is not read here"
        why "A document of another version may mean something else by the same words."
        help "Write `apiVersion: flatnet.io/v1alpha1` and `kind: NetworkPlan`."
        example "apiVersion: flatnet.io/v2\n\
            kind: NetworkPlan";
    DUPLICATE_KEY "FN0004" Error "a key stands twice in one mapping"
        why "One of the two would be lost, and nobody can tell which was meant."
        help "Take one of them out."
        example "spec:\n\
            \x20 mtu: 1500\n\
            \x20 mtu: 9000";
    DUPLICATE_NAME "FN0005" Error "a name is given twice"
        why "Names are how nodes, daemons and people refer to a thing: two things of one name \
            are mixed up."
        help "Rename one of them."
        example "hosts:\n\
            \x20 - name: idc1\n\
            \x20 - name: idc1     # the same name";
    DANGLING "FN0006" Error "a reference leads nowhere"
        why "What refers to nothing is derived from nothing: the node would come up without it."
        help "Correct the name, or declare what it refers to."
        example "switches: [{name: tor1}]\n\
            …\n\
            uplink: {interface: eth0, switch: tor9}   # there is no tor9";
    GROUP "FN0007" Error "a host group cannot be written out"
        why "A group stands for hosts; if one of them cannot be made, it would be missing from \
            every node's view."
        help "Correct the field; `{n}`, `{rack}` and `{unit}` are the numbers a pattern may \
            hold."
        example "hostName: idc-{number}   # {n}";
    HOST_BITS "FN0008" Error "a prefix has host bits set"
        why "A prefix whose address does not begin it is mistyped: either the address or the \
            length is wrong."
        help "Write the prefix's first address, or correct its length."
        example "prefix: 10.100.33.0/20   # 10.100.32.0/20";
    BAD_NAME "FN0009" Error "a name is empty, or has spaces at an end"
        why "It is written into route entries, messages and metrics: nobody finds it there, or \
            two names look alike."
        help "Give it a name."
        example "switches: [{name: \"\"}]";
    RANGES_OVERLAP "FN0101" Error "the ranges of two hosts overlap"
        why "Two hosts would give the same address to two containers, and both would be \
            reachable at times."
        help "Move one of the ranges; `flatctl plan ranges` lists what is free."
        example "ranges: [{network: web, prefix: 10.100.16.0/20}]   # idc1\n\
            ranges: [{network: web, prefix: 10.100.16.0/22}]   # idc2";
    POOLS_OVERLAP "FN0102" Error "two pools overlap"
        why "An address in two pools can be given out twice, once from each."
        help "Cut the pools so that they are apart."
        example "networks:\n\
            \x20 - {name: web, pools: [{prefix: 10.100.0.0/16}]}\n\
            \x20 - {name: db, pools: [{prefix: 10.100.128.0/17}]}";
    SUBNETS_OVERLAP "FN0103" Error "two subnets of the shared address space overlap"
        why "There is one address space from the data centres to the clouds: an address in two \
            subnets is reached in one of them only, and which one depends on where the packet \
            begins."
        help "Give one of them another prefix."
        example "vlans:\n\
            \x20 - {id: 100, subnets: [{prefix: 10.100.0.0/16, …}]}\n\
            \x20 - {id: 200, subnets: [{prefix: 10.100.128.0/17, …}]}";
    SERVICE_OVERLAP "FN0104" Error "a service prefix overlaps another prefix"
        why "Traffic to service prefixes goes to kube-proxy on the host: machines and \
            containers with such addresses cannot be reached from containers."
        help "Choose a service prefix that nothing else uses."
        example "servicePrefixes: [10.100.0.0/20]   # inside the subnet 10.100.0.0/16";
    LINK_OVERLAP "FN0105" Error "the transfer network of a leased line overlaps another prefix"
        why "The edge router and the VBR have a connected route for it, which wins over every \
            other: what else is in it is cut off."
        help "Give the line a transfer network of its own, such as a /30."
        example "transfer: [{prefix: 10.100.0.0/30, …}]   # inside the subnet 10.100.0.0/16";
    POOL_FOREIGN "FN0106" Error "a pool overlaps a subnet that it does not belong to"
        why "Containers with such addresses would hide machines of that subnet, or be hidden by \
            them."
        help "Take the pool from the subnet of its own VLAN; in a VPC, from outside every \
            vSwitch."
        example "networks:\n\
            \x20 - {name: cloud, site: vpc, pools: [{prefix: 10.100.0.0/16}]}   # a VLAN of the IDC has it";
    GATEWAY_IN_RANGE "FN0107" Error "a range holds a gateway's address"
        why "A container with the gateway's address takes the whole VLAN's traffic away from \
            the router."
        help "Exclude the address in the pool (`exclude`), or begin the range elsewhere."
        example "subnets: [{prefix: 10.100.0.0/16, gateway: 10.100.16.1}]\n\
            ranges: [{network: web, prefix: 10.100.16.0/20}]";
    EDGE_IN_RANGE "FN0108" Error "a range holds the network or the broadcast address of its subnet"
        why "Hosts and routers treat these two addresses as the subnet itself: a container that \
            bears one cannot be reached."
        help "Exclude the address in the pool (`exclude`), or cut the range elsewhere."
        example "subnets: [{prefix: 10.100.0.0/16, …}]\n\
            ranges: [{network: web, prefix: 10.100.0.0/20}]   # holds 10.100.0.0";
    HOST_IN_RANGE "FN0109" Error "a range holds the address of a host"
        why "A container with a host's address makes that host unreachable, or is unreachable \
            itself."
        help "Exclude the address in the pool (`exclude`), or move the range or the host."
        example "hosts:\n\
            \x20 - {name: idc1, addresses: [10.100.16.5/16]}\n\
            \x20 - {name: idc2, ranges: [{network: web, prefix: 10.100.16.0/20}]}";
    RANGE_OUTSIDE "FN0110" Error "a range lies in no pool of its network"
        why "Nothing routes to it, and nothing keeps others from using it."
        help "Cut it from a pool of the network, or add a pool."
        example "pools: [{prefix: 10.100.0.0/16}]\n\
            ranges: [{network: web, prefix: 10.101.32.0/20}]";
    POOL_OUTSIDE "FN0111" Error "a pool lies in no subnet of its VLAN"
        why "The VLAN's router does not know it: containers with such addresses have no \
            gateway."
        help "Cut the pool from the VLAN's subnet, or add a subnet to the VLAN."
        example "vlans: [{id: 100, subnets: [{prefix: 10.100.0.0/16, …}]}]\n\
            networks: [{name: web, vlan: 100, pools: [{prefix: 10.101.0.0/16}]}]";
    GATEWAY_OUTSIDE "FN0112" Error "a gateway is not an address of its subnet"
        why "Machines of the subnet cannot reach a gateway outside of it, nor one at its \
            network or broadcast address."
        help "Correct the gateway or the prefix."
        example "{prefix: 10.10.0.0/24, gateway: 10.11.0.1}";
    ADDRESS_OUTSIDE "FN0113" Error "a host's address is in no subnet that the host is on"
        why "The host would believe to be on a segment that is not there, and reach nobody."
        help "Correct the address, or the VLAN of role host, or the host's vSwitch."
        example "vlans: [{id: 10, role: host, subnets: [{prefix: 10.10.0.0/24, …}]}]\n\
            hosts: [{name: idc1, addresses: [10.12.0.11/24]}]";
    DUPLICATE_ADDRESS "FN0114" Error "an address is given twice"
        why "Two machines with one address take turns in being reachable."
        help "Give one of them another address."
        example "hosts:\n\
            \x20 - {name: idc1, addresses: [10.10.0.11/24]}\n\
            \x20 - {name: idc2, addresses: [10.10.0.11/24]}";
    RESERVED "FN0115" Error "a range touches a reservation"
        why "What is set aside is in use by something that the plan does not hold: its \
            addresses are taken."
        help "Move the range, or take the reservation out once nothing uses it."
        example "pools: [{prefix: 10.100.0.0/16, reservations: [{prefix: 10.100.32.0/24, for: load balancers}]}]\n\
            ranges: [{network: web, prefix: 10.100.32.0/20}]";
    EXCLUDE_OUTSIDE "FN0116" Warning "an exclusion or a reservation lies outside its pool"
        why "It takes nothing out: what it was meant to protect is not protected."
        help "Correct it, or take it out."
        example "pools: [{prefix: 10.100.0.0/16, exclude: [10.200.0.0/20]}]";
    VSWITCH_OUTSIDE "FN0117" Error "a vSwitch lies outside its VPC's prefixes"
        why "The cloud refuses to make it."
        help "Correct the vSwitch's subnet, or add a prefix to the VPC."
        example "prefixes: [172.20.0.0/16]\n\
            vSwitches: [{name: zone-a, subnets: [{prefix: 172.21.1.0/24, …}]}]";
    SLICE_LENGTH "FN0118" Error "a pool cannot be cut into slices of that length"
        why "ipamd cuts a slice of the pool for each host that the plan gives no range; if \
            there is none, such a host has no addresses."
        help "Write a prefix length that is longer than the pool's and no longer than its \
            family's: 32, or 128."
        example "pools: [{prefix: 10.100.0.0/16, sliceLength: 8}]   # 26";
    NO_RANGE "FN0201" Error "a host has no range"
        why "Every attach on it fails: there is no address to give."
        help "Give it a range, or take it out of the plan if it runs no containers."
        example "hosts: [{name: idc1, …, ranges: []}]";
    DUPLICATE_INSTANCE "FN0202" Error "an instance ID is given twice"
        why "Routes lead to instances: one host's containers would be sent to another host."
        help "Look the ID up again and correct one of them."
        example "hosts:\n\
            \x20 - {name: vpc1, instanceId: i-abc}\n\
            \x20 - {name: vpc2, instanceId: i-abc}";
    NO_INSTANCE "FN0203" Error "a VPC's route table cannot lead to a host without an instance ID"
        why "An entry of the table needs the instance as its next hop; without one the host's \
            containers cannot be reached."
        help "Add `instanceId`, or take out the VPC's `routeTables` if they are not ours to \
            fill."
        example "sites: [{name: vpc, routeTables: [{name: main}]}]\n\
            hosts: [{name: vpc1, site: vpc}]   # no instanceId";
    FOREIGN_NETWORK "FN0204" Error "a range is of a network in another site"
        why "The network's gateway and VLAN are in the other site: the host cannot attach \
            containers to it."
        help "Use a network of the host's own site."
        example "networks: [{name: web, site: idc}]\n\
            hosts: [{name: vpc1, site: vpc, ranges: [{network: web, …}]}]";
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
        help "Use a VLAN of role pod for containers and one VLAN of role host for the hosts."
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
        example "uplink: {interface: eth0, trunk: [10, 100, 300]}   # nothing on the host uses 300";
    VLAN_SITE "FN0307" Error "a network and its site do not fit"
        why "In an IDC a network is a VLAN; in a VPC there are none."
        help "Give the network of an IDC a `vlan`; take it out in a VPC."
        example "networks: [{name: cloud, site: vpc, vlan: 100}]";
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
            uplink: {interface: bond0, bond: balance-xor, nics: [{…, switch: tor1}, {…, switch: tor2}]}";
    LACP_PEERS "FN0403" Error "LACP ends at switches that are not peers"
        why "Two switches that do not act as one send different system IDs: the bond takes one \
            of the links and drops the other, or splits."
        help "Declare the switches as `peers` if they are (MLAG, stack), or use active-backup."
        example "switches: [{name: tor1}, {name: tor2}]\n\
            uplink: {interface: bond0, bond: lacp, nics: [{…, switch: tor1}, {…, switch: tor2}]}";
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
    MAC_TABLE "FN0501" Error "the plan fills a switch's MAC table beyond the budget"
        why "A switch whose table is full floods every frame for an unknown MAC to every port: \
            the whole fabric slows down."
        help "Use `mac: host`, which shows the switches one MAC for a host and VLAN; or plan \
            fewer containers, split the VLANs, use larger switches, or raise \
            `budgets.macTablePercent`."
        example "switches: [{name: tor1, macTableSize: 1000}]\n\
            density: 100\n\
            networks: [{name: web, mac: pod}]   # 20 hosts";
    NEIGHBOURS "FN0502" Error "a broadcast domain has too many neighbours"
        why "Every broadcast reaches all of them, and every machine that talks to many of them \
            needs a larger neighbour table than Linux has by default."
        help "Split the VLAN, plan fewer containers, or raise `budgets.neighbours` knowingly."
        example "budgets: {neighbours: 1024}\n\
            density: 100   # 20 hosts in one VLAN";
    GC_THRESH "FN0503" Warning "the hosts' neighbour tables are too small for the plan"
        why "Beyond gc_thresh3 the kernel drops new neighbours (\"neighbour table overflow\") \
            for the whole machine, containers included."
        help "Set the gc_thresh values on the hosts and say so in `budgets.gcThresh3`."
        example "budgets: {gcThresh3: 1024}\n\
            density: 100   # 20 hosts in one VLAN";
    RANGE_SMALL "FN0504" Error "a host's range is exhausted at the planned density"
        why "Attaching fails on the host before the planned number of containers runs there."
        help "Give the host a larger range or a second one, exclude less, or plan fewer \
            containers (`density`)."
        example "density: 100\n\
            ranges: [{network: web, prefix: 10.100.16.0/26}]   # 64 addresses";
    SLICES_FEW "FN0505" Error "pools do not have a slice for each host that is to get one"
        why "ipamd cuts one slice for each host of the site that the plan gives no range: the last \
            ones to come get none, and nothing can be attached there."
        help "Take a longer `sliceLength`, a larger pool or a further one, exclude less, or give \
            hosts ranges by name."
        example "pools: [{prefix: 10.100.0.0/24, sliceLength: 26}]   # 5 hosts";
    SLICE_SMALL "FN0506" Error "a slice is exhausted at the planned density"
        why "Attaching fails on each host that got a slice before the planned number of \
            containers runs there."
        help "Take a shorter `sliceLength`, or plan fewer containers (`density`)."
        example "density: 100\n\
            pools: [{prefix: 10.100.0.0/16, sliceLength: 26}]   # 64 addresses";
    TABLE_FULL "FN0601" Error "a VPC's route table is over its quota, even aggregated"
        why "The cloud refuses entries beyond the quota: the last hosts' containers are \
            unreachable from the VPC."
        help "Have the quota raised and write it in `quota`, use fewer and larger prefixes, or \
            spread the hosts over VPCs."
        example "routeTables: [{name: main, quota: 200}]\n\
            # 250 hosts, each the next hop of its own range";
    TABLE_RAW "FN0602" Error "a VPC's route table is over its quota without aggregation"
        why "The table is declared `aggregate: false`, and the cloud refuses entries beyond the \
            quota: the last prefixes cannot be reached from the VPC."
        help "Take `aggregate: false` out, have the quota raised and write it in `quota`, or use \
            fewer and larger prefixes."
        example "routeTables: [{name: main, quota: 200, aggregate: false}]\n\
            # 150 hosts with two adjacent ranges each: 300 entries, 150 if aggregated";
    VBR_FULL "FN0603" Error "a VBR's route table is over its quota, even aggregated"
        why "The cloud refuses entries beyond the quota: some prefixes cannot be reached over \
            the leased line."
        help "Cut the pools so that few prefixes cover them, or have the quota raised."
        example "vbr: {id: vbr-1, quota: 48}\n\
            # 60 scattered pools in the VPC";
    VBR_RAW "FN0604" Error "a VBR's route table is over its quota without aggregation"
        why "The table is declared `aggregate: false`, and the cloud refuses entries beyond the \
            quota: some prefixes cannot be reached over the leased line."
        help "Take `aggregate: false` out, or have the quota raised and write it in `quota`."
        example "vbr: {id: vbr-1, quota: 5, aggregate: false}\n\
            # six prefixes, of which two are the halves of one";
    EDGE_FULL "FN0605" Error "an edge router is over its quota of routes, even aggregated"
        why "What it has no route for cannot be reached from the data centre."
        help "Cut the VPC's pools so that few prefixes cover them, or raise `edgeRouter.quota`."
        example "edgeRouter: {name: edge1, quota: 10}\n\
            # 20 scattered pools in the VPC";
    IN_VSWITCH "FN0606" Error "a route's destination is equal to or inside a vSwitch's prefix"
        why "The cloud refuses the entry: its own route for the vSwitch must stay the most \
            specific."
        help "Take the range from outside every vSwitch."
        example "vSwitches: [{name: zone-a, subnets: [{prefix: 172.20.1.0/24, …}]}]\n\
            ranges: [{network: cloud, prefix: 172.20.1.128/26}]";
    IN_SHARED "FN0607" Error "a route's destination is in 100.64.0.0/10"
        why "The cloud's own services (DNS, metadata, time) live there; it refuses the entry, \
            or the services are cut off."
        help "Take the pool from another prefix."
        example "pools: [{prefix: 100.64.0.0/16}]";
    NO_WAY_BACK "FN0608" Error "there is a way by the leased line, and no way back"
        why "Packets arrive and the answers are dropped: every connection hangs until it times \
            out."
        help "Accept the prefix on the other side of the line as well."
        example "accept: {fromIdc: [10.100.0.0/16], fromVpc: []}";
    OTHER_WAY_BACK "FN0609" Warning "the way back leads over another leased line"
        why "Firewalls with state drop answers to what they did not see, and the loss of either \
            line breaks the path."
        help "Accept the same prefixes on both lines, or one pair of sides on each."
        example "links:\n\
            \x20 - {name: line1, accept: {fromIdc: [10.100.0.0/16], fromVpc: []}}\n\
            \x20 - {name: line2, accept: {fromIdc: [], fromVpc: [172.30.0.0/16]}}";
}

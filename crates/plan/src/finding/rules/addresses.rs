//! Addresses and who has them: prefixes and ranges (FN01), hosts and instances (FN02).

use super::Rule;
use crate::finding::Severity;

rules! {
    ADDRESSES;
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
            \x20 - {name: cloud, site: vpc, pools: [{prefix: 10.100.0.0/16}]}\n\
            # and a VLAN of the IDC has it";
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
        example "pools:\n\
            \x20 - prefix: 10.100.0.0/16\n\
            \x20   reservations: [{prefix: 10.100.32.0/24, for: load balancers}]\n\
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
    SET_ASIDE "FN0119" Error "a prefix has addresses that are set aside"
        why "Kernels, routers and clouds treat such addresses as what they are set aside for: no \
            machine is reached at one, and netd refuses a range of them."
        help "Take a prefix of private addresses (RFC 1918, RFC 4193) or of your own public ones."
        example "networks: [{name: web, pools: [{prefix: 224.0.0.0/16}]}]   # multicast";
    USED_ELSEWHERE "FN0120" Warning "a prefix has addresses that something else uses"
        why "Where the other one runs too, packets for these addresses go to it."
        help "Take another prefix, or make sure nothing else uses it (Docker: `bip` and \
            `default-address-pools` in daemon.json), and allow this."
        example "vlans: [{id: 10, subnets: [{prefix: 172.17.0.0/16, …}]}]   # docker0's";
    OTHER_CLUSTER "FN0121" Error "a network or a range is of two Kubernetes clusters"
        why "Each cluster gives out the addresses of its own pools: two that give out the same one \
            would give one address to two containers."
        help "Make a network for each cluster, with pools of its own, and name the cluster at the pools and \
            at the hosts."
        example "networks: [{name: web, pools: [{prefix: 10.100.0.0/16, cluster: a}]}]\n\
            hosts: [{name: idc1, cluster: b, ranges: [{network: web, …}]}]";
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
    NO_VSWITCH "FN0205" Warning "a host in a VPC has no vSwitch"
        why "Its addresses are compared with nothing, and the nodes of its vSwitch do not know that they \
            reach it directly."
        help "Name the vSwitch that its NIC is in."
        example "# vSwitch: zone-a\n\
            hosts: [{name: vpc1, site: vpc, addresses: [172.20.1.11/24]}]";
    ONE_FAMILY "FN0206" Warning "a host lacks a family that its network has on others"
        why "Its containers cannot be reached by the family that all others have, and the one service \
            that needs it fails there alone."
        help "Give it a range of the other family too; or give the network a pool of that family with a \
            `sliceLength`, by which ipamd cuts a slice for every host of the site that has no range of it."
        example "ranges: [{network: web, prefix: 10.100.16.0/26}]\n\
            # others have one of fd10:100::/64 too";
    CLOUD_ADDRESS "FN0207" Error "a host has an address that the cloud keeps"
        why "The cloud keeps the first and the last three addresses of every vSwitch: no instance gets one."
        help "Give the host another address of its vSwitch."
        example "vSwitches: [{name: zone-a, subnets: [{prefix: 172.20.1.0/24, …}]}]\n\
            hosts: [{name: vpc1, vSwitch: zone-a, addresses: [172.20.1.254/24]}]";
    CLOUD_GATEWAY "FN0208" Warning "a vSwitch's gateway is not the cloud's"
        why "The cloud's router has the third address from a vSwitch's end, and no other can be chosen: \
            netd would watch a router that is not there."
        help "Write that address."
        example "subnets: [{prefix: 172.20.1.0/24, gateway: 172.20.1.1}]   # 172.20.1.253";
    FOREIGN_ZONE "FN0209" Warning "a vSwitch's zone is not of its VPC's region"
        why "A cloud's zones are named by their region, and a vSwitch is in a zone of its VPC's region: one \
            of the two is another one's."
        help "Correct the zone, or the region."
        example "sites:\n\
            \x20 - name: vpc\n\
            \x20   region: cn-hangzhou\n\
            \x20   vSwitches: [{name: zone-a, zone: cn-beijing-a}]";
}

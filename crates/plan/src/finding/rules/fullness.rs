//! How full switches, broadcast domains and ranges are (FN05).

use super::Rule;
use crate::finding::Severity;

rules! {
    FULLNESS;
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
    NO_ROOM "FN0507" Error "a range has no address for a container"
        why "Its gateway, its network and broadcast addresses and what is excluded are all that is in \
            it: every attach on the host fails, and netd refuses a range whose gateway is outside."
        help "Give it a larger range or a slice of another length, or exclude less."
        example "ranges: [{network: cloud, prefix: 172.30.0.9/32}]\n\
            # in a VPC the gateway is its second address";
    ONE_ROOM "FN0508" Warning "a range has room for one container"
        why "One container runs on the host in this network and no second one, which is rarely meant."
        help "Give it a larger range, or write `density: 1` if it is."
        example "ranges: [{network: cloud, prefix: 172.30.0.8/31}]";
}

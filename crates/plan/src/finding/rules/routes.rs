//! Route tables and leased lines (FN06).

use super::Rule;
use crate::finding::Severity;

rules! {
    ROUTES;
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
            out. Nobody of one site is accepted, or none of its containers, while those of the other are."
        help "Accept the prefix on the other side of the line as well, if the two are meant to speak; \
            else accept nothing on either side."
        example "accept: {fromIdc: [10.100.0.0/16], fromVpc: []}";
    OTHER_WAY_BACK "FN0609" Warning "the way back leads over another leased line"
        why "Firewalls with state drop answers to what they did not see, and the loss of either \
            line breaks the path."
        help "Accept the same prefixes on both lines, or one pair of sides on each."
        example "links:\n\
            \x20 - {name: line1, accept: {fromIdc: [10.100.0.0/16], fromVpc: []}}\n\
            \x20 - {name: line2, accept: {fromIdc: [], fromVpc: [172.30.0.0/16]}}";
    NO_HOP "FN0610" Error "a route table cannot lead over a line that lacks an ID"
        why "An entry's next hop is the ID of the line's router interface; vpc-route leaves a table alone \
            of which it cannot write every entry."
        help "Add `routerInterface` (the VPC's) and `vbr` with its own `routerInterface` to the line, and \
            `id` to each table."
        example "routeTables: [{name: main, id: vtb-1}]\n\
            links: [{name: line1, vbr: {id: vbr-1}}]   # routerInterface: ri-…";
    LINE_FAMILY "FN0611" Error "a line is to carry a family that its transfer network lacks"
        why "The edge router has no next hop for it, and vpc-route no entry to write."
        help "Add a transfer network of the family, or do not accept its prefixes."
        example "transfer: [{prefix: 10.255.0.0/30, …}]\n\
            accept: {fromIdc: [\"fd10::/16\"], fromVpc: [\"fd20::/16\"]}";
    UNBOUND "FN0612" Error "a vSwitch with hosts is bound to no route table of the plan"
        why "The table that it is bound to instead has no entries for containers: what its hosts send to \
            others' is lost."
        help "Add it to `vSwitches` of a table, or a table for it; or leave `vSwitches` out where the table \
            is the VPC's own."
        example "vSwitches: [{name: zone-a, …}, {name: zone-b, …}]\n\
            routeTables: [{name: main, vSwitches: [zone-a]}]   # and hosts in zone-b";
    CARRIES_NOTHING "FN0613" Warning "no line between two sites carries anything"
        why "Nothing that is in one of them reaches the other."
        help "Accept the prefixes that are to cross, or take the line out."
        example "links: [{name: line1, accept: {fromIdc: [], fromVpc: []}}]";
    PART_NO_WAY_BACK "FN0614" Warning "a part of a site has no way back by the leased line"
        why "Packets arrive and the answers are dropped: connections between these two hang until they \
            time out. What else crosses the line is answered."
        help "Accept the prefix on the other side of the line as well, if the two are meant to speak; \
            else allow this."
        example "accept: {fromIdc: [10.100.0.0/16], fromVpc: [172.30.0.0/16]}\n\
            # and not the pool of db";
}

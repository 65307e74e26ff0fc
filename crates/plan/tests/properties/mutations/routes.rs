//! How full everything is, route tables and leased lines.

use flatnet_plan::model::{Accept, EdgeRouter};

use super::{Mutation, idc, net, pool, vpc};

mutations! {
    ROUTES;
    "FN0501" "a tiny switch" |p, _| p.spec.sites[0].switches[0].mac_table_size = Some(3);
    "FN0502" "a tiny broadcast domain" |p, _| p.spec.budgets.neighbours = 1;
    "FN0503" "tiny neighbour tables" |p, _| p.spec.budgets.gc_thresh3 = 1;
    "FN0504" "more containers than addresses" |p, k| idc(p, k).density = Some(300);
    "FN0507" "a range that is excluded" |p, k| {
        let ranges: Vec<_> = idc(p, k).ranges.iter().map(|r| r.prefix).collect();
        p.spec.networks[0].pools[0].exclude.extend(ranges);
    };
    "FN0507" "a range in a VPC of one address" |p, k| {
        vpc(p, k).ranges[0].prefix = net("172.30.200.9/32");
    };
    "FN0508" "a range in a VPC of two addresses" |p, k| {
        p.spec.density = None;
        vpc(p, k).ranges[0].prefix = net("172.30.200.8/31");
    };
    "FN0505" "slices for fewer hosts than there are" |p, k| {
        let pool = p.spec.networks[0].pools[0].prefix;
        p.spec.networks[0].pools[0].slice_length = Some(pool.prefix());
        idc(p, k).ranges.clear();
    };
    "FN0506" "slices smaller than the density" |p, k| {
        p.spec.networks[0].pools[0].slice_length = Some(31);
        idc(p, k).ranges.clear();
        idc(p, k).density = Some(3);
    };
    "FN0601" "a tiny route table" |p, _| p.spec.sites[1].route_tables[0].quota = 1;
    "FN0602" "a tiny route table without aggregation" |p, _| {
        p.spec.sites[1].route_tables[0].quota = 1;
        p.spec.sites[1].route_tables[0].aggregate = false;
    };
    "FN0603" "a tiny VBR" |p, _| {
        p.spec.links[0].vbr.as_mut().expect("VBR").quota = 1;
    };
    "FN0604" "a tiny VBR without aggregation" |p, _| {
        let vbr = p.spec.links[0].vbr.as_mut().expect("VBR");
        vbr.quota = 1;
        vbr.aggregate = false;
    };
    "FN0605" "a tiny edge router" |p, _| {
        p.spec.sites[0].edge_router = Some(EdgeRouter {
            name: "edge1".into(),
            quota: Some(0),
        });
    };
    "FN0606" "a pool in a vSwitch" |p, _| p.spec.networks[1].pools.push(pool("172.20.1.128/25"));
    "FN0607" "a pool where the cloud's services are" |p, _| {
        p.spec.networks[1].pools.push(pool("100.100.0.0/16"));
    };
    "FN0610" "a line without its interface" |p, _| {
        p.spec.sites[1].route_tables[0].id = Some("vtb-1".into());
        p.spec.links[0].router_interface = None;
    };
    "FN0611" "IPv6 over a line of IPv4" |p, _| {
        p.spec.links[0].transfer.truncate(1);
        p.spec.links[0].accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8"), net("fd10::/16")],
            from_vpc: vec![net("172.16.0.0/12"), net("fd99::/16")],
        });
        p.spec.networks[1].pools.push(pool("fd99:30::/64"));
    };
    "FN0612" "a table for another vSwitch" |p, _| {
        let site = &mut p.spec.sites[1];
        let mut other = site.v_switches[0].clone();
        other.name = "zone-z".into();
        other.subnets.truncate(1);
        other.subnets[0].prefix = net("172.20.200.0/24");
        other.subnets[0].gateway = net("172.20.200.253/24").ip();
        site.v_switches.push(other);
        site.route_tables[0].v_switches = vec!["zone-z".into()];
    };
    "FN0613" "a line that accepts nothing" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: Vec::new(),
            from_vpc: Vec::new(),
        });
    };
    "FN0608" "the VPC's containers not accepted" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8")],
            from_vpc: vec![net("172.20.0.0/16")],
        });
    };
    "FN0614" "the IDC's hosts not accepted" |p, _| {
        let idc = p.spec.links[0].idc.clone();
        let networks = p.spec.networks.iter().filter(|n| n.site == idc);
        let pools = networks.flat_map(|n| n.pools.iter().map(|pool| pool.prefix));
        p.spec.links[0].accept = Some(Accept {
            from_idc: pools.filter(|p| p.is_ipv4()).collect(),
            from_vpc: vec![net("172.16.0.0/12")],
        });
    };
    "FN0608" "nothing accepted from the VPC" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8")],
            from_vpc: Vec::new(),
        });
    };
    "FN0608" "nothing accepted from the IDC" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: Vec::new(),
            from_vpc: vec![net("172.16.0.0/12")],
        });
    };
    "FN0609" "there by one line, back by another" |p, _| {
        let mut second = p.spec.links[0].clone();
        second.name = "line2".into();
        second.vbr = None;
        second.transfer.clear();
        second.accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8")],
            from_vpc: Vec::new(),
        });
        p.spec.links[0].accept = Some(Accept {
            from_idc: Vec::new(),
            from_vpc: vec![net("172.16.0.0/12")],
        });
        p.spec.links.push(second);
    };
}

//! The document: names, groups, allowances.

use flatnet_plan::model::BondMode;

use super::{Mutation, allowance, group, idc, net, nics, pool, vpc};

mutations! {
    DOCUMENT;
    "FN0003" "a version of tomorrow" |p, _| p.api_version = "flatnet.io/v9".into();
    "FN0005" "a host's name given twice" |p, k| {
        let name = idc(p, k).name.clone();
        idc(p, k.wrapping_add(1)).name = name;
    };
    "FN0005" "a group's name given twice" |p, _| {
        p.spec.host_groups.push(group("one-{n}"));
        p.spec.host_groups.push(group("two-{n}"));
    };
    "FN0005" "a site's name given twice" |p, _| {
        let again = p.spec.sites[0].clone();
        p.spec.sites.push(again);
    };
    "FN0006" "a switch that is not there" |p, k| {
        let uplink = &mut idc(p, k).uplink;
        uplink.switch = Some("nowhere".into());
        uplink.nics.clear();
    };
    "FN0006" "a vSwitch that is not there" |p, k| vpc(p, k).v_switch = Some("nowhere".into());
    "FN0006" "a network that is not there" |p, k| {
        vpc(p, k).ranges[0].network = "nowhere".parse().expect("name");
    };
    "FN0006" "a line that ends at a VPC twice" |p, _| p.spec.links[0].idc = "vpc".into();
    "FN0008" "host bits in a range" |p, k| idc(p, k).ranges[0].prefix = net("10.100.250.3/26");
    "FN0007" "a pattern that is not known" |p, _| p.spec.host_groups.push(group("{number}"));
    "FN0007" "more hosts than there are addresses" |p, _| {
        let mut group = group("many-{n}");
        group.count = 100;
        group.addresses = vec![net("255.255.255.200/24")];
        p.spec.host_groups.push(group);
    };
    "FN0009" "a switch without a name" |p, _| p.spec.sites[0].switches[2].name = String::new();
    "FN0009" "a line whose name ends with a space" |p, _| p.spec.links[0].name.push(' ');
    "FN0010" "an allowance for an error" |p, _| p.spec.allow.push(allowance("FN0101", None));
    "FN0010" "an allowance for a code that is not there" |p, _| {
        p.spec.allow.push(allowance("FN9999", None));
    };
    "FN0011" "an allowance for nothing" |p, _| p.spec.allow.push(allowance("FN0405", None));
    "FN0012" "an allowance of yesterday" |p, _| {
        p.spec.allow.push(allowance("FN0405", Some("2026-05-31")));
    };
    "FN0013" "a host's MAC given twice" |p, k| {
        let mac = "02:00:00:00:00:07".parse().ok();
        idc(p, k).uplink.mac = mac;
        idc(p, k.wrapping_add(1)).uplink.mac = mac;
    };
    "FN0013" "a NIC twice in a bond" |p, k| {
        let host = idc(p, k);
        host.uplink.bond = Some(BondMode::Lacp);
        host.uplink.switch = None;
        host.uplink.nics = nics("tor1", "tor2");
        host.uplink.nics[1].interface = "eth0".parse().expect("name");
    };
    "FN0013" "a VPC given twice" |p, _| {
        let mut again = p.spec.sites[1].clone();
        again.name = "again".into();
        again.vpc_id = Some("vpc-1".into());
        p.spec.sites[1].vpc_id = Some("vpc-1".into());
        p.spec.sites.push(again);
    };
    "FN0119" "services of multicast" |p, _| p.spec.service_prefixes.push(net("224.0.1.0/24"));
    "FN0119" "a pool of loopback" |p, _| p.spec.networks[1].pools.push(pool("127.1.0.0/16"));
    "FN0120" "a pool that is Docker's" |p, _| p.spec.networks[1].pools.push(pool("172.17.0.0/17"));
    "FN0014" "a name in capitals" |p, k| {
        let name = idc(p, k).name.to_string().to_uppercase();
        idc(p, k.wrapping_add(1)).name = name.parse().expect("name");
    };
    "FN0015" "a name that no node has" |p, k| idc(p, k).name = "DB_Server-01".parse().expect("name");
}

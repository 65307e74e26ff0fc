//! Addresses, and who has them.

use flatnet_plan::model::{Range, Reservation, Subnet};
use ipnetwork::IpNetwork;

use super::{Mutation, idc, net, one_family, pool, vpc};

mutations! {
    ADDRESSES;
    "FN0101" "another host's range" |p, k| {
        let prefix = idc(p, k).ranges[0].prefix;
        idc(p, k.wrapping_add(1)).ranges[0].prefix = prefix;
    };
    "FN0101" "a range around all others" |p, k| {
        idc(p, k).ranges[0].prefix = net("10.100.16.0/20");
    };
    "FN0102" "a pool inside another" |p, _| p.spec.networks[1].pools.push(pool("172.30.8.0/24"));
    "FN0103" "a subnet inside another" |p, _| {
        p.spec.sites[0].vlans[2].subnets[0] = Subnet {
            prefix: net("10.100.240.0/24"),
            gateway: net("10.100.240.1/24").ip(),
        };
    };
    "FN0103" "a vSwitch where a VLAN is" |p, _| {
        p.spec.sites[1].v_switches[0].subnets[0].prefix = net("10.130.0.0/25");
    };
    "FN0104" "a service prefix over the containers" |p, _| {
        p.spec.service_prefixes.push(net("10.100.0.0/12"));
    };
    "FN0105" "a transfer network in a VLAN" |p, _| {
        let transfer = &mut p.spec.links[0].transfer[0];
        transfer.prefix = net("10.130.0.8/30");
        transfer.idc = "10.130.0.9".parse().expect("an address");
        transfer.vpc = "10.130.0.10".parse().expect("an address");
    };
    "FN0106" "a pool over another site's VLAN" |p, _| {
        p.spec.networks[1].pools.push(pool("10.130.0.0/24"));
    };
    "FN0107" "a gateway inside a range" |p, k| {
        let inside = idc(p, k).ranges[0].prefix.iter().nth(7).expect("address");
        p.spec.sites[0].vlans[1].subnets[0].gateway = inside;
    };
    "FN0108" "the broadcast address inside a range" |p, k| {
        idc(p, k).ranges[0].prefix = net("10.100.255.192/26");
    };
    "FN0109" "a host's address inside a range" |p, k| {
        let inside = vpc(p, k).ranges[0].prefix.iter().nth(7).expect("address");
        let other = vpc(p, k.wrapping_add(1));
        other.v_switch = None;
        other.addresses = vec![IpNetwork::new(inside, 24).expect("address")];
    };
    "FN0110" "a range outside its pool" |p, k| idc(p, k).ranges[0].prefix = net("10.101.0.0/26");
    "FN0111" "a pool outside its VLAN" |p, _| p.spec.networks[0].pools.push(pool("10.140.0.0/16"));
    "FN0112" "a gateway outside its subnet" |p, _| {
        p.spec.sites[0].vlans[1].subnets[0].gateway = net("10.99.0.1/32").ip();
    };
    "FN0113" "a host in no subnet of the hosts" |p, k| {
        idc(p, k).addresses[0] = net("10.150.0.9/22");
    };
    "FN0114" "another host's address" |p, k| {
        let address = idc(p, k).addresses[0];
        idc(p, k.wrapping_add(1)).addresses[0] = address;
    };
    "FN0114" "the gateway's address" |p, k| idc(p, k).addresses[0] = net("10.10.0.1/22");
    "FN0115" "a range in a reservation" |p, k| {
        let prefix = idc(p, k).ranges[0].prefix;
        p.spec.networks[0].pools[0].reservations = vec![Reservation {
            prefix,
            purpose: "others".into(),
        }];
    };
    "FN0116" "an exclusion outside its pool" |p, _| {
        p.spec.networks[0].pools[0].exclude.push(net("10.101.0.0/24"));
    };
    "FN0117" "a vSwitch outside its VPC" |p, _| p.spec.sites[1].prefixes = vec![net("172.21.0.0/16")];
    "FN0118" "slices larger than the pool" |p, _| {
        p.spec.networks[0].pools[0].slice_length = Some(15);
    };
    "FN0118" "slices smaller than an address" |p, _| {
        p.spec.networks[0].pools[0].slice_length = Some(33);
    };
    "FN0121" "a host of another cluster" |p, k| idc(p, k).cluster = Some("other".into());
    "FN0121" "a pool of another cluster" |p, _| {
        let mut second = pool("10.100.240.0/24");
        second.cluster = Some("other".into());
        p.spec.networks[0].pools.push(second);
    };
    "FN0201" "a host without a range" |p, k| {
        p.spec.networks[0].pools[0].slice_length = None;
        idc(p, k).ranges.clear();
    };
    "FN0202" "another host's instance" |p, k| {
        let id = vpc(p, k).instance_id.clone();
        vpc(p, k.wrapping_add(1)).instance_id = id;
    };
    "FN0203" "a host without its instance" |p, k| vpc(p, k).instance_id = None;
    "FN0204" "a network of another site" |p, k| {
        vpc(p, k).ranges.push(Range {
            network: "web".parse().expect("name"),
            prefix: net("10.100.250.0/26"),
        });
    };
    "FN0205" "a host without a vSwitch" |p, k| vpc(p, k).v_switch = None;
    "FN0206" "a host without the family of the others" one_family;
    "FN0207" "an address that the cloud keeps" |p, k| {
        let own = &mut vpc(p, k).addresses[0];
        let kept = own.iter().nth(254).expect("an address");
        *own = IpNetwork::new(kept, own.prefix()).expect("an address");
    };
    "FN0209" "a zone of another region" |p, _| {
        let site = &mut p.spec.sites[1];
        site.region = Some("cn-hangzhou".to_owned());
        site.v_switches[0].zone = Some("cn-beijing-h".to_owned());
    };
    "FN0208" "a gateway that is not the cloud's" |p, _| {
        p.spec.sites[1].v_switches[0].subnets[0].gateway = net("172.20.1.1/24").ip();
    };
}

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_aliyun_sim::config::{Entry, EntryHop};
use flatnet_aliyun_sim::sim::Sim;
use flatnet_aliyun_sim::time::Timestamp;
use flatnet_aliyun_sim::world::{Cause, TableView, World};
use flatnet_plan::NetworkPlan;

use super::desired::{Ports, desired};
use super::kernel::{Kernel, Op, Path, sync};
use super::*;

const VPC: &str = "vtb-vpc-system";
const VBR: &str = "vtb-line1";

fn plan() -> NetworkPlan {
    identified(crate::plan::generate(2, 2).expect("a plan"))
}

/// The tables with these entries: table, destination, type and ID of the next hop.
fn tables(entries: &[(&str, &str, &str)]) -> Vec<TableView> {
    let file = world(&plan()).expect("a world");
    let mut world = World::new(&file, Timestamp(0)).expect("a good one");
    for (table, destination, hops) in entries {
        let hop = |id: &str| EntryHop {
            hop_type: if id.starts_with("i-") {
                "Instance"
            } else {
                "RouterInterface"
            }
            .to_owned(),
            id: id.to_owned(),
            weight: 100,
        };
        let entry = Entry {
            destination: destination.parse().expect("a prefix"),
            next_hops: hops.split(',').map(hop).collect(),
            name: String::new(),
            description: String::new(),
            managed: false,
        };
        world
            .insert(Timestamp(0), Cause::Hand, table, &entry)
            .expect(destination);
    }
    world.view()
}

fn kernel(entries: &[(&str, &str, &str)]) -> Kernel {
    desired(
        &tables(entries),
        &Ports::of(&world(&plan()).expect("a world")),
    )
}

/// What the kernel does with a packet, as its rules and the longest match say. What is
/// connected is left out: it is in the main table, which nobody here fills.
fn forwarding_of(kernel: &Kernel, from: &str, to: &str) -> String {
    let to: IpAddr = to.parse().expect("an address");
    let mut rules: Vec<_> = kernel
        .rules
        .iter()
        .filter(|r| r.v6 == to.is_ipv6())
        .collect();
    rules.sort_by_key(|r| r.priority);
    for rule in rules {
        if rule.from.as_ref().is_some_and(|link| link != from) {
            continue;
        }
        let matching = kernel
            .routes
            .iter()
            .filter(|((table, prefix), _)| *table == rule.table && prefix.contains(to));
        match matching.max_by_key(|((_, prefix), _)| prefix.prefix()) {
            None | Some((_, Path::Throw)) => {}
            Some((_, Path::Unreachable)) => return "unreachable".to_owned(),
            Some((_, Path::Via(via))) => {
                let all: Vec<String> = via.iter().map(ToString::to_string).collect();
                return all.join(",");
            }
        }
    }
    "no route".to_owned()
}

#[test]
fn the_world_of_every_plan_is_one_that_the_simulator_takes() {
    for (idc, vpc) in [(0, 1), (1, 1), (2, 2), (3, 4), (2, 0)] {
        let plan = identified(crate::plan::generate(idc, vpc).expect("a plan"));
        let file = world(&plan).expect("a world");
        Sim::new(&file, Timestamp(0)).unwrap_or_else(|e| panic!("{idc}+{vpc}: {e}"));
        let yaml = serde_norway::to_string(&file).expect("YAML");
        let read = flatnet_aliyun_sim::config::WorldFile::parse(&yaml).expect("it is read back");
        assert_eq!(read, file);
        assert_eq!(identified(plan.clone()), plan, "IDs are given once");
    }
}

#[test]
fn the_ids_of_a_plan_stay() {
    let mut own = crate::plan::generate(2, 2).expect("a plan");
    own.spec.hosts[2].instance_id = Some("i-given".to_owned());
    let plan = identified(own);
    assert_eq!(plan.spec.hosts[2].instance_id.as_deref(), Some("i-given"));
    assert_eq!(plan.spec.hosts[3].instance_id.as_deref(), Some("i-vpc2"));
}

#[test]
fn with_empty_tables_nothing_is_forwarded() {
    let kernel = kernel(&[]);
    for from in ["zone-a", "line0", "elsewhere"] {
        assert_eq!(forwarding_of(&kernel, from, "172.30.16.2"), "unreachable");
        assert_eq!(forwarding_of(&kernel, from, "fd20:30::1:2"), "unreachable");
    }
}

#[test]
fn a_range_goes_to_its_instance_in_its_family() {
    let kernel = kernel(&[
        (VPC, "172.30.16.0/20", "i-vpc1"),
        (VPC, "fd20:30::1:0/112", "i-vpc1"),
    ]);
    assert_eq!(
        forwarding_of(&kernel, "zone-b", "172.30.17.1"),
        "172.20.1.11"
    );
    assert_eq!(
        forwarding_of(&kernel, "zone-b", "fd20:30::1:9"),
        "fd20:1::b"
    );
    // The VBR knows no way: what comes by the line stops there.
    assert_eq!(
        forwarding_of(&kernel, "line0", "172.30.17.1"),
        "unreachable"
    );
}

#[test]
fn what_comes_by_the_line_needs_an_entry_of_the_vbr_and_one_of_the_vpc() {
    let of_vbr = (VBR, "172.30.0.0/16", "ri-line1-vbr");
    let of_vpc = (VPC, "172.30.16.0/20", "i-vpc1");
    let only = |entries: &[_]| forwarding_of(&kernel(entries), "line0", "172.30.17.1");
    assert_eq!(only(&[of_vbr]), "unreachable");
    assert_eq!(only(&[of_vpc]), "unreachable");
    assert_eq!(only(&[of_vbr, of_vpc]), "172.20.1.11");
}

#[test]
fn what_goes_to_the_idc_needs_an_entry_of_the_vpc_and_one_of_the_vbr() {
    let of_vpc = (VPC, "10.0.0.0/8", "ri-line1-vpc");
    let of_vbr = (VBR, "10.100.0.0/16", "ri-line1-idc");
    let only = |entries: &[_], to: &str| forwarding_of(&kernel(entries), "zone-a", to);
    assert_eq!(only(&[of_vpc], "10.100.1.1"), "unreachable");
    assert_eq!(only(&[of_vbr], "10.100.1.1"), "unreachable");
    assert_eq!(only(&[of_vpc, of_vbr], "10.100.1.1"), "10.255.0.1");
    assert_eq!(only(&[of_vpc, of_vbr], "10.200.1.1"), "unreachable");
    let narrow = (VPC, "10.100.16.0/20", "ri-line1-vpc");
    assert_eq!(only(&[narrow, of_vbr], "10.100.16.1"), "10.255.0.1");
    assert_eq!(only(&[narrow, of_vbr], "10.100.64.1"), "unreachable");
}

#[test]
fn the_vpcs_longer_entry_wins_over_the_lines_parts() {
    let kernel = kernel(&[
        (VPC, "10.0.0.0/8", "ri-line1-vpc"),
        (VPC, "10.100.0.0/17", "i-vpc2"),
        (VBR, "10.100.0.0/16", "ri-line1-idc"),
        (VBR, "10.100.0.0/24", "ri-line1-idc"),
    ]);
    assert_eq!(
        forwarding_of(&kernel, "zone-a", "10.100.0.1"),
        "172.20.2.12"
    );
    assert_eq!(
        forwarding_of(&kernel, "zone-a", "10.100.200.1"),
        "10.255.0.1"
    );
}

#[test]
fn what_the_vbr_would_send_back_is_lost() {
    let kernel = kernel(&[
        (VPC, "10.0.0.0/8", "ri-line1-vpc"),
        (VBR, "10.0.0.0/8", "ri-line1-idc"),
        (VBR, "10.9.0.0/16", "ri-line1-vbr"),
    ]);
    assert_eq!(forwarding_of(&kernel, "zone-a", "10.9.1.1"), "unreachable");
    assert_eq!(forwarding_of(&kernel, "zone-a", "10.8.1.1"), "10.255.0.1");
}

#[test]
fn an_ecmp_entry_goes_to_all_its_instances() {
    let kernel = kernel(&[(VPC, "192.168.0.0/16", "i-vpc1,i-vpc2")]);
    assert_eq!(
        forwarding_of(&kernel, "zone-a", "192.168.1.1"),
        "172.20.1.11,172.20.2.12"
    );
    let ops = sync(&Kernel::default(), &kernel);
    let line = "route replace 192.168.0.0/16 nexthop via 172.20.1.11 nexthop via 172.20.2.12";
    assert!(ops.iter().any(|op| op.line.starts_with(line)), "{ops:?}");
}

#[test]
fn an_entry_that_does_not_forward_is_no_route() {
    let mut tables = tables(&[(VPC, "172.30.16.0/20", "i-vpc1")]);
    for table in &mut tables {
        for entry in &mut table.entries {
            entry.forwards = false;
        }
    }
    assert_eq!(
        desired(&tables, &Ports::of(&world(&plan()).expect("a world"))),
        kernel(&[])
    );
}

#[test]
fn a_kernel_that_is_as_it_should_be_is_left_alone() {
    let kernel = kernel(&[(VPC, "172.30.16.0/20", "i-vpc1")]);
    assert_eq!(sync(&kernel, &kernel), []);
}

#[test]
fn what_is_new_comes_before_what_is_gone_is_taken() {
    let old = kernel(&[
        (VPC, "172.30.16.0/20", "i-vpc1"),
        (VPC, "172.30.64.0/20", "i-vpc1"),
    ]);
    let new = kernel(&[
        (VPC, "172.30.16.0/20", "i-vpc2"),
        (VPC, "172.30.64.0/21", "i-vpc1"),
    ]);
    let lines: Vec<String> = sync(&old, &new).into_iter().map(|op| op.line).collect();
    assert_eq!(
        lines,
        [
            "route replace 172.30.16.0/20 via 172.20.2.12 table 51001 proto 198",
            "route replace 172.30.64.0/21 via 172.20.1.11 table 51001 proto 198",
            "route del 172.30.64.0/20 via 172.20.1.11 table 51001 proto 198",
        ]
    );
}

#[test]
fn rules_are_of_both_families() {
    let ops = sync(&Kernel::default(), &kernel(&[]));
    let rules = |v6: bool| -> BTreeSet<&str> {
        let of_family = |op: &&Op| op.v6 == v6 && op.line.starts_with("rule");
        ops.iter()
            .filter(of_family)
            .map(|op| op.line.as_str())
            .collect()
    };
    assert_eq!(rules(false), rules(true));
    let expected = [
        "rule add priority 10 iif line0 lookup 51000 protocol 198",
        "rule add priority 20 lookup 254 protocol 198",
        "rule add priority 40 lookup 51001 protocol 198",
    ];
    assert_eq!(rules(false), BTreeSet::from(expected));
}

#[test]
fn the_outputs_of_ip_are_understood() {
    let mut kernel = Kernel::default();
    let routes = r#"[{"type":"unreachable","dst":"default","table":"51001","protocol":"198"},
        {"dst":"172.30.16.0/20","gateway":"172.20.1.11","dev":"zone-a","table":"51001"},
        {"type":"throw","dst":"10.1.1.1","table":"51000"},
        {"dst":"10.0.0.0/8","table":"51001","nexthops":[{"gateway":"172.20.1.11"},{"gateway":"172.20.2.12"}]}]"#;
    kernel.read_routes(routes, false).expect("JSON");
    kernel.read_routes("", true).expect("nothing");
    let rules = r#"[{"priority":0,"src":"all","table":"255","protocol":"2"},
        {"priority":10,"src":"all","iif":"line0","table":"51000","protocol":"198"}]"#;
    kernel.read_rules(rules, false).expect("JSON");
    let told: Vec<String> = sync(&kernel, &Kernel::default())
        .into_iter()
        .map(|op| op.line)
        .collect();
    assert_eq!(
        told,
        [
            "rule del priority 10 iif line0 lookup 51000 protocol 198",
            "route del throw 10.1.1.1/32 table 51000 proto 198",
            "route del unreachable 0.0.0.0/0 table 51001 proto 198",
            "route del 10.0.0.0/8 nexthop via 172.20.1.11 nexthop via 172.20.2.12 table 51001 proto 198",
            "route del 172.30.16.0/20 via 172.20.1.11 table 51001 proto 198",
        ]
    );
}

//! The same thing under another name.

use super::*;

fn sites(p: &mut NetworkPlan, from: &str, to: &str) {
    let spec = &mut p.spec;
    let sites = spec.sites.iter_mut().map(|s| &mut s.name);
    let networks = spec.networks.iter_mut().map(|n| &mut n.site);
    let hosts = spec.hosts.iter_mut().map(|h| &mut h.site);
    let lines = spec.links.iter_mut().flat_map(|l| [&mut l.idc, &mut l.vpc]);
    for name in sites.chain(networks).chain(hosts).chain(lines) {
        if name == from {
            to.clone_into(name);
        }
    }
}

fn switch(p: &mut NetworkPlan, from: &str, to: &str) {
    let of_sites = p.spec.sites.iter_mut().flat_map(|s| &mut s.switches);
    let of_sites = of_sites.flat_map(|s| {
        let around = s.peers.iter_mut().chain(&mut s.uplinks);
        std::iter::once(&mut s.name).chain(around)
    });
    let hosts = p.spec.hosts.iter_mut().map(|h| &mut h.uplink);
    let hosts = hosts.flat_map(|u| {
        let nics = u.nics.iter_mut().filter_map(|n| n.switch.as_mut());
        u.switch.as_mut().into_iter().chain(nics)
    });
    for name in of_sites.chain(hosts) {
        if name == from {
            to.clone_into(name);
        }
    }
}

#[test]
fn switches_with_the_same_cables_under_other_names_are_noticed_by_nobody() {
    let found = after(|p| {
        switch(p, "tor1", "leaf1");
        switch(p, "tor2", "leaf2");
    });
    assert_eq!(found, ["Record: rename the switch [no] "]);
}

#[test]
fn switches_that_change_names_among_themselves_are_two_hosts_at_other_switches() {
    let found = after(|p| {
        switch(p, "tor1", "x");
        switch(p, "tor2", "tor1");
        switch(p, "x", "tor2");
    });
    assert_eq!(found, ["Give: move cables [outage] idc1 idc2"]);
}

#[test]
fn a_switch_without_cables_is_known_by_what_hangs_on_it() {
    let old = {
        let mut p = lab();
        let switches = &mut p.spec.sites[0].switches;
        for (name, up) in [("core-a", None), ("core-b", None)] {
            let mut core = switches[0].clone();
            (core.name, core.uplinks) = (name.to_owned(), Vec::from_iter(up));
            switches.push(core);
        }
        switches[0].uplinks = vec!["core-a".to_owned()];
        switches[1].uplinks = vec!["core-b".to_owned()];
        p
    };
    let mut new = old.clone();
    switch(&mut new, "core-a", "spine-a");
    let found = diff(&old, &new).expect("routes");
    let what: Vec<&str> = found.changes.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(what, ["rename the switch"]);
    assert_eq!(found.changes[0].details, ["core-a → spine-a in idc"]);
}

#[test]
fn a_renamed_switch_whose_trunk_changes_too_is_another_one() {
    let found = after(|p| {
        switch(p, "tor1", "leaf1");
        p.spec.sites[0].switches[0].mtu = Some(9000.try_into().expect("an MTU"));
    });
    assert!(
        found
            .iter()
            .any(|c| c.starts_with("Give: move cables [outage]"))
    );
    assert!(!found.iter().any(|c| c.contains("rename")));
}

#[test]
fn a_line_under_another_name_carries_on() {
    let found = after(|p| "gold".clone_into(&mut p.spec.links[0].name));
    assert_eq!(found, ["Carry: rename the leased line [no] "]);
}

#[test]
fn one_of_two_lines_that_is_removed_is_not_renamed() {
    let mut old = lab();
    let mut second = old.spec.links[0].clone();
    "line2".clone_into(&mut second.name);
    second.transfer[0].prefix = net("10.255.0.4/30");
    second.transfer[0].idc = "10.255.0.5".parse().expect("an address");
    second.transfer[0].vpc = "10.255.0.6".parse().expect("an address");
    second.transfer.truncate(1);
    old.spec.links.push(second);
    let mut new = old.clone();
    new.spec.links.remove(0);
    let found = diff(&old, &new).expect("routes");
    assert!(
        found
            .changes
            .iter()
            .any(|c| c.what == "remove the leased line")
    );
    assert!(!found.changes.iter().any(|c| c.what.contains("rename")));
}

#[test]
fn a_site_under_another_name_is_where_it_was() {
    assert_eq!(
        after(|p| sites(p, "idc", "dc")),
        ["Record: rename the site [no] "]
    );
    assert_eq!(
        after(|p| sites(p, "vpc", "cloud")),
        ["Record: rename the site [no] "]
    );
}

#[test]
fn a_site_that_is_renamed_and_changed_is_renamed_where_the_cloud_knows_it() {
    let with_id = |mut p: NetworkPlan| {
        p.spec.sites[1].vpc_id = Some("vpc-1".to_owned());
        p.spec.hosts[3].instance_id = Some("i-1".to_owned());
        p
    };
    let old = with_id(lab());
    let mut new = old.clone();
    sites(&mut new, "vpc", "cloud");
    new.spec.hosts[3].instance_id = Some("i-2".to_owned());
    new.spec.sites[1].region = Some("r".to_owned());
    let found = diff(&old, &new).expect("routes");
    let what: Vec<&str> = found.changes.iter().map(|c| c.what.as_str()).collect();
    assert!(
        what.contains(&"rename the site") && what.contains(&"change the instance"),
        "{what:?}"
    );
    assert!(!what.contains(&"remove the site"), "{what:?}");
}

#[test]
fn a_v_switch_and_a_route_table_under_other_names_are_noticed_by_nobody() {
    let found = after(|p| {
        "az-a".clone_into(&mut p.spec.sites[1].v_switches[0].name);
        p.spec.hosts[2].v_switch = Some("az-a".to_owned());
    });
    assert_eq!(found, ["Record: rename the vSwitch [no] "]);
    let mut old = lab();
    let table = "{name: main, id: vtb-1}";
    old.spec.sites[1].route_tables = vec![serde_norway::from_str(table).expect("a table")];
    let mut new = old.clone();
    "system".clone_into(&mut new.spec.sites[1].route_tables[0].name);
    let found = diff(&old, &new).expect("routes");
    let what: Vec<&str> = found.changes.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(what, ["rename the route table"]);
}

#[test]
fn an_edge_router_under_another_name_keeps_its_entries() {
    let found = after(|p| {
        let text = "{name: border}";
        p.spec.sites[0].edge_router = Some(serde_norway::from_str(text).expect("a router"));
    });
    assert_eq!(found, ["Carry: rename the edge router [no] "]);
}

#[test]
fn a_network_under_another_name_is_another_one_to_its_containers() {
    let found = after(|p| {
        let name: flatnet_types::NetworkName = "shop".parse().expect("a name");
        p.spec.networks[0].name = name.clone();
        let ranges = p.spec.hosts.iter_mut().flat_map(|h| &mut h.ranges);
        for range in ranges.filter(|r| r.network.as_str() == "web") {
            range.network = name.clone();
        }
    });
    assert_eq!(
        found,
        [
            "Carry: rename the network [recreate] ",
            "Drain: drain a range of web [recreate] idc1 idc2",
            "Take: take a range of web [no] idc1 idc2",
            "HandOn: hand on a range of shop [no] idc1 idc2",
            "Clear: remove the network [no] ",
        ]
    );
}

#[test]
fn a_vlan_under_another_name_is_for_the_record() {
    assert_eq!(
        after(|p| "shop".clone_into(&mut p.spec.sites[0].vlans[1].name)),
        ["Record: VLAN's name [no] "]
    );
}

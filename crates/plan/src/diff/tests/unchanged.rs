//! What is said in other words, or for the first time, and stays what it is.

use super::*;

type Edit = fn(&mut NetworkPlan);

/// What a plan says of a thing for the first time makes no other thing of it.
#[test]
fn a_first_id_is_no_other_one() {
    let of = |edit: fn(&mut NetworkPlan)| {
        let mut new = lab();
        edit(&mut new);
        [kinds(&lab(), &new), kinds(&new, &lab())].concat()
    };
    let edits: [(Edit, &str); 8] = [
        (
            |p| p.spec.sites[1].vpc_id = Some("vpc-1".into()),
            "ID or region of a VPC",
        ),
        (
            |p| p.spec.sites[1].region = Some("cn-hangzhou".into()),
            "ID or region of a VPC",
        ),
        (
            |p| p.spec.sites[1].v_switches[0].id = Some("vsw-1".into()),
            "ID or zone of a vSwitch",
        ),
        (
            |p| p.spec.sites[1].v_switches[0].zone = Some("a".into()),
            "ID or zone of a vSwitch",
        ),
        (
            |p| p.spec.hosts[0].uplink.port = Some("7".into()),
            "where a cable ends",
        ),
        (
            |p| {
                for switch in &mut p.spec.sites[0].switches {
                    switch.native = Some(10.try_into().expect("an ID"));
                }
            },
            "native VLAN of ports",
        ),
        (
            |p| p.spec.links[0].router_interface = Some("ri-1".into()),
            "IDs of a leased line",
        ),
        (
            |p| p.spec.hosts[2].instance_id = Some("i-1".into()),
            "instance ID of a host",
        ),
    ];
    for (edit, what) in edits {
        let found = of(edit);
        has(&found, &format!("Record: {what} [no]"));
        assert!(found.iter().all(|f| f.ends_with("[no]")), "{found:#?}");
        // Entries that lacked an ID come with it.
        let steps = found.iter().filter(|f| !f.starts_with("Record: "));
        let others = steps.filter(|f| !f.starts_with("Reach: add to "));
        assert_eq!(others.count(), 0, "{found:#?}");
    }
}

#[test]
fn an_mtu_is_noticed_by_those_who_get_it() {
    let mtu = |mtu: u64| flatnet_types::Mtu::new(mtu).expect("an MTU");
    let mut own = lab();
    own.spec.networks[1].mtu = Some(mtu(1400));
    let mut grown = own.clone();
    grown.spec.mtu = mtu(9000);
    let found = diff(&own, &grown).expect("routes");
    let first = &found.changes[0];
    assert_eq!(first.what, "change the MTU of every link");
    let names: Vec<String> = own
        .spec
        .networks
        .iter()
        .map(|n| n.name.to_string())
        .collect();
    let others = names
        .iter()
        .filter(|n| **n != own.spec.networks[1].name.as_str());
    let others: Vec<Notices> = others.map(|n| Notices::Network(n.clone())).collect();
    assert_eq!(first.notices.len(), others.len());
    assert!(others.iter().all(|n| first.notices.contains(n)));
    // A port with an MTU of its own takes none from its switch.
    let ports = |of: &[Option<u64>]| {
        let mut plan = lab();
        let site = plan.spec.sites[0].clone();
        let name = site.switches[0].name.clone();
        for (i, own) in of.iter().enumerate() {
            let port = format!("p{i}");
            let uplink = &mut plan.spec.hosts[i].uplink;
            uplink.switch = Some(name.clone());
            uplink.port = Some(port.clone());
            if let Some(own) = own {
                plan.spec.sites[0].switches[0]
                    .ports
                    .push(crate::model::Port {
                        name: port,
                        trunk: site.vlans.iter().map(|v| v.id).collect(),
                        native: None,
                        mtu: Some(mtu(*own)),
                    });
            }
        }
        plan
    };
    let resized = |of: &[Option<u64>]| {
        let (old, mut new) = (ports(of), ports(of));
        new.spec.sites[0].switches[0].mtu = Some(mtu(9000));
        let found = diff(&old, &new).expect("routes");
        let steps = found
            .changes
            .into_iter()
            .filter(|c| c.phase != Phase::Record);
        steps.flat_map(|c| c.notices).collect::<Vec<_>>()
    };
    let host = |i: usize| Notices::Host(lab().spec.hosts[i].name.to_string());
    assert_eq!(resized(&[None, None]), [host(0), host(1)]);
    assert_eq!(resized(&[Some(1500), None]), [host(1)]);
    assert_eq!(resized(&[Some(1500), Some(1500)]), []);
}

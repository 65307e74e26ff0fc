//! Where packets would go, on a real kernel.

mod common;

use common::{Ns, ifname, ip, net, run, veth, wanted, with_kernel};
use flatnet_kernel::{AddressSpec, LinkChange, NextHop, RouteKind, RouteLookup, RouteSpec};

#[test]
fn a_packets_route_is_the_entry_that_matches() {
    if !wanted() {
        return;
    }
    let (host, container) = (Ns::new(), Ns::new());
    let spec = veth(1, &container.open());
    let name = host.name.clone();
    with_kernel(&host, |kernel| async move {
        let made = kernel.create_veth(&spec).await.expect("a pair");
        let dev = ifname("flt1");
        let up = LinkChange {
            up: Some(true),
            ..LinkChange::default()
        };
        kernel.set_link(&dev, &up).await.expect("up");
        let own = AddressSpec::new(net("10.9.0.1/24"));
        kernel.ensure_address(&dev, &own).await.expect("an address");
        let route = RouteSpec::new(net("10.8.0.0/16"), vec![NextHop::via(ip("10.9.0.2"))], 94);
        kernel.ensure_route(&route).await.expect("a route");

        let found = |l: RouteLookup| match l {
            RouteLookup::Found(route) => *route,
            RouteLookup::Refused { reason } => panic!("{reason}"),
        };
        let to = |dst: &str| kernel.route_to(ip(dst), None, None);
        let by_route = found(to("10.8.3.4").await.expect("an answer"));
        assert_eq!((by_route.dst, by_route.protocol), (net("10.8.0.0/16"), 94));
        let hop = &by_route.nexthops[0];
        assert_eq!(
            (hop.via, hop.ifindex),
            (Some(ip("10.9.0.2")), Some(made.host_ifindex))
        );
        let on_link = found(to("10.9.0.7").await.expect("an answer"));
        assert_eq!(
            (on_link.dst, on_link.nexthops[0].via),
            (net("10.9.0.0/24"), None)
        );
        let own = found(to("10.9.0.1").await.expect("an answer"));
        assert_eq!(own.kind, RouteKind::Local);
        let nowhere = to("192.0.2.1").await.expect("an answer");
        assert!(
            matches!(nowhere, RouteLookup::Refused { .. }),
            "{nowhere:?}"
        );
        let no_link = kernel
            .route_to(ip("10.8.3.4"), None, Some(&ifname("nope")))
            .await;
        let no_link = no_link.expect("an answer");
        assert!(
            matches!(&no_link, RouteLookup::Refused { reason } if reason.contains("nope")),
            "{no_link:?}"
        );

        let neighbour = ["neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:07"];
        let mut args = vec!["-n", name.as_str()];
        args.extend(neighbour);
        args.extend(["dev", "flt1"]);
        run("ip", &args);
        let known = kernel.neighbours(None).await.expect("listed");
        let found = known.iter().find(|n| n.address == ip("10.9.0.2"));
        let found = found.expect("the neighbour");
        assert_eq!((found.ifindex, found.failed), (made.host_ifindex, false));
        assert_eq!(
            found.mac.map(|m| m.to_string()).as_deref(),
            Some("02:00:00:00:00:07")
        );
        let inside = kernel
            .neighbours(Some(&spec.container))
            .await
            .expect("listed");
        assert!(inside.iter().all(|n| n.address != ip("10.9.0.2")));
    });
}

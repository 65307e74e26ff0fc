//! The node's own links, addresses, routes and sysctls: made again without harm, and seen
//! as they are.

mod common;

use common::{Ns, dual_stack, ifname, ip, net, run, veth, wanted, with_kernel};
use flatnet_kernel::{
    AddressError, AddressSpec, Kernel, LinkChange, LinkError, NextHop, OperState, RouteError,
    RouteKind, RouteScope, RouteSpec, SysctlError, SysctlKey,
};
use flatnet_types::{MacAddr, Mtu};

/// The number that marks a route as ours in these tests.
const OURS: u8 = 199;

/// A host with a veth pair of which both ends are up.
async fn ready(kernel: &Kernel, host: &Ns) -> u32 {
    run(
        "ip",
        &[
            "-n", &host.name, "link", "add", "up0", "type", "veth", "peer", "up1",
        ],
    );
    for name in ["up0", "up1"] {
        let up = LinkChange {
            up: Some(true),
            ..LinkChange::default()
        };
        assert!(kernel.set_link(&ifname(name), &up).await.expect("set"));
        assert!(!kernel.set_link(&ifname(name), &up).await.expect("set"));
    }
    kernel
        .link(&ifname("up0"))
        .await
        .expect("read")
        .expect("there")
        .ifindex
}

#[test]
fn a_link_is_changed_once() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        ready(&kernel, host).await;
        let name = ifname("up0");
        let change = LinkChange {
            up: Some(true),
            mtu: Some(Mtu::new(1450).expect("in bounds")),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 7])),
            alias: Some("flatnet:uplink".to_owned()),
        };
        assert!(kernel.set_link(&name, &change).await.expect("set"));
        assert!(!kernel.set_link(&name, &change).await.expect("set"));
        let link = host.link("up0").expect("there");
        assert_eq!(link["mtu"], 1450);
        assert_eq!(link["address"], "02:00:00:00:00:07");
        assert_eq!(link["ifalias"], "flatnet:uplink");

        let seen = kernel.link(&name).await.expect("read").expect("there");
        assert_eq!(seen.alias.as_deref(), Some("flatnet:uplink"));
        assert_eq!(seen.kind.as_deref(), Some("veth"));
        assert_eq!(seen.mtu, 1450);
        assert_eq!(seen.oper, OperState::Up);
        let peer = kernel.link(&ifname("up1")).await.expect("read");
        assert_eq!(seen.peer_ifindex, peer.map(|p| p.ifindex));
        assert!(!seen.peer_in_other_netns);

        let none = LinkChange {
            alias: Some(String::new()),
            ..LinkChange::default()
        };
        assert!(kernel.set_link(&name, &none).await.expect("set"));
        assert!(host.link("up0").expect("there")["ifalias"].is_null());
        let e = kernel.set_link(&ifname("none"), &none).await;
        assert!(matches!(e, Err(LinkError::NoSuchLink { .. })), "{e:?}");
    });
}

/// Whether this kernel keeps an address's protocol: since 5.18.
fn keeps_marks() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(18))
}

#[test]
fn an_address_is_added_once_and_deleted_once() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        let ifindex = ready(&kernel, host).await;
        let name = ifname("up0");
        for address in ["192.0.2.1/24", "2001:db8::1/64"] {
            let spec = AddressSpec::new(net(address));
            assert!(kernel.ensure_address(&name, &spec).await.expect("added"));
            assert!(!kernel.ensure_address(&name, &spec).await.expect("there"));
        }
        assert_eq!(host.addresses("up0"), ["192.0.2.1/24", "2001:db8::1/64"]);
        let seen = kernel.addresses().await.expect("listed");
        let mine: Vec<_> = seen.iter().filter(|a| a.ifindex == ifindex).collect();
        assert!(
            mine.iter()
                .any(|a| a.address == net("192.0.2.1/24") && a.is_permanent())
        );
        assert!(
            mine.iter()
                .any(|a| a.address == net("2001:db8::1/64") && !a.is_tentative())
        );

        // The prefix length of an IPv6 address changes in place.
        let longer = AddressSpec::new(net("2001:db8::1/112"));
        assert!(
            kernel
                .ensure_address(&name, &longer)
                .await
                .expect("changed")
        );
        assert_eq!(host.addresses("up0"), ["192.0.2.1/24", "2001:db8::1/112"]);

        let bare = AddressSpec {
            noprefixroute: true,
            protocol: 94,
            ..AddressSpec::new(net("198.51.100.1/24"))
        };
        assert!(kernel.ensure_address(&name, &bare).await.expect("added"));
        let seen = kernel.addresses().await.expect("listed");
        let found = seen.iter().find(|a| a.address == bare.address);
        let marked = if keeps_marks() { 94 } else { 0 };
        assert_eq!(found.map(|a| a.protocol), Some(marked));
        let routes = host.ip(&["route", "show", "198.51.100.0/24"]);
        assert_eq!(routes.as_array().map(Vec::len), Some(0), "{routes}");

        for address in ["192.0.2.1/24", "2001:db8::1/112"] {
            let address = net(address);
            assert!(
                kernel
                    .delete_address(&name, address)
                    .await
                    .expect("deleted")
            );
            assert!(!kernel.delete_address(&name, address).await.expect("absent"));
        }
        assert_eq!(host.addresses("up0"), ["198.51.100.1/24"]);

        let none = ifname("none");
        let gone = kernel.delete_address(&none, net("192.0.2.1/24")).await;
        assert!(!gone.expect("no interface, no address"));
        let e = kernel.ensure_address(&none, &bare).await;
        assert!(matches!(e, Err(AddressError::NoSuchLink { .. })), "{e:?}");
    });
}

/// Makes a route twice and deletes it twice.
async fn comes_and_goes(kernel: &Kernel, route: &RouteSpec) {
    assert!(
        kernel.ensure_route(route).await.expect("added"),
        "{route:?}"
    );
    assert!(
        !kernel.ensure_route(route).await.expect("there"),
        "{route:?}"
    );
    let seen = kernel.routes().await.expect("listed");
    let mine = seen
        .iter()
        .find(|r| r.dst == route.dst && r.table == route.table)
        .unwrap_or_else(|| panic!("{route:?} is not seen"));
    assert_eq!(mine.protocol, OURS);
    assert_eq!(mine.kind, route.kind);
    assert!(
        kernel.delete_route(route).await.expect("deleted"),
        "{route:?}"
    );
    assert!(
        !kernel.delete_route(route).await.expect("absent"),
        "{route:?}"
    );
}

#[test]
fn routes_of_every_form_are_made_once_and_deleted_once() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        let dev = ready(&kernel, host).await;
        for address in ["192.0.2.1/24", "2001:db8::1/64"] {
            let spec = AddressSpec::new(net(address));
            kernel
                .ensure_address(&ifname("up0"), &spec)
                .await
                .expect("added");
        }
        let via4 = NextHop::via(ip("192.0.2.9"));
        let via6 = NextHop::via(ip("2001:db8::9"));
        let route = |dst: &str, hops: Vec<NextHop>| RouteSpec::new(net(dst), hops, OURS);
        let far = NextHop::via(ip("203.0.113.1")).through(dev).onlink();
        let heavy = NextHop {
            weight: 5,
            ..NextHop::via(ip("192.0.2.8"))
        };
        let all = [
            route("10.1.0.0/16", vec![via4.clone()]),
            route("10.2.0.0/16", vec![NextHop::dev(dev)]),
            route("10.3.0.0/16", vec![far]),
            route("10.4.0.0/16", vec![via4.clone(), heavy]),
            route("2001:db8:1::/48", vec![via6.clone()]),
            route("2001:db8:2::/48", vec![NextHop::dev(dev)]),
            route(
                "2001:db8:3::/48",
                vec![via6.clone(), NextHop::via(ip("2001:db8::8"))],
            ),
            // An IPv4 prefix by way of an IPv6 router (RFC 5549).
            route("10.5.0.0/16", vec![via6.clone().through(dev)]),
            RouteSpec {
                table: 1000,
                metric: Some(50),
                src: Some(ip("192.0.2.1")),
                ..route("10.6.0.0/16", vec![via4.clone()])
            },
            RouteSpec {
                table: 1000,
                metric: Some(50),
                ..route("2001:db8:6::/48", vec![via6])
            },
            RouteSpec {
                kind: RouteKind::Blackhole,
                scope: RouteScope::Universe,
                ..route("10.7.0.0/16", vec![])
            },
            RouteSpec {
                kind: RouteKind::Unreachable,
                ..route("2001:db8:7::/48", vec![])
            },
        ];
        for route in &all {
            comes_and_goes(&kernel, route).await;
        }
    });
}

#[test]
fn a_route_of_ours_is_replaced_and_one_of_others_is_not() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        ready(&kernel, host).await;
        let spec = AddressSpec::new(net("192.0.2.1/24"));
        kernel
            .ensure_address(&ifname("up0"), &spec)
            .await
            .expect("added");

        let by = |via: &str| RouteSpec::new(net("10.1.0.0/16"), vec![NextHop::via(ip(via))], OURS);
        assert!(kernel.ensure_route(&by("192.0.2.8")).await.expect("added"));
        assert!(
            kernel
                .ensure_route(&by("192.0.2.9"))
                .await
                .expect("replaced")
        );
        let now = host.ip(&["route", "show", "10.1.0.0/16"]);
        assert_eq!(now[0]["gateway"], "192.0.2.9");
        assert_eq!(now.as_array().map(Vec::len), Some(1));

        let foreign = [
            "route",
            "add",
            "10.2.0.0/16",
            "via",
            "192.0.2.7",
            "proto",
            "static",
        ];
        let mut all = vec!["-n", host.name.as_str()];
        all.extend(foreign);
        run("ip", &all);
        let ours = RouteSpec {
            dst: net("10.2.0.0/16"),
            ..by("192.0.2.9")
        };
        let e = kernel.ensure_route(&ours).await.expect_err("not ours");
        assert!(matches!(e, RouteError::Foreign { protocol: 4, .. }), "{e}");
        assert!(!kernel.delete_route(&ours).await.expect("not ours"));
        // One with a metric of its own is ours, and deleting without one spares it.
        let beside = RouteSpec {
            metric: Some(7),
            ..ours.clone()
        };
        assert!(kernel.ensure_route(&beside).await.expect("added"));
        assert!(!kernel.delete_route(&ours).await.expect("not ours"));
        assert!(kernel.delete_route(&beside).await.expect("deleted"));
        let now = host.ip(&["route", "show", "10.2.0.0/16"]);
        assert_eq!(now[0]["gateway"], "192.0.2.7");

        let far = by("203.0.113.1");
        let far = RouteSpec {
            dst: net("10.3.0.0/16"),
            ..far
        };
        let e = kernel.ensure_route(&far).await.expect_err("out of reach");
        assert!(matches!(e, RouteError::NextHopUnusable { .. }), "{e}");
        assert!(e.is_retryable());
    });
}

#[test]
fn a_container_is_seen_as_it_was_set() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let eth0 = ifname("eth0");
        let seen = kernel.observe_container(&netns, &eth0).await;
        assert_eq!(seen.expect("read"), None);
        let veth = veth(1, &netns);
        let made = kernel.create_veth(&veth).await.expect("made");
        let spec = dual_stack(made.container_ifindex);
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("configured");

        let seen = kernel.observe_container(&netns, &eth0).await;
        let seen = seen.expect("read").expect("there");
        assert_eq!(seen.ifindex, made.container_ifindex);
        assert_eq!(seen.mac, Some(veth.container_mac));
        assert_eq!(seen.mtu, veth.mtu.get());
        assert_eq!(seen.peer_ifindex, Some(made.host_ifindex));
        assert!(seen.up && seen.oper == OperState::Up);
        for wanted in &spec.addresses {
            assert!(
                seen.addresses.iter().any(|a| a.address == *wanted),
                "{wanted}"
            );
        }
        for wanted in &spec.routes {
            assert!(
                seen.routes.iter().any(|r| r.dst == wanted.dst
                    && r.nexthops.len() == 1
                    && r.nexthops[0].via == wanted.via
                    && r.nexthops[0].ifindex == Some(spec.ifindex)),
                "{wanted:?}"
            );
        }
        // Two for the prefixes, two defaults, and the link-local prefix.
        assert!(seen.routes.len() <= 5, "{:?}", seen.routes);

        let links = kernel.links().await.expect("listed");
        let end = links.iter().find(|l| l.name == "flt1").expect("there");
        assert_eq!(end.ifindex, made.host_ifindex);
        assert_eq!(end.mac, Some(made.host_mac));
        assert_eq!(end.alias, veth.alias);
        assert_eq!(end.peer_ifindex, Some(made.container_ifindex));
        assert!(end.peer_in_other_netns);
        assert!(links.iter().any(|l| l.name == "lo" && l.ifindex == 1));
    });
}

#[test]
fn neighbours_are_counted_by_family() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        ready(&kernel, host).await;
        for n in 1..=5 {
            let to = if n > 3 {
                format!("2001:db8::{n}")
            } else {
                format!("192.0.2.{n}")
            };
            let mac = format!("02:00:00:00:00:0{n}");
            run(
                "ip",
                &[
                    "-n", &host.name, "neigh", "add", &to, "lladdr", &mac, "dev", "up0",
                ],
            );
        }
        let count = kernel.neighbour_count().await.expect("counted");
        assert_eq!(count.ipv4, 3);
        assert!(count.ipv6 >= 2, "{count:?}");
    });
}

#[test]
fn sysctls_are_those_of_the_namespace() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        let key = SysctlKey::ipv4_conf("all", "forwarding");
        kernel.set_sysctl(&key, "0").await.expect("set");
        assert!(kernel.set_sysctl(&key, "1").await.expect("set"));
        assert!(!kernel.set_sysctl(&key, "1").await.expect("set"));
        assert_eq!(kernel.sysctl(&key).await.as_deref(), Ok("1"));
        let seen = host.exec(&["sysctl", "-n", "net.ipv4.conf.all.forwarding"]);
        assert_eq!(seen.trim(), "1");

        let e = kernel
            .set_sysctl(&key, "rubbish")
            .await
            .expect_err("no number");
        assert!(matches!(e, SysctlError::BadValue { .. }), "{e}");
        let none = SysctlKey::new("ipv4/conf/none/forwarding").expect("sound");
        let e = kernel.sysctl(&none).await.expect_err("no such interface");
        assert!(matches!(e, SysctlError::Absent { .. }), "{e}");
        // The bounds are shown in the first namespace only.
        let e = kernel.neighbour_limits(false).await;
        assert!(
            e.is_ok() || matches!(e, Err(SysctlError::Absent { .. })),
            "{e:?}"
        );
    });
}

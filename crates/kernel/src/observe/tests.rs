use super::*;
use crate::view::RouteScope;

fn hop(via: &str, weight: u16) -> NextHop {
    NextHop {
        weight,
        ..NextHop::via(via.parse().expect("an address")).through(3)
    }
}

fn spec(nexthops: Vec<NextHop>) -> RouteSpec {
    RouteSpec::new("10.0.0.0/8".parse().expect("a prefix"), nexthops, 99)
}

fn seen(spec: &RouteSpec) -> Route {
    Route {
        dst: spec.dst,
        table: spec.table,
        protocol: spec.protocol,
        metric: spec.metric,
        scope: spec.scope,
        kind: spec.kind,
        src: spec.src,
        mtu: None,
        nexthops: spec.nexthops.clone(),
    }
}

#[test]
fn a_route_is_itself() {
    let wanted = spec(vec![hop("192.0.2.1", 1)]);
    assert!(is_route(&seen(&wanted), &wanted));
}

#[test]
fn the_order_of_next_hops_does_not_matter_and_their_weight_does() {
    let wanted = spec(vec![hop("192.0.2.1", 1), hop("192.0.2.2", 2)]);
    let mut there = seen(&wanted);
    there.nexthops.reverse();
    assert!(is_route(&there, &wanted));
    there.nexthops[0].weight = 7;
    assert!(!is_route(&there, &wanted));
}

#[test]
fn twice_the_same_next_hop_is_not_two_next_hops() {
    let wanted = spec(vec![hop("192.0.2.1", 1), hop("192.0.2.1", 1)]);
    let mut there = seen(&wanted);
    assert!(is_route(&there, &wanted));
    there.nexthops[1] = hop("192.0.2.2", 1);
    assert!(!is_route(&there, &wanted));
}

#[test]
fn an_interface_left_to_the_kernel_is_any() {
    let mut wanted = spec(vec![hop("192.0.2.1", 1)]);
    let there = seen(&wanted);
    wanted.nexthops[0].ifindex = None;
    assert!(is_route(&there, &wanted));
    wanted.nexthops[0].ifindex = Some(4);
    assert!(!is_route(&there, &wanted));
}

#[test]
fn table_metric_scope_kind_and_source_tell_routes_apart() {
    let wanted = spec(vec![hop("192.0.2.1", 1)]);
    let change = |f: fn(&mut Route)| {
        let mut there = seen(&wanted);
        f(&mut there);
        is_route(&there, &wanted)
    };
    assert!(!change(|r| r.table = 100));
    assert!(!change(|r| r.metric = Some(5)));
    assert!(!change(|r| r.scope = RouteScope::Link));
    assert!(!change(|r| r.kind = RouteKind::Blackhole));
    assert!(
        change(|r| r.src = "192.0.2.9".parse().ok()),
        "none was asked"
    );
    assert!(
        change(|r| r.protocol = 1),
        "whose it is, is another question"
    );
}

#[test]
fn ipv6_has_a_metric_even_where_none_was_asked() {
    let mut wanted = spec(Vec::new());
    wanted.dst = "2001:db8::/32".parse().expect("a prefix");
    wanted.kind = RouteKind::Unreachable;
    let mut there = seen(&wanted);
    there.metric = Some(1024);
    // The kernel shows lo as the way to nowhere.
    there.nexthops = vec![NextHop::dev(1)];
    there.scope = RouteScope::Universe;
    assert!(is_route(&there, &wanted));
    there.metric = Some(1);
    assert!(!is_route(&there, &wanted));
}

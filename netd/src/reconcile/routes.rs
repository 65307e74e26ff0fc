//! The host's routes, beside those of other programs: one that leads where netd's would is as
//! good as netd's; one that stands in the way is named, and never changed.

use super::actual::{Actual, RouteActual, UnmanagedRoute};
use super::desired::Desired;
use super::op::Op;
use super::plan::ChangeSet;
use crate::problems::Problem;

/// `RTPROT_KERNEL`: the route to the prefix of an address.
const KERNEL: u8 = 2;

/// Plans routes.
pub(super) fn plan(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    let wanted = desired.routes();
    // Additions before deletions: a prefix that moves is never without a route.
    for route in wanted.difference(&actual.routes) {
        match conflicting_route(route, actual) {
            None => changes.ops.push(Op::AddRoute(route.clone())),
            Some(other) if same_next_hop(&other.route, route) => {}
            Some(other) => changes.problems.push(problem(route, other)),
        }
    }
    for route in &wanted {
        changes.problems.extend(preferred_default(route, actual));
    }
    changes.ops.extend(
        actual
            .routes
            .difference(&wanted)
            .cloned()
            .map(Op::DeleteRoute),
    );
}

/// Whether a route sends packets the way of the other. The preferred source does not count: the
/// host may choose its own.
fn same_next_hop(other: &RouteActual, wanted: &RouteActual) -> bool {
    other.via == wanted.via && other.dev == wanted.dev
}

fn default_metric(route: &RouteActual) -> u32 {
    if route.dst.is_ipv6() { 1024 } else { 0 }
}

/// The route of another program that the kernel takes for the same: destination and metric. IPv6
/// keeps both beside each other.
fn conflicting_route<'a>(wanted: &RouteActual, actual: &'a Actual) -> Option<&'a UnmanagedRoute> {
    let mut same = actual
        .unmanaged_routes
        .iter()
        .filter(|f| f.route.dst == wanted.dst && f.metric == default_metric(wanted))
        // A kernel's own goes with its address, and netd's is as good then.
        .filter(|f| f.protocol != KERNEL || same_next_hop(&f.route, wanted));
    let first = same.clone().next();
    same.find(|f| same_next_hop(&f.route, wanted)).or(first)
}

/// A default route of another program that the kernel prefers to the wanted one.
fn preferred_default(wanted: &RouteActual, actual: &Actual) -> Option<Problem> {
    if wanted.dst.prefix() != 0 {
        return None;
    }
    let other = actual.unmanaged_routes.iter().find(|f| {
        f.route.dst == wanted.dst
            && f.metric < default_metric(wanted)
            && !same_next_hop(&f.route, wanted)
    })?;
    Some(problem(wanted, other))
}

fn problem(wanted: &RouteActual, other: &UnmanagedRoute) -> Problem {
    let UnmanagedRoute {
        route,
        protocol,
        metric,
    } = other;
    let code = match wanted.dst.prefix() {
        0 => "foreign-default-route",
        _ => "foreign-route",
    };
    let text = format!(
        "the route {route} metric {metric} of protocol {protocol} takes the place of {wanted}: \
         netd changes no route of others; take it out of what made it, or take {} out of the plan \
         if it is meant",
        wanted
    );
    let family = if route.dst.is_ipv6() { "-6 " } else { "" };
    let via = route
        .via
        .map_or_else(String::new, |via| format!(" via {via}"));
    let command = format!(
        "ip {family}route del {}{via} dev {} metric {metric}",
        route.dst, route.dev
    );
    Problem::named(code, text).repaired_by(command)
}

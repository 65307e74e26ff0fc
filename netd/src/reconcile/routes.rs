//! The host's routes and those of other programs. An unmanaged route to the same next hop replaces
//! netd's; a conflicting one is a problem, and never changed.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;

use super::actual::{Actual, RouteActual, UnmanagedRoute};
use super::change_set::ChangeSet;
use super::desired::Desired;
use super::op::Op;
use crate::problems::Problem;

/// `RTPROT_KERNEL`: the route to the prefix of an address.
const KERNEL: u8 = 2;

/// Computes the ops and problems of routes.
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
    // A route with another next hop was replaced by the addition. Deleting it too would delete the
    // new one, because a route is deleted wherever it leads.
    let replaced: BTreeSet<IpNetwork> = changes
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::AddRoute(route) => Some(route.dst),
            _ => None,
        })
        .collect();
    let gone = actual.routes.difference(&wanted);
    let gone = gone.filter(|route| !replaced.contains(&route.dst));
    changes.ops.extend(gone.cloned().map(Op::DeleteRoute));
}

/// Whether both routes have the same next hop and link. The preferred source is not compared.
fn same_next_hop(other: &RouteActual, wanted: &RouteActual) -> bool {
    other.via == wanted.via && other.dev == wanted.dev
}

fn default_metric(route: &RouteActual) -> u32 {
    if route.dst.is_ipv6() { 1024 } else { 0 }
}

/// The unmanaged route with the same destination and metric, which the kernel treats as the same
/// route; for IPv6 it keeps both.
fn conflicting_route<'a>(wanted: &RouteActual, actual: &'a Actual) -> Option<&'a UnmanagedRoute> {
    let mut same = actual
        .unmanaged_routes
        .iter()
        .filter(|f| f.route.dst == wanted.dst && f.metric == default_metric(wanted))
        // A kernel route by another link is no conflict: it is deleted with its address, and then
        // netd's route applies.
        .filter(|f| f.protocol != KERNEL || same_next_hop(&f.route, wanted));
    let first = same.clone().next();
    same.find(|f| same_next_hop(&f.route, wanted)).or(first)
}

/// The problem of an unmanaged default route with a lower metric.
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
    Problem::non_blocking(code, text).repaired_by(command)
}

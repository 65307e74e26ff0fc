//! The host's routes, beside those of other programs: one that leads where netd's would is as
//! good as netd's; one that stands in the way is named, and never changed.

use super::actual::{Actual, ForeignRoute, RouteActual};
use super::desired::Desired;
use super::op::Op;
use super::plan::Plan;
use crate::problems::Problem;

/// `RTPROT_KERNEL`: the route to the prefix of an address.
const KERNEL: u8 = 2;

/// Plans routes.
pub(super) fn plan(desired: &Desired, actual: &Actual, plan: &mut Plan) {
    let wanted = desired.routes();
    // Additions before deletions: a prefix that moves is never without a route.
    for route in wanted.difference(&actual.routes) {
        match in_place(route, actual) {
            None => plan.ops.push(Op::AddRoute(route.clone())),
            Some(other) if leads_there(&other.route, route) => {}
            Some(other) => plan.problems.push(problem(route, other)),
        }
    }
    for route in &wanted {
        plan.problems.extend(before(route, actual));
    }
    plan.ops.extend(
        actual
            .routes
            .difference(&wanted)
            .cloned()
            .map(Op::DeleteRoute),
    );
}

/// Whether a route sends packets the way of the other. The preferred source does not count: the
/// host may choose its own.
fn leads_there(other: &RouteActual, wanted: &RouteActual) -> bool {
    other.via == wanted.via && other.dev == wanted.dev
}

fn default_metric(route: &RouteActual) -> u32 {
    if route.dst.is_ipv6() { 1024 } else { 0 }
}

/// The route of another program that the kernel takes for the same: destination and metric. IPv6
/// keeps both beside each other.
fn in_place<'a>(wanted: &RouteActual, actual: &'a Actual) -> Option<&'a ForeignRoute> {
    let mut same = actual
        .foreign
        .iter()
        .filter(|f| f.route.dst == wanted.dst && f.metric == default_metric(wanted))
        // A kernel's own goes with its address, and netd's is as good then.
        .filter(|f| f.protocol != KERNEL || leads_there(&f.route, wanted));
    let first = same.clone().next();
    same.find(|f| leads_there(&f.route, wanted)).or(first)
}

/// A default route of another program that the kernel prefers to the wanted one.
fn before(wanted: &RouteActual, actual: &Actual) -> Option<Problem> {
    if wanted.dst.prefix() != 0 {
        return None;
    }
    let other = actual.foreign.iter().find(|f| {
        f.route.dst == wanted.dst
            && f.metric < default_metric(wanted)
            && !leads_there(&f.route, wanted)
    })?;
    Some(problem(wanted, other))
}

fn problem(wanted: &RouteActual, other: &ForeignRoute) -> Problem {
    let ForeignRoute {
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

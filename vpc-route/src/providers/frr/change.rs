//! From an op to staticd's commands, in steps that leave no address without a route.
//!
//! ```text
//!   IPv4   add the new next hop ── in force? ─▶ take the old one away
//!   IPv6   add two more-specifics by the new next hop ── in force? ─▶ add new, take old
//!          ── in force? ─▶ take the more-specifics away
//! ```
//!
//! Zebra replaces an IPv4 route in the kernel with one message. An IPv6 route it deletes and
//! adds anew (unless it was started with `--v6-rr-semantics`, which it does not tell), so more
//! specific routes stand in. A host route has no more-specifics.

use crate::diff::Op;
use crate::model::{NextHops, Prefix};

use super::running::StaticRoute;

/// The commands of one op.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Change {
    /// The commands that are sent first.
    pub(super) first: Vec<String>,
    /// Destinations and next hops that must be in force then, if anything is to be taken away.
    pub(super) awaited: Vec<(Prefix, Vec<String>)>,
    /// What takes `first` back.
    pub(super) undo: Vec<String>,
    /// The commands that are sent next.
    pub(super) second: Vec<String>,
    /// The same for the last step: the destination as it shall be.
    pub(super) settled: Vec<(Prefix, Vec<String>)>,
    /// The commands that are sent last.
    pub(super) third: Vec<String>,
}

/// Why an op has no commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Taken {
    /// A static route with another tag, or none, is there.
    #[error("{destination} via {hop} has another's tag ({tag}): it would become ours")]
    Unmanaged {
        /// The destination.
        destination: Prefix,
        /// The next hop.
        hop: String,
        /// Its tag.
        tag: u32,
    },
}

/// The commands of an op, by what is configured now.
///
/// # Errors
/// [`Taken`] where a command would change a route of others.
pub(super) fn change(op: &Op, routes: &[StaticRoute], tag: u32) -> Result<Change, Taken> {
    let destination = op.destination();
    let here = || routes.iter().filter(move |r| r.destination == destination);
    let ours: Vec<&StaticRoute> = here().filter(|r| r.tag == tag).collect();
    let to: Vec<String> = match op {
        Op::Create { next_hops, .. } => hops(next_hops),
        Op::Modify { to, .. } => hops(to),
        Op::Delete { .. } => Vec::new(),
    };
    let distance = ours.first().map_or(1, |r| r.distance);
    // A next hop is in one path of its destination only, and a path has one tag.
    let stolen = here().find(|r| r.tag != tag && (r.distance == distance || to.contains(&r.hop)));
    if let (Some(route), false) = (stolen, to.is_empty()) {
        return Err(Taken::Unmanaged {
            destination,
            hop: route.hop.clone(),
            tag: route.tag,
        });
    }
    let fresh = to.iter().filter(|hop| !ours.iter().any(|r| r.hop == **hop));
    let fresh: Vec<String> = fresh.cloned().collect();
    let add: Vec<String> = fresh
        .iter()
        .map(|hop| line(destination, hop, tag, distance))
        .collect();
    let old = ours.iter().filter(|r| !to.contains(&r.hop));
    let take: Vec<String> = old.map(|r| no(destination, &r.hop)).collect();
    let settled = vec![(destination, to.clone())];
    Ok(match op {
        Op::Delete { .. } => Change {
            first: take,
            ..Change::default()
        },
        Op::Create { .. } => Change {
            first: add,
            awaited: settled,
            second: take,
            ..Change::default()
        },
        Op::Modify { .. } if !destination.is_ipv6() => Change {
            undo: fresh.iter().map(|hop| no(destination, hop)).collect(),
            first: add,
            awaited: settled,
            second: take,
            ..Change::default()
        },
        Op::Modify { .. } => {
            let free = |part: &Prefix| !routes.iter().any(|r| r.destination == *part);
            let parts = destination.more_specifics().into_iter().flatten();
            let parts: Vec<Prefix> = parts.filter(free).collect();
            let each = |make: &dyn Fn(Prefix, &str) -> String| {
                let pairs = parts.iter().flat_map(|p| to.iter().map(|hop| (*p, hop)));
                pairs.map(|(part, hop)| make(part, hop)).collect::<Vec<_>>()
            };
            let unshield = each(&no);
            Change {
                first: each(&|part, hop| line(part, hop, tag, 1)),
                awaited: parts.iter().map(|part| (*part, to.clone())).collect(),
                undo: unshield.clone(),
                second: add.into_iter().chain(take).collect(),
                settled,
                third: unshield,
            }
        }
    })
}

/// The commands that give every next hop of a destination our tag.
pub(super) fn adopt(destination: Prefix, routes: &[StaticRoute], tag: u32) -> Vec<String> {
    let here = routes.iter().filter(|r| r.destination == destination);
    here.map(|r| line(destination, &r.hop, tag, r.distance))
        .collect()
}

fn hops(hops: &NextHops) -> Vec<String> {
    hops.iter().map(|hop| hop.id.clone()).collect()
}

fn line(destination: Prefix, hop: &str, tag: u32, distance: u8) -> String {
    let word = word(destination);
    let mut line = format!("{word} route {destination} {hop} tag {tag}");
    if distance != 1 {
        line.push_str(&format!(" {distance}"));
    }
    line
}

fn no(destination: Prefix, hop: &str) -> String {
    format!("no {} route {destination} {hop}", word(destination))
}

fn word(destination: Prefix) -> &'static str {
    if destination.is_ipv6() { "ipv6" } else { "ip" }
}

//! Where instances go: the delta alone is divided over what is free.
//!
//! ```text
//!   per node min(cpu, memory, pods, addresses) ─▶ room of a group, less what others were promised
//!   locations' minimums (the largest shortfall first) ─▶ the rest by largest remainder ─▶ nodes (a prediction)
//! ```

mod nodes;
mod text;

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::{CellCount, LocationWish, Resources, Spread};

use crate::apportion::largest_remainder;

/// What is free on a node, less what its pods have requested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The top-of-rack switch that it hangs on, where the plan knows.
    pub switch: Option<String>,
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Pods that its kubelet would still take.
    pub pods: u32,
    /// Free addresses of the network, less those in quarantine.
    pub addresses: u32,
    /// Instances of the application that are there already.
    pub present: u32,
}

impl Node {
    /// How many instances of that size fit: the least of what each resource allows.
    pub fn room(&self, size: &Resources) -> u32 {
        let of = |free: u64, each: u64| free.checked_div(each).unwrap_or(u64::MAX);
        let cpu = of(self.cpu_millis, size.cpu_millis);
        let memory = of(self.memory_bytes, size.memory_bytes);
        let least = cpu
            .min(memory)
            .min(u64::from(self.pods.min(self.addresses)));
        u32::try_from(least).unwrap_or(u32::MAX)
    }
}

/// A group of nodes that an application may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headroom<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// Its location.
    pub location: &'a str,
    /// The group.
    pub group: &'a str,
    /// Its ready and schedulable nodes.
    pub nodes: &'a [Node],
    /// Instances that have been promised there and are not made yet.
    pub reserved: u32,
    /// Instances of the application that are there and that `existing` does not count: they need no room.
    pub made: u32,
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// Instances to add.
    pub count: u32,
    /// What one of them requests, beside a pod and an address.
    pub size: Resources,
    /// The locations, in order, with their minimums.
    pub locations: &'a [LocationWish],
    /// Where instances are already: they count towards the minimums, and stay.
    pub existing: &'a [CellCount],
    /// How instances are kept apart.
    pub spread: Spread,
}

/// Where instances go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Instances to add, by cluster and group; those with none are left out.
    pub cells: Vec<Cell>,
}

/// Instances to add in a group of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// The cluster.
    pub cluster: String,
    /// Its location.
    pub location: String,
    /// The group.
    pub group: String,
    /// How many.
    pub count: u32,
    /// The nodes, as they would be chosen here. The cluster's scheduler decides: it is a prediction.
    pub nodes: Vec<(String, u32)>,
}

/// Not everything fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// How many were to be placed.
    pub wanted: u32,
    /// How many of them fit.
    pub fits: u32,
    /// What is short, by location.
    pub lines: Vec<ShortLocation>,
    /// Where those go that fit.
    pub partial: Placement,
}

/// What is short in a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortLocation {
    /// The location.
    pub location: String,
    /// Its minimum, less what is there already.
    pub wants: u32,
    /// What its groups have room for.
    pub room: u32,
    /// Its clusters that were looked at.
    pub clusters: u32,
    /// The resource that allows fewest there: `CPU`, `memory`, `pods` or `addresses`.
    pub scarce: &'static str,
}

/// Places `request.count` instances on what is free.
///
/// # Errors
/// [`Shortage`], with what fits and what is short, where they do not all fit or a location cannot have its minimum.
pub fn place(request: &Request<'_>, headroom: &[Headroom<'_>]) -> Result<Placement, Box<Shortage>> {
    let named: BTreeMap<&str, usize> = names(request);
    let usable = |h: &&Headroom<'_>| named.contains_key(h.location);
    let groups: Vec<&Headroom<'_>> = headroom.iter().filter(usable).collect();
    let room = |h: &&Headroom<'_>| {
        let sum: u64 = h
            .nodes
            .iter()
            .map(|n| u64::from(n.room(&request.size)))
            .sum();
        u32::try_from(sum)
            .unwrap_or(u32::MAX)
            .saturating_add(h.made)
            .saturating_sub(h.reserved)
    };
    let rooms: Vec<u32> = groups.iter().map(room).collect();

    let short = shortfalls(request, &groups, &rooms);
    let mut taken = vec![0_u32; groups.len()];
    let mut left = request.count;
    let mut kept = true;
    // The largest shortfall is served first, so that what is missing is missing where least is.
    let mut order: Vec<&Shortfall<'_>> = short.iter().filter(|s| s.wants > 0).collect();
    order.sort_by_key(|s| (std::cmp::Reverse(s.wants), s.rank));
    for of in order {
        let count = of.wants.min(of.room).min(left);
        kept &= count == of.wants;
        left -= count;
        add(&mut taken, &rooms, count, |i| {
            groups[i].location == of.location
        });
    }
    let free: u64 = rooms
        .iter()
        .zip(&taken)
        .map(|(r, t)| u64::from(r - t))
        .sum();
    let rest = left.min(u32::try_from(free).unwrap_or(u32::MAX));
    add(&mut taken, &rooms, rest, |_| true);

    let cells = groups.iter().zip(&taken).filter(|(_, count)| **count > 0);
    let cells = cells.map(|(h, count)| Cell {
        cluster: h.cluster.to_owned(),
        location: h.location.to_owned(),
        group: h.group.to_owned(),
        count: *count,
        nodes: nodes::chosen(h.nodes, &request.size, *count, request.spread),
    });
    let partial = Placement {
        cells: cells.collect(),
    };
    if kept && rest == left {
        return Ok(partial);
    }
    let lines = short.iter().map(|s| s.told(&groups, &request.size));
    Err(Box::new(Shortage {
        wanted: request.count,
        fits: taken.iter().sum(),
        lines: lines.collect(),
        partial,
    }))
}

/// Each location and its place in the request's order.
fn names<'a>(request: &Request<'a>) -> BTreeMap<&'a str, usize> {
    let names = request.locations.iter().enumerate();
    names
        .map(|(rank, wish)| (wish.name.as_str(), rank))
        .collect()
}

/// What a location lacks of its minimum.
struct Shortfall<'a> {
    location: &'a str,
    rank: usize,
    wants: u32,
    room: u32,
}

fn shortfalls<'a>(
    request: &Request<'a>,
    groups: &[&Headroom<'_>],
    rooms: &[u32],
) -> Vec<Shortfall<'a>> {
    let of = |(rank, wish): (usize, &'a LocationWish)| {
        let there = request.existing.iter().filter(|c| c.location == wish.name);
        let there: u32 = there.map(|c| c.count).sum();
        let free = groups
            .iter()
            .zip(rooms)
            .filter(|(h, _)| h.location == wish.name);
        Shortfall {
            location: &wish.name,
            rank,
            wants: wish.min.unwrap_or(0).saturating_sub(there),
            room: free.fold(0, |sum: u32, (_, room)| sum.saturating_add(*room)),
        }
    };
    request.locations.iter().enumerate().map(of).collect()
}

impl Shortfall<'_> {
    fn told(&self, groups: &[&Headroom<'_>], size: &Resources) -> ShortLocation {
        let here = || groups.iter().filter(|h| h.location == self.location);
        let nodes = || here().flat_map(|h| h.nodes);
        let by = |of: fn(&Node, &Resources) -> u64| nodes().map(|n| of(n, size)).sum::<u64>();
        let least = [
            ("CPU", by(|n, s| n.cpu_millis / s.cpu_millis.max(1))),
            ("memory", by(|n, s| n.memory_bytes / s.memory_bytes.max(1))),
            ("pods", by(|n, _| u64::from(n.pods))),
            ("addresses", by(|n, _| u64::from(n.addresses))),
        ];
        let scarce = least.iter().min_by_key(|(_, room)| *room);
        ShortLocation {
            location: self.location.to_owned(),
            wants: self.wants,
            room: self.room,
            clusters: u32::try_from(here().count()).unwrap_or(u32::MAX),
            scarce: scarce.map_or("pods", |(name, _)| name),
        }
    }
}

/// Adds `count` to those that `among` names, in proportion to the room that each has left.
fn add(taken: &mut [u32], rooms: &[u32], count: u32, among: impl Fn(usize) -> bool) {
    let weight = |i: usize| match among(i) {
        true => u64::from(rooms[i].saturating_sub(taken[i])),
        false => 0,
    };
    let weights: Vec<u64> = (0..rooms.len()).map(weight).collect();
    let more = largest_remainder(count, &weights);
    taken.iter_mut().zip(more).for_each(|(t, m)| *t += m);
}

#[cfg(test)]
mod tests;

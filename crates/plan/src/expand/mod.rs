//! Host groups written out: what a few lines stand for.
//!
//! A member's part depends on its number and its group's fields alone. So it is the same
//! on every machine and in every version of the document that leaves those fields alone:
//! a group grows at its end, a retired number goes to `except`, and no range that was
//! given ever moves.

mod pattern;

use std::collections::BTreeSet;

use flatnet_types::NodeName;
use ipnetwork::IpNetwork;

use crate::model::{Host, HostGroup, Location, NetworkPlan, Nic, Range, SubAllocation, Uplink};
use crate::prefix;

pub use pattern::{Numbers, PatternError, fill};

/// The most hosts that one plan's groups may stand for. A misplaced zero must not take
/// the machine's memory.
pub const MAX_MEMBERS: u32 = 100_000;

/// A plan without groups, and where each of its hosts comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The plan: `hostGroups` empty, every host written out; those of the document first.
    pub plan: NetworkPlan,
    /// For each of the plan's hosts its place in the document.
    pub origins: Vec<Origin>,
    /// Members that could not be made, and why.
    pub faults: Vec<Fault>,
    /// What is told of the document's groups themselves.
    pub groups: Vec<Group>,
}

/// A group of the document, besides its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `name`, as in the document.
    pub name: String,
    /// The site of its hosts.
    pub site: String,
    /// The number of its first member.
    pub first: u32,
    /// Whether its instances are listed one by one (`instanceIds`).
    pub lists_instances: bool,
}

impl Expanded {
    /// The field that a group's instances are in.
    pub(crate) fn instances_at(&self, group: usize) -> &'static str {
        match self.groups.get(group) {
            Some(group) if group.lists_instances => "instanceIds",
            _ => "instanceId",
        }
    }
}

/// Where a host of an expanded plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `spec.hosts[index]`.
    Written {
        /// The index.
        index: usize,
    },
    /// A member of `spec.hostGroups[group]`.
    Member {
        /// The group's index.
        group: usize,
        /// The member's number, as in `{n}`.
        number: u32,
    },
}

/// Why a group, or one of its members, cannot be written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The group's index.
    pub group: usize,
    /// The member's number, where it is not the whole group.
    pub number: Option<u32>,
    /// The field that is wrong.
    pub field: Field,
    /// What is wrong with it.
    pub message: String,
}

/// A field of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `count`, `first`.
    Count,
    /// `except[index]`.
    Except(usize),
    /// `hostsPerRack`.
    HostsPerRack,
    /// `hostName`.
    HostName,
    /// `instanceId` or `instanceIds`.
    Instance,
    /// `addresses[index]`.
    Address(usize),
    /// A pattern of `uplink`.
    Uplink,
    /// A pattern of `location`.
    Location,
    /// A pattern of `labels`.
    Labels,
    /// `ranges[index]`.
    Range(usize),
}

/// Writes every group out.
///
/// Guarantees: the same plan gives the same hosts; a host keeps all it has when a group's
/// `count` grows, when a number is added to `except`, and whatever becomes of other groups.
pub fn expand(plan: &NetworkPlan) -> Expanded {
    expand_owned(plan.clone())
}

/// [`expand`] for who has no more use for the groups: hosts that are written out are not copied.
pub fn expand_owned(mut out: NetworkPlan) -> Expanded {
    let groups = std::mem::take(&mut out.spec.host_groups);
    let mut origins: Vec<Origin> = (0..out.spec.hosts.len())
        .map(|index| Origin::Written { index })
        .collect();
    let mut faults = Vec::new();
    let mut left = MAX_MEMBERS;
    for (index, group) in groups.iter().enumerate() {
        let mut made = Members {
            group,
            index,
            faults: &mut faults,
        };
        let Some(numbers) = made.numbers(&mut left) else {
            continue;
        };
        for number in numbers {
            if let Some(host) = made.member(number) {
                out.spec.hosts.push(host);
                origins.push(Origin::Member {
                    group: index,
                    number,
                });
            }
        }
    }
    Expanded {
        plan: out,
        origins,
        faults,
        groups: groups
            .into_iter()
            .map(|g| Group {
                lists_instances: !g.instance_ids.is_empty(),
                name: g.name,
                site: g.site,
                first: g.first,
            })
            .collect(),
    }
}

struct Members<'a> {
    group: &'a HostGroup,
    index: usize,
    faults: &'a mut Vec<Fault>,
}

impl Members<'_> {
    fn fault(&mut self, number: Option<u32>, field: Field, message: String) {
        self.faults.push(Fault {
            group: self.index,
            number,
            field,
            message,
        });
    }

    /// The members' numbers; none where the group's own figures are wrong.
    fn numbers(&mut self, left: &mut u32) -> Option<Vec<u32>> {
        let group = self.group;
        let Some(rest) = left.checked_sub(group.count) else {
            let message = format!(
                "{} hosts are too many: all groups of a plan may have {MAX_MEMBERS}",
                group.count
            );
            self.fault(None, Field::Count, message);
            return None;
        };
        let Some(end) = group.first.checked_add(group.count) else {
            self.fault(None, Field::Count, "the numbers pass 4294967295".to_owned());
            return None;
        };
        if group.hosts_per_rack == Some(0) {
            let message = "a rack holds one host at least".to_owned();
            self.fault(None, Field::HostsPerRack, message);
            return None;
        }
        *left = rest;
        for (i, number) in group.except.iter().enumerate() {
            if !(group.first..end).contains(number) {
                let message = match group.count {
                    0 => format!("{number} is none of the group's numbers: it has no member"),
                    _ => format!(
                        "{number} is none of the group's numbers, {} to {}",
                        group.first,
                        end - 1
                    ),
                };
                self.fault(None, Field::Except(i), message);
            }
        }
        let except: BTreeSet<u32> = group.except.iter().copied().collect();
        Some((group.first..end).filter(|n| !except.contains(n)).collect())
    }

    /// One member. A fault of a pattern is the same for all, so the first member's is kept.
    fn member(&mut self, number: u32) -> Option<Host> {
        let group = self.group;
        let before = self.faults.len();
        if self
            .faults
            .iter()
            .any(|f| f.group == self.index && f.number.is_some())
        {
            return None;
        }
        let k = number - group.first;
        let numbers = Numbers {
            n: number,
            rack: k / group.hosts_per_rack.unwrap_or(u32::MAX) + 1,
            unit: k % group.hosts_per_rack.unwrap_or(u32::MAX) + 1,
        };
        let name = self.fill(number, Field::HostName, &group.host_name, numbers);
        let name = name.and_then(|name| {
            NodeName::new(name)
                .map_err(|e| self.fault(Some(number), Field::HostName, e.to_string()))
                .ok()
        });
        let instance_id = match (&group.instance_id, group.instance_ids.is_empty()) {
            (Some(pattern), true) => self.fill(number, Field::Instance, pattern, numbers),
            (Some(_), false) => {
                let message = "instanceId and instanceIds exclude each other".to_owned();
                self.fault(Some(number), Field::Instance, message);
                None
            }
            (None, true) => None,
            (None, false) => {
                let id = group
                    .instance_ids
                    .get(usize::try_from(k).unwrap_or(usize::MAX));
                if id.is_none() {
                    let message = format!(
                        "{} IDs for {} hosts: there is none for number {number}",
                        group.instance_ids.len(),
                        group.count
                    );
                    self.fault(Some(number), Field::Instance, message);
                }
                id.cloned()
            }
        };
        let addresses = self.addresses(number, k);
        let ranges = self.ranges(number, k);
        let uplink = self.uplink(number, numbers);
        let location = group.location.as_ref().map(|l| Location {
            room: self.fill_some(number, Field::Location, l.room.as_deref(), numbers),
            rack: self.fill_some(number, Field::Location, l.rack.as_deref(), numbers),
            unit: self.fill_some(number, Field::Location, l.unit.as_deref(), numbers),
        });
        let labels = group
            .labels
            .iter()
            .filter_map(|(key, value)| {
                let value = self.fill(number, Field::Labels, value, numbers)?;
                Some((key.clone(), value))
            })
            .collect();
        if self.faults.len() > before {
            return None;
        }
        Some(Host {
            name: name?,
            site: group.site.clone(),
            cluster: group.cluster.clone(),
            v_switch: group.v_switch.clone(),
            instance_id,
            location,
            labels,
            addresses,
            uplink,
            ranges,
            density: group.density,
        })
    }

    fn fill(&mut self, number: u32, field: Field, pattern: &str, with: Numbers) -> Option<String> {
        fill(pattern, with)
            .map_err(|e| self.fault(Some(number), field, e.to_string()))
            .ok()
    }

    fn fill_some(
        &mut self,
        number: u32,
        field: Field,
        pattern: Option<&str>,
        with: Numbers,
    ) -> Option<String> {
        self.fill(number, field, pattern?, with)
    }

    fn addresses(&mut self, number: u32, k: u32) -> Vec<IpNetwork> {
        let group = self.group;
        let mut found = Vec::with_capacity(group.addresses.len());
        for (i, first) in group.addresses.iter().enumerate() {
            let address = prefix::forward(first.ip(), k)
                .and_then(|ip| IpNetwork::new(ip, first.prefix()).ok());
            match address {
                Some(address) => found.push(address),
                None => {
                    let message = format!("no address is {k} after {}", first.ip());
                    self.fault(Some(number), Field::Address(i), message);
                }
            }
        }
        found
    }

    fn ranges(&mut self, number: u32, k: u32) -> Vec<Range> {
        let group = self.group;
        let mut found = Vec::with_capacity(group.ranges.len());
        for (i, rule) in group.ranges.iter().enumerate() {
            match sub_allocate(rule, k) {
                Some(range) => found.push(range),
                None => {
                    let message = unaligned(rule).unwrap_or_else(|| {
                        format!("no /{} is number {k} from {}", rule.length, rule.from)
                    });
                    self.fault(Some(number), Field::Range(i), message);
                }
            }
        }
        found
    }

    fn uplink(&mut self, number: u32, with: Numbers) -> Uplink {
        let of = &self.group.uplink;
        let at = Field::Uplink;
        Uplink {
            switch: self.fill_some(number, at, of.switch.as_deref(), with),
            port: self.fill_some(number, at, of.port.as_deref(), with),
            nics: of
                .nics
                .iter()
                .map(|nic| Nic {
                    interface: nic.interface.clone(),
                    switch: self.fill_some(number, at, nic.switch.as_deref(), with),
                    port: self.fill_some(number, at, nic.port.as_deref(), with),
                })
                .collect(),
            ..of.clone()
        }
    }
}

/// What `rule` cuts for the member that is `k`-th by number, counted from 0; none where
/// the family has no such prefix.
///
/// Guarantees: a function of its arguments, and no two `k` share an address.
pub fn sub_allocate(rule: &SubAllocation, k: u32) -> Option<Range> {
    Some(Range {
        network: rule.network.clone(),
        prefix: prefix::slot(rule.from, rule.length, k)?,
    })
}

fn unaligned(rule: &SubAllocation) -> Option<String> {
    let whole = IpNetwork::new(rule.from, rule.length).ok()?;
    (whole.network() != rule.from).then(|| {
        format!(
            "{} is not the beginning of a /{}; {} is",
            rule.from,
            rule.length,
            whole.network()
        )
    })
}

#[cfg(test)]
mod tests;

//! What would not work, found before anything is built.
//!
//! Every check is a pure function over the plan with its groups written out; what it finds
//! names its place by a path in the document as it was written. All are O(n log n): overlaps
//! are found by sorting, never by comparing each with each.

mod cabling;
mod cloud;
mod clusters;
mod context;
mod egress;
mod hosts;
mod identity;
mod infrastructure;
mod lines;
mod mtu;
mod names;
mod native;
mod ranges;
mod room;
mod routes;
mod scale;
mod security;
mod slices;
mod space;
pub(crate) mod special;
mod suspects;
mod uplinks;
mod vlans;
mod ways;

pub(crate) use context::Context;
pub(crate) use vlans::vlan_ids_out_of_bounds;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnetwork::IpNetwork;

use crate::expand::{Expanded, Field, expand};
use crate::finding::{DANGLING, Finding, GROUP, HOST_BITS, Rule, faults_of_allowances};
use crate::model::NetworkPlan;
use crate::source::Path;

/// Everything that is wrong with a plan, errors and warnings.
pub fn check(plan: &NetworkPlan) -> Vec<Finding> {
    check_expanded(&expand(plan))
}

/// The same for a plan whose groups were written out.
pub fn check_expanded(expanded: &Expanded) -> Vec<Finding> {
    let context = Context::new(expanded);
    let mut found = Findings::default();
    groups(expanded, &mut found);
    names::groups(&expanded.groups, &mut found);
    names::check(&context, &mut found);
    identity::check(&context, &mut found);
    space::check(&context, &mut found);
    ranges::check(&context, &mut found);
    clusters::check(&context, &mut found);
    infrastructure::check(&context, &mut found);
    hosts::check(&context, &mut found);
    cloud::check(&context, &mut found);
    vlans::check(&context, &mut found);
    security::check(&context, &mut found);
    egress::check(&context, &mut found);
    cabling::check(&context, &mut found);
    native::check(&context, &mut found);
    uplinks::check(&context, &mut found);
    mtu::check(&context, &mut found);
    scale::check(&context, &mut found);
    room::check(&context, &mut found);
    slices::check(&context, &mut found);
    routes::check(&context, &mut found);
    lines::check(&context, &mut found);
    ways::check(&context, &mut found);
    for finding in faults_of_allowances(context.plan) {
        found.put(finding);
    }
    found.finish()
}

/// Members that could not be written out.
fn groups(expanded: &Expanded, found: &mut Findings) {
    for fault in &expanded.faults {
        let group = Path::spec().at("hostGroups").at(fault.group);
        let place = match fault.field {
            Field::Count => group.at("count"),
            Field::Except(i) => group.at("except").at(i),
            Field::HostsPerRack => group.at("hostsPerRack"),
            Field::HostName => group.at("hostName"),
            Field::Instance => group.at(expanded.instances_at(fault.group)),
            Field::Address(i) => group.at("addresses").at(i),
            Field::Uplink => group.at("uplink"),
            Field::Location => group.at("location"),
            Field::Labels => group.at("labels"),
            Field::Range(i) => group.at("ranges").at(i),
        };
        found.add(&GROUP, place, fault.message.clone());
    }
}

/// A finding with its rule's own help.
fn finding(rule: &'static Rule, place: Path, message: String) -> Finding {
    Finding {
        rule,
        place,
        message,
        help: rule.help.to_owned(),
        related: None,
    }
}

/// A prefix whose host bits are set is a mistyped one.
fn canonical(prefix: IpNetwork, place: Path, found: &mut Findings) {
    if prefix.ip() != prefix.network() {
        let message = format!("{prefix} has host bits set");
        found.put(Finding {
            help: format!(
                "Write {}/{}, or correct the length.",
                prefix.network(),
                prefix.prefix()
            ),
            ..finding(&HOST_BITS, place, message)
        });
    }
}

/// What was found so far. One kind of thing at one place is told once, with how many more
/// there are: a wrong line of a group is wrong for each of its members.
#[derive(Default)]
pub(crate) struct Findings {
    found: Vec<Finding>,
    more: Vec<usize>,
    places: HashMap<(&'static str, Path), usize>,
    /// Names that lead nowhere: where each is told, and the other places that have it.
    missing: BTreeMap<Name, (usize, BTreeSet<Path>)>,
}

/// What a name is of, and the name.
type Name = (String, String);

impl Findings {
    /// A finding with its rule's own help.
    fn add(&mut self, rule: &'static Rule, place: Path, message: String) {
        self.put(finding(rule, place, message));
    }

    /// A finding in which another place takes part.
    fn add_with(
        &mut self,
        rule: &'static Rule,
        place: Path,
        message: String,
        related: (Path, impl Into<String>),
    ) {
        self.put(Finding {
            rule,
            place,
            message,
            help: rule.help.to_owned(),
            related: Some((related.0, related.1.into())),
        });
    }

    /// A name that leads nowhere, which is one mistake however many places have it: told where
    /// it stands first.
    fn add_missing(&mut self, name: Name, place: Path, message: String) {
        match self.missing.get_mut(&name) {
            Some((first, others)) if self.found[*first].place != place => {
                others.insert(place);
                return;
            }
            Some(_) => {}
            // A group's members may have a wrong name each at one place: told with the first.
            None if !self.places.contains_key(&(DANGLING.code, place.clone())) => {
                self.missing
                    .insert(name, (self.found.len(), BTreeSet::new()));
            }
            None => {}
        }
        self.add(&DANGLING, place, message);
    }

    /// A finding with help of its own.
    fn put(&mut self, finding: Finding) {
        let key = (finding.rule.code, finding.place.clone());
        if let Some(known) = self.places.get(&key) {
            self.more[*known] += 1;
            return;
        }
        self.places.insert(key, self.found.len());
        self.found.push(finding);
        self.more.push(0);
    }

    fn finish(mut self) -> Vec<Finding> {
        for (index, others) in self.missing.into_values() {
            let Some(other) = others.first() else {
                continue;
            };
            let finding = &mut self.found[index];
            let places = match others.len() {
                1 => "one more place has".to_owned(),
                n => format!("{n} more places have"),
            };
            finding.message = format!("{} ({places} this name)", finding.message);
            finding.related = Some((other.clone(), "here, too".to_owned()));
            self.more[index] = 0;
        }
        for (finding, more) in self.found.iter_mut().zip(&self.more) {
            if *more > 0 {
                finding.message = format!("{} (and {more} more by this line)", finding.message);
            }
        }
        self.found
    }
}

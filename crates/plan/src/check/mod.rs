//! What would not work, found before anything is built.
//!
//! Every check is a pure function over the plan with its groups written out; what it finds
//! names its place by a path in the document as it was written. All are O(n log n): overlaps
//! are found by sorting, never by comparing each with each.

mod cabling;
mod context;
mod hosts;
mod lines;
mod mtu;
mod names;
mod points;
mod ranges;
mod routes;
mod scale;
mod slices;
mod space;
mod vlans;

pub(crate) use context::Context;
pub(crate) use vlans::vlan_ids_out_of_bounds;

use std::collections::HashMap;

use crate::diagnostics::{Finding, GROUP, Rule};
use crate::expand::{Expanded, Field, expand};
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
    space::check(&context, &mut found);
    ranges::check(&context, &mut found);
    points::check(&context, &mut found);
    hosts::check(&context, &mut found);
    vlans::check(&context, &mut found);
    cabling::check(&context, &mut found);
    mtu::check(&context, &mut found);
    scale::check(&context, &mut found);
    slices::check(&context, &mut found);
    routes::check(&context, &mut found);
    lines::check(&context, &mut found);
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
            Field::Instance => group.at("instanceId"),
            Field::Address(i) => group.at("addresses").at(i),
            Field::Uplink => group.at("uplink"),
            Field::Location => group.at("location"),
            Field::Labels => group.at("labels"),
            Field::Range(i) => group.at("ranges").at(i),
        };
        found.add(&GROUP, place, fault.message.clone());
    }
}

/// What was found so far. One kind of thing at one place is told once, with how many more
/// there are: a wrong line of a group is wrong for each of its members.
#[derive(Default)]
pub(crate) struct Findings {
    found: Vec<Finding>,
    more: Vec<usize>,
    places: HashMap<(&'static str, Path), usize>,
}

impl Findings {
    /// A finding with its rule's own help.
    fn add(&mut self, rule: &'static Rule, place: Path, message: String) {
        self.put(Finding {
            rule,
            place,
            message,
            help: rule.help.to_owned(),
            related: None,
        });
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
        for (finding, more) in self.found.iter_mut().zip(&self.more) {
            if *more > 0 {
                finding.message = format!("{} (and {more} more by this line)", finding.message);
            }
        }
        self.found
    }
}

//! One mistake, one finding: of several findings that one edit of the document would remove, the
//! place of that edit is told, and not what follows from it.
//!
//! ```text
//!   findings ─▶ edits that may undo a mistake ─▶ check the edited plan, one edit at a time
//!      ▲                                            │
//!      └── what is left ◀── the edit that removes ──┘
//!                           most, and brings none or far fewer, is one finding
//! ```
//!
//! Guarantees: pure; nothing is told of a plan without findings; an error stays one; the number of
//! trials is bounded, and smaller for a plan of many hosts.

mod addresses;
mod cables;
mod hosts;
mod links;
mod networks;
mod reduced;
mod sites;

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Rule, Severity};
use crate::model::NetworkPlan;
use crate::source::{Path, Step};
use reduced::Trial;

/// An edit that may undo a mistake.
struct Edit {
    /// The value that is edited.
    place: Path,
    /// What the mistake is called, where no finding is at the place.
    rule: &'static Rule,
    message: String,
    help: String,
    /// Whether its own words are told even where there is a finding at the place.
    own_words: bool,
    /// Whether it is told instead of a single finding elsewhere, if no other edit removes that.
    alone: bool,
    apply: Box<dyn Fn(&mut NetworkPlan)>,
}

impl Edit {
    fn new(
        place: Path,
        rule: &'static Rule,
        (message, help): (String, String),
        apply: impl Fn(&mut NetworkPlan) + 'static,
    ) -> Self {
        Self {
            place,
            rule,
            message,
            help,
            own_words: false,
            alone: false,
            apply: Box::new(apply),
        }
    }

    /// The same, to be told in its own words.
    fn in_own_words(mut self) -> Self {
        self.own_words = true;
        self
    }

    /// The same, to be told instead of a single finding.
    fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// What tells one finding from another: its code and its place.
type Key = (&'static str, Path);

fn key(finding: &Finding) -> Key {
    (finding.rule.code, finding.place.clone())
}

/// How many edits are tried, each of which is one more check of the whole plan.
fn trials(plan: &NetworkPlan) -> usize {
    let members: usize = plan.spec.host_groups.iter().map(|g| g.count as usize).sum();
    (60_000 / (plan.spec.hosts.len() + members + 1)).clamp(6, 120)
}

/// Fewer edits of the whole plan than this are too few to find one that undoes a mistake: they are tried
/// on a reduced one first.
const FEW: usize = 50;
/// How many are tried on a reduced plan.
const REDUCED: usize = 60;

/// `found` with each mistake that is known told once. `plan`: as it is written; `all`: what its
/// check found, with the warnings that are allowed.
pub(crate) fn single_out(
    plan: &NetworkPlan,
    mut all: BTreeSet<Key>,
    found: Vec<Finding>,
) -> Vec<Finding> {
    let mut left = trials(plan);
    let mut on_reduced = if left < FEW { REDUCED } else { 0 };
    let mut told = Vec::new();
    let mut found = found;
    let mut edited: Option<NetworkPlan> = None;
    while !found.is_empty() {
        let plan = edited.as_ref().unwrap_or(plan);
        let reduced = match on_reduced > 0 && left > 0 {
            true => best_of_reduced(plan, &all, &found, &mut on_reduced),
            false => None,
        };
        let best = match reduced {
            Some(best) => {
                left -= 1;
                Some(best)
            }
            None => {
                on_reduced = 0;
                best(plan, &Trial::whole(plan), (&all, &found), &mut left)
            }
        };
        let Some(best) = best else {
            break;
        };
        let mut next = plan.clone();
        (best.edit.apply)(&mut next);
        let (rest, removed): (Vec<Finding>, Vec<Finding>) = found
            .into_iter()
            .partition(|f| best.left.contains_key(&key(f)));
        // Where several things alike are told at one place, it may be fewer of them now.
        found = rest
            .into_iter()
            .map(|f| best.left.get(&key(&f)).cloned().unwrap_or(f))
            .collect();
        // What could not be seen before. A warning may be an allowed one.
        for (key, finding) in best.left {
            if all.insert(key) && finding.rule.severity == Severity::Error {
                found.push(finding);
            }
        }
        told.push(tell(best.edit, removed));
        edited = Some(next);
    }
    found.extend(told);
    one_a_value(found)
}

/// What is wrong with one value is told once, errors first; what else is said of it is named by its
/// code. A wrong prefix may hold the gateway, the edge of its subnet and what is reserved.
fn one_a_value(found: Vec<Finding>) -> Vec<Finding> {
    // Whom it clashes with says more than what it is outside of.
    const CLASHES: [&str; 4] = ["FN0101", "FN0107", "FN0109", "FN0114"];
    let order = |f: &Finding| (f.rule.severity, !CLASHES.contains(&f.rule.code));
    let mut first: BTreeMap<Path, usize> = BTreeMap::new();
    for (i, finding) in found.iter().enumerate() {
        let best = first.entry(finding.place.clone()).or_insert(i);
        if order(&found[*best]) > order(finding) {
            *best = i;
        }
    }
    let mut others: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
    let mut kept = Vec::with_capacity(found.len());
    for (i, finding) in found.into_iter().enumerate() {
        match first.get(&finding.place) {
            Some(best) if *best != i && is_value(&finding.place) => {
                others.entry(*best).or_default().push(finding.rule.code);
            }
            _ => kept.push((i, finding)),
        }
    }
    let named = kept.into_iter().map(|(i, mut finding)| {
        if let Some(codes) = others.get(&i) {
            finding.message = format!("{} (also {})", finding.message, codes.join(", "));
        }
        finding
    });
    named.collect()
}

/// Whether a place is one value and no mapping, in which several things may be wrong.
fn is_value(place: &Path) -> bool {
    const VALUES: [&str; 10] = [
        "prefix",
        "gateway",
        "from",
        "sliceLength",
        "hostName",
        "name",
        "addresses",
        "exclude",
        "prefixes",
        "servicePrefixes",
    ];
    let names = place.steps().iter().rev().take(2);
    let last: Vec<&Step> = names.collect();
    match last.as_slice() {
        [Step::Key(name), ..] => VALUES.contains(name),
        [Step::Index(_), Step::Key(name), ..] => VALUES.contains(name),
        _ => false,
    }
}

/// Keys of what a check found.
pub(crate) fn keys(found: &[Finding]) -> BTreeSet<Key> {
    found.iter().map(key).collect()
}

struct Best {
    edit: Edit,
    /// How many findings it removes, less twice those that it brings.
    removes: usize,
    left: BTreeMap<Key, Finding>,
}

/// The edit that removes the most findings and brings none, or far fewer. Of two that remove as much one that
/// undoes a mistake by itself or is at the place of a finding wins, then the first.
fn best(
    plan: &NetworkPlan,
    trial: &Trial<'_>,
    (all, found): (&BTreeSet<Key>, &[Finding]),
    left: &mut usize,
) -> Option<Best> {
    let at: BTreeSet<&Path> = found.iter().map(|f| &f.place).collect();
    let subjects = Subjects::of(found);
    let mut edits = Vec::new();
    sites::edits(plan, &subjects, &mut edits);
    hosts::edits(plan, &subjects, &mut edits);
    cables::edits(plan, &subjects, &mut edits);
    addresses::edits(plan, &subjects, &mut edits);
    if found.len() == 1 && !edits.iter().any(|e| e.alone) {
        return None;
    }
    let mut best: Option<Best> = None;
    let mut equal = 0;
    for edit in edits {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let after = by_key(trial.check_with(&*edit.apply));
        let Some(removes) = gains(&after, all, found) else {
            continue;
        };
        let order = |e: &Edit, n: usize| (n, e.alone || at.contains(&e.place));
        let is_best = best
            .as_ref()
            .is_none_or(|b| order(&edit, removes) > order(&b.edit, b.removes));
        match best.as_ref() {
            Some(b) if b.removes == removes => equal += 1,
            Some(b) if b.removes > removes => {}
            _ => equal = 0,
        }
        if is_best {
            best = Some(Best {
                edit,
                removes,
                left: after,
            });
        }
    }
    best.filter(|b| b.removes > 1 || (b.edit.alone && equal == 0))
}

fn by_key(found: Vec<Finding>) -> BTreeMap<Key, Finding> {
    found.into_iter().map(|f| (key(&f), f)).collect()
}

/// How many findings are gone, less twice those that have come; none where it is no gain.
fn gains(after: &BTreeMap<Key, Finding>, all: &BTreeSet<Key>, found: &[Finding]) -> Option<usize> {
    let brings = after.keys().filter(|k| !all.contains(k)).count();
    let gone = |f: &&Finding| !after.contains_key(&key(f));
    let removes = found.iter().filter(gone).count();
    // One more than twice as many: what one mistake hid of another, and no mistake of its own.
    let removes = removes.checked_sub(2 * brings).filter(|n| *n > 0)?;
    (brings == 0 || removes >= 2).then_some(removes)
}

/// The best edit that a reduced plan shows, of those findings that are in it too, as it comes out on the
/// whole plan: one more check of it.
fn best_of_reduced(
    plan: &NetworkPlan,
    all: &BTreeSet<Key>,
    found: &[Finding],
    left: &mut usize,
) -> Option<Best> {
    let trial = Trial::reduced(plan, found)?;
    let there = keys(&trial.check());
    let seen = found.iter().filter(|f| there.contains(&key(f)));
    let seen: Vec<Finding> = seen.cloned().collect();
    if seen.is_empty() {
        return None;
    }
    let best = best(plan, &trial, (&there, &seen), left)?;
    let after = by_key(Trial::whole(plan).check_with(&*best.edit.apply));
    let removes = gains(&after, all, found)?;
    let alone = best.edit.alone && best.removes == 1;
    (removes > 1 || alone).then_some(Best {
        removes,
        left: after,
        ..best
    })
}

/// One finding instead of those that an edit removes.
fn tell(edit: Edit, removed: Vec<Finding>) -> Finding {
    let error = |f: &Finding| f.rule.severity == Severity::Error;
    let errors = removed.iter().any(error);
    let is_it = |f: &&Finding| f.rule == edit.rule;
    let as_bad = || removed.iter().filter(|f| error(f) == errors);
    let here = || as_bad().filter(|f| f.place == edit.place);
    // What is said at the place itself says most; but not what something else says by its rule.
    let elsewhere = as_bad().any(|f| is_it(&f)) && !here().any(|f| is_it(&f));
    let kept = here().find(is_it).or_else(|| here().next());
    if let Some(kept) = kept.filter(|_| !elsewhere && !edit.own_words) {
        return kept.clone();
    }
    let rule = as_bad().find(is_it).or_else(|| as_bad().next());
    let rule = rule.map_or(edit.rule, |f| f.rule);
    let other = removed.into_iter().find(|f| f.place != edit.place);
    Finding {
        rule,
        place: edit.place,
        message: edit.message,
        help: edit.help,
        related: other.map(|f| (f.place, "does not fit it".to_owned())),
    }
}

/// The parts of a plan that findings are about: their places, and those that they refer to.
#[derive(Default)]
struct Subjects {
    sites: BTreeSet<usize>,
    networks: BTreeSet<usize>,
    hosts: BTreeSet<usize>,
    groups: BTreeSet<usize>,
    /// The fields of groups that findings are at.
    of_groups: BTreeSet<(usize, &'static str)>,
    links: BTreeSet<usize>,
    services: BTreeSet<usize>,
    /// The findings' codes.
    codes: BTreeSet<&'static str>,
    /// Items of lists of VLANs that a host or a switch carries.
    trunks: BTreeSet<Path>,
}

impl Subjects {
    /// Many that are wrong alike have one cause, or none that is to be found here.
    const MOST: usize = 4;

    fn of(found: &[Finding]) -> Self {
        let mut all = Self::default();
        for finding in found {
            all.codes.insert(finding.rule.code);
            let related = finding.related.iter().map(|(place, _)| place);
            for place in std::iter::once(&finding.place).chain(related) {
                all.add(place);
            }
        }
        all
    }

    /// Whether one of the findings has one of these codes.
    fn says(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.codes.contains(code))
    }

    fn add(&mut self, place: &Path) {
        let steps = place.steps();
        let Some(Step::Key(list)) = steps.get(1) else {
            return;
        };
        let Some(Step::Index(index)) = steps.get(2) else {
            return;
        };
        if let ("hostGroups", Some(Step::Key(field))) = (*list, steps.get(3)) {
            self.of_groups.insert((*index, field));
        }
        let set = match *list {
            "sites" => &mut self.sites,
            "networks" => &mut self.networks,
            "hosts" => &mut self.hosts,
            "hostGroups" => &mut self.groups,
            "links" => &mut self.links,
            "servicePrefixes" => &mut self.services,
            _ => return,
        };
        if set.len() < Self::MOST {
            set.insert(*index);
        }
        let trunk = steps.iter().position(|s| *s == Step::Key("trunk"));
        let is_list = *list != "networks";
        if let Some(at) = trunk.filter(|_| is_list && self.trunks.len() < Self::MOST) {
            self.trunks.insert(place.first(at + 1));
        }
    }
}

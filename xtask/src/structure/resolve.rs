//! Which module holds what a path names: through imports, re-exports and globs.

use std::collections::BTreeSet;

use super::names::Reference;
use super::source::{Id, Tree};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(Id),
    /// Something that this module defines, or a name within it.
    Item(Id),
}

/// What was looked up already: modules may re-export each other in a circle.
type Seen = BTreeSet<(Id, Vec<String>)>;

/// Between which modules of one parent a reference leads.
pub(super) fn siblings(tree: &Tree, from: Id, reference: &Reference) -> Vec<(Id, Id)> {
    let way = tree.way(from);
    let targets = tree.resolve(from, reference).into_iter();
    let pairs = targets.filter_map(|target| {
        let there = tree.way(target);
        let mut steps = way.iter().zip(&there);
        let (a, b) = steps.find(|(a, b)| a != b)?;
        Some((*a, *b))
    });
    pairs.collect()
}

impl Tree {
    /// The modules that hold what a reference names; none where it is of another crate.
    fn resolve(&self, from: Id, reference: &Reference) -> Vec<Id> {
        let mut targets = self.path_from(from, &reference.segments, &mut Seen::new());
        let of_scope = |t: &Target| matches!(t, Target::Item(_));
        if targets.iter().any(of_scope) && targets.iter().any(|t| !of_scope(t)) {
            // A module and a function of one name: an import means what it is used for.
            let name = reference.segments.last().cloned().unwrap_or_default();
            let names = &self.modules[from].names;
            let as_module = reference.import && names.qualifiers.contains(&name);
            targets.retain(|t| of_scope(t) != as_module);
        }
        let ids = targets.into_iter().map(|target| match target {
            Target::Module(id) | Target::Item(id) => id,
        });
        ids.collect()
    }

    /// A path as it stands in a module.
    fn path_from(&self, from: Id, segments: &[String], seen: &mut Seen) -> Vec<Target> {
        let Some((first, rest)) = segments.split_first() else {
            return Vec::new();
        };
        let start = match first.as_str() {
            "crate" => Some(0),
            "self" => Some(from),
            "super" => self.modules[from].parent,
            _ => return self.member(from, segments, false, seen),
        };
        let Some(mut at) = start else {
            return Vec::new();
        };
        let mut rest = rest;
        while let [first, more @ ..] = rest
            && first == "super"
        {
            let Some(parent) = self.modules[at].parent else {
                return Vec::new();
            };
            (at, rest) = (parent, more);
        }
        match rest {
            [] => vec![Target::Module(at)],
            rest => self.member(at, rest, true, seen),
        }
    }

    /// What a name in a module leads to, with what follows it. `named`: the module was named, so
    /// what is not found in it (a macro may have made it) is its own nevertheless.
    fn member(&self, module: Id, segments: &[String], named: bool, seen: &mut Seen) -> Vec<Target> {
        let Some((name, rest)) = segments.split_first() else {
            return vec![Target::Module(module)];
        };
        if !seen.insert((module, segments.to_vec())) {
            return Vec::new();
        }
        let here = &self.modules[module];
        let child = here.children.get(name).copied();
        if let Some(child) = child
            && !rest.is_empty()
        {
            return self.member(child, rest, true, seen);
        }
        let mut targets: Vec<Target> = child.map(Target::Module).into_iter().collect();
        if here.names.items.contains(name) {
            targets.push(Target::Item(module));
        }
        for (called, path) in &here.names.aliases {
            // `use a::a` in a module with no `a` of its own leads out of it.
            if called != name || path.first() == Some(name) && child.is_none() {
                continue;
            }
            for target in self.path_from(module, path, seen) {
                match target {
                    Target::Module(id) => targets.extend(self.member(id, rest, true, seen)),
                    item @ Target::Item(_) => targets.push(item),
                }
            }
        }
        if targets.is_empty() {
            targets = self.in_globs(module, segments, seen);
        }
        if targets.is_empty() && named && !self.is_foreign(module, name) {
            targets.push(Target::Item(module));
        }
        targets.dedup();
        targets
    }

    /// A name that comes into a module with everything of another.
    fn in_globs(&self, module: Id, segments: &[String], seen: &mut Seen) -> Vec<Target> {
        for glob in &self.modules[module].names.globs {
            for target in self.path_from(module, glob, seen) {
                let Target::Module(id) = target else { continue };
                if id == module {
                    continue;
                }
                let found = self.member(id, segments, false, seen);
                if !found.is_empty() {
                    return found;
                }
            }
        }
        Vec::new()
    }

    /// Whether a module has the name from another crate.
    fn is_foreign(&self, module: Id, name: &str) -> bool {
        let names = &self.modules[module].names;
        names.aliases.iter().any(|(called, _)| called == name)
    }
}

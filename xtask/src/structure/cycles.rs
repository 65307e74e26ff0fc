//! Import cycles among the modules of one parent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::resolve::siblings;
use super::source::{Place, Tree};

/// An import of one sibling's by another: the paths of both modules, with the crate's name.
pub(super) type Import = (String, String);

/// All imports between siblings, and where each stands.
pub(super) type Imports = BTreeMap<Import, BTreeSet<Place>>;

/// What to do about a cycle.
const MEND: &str = "To do: move what both ends need into a module that imports neither, or let the \
                    parent hand it in as an argument or a trait.";

/// The imports between siblings of a crate.
pub(super) fn imports(tree: &Tree) -> Imports {
    let mut found = Imports::new();
    for (id, module) in tree.modules.iter().enumerate() {
        for reference in &module.names.references {
            for (a, b) in siblings(tree, id, reference) {
                let import = (tree.path(a), tree.path(b));
                found
                    .entry(import)
                    .or_default()
                    .insert(tree.place(id, reference));
            }
        }
    }
    found
}

/// A shortest cycle for each import that is on one: its modules, each imports the next and the last
/// the first.
pub(super) fn cycles(imports: &Imports) -> BTreeMap<Import, Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (a, b) in imports.keys() {
        next.entry(a).or_default().push(b);
    }
    let found = imports.keys().filter_map(|(a, b)| {
        let back = shortest(&next, b, a)?;
        Some(((a.clone(), b.clone()), turned(back)))
    });
    found.collect()
}

/// The modules of a shortest way of imports, both ends included.
fn shortest(next: &BTreeMap<&str, Vec<&str>>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        if at == to {
            let mut way = vec![at.to_owned()];
            let mut at = at;
            while at != from {
                at = before.get(at)?;
                way.push(at.to_owned());
            }
            way.reverse();
            return Some(way);
        }
        for &b in next.get(at).into_iter().flatten() {
            if b != from && !before.contains_key(b) {
                before.insert(b, at);
                waiting.push_back(b);
            }
        }
    }
    None
}

/// The same cycle from its first name on, so that two of them compare.
fn turned(mut cycle: Vec<String>) -> Vec<String> {
    let first = (0..cycle.len()).min_by_key(|&i| cycle[i].clone());
    cycle.rotate_left(first.unwrap_or_default());
    cycle
}

/// A paragraph for each cycle; empty where there is none.
pub(super) fn told(imports: &Imports) -> Vec<String> {
    let cycles: BTreeSet<Vec<String>> = cycles(imports).into_values().collect();
    let paragraph = |cycle: &Vec<String>| {
        let lines = lines(cycle, imports);
        format!("modules that import each other in a circle:\n{lines}{MEND}")
    };
    cycles.iter().map(paragraph).collect()
}

/// The imports of a cycle in a line each, with the first place where it stands.
fn lines(cycle: &[String], imports: &Imports) -> String {
    let next = cycle.iter().cycle().skip(1);
    let lines = cycle.iter().zip(next).map(|(a, b)| {
        let places = imports.get(&(a.clone(), b.clone()));
        let first = places.and_then(|p| p.first());
        let place = first.map_or(String::new(), |p| {
            format!("{}:{}", p.file.display(), p.line)
        });
        let more = match places.map_or(0, BTreeSet::len) {
            0 | 1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        format!("  {a} -> {b}  {place}{more}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests;

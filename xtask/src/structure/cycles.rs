//! Import cycles among the modules of one parent, and the list of those that are known.
//!
//! What is listed are imports (`a -> b`) on a cycle, not cycles: there may be very many cycles over a
//! few imports, and a new one always needs an import that is on none yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result, ensure};

use super::resolve::siblings;
use super::source::{Place, Tree};

/// An import of one sibling's by another: the paths of both modules, with the crate's name.
pub(super) type Import = (String, String);

/// All imports between siblings, and where each stands.
pub(super) type Imports = BTreeMap<Import, BTreeSet<Place>>;

/// What is between the ends of an import where it is written.
const ARROW: &str = " -> ";

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

/// Reads a list of known imports: one in a line, behind a comment that says why they are there.
///
/// # Errors
/// If a line has another form, stands there twice or has no reason before it.
pub(super) fn parse(text: &str) -> Result<BTreeSet<Import>> {
    let mut known = BTreeSet::new();
    let mut reason = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else {
            let (a, b) = line
                .split_once(ARROW)
                .with_context(|| format!("line {number}: not of the form a{ARROW}b: {line}"))?;
            ensure!(
                reason,
                "line {number}: no comment before it says why: {line}"
            );
            let import = (a.trim().to_owned(), b.trim().to_owned());
            ensure!(known.insert(import), "line {number}: twice: {line}");
        }
    }
    Ok(known)
}

/// What is not as the list says, in paragraphs; empty where all is.
pub(super) fn differences(imports: &Imports, known: &BTreeSet<Import>, list: &str) -> Vec<String> {
    let cycles = cycles(imports);
    let fresh = cycles.iter().filter(|(import, _)| !known.contains(*import));
    let fresh: BTreeSet<&Vec<String>> = fresh.map(|(_, cycle)| cycle).collect();
    let new = fresh.into_iter().map(|cycle| {
        let told = told(cycle, imports, known);
        format!("modules that import each other in a circle:\n{told}{MEND}")
    });
    let gone = known.iter().filter(|import| !cycles.contains_key(*import));
    let gone: Vec<String> = gone.map(|(a, b)| format!("  {a}{ARROW}{b}\n")).collect();
    let stale = (!gone.is_empty()).then(|| {
        let gone = gone.concat();
        format!(
            "imports that {list} lists and that are on no cycle any more:\n{gone}To do: take these \
             lines out of it; the list only shrinks."
        )
    });
    new.chain(stale).collect()
}

/// A cycle, an import in a line, each with the first place where it stands.
fn told(cycle: &[String], imports: &Imports, known: &BTreeSet<Import>) -> String {
    let next = cycle.iter().cycle().skip(1);
    let lines = cycle.iter().zip(next).map(|(a, b)| {
        let import = (a.clone(), b.clone());
        let places = imports.get(&import);
        let first = places.and_then(|p| p.first());
        let place = first.map_or(String::new(), |p| {
            format!("{}:{}", p.file.display(), p.line)
        });
        let more = match places.map_or(0, BTreeSet::len) {
            0 | 1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let listed = if known.contains(&import) {
            " (listed)"
        } else {
            ""
        };
        format!("  {a}{ARROW}{b}{listed}  {place}{more}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests;

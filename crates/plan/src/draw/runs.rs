//! Many names in few words: `idc-001 … idc-020, idc-031`.

use std::cmp::Ordering;

/// A part of a name: digits, or what is between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'n> {
    Other(&'n str),
    Digits(&'n str),
}

impl Part<'_> {
    /// The number, where it is written as its predecessor could be: of at most 18 digits.
    fn number(self) -> Option<(u64, usize)> {
        match self {
            Self::Digits(d) if d.len() <= 18 => Some((d.parse().ok()?, d.len())),
            _ => None,
        }
    }

    /// Numbers by value, whatever zeroes they begin with.
    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Digits(a), Self::Digits(b)) => {
                let (plain_a, plain_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                let by_value = (plain_a.len(), plain_a).cmp(&(plain_b.len(), plain_b));
                by_value.then(a.len().cmp(&b.len()))
            }
            (Self::Digits(_), Self::Other(_)) => Ordering::Less,
            (Self::Other(_), Self::Digits(_)) => Ordering::Greater,
            (Self::Other(a), Self::Other(b)) => a.cmp(b),
        }
    }
}

fn parts(name: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (part, next) = rest.split_at(end);
        parts.push(if digits {
            Part::Digits(part)
        } else {
            Part::Other(part)
        });
        rest = next;
    }
    parts
}

/// Names in the order in which people count.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let differ = a.iter().zip(&b).map(|(a, b)| a.order(*b));
    differ
        .into_iter()
        .find(|o| o.is_ne())
        .unwrap_or(a.len().cmp(&b.len()))
}

/// The part in which `b` is the next number after `a`, where nothing else differs.
fn step(a: &str, b: &str) -> Option<usize> {
    let (a, b) = (parts(a), parts(b));
    if a.len() != b.len() {
        return None;
    }
    let mut differ = (0..a.len()).filter(|i| a[*i] != b[*i]);
    let (at, more) = (differ.next()?, differ.next());
    let ((before, short), (after, long)) = (a[at].number()?, b[at].number()?);
    // 9 is followed by 10, 09 by 10, but 009 not by 10.
    let same_form = short == long || (before.to_string().len() == short && short < long);
    let plain = after.to_string().len() == long || short == long;
    (more.is_none() && after == before + 1 && same_form && plain).then_some(at)
}

/// Every name, in order: runs of three or more numbers by their first and last name.
///
/// Guarantees: no name is in a run that is not among the names.
pub(super) fn runs(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_by(|a, b| order(a, b).then(a.cmp(b)));
    let mut written: Vec<String> = Vec::new();
    let mut from = 0;
    while from < names.len() {
        let (mut to, mut field) = (from, None);
        while let Some(next) = names.get(to + 1) {
            let Some(at) = step(names[to], next).filter(|at| field.is_none_or(|f| f == *at)) else {
                break;
            };
            (field, to) = (Some(at), to + 1);
        }
        if to - from >= 2 {
            written.push(format!("{} … {}", names[from], names[to]));
            from = to + 1;
        } else {
            written.push(names[from].to_owned());
            from += 1;
        }
    }
    written.join(", ")
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn names_that_count_on_are_a_run_and_a_gap_ends_it() {
        for (names, wanted) in [
            (&["n1", "n2", "n3"][..], "n1 … n3"),
            (&["n10", "n9", "n8"], "n8 … n10"),
            (&["n1", "n2", "n4"], "n1, n2, n4"),
            (
                &["a-001", "a-002", "a-003", "a-005"],
                "a-001 … a-003, a-005",
            ),
            (&["h1.dc2", "h2.dc2", "h3.dc2"], "h1.dc2 … h3.dc2"),
            (&["r1-1", "r1-2", "r1-3", "r2-1"], "r1-1 … r1-3, r2-1"),
            (&["n098", "n099", "n100"], "n098 … n100"),
            (&["n08", "n9", "n10"], "n08, n9, n10"),
            (&["web", "db"], "db, web"),
            (&["only"], "only"),
            (&[], ""),
        ] {
            assert_eq!(runs(names), wanted);
        }
    }
}

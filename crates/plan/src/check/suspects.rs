//! Many that are wrong alike: where several places are and none is right, what they are measured
//! by is wrong, and that is one finding.

use std::collections::BTreeSet;

use super::Findings;
use crate::finding::Finding;
use crate::source::Path;

/// Places that are measured by one field: hosts by a subnet, ranges by a pool or a density.
#[derive(Default)]
pub(super) struct Suspects {
    right: bool,
    wrong: Vec<Finding>,
}

impl Suspects {
    /// One that is wrong.
    pub(super) fn add(&mut self, wrong: Finding) {
        self.wrong.push(wrong);
    }

    /// That one more is right.
    pub(super) fn add_right(&mut self) {
        self.right = true;
    }

    /// Tells each place, or the field at `at` where it is wrong. `all`: what is said of it before
    /// what is wrong with the first place, by how many are wrong.
    pub(super) fn tell(self, at: Path, all: impl FnOnce(usize) -> String, found: &mut Findings) {
        let places: BTreeSet<&Path> = self.wrong.iter().map(|wrong| &wrong.place).collect();
        match self.wrong.first() {
            Some(first) if !self.right && places.len() > 1 => {
                let message = format!("{}: {}", all(self.wrong.len()), first.message);
                let related = (first.place.clone(), "the first of them");
                found.add_with(first.rule, at, message, related);
            }
            _ => {
                for wrong in self.wrong {
                    found.put(wrong);
                }
            }
        }
    }
}

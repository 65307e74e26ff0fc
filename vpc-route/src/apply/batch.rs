//! Ops that may be written with one call.

use crate::diff::Op;

/// Cuts ops into runs of one kind, of at most `most`, none overlapping another in its run: the
/// entries of a batch come into force in any order, and some of them may fail.
pub fn batches(ops: &[Op], most: usize, shares: impl Fn(&Op) -> bool) -> Vec<&[Op]> {
    let mut found = Vec::new();
    let mut start = 0;
    for (i, op) in ops.iter().enumerate() {
        let run = &ops[start..i];
        let joins = run.is_empty()
            || (run.len() < most
                && run[0].kind() == op.kind()
                && shares(&run[0])
                && shares(op)
                && !run
                    .iter()
                    .any(|o| o.destination().overlaps(op.destination())));
        if !joins {
            found.push(run);
            start = i;
        }
    }
    if start < ops.len() {
        found.push(&ops[start..]);
    }
    found
}

//! Where in a text the paths of a model lead.
//!
//! The text is read again for it, since no tree of it was kept: a text without findings, the
//! common one, has no use for one.

use std::cmp::Ordering;

use super::events::{Begin, Events, What};
use super::{Path, Span, Step, SyntaxError};

/// Where each of `paths` leads, or the deepest part of it that is there. What is under a key
/// may begin lines below it, so the key is the place, unless a scalar stands there; an item
/// of a list is where its `name` is.
///
/// # Errors
/// [`SyntaxError`] where the text is no document.
pub fn locate(text: &str, paths: &[&Path]) -> Result<Vec<Span>, SyntaxError> {
    let mut wanted: Vec<(usize, &[Step])> = paths.iter().map(|p| p.steps()).enumerate().collect();
    wanted.sort_by_key(|(_, steps)| *steps);
    let mut events = Events::of(text);
    let root = events.next()?.ok_or(SyntaxError::Empty)?;
    let mut search = Search {
        events,
        found: vec![(0, root.span); paths.len()],
    };
    search.within(&root, &wanted, 0)?;
    Ok(search.found.into_iter().map(|(_, span)| span).collect())
}

struct Search<'t> {
    events: Events<'t>,
    /// The deepest place that was found for each path, and how many steps led there.
    found: Vec<(usize, Span)>,
}

/// Some paths, sorted, each with its number.
type Wanted<'w, 'p> = &'w [(usize, &'p [Step])];

impl Search<'_> {
    /// Looks in a node where all of `wanted` have led by their first `depth` steps.
    fn within(
        &mut self,
        begun: &Begin<'_>,
        wanted: Wanted<'_, '_>,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        if wanted.is_empty() {
            return self.events.skip(begun);
        }
        match &begun.what {
            What::Scalar { .. } => {}
            What::Sequence => {
                let mut index = 0;
                while let Some(item) = self.events.next()? {
                    let inside = along(wanted, depth, |step| step.cmp(&Step::Index(index)));
                    self.put(inside, depth + 1, item.span);
                    self.within(&item, inside, depth + 1)?;
                    index += 1;
                }
            }
            What::Mapping => {
                let last = |(_, steps): &(usize, &[Step])| Some(*steps.get(depth.checked_sub(1)?)?);
                let item = matches!(wanted.first().and_then(last), Some(Step::Index(_)));
                while let Some(key) = self.events.next()? {
                    let Some(value) = self.events.next()? else {
                        break;
                    };
                    let What::Scalar { text, .. } = key.what else {
                        continue;
                    };
                    if item && text == "name" {
                        self.put(wanted, depth, value.span);
                    }
                    let inside = along(wanted, depth, |step| match step {
                        Step::Key(wanted) => (*wanted).cmp(&text),
                        Step::Index(_) => Ordering::Greater,
                    });
                    let span = match value.what {
                        What::Scalar { .. } => value.span,
                        _ => key.span,
                    };
                    self.put(inside, depth + 1, span);
                    self.within(&value, inside, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, wanted: Wanted<'_, '_>, depth: usize, span: Span) {
        for (number, _) in wanted {
            let found = &mut self.found[*number];
            if found.0 <= depth {
                *found = (depth, span);
            }
        }
    }
}

/// Those of `wanted` whose step number `depth` is the one that `order` finds equal.
fn along<'w, 'p>(
    wanted: Wanted<'w, 'p>,
    depth: usize,
    order: impl Fn(&Step) -> Ordering,
) -> Wanted<'w, 'p> {
    // A path that ends before it sorts first.
    let order = |steps: &[Step]| steps.get(depth).map_or(Ordering::Less, &order);
    let from = wanted.partition_point(|(_, steps)| order(steps).is_lt());
    let rest = &wanted[from..];
    &rest[..rest.partition_point(|(_, steps)| order(steps).is_eq())]
}

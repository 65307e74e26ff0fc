//! Shapes sent and judged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::oracle::{Place, Verdict, judge};
use super::report::{Site, Unexpected, hex};
use super::shape::Shape;
use super::stage::Stage;
use crate::interrupt::Interrupt;

/// Shapes between two looks at whether the run is to end.
const PART: usize = 256;
/// How often what is to arrive is sent before it counts as lost: a busy machine loses some by itself.
const TRIES: usize = 3;

/// One shape that was sent, and what became of it.
pub(super) struct Sent<'s> {
    pub(super) shape: &'s Shape,
    pub(super) bytes: Vec<u8>,
    pub(super) verdict: Verdict,
    pub(super) arrived: BTreeMap<Place, Vec<u8>>,
}

impl Sent<'_> {
    /// Where it was to arrive and did not.
    fn lost(&self) -> BTreeSet<Place> {
        match &self.verdict {
            Verdict::Arrives { at, .. } => {
                let came = |place: &&Place| !self.arrived.contains_key(place);
                at.iter().filter(came).copied().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Where it was not to arrive and did.
    fn astray(&self) -> BTreeSet<Place> {
        let here = self.arrived.keys().copied();
        match &self.verdict {
            Verdict::Forbidden(_) => here.collect(),
            Verdict::Listed(_) => here.filter(|p| *p == Place::Bystander).collect(),
            Verdict::Arrives { at, may } => here
                .filter(|place| !at.contains(place) && !may.contains(place))
                .collect(),
        }
    }

    /// What is wrong, if anything.
    pub(super) fn unexpected(&self) -> Option<Unexpected> {
        let (lost, astray) = (self.lost(), self.astray());
        if lost.is_empty() && astray.is_empty() {
            return None;
        }
        let expected = match &self.verdict {
            Verdict::Forbidden(why) => format!("arrives nowhere: {why}"),
            Verdict::Listed(listed) => format!("listed: {}", listed.name),
            Verdict::Arrives { at, .. } => format!("arrives at {at:?}"),
        };
        let came = |place: &Place| {
            let bytes = self.arrived.get(place).map(|b| hex(b));
            (*place, bytes.unwrap_or_default())
        };
        Some(Unexpected {
            shape: self.shape.to_string(),
            bytes: hex(&self.bytes),
            expected,
            arrived: astray.iter().map(came).collect(),
            missing: lost.into_iter().collect(),
        })
    }
}

/// Sends each shape and tells what arrived where: the honest ones first. On the kernel's datapath a
/// message that is cut off makes the switch cache a verdict on all of its protocol from this container
/// for some seconds (docs/redteam.md): it would take honest ones for lost that come after it. What
/// must not arrive comes when the verdicts on the honest ones are cached.
///
/// # Errors
/// If frames cannot be sent or seen; an interruption.
pub(super) fn send<'s>(
    stage: &Stage<'_>,
    shapes: &[&'s Shape],
    interrupt: &Interrupt,
) -> Result<Vec<Sent<'s>>> {
    stage.forget_verdicts()?;
    let sent = shapes.iter().map(|&shape| Sent {
        shape,
        bytes: Vec::new(),
        verdict: judge(shape, stage.ground),
        arrived: BTreeMap::new(),
    });
    let honest = |sent: &Sent<'_>| matches!(sent.verdict, Verdict::Arrives { .. });
    let (mut honest, mut rest): (Vec<_>, Vec<_>) = sent.partition(honest);
    turn(stage, honest.iter_mut().collect(), interrupt)?;
    for _ in 1..TRIES {
        let missing = honest.iter_mut().filter(|sent| !sent.lost().is_empty());
        turn(stage, missing.collect(), interrupt)?;
    }
    // For the same reason what breaks off comes last of all.
    rest.sort_by_key(|sent| sent.shape.breaks_off());
    turn(stage, rest.iter_mut().collect(), interrupt)?;
    honest.append(&mut rest);
    // The others are for nobody of this site.
    honest.retain(|sent| !sent.bytes.is_empty());
    Ok(honest)
}

/// Sends each of these once, and notes what arrived.
fn turn(stage: &Stage<'_>, mut all: Vec<&mut Sent<'_>>, interrupt: &Interrupt) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut numbers = Vec::new();
    for part in all.chunks_mut(PART) {
        interrupt.check()?;
        let mut frames = Vec::new();
        for sent in part {
            let built = stage.build(sent.shape);
            numbers.push(built.as_ref().map(|(number, _)| *number));
            if let Some((number, frame)) = built {
                sent.bytes.clone_from(&frame);
                frames.push((number, frame));
            }
        }
        stage.send(&frames)?;
    }
    stage.barrier()?;
    for (sent, number) in all.iter_mut().zip(numbers) {
        if let Some(number) = number {
            sent.arrived.extend(stage.arrivals.of(number));
        }
    }
    stage.arrivals.clear();
    Ok(())
}

/// What became of these, as a site's part of the report.
pub(super) fn count(site: &str, sent: &[Sent<'_>]) -> Site {
    let mut report = Site::new(site, sent.len());
    for one in sent {
        report.unexpected.extend(one.unexpected());
        match &one.verdict {
            Verdict::Forbidden(_) => report.forbidden += 1,
            Verdict::Arrives { .. } => report.honest += 1,
            Verdict::Listed(listed) => report.list(listed, !one.arrived.is_empty()),
        }
    }
    report
}

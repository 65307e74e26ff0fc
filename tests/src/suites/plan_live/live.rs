//! A change of the plan that is carried out step by step under pings, there and back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;

use super::daemons::Daemons;
use super::edits::Edit;
use super::verdict::{Diff, Phase, Step, Until, agrees};
use super::world::{Flow, PLACES, REACHED, World};
use crate::suites::kit::pings::{Outcome, Stream};
use crate::suites::kit::{eventually, say};
use crate::{Lab, LabGuard};

/// The time between two pings, in seconds.
const PING: &str = "0.05";

/// Which of the two plans is the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    There,
    Back,
}

type Deed = Box<dyn Fn(&Lab) -> Result<()>>;

/// What those do who run switches and routers.
pub(super) struct Hand {
    way: Way,
    at: When,
    deed: Deed,
}

/// When people do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At that step of the diff.
    Step(Phase, &'static str),
    /// When what was cut off was seen to be: their work ends.
    Ends,
    /// When all is done.
    Last,
}

impl Hand {
    /// At that step of the diff.
    pub(super) fn new(
        way: Way,
        phase: Phase,
        what: &'static str,
        deed: impl Fn(&Lab) -> Result<()> + 'static,
    ) -> Self {
        Self {
            way,
            at: When::Step(phase, what),
            deed: Box::new(deed),
        }
    }

    /// When all is done, also by containers that were made again.
    pub(super) fn last(way: Way, deed: impl Fn(&Lab) -> Result<()> + 'static) -> Self {
        Self {
            way,
            at: When::Last,
            deed: Box::new(deed),
        }
    }

    /// When the work ends that a step takes, after which what it cut off is back.
    pub(super) fn ends(way: Way, deed: impl Fn(&Lab) -> Result<()> + 'static) -> Self {
        Self {
            way,
            at: When::Ends,
            deed: Box::new(deed),
        }
    }
}

/// A flow that is under way, or what came of it.
struct Run {
    flow: Flow,
    stream: Option<Stream>,
    came: Option<Outcome>,
}

/// The lab with its containers, for the time of a check.
pub(super) struct Live<'l> {
    pub(super) world: World<'l>,
    daemons: Daemons<'l>,
    /// The flows that the last change cut off.
    cut: BTreeSet<String>,
}

impl<'l> Live<'l> {
    /// Attaches nothing yet.
    pub(super) fn begin(lab: &'l LabGuard) -> Result<Self> {
        Ok(Self {
            world: World::new(lab),
            daemons: Daemons::new(lab)?,
            cut: BTreeSet::new(),
        })
    }

    /// Goes over to the plan that `edit` makes, and back again.
    pub(super) fn there_and_back(mut self, hands: &[Hand], edit: Edit) -> Result<()> {
        let own = self.world.lab.plan().clone();
        let mut other = own.clone();
        edit(&mut other)?;
        let there = self.change(Way::There, (&own, &other), hands);
        let both = there.and_then(|()| self.change(Way::Back, (&other, &own), hands));
        if both.is_err() {
            for hand in hands.iter().filter(|h| h.way == Way::Back) {
                // The check's own failure is the one to tell.
                let _ = (hand.deed)(self.world.lab);
            }
            let _ = self.daemons.take_over(&own);
            let _ = self.daemons.settle(&own);
        }
        both?;
        for container in self.world.containers.drain(..).flatten() {
            container.detach()?;
        }
        Ok(())
    }

    /// One way of it: what the diff says, and what came of it.
    fn change(
        &mut self,
        way: Way,
        (old, new): (&NetworkPlan, &NetworkPlan),
        hands: &[Hand],
    ) -> Result<()> {
        let diff = self.daemons.diff(old, new)?;
        ensure!(diff.steps().count() > 0, "the diff has no step");
        self.world.attach(old)?;
        let held = self.world.held()?;
        let mut runs = self.start(old)?;
        self.carry_out(way, &diff, new, hands, &mut runs)
            .with_context(|| format!("{way:?}"))?;
        self.judge(&diff, runs)
            .with_context(|| format!("{way:?}"))?;
        if self.by_hand(hands, way, When::Ends)? > 0 {
            self.cut.clear();
        }
        let steps: Vec<&Step> = diff.steps().collect();
        self.daemons.see(&steps)?;
        self.world.remake(&diff, &held)?;
        self.by_hand(hands, way, When::Last).map(drop)
    }

    /// Does what people do then; how many things.
    fn by_hand(&self, hands: &[Hand], way: Way, at: When) -> Result<usize> {
        let now: Vec<&Hand> = hands
            .iter()
            .filter(|h| h.way == way && h.at == at)
            .collect();
        now.iter().try_for_each(|h| (h.deed)(self.world.lab))?;
        Ok(now.len())
    }

    /// Starts the pings that a plan has a way for, each once it is answered.
    fn start(&self, plan: &NetworkPlan) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for flow in self.world.flows(plan)? {
            if self.cut.contains(&flow.name) {
                runs.push(Run {
                    flow,
                    stream: None,
                    came: None,
                });
                continue;
            }
            eventually(REACHED, || self.world.probe(&flow)).context("before the change")?;
            let from = self.world.source(&flow)?;
            let stream = Stream::start(from, flow.ends[1].address, PING)?;
            runs.push(Run {
                flow,
                stream: Some(stream),
                came: None,
            });
        }
        Ok(runs)
    }

    /// Does the steps in their order, each by whom it is for. Daemons do theirs by the plan's file.
    fn carry_out(
        &mut self,
        way: Way,
        diff: &Diff,
        new: &NetworkPlan,
        hands: &[Hand],
        runs: &mut [Run],
    ) -> Result<()> {
        let (mut planned, mut settled) = (false, false);
        let mut done = 0;
        let drains = diff.steps().filter(|s| s.phase == Phase::Drain).count();
        let mut drained = 0;
        for step in diff.steps() {
            if !planned && !matches!(step.phase, Phase::Carry | Phase::Drain) {
                self.daemons.take_over(new)?;
                planned = true;
            }
            // Who has to leave a range keeps it until then.
            if planned && !settled && drained == drains {
                self.daemons.settle(new)?;
                settled = true;
            }
            let at = |h: &&Hand| matches!(h.at, When::Step(phase, what) if phase == step.phase && what == step.what);
            if let Some(hand) = hands.iter().filter(|h| h.way == way).find(at) {
                (hand.deed)(self.world.lab)?;
                done += 1;
            }
            if step.phase == Phase::Drain {
                self.drain(step, runs)?;
                drained += 1;
            }
        }
        if !planned {
            self.daemons.take_over(new)?;
        }
        if !settled {
            self.daemons.settle(new)?;
        }
        let of_steps = |h: &&Hand| h.way == way && matches!(h.at, When::Step(..));
        let wanted = hands.iter().filter(of_steps).count();
        ensure!(
            done == wanted,
            "the diff has {done} of {wanted} steps that people do"
        );
        Ok(())
    }

    /// Lets the containers leave that a step names: their pings end before they do.
    fn drain(&mut self, step: &Step, runs: &mut [Run]) -> Result<()> {
        for at in 0..PLACES.len() {
            let ends = self.world.ends_of(at)?;
            if !ends.iter().any(|end| step.concerns([end, end])) {
                continue;
            }
            for run in runs.iter_mut().filter(|r| r.flow.places.contains(&at)) {
                if let Some(stream) = run.stream.take() {
                    run.came = Some(stream.finish()?);
                }
            }
            self.world.detach(at)?;
        }
        Ok(())
    }

    /// Compares what came of the pings with what the diff says of their ends.
    fn judge(&mut self, diff: &Diff, runs: Vec<Run>) -> Result<()> {
        let verdict = |flow: &Flow| diff.verdict([&flow.ends[0], &flow.ends[1]]);
        let cut = |flow: &Flow| verdict(flow) >= Until::Done;
        // What was cut off before is reached again if this change is the one that undoes it; and
        // pings of all go on until that is known.
        for run in runs.iter().filter(|r| r.came.is_none()) {
            if run.stream.is_some() && cut(&run.flow) {
                // Tables are right before every router has followed them.
                let cut_off = || {
                    let answered = self.world.probe(&run.flow).is_ok();
                    ensure!(!answered, "{} is answered", run.flow.name);
                    Ok(())
                };
                eventually(REACHED, cut_off).context("after the change")?;
            } else {
                eventually(REACHED, || self.world.probe(&run.flow)).context("after the change")?;
            }
        }
        self.cut.clear();
        let mut tally = Tally::default();
        for run in runs {
            let verdict = verdict(&run.flow);
            let came = match (run.stream, run.came) {
                (Some(stream), _) => stream.finish()?,
                (None, Some(came)) => came,
                (None, None) => continue,
            };
            agrees(verdict, &came).with_context(|| format!("{verdict:?} by the diff"))?;
            tally.add(verdict, &came);
            if verdict >= Until::Done {
                self.cut.insert(run.flow.name);
            }
        }
        tally.say(diff);
        tally.shows(diff)
    }
}

/// How many flows and pings of each verdict there were, and of how many flows and pings something
/// was lost.
#[derive(Default)]
struct Tally(BTreeMap<Until, [u64; 4]>);

impl Tally {
    fn add(&mut self, verdict: Until, came: &Outcome) {
        let [flows, sent, hurt, lost] = self.0.entry(verdict).or_default();
        *flows += 1;
        *sent += u64::from(came.sent);
        if came.lossless().is_err() {
            *hurt += 1;
            *lost += u64::from(came.sent).saturating_sub(came.answered as u64);
        }
    }

    /// Whom a step costs packets for seconds, not at most, somebody has to have lost some: what the
    /// diff says of an outage that never comes is as wrong as what it does not say.
    fn shows(&self, diff: &Diff) -> Result<()> {
        let Some([flows, sent, hurt, _]) = self.0.get(&Until::Seconds) else {
            return Ok(());
        };
        let steps: Vec<&str> = diff.steps().map(|s| s.what.as_str()).collect();
        ensure!(
            *hurt > 0,
            "{}: seconds by the diff for {flows} flows, and of {sent} pings none is lost",
            steps.join("; ")
        );
        Ok(())
    }

    fn say(&self, diff: &Diff) {
        let steps: Vec<&str> = diff.steps().map(|s| s.what.as_str()).collect();
        say(&format!("{}:", steps.join("; ")));
        for (verdict, [flows, sent, hurt, lost]) in &self.0 {
            say(&format!(
                "  {verdict:?} by the diff: {flows} flows, {sent} pings; lost: {lost} of {hurt} flows"
            ));
        }
    }
}

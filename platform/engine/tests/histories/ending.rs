//! The end of a history: without faults it is over soon, and as it was meant.

use flatnet_platform_engine::{Action, Outcome};
use flatnet_platform_types::Span;
use flatnet_platform_types::kinds::{Decision, Phase};

use crate::play::History;
use crate::world::{Member, serves};

/// Looks that a history has at most after the last fault.
const LOOKS: usize = 3_000;

impl History {
    /// Without faults it ends: over, or waiting for a person.
    pub(crate) fn recover(&mut self) -> Result<Phase, String> {
        self.say("no more faults");
        self.faulty = false;
        self.deposed.queue.clear();
        self.members.iter_mut().for_each(Member::heal);
        let last = self.releases.last_mut().expect("one");
        if last.spec.decision == Decision::Pause {
            last.spec.decision = Decision::Run;
        }
        last.spec.attempt += 1;
        for _ in 0..LOOKS {
            let out = self.look(false)?;
            if self.over(&out) {
                self.right(&out)?;
                return Ok(out.status.phase);
            }
            while !self.leader.queue.is_empty() {
                self.act(false)?;
            }
            for at in 0..self.members.len() {
                self.serve(at, 70);
            }
            let wake = out.wake.unwrap_or(Span::seconds(5)).as_millis().min(20_000);
            self.now = self.now.after(Span::millis(wake));
        }
        let last = self.releases.last().expect("one");
        let members: Vec<String> = self.members.iter().map(|m| format!("{m:?}")).collect();
        Err(format!(
            "it never ends: {:?}\n{}\n{}",
            last.status,
            self.app.replicas,
            members.join("\n")
        ))
    }

    fn over(&self, out: &Outcome) -> bool {
        let last = self.releases.last().expect("one");
        let phase = last.status.phase;
        let human = phase == Phase::Gating && last.status.message.contains("promote");
        let still = self.members.iter().all(|m| {
            m.sets.iter().all(|s| {
                let live = s.pods.iter().all(|p| {
                    !p.seen.deleting
                        && p.host.is_some()
                        && p.ready
                        && p.seen.in_service == p.seen.serve
                });
                live && s.pods.len() == s.replicas as usize
            })
        });
        out.status == last.status
            && out.actions.is_empty()
            && still
            && (phase.is_over() || phase == Phase::Paused)
            || human && still && out.actions.iter().all(|a| matches!(a, Action::Ask { .. }))
    }

    /// What serves in the end is what was meant.
    fn right(&self, out: &Outcome) -> Result<(), String> {
        let phase = out.status.phase;
        let serves = |revision: &str| {
            let sets = self
                .members
                .iter()
                .flat_map(|m| &m.sets)
                .filter(|s| s.revision == revision);
            sets.flat_map(|s| &s.pods).filter(|p| serves(p)).count()
        };
        let all: u32 = self.members.iter().map(Member::serving).sum();
        let target: u32 = out.status.target.iter().map(|c| c.count).sum();
        let meant = match (phase, &out.status.from) {
            (Phase::Done, _) => Some(&out.status.revision),
            (Phase::Aborted | Phase::Failed, Some(from)) => Some(&from.revision),
            _ => None,
        };
        let right = match meant {
            Some(revision) => serves(revision) == target as usize && all == target,
            None if phase == Phase::Aborted || phase == Phase::Failed => all == 0,
            // Somebody decides; meanwhile no fewer serve than are wanted, where any ever did.
            None => {
                out.status.from.is_none()
                    || all >= target - self.app.release.max_unavailable.of(target)
            }
        };
        match right {
            true => Ok(()),
            false => Err(format!(
                "in the end {all} serve of {target}: {:?}\n{:?}",
                out.status, self.members
            )),
        }
    }
}

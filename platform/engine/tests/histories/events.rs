//! What happens to a history from outside: what people decide, and what breaks.

use flatnet_platform_engine::observed::{Drain, NodeState};
use flatnet_platform_types::kinds::{Decision, ReleaseKind};
use flatnet_platform_types::{Moment, Span};

use crate::play::{History, digest};

impl History {
    pub(crate) fn people(&mut self) {
        let n = self.rng.number(1, 4);
        let last = self.releases.last_mut().expect("one");
        match self.rng.below(10) {
            0 => last.spec.decision = Decision::Pause,
            1 if last.spec.decision != Decision::Abort => {
                last.spec.decision = Decision::Promote;
                last.spec.decision_step = Some(last.status.step);
            }
            2 => last.spec.decision = Decision::Abort,
            3 if last.spec.decision == Decision::Pause => last.spec.decision = Decision::Run,
            4 => last.spec.attempt += 1,
            5 => {
                self.app.replicas = self.rng.number(1, 14);
                let least = self.app.replicas;
                for wish in &mut self.app.placement.locations {
                    wish.min = wish.min.map(|m| m.min(least));
                }
                self.faults += 1;
            }
            6 | 7 => {
                // What it is bounded by is another release's from now on.
                self.faults += 1;
                if self.rng.chance(30) && !self.bad.contains(&digest(n)) {
                    self.bad.push(digest(n));
                }
                self.release(n, ReleaseKind::Deploy);
            }
            8 => {
                self.faults += 1;
                self.release(n, ReleaseKind::Rollback);
            }
            _ => {}
        }
        let last = self.releases.last().expect("one");
        let text = format!(
            "people: {:?} {:?}, {} wanted",
            last.spec.decision, last.spec.decision_step, self.app.replicas
        );
        self.say(text);
    }

    pub(crate) fn fault(&mut self) {
        self.faults += 1;
        let at = self.rng.below(self.members.len());
        let host = self.rng.below(4);
        let now = self.now;
        let Self { members, rng, .. } = self;
        let member = &mut members[at];
        let pod = member.any(rng);
        let kind = rng.below(12);
        match (kind, pod) {
            (0 | 1, _) => member.reachable = !member.reachable,
            (2, _) => member.host(host, NodeState::Gone),
            (3, _) => member.host(host, NodeState::Leaving),
            (4, _) => member.host(host, NodeState::Mute),
            (5 | 6, _) => member.host(host, NodeState::Well),
            (7, Some((s, p))) => member.change(s, p, |pod| pod.seen.deleting = true),
            (8, Some((s, p))) => {
                let on = !member.sets[s].pods[p].seen.serve;
                member.wish(s, p, on, now);
            }
            (9, Some((s, _))) => {
                let replicas = rng.number(0, 8);
                member.scale(s, replicas);
            }
            (10, Some((s, p))) => member.change(s, p, |pod| {
                pod.seen.in_service = false;
                pod.ready = false;
                pod.seen.drain = Drain::default();
            }),
            (11, _) => {
                let back = rng.chance(50);
                let jump = Span::seconds(rng.below(100_000) as u64);
                self.now = match back {
                    true => Moment::from_millis(
                        self.now.as_millis() - i64::try_from(jump.as_millis()).expect("small"),
                    ),
                    false => self.now.after(jump),
                };
            }
            _ => {}
        }
        let cluster = self.members[at].name.clone();
        self.say(format!("fault {kind} in {cluster}"));
    }
}

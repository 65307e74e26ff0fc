//! A history: an application's releases over clusters, with faults at random, and then without.

use std::collections::{BTreeMap, VecDeque};

use flatnet_platform_engine::observed::{Cluster, GateVerdict, Observed, Sight};
use flatnet_platform_engine::{Action, Input, Op, Outcome, step};
use flatnet_platform_types::kinds::{
    AppSpec, Gate, KeepOld, LocationWish, Locations, OnFailure, Phase, PlacementSpec, ReleaseKind,
    ReleasePolicy, ReleaseSpec, ReleaseStatus, Stable, Step, Verdict,
};
use flatnet_platform_types::{Amount, Moment, Span, revision};

use crate::check;
use crate::rng::Rng;
use crate::world::Member;

/// The first clusters are of one location, the last of another.
const CLUSTERS: [(&str, &str); 3] = [("idc-1", "idc"), ("idc-2", "idc"), ("cloud", "cloud")];

/// A controller between two looks: what it still has to do.
#[derive(Debug, Default)]
pub(crate) struct Controller {
    pub(crate) epoch: u64,
    pub(crate) queue: VecDeque<Action>,
    /// Faults that there had been when it looked.
    looked_at: u64,
    emergency_in_the_dark: bool,
    /// What it saw some time ago, the clusters that it has written to since, and how many faults there had been.
    before: Option<(BTreeMap<String, Cluster>, Vec<String>, u64)>,
}

#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) spec: ReleaseSpec,
    pub(crate) status: ReleaseStatus,
}

pub(crate) struct History {
    pub(crate) rng: Rng,
    pub(crate) now: Moment,
    pub(crate) app: AppSpec,
    pub(crate) stable: Option<Stable>,
    pub(crate) releases: Vec<Release>,
    pub(crate) members: Vec<Member>,
    pub(crate) leader: Controller,
    /// The one before, which does not know that it is none any more.
    pub(crate) deposed: Controller,
    pub(crate) verdicts: BTreeMap<(usize, u32, u32, u32), Verdict>,
    /// Digests whose instances fail: their pods get stuck, or their gates say so.
    pub(crate) bad: Vec<String>,
    pub(crate) faults: u64,
    pub(crate) faulty: bool,
    pub(crate) log: Vec<String>,
}

pub(crate) fn digest(n: u32) -> String {
    format!("sha256:{n:064x}")
}

fn app(rng: &mut Rng) -> AppSpec {
    let amounts = [
        Amount::Instances(1),
        Amount::Percent(20),
        Amount::Percent(50),
        Amount::Instances(3),
    ];
    let gate = |n: usize| match n {
        0 => Gate {
            network: Some(true),
            ..Gate::default()
        },
        1 => Gate {
            probe: Some("/".to_owned()),
            ..Gate::default()
        },
        _ => Gate {
            human: Some(true),
            ..Gate::default()
        },
    };
    let steps = (0..rng.below(4)).map(|_| Step {
        instances: amounts[rng.below(amounts.len())],
        locations: if rng.chance(30) {
            Locations::First
        } else {
            Locations::Each
        },
        bake: Span::seconds(rng.below(90) as u64),
        gates: (0..rng.below(3)).map(|_| gate(rng.below(3))).collect(),
    });
    let steps = steps.collect();
    let replicas = rng.number(1, 12);
    let min = rng.chance(40).then(|| rng.number(0, replicas / 2));
    let wish = |name: &str, min| LocationWish {
        name: name.to_owned(),
        min,
    };
    AppSpec {
        replicas,
        placement: PlacementSpec {
            locations: vec![wish("idc", min), wish("cloud", None)],
            ..PlacementSpec::default()
        },
        release: ReleasePolicy {
            steps,
            max_unavailable: Amount::Instances(if rng.chance(70) { 0 } else { rng.number(0, 3) }),
            max_surge: [
                Amount::Percent(25),
                Amount::Percent(100),
                Amount::Instances(1),
            ][rng.below(3)],
            keep_old: KeepOld {
                count: [
                    Amount::Percent(100),
                    Amount::Instances(0),
                    Amount::Instances(2),
                ][rng.below(3)],
                span: Span::seconds(120),
            },
            on_failure: if rng.chance(70) {
                OnFailure::Abort
            } else {
                OnFailure::Pause
            },
            ..ReleasePolicy::default()
        },
        ..AppSpec::default()
    }
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let app = app(&mut rng);
        let members = CLUSTERS
            .iter()
            .map(|(name, location)| Member::new(name, location, 4));
        let mut history = Self {
            rng,
            now: Moment::from_millis(1_000_000_000_000),
            app,
            stable: None,
            releases: Vec::new(),
            members: members.collect(),
            leader: Controller {
                epoch: 1,
                ..Controller::default()
            },
            deposed: Controller::default(),
            verdicts: BTreeMap::new(),
            bad: Vec::new(),
            faults: 0,
            faulty: true,
            log: Vec::new(),
        };
        history.release(1, ReleaseKind::Deploy);
        history
    }

    /// Plays it to its end.
    pub(crate) fn play(mut self) -> Result<Phase, String> {
        let events = 40 + self.rng.below(200);
        for _ in 0..events {
            self.event().map_err(|e| self.told(&e))?;
        }
        self.recover().map_err(|e| self.told(&e))
    }

    fn told(&self, wrong: &str) -> String {
        let log = self.log.iter().rev().take(60).rev();
        let log: Vec<&str> = log.map(String::as_str).collect();
        format!("{wrong}\n{:?}\n{}", self.app.release, log.join("\n"))
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    pub(crate) fn release(&mut self, n: u32, kind: ReleaseKind) {
        let name = format!("r{}", self.releases.len());
        self.log.push(format!("release {name} of {n}, {kind:?}"));
        let spec = ReleaseSpec {
            digest: digest(n),
            kind,
            ..ReleaseSpec::default()
        };
        self.releases.push(Release {
            name,
            spec,
            status: ReleaseStatus::default(),
        });
    }

    fn revision(digest: &str) -> String {
        revision(digest, "@0", &serde_json::Value::Null)
    }

    fn observe(&self, release: usize, epoch: u64) -> Observed {
        let current = |k: &&(usize, u32, u32, u32)| k.0 == release;
        let verdicts = self.verdicts.keys().filter(current).map(|k| GateVerdict {
            step: k.1,
            round: k.2,
            gate: k.3,
            verdict: self.verdicts[k],
            reason: String::new(),
        });
        Observed {
            epoch,
            stable: self.stable.clone(),
            superseded_by: self.releases.get(release + 1).map(|r| r.name.clone()),
            clusters: self
                .members
                .iter()
                .map(|m| (m.name.clone(), m.observe()))
                .collect(),
            verdicts: verdicts.collect(),
            reserved: BTreeMap::new(),
        }
    }

    fn controller(&mut self, deposed: bool) -> &mut Controller {
        match deposed {
            true => &mut self.deposed,
            false => &mut self.leader,
        }
    }

    /// What a controller sees: some clusters as they were some time ago, if it has not written to them since.
    fn seen(&mut self, at: usize, deposed: bool) -> (Observed, u64) {
        let (mut faults, faulty) = (self.faults, self.faulty);
        let epoch = self.controller(deposed).epoch;
        let mut observed = self.observe(at, epoch);
        // One that has lost its lease without knowing is one whose caches are late.
        let late = if deposed { 80 } else { 20 };
        if self.rng.chance(late) && faulty {
            let before = self.controller(deposed).before.take();
            if let Some((then, written, faults_then)) = before {
                for (name, cluster) in then {
                    if !written.contains(&name) {
                        observed.clusters.insert(name, cluster);
                        faults = faults_then;
                    }
                }
            }
        }
        if self.rng.chance(20) {
            let now = (self.observe(at, epoch).clusters, Vec::new(), self.faults);
            self.controller(deposed).before = Some(now);
        }
        (observed, faults)
    }

    /// A controller looks at the last release, and at those before until they know that they are superseded.
    pub(crate) fn look(&mut self, deposed: bool) -> Result<Outcome, String> {
        let last = self.releases.len() - 1;
        let open = |i: &usize| self.releases[*i].status.phase != Phase::Superseded;
        let at = (0..last).find(open).unwrap_or(last);
        let (observed, seen_at) = self.seen(at, deposed);
        let release = &self.releases[at];
        let input = Input {
            app: &self.app,
            release: &release.spec,
            status: &release.status,
            observed: &observed,
            now: self.now,
        };
        let out = step(&input);
        check::look(&self.app, &release.spec, &observed, &out)?;
        let again = step(&Input {
            status: &out.status,
            ..input
        });
        if again.status != out.status || again.actions != out.actions {
            return Err(format!(
                "a second look differs:\n{:?}\n{:?}\n{:?}\n{:?}",
                out.status, again.status, out.actions, again.actions
            ));
        }
        let dark = observed.clusters.values().any(|c| c.sight == Sight::Dark);
        let in_the_dark = dark && check::emergency(&release.spec, out.status.phase);
        let phase = (release.status.phase, release.status.step);
        if phase != (out.status.phase, out.status.step) {
            let text = format!(
                "{}: {:?} → {:?} {} {}",
                release.name, phase, out.status.phase, out.status.step, out.status.message
            );
            self.log.push(text);
        }
        self.releases[at].status = out.status.clone();
        let controller = self.controller(deposed);
        controller.emergency_in_the_dark = in_the_dark;
        controller.looked_at = seen_at;
        controller.queue = out.actions.clone().into();
        Ok(out)
    }

    pub(crate) fn act(&mut self, deposed: bool) -> Result<(), String> {
        let of = self.controller(deposed);
        let Some(action) = of.queue.pop_front() else {
            return Ok(());
        };
        let (looked_at, in_the_dark) = (of.looked_at, of.emergency_in_the_dark);
        let excused = looked_at != self.faults || in_the_dark;
        match action {
            Action::RecordStable(stable) => {
                // The hub refuses a write of a version that is not the latest: the deposed one's.
                if !deposed {
                    self.stable = Some(stable);
                }
            }
            Action::Ask {
                step, round, gate, ..
            } => {
                let at = self.releases.len() - 1;
                let bad = self.bad.contains(&self.releases[at].spec.digest);
                let verdict = match self.rng.below(10) {
                    _ if !self.faulty && bad => Verdict::Fail,
                    0 if self.faulty => Verdict::Fail,
                    1 | 2 if self.faulty => Verdict::Unknown,
                    _ => Verdict::Pass,
                };
                self.verdicts.insert((at, step, round, gate), verdict);
            }
            Action::Member { cluster, epoch, op } => {
                let before = self.serving();
                let at = self
                    .members
                    .iter()
                    .position(|m| m.name == cluster)
                    .ok_or("no such cluster")?;
                let done = self.members[at].apply(epoch, &op, self.now);
                self.log.push(format!(
                    "{}{cluster} {op:?}: {done:?}",
                    if deposed { "(deposed) " } else { "" }
                ));
                if done.is_ok()
                    && let Some((_, written, _)) = &mut self.controller(deposed).before
                {
                    written.push(cluster.clone());
                }
                self.judge(&before, &op, excused)?;
            }
        }
        Ok(())
    }

    fn serving(&self) -> BTreeMap<String, i64> {
        let mut serving = BTreeMap::new();
        for member in &self.members {
            *serving.entry(member.location.clone()).or_default() += i64::from(member.serving());
        }
        serving
    }

    /// What the action has done in truth, where nothing else has happened since it was decided.
    fn judge(&self, before: &BTreeMap<String, i64>, op: &Op, excused: bool) -> Result<(), String> {
        let after = self.serving();
        let sum = |m: &BTreeMap<String, i64>| m.values().sum::<i64>();
        if excused || sum(&after) >= sum(before) || self.stable.is_none() {
            return Ok(());
        }
        let status = &self.releases.last().expect("one").status;
        let out = Outcome {
            status: status.clone(),
            actions: Vec::new(),
            wake: None,
        };
        let (total, locations) = check::bounds(&self.app, &out);
        let wrong = |name: &String| {
            after[name] < before[name] && after[name] < locations.get(name).copied().unwrap_or(0)
        };
        match sum(&after) < total || after.keys().any(wrong) {
            true => Err(format!(
                "{op:?} took instances in service from {before:?} to {after:?}, with {total} and {locations:?} wanted"
            )),
            false => Ok(()),
        }
    }

    fn event(&mut self) -> Result<(), String> {
        let seconds = self.rng.below(8) as u64;
        self.now = self.now.after(Span::seconds(seconds));
        for at in 0..self.members.len() {
            self.serve(at, 40);
        }
        match self.rng.below(100) {
            0..30 => {
                self.look(false)?;
            }
            30..70 => {
                for _ in 0..self.rng.below(6) {
                    self.act(false)?;
                }
            }
            70..73 => self.act(true)?,
            73..76 if self.deposed.epoch > 0 => {
                self.look(true)?;
            }
            76..80 => self.depose(),
            80..85 => self.people(),
            _ => self.fault(),
        }
        Ok(())
    }

    /// What a cluster does by itself is no fault; but what is in service in truth changes, so nobody who looked before is
    /// judged by it where it falls.
    pub(crate) fn serve(&mut self, at: usize, percent: usize) {
        let before = self.members[at].serving();
        let Self { members, rng, .. } = self;
        members[at].live(rng, percent);
        if members[at].serving() < before {
            self.faults += 1;
        }
        let bad: Vec<String> = self.bad.iter().map(|d| Self::revision(d)).collect();
        for set in &mut self.members[at].sets {
            if bad.contains(&set.revision) && self.faulty {
                set.pods
                    .iter_mut()
                    .filter(|p| !p.ready)
                    .for_each(|p| p.stuck = true);
            }
        }
    }

    /// The leader dies or is believed dead; another takes over.
    fn depose(&mut self) {
        let epoch = self.leader.epoch + 1;
        let old = std::mem::replace(
            &mut self.leader,
            Controller {
                epoch,
                ..Controller::default()
            },
        );
        // A process that was killed does nothing more; one that only lost its lease does.
        self.deposed = if self.rng.chance(50) {
            old
        } else {
            Controller::default()
        };
        self.say(format!("leader {epoch}"));
    }
}

//! Random operations against a reference model: for each address, which host had it last, and when
//! that host released it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::store::Fault;

const HOSTS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Op {
    /// A host reports and applies the answer, or the answer is lost.
    Sync {
        host: usize,
        lost: bool,
    },
    /// An earlier report arrives once more.
    Replay {
        host: usize,
    },
    /// Containers get addresses of all active ranges.
    Fill {
        host: usize,
    },
    Empty {
        host: usize,
    },
    /// A host drops its draining, empty ranges and reports that; or crashes before the report.
    ReleaseEmpty {
        host: usize,
        reported: bool,
    },
    Drain {
        host: usize,
        cancel: bool,
    },
    Grow {
        host: usize,
    },
    Plan {
        which: usize,
    },
    Pass {
        seconds: u64,
    },
    /// The write of the next change fails.
    Fail {
        fault: Fault,
    },
    Crash,
    Backup,
    /// The last backup is restored, with or without the mark that shows that it is older.
    Restore {
        detected: bool,
    },
}

fn ops() -> impl Strategy<Value = Op> {
    let host = 0..HOSTS.len();
    prop_oneof![
        10 => (host.clone(), prop::bool::weighted(0.2))
            .prop_map(|(host, lost)| Op::Sync { host, lost }),
        2 => host.clone().prop_map(|host| Op::Replay { host }),
        4 => host.clone().prop_map(|host| Op::Fill { host }),
        3 => host.clone().prop_map(|host| Op::Empty { host }),
        4 => (host.clone(), prop::bool::weighted(0.8))
            .prop_map(|(host, reported)| Op::ReleaseEmpty { host, reported }),
        3 => (host.clone(), prop::bool::weighted(0.3))
            .prop_map(|(host, cancel)| Op::Drain { host, cancel }),
        1 => host.prop_map(|host| Op::Grow { host }),
        3 => (0..PLANS).prop_map(|which| Op::Plan { which }),
        4 => (0..400_u64).prop_map(|seconds| Op::Pass { seconds }),
        1 => prop_oneof![Just(Fault::Refused), Just(Fault::Ambiguous)]
            .prop_map(|fault| Op::Fail { fault }),
        2 => Just(Op::Crash),
        1 => Just(Op::Backup),
        1 => any::<bool>().prop_map(|detected| Op::Restore { detected }),
    ]
}

const PLANS: usize = 5;

/// Plans that slice, name, move, grow, shrink and forget.
fn plans(which: usize) -> Arc<Declared> {
    let pool = "10.0.0.0/26";
    match which {
        0 => plan(
            pool,
            Some(29),
            &["10.0.0.0/32"],
            &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[]), ("e", &[])],
        ),
        1 => plan(
            pool,
            Some(29),
            &[],
            &[
                ("a", &["10.0.0.16/28"]),
                ("b", &[]),
                ("c", &["10.0.0.32/29"]),
                ("d", &[]),
                ("e", &[]),
            ],
        ),
        2 => plan(
            pool,
            Some(29),
            &[],
            &[
                ("a", &["10.0.0.16/29"]),
                ("c", &["10.0.0.24/29", "10.0.0.32/28"]),
                ("d", &[]),
            ],
        ),
        3 => plan(
            pool,
            None,
            &[],
            &[("e", &["10.0.0.16/28"]), ("b", &["10.0.0.8/29"])],
        ),
        _ => plan(
            pool,
            Some(28),
            &[],
            &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["10.0.0.0/29"])],
        ),
    }
}

/// A host's disk.
#[derive(Debug, Clone, Default)]
struct Disk {
    /// Its ranges, how full they are, and whether it gives out of them.
    ranges: Vec<(RangeGrant, u64)>,
    /// Said to the ipamd that runs: connections end with it.
    last_report: Option<Vec<Held>>,
}

impl Disk {
    fn report(&self) -> Vec<Held> {
        self.ranges.iter().map(|(g, used)| held(g, *used)).collect()
    }

    /// The addresses that it gives out or has given out.
    fn addresses(&self) -> BTreeSet<u32> {
        let live =
            |(grant, used): &&(RangeGrant, u64)| *used > 0 || grant.state == GrantState::Active;
        let live = self.ranges.iter().filter(live);
        live.flat_map(|(g, _)| addresses(g.prefix)).collect()
    }

    /// Takes over an answer. What it no longer names and is in use stays, draining.
    fn take(&mut self, answer: &HostRanges) {
        let before = std::mem::take(&mut self.ranges);
        let fill = |grant: &RangeGrant| {
            let mine = before
                .iter()
                .filter(|(b, _)| overlap(b.prefix, grant.prefix));
            mine.map(|(_, used)| *used).max().unwrap_or(0)
        };
        self.ranges = answer
            .ranges
            .iter()
            .map(|grant| (grant.clone(), fill(grant)))
            .collect();
        for (mut grant, used) in before {
            let named = |(g, _): &(RangeGrant, u64)| overlap(g.prefix, grant.prefix);
            let in_grace_period = |w: &Waiting| {
                w.reason == WaitReason::GracePeriod
                    && w.prefix.is_some_and(|p| overlap(p, grant.prefix))
            };
            if answer.waiting.iter().any(in_grace_period) && !self.ranges.iter().any(named) {
                self.ranges.push((grant, used));
            } else if used > 0 && !self.ranges.iter().any(named) {
                grant.state = GrantState::Draining;
                self.ranges.push((grant, used));
            }
        }
    }
}

fn addresses(prefix: IpNetwork) -> impl Iterator<Item = u32> {
    let (first, last) = ends(prefix);
    (first..=last).filter_map(|bits| u32::try_from(bits).ok())
}

struct World {
    ledger: Ledger,
    store: LedgerMemory,
    backup: LedgerMemory,
    plan: usize,
    disks: HashMap<usize, Disk>,
    /// The reference: who had an address last, and since when it has not.
    owners: HashMap<u32, (usize, Option<u64>)>,
    now: u64,
    lives: u64,
    /// An old backup runs and does not know it.
    blind: bool,
    /// The last time that a backup was put back.
    restored_at: Option<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ledger: fresh(&plans(0)),
            store: LedgerMemory::default(),
            backup: LedgerMemory::default(),
            plan: 0,
            disks: HashMap::new(),
            owners: HashMap::new(),
            now: 1,
            lives: 1,
            blind: false,
            restored_at: None,
        };
        save(&mut world.ledger, &mut world.store);
        world.backup = world.store.copy();
        world
    }

    /// Writes what was decided; goes back to the disk if that fails. Whether it stands.
    fn written(&mut self) -> bool {
        let entries = self.ledger.take_entries();
        if entries.is_empty() || self.store.apply(&entries).is_ok() {
            return true;
        }
        let saved = self.store.load().expect("loads");
        self.ledger.rebuild(saved, at(self.now));
        false
    }

    /// Whether the report was kept.
    fn sync(&mut self, host: usize, lost: bool) -> bool {
        let report = self.disks.entry(host).or_default().report();
        let written = self.send(host, &report);
        let disk = self.disks.entry(host).or_default();
        disk.last_report = Some(report);
        if lost || !written {
            return written;
        }
        let name = super::host(HOSTS[host]);
        if let Some(answer) = self.ledger.ranges_of(&name) {
            disk.take(&answer);
        }
        true
    }

    /// A host is connected: it repeats reports that could not be stored.
    fn in_touch(&mut self, host: usize) {
        while !self.sync(host, false) {}
    }

    fn send(&mut self, host: usize, report: &[Held]) -> bool {
        let name = super::host(HOSTS[host]);
        // A host that neither the plan nor the ledger knows is refused.
        let _ = self.ledger.report(&name, report, at(self.now));
        self.written()
    }

    fn restart(&mut self, trust: Trust) {
        self.lives += 1;
        for disk in self.disks.values_mut() {
            disk.last_report = None;
        }
        self.ledger = restart(&mut self.store, trust, self.lives, self.now);
        self.ledger.declare(plans(self.plan), at(self.now));
        assert!(self.written(), "the start is written");
    }

    /// Every host is in touch before time goes on, where only that can save an old copy.
    fn everybody_reports(&mut self) {
        for host in 0..HOSTS.len() {
            self.in_touch(host);
        }
        self.blind = false;
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Sync { host, lost } => {
                self.sync(host, lost);
            }
            Op::Replay { host } => {
                let report = self.disks.entry(host).or_default().last_report.clone();
                if let Some(report) = report {
                    self.send(host, &report);
                }
            }
            Op::Fill { host } => {
                for (grant, used) in &mut self.disks.entry(host).or_default().ranges {
                    if grant.state == GrantState::Active {
                        *used += 1;
                    }
                }
            }
            Op::Empty { host } => {
                for (_, used) in &mut self.disks.entry(host).or_default().ranges {
                    *used = 0;
                }
            }
            Op::ReleaseEmpty { host, reported } => self.release_empty(host, reported),
            Op::Drain { host, cancel } => {
                let name = super::host(HOSTS[host]);
                let first = self.ledger.of_host(&name).next().map(|l| l.prefix);
                if let Some(prefix) = first {
                    let host = name;
                    let drain = Drain {
                        host,
                        prefix,
                        cancel,
                    };
                    let _ = self.ledger.drain(&drain, at(self.now));
                    self.written();
                }
            }
            Op::Grow { host } => {
                let grow = Grow {
                    host: super::host(HOSTS[host]),
                    network: web(),
                };
                let _ = self.ledger.grow(&grow, at(self.now));
                self.written();
            }
            Op::Plan { which } => {
                self.plan = which;
                self.ledger.declare(plans(which), at(self.now));
                if !self.written() {
                    self.ledger.declare(plans(which), at(self.now));
                    self.written();
                }
            }
            Op::Pass { seconds } => {
                if self.blind {
                    self.everybody_reports();
                }
                // A copy that is known to be old waits for the plan's hosts however long they
                // are away, and for others as long as a quarantine.
                for (host, name) in HOSTS.iter().enumerate() {
                    let planned = plans(self.plan);
                    let name = super::host(name);
                    if self.store.is_distrusted() && !planned.hosts().contains_key(&name) {
                        self.in_touch(host);
                    }
                }
                self.now += seconds;
                self.ledger.tick(at(self.now));
                self.written();
            }
            Op::Fail { fault } => self.store.fail_next(fault),
            Op::Crash => {
                // An injected fault does not survive a crash.
                self.store = self.store.copy();
                self.restart(Trust::Current);
            }
            Op::Backup => self.backup = self.store.copy(),
            Op::Restore { detected } => {
                self.store = self.backup.copy();
                self.restart(if detected {
                    Trust::RestoredFromBackup
                } else {
                    Trust::Current
                });
                self.blind = !detected || self.blind;
                self.restored_at = Some(self.now);
            }
        }
    }

    fn release_empty(&mut self, host: usize, reported: bool) {
        let disk = self.disks.entry(host).or_default();
        let empty = |(g, used): &(RangeGrant, u64)| *used == 0 && g.state == GrantState::Draining;
        let (gone, kept): (Vec<_>, Vec<_>) = disk.ranges.drain(..).partition(empty);
        disk.ranges = kept;
        if !reported {
            return;
        }
        let mut report = disk.report();
        report.extend(gone.iter().map(|(g, _)| held(g, 0)));
        self.send(host, &report);
        for (grant, _) in gone {
            let release = Release {
                host: super::host(HOSTS[host]),
                prefix: grant.prefix,
                lease: Some(grant.lease),
                force: false,
            };
            let _ = self.ledger.release(&release, at(self.now));
            self.written();
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let mut held: HashMap<u32, usize> = HashMap::new();
        for (host, disk) in &self.disks {
            for address in disk.addresses() {
                if let Some(other) = held.insert(address, *host) {
                    let two = (HOSTS[other], HOSTS[*host]);
                    prop_assert!(false, "10.0.0.{} has two owners: {two:?}", address & 255);
                }
            }
        }
        for (address, host) in &held {
            if let Some((before, left)) = self.owners.get(address)
                && before != host
            {
                let was_quarantined = left.is_some_and(|left| {
                    self.restored_at.is_some_and(|at| at >= left)
                        || self.now >= left + QUARANTINE.as_secs()
                });
                prop_assert!(
                    was_quarantined,
                    "10.0.0.{} changed hosts without a quarantine",
                    address & 255
                );
            }
        }
        for (address, (_, left)) in &mut self.owners {
            if left.is_none() && !held.contains_key(address) {
                *left = Some(self.now);
            }
        }
        for (address, host) in held {
            self.owners.insert(address, (host, None));
        }
        let leases: Vec<&Lease> = self.ledger.leases.values().collect();
        for pair in leases.windows(2) {
            prop_assert!(!overlap(pair[0].prefix, pair[1].prefix), "{pair:?}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_address_ever_has_two_owners_and_none_changes_hosts_without_a_quarantine(
        ops in prop::collection::vec(ops(), 1..120)
    ) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.check()?;
        }
    }

    #[test]
    fn a_crash_changes_no_published_answer(
        ops in prop::collection::vec(ops(), 1..60)
    ) {
        let mut world = World::new();
        for op in ops.iter().filter(|op| !matches!(op, Op::Restore { .. })) {
            world.run(op);
            let mut after = restart(&mut world.store.copy(), Trust::Current, 9_999, world.now);
            after.declare(plans(world.plan), at(world.now));
            for name in HOSTS {
                let Some(before) = world.ledger.ranges_of(&host(name)) else {
                    continue;
                };
                let report: Vec<Held> = before.ranges.iter().map(|g| held(g, 0)).collect();
                let _ = after.report(&host(name), &report, at(world.now));
                let later = after.ranges_of(&host(name));
                for grant in before.ranges.iter().filter(|g| {
                    g.state == GrantState::Active
                }) {
                    // All of it, cut as it may be: a plan may be about to be applied.
                    let of_host = later.iter().flat_map(|l| &l.ranges);
                    let all: BTreeSet<u32> = of_host.flat_map(|g| addresses(g.prefix)).collect();
                    let kept = addresses(grant.prefix).all(|a| all.contains(&a));
                    prop_assert!(kept, "{name} lost {}", grant.prefix);
                }
            }
        }
    }
}

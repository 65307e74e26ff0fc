//! Random operations against a simple reference model.
//!
//! The model knows which addresses are in use, which were released in which order, and the true
//! time that passed; from these it predicts the next address.

use std::collections::{BTreeMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::range::Family;
use crate::store::Fault;

const QUARANTINE: u64 = 1_000;
const SLOTS: u16 = 12;

#[derive(Debug, Clone)]
enum Op {
    Reserve {
        key: u32,
        named: Option<u8>,
    },
    Commit {
        key: u32,
    },
    Release {
        key: u32,
        late: bool,
    },
    /// The next write fails.
    Fail {
        op: Box<Op>,
        fault: Fault,
    },
    Pass {
        millis: u64,
    },
    JumpBack {
        millis: u64,
    },
    Restart,
    Crash,
    Ranges {
        which: usize,
    },
}

fn ops() -> impl Strategy<Value = Op> {
    let change = prop_oneof![
        4 => (0..10_u32, prop::option::weighted(0.2, 14..30_u8))
            .prop_map(|(key, named)| Op::Reserve { key, named }),
        2 => (0..10_u32).prop_map(|key| Op::Commit { key }),
        3 => (0..10_u32, prop::bool::weighted(0.1))
            .prop_map(|(key, late)| Op::Release { key, late }),
    ];
    let fault = prop_oneof![Just(Fault::Refused), Just(Fault::Ambiguous)];
    prop_oneof![
        12 => change.clone(),
        1 => (change, fault).prop_map(|(op, fault)| Op::Fail { op: Box::new(op), fault }),
        5 => (0..2 * QUARANTINE).prop_map(|millis| Op::Pass { millis }),
        1 => (0..10 * QUARANTINE).prop_map(|millis| Op::JumpBack { millis }),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
        1 => (0..4_usize).prop_map(|which| Op::Ranges { which }),
    ]
}

/// Sets of ranges that grow and shrink at their ends, come and go.
const RANGES: [&[&str]; 4] = [
    &["10.0.0.16-10.0.0.20", "2001:db8::/125"],
    &["10.0.0.16-10.0.0.20", "10.0.0.24-10.0.0.25"],
    &["10.0.0.24-10.0.0.25", "2001:db8::/125"],
    &["10.0.0.16-10.0.0.22"],
];

fn ranges(which: usize) -> Vec<HostRange> {
    let of = |span: &&str| match span.contains(':') {
        true => range(span, "2001:db8::/64", "2001:db8::1"),
        false => range(span, "10.0.0.0/24", "10.0.0.18"),
    };
    RANGES[which].iter().map(of).collect()
}

#[derive(Debug, Clone)]
struct Life {
    generation: u64,
    slot: u16,
    ips: Vec<IpAddr>,
    committed: bool,
}

#[derive(Debug, Default)]
struct Reference {
    living: BTreeMap<u32, Life>,
    /// In the order of release: the address, and when by the monotone clock.
    released: Vec<(IpAddr, u64)>,
    ranges: Vec<HostRange>,
    /// The wall clock, and what its jumps back since the start sum up to.
    wall: u64,
    jumped: u64,
    last_generation: u64,
    /// The free slots in order, as long as no restart or failure has blurred it.
    slots: Option<VecDeque<u16>>,
}

impl Reference {
    fn clock(&self) -> u64 {
        self.wall + self.jumped
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall)
    }

    fn lives(&self, ip: IpAddr) -> bool {
        self.living.values().any(|l| l.ips.contains(&ip))
    }

    fn addresses(range: &HostRange) -> impl Iterator<Item = IpAddr> {
        let (first, last) = range.span().bits();
        let family = range.family();
        (first..=last)
            .map(move |bits| crate::range::ip_of(family, bits))
            .filter(|ip| range.is_usable(*ip))
    }

    /// Which address comes next, of a family that there is.
    fn next(&self, family: Family) -> Option<IpAddr> {
        let ranges = || self.ranges.iter().filter(|r| r.family() == family);
        let used = |ip: &IpAddr| self.lives(*ip) || self.released.iter().any(|(r, _)| r == ip);
        let unused = ranges().flat_map(Self::addresses).find(|ip| !used(ip));
        unused.or_else(|| {
            let mine = |ip: IpAddr| ranges().any(|r| r.is_usable(ip));
            let (ip, at) = self.released.iter().find(|(ip, _)| mine(*ip))?;
            (at + QUARANTINE <= self.clock()).then_some(*ip)
        })
    }

    /// What a reservation should get, or `None` if it should be refused.
    fn expect(&self, named: Option<IpAddr>) -> Option<Vec<IpAddr>> {
        let mut expected = Vec::new();
        for family in [Family::V4, Family::V6] {
            if let Some(ip) = named.filter(|ip| Family::of(*ip) == family) {
                let inside = self.ranges.iter().any(|r| r.is_usable(ip));
                let quarantined =
                    |(r, at): &(IpAddr, u64)| *r == ip && at + QUARANTINE > self.clock();
                let in_quarantine = self.released.iter().any(quarantined);
                if !inside || self.lives(ip) || in_quarantine {
                    return None;
                }
                expected.push(ip);
            } else if self.ranges.iter().any(|r| r.family() == family) {
                expected.push(self.next(family)?);
            }
        }
        Some(expected)
    }

    fn quarantine(&mut self, ips: &[IpAddr]) {
        let clock = self.clock();
        self.released.retain(|(ip, _)| !ips.contains(ip));
        self.released.extend(ips.iter().map(|ip| (*ip, clock)));
    }

    fn reopened(&mut self) {
        self.jumped = 0;
        let mut latest = self.wall;
        for (_, at) in self.released.iter_mut().rev() {
            latest = latest.min(*at);
            *at = latest;
        }
        self.slots = None;
    }
}

struct World {
    ipam: Option<Ipam>,
    disk: MemoryBackend,
    model: Reference,
    which: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ipam: None,
            disk: MemoryBackend::default(),
            model: Reference {
                wall: 1_000_000,
                ranges: ranges(0),
                ..Reference::default()
            },
            which: 0,
        };
        world.open();
        world.model.slots = Some((1..=SLOTS).collect());
        world
    }

    fn open(&mut self) {
        let mut config = config(ranges(self.which));
        config.quarantine = Duration::from_millis(QUARANTINE);
        config.slots = SLOTS;
        let (ipam, recovery) = open_on(&self.disk, config, self.model.now());
        let known = recovery.alive.len() + recovery.uncommitted.len();
        assert_eq!(known, self.model.living.len());
        self.ipam = Some(ipam);
    }

    fn ipam(&self) -> &Ipam {
        self.ipam.as_ref().expect("it is open")
    }

    fn step(&mut self, op: &Op, fault: Option<Fault>) {
        let now = self.model.now();
        match op {
            Op::Reserve { key: n, named } => self.reserve(*n, *named, fault),
            Op::Commit { key: n } => {
                let Some(life) = self.model.living.get(n).cloned() else {
                    assert!(self.ipam().commit(&key(*n), 1).is_err());
                    return;
                };
                let durable = self.ipam().commit(&key(*n), life.generation);
                let written = durable.expect("it is current").wait();
                let fails = fault.is_some() && !life.committed;
                assert_eq!(written.is_err(), fails);
                if fault != Some(Fault::Refused)
                    && let Some(life) = self.model.living.get_mut(n)
                {
                    life.committed = true;
                }
            }
            Op::Release { key: n, late } => {
                let Some(life) = self.model.living.get(n).cloned() else {
                    let release = self.ipam().release(&key(*n), 1, now).expect("fine");
                    assert!(!release.existed());
                    return;
                };
                if *late {
                    let old = life.generation - 1;
                    assert!(self.ipam().release(&key(*n), old, now).is_err());
                    return;
                }
                let release = self.ipam().release(&key(*n), life.generation, now);
                let written = release.expect("it is current").durable().wait();
                assert_eq!(written.is_err(), fault.is_some());
                if fault != Some(Fault::Refused) {
                    self.model.living.remove(n);
                    self.model.quarantine(&life.ips);
                    if let Some(slots) = &mut self.model.slots {
                        slots.push_back(life.slot);
                    }
                }
            }
            Op::Fail { op, fault } => {
                self.disk.fail_at(self.disk.batches(), 1, *fault);
                self.step(op, Some(*fault));
                self.ipam().flush().wait().expect("it is repaired");
                self.disk.repair();
                self.model.slots = None;
            }
            Op::Pass { millis } => self.model.wall += millis,
            Op::JumpBack { millis } => {
                self.model.wall -= millis;
                self.model.jumped += millis;
            }
            Op::Restart => {
                self.ipam = None;
                self.open();
                self.model.reopened();
            }
            Op::Crash => {
                // The old instance keeps running on a disk that is not read any more.
                self.disk = self.disk.copy();
                self.open();
                self.model.reopened();
            }
            Op::Ranges { which } => {
                self.which = *which;
                self.model.ranges = ranges(*which);
                let networks = Networks::new([(net(), ranges(*which))]).expect("networks");
                let outside = self.ipam().reconfigure(networks);
                let usable = |ip: &IpAddr| self.model.ranges.iter().any(|r| r.is_usable(*ip));
                let lives = self.model.living.values();
                let expected = lives.filter(|l| !l.ips.iter().all(usable)).count();
                assert_eq!(outside.len(), expected);
            }
        }
    }

    fn reserve(&mut self, n: u32, named: Option<u8>, fault: Option<Fault>) {
        let now = self.model.now();
        let request = ReserveRequest {
            network: net(),
            ips: named
                .map(|n| IpAddr::from([10, 0, 0, n]))
                .into_iter()
                .collect(),
        };
        let expected = self.model.expect(request.ips.first().copied());
        let given = self.ipam().reserve(&key(n), &request, now);
        if self.model.living.contains_key(&n) {
            assert!(matches!(given, Err(ReserveError::Exists { .. })));
            return;
        }
        let Some(expected) = expected else {
            assert!(matches!(given, Err(ReserveError::Allocate(_))), "{given:?}");
            return;
        };
        let (r, durable) = given.expect("the reference says that there is one");
        let ips: Vec<IpAddr> = r.addresses.iter().map(|a| a.address.ip()).collect();
        assert_eq!(ips, expected);
        assert!(r.generation > self.model.last_generation);
        self.model.last_generation = r.generation;
        if let Some(slots) = &mut self.model.slots {
            assert_eq!(Some(r.slot), slots.pop_front());
        }
        assert_eq!(durable.wait().is_err(), fault.is_some());
        if fault.is_some() {
            self.model.quarantine(&ips);
            return;
        }
        self.model.released.retain(|(ip, _)| !ips.contains(ip));
        let life = Life {
            generation: r.generation,
            slot: r.slot,
            ips,
            committed: false,
        };
        self.model.living.insert(n, life);
    }

    /// Compares all observable state with the model.
    fn check(&self) {
        let now = self.model.now();
        let seen: Vec<_> = self
            .ipam()
            .list()
            .iter()
            .map(|r| {
                let committed = r.state == RecordState::Committed;
                (r.generation, r.slot, r.ips().collect(), committed)
            })
            .collect();
        let mut wanted: Vec<_> = self
            .model
            .living
            .values()
            .map(|l| (l.generation, l.slot, l.ips.clone(), l.committed))
            .collect();
        wanted.sort_unstable();
        assert_eq!(seen, wanted);
        let slots: HashSet<u16> = wanted.iter().map(|w| w.1).collect();
        assert_eq!(slots.len(), wanted.len(), "a slot is in two attachments");
        assert_eq!(contradiction(&self.disk.snapshot()), None);

        let usage = self
            .ipam()
            .usage(&net(), now)
            .expect("the network is there");
        for (range, usage) in self.model.ranges.iter().zip(usage) {
            let count = |f: &dyn Fn(IpAddr) -> bool| {
                u128::try_from(Reference::addresses(range).filter(|ip| f(*ip)).count()).ok()
            };
            let quarantined = |ip| {
                let quarantined =
                    |(r, at): &(IpAddr, u64)| *r == ip && at + QUARANTINE > self.model.clock();
                self.model.released.iter().any(quarantined)
            };
            assert_eq!(Some(usage.used), count(&|ip| self.model.lives(ip)));
            assert_eq!(Some(usage.quarantined), count(&quarantined));
            assert_eq!(usage.capacity, usage.used + usage.quarantined + usage.free);
            assert_eq!(usage.capacity, range.capacity());
        }
        let has_free = self.ipam().has_free(&net(), now);
        assert_eq!(has_free, self.model.expect(None).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_sequence_of_operations_is_as_the_model_says(ops in prop::collection::vec(ops(), 1..80)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op, None);
            world.check();
        }
    }
}

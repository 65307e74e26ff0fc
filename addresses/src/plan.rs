//! What is to be said of a set. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_k8s_api::addresses::{
    ACKNOWLEDGED, AddressSetStatus, MOST_ADDRESSES, OnMissing, PROCEED_AFTER_SECONDS, RESOLVED,
};
use flatnet_k8s_client::Set;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::members::{Lingering, Pods, Selected, Stay, select};
use crate::verdict::{Sight, Standing, Terms, Verdict, judge};

/// The time now.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// By a clock that never goes back: what is decided by.
    pub since_boot: Duration,
    /// The time of day: what is shown.
    pub wall: Timestamp,
}

/// What is known of a subscriber's lease: what it said last, and when that was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLease {
    /// Whatever it said: a change is a sign of life.
    pub said: String,
    /// When this was first seen, since the machine's start.
    pub at: Duration,
}

/// What a set is judged by beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// All pods.
    pub pods: &'a Pods,
    /// The leases of its subscribers, by their names.
    pub leases: Option<&'a BTreeMap<String, SeenLease>>,
    /// For how long an address stays whose pod is gone.
    pub linger: Duration,
    /// The time.
    pub now: Now,
}

/// What is remembered of a set between two looks at it; a new leader begins without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Addresses whose pod is gone.
    pub lingering: Lingering,
    /// Subscribers that never had a lease: since when they are looked for.
    absent: BTreeMap<String, Duration>,
}

/// What came of a look at a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What is to be said of it; without `acknowledgements`, which are its subscribers'.
    pub status: AddressSetStatus,
    /// Whether that is not what is said already.
    pub differs: bool,
    /// When it is to be looked at again without an event, since the machine's start.
    pub next: Option<Duration>,
}

/// What is to be said of a set.
///
/// Guarantees: the generation is that of before exactly if the addresses are; otherwise it is greater than every
/// generation that the object knows of.
pub fn plan(set: &Set, around: &Surroundings<'_>, memory: &mut Memory) -> Planned {
    let before = &set.status;
    let selected = select(&set.spec, &set.key.namespace, around.pods);
    let published = before.addresses.iter().filter_map(|a| a.parse().ok());
    let published: BTreeSet<IpAddr> = published.collect();
    let stay = Stay {
        spec: &set.spec,
        pods: around.pods,
        linger: around.linger,
        now: around.now.since_boot,
    };
    let (lingering, gone) = memory.lingering.keep(&published, &selected, &stay);
    let wanted: Vec<String> = selected
        .addresses
        .union(&lingering)
        .map(IpAddr::to_string)
        .collect();
    let fits = wanted.len() <= MOST_ADDRESSES;

    let mut status = AddressSetStatus {
        observed_generation: set.spec_generation,
        ..before.clone()
    };
    status.acknowledgements.clear();
    let many = wanted.len();
    if fits && (before.generation.is_none() || before.addresses != wanted) {
        status.generation = Some(next_generation(before));
        status.changed = Some(Time(seconds(around.now.wall)));
        status.count = u32::try_from(many).ok();
        status.addresses = wanted;
    }
    let mut conditions = Conditions {
        before: &before.conditions,
        observed: set.spec_generation,
        now: seconds(around.now.wall),
        made: Vec::new(),
    };
    conditions.put(resolved(many, fits, &selected, lingering.len()));
    let judged = status.generation.map(|generation| {
        let verdict = judged(set, generation, around, memory);
        conditions.put(acknowledged(&verdict, generation));
        status.acknowledged = Some(verdict.acknowledged);
        status.missing = verdict.missing;
        status.subscribers = verdict.subscribers;
        verdict.next
    });
    status.conditions = conditions.made;
    let same = AddressSetStatus {
        acknowledgements: before.acknowledgements.clone(),
        ..status.clone()
    };
    Planned {
        differs: same != *before,
        status,
        next: [gone, judged.flatten()].into_iter().flatten().min(),
    }
}

/// One that nobody has seen. Where the status was taken away, what subscribers have acknowledged still tells of
/// generations that there were.
fn next_generation(before: &AddressSetStatus) -> i64 {
    let highest = match before.generation {
        Some(generation) => generation,
        None => {
            let all = before.acknowledgements.iter().map(|a| a.generation);
            all.max().unwrap_or(0).max(0)
        }
    };
    highest.saturating_add(1)
}

/// The API keeps whole seconds; anything else would differ from what is read back.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn judged(set: &Set, generation: i64, around: &Surroundings<'_>, memory: &mut Memory) -> Verdict {
    let now = around.now.since_boot;
    let declared = &set.spec.subscribers;
    memory
        .absent
        .retain(|name, _| declared.iter().any(|s| s.name == *name));
    let standing = declared.iter().map(|subscriber| {
        let lease = around.leases.and_then(|l| l.get(&subscriber.name));
        let lasts = Duration::from_secs(subscriber.lease_seconds().into());
        let name = subscriber.name.clone();
        Standing {
            role: subscriber.role(),
            acknowledged: set.status.acknowledgement(&name),
            lease: match lease {
                Some(seen) => Sight::Renewed { at: seen.at, lasts },
                None => Sight::Never {
                    since: *memory.absent.entry(name.clone()).or_insert(now),
                },
            },
            name,
        }
    });
    let standings: Vec<Standing> = standing.collect();
    let after = set
        .spec
        .proceed_after_seconds
        .unwrap_or(PROCEED_AFTER_SECONDS);
    let terms = Terms {
        generation,
        before: set.status.acknowledged,
        on_missing: set.spec.on_missing.unwrap_or(OnMissing::Proceed),
        after: Duration::from_secs(after.into()),
        now,
    };
    judge(&standings, &terms)
}

/// A condition without what the API wants beside it.
struct Said {
    type_: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
}

fn resolved(many: usize, fits: bool, selected: &Selected, lingering: usize) -> Said {
    let mut message = match fits {
        true => format!("{} pods", selected.pods),
        false => format!(
            "{many} addresses, where a set has {MOST_ADDRESSES} at most: the list of before stays in force; \
             divide it into several sets"
        ),
    };
    for (count, what) in [
        (selected.without, "have no address yet"),
        (
            selected.host_network,
            "have their host's addresses, and are left out",
        ),
    ] {
        if count > 0 {
            message += &format!(", {count} of which {what}");
        }
    }
    if lingering > 0 {
        message += &format!("; {lingering} addresses whose pods are gone stay for a moment");
    }
    Said {
        type_: RESOLVED,
        status: fits,
        reason: if fits { "Resolved" } else { "TooManyAddresses" },
        message,
    }
}

fn acknowledged(verdict: &Verdict, generation: i64) -> Said {
    let waits = !verdict.waiting.is_empty();
    let mut message = match waits {
        true => format!("waiting for {}", verdict.waiting.join(", ")),
        false if verdict.subscribers.is_empty() => "there are no subscribers".to_owned(),
        false => "everybody has it who is waited for".to_owned(),
    };
    if !verdict.passed_over.is_empty() {
        message += &format!(
            "; not waited for any more: {}",
            verdict.passed_over.join(", ")
        );
    }
    Said {
        type_: ACKNOWLEDGED,
        status: verdict.acknowledged == generation,
        reason: match (waits, verdict.passed_over.is_empty()) {
            (true, _) => "Waiting",
            (false, true) => "Acknowledged",
            (false, false) => "PassedOver",
        },
        message,
    }
}

struct Conditions<'a> {
    before: &'a [Condition],
    observed: Option<i64>,
    now: Timestamp,
    made: Vec<Condition>,
}

impl Conditions<'_> {
    fn put(&mut self, said: Said) {
        let status = if said.status { "True" } else { "False" };
        let old = self.before.iter().find(|c| c.type_ == said.type_);
        let since = old.filter(|c| c.status == status);
        self.made.push(Condition {
            type_: said.type_.to_owned(),
            status: status.to_owned(),
            reason: said.reason.to_owned(),
            message: said.message,
            observed_generation: self.observed,
            last_transition_time: since.map_or(Time(self.now), |c| c.last_transition_time.clone()),
        });
    }
}

#[cfg(test)]
mod tests;

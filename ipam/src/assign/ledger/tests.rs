//! The ledger's rules one by one, and its whole life against a reference.

use super::*;
use crate::assign::declared::{DeclaredHost, DeclaredNetwork, DeclaredPool, DeclaredRange};
use crate::assign::store::{LedgerMemory, LedgerStore};
use flatnet_types::ipamd::{Drain, Grow, Held, Release, WaitReason};

mod model;
mod rules;

const QUARANTINE: Duration = Duration::from_secs(300);
const GRACE: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn host(name: &str) -> NodeName {
    name.parse().expect("a name")
}

fn prefix(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn web() -> NetworkName {
    "web".parse().expect("a name")
}

/// A plan of one network: `pool` with slices of `slice`, less `blocked`; hosts with
/// their ranges.
fn plan(
    pool: &str,
    slice: Option<u8>,
    blocked: &[&str],
    hosts: &[(&str, &[&str])],
) -> Arc<Declared> {
    let network = DeclaredNetwork {
        cluster: None,
        site: "idc".to_owned(),
        pools: vec![DeclaredPool {
            prefix: prefix(pool),
            slice,
            blocked: blocked.iter().map(|b| prefix(b)).collect(),
        }],
    };
    let hosts = hosts.iter().map(|(name, ranges)| {
        let ranges = ranges.iter().map(|r| DeclaredRange {
            network: web(),
            prefix: prefix(r),
        });
        let of_plan = DeclaredHost {
            cluster: None,
            site: "idc".to_owned(),
            segment: None,
            ranges: ranges.collect(),
        };
        (host(name), of_plan)
    });
    let declared = Declared::new([(web(), network)].into(), hosts.collect());
    Arc::new(declared.expect("a sound plan"))
}

fn config() -> LedgerConfig {
    LedgerConfig {
        quarantine: QUARANTINE,
        grace: GRACE,
    }
}

fn start(trust: Trust, incarnation: u64) -> LedgerStart {
    LedgerStart {
        incarnation: Incarnation(incarnation),
        trust,
    }
}

fn fresh(declared: &Arc<Declared>) -> Ledger {
    let mut ledger = Ledger::restore(
        LedgerSaved::default(),
        start(Trust::New, 1),
        config(),
        at(0),
    );
    ledger.declare(Arc::clone(declared), at(0));
    ledger
}

/// The ranges of a host as text: `~` before those that drain.
fn ranges(ledger: &Ledger, name: &str) -> Vec<String> {
    let of_host = ledger.ranges_of(&host(name)).expect("it has asked");
    let text = |grant: &RangeGrant| match grant.state {
        GrantState::Active => grant.prefix.to_string(),
        GrantState::Draining => format!("~{}", grant.prefix),
    };
    of_host.ranges.iter().map(text).collect()
}

fn ask(ledger: &mut Ledger, name: &str, now: u64) -> Vec<String> {
    ledger.ask(&host(name), at(now)).expect("a known host");
    ranges(ledger, name)
}

fn waits(ledger: &Ledger, name: &str) -> Vec<WaitReason> {
    let of_host = ledger.ranges_of(&host(name)).expect("it has asked");
    of_host.waiting.iter().map(|w| w.reason).collect()
}

/// The report of a host that applied the ledger's last answer, with `used` addresses in use.
fn reported(ledger: &Ledger, name: &str, used: u64) -> Vec<Held> {
    let of_host = ledger.ranges_of(&host(name)).expect("it has asked");
    of_host.ranges.iter().map(|g| held(g, used)).collect()
}

fn held(grant: &RangeGrant, used: u64) -> Held {
    grant.held(used, 8)
}

fn drain(name: &str, range: &str, cancel: bool) -> Drain {
    Drain {
        host: host(name),
        prefix: prefix(range),
        cancel,
    }
}

fn release(name: &str, range: &str) -> Release {
    Release {
        host: host(name),
        prefix: prefix(range),
        lease: None,
        force: false,
    }
}

/// The ledger after a crash: what its entries made of the store.
fn restart(store: &mut LedgerMemory, trust: Trust, incarnation: u64, now: u64) -> Ledger {
    let saved = store.load().expect("loads");
    Ledger::restore(saved, start(trust, incarnation), config(), at(now))
}

fn save(ledger: &mut Ledger, store: &mut LedgerMemory) {
    store.apply(&ledger.take_entries()).expect("applies");
}

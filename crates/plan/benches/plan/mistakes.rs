//! What the check of a large plan costs where something is wrong with it: the search for the one
//! edit that would undo the mistake checks the plan again with each candidate.

use std::path::Path;
use std::process::Command;

use flatnet_plan::diagnose;

use crate::documents::{Form, document};
use crate::measure::Cold;

/// A mistake: a text that stands in the plan, what is written instead, and which of those places.
struct Mistake {
    name: &'static str,
    right: &'static str,
    wrong: &'static str,
    nth: usize,
}

const fn mistake(
    name: &'static str,
    right: &'static str,
    wrong: &'static str,
    nth: usize,
) -> Mistake {
    Mistake {
        name,
        right,
        wrong,
        nth,
    }
}

/// Of a data centre, however its hosts are written.
const DATA_CENTRE: [Mistake; 9] = [
    mistake(
        "the hosts' subnet, which no host is in",
        "prefix: 10.0.0.0/16, gateway: 10.0.0.1",
        "prefix: 10.1.0.0/16, gateway: 10.1.0.1",
        0,
    ),
    mistake(
        "a gateway outside of its subnet",
        "gateway: 10.64.128.1",
        "gateway: 10.46.128.1",
        0,
    ),
    mistake(
        "a network's VLAN, which is not there",
        ", vlan: 107,",
        ", vlan: 1007,",
        0,
    ),
    mistake(
        "two networks in one VLAN",
        ", vlan: 107,",
        ", vlan: 108,",
        0,
    ),
    mistake(
        "a pool outside of its VLAN's subnet",
        "pools: [{prefix: 10.67.128.0/17",
        "pools: [{prefix: 10.76.128.0/17",
        0,
    ),
    mistake(
        "a switch whose peer is not there",
        "peers: [tor7b]",
        "peers: [tor9999b]",
        0,
    ),
    mistake(
        "a switch whose table is small",
        "macTableSize: 32768",
        "macTableSize: 128",
        0,
    ),
    mistake(
        "a MAC table for nobody",
        "{name: core, macTableSize: 131072}",
        "{name: core, macTableSize: 1024}",
        0,
    ),
    mistake(
        "less neighbours than there are",
        "neighbours: 65536",
        "neighbours: 1024",
        0,
    ),
];
/// Of hosts that are written out.
const WRITTEN: [Mistake; 5] = [
    mistake(
        "a host's address, which another has",
        "addresses: [10.0.2.16/16]",
        "addresses: [10.0.2.15/16]",
        0,
    ),
    mistake(
        "a host's range, which another has",
        "prefix: 10.64.5.0/25",
        "prefix: 10.64.4.128/25",
        0,
    ),
    mistake(
        "a host's range in another VLAN",
        "prefix: 10.64.5.0/25",
        "prefix: 10.65.5.0/25",
        0,
    ),
    mistake(
        "a range of a network that is not there",
        "network: net3, prefix",
        "network: nett3, prefix",
        17,
    ),
    mistake(
        "a cable at a switch that is not there",
        "switch: tor9a",
        "switch: tor99999a",
        3,
    ),
];
/// Of groups.
const GROUPS: [Mistake; 4] = [
    mistake(
        "a group's addresses, which others have",
        "addresses: [10.0.3.248/16]",
        "addresses: [10.0.3.48/16]",
        0,
    ),
    mistake(
        "a group's ranges, which others have",
        "from: 10.66.128.128",
        "from: 10.66.0.128",
        0,
    ),
    mistake(
        "a group's ranges of another length",
        "length: 25, from: 10.66.128.128",
        "length: 26, from: 10.66.128.129",
        0,
    ),
    mistake(
        "a group at a switch that is not there",
        "switch: tor10a",
        "switch: tor1000000a",
        0,
    ),
];
/// Of VPCs.
const CLOUD: [Mistake; 8] = [
    mistake(
        "a line's other end in the VPC's place",
        "vpc: vpc1, transfer",
        "vpc: vpc7, transfer",
        0,
    ),
    mistake(
        "a transfer prefix, which another line has",
        "172.31.0.4/30, idc: 172.31.0.5, vpc: 172.31.0.6",
        "172.31.0.0/30, idc: 172.31.0.1, vpc: 172.31.0.2",
        0,
    ),
    mistake(
        "a pool of another VPC",
        "pools: [{prefix: 10.136.0.0/13}]",
        "pools: [{prefix: 10.128.0.0/13}]",
        0,
    ),
    mistake("a quota that is too small", "quota: 20000", "quota: 200", 1),
    mistake(
        "a vSwitch's subnet",
        "{prefix: 10.1.4.0/22",
        "{prefix: 10.1.0.0/22",
        0,
    ),
    mistake(
        "a node in a vSwitch that is not there",
        "vSwitch: s2",
        "vSwitch: s22",
        5,
    ),
    mistake(
        "a node's range, which another has",
        "prefix: 10.128.4.0/26",
        "prefix: 10.128.3.64/26",
        0,
    ),
    mistake(
        "a node's instance, which another is",
        "instanceId: i-77\n",
        "instanceId: i-78\n",
        0,
    ),
];

fn of(form: Form) -> Vec<&'static Mistake> {
    let (all, own): (&[Mistake], &[Mistake]) = match form {
        Form::Written => (&DATA_CENTRE, &WRITTEN),
        Form::Groups => (&DATA_CENTRE, &GROUPS),
        Form::Leaves => (&DATA_CENTRE[2..], &[]),
        Form::Cloud => (&[], &CLOUD),
    };
    all.iter().chain(own).collect()
}

impl Mistake {
    fn made(&self, text: &str) -> String {
        let mut places = text.match_indices(self.right);
        let (at, _) = places.nth(self.nth).expect(self.name);
        let (before, after) = (&text[..at], &text[at + self.right.len()..]);
        [before, self.wrong, after].concat()
    }
}

/// Each mistake of a form in a plan of so many hosts, and all of them in one plan, in a process of
/// its own: milliseconds, what is found and what the mistake is, one a line.
pub(super) fn point(hosts: u32, form: Form) {
    let right = document(hosts, form);
    let mut cold = Cold::new();
    let mut tell = |name: &str, text: &str| {
        let mut found = Vec::new();
        let took = cold.best(|| {
            let report = diagnose(text, "bench.yaml");
            found.clear();
            found.extend(report.diagnostics.iter().map(|d| d.rule.code));
        });
        assert!(!found.is_empty(), "{name} is not found");
        let ms = took.as_secs_f64() * 1e3;
        println!("{ms:.2} {} {name}", found.join(","));
    };
    for mistake in of(form) {
        tell(mistake.name, &mistake.made(&right));
    }
    // Those that begin where others end: a place may be wrong in one way only.
    let all = of(form).into_iter();
    let all = all.fold(right, |text, m| match text.contains(m.right) {
        true => m.made(&text),
        false => text,
    });
    tell("all of these", &all);
}

/// Runs [`point`], prints what it says, and tells whether every check takes less than `most` ms.
pub(super) fn measured(own: &Path, (hosts, form): (u32, Form), most: f64) -> bool {
    let mut command = Command::new(own);
    let out = command.args(["--mistakes", &hosts.to_string(), form.as_str()]);
    let out = out.output().expect("the point runs");
    if !out.status.success() {
        println!("{}", String::from_utf8_lossy(&out.stderr));
        return false;
    }
    let told = String::from_utf8_lossy(&out.stdout);
    let mut good = true;
    for line in told.lines() {
        let mut words = line.splitn(3, ' ');
        let ms: f64 = words.next().and_then(|w| w.parse().ok()).expect("a time");
        let (codes, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        println!("  {hosts:>6} hosts  {ms:>9.2}  ms  {codes}: {name}");
        good &= ms < most;
    }
    good
}

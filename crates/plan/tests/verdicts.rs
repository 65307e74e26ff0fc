//! Every field of the document has a verdict: changing it alone is never "Nothing changes.", and
//! each step says who notices it, for how long, and how to see that it is done.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use flatnet_plan::diff::{Change, Diff, Disruption, Phase, Until, diff};
use flatnet_plan::expand::expand;
use flatnet_plan::model::{NetworkPlan, Range};
use flatnet_plan::takeover::{Verdict, changes as changes_of};
use serde_json::Value;

const PLAN: &str = include_str!("verdicts.yaml");

/// Every place of a document, as keys and indices.
fn places(value: &Value, at: &mut Vec<String>, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                at.push(key.clone());
                places(inner, at, found);
                at.pop();
            }
        }
        Value::Array(items) => {
            // What one item has, all have; and a list may lose one.
            for (i, inner) in items.iter().enumerate() {
                at.push(i.to_string());
                places(inner, at, found);
                at.pop();
            }
            found.push(format!("/{}", at.join("/")));
        }
        _ => found.push(format!("/{}", at.join("/"))),
    }
}

/// Other values that may stand there.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(b) => vec![Value::Bool(!b)],
        Value::Number(n) => {
            let n = n.as_u64().expect("a number");
            vec![Value::from(n + 1), Value::from(n - 1)]
        }
        Value::Array(items) => vec![Value::Array(
            items[..items.len().saturating_sub(1)].to_vec(),
        )],
        Value::String(text) => {
            let words = [
                "IDC",
                "VPC",
                "host",
                "pod",
                "storage",
                "transit",
                "lacp",
                "active-backup",
                "auto",
                "manual",
                "ospf",
                "udp",
                "vrrp",
                "10.9.9.9",
                "10.9.9.0/24",
                "10.9.9.9:6443",
                "02:00:00:00:00:99",
                "00:00:5e:00:01:63",
                "2027-01-01",
            ];
            let mut all: Vec<Value> = words
                .iter()
                .filter(|w| *w != text)
                .map(|w| Value::from(*w))
                .collect();
            all.push(Value::from(format!("{text}x")));
            all
        }
        _ => Vec::new(),
    }
}

/// A field's other value, and what it is for the plan.
struct Judged {
    place: String,
    /// From the plan to the changed one.
    there: Diff,
    /// From the changed one to the plan.
    back: Diff,
    /// The worst of what netd says, there and back.
    netd: (Option<Option<Verdict>>, Option<Option<Verdict>>),
}

/// Every change of one field that makes another plan, with how many places there are.
fn judged() -> &'static (Vec<Judged>, usize) {
    static ALL: OnceLock<(Vec<Judged>, usize)> = OnceLock::new();
    ALL.get_or_init(judge)
}

fn judge() -> (Vec<Judged>, usize) {
    let plan = flatnet_plan::parse(PLAN).expect("a plan");
    let document = serde_json::to_value(&plan).expect("JSON");
    let mut all = Vec::new();
    places(&document, &mut Vec::new(), &mut all);
    let mut found = Vec::new();
    for place in &all {
        if place.starts_with("/apiVersion") || place.starts_with("/kind") {
            continue;
        }
        for other in others(document.pointer(place).expect("there")) {
            let mut changed = document.clone();
            *changed.pointer_mut(place).expect("there") = other.clone();
            let Ok(new) = serde_json::from_value::<NetworkPlan>(changed) else {
                continue;
            };
            let (old, new) = (expand(&plan), expand(&new));
            // What groups stand for is what counts: a field may say the same in other words.
            if old.plan == new.plan {
                continue;
            }
            // A plan that contradicts itself is told so instead.
            let there = diff(&old.plan, &new.plan);
            let back = diff(&new.plan, &old.plan);
            if let (Ok(there), Ok(back)) = (there, back) {
                let place = format!("{place} = {other}");
                let netd = (of_netd(&old.plan, &new.plan), of_netd(&new.plan, &old.plan));
                found.push(Judged {
                    place,
                    there,
                    back,
                    netd,
                });
            }
        }
    }
    (found, all.len())
}

#[test]
fn every_field_of_the_document_has_a_verdict() {
    let (judged, places) = judged();
    assert!(judged.len() > *places, "{} of {places}", judged.len());
    let silent = judged.iter().filter(|j| j.there.is_empty());
    let silent: Vec<&str> = silent.map(|j| j.place.as_str()).collect();
    assert!(silent.is_empty(), "no verdict: {silent:#?}");
}

/// The worst verdict of netd on all nodes that are in both plans; none where a node's part cannot be
/// derived, for a name in the plan leads nowhere.
fn of_netd(old: &NetworkPlan, new: &NetworkPlan) -> Option<Option<Verdict>> {
    let mut worst = None;
    for host in &old.spec.hosts {
        let before = flatnet_plan::node::derive(old, &host.name).ok()?;
        if new.host(&host.name).is_some() {
            let after = flatnet_plan::node::derive(new, &host.name).ok()?;
            let verdicts = changes_of(&before, &after).into_iter().map(|c| c.verdict);
            worst = worst.max(verdicts.max());
        }
    }
    Some(worst)
}

/// `plan diff` says of a field what netd does with it.
#[test]
fn what_netd_does_with_a_field_is_what_the_diff_says_of_it() {
    let (judged, _) = judged();
    let mut wrong = Vec::new();
    for judged in judged {
        for (diff, netd, way) in [
            (&judged.there, judged.netd.0, "there"),
            (&judged.back, judged.netd.1, "back"),
        ] {
            let Some(netd) = netd else { continue };
            let said = diff.changes.iter().filter_map(|c| c.netd).max();
            // What no node has is taken over by nobody.
            let quiet = netd.is_none_or(|v| v == Verdict::Live);
            let nobodys = netd.is_none() || (quiet && said.is_none());
            if said != netd && !nobodys {
                wrong.push(format!(
                    "{} {way}: netd {netd:?}, diff {said:?}",
                    judged.place
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What no change of a single field is.
fn scenes() -> Vec<Diff> {
    let edited = |edit: &dyn Fn(&mut NetworkPlan)| {
        let plan = flatnet_plan::parse(PLAN).expect("a plan");
        let mut plan = expand(&plan).plan;
        edit(&mut plan);
        plan
    };
    let range = |prefix: &str| Range {
        network: "cloud".parse().expect("a name"),
        prefix: prefix.parse().expect("a prefix"),
    };
    let host = |plan: &NetworkPlan, name: &str| {
        let mut hosts = plan.spec.hosts.iter();
        hosts.position(|h| h.name.as_str() == name).expect("a host")
    };
    let plan = edited(&|_| {});
    let two_lines = edited(&|p| {
        let mut line = p.spec.links[0].clone();
        line.name = "line2".into();
        p.spec.links.push(line);
    });
    let sliced = edited(&|p| {
        p.spec.networks[1].pools[0].slice_length = Some(26);
        let at = host(p, "vpc1");
        p.spec.hosts[at].ranges.clear();
    });
    let pairs = [
        (
            plan.clone(),
            edited(&|p| {
                let (one, other) = (host(p, "vpc1"), host(p, "vpc2"));
                let ranges = std::mem::take(&mut p.spec.hosts[one].ranges);
                p.spec.hosts[other].ranges.extend(ranges);
            }),
        ),
        (
            plan.clone(),
            edited(&|p| {
                let at = host(p, "vpc1");
                p.spec.hosts[at].ranges[0] = range("172.30.0.0/25");
                let at = host(p, "vpc2");
                p.spec.hosts[at].ranges[0] = range("172.30.1.0/26");
            }),
        ),
        (
            edited(&|p| {
                let at = host(p, "vpc2");
                p.spec.hosts[at].ranges[0] = range("172.30.1.64/26");
            }),
            edited(&|p| {
                let at = host(p, "vpc2");
                p.spec.hosts[at].ranges[0] = range("172.30.1.0/25");
            }),
        ),
        (
            plan.clone(),
            edited(&|p| {
                let at = host(p, "vpc1");
                p.spec.hosts[at].name = "renamed".parse().expect("a name");
            }),
        ),
        (
            plan.clone(),
            edited(&|p| {
                let (one, other) = (host(p, "vpc1"), host(p, "vpc2"));
                let first = p.spec.hosts[one].addresses.clone();
                p.spec.hosts[one].addresses = p.spec.hosts[other].addresses.clone();
                p.spec.hosts[other].addresses = first;
            }),
        ),
        (
            sliced,
            edited(&|p| p.spec.networks[1].pools[0].slice_length = Some(26)),
        ),
        (
            edited(&|p| p.spec.networks[1].pools[0].slice_length = Some(26)),
            edited(&|p| {
                p.spec.networks[1].pools[0].prefix = "172.29.0.0/16".parse().expect("a prefix");
            }),
        ),
        (two_lines, plan),
    ];
    let diffs = pairs.iter().flat_map(|(a, b)| [diff(a, b), diff(b, a)]);
    diffs.map(|d| d.expect("routes")).collect()
}

/// Every change that this file knows how to make.
fn changes() -> Vec<Change> {
    let (judged, _) = judged();
    let single = judged.iter().flat_map(|j| [&j.there, &j.back]);
    let single = single.flat_map(|d| d.changes.iter().cloned());
    let several = scenes().into_iter().flat_map(|d| d.changes);
    single.chain(several).collect()
}

#[test]
fn each_step_says_who_notices_for_how_long_and_how_it_is_seen() {
    for change in changes() {
        let lasts = change.lasts;
        match change.disrupts {
            Disruption::None => assert_eq!(lasts.until, Until::Never, "{change:?}"),
            Disruption::Brief => assert!(
                matches!(lasts.until, Until::AtMostSeconds | Until::Seconds),
                "{change:?}"
            ),
            Disruption::Recreate => assert_eq!(lasts.until, Until::Drained, "{change:?}"),
            Disruption::Outage => assert!(lasts.until > Until::Seconds, "{change:?}"),
        }
        let noticed = change.disrupts != Disruption::None;
        assert_eq!(noticed, !change.notices.is_empty(), "{change:?}");
        assert_eq!(noticed, !lasts.reason.is_empty(), "{change:?}");
        let says_why = ["for ", "while "]
            .iter()
            .any(|w| lasts.reason.starts_with(w));
        assert!(!noticed || says_why, "{change:?}");
        match change.check {
            None => assert_eq!(change.phase, Phase::Record, "{change:?}"),
            Some(check) => {
                assert_ne!(change.phase, Phase::Record, "{change:?}");
                for text in [check.run, check.on, check.shows] {
                    assert!(!text.is_empty(), "{change:?}");
                }
            }
        }
    }
}

/// `docs/plan-diff.md` lists each kind of step with its verdict.
#[test]
fn the_kinds_of_steps_are_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan-diff.md");
    let steps: BTreeSet<(Phase, String, String)> = changes()
        .into_iter()
        .filter_map(|c| {
            let check = c.check?;
            let lasts = match c.lasts.until {
                Until::Never => "nobody notices it".to_owned(),
                until => format!("{}, {}", until.as_str(), c.lasts.reason),
            };
            let seen = format!("`{}` on {} shows {}", check.run, check.on, check.shows);
            let what = c.general();
            let netd = c.netd.map_or("", Verdict::as_str);
            Some((
                c.phase,
                what.clone(),
                format!("| {what} | {lasts} | {netd} | {seen} |\n"),
            ))
        })
        .collect();
    let mut wanted = String::from(INTRODUCTION);
    let mut last = None;
    for (phase, _, row) in steps {
        if last != Some(phase) {
            wanted += &format!(
                "\n## To {}\n| what | for how long | netd | how to see that it is done |\n|---|---|---|---|\n",
                phase.title()
            );
            last = Some(phase);
        }
        wanted += &row;
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &wanted).expect("the steps are written");
        return;
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the steps"), wanted);
}

const INTRODUCTION: &str = "\
# Steps of `flatctl plan diff`

Generated from the verdicts (`UPDATE_SNAPSHOTS=1 cargo test -p flatnet-plan --test verdicts`). A change of a field that is
not here is for the record: nothing is to be done. Words in capitals are to be filled in. What a step costs is compared with
what the diff says of it by the suite `plan-live`.

| for how long | what it means |
|---|---|
| nobody notices it | no packet is lost |
| seconds at most | packets of those whom the step names may be lost for seconds, or none: switches, routers or the packets' size decide |
| seconds | packets of those whom the step names are lost for seconds; afterwards all is as before |
| until drained | who runs goes on as he is; what is new he gets when he is made again, and while that happens he is away |
| until the work is done | packets of those whom the step names are lost for as long as the work takes |
| until undone | packets of those whom the step names are lost for as long as the new plan is in force |

| netd | what it means; the table is `crates/plan/src/takeover.rs`, which netd goes by |
|---|---|
| | nothing of it is in a node's part of the plan |
| live | netd takes it over at once, also for the containers that run |
| new attachments only | netd takes it over at once; containers that run keep what they have |
| restart | netd takes it over when it is restarted |
| drain | netd takes it over when no container has what goes away |

## Other names

What is gone and what came are the same thing under another name where they are alike in all else, and neither has a
second one that is: `plan diff` then says \"rename\", and compares on. To be told as renamed, a thing has to keep what it is
known by; a name that changes together with that is a thing that is removed and another one that is added.

| name of | known by | who notices another name |
|---|---|---|
| a site | the VPC's `vpcId`; else all that is in it | nobody: no daemon and no machine knows it |
| a switch | its cables (host, NIC, port); without any, what hangs on it; its own fields | nobody: its cables stay. If it is another machine, the cables move, which is an outage of what hangs on them |
| a VLAN | its ID | nobody |
| a vSwitch | its `id`; else its zone and subnets | nobody |
| a route table | its `id`; else its quota and vSwitches | nobody: its entries stay |
| a leased line | its `vbr.id`; else all its fields | nobody, if `lineInterfaces` of vpc-route has the new name before: until then the VBR's table is left as it is |
| an edge router | its site has one | nobody, if `edgeRouters` of vpc-route gets the new name with it: until then the router is left as it is |
| a network | its fields | its containers: they are of the network that their CNI configuration named. They are drained, the ranges go over to the new name, and no configuration with the old one makes a container any more |
| a host | nothing else | its containers: it is another node, to netd, ipamd and Kubernetes. It is drained, and comes as a new one |
| a host group | its members' names | nobody, where they stay |
";

/// Fields that the plan of this test does not have are not judged: it has them all.
#[test]
fn the_plan_of_the_test_has_every_field() {
    let plan = flatnet_plan::parse(PLAN).expect("a plan");
    let text = serde_json::to_string(&plan).expect("JSON");
    let schema: Value = serde_json::from_str(&flatnet_plan::schema::document()).expect("JSON");
    let mut missing = Vec::new();
    let mut look = |of: &Value| {
        let properties = of["properties"].as_object();
        for key in properties.into_iter().flat_map(|p| p.keys()) {
            if !text.contains(&format!("\"{key}\":")) {
                missing.push(key.clone());
            }
        }
    };
    for definition in schema["$defs"].as_object().expect("definitions").values() {
        look(definition);
    }
    assert!(missing.is_empty(), "{missing:?}");
}

//! Which kinds of steps the scenes do, and which the lab cannot do: every kind that the diff knows is
//! either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flatnet_plan::diff::{Phase, diff};

use super::edits::{self, Edit};

/// Phase, what is done, and for how long who notices it, in words.
type Kind = (String, String, String);

/// The scenes by the beginnings of their sentences, with the plan that each goes to and comes
/// back from.
const SCENES: &[(&str, Edit)] = &[
    ("another rate of", edits::neighbour_rate),
    ("a network without any destination", edits::egress),
    ("another MTU of a network", edits::mtu),
    ("another gateway is", edits::gateway),
    ("another gateway of the hosts", edits::hosts_gateway),
    ("another MAC mode", edits::mac_mode),
    ("a service prefix", edits::service_prefix),
    ("what a leased line accepts", edits::accept),
    ("a leased line that is removed", edits::line),
    ("a host's range grows", edits::range),
    ("a VLAN comes off a trunk", edits::trunk),
    ("a VLAN comes off a switch's trunk", edits::switch_trunk),
    ("a switch's only uplink", edits::uplinks),
    ("a host whose only cable", edits::cables),
    ("what nobody uses yet", edits::unused),
    ("other MTUs of switches", edits::switches),
];

/// What a scene could do.
const YET: &str = "not done live yet";

/// Kinds of steps that no scene does, by the beginnings of what they are and for how long, and why.
const NOT: &[(&str, &str, &str)] = &[
    ("add to TABLE", "", YET),
    (
        "another VPC or data centre",
        "",
        "whoever is there is drained, as in the scenes of ranges and trunks, but the lab has no second place to move to",
    ),
    (
        "another vSwitch",
        "",
        "whoever is there is drained, as in the scenes of ranges and trunks, but the lab has no second place to move to",
    ),
    (
        "change a VLAN's role",
        "",
        "whoever is there is drained, as in the scenes of ranges and trunks, but the lab has no second place to move to",
    ),
    (
        "move a network",
        "",
        "whoever is there is drained, as in the scenes of ranges and trunks, but the lab has no second place to move to",
    ),
    (
        "move the host",
        "",
        "whoever is there is drained, as in the scenes of ranges and trunks, but the lab has no second place to move to",
    ),
    (
        "rename the network",
        "",
        "the lab's CNI configurations name its networks as they are",
    ),
    ("drain a slice", "", "the lab's plan cuts no slices"),
    ("drain the slices", "", "the lab's plan cuts no slices"),
    ("cut slices", "", "the lab's plan cuts no slices"),
    (
        "change a leased line's ends",
        "",
        "the lab has one leased line, and its plan no ID of the cloud",
    ),
    (
        "lead over another line",
        "",
        "the lab has one leased line, and its plan no ID of the cloud",
    ),
    (
        "rename the leased line",
        "",
        "the lab has one leased line, and its plan no ID of the cloud",
    ),
    (
        "change a leased line's IDs",
        "",
        "the lab has one leased line, and its plan no ID of the cloud",
    ),
    (
        "another route table of the cloud",
        "",
        "the lab's VPC has one route table, without an ID",
    ),
    (
        "bind a vSwitch",
        "",
        "the lab's VPC has one route table, without an ID",
    ),
    (
        "rename the edge router",
        "",
        "the lab's plan names no edge router",
    ),
    (
        "change the instance",
        "",
        "the lab's plan names no instances",
    ),
    (
        "change the VLAN of the host",
        "",
        "host and switch are changed by a person at the host's console",
    ),
    (
        "change the tag of",
        "",
        "host and switch are changed by a person at the host's console",
    ),
    (
        "change the host's own addresses",
        "",
        "host and switch are changed by a person at the host's console",
    ),
    (
        "change the native VLAN",
        "",
        "host and switch are changed by a person at the host's console",
    ),
    (
        "change the uplink",
        "until the work",
        "the lab's hosts have one NIC each, and no bond",
    ),
    (
        "move cables",
        "seconds,",
        "the lab's hosts have one NIC each, and no bond",
    ),
    (
        "make switches peers no longer",
        "until undone",
        "the lab's hosts have one NIC each, and no bond",
    ),
    ("change the host's routers", "", YET),
    ("change a port's MTU", "", YET),
    (
        "change the protocols",
        "",
        "who speaks them loses them, and the scenes' containers only ping",
    ),
    ("new host", "", YET),
    ("change the MTU of every link", "", YET),
    ("move the gateway of a range", "", YET),
    ("hand on a range", "", YET),
    ("lead elsewhere", "", YET),
    (
        "drain a range of NETWORK",
        "until drained, for containers with these addresses are made again, before",
        YET,
    ),
    ("take uplinks off", "seconds at most", YET),
];

/// Each kind that the scenes do, with the sentences of those.
fn done() -> BTreeMap<Kind, BTreeSet<&'static str>> {
    let own = crate::plan::generate(2, 2).expect("the lab's plan");
    let mut done: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
    for (scene, edit) in SCENES {
        let mut checks = super::SUITE.checks.iter().map(|c| c.sentence);
        let sentence = checks.find(|s| s.starts_with(scene));
        let sentence = sentence.unwrap_or_else(|| panic!("no check: {scene}"));
        let mut plan = own.clone();
        edit(&mut plan).expect("an edit of the lab's plan");
        let text = flatnet_plan::to_yaml(&plan).expect("YAML");
        if let Err(error) = flatnet_plan::load(&text) {
            panic!("{sentence}: {error}");
        }
        for (old, new) in [(&own, &plan), (&plan, &own)] {
            let found = diff(old, new).expect("routes");
            let steps = found.changes.iter().filter(|c| c.phase != Phase::Record);
            for step in steps {
                let kind = (
                    step.phase.title().to_owned(),
                    step.general(),
                    step.lasts.words(),
                );
                done.entry(kind).or_default().insert(sentence);
            }
        }
    }
    done
}

/// The kinds of steps of docs/plan-diff.md, which the verdicts of all fields make.
fn known() -> BTreeSet<Kind> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plan-diff.md");
    let document = std::fs::read_to_string(path).expect("the kinds of steps");
    let mut phase = None;
    let mut known = BTreeSet::new();
    for line in document.lines() {
        if line.starts_with("## ") {
            phase = line.strip_prefix("## To ");
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(phase), ["", what, lasts, _netd, _seen, ""]) = (phase, cells.as_slice())
            && *what != "what"
            && !what.starts_with('-')
        {
            known.insert((phase.to_owned(), (*what).to_owned(), (*lasts).to_owned()));
        }
    }
    known
}

#[test]
fn every_scene_has_its_plans() {
    assert_eq!(SCENES.len(), super::SUITE.checks.len());
}

#[test]
fn every_kind_of_step_is_done_live_or_says_why_not() {
    let done = done();
    // A scene may do what no change of a single field does.
    let known: BTreeSet<Kind> = known().into_iter().chain(done.keys().cloned()).collect();
    assert!(known.len() > 80, "{}", known.len());
    let why = |kind: &Kind| {
        let mut all = NOT.iter();
        all.find(|(what, lasts, _)| kind.1.starts_with(what) && kind.2.starts_with(lasts))
    };
    let undone = || known.iter().filter(|k| !done.contains_key(*k));
    let open: Vec<&Kind> = undone().filter(|k| why(k).is_none()).collect();
    let idle: Vec<&str> = NOT
        .iter()
        .filter(|n| !undone().any(|k| why(k) == Some(*n)))
        .map(|n| n.0)
        .collect();
    assert!(
        open.is_empty() && idle.is_empty(),
        "neither done nor declared: {open:#?}\n\
         declared for nothing: {idle:?}"
    );
    let mut wanted = String::from(INTRODUCTION);
    for kind in &known {
        let (phase, what, lasts) = kind;
        let how = match done.get(kind) {
            Some(scenes) => scenes.iter().copied().collect::<Vec<_>>().join("; "),
            None => format!("**no scene**: {}", why(kind).map_or("", |w| w.2)),
        };
        wanted += &format!("| {phase} | {what} | {lasts} | {how} |\n");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plan-diff-live.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &wanted).expect("the table is written");
        return;
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the table"), wanted);
}

const INTRODUCTION: &str = "\
# Which steps of `flatctl plan diff` are proven live

Generated from the scenes of the suite `plan-live` (`UPDATE_SNAPSHOTS=1 cargo test -p flatnet-lab plan_live`). Each kind of step
of [plan-diff.md](plan-diff.md) has the checks of the suite that do it while containers ping each other, and compare what was
lost with what the diff said; or it says why there is no scene for it.

| to | what | for how long | the suite's check |
|---|---|---|---|
";

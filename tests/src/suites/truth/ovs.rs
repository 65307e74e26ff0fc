//! Open vSwitch: its database, its flow tables, and what no database keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::place::{BRIDGE, Place, WAIT};
use crate::suites::kit::{HOST_PORT, eventually, output, say};
use crate::{LabGuard, ProcessId, netd};

pub(super) fn flows(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-flows")?;
    let before = place.flows()?;
    let as_before = || {
        let now = place.flows()?;
        let strange: Vec<_> = now.iter().filter(|f| !before.contains(f)).collect();
        ensure!(
            now == before,
            "{} flows, and there were {}; strange: {strange:?}",
            now.len(),
            before.len()
        );
        Ok(())
    };
    let bar = |args: &[&str]| place.ofctl(args).map(drop);
    let deeds: [(&str, &[&str]); 5] = [
        ("all flows deleted", &["del-flows", BRIDGE]),
        ("a table's flows deleted", &["del-flows", BRIDGE, "table=6"]),
        (
            "a table's flows changed",
            &["mod-flows", BRIDGE, "table=5,actions=drop"],
        ),
        (
            "a flow added that forwards by itself",
            &["add-flow", BRIDGE, "table=0,priority=65535,actions=NORMAL"],
        ),
        (
            "a flow added with netd's mark",
            &[
                "add-flow",
                BRIDGE,
                "table=0,cookie=0x464e000000000000,priority=65535,actions=drop",
            ],
        ),
    ];
    for (what, args) in deeds {
        place.repairs(what, || bar(args), as_before)?;
    }
    Ok(())
}

pub(super) fn controller(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-ctl")?;
    let before = place.flows()?;
    let none = || {
        let controller = place.vsctl(&["get-controller", BRIDGE])?;
        ensure!(controller.is_empty(), "there is {controller}");
        ensure!(place.flows()? == before, "the flows are others");
        Ok(())
    };
    let set = || {
        place
            .vsctl(&["set-controller", BRIDGE, "tcp:127.0.0.1:9"])
            .map(drop)
    };
    place.repairs("a controller set", set, none)?;
    let both = || {
        set()?;
        place.vsctl(&["del-controller", BRIDGE]).map(drop)
    };
    place.repairs("a controller set and removed", both, none)
}

pub(super) fn fail_mode(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-fail")?;
    let before = place.flows()?;
    let secure = || {
        let mode = place.vsctl(&["get-fail-mode", BRIDGE])?;
        ensure!(mode == "secure", "the fail mode is {mode:?}");
        let now = place.flows()?;
        ensure!(now == before, "the flows are others: {now:#?}");
        Ok(())
    };
    let delete = || place.vsctl(&["del-fail-mode", BRIDGE]).map(drop);
    place.repairs("the fail mode deleted", delete, secure)?;

    // netd is away while it happens: its first act is to end it.
    let name = format!("{}/netd", place.node.name);
    let stopped = lab.stop_unit(&name)?;
    delete()?;
    restart_switch(&place)?;
    eventually(WAIT, || {
        let flows = place.ofctl(&["dump-flows", BRIDGE])?;
        ensure!(
            flows.contains("NORMAL"),
            "it does not forward by itself yet"
        );
        Ok(())
    })?;
    let start = || {
        drop(stopped);
        Ok(())
    };
    place.repairs(
        "the fail mode deleted and the switch restarted while netd was away",
        start,
        secure,
    )
}

/// Kills ovs-vswitchd, and waits until another has taken its place.
fn restart_switch(place: &Place<'_>) -> Result<()> {
    let file = place.node.paths.vswitchd_pid();
    let before = process(&file)?;
    before.signal(Signal::SIGKILL)?;
    eventually(WAIT, || {
        let now = process(&file)?;
        ensure!(now != before, "the same process still");
        Ok(())
    })?;
    Ok(())
}

fn process(file: &std::path::Path) -> Result<ProcessId> {
    ProcessId::from_file(file).ok_or_else(|| anyhow::anyhow!("{} names no process", file.display()))
}

pub(super) fn columns(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-col")?;
    let port = place.port()?;
    let uplink = place.node.spec.uplink.as_str().to_owned();
    for (column, value) in [
        ("stp_enable", "true"),
        ("rstp_enable", "true"),
        ("mcast_snooping_enable", "true"),
        ("protocols", "OpenFlow10"),
        ("protocols", "OpenFlow10,OpenFlow13,OpenFlow14"),
    ] {
        let set = ["set", "bridge", BRIDGE, &format!("{column}={value}")];
        place.column(("bridge", BRIDGE, column), &set)?;
    }
    let limits = [
        "--",
        "--id=@t",
        "create",
        "Flow_Table",
        "flow_limit=1",
        "overflow_policy=refuse",
        "--",
        "set",
        "bridge",
        BRIDGE,
        "flow_tables:0=@t",
    ];
    place.column(("bridge", BRIDGE, "flow_tables"), &limits)?;
    for name in [port.as_str(), HOST_PORT, uplink.as_str()] {
        for (column, value) in [
            ("tag", "999"),
            ("vlan_mode", "dot1q-tunnel"),
            ("protected", "true"),
            ("other_config", "priority-tags=always"),
        ] {
            let set = ["set", "port", name, &format!("{column}={value}")];
            place.column(("port", name, column), &set)?;
        }
        let set = ["set", "interface", name, "ingress_policing_rate=1"];
        place.column(("interface", name, "ingress_policing_rate"), &set)?;
    }
    for (name, number) in [(port.as_str(), 4711), (&uplink, 4712), (HOST_PORT, 4713)] {
        renumbered(&place, name, number)?;
    }
    let there = |name: &str| {
        let ports = place.vsctl(&["list-ports", BRIDGE])?;
        ensure!(ports.lines().any(|p| p == name), "{name} is not there");
        Ok(())
    };
    for name in [port.as_str(), uplink.as_str(), HOST_PORT] {
        let deed = || place.vsctl(&["del-port", BRIDGE, name]).map(drop);
        place.repairs(&format!("port {name} deleted"), deed, || there(name))?;
    }
    Ok(())
}

/// The switch gives the port the number that somebody asks for, unless netd was faster: whichever
/// it has then, the request and the flows name it.
fn renumbered(place: &Place<'_>, name: &str, number: u32) -> Result<()> {
    let request = format!("ofport_request={number}");
    let deed = || place.vsctl(&["set", "interface", name, &request]).map(drop);
    let get = |column| place.vsctl(&["get", "interface", name, column]);
    place.repairs(&format!("{name} {request}"), deed, || {
        let (has, wants) = (get("ofport")?, get("ofport_request")?);
        ensure!(
            has == wants,
            "{name} has number {has}, and {wants} is asked for"
        );
        let flows = place.ofctl(&["--no-names", "dump-flows", BRIDGE, "table=0"])?;
        let named = format!("in_port={has}");
        let flow = |l: &str| l.split([',', ' ']).any(|part| part == named);
        ensure!(flows.lines().any(flow), "no flow has {named}: {flows}");
        Ok(())
    })
}

pub(super) fn unkept(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-kept")?;
    let fragments = || place.ofctl(&["get-frags", BRIDGE]);
    let before = fragments()?;
    let drop_them = || place.ofctl(&["set-frags", BRIDGE, "drop"]).map(drop);
    place.repairs("fragments dropped", drop_them, || {
        let now = fragments()?;
        ensure!(now == before, "fragments are {now}");
        Ok(())
    })?;
    let port = place.port()?;
    for what in ["no-forward", "no-receive"] {
        let deed = || place.ofctl(&["mod-port", BRIDGE, &port, what]).map(drop);
        place.repairs(&format!("port {port} {what}"), deed, || {
            let ports = place.ofctl(&["dump-ports-desc", BRIDGE])?;
            ensure!(
                !ports.contains("NO_FWD") && !ports.contains("NO_RECV"),
                "{ports}"
            );
            Ok(())
        })?;
    }
    let meters = || place.ofctl(&["dump-meters", BRIDGE]);
    let before = meters()?;
    ensure!(before.contains("rate="), "there are no meters: {before}");
    let as_before = || {
        let now = meters()?;
        ensure!(lines(&now) == lines(&before), "the meters are {now}");
        Ok(())
    };
    let delete = || place.ofctl(&["del-meters", BRIDGE]).map(drop);
    place.repairs("all meters deleted", delete, as_before)?;
    let number = before
        .split("meter=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let other = format!(
        "meter={},kbps,band=type=drop,rate=1",
        number.unwrap_or_default()
    );
    let change = || place.ofctl(&["mod-meter", BRIDGE, &other]).map(drop);
    place.repairs("a meter changed", change, as_before)?;
    let groups = || place.ofctl(&["dump-groups", BRIDGE]);
    let before = groups()?;
    ensure!(before.contains("group_id=1"), "there is no group: {before}");
    let as_before = || {
        let now = groups()?;
        ensure!(lines(&now) == lines(&before), "the groups are {now}");
        Ok(())
    };
    let delete = || place.ofctl(&["del-groups", BRIDGE]).map(drop);
    place.repairs("the group deleted, and its flows", delete, as_before)?;
    let other = "group_id=1,type=all,bucket=actions=drop";
    let change = || place.ofctl(&["mod-group", BRIDGE, other]).map(drop);
    place.repairs("the group changed", change, as_before)
}

/// The lines of an answer in an order of their own, without the first, which has a number.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

pub(super) fn named(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-named")?;
    place.vsctl(&[
        "--",
        "--id=@m",
        "create",
        "mirror",
        "name=truth",
        "--",
        "set",
        "bridge",
        BRIDGE,
        "mirrors=@m",
    ])?;
    place.has_problem("mirror", true)?;
    place.works()?;
    place.vsctl(&["clear", "bridge", BRIDGE, "mirrors"])?;
    place.has_problem("mirror", false)?;
    let foreign = "truth0";
    place.vsctl(&[
        "add-port",
        BRIDGE,
        foreign,
        "--",
        "set",
        "interface",
        foreign,
        "type=internal",
    ])?;
    let named = place.has_problem("foreign-port", true);
    let works = place.works();
    place.vsctl(&["del-port", BRIDGE, foreign])?;
    named?;
    works?;
    place.has_problem("foreign-port", false)
}

pub(super) fn restore_wait(lab: &LabGuard) -> Result<()> {
    const WAITS: &str = "other_config:flow-restore-wait=true";
    let place = Place::attach(lab, "tr-wait")?;
    place.vsctl(&["set", "open_vswitch", ".", WAITS])?;
    place.has_problem("flow-restore-wait", true)?;
    ensure!(place.ready().is_err(), "the node says that it is ready");
    // Only a switch that starts looks at it.
    restart_switch(&place)?;
    let ended = || {
        let config = place.vsctl(&["get", "open_vswitch", ".", "other_config"])?;
        ensure!(!config.contains("flow-restore-wait"), "still {config}");
        Ok(())
    };
    let (_, took) = eventually(WAIT, ended)?;
    say(&format!("ended after {} ms", took.as_millis()));
    eventually(WAIT, || place.works())?;
    place.has_problem("flow-restore-wait", false)
}

pub(super) fn hangs(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-hang")?;
    for (what, file, code) in [
        (
            "ovsdb-server",
            place.node.paths.ovsdb_pid(),
            "database-away",
        ),
        (
            "ovs-vswitchd",
            place.node.paths.vswitchd_pid(),
            "switch-away",
        ),
    ] {
        let process = process(&file)?;
        process.signal(Signal::SIGSTOP)?;
        let named = place.has_problem(code, true);
        let ready = place.ready();
        process.signal(Signal::SIGCONT)?;
        named?;
        ensure!(ready.is_err(), "ready while {what} hangs");
        let (_, took) = eventually(WAIT, || place.works())?;
        say(&format!(
            "{what} goes on: all works after {} ms",
            took.as_millis()
        ));
        place.has_problem(code, false)?;
    }
    Ok(())
}

pub(super) fn features(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab, "tr-feat")?;
    let kind = place.vsctl(&["get", "Bridge", BRIDGE, "datapath_type"])?;
    for restarted in [false, true] {
        if restarted {
            restart_switch(&place)?;
        }
        eventually(WAIT, || {
            let said = output(place.node.appctl().args(["dpif/show-dp-features", BRIDGE]))?;
            let said: BTreeMap<_, _> = said
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect();
            ensure!(said.contains_key("Masked set action"), "{said:?}");
            let (_, node) = netd::get(&place.node.paths.netd_sock(), "/v1/node")?;
            let node: serde_json::Value = serde_json::from_str(&node)?;
            let shown = &node["datapath"];
            ensure!(
                shown["kind"] == kind && shown["features"] == serde_json::to_value(&said)?,
                "/v1/node shows {shown:#}; the switch says {said:#?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) fn rest(lab: &LabGuard) -> Result<()> {
    const REST: Duration = Duration::from_secs(10);
    let place = Place::attach(lab, "tr-rest")?;
    let done = || {
        let (_, text) = netd::get(&place.node.paths.netd_sock(), "/metrics")?;
        let ops = text
            .lines()
            .filter(|l| l.starts_with("flatnet_reconcile_ops_total"));
        Ok::<_, anyhow::Error>(ops.map(str::to_owned).collect::<Vec<_>>())
    };
    let netd = lab.netd_pid(&place.node.name)?.pid;
    let before = (done()?, on_processor(netd)?);
    std::thread::sleep(REST);
    let used = on_processor(netd)?.saturating_sub(before.1);
    let share = used.as_secs_f64() / REST.as_secs_f64();
    say(&format!("netd at rest: {:.3} % of a core", share * 100.0));
    let after = done()?;
    ensure!(
        after == before.0,
        "at rest, netd did {after:?} after {:?}",
        before.0
    );
    Ok(())
}

/// How long the threads of a process have been on a processor.
fn on_processor(pid: i32) -> Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let nanoseconds = text.split_whitespace().next().unwrap_or_default();
        all += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(all)
}

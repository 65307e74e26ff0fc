//! Entries that are gone or in the way, and a line that is down.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::pair::Pair;
use super::rig::{CONTROLLER, REPAIRED, Tables, carry_out, delete_entry, first_fault, link_check};
use crate::cloud::ask;
use crate::suites::kit::{eventually, output};
use crate::{Lab, LabGuard, edge};

const VPC: &str = "vtb-vpc-system";
const VBR: &str = "vtb-line1";

pub(super) fn vpc_entry(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc2", "cloud"))?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    delete_entry(lab, VPC, "172.30.32.0/20")?;
    pair.lost()?;
    let repair = pair.fault(Tables::Planned, "vpcTable", "route table")?;
    carry_out(lab, &repair)?;
    pair.repaired(Tables::Planned)?;
    drop(stopped);
    pair.detach()
}

pub(super) fn vbr_way_back(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc1", "cloud"))?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    delete_entry(lab, VBR, "10.100.0.0/16")?;
    pair.lost()?;
    let said = pair.trace(Tables::Planned)?;
    let repair = first_fault(&said, "vbr", "VBR of line line1")?;
    ensure!(
        said.view["fault"]["direction"] == "back",
        "{:#}",
        said.view["fault"]
    );
    let line = link_check(lab, Tables::Planned)?;
    let wrong = line.view[0]["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|part| {
            let mut hops = part["hops"].as_array().into_iter().flatten();
            hops.any(|h| h["verdict"] == "wrong")
        });
    ensure!(
        line.code == 1 && wrong.is_some_and(|p| p["direction"] == "to the IDC"),
        "exit {}: {wrong:#?}",
        line.code
    );
    carry_out(lab, &repair)?;
    pair.repaired(Tables::Planned)?;
    ensure!(
        link_check(lab, Tables::Planned)?.code == 0,
        "the line is still lame"
    );
    drop(stopped);
    pair.detach()
}

pub(super) fn edge_route(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc1", "cloud"))?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    if edge::has_frr() {
        forget(lab, "172.30.0.0/16")?;
    } else {
        let edge = lab.member("edge")?;
        output(edge.command("ip").args(["route", "del", "172.30.0.0/16"]))?;
    }
    pair.lost()?;
    let repair = pair.fault(Tables::Planned, "edgeRouter", "edge router")?;
    carry_out(lab, &repair)?;
    pair.repaired(Tables::Planned)?;
    drop(stopped);
    pair.detach()
}

/// Takes a static route out of the FRR of the edge router, as a person does.
fn forget(lab: &Lab, destination: &str) -> Result<()> {
    let vtysh = |commands: &[&str]| {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(edge::directory(lab.layout()));
        output(vtysh.args(commands.iter().flat_map(|c| ["-c", c])))
    };
    let text = vtysh(&["show running-config"])?;
    let wanted = format!("ip route {destination} ");
    let line = text.lines().find(|l| l.starts_with(&wanted));
    let line = line.with_context(|| format!("no {wanted}in {text}"))?;
    vtysh(&["configure terminal", &format!("no {line}")])?;
    Ok(())
}

pub(super) fn shadow(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc2", "cloud"))?;
    let theirs = json!([{"addEntry": {"table": VPC, "entry": {
        "destination": "172.30.32.0/24", "name": "made by hand",
        "nextHops": [{"type": "Instance", "id": "i-vpc1"}],
    }}}]);
    let (status, answer) = ask(lab, "POST", "/_sim/world", &theirs.to_string())?;
    ensure!(status == 200, "{status}: {answer}");
    pair.lost()?;
    let repair = pair.fault(Tables::Asked, "vpcTable", "route table")?;
    let command = repair["command"].as_str().unwrap_or_default();
    let note = repair["note"].as_str().unwrap_or_default();
    ensure!(
        command.starts_with("aliyun vpc DeleteRouteEntry") && note.contains("made by hand"),
        "{repair:#}"
    );
    // The cloud's own command line is not here: its call is.
    delete_entry(lab, VPC, "172.30.32.0/24")?;
    pair.repaired(Tables::Asked)?;
    pair.detach()
}

pub(super) fn line_down(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc1", "cloud"))?;
    let router = lab.member("edge")?;
    let link = |state| output(router.command("ip").args(["link", "set", "line0", state]));
    link("down")?;
    pair.lost()?;
    let (repair, _) = eventually(REPAIRED, || {
        pair.fault(Tables::Asked, "line", "line line1 at edge")
    })?;
    let line = link_check(lab, Tables::Asked)?;
    ensure!(line.code == 1, "{:#}", line.view);
    carry_out(lab, &repair)?;
    pair.repaired(Tables::Asked)?;
    pair.detach()
}

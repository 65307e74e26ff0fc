//! What is broken on a node, and at a switch.

use anyhow::{Result, ensure};

use super::pair::Pair;
use super::rig::{REPAIRED, Tables, carry_out, clean};
use crate::suites::kit::{eventually, output};
use crate::{LabGuard, Member};

const BRIDGE: &str = "br-flat";

fn ip(member: &Member, args: &[&str]) -> Result<String> {
    output(member.command("ip").args(args))
}

fn ofctl(member: &Member, args: &[&str]) -> Result<String> {
    output(member.ofctl().args(args))
}

pub(super) fn routes(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("vpc1", "cloud"), ("vpc2", "cloud"))?;
    let (vpc1, vpc2) = (lab.member("vpc1")?, lab.member("vpc2")?);
    pair.broken(("route", "node vpc2"), || {
        ip(&vpc2, &["route", "del", "172.30.32.0/20"])?;
        pair.lost()
    })?;
    pair.broken(("route", "node vpc1"), || {
        ip(&vpc1, &["route", "del", "default"])?;
        pair.lost()
    })?;
    // With the containers' gateway its route went: netd gives both back.
    pair.broken(("route", "node vpc2"), || {
        ip(&vpc2, &["address", "del", "172.30.32.1/20", "dev", "flat0"])?;
        pair.lost()
    })?;
    pair.detach()
}

pub(super) fn flows_gone(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("idc2", "web"))?;
    let (idc1, idc2) = (lab.member("idc1")?, lab.member("idc2")?);
    // The way out of the first node, and the way in of the second.
    pair.broken(("flows", "node idc1 bridge"), || {
        ofctl(&idc1, &["del-flows", BRIDGE, "table=5"])?;
        pair.lost()
    })?;
    let to = format!("table=6,ip,nw_dst={}", pair.two.v4);
    pair.broken(("flows", "node idc2 bridge"), || {
        ofctl(&idc2, &["del-flows", BRIDGE, &to])?;
        pair.lost()
    })?;
    pair.detach()
}

pub(super) fn foreign_flow(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("vpc1", "cloud"), ("vpc2", "cloud"))?;
    let vpc1 = lab.member("vpc1")?;
    let flow = format!(
        "cookie=0x77,table=3,priority=300,ip,nw_dst={},actions=drop",
        pair.two.v4
    );
    pair.broken(("flows", "node vpc1 bridge"), || {
        ofctl(&vpc1, &["add-flow", BRIDGE, &flow])?;
        pair.lost()
    })?;
    pair.detach()
}

pub(super) fn inside(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("vpc2", "cloud"))?;
    let at = ("container", "container trace-one");
    pair.broken(at, || {
        pair.one.run("ip", &["route", "del", "default"])?;
        pair.lost()
    })?;
    pair.broken(at, || {
        pair.one
            .run("ip", &["link", "set", "eth0", "mtu", "1400"])?;
        Ok(())
    })?;
    // Inside of the other end, for the answer: its link is down, then its route is gone, too.
    pair.repaired(Tables::Asked)?;
    pair.two.run("ip", &["link", "set", "eth0", "down"])?;
    pair.lost()?;
    for _ in 0..2 {
        let repair = pair.fault(Tables::Asked, "container", "container trace-two")?;
        carry_out(lab, &repair)?;
    }
    pair.repaired(Tables::Asked)?;
    pair.detach()
}

pub(super) fn tag_without_netd(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("idc2", "web"))?;
    let idc1 = lab.member("idc1")?;
    let name = pair.one.host_end()?;
    let tag = || output(idc1.vsctl().args(["get", "port", name, "tag"]));
    let right = tag()?;
    let stopped = lab.stop_unit("idc1/netd")?;
    output(idc1.vsctl().args(["set", "port", name, "tag=999"]))?;
    let repair = pair.fault(Tables::Asked, "netd", "node idc1")?;
    ensure!(
        repair["command"] == "systemctl restart netd" && repair["on"] == "idc1",
        "{repair:#}"
    );
    // The supervisor is the lab's systemd.
    drop(stopped);
    eventually(REPAIRED, || {
        ensure!(tag()? == right, "the tag is {}", tag()?);
        clean(lab, &pair.one, pair.to(), Tables::Asked)
    })?;
    pair.detach()
}

pub(super) fn switch_without_vlan(lab: &LabGuard) -> Result<()> {
    let pair = Pair::attach(lab, ("idc1", "web"), ("idc2", "db"))?;
    let tor = lab.member("tor1")?;
    let trunks = output(tor.vsctl().args(["get", "port", "idc1", "trunks"]))?;
    let without = trunks.replace("100, ", "").replace(", 100", "");
    ensure!(without != trunks, "tor1 does not carry VLAN 100: {trunks}");
    let set = |trunks: &str| {
        let trunks = format!("trunks={}", trunks.trim());
        output(tor.vsctl().args(["set", "port", "idc1", &trunks]))
    };
    set(&without)?;
    pair.one.run("ip", &["neigh", "flush", "all"])?;
    let found = pair
        .lost()
        .and_then(|()| pair.fault(Tables::Asked, "segment", "VLAN 100"));
    set(&trunks)?;
    let repair = found?;
    ensure!(repair["on"] == "switch tor1", "{repair:#}");
    pair.repaired(Tables::Asked)?;
    pair.detach()
}

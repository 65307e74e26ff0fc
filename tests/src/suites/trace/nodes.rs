//! What is broken on a node, and at a switch.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use super::rig::{MENDED, Tables, attach, carry_out, clean, first_fault, lost, mended, trace};
use crate::suites::kit::container::Container;
use crate::suites::kit::{eventually, output};
use crate::{LabGuard, Member};

const BRIDGE: &str = "br-flat";

fn ip(member: &Member, args: &[&str]) -> Result<String> {
    output(member.command("ip").args(args))
}

fn ofctl(member: &Member, args: &[&str]) -> Result<String> {
    output(
        member
            .command("ovs-ofctl")
            .args(["-O", "OpenFlow14"])
            .args(args),
    )
}

/// Breaks something; it is named as `check` at `at`, and its command mends it.
fn broken(
    lab: &LabGuard,
    (from, to): (&Container, IpAddr),
    (check, at): (&str, &str),
    breaks: impl FnOnce() -> Result<()>,
) -> Result<()> {
    mended(lab, from, to, Tables::Asked)?;
    breaks()?;
    let own = from.ips().into_iter().find(|a| a.is_ipv4() == to.is_ipv4());
    let said = trace(lab, own.context("its family")?, to, Tables::Asked)?;
    let mend = first_fault(&said, check, at)?;
    carry_out(lab, &mend)?;
    mended(lab, from, to, Tables::Asked)
}

pub(super) fn routes(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "vpc1", "cloud", "one")?,
        attach(lab, "vpc2", "cloud", "two")?,
    );
    let way = (&one, two.v4.into());
    let (vpc1, vpc2) = (lab.member("vpc1")?, lab.member("vpc2")?);
    broken(lab, way, ("route", "node vpc2"), || {
        ip(&vpc2, &["route", "del", "172.30.32.0/20"])?;
        lost(&one, two.v4.into())
    })?;
    broken(lab, way, ("route", "node vpc1"), || {
        ip(&vpc1, &["route", "del", "default"])?;
        lost(&one, two.v4.into())
    })?;
    // With the containers' gateway its route went: netd gives both back.
    broken(lab, way, ("route", "node vpc2"), || {
        ip(&vpc2, &["address", "del", "172.30.32.1/20", "dev", "flat0"])?;
        lost(&one, two.v4.into())
    })?;
    one.detach()?;
    two.detach()
}

pub(super) fn flows_gone(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "idc1", "web", "one")?,
        attach(lab, "idc2", "web", "two")?,
    );
    let (idc1, idc2) = (lab.member("idc1")?, lab.member("idc2")?);
    let way = (&one, two.v4.into());
    // The way out of the first node, and the way in of the second.
    broken(lab, way, ("flows", "node idc1 bridge"), || {
        ofctl(&idc1, &["del-flows", BRIDGE, "table=5"])?;
        lost(&one, two.v4.into())
    })?;
    let to = format!("table=6,ip,nw_dst={}", two.v4);
    broken(lab, way, ("flows", "node idc2 bridge"), || {
        ofctl(&idc2, &["del-flows", BRIDGE, &to])?;
        lost(&one, two.v4.into())
    })?;
    one.detach()?;
    two.detach()
}

pub(super) fn foreign_flow(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "vpc1", "cloud", "one")?,
        attach(lab, "vpc2", "cloud", "two")?,
    );
    let vpc1 = lab.member("vpc1")?;
    let flow = format!(
        "cookie=0x77,table=3,priority=300,ip,nw_dst={},actions=drop",
        two.v4
    );
    broken(
        lab,
        (&one, two.v4.into()),
        ("flows", "node vpc1 bridge"),
        || {
            ofctl(&vpc1, &["add-flow", BRIDGE, &flow])?;
            lost(&one, two.v4.into())
        },
    )?;
    one.detach()?;
    two.detach()
}

pub(super) fn inside(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "idc1", "web", "one")?,
        attach(lab, "vpc2", "cloud", "two")?,
    );
    let way = (&one, two.v4.into());
    let at = ("container", "container trace-one");
    broken(lab, way, at, || {
        one.run("ip", &["route", "del", "default"])?;
        lost(&one, two.v4.into())
    })?;
    broken(lab, way, at, || {
        one.run("ip", &["link", "set", "eth0", "mtu", "1400"])?;
        Ok(())
    })?;
    // Inside of the other end, for the answer: its link is down, then its route is gone, too.
    mended(lab, &one, two.v4.into(), Tables::Asked)?;
    two.run("ip", &["link", "set", "eth0", "down"])?;
    lost(&one, two.v4.into())?;
    for _ in 0..2 {
        let said = trace(lab, one.v4.into(), two.v4.into(), Tables::Asked)?;
        let mend = first_fault(&said, "container", "container trace-two")?;
        carry_out(lab, &mend)?;
    }
    mended(lab, &one, two.v4.into(), Tables::Asked)?;
    one.detach()?;
    two.detach()
}

pub(super) fn tag_without_netd(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "idc1", "web", "one")?,
        attach(lab, "idc2", "web", "two")?,
    );
    mended(lab, &one, two.v4.into(), Tables::Asked)?;
    let idc1 = lab.member("idc1")?;
    let name = one
        .added
        .result
        .interfaces
        .iter()
        .find(|i| i.sandbox.is_empty());
    let name = name.map(|i| i.name.clone()).context("the host's end")?;
    let tag = || output(idc1.vsctl().args(["get", "port", &name, "tag"]));
    let right = tag()?;
    let stopped = lab.stop_unit("idc1/netd")?;
    output(idc1.vsctl().args(["set", "port", &name, "tag=999"]))?;
    let said = trace(lab, one.v4.into(), two.v4.into(), Tables::Asked)?;
    let mend = first_fault(&said, "netd", "node idc1")?;
    ensure!(
        mend["command"] == "systemctl restart netd" && mend["on"] == "idc1",
        "{mend:#}"
    );
    // The supervisor is the lab's systemd.
    drop(stopped);
    eventually(MENDED, || {
        ensure!(tag()? == right, "the tag is {}", tag()?);
        clean(lab, &one, two.v4.into(), Tables::Asked)
    })?;
    one.detach()?;
    two.detach()
}

pub(super) fn switch_without_vlan(lab: &LabGuard) -> Result<()> {
    let (one, two) = (
        attach(lab, "idc1", "web", "one")?,
        attach(lab, "idc2", "db", "two")?,
    );
    mended(lab, &one, two.v4.into(), Tables::Asked)?;
    let tor = lab.member("tor1")?;
    let trunks = output(tor.vsctl().args(["get", "port", "idc1", "trunks"]))?;
    let without = trunks.replace("100, ", "").replace(", 100", "");
    ensure!(without != trunks, "tor1 does not carry VLAN 100: {trunks}");
    let set = |trunks: &str| {
        let trunks = format!("trunks={}", trunks.trim());
        output(tor.vsctl().args(["set", "port", "idc1", &trunks]))
    };
    set(&without)?;
    one.run("ip", &["neigh", "flush", "all"])?;
    let found = lost(&one, two.v4.into()).and_then(|()| {
        let said = trace(lab, one.v4.into(), two.v4.into(), Tables::Asked)?;
        first_fault(&said, "segment", "VLAN 100")
    });
    set(&trunks)?;
    let mend = found?;
    ensure!(mend["on"] == "switch tor1", "{mend:#}");
    mended(lab, &one, two.v4.into(), Tables::Asked)?;
    one.detach()?;
    two.detach()
}

//! The changes: what is edited, and what those do who run switches, routers and services.

use anyhow::Result;

use super::edits;
use super::live::{Hand, Live, Way};
use super::verdict::Phase;
use crate::paths::EDGE;
use crate::suites::kit::output;
use crate::{Lab, LabGuard, Member};

pub(super) fn neighbour_rate(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::neighbour_rate)
}

pub(super) fn egress(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::egress)
}

pub(super) fn mtu(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::mtu)
}

/// The router has both addresses while containers hold the old one, as the step says.
pub(super) fn gateway(lab: &LabGuard) -> Result<()> {
    let hands = router_hands("change a gateway", "10.100.0.2/16", "vlan100");
    Live::begin(lab)?.there_and_back(&hands, edits::gateway)
}

pub(super) fn hosts_gateway(lab: &LabGuard) -> Result<()> {
    let hands = router_hands("change the hosts' gateway", "10.10.0.2/24", "vlan10");
    Live::begin(lab)?.there_and_back(&hands, edits::hosts_gateway)
}

/// The edge router gets the other address before anybody uses it, and loses it after nobody does.
fn router_hands(what: &'static str, address: &'static str, link: &'static str) -> [Hand; 2] {
    let change = move |verb: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let edge = lab.member(EDGE)?;
            let args = ["address", verb, address, "dev", link];
            output(edge.command("ip").args(args)).map(drop)
        }
    };
    [
        Hand::new(Way::There, Phase::Carry, what, change("add")),
        Hand::last(Way::Back, change("del")),
    ]
}

pub(super) fn mac_mode(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::mac_mode)
}

/// In the prefix that the edit adds.
const SERVICE: &str = "10.97.0.10";

pub(super) fn service_prefix(lab: &LabGuard) -> Result<()> {
    let mut live = Live::begin(lab)?;
    live.world.serve("idc1", SERVICE.parse()?)?;
    live.there_and_back(&[], edits::service_prefix)
}

pub(super) fn accept(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::accept)
}

/// Those who run the line take it down last of all, and put it up before anything leads over it.
pub(super) fn line(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::line)
}

pub(super) fn range(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::range)
}

pub(super) fn trunk(lab: &LabGuard) -> Result<()> {
    const WHAT: [&str; 2] = [
        "take VLANs off the uplink's trunk",
        "add VLANs to the uplink's trunk",
    ];
    let change = |vlans: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let trunks = format!("trunks={vlans}");
            let switch = lab.member("tor2")?;
            output(switch.vsctl().args(["set", "port", "idc2", &trunks])).map(drop)
        }
    };
    let hands = [
        Hand::new(Way::There, Phase::Clear, WHAT[0], change("10,100")),
        Hand::new(Way::Back, Phase::Carry, WHAT[1], change("10,100,200")),
    ];
    Live::begin(lab)?.there_and_back(&hands, edits::trunk)
}

/// The switch's own list, as people have it who run the switch.
pub(super) fn switch_trunk(lab: &LabGuard) -> Result<()> {
    const WHAT: [&str; 2] = ["take VLANs off a trunk", "add VLANs to a trunk"];
    let change = |vlans: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let trunks = format!("trunks={vlans}");
            let switch = lab.member("tor2")?;
            output(switch.vsctl().args(["set", "port", "idc2", &trunks])).map(drop)
        }
    };
    let hands = [
        Hand::new(Way::There, Phase::Clear, WHAT[0], change("10,100")),
        Hand::new(Way::Back, Phase::Carry, WHAT[1], change("10,100,200")),
    ];
    Live::begin(lab)?.there_and_back(&hands, edits::switch_trunk)
}

/// The lab's second switch hangs on the first, which its plan does not say.
pub(super) fn uplinks(lab: &LabGuard) -> Result<()> {
    const WHAT: &str = "take uplinks off a switch";
    let hands = [
        Hand::new(Way::Back, Phase::Clear, WHAT, port("tor2", "tor1", "down")),
        Hand::ends(Way::Back, port("tor2", "tor1", "up")),
    ];
    Live::begin(lab)?.there_and_back(&hands, edits::uplinks)
}

/// The cable is out while it goes from one port to the other.
pub(super) fn cables(lab: &LabGuard) -> Result<()> {
    const WHAT: &str = "move cables";
    let hands = [
        Hand::new(Way::There, Phase::Give, WHAT, port("tor2", "idc2", "down")),
        Hand::ends(Way::There, port("tor2", "idc2", "up")),
        Hand::new(Way::Back, Phase::Give, WHAT, port("tor2", "idc2", "down")),
        Hand::ends(Way::Back, port("tor2", "idc2", "up")),
    ];
    Live::begin(lab)?.there_and_back(&hands, edits::cables)
}

/// Takes a switch's port down, or up again.
fn port(
    member: &'static str,
    port: &'static str,
    state: &'static str,
) -> impl Fn(&Lab) -> Result<()> {
    move |lab| {
        let switch = lab.member(member)?;
        let args = ["link", "set", "dev", port, state];
        output(switch.command("ip").args(args)).map(drop)
    }
}

pub(super) fn unused(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], edits::unused)
}

pub(super) fn switches(lab: &LabGuard) -> Result<()> {
    const MTUS: [&str; 4] = [
        "change a switch's MTU",
        "change a port's MTU",
        "change a VLAN's MTU",
        "change a leased line's MTU",
    ];
    // A VLAN's at the switch's port to the router.
    let mtu = |way, phase, at: usize, member, port, mtu| {
        Hand::new(way, phase, MTUS[at], resize(member, port, mtu))
    };
    let there = |at, member, port, size| mtu(Way::There, Phase::Carry, at, member, port, size);
    let back = |phase, at, member, port, size| mtu(Way::Back, phase, at, member, port, size);
    let hands = [
        there(0, "tor1", "idc1", "9000"),
        there(1, "tor2", "idc2", "9000"),
        there(2, "tor1", EDGE, "9000"),
        there(3, EDGE, "line0", "1400"),
        Hand::new(
            Way::There,
            Phase::Carry,
            "start the spanning tree",
            tree("true"),
        ),
        back(Phase::Clear, 0, "tor1", "idc1", "1500"),
        back(Phase::Clear, 1, "tor2", "idc2", "1500"),
        back(Phase::Carry, 2, "tor1", EDGE, "1500"),
        back(Phase::Carry, 3, EDGE, "line0", "1500"),
        Hand::new(
            Way::Back,
            Phase::Clear,
            "stop the spanning tree",
            tree("false"),
        ),
    ];
    Live::begin(lab)?.there_and_back(&hands, edits::switches)
}

fn resize(
    member: &'static str,
    port: &'static str,
    mtu: &'static str,
) -> impl Fn(&Lab) -> Result<()> {
    move |lab| {
        let switch = lab.member(member)?;
        let args = ["link", "set", "dev", port, "mtu", mtu];
        output(switch.command("ip").args(args)).map(drop)
    }
}

/// With the shortest delay that the standard allows, which is by the greatest age of what the tree is
/// made of: a port is silent for twice as long.
fn tree(on: &'static str) -> impl Fn(&Lab) -> Result<()> {
    const TIMES: [&str; 2] = [
        "other_config:stp-max-age=6",
        "other_config:stp-forward-delay=4",
    ];
    move |lab| {
        let switch = lab.member("tor2")?;
        let enable = format!("stp_enable={on}");
        let args = ["set", "bridge", "br-tor", TIMES[0], TIMES[1], &enable];
        output(switch.vsctl().args(args))?;
        match on {
            "false" => flood_again(&switch),
            _ => Ok(()),
        }
    }
}

/// Open vSwitch 3.1.0 reckons which ports a broadcast goes to only when a port changes: one that the tree held back at
/// the moment when the tree ended gets none until then. OpenFlow 1.0 alone can change that bit.
fn flood_again(switch: &Member) -> Result<()> {
    let ports = output(switch.vsctl().args(["list-ports", "br-tor"]))?;
    for port in ports.lines() {
        for bit in ["no-flood", "flood"] {
            let args = ["-O", "OpenFlow10", "mod-port", "br-tor", port, bit];
            output(switch.command("ovs-ofctl").args(args))?;
        }
    }
    Ok(())
}

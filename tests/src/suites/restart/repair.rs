//! What somebody broke by hand, and what somebody added by hand.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::daemons::{ops_since_start, reconcile};
use super::{FOREIGN_PORT, READY};
use crate::suites::kit::container::{Container, ping};
use crate::suites::kit::{HOST_PORT, eventually, output, pair, say};
use crate::{Lab, LabGuard, NetdArgs, Node};

const BRIDGE: &str = "br-flat";
/// The cookie of somebody else's flow.
const FOREIGN_COOKIE: &str = "cookie=0x1234";
/// What no flow of ours matches.
const NOBODYS_MATCH: &str = "table=5,priority=7,dl_type=0x9999";

/// A node with containers, and a neighbour that speaks with them. Its netd repairs when it is
/// told to, and not before, until this is dropped: else nothing would stay broken for long enough
/// to be looked at. That it repairs by itself is what suite `truth` shows.
struct Place<'l> {
    lab: &'l Lab,
    _idle: NetdArgs<'l>,
    node: Node,
    own: [Container; 2],
    far: Container,
    /// What netd had done when all was well.
    done: RefCell<Vec<String>>,
}

impl<'l> Place<'l> {
    fn attach(lab: &'l Lab) -> Result<Self> {
        let [idc1, idc2] = pair(lab, "idc")?;
        let place = Self {
            lab,
            _idle: NetdArgs::idle(lab, &[&idc1.name], READY)?,
            own: [
                Container::attach(lab, &idc1, "web", "rm-a")?,
                Container::attach(lab, &idc1, "db", "rm-b")?,
            ],
            far: Container::attach(lab, &idc2, "web", "rm-far")?,
            node: idc1,
            done: RefCell::default(),
        };
        place.works()?;
        reconcile(&place.node)?;
        place.done.replace(ops_since_start(&place.node)?);
        Ok(place)
    }

    /// That everybody reaches everybody, the host too.
    fn works(&self) -> Result<()> {
        for container in &self.own {
            for ip in container.ips() {
                self.far.reaches(ip)?;
                ping(&mut self.node.command("ping"), &ip.to_string()).context("host")?;
            }
            for host in &self.node.spec.host_addresses {
                container.reaches(host.ip())?;
            }
            container.check()?;
        }
        for gateway in &self.node.spec.host_gateways {
            ping(&mut self.node.command("ping"), &gateway.to_string()).context("host")?;
        }
        Ok(())
    }

    fn broken(&self) -> Result<()> {
        let reached = self.far.reaches(self.own[0].v4.into());
        ensure!(reached.is_err(), "what was broken still works");
        Ok(())
    }

    fn ofctl(&self, args: &[&str]) -> Result<String> {
        output(self.node.ofctl().args(args))
    }

    /// The flows, without counters.
    fn flows(&self) -> Result<BTreeSet<String>> {
        let text = self.ofctl(&["--no-stats", "dump-flows", BRIDGE])?;
        let flows = text
            .lines()
            .map(str::trim)
            .filter(|l| l.starts_with("cookie="));
        Ok(flows.map(str::to_owned).collect())
    }

    /// That the flows are these again.
    fn has_flows(&self, before: &BTreeSet<String>) -> Result<()> {
        let after = self.flows()?;
        let more: Vec<_> = after.difference(before).collect();
        let fewer: Vec<_> = before.difference(&after).collect();
        ensure!(
            more.is_empty() && fewer.is_empty(),
            "flows that were not there: {more:?}; flows that are missing: {fewer:?}"
        );
        Ok(())
    }

    fn vsctl(&self, args: &[&str]) -> Result<String> {
        output(self.node.vsctl().args(args))
    }

    fn ip(&self, args: &[&str]) -> Result<String> {
        output(self.node.command("ip").args(args))
    }

    /// Has netd repair, says what it did, and wants it to find nothing more to do.
    fn repair(&self, broken: &str) -> Result<()> {
        let begun = std::time::Instant::now();
        let report = reconcile(&self.node)?;
        let applied = report["applied"].as_array().map_or(0, Vec::len);
        let took = begun.elapsed().as_millis();
        // netd may have seen it by itself and been faster than we who asked.
        let done = ops_since_start(&self.node)?;
        ensure!(
            done != *self.done.borrow(),
            "{broken}: netd found nothing to do: {report}"
        );
        self.done.replace(done);
        say(&format!("{broken}: {applied} ops in {took} ms"));
        // The pings that found it broken may have left a verdict in the datapath's cache.
        self.lab.settle_switches(&[&self.node.name])?;
        self.works().with_context(|| broken.to_owned())?;
        let report = reconcile(&self.node)?;
        ensure!(
            report["applied"] == serde_json::json!([]),
            "{broken}: netd is not done: {report}"
        );
        Ok(())
    }
}

/// Undoes something when it is dropped.
struct Undo<'p>(&'p dyn Fn() -> Result<String>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        // What is gone already is no matter.
        let _ = (self.0)();
    }
}

pub(super) fn flows(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab)?;
    let before = place.flows()?;
    place.ofctl(&["del-flows", BRIDGE])?;
    let foreign = format!("{FOREIGN_COOKIE},{NOBODYS_MATCH},actions=drop");
    place.ofctl(&["add-flow", BRIDGE, &foreign])?;
    place.broken()?;
    place.repair("all flows deleted")?;
    place.has_flows(&before)?;

    let changed = before.iter().find(|f| f.contains("table=5"));
    let changed = changed.context("table 5 has flows")?;
    let (matches, _) = changed
        .split_once(" actions=")
        .context("a flow has actions")?;
    let changed = format!("{},actions=drop", matches.replace(", ", ","));
    place.ofctl(&["add-flow", BRIDGE, &changed])?;
    // It bears our mark, and is none of ours.
    let pretended = format!("cookie=0x464e000000000000,{NOBODYS_MATCH},in_port=9,actions=drop");
    place.ofctl(&["add-flow", BRIDGE, &pretended])?;
    place.repair("a flow changed, and one with our mark added")?;
    place.has_flows(&before)
}

pub(super) fn port(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab)?;
    let uplink = place.node.spec.uplink.as_str();
    let host_end = place.own[0].host_end()?.to_owned();
    place.vsctl(&[
        "--may-exist",
        "add-port",
        BRIDGE,
        FOREIGN_PORT,
        "--",
        "set",
        "interface",
        FOREIGN_PORT,
        "type=internal",
    ])?;
    let delete = || place.vsctl(&["--if-exists", "del-port", FOREIGN_PORT]);
    let _undo = Undo(&delete);
    place.vsctl(&["del-port", BRIDGE, &host_end])?;
    place.broken()?;
    place.repair("a container's port deleted")?;
    place.vsctl(&["set", "port", &host_end, "tag=200"])?;
    place.repair("a container's port in another VLAN")?;
    place.vsctl(&["del-port", BRIDGE, uplink])?;
    place.repair("the uplink's port deleted")?;
    place.vsctl(&["set", "port", uplink, "trunks=10"])?;
    place.repair("the uplink's trunks cut")?;
    place.vsctl(&["del-port", BRIDGE, HOST_PORT])?;
    place.repair("the host's port deleted")?;
    let ports = place.vsctl(&["list-ports", BRIDGE])?;
    ensure!(
        ports.lines().any(|p| p == FOREIGN_PORT),
        "the foreign port was deleted: {ports}"
    );
    Ok(())
}

pub(super) fn addresses_and_routes(lab: &LabGuard) -> Result<()> {
    const FOREIGN_ADDRESS: &str = "192.0.2.7/32";
    const FOREIGN_ROUTE: &str = "198.51.100.0/24";
    let place = Place::attach(lab)?;
    place.ip(&["address", "replace", FOREIGN_ADDRESS, "dev", HOST_PORT])?;
    place.ip(&[
        "route",
        "replace",
        FOREIGN_ROUTE,
        "dev",
        HOST_PORT,
        "proto",
        "static",
    ])?;
    let delete = || {
        let _ = place.ip(&["route", "del", FOREIGN_ROUTE, "dev", HOST_PORT]);
        place.ip(&["address", "del", FOREIGN_ADDRESS, "dev", HOST_PORT])
    };
    let _undo = Undo(&delete);
    for address in &place.node.spec.host_addresses {
        let family = if address.is_ipv4() { "-4" } else { "-6" };
        place.ip(&[
            family,
            "address",
            "del",
            &address.to_string(),
            "dev",
            HOST_PORT,
        ])?;
        place.repair(&format!("{address} deleted"))?;
    }
    for network in &place.node.spec.networks {
        for range in &network.ranges {
            let family = if range.prefix.is_ipv4() { "-4" } else { "-6" };
            place.ip(&[
                family,
                "route",
                "del",
                &range.prefix.to_string(),
                "proto",
                "94",
            ])?;
        }
    }
    place.repair("the routes to the node's ranges deleted")?;
    for family in ["-4", "-6"] {
        place.ip(&[family, "route", "del", "default", "proto", "94"])?;
    }
    place.repair("the default routes deleted")?;
    place.ip(&["link", "set", "dev", HOST_PORT, "down"])?;
    place.repair("the host's port set down")?;
    let addresses = place.ip(&["-o", "address", "show", "dev", HOST_PORT])?;
    ensure!(
        addresses.contains(FOREIGN_ADDRESS),
        "the foreign address is gone: {addresses}"
    );
    // The last of these broke the foreign route itself, as a link that goes down does.
    place.ip(&[
        "route",
        "replace",
        FOREIGN_ROUTE,
        "dev",
        HOST_PORT,
        "proto",
        "static",
    ])?;
    reconcile(&place.node)?;
    let routes = place.ip(&["route", "show", "proto", "static"])?;
    ensure!(
        routes.contains(FOREIGN_ROUTE),
        "the foreign route is gone: {routes}"
    );
    Ok(())
}

pub(super) fn bridge(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab)?;
    let bridge = || place.vsctl(&["get", "bridge", BRIDGE, "_uuid"]);
    let before = bridge()?;
    place.vsctl(&["del-br", BRIDGE])?;
    // netd may be at it already: it hears that its connection to the bridge ended.
    let (_, took) = eventually(READY, || {
        reconcile(&place.node)?;
        place.works()
    })?;
    ensure!(bridge()? != before, "the bridge was never deleted");
    say(&format!(
        "the bridge deleted: all works after {:.2} s",
        took.as_secs_f64()
    ));
    Ok(())
}

pub(super) fn by_itself(lab: &LabGuard) -> Result<()> {
    let place = Place::attach(lab)?;
    let often = ["--no-events", "--resync", "2"];
    let _often = NetdArgs::set(lab, &[&place.node.name], &often, READY)?;
    // A look every two seconds; the pings of one attempt take as long again.
    let limit = READY;
    let address = place
        .node
        .spec
        .host_addresses
        .first()
        .context("idc1 has an address")?;
    let address = address.to_string();
    let deeds: [(&str, &dyn Fn() -> Result<String>); 3] = [
        ("all flows deleted", &|| place.ofctl(&["del-flows", BRIDGE])),
        ("an address deleted", &|| {
            place.ip(&["address", "del", &address, "dev", HOST_PORT])
        }),
        ("the bridge deleted", &|| place.vsctl(&["del-br", BRIDGE])),
    ];
    for (what, deed) in deeds {
        deed()?;
        let (_, took) = eventually(limit, || place.works())?;
        say(&format!(
            "{what}, with a resync of 2 s: all works after {:.2} s",
            took.as_secs_f64()
        ));
    }
    Ok(())
}

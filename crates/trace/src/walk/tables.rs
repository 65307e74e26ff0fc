//! Hops that are route tables: the edge router's, the VBR's, the VPC's.

use std::net::IpAddr;

use flatnet_plan::model::{LeasedLine, Site};
use flatnet_plan::node::covers;
use flatnet_plan::routes::Entry as PlanEntry;

use super::Walker;
use crate::hop::{At, Check, Hop, Repair};
use crate::observed::Fact;
use crate::place::{Place, Segment};
use crate::tables::{self, Fault, Judgement, Kind, NextHop, Origin, Table, Tables, kind_in_plan};

/// The name of an edge router that the plan does not name.
const EDGE: &str = "edge";
/// The name of a VPC's table where the plan declares none.
const SYSTEM: &str = "system";

impl<'a> Walker<'a> {
    /// The edge router to the VPC: the lines that it takes.
    pub(super) fn edge_to_vpc(&mut self, src: &Place<'_>, dst: &Place<'_>) -> Vec<&'a LeasedLine> {
        let name = edge_name(src.site).to_owned();
        let hops = self.led(Check::EdgeRouter, Kind::EdgeRouter, &src.site.name, &name);
        let to = |line: &LeasedLine| {
            let mut ends = line.transfer.iter();
            ends.any(|t| hops.iter().any(|h| h.id == t.vpc.to_string()))
        };
        self.lines(&src.site.name, &dst.site.name, to)
    }

    /// The VPC's table to the IDC: the lines that it takes.
    pub(super) fn vpc_to_idc(&mut self, src: &Place<'_>, dst: &Place<'_>) -> Vec<&'a LeasedLine> {
        let name = vpc_table(src.site, src.v_switch()).to_owned();
        let hops = self.led(Check::VpcTable, Kind::VpcRouteTable, &src.site.name, &name);
        let to = |line: &LeasedLine| {
            let own = line.router_interface.as_deref();
            own.is_some_and(|id| hops.iter().any(|h| h.id == id))
        };
        self.lines(&dst.site.name, &src.site.name, to)
    }

    /// The lines between two sites that `takes`; if the tables are not known, all of them.
    fn lines(
        &self,
        idc: &str,
        vpc: &str,
        takes: impl Fn(&LeasedLine) -> bool,
    ) -> Vec<&'a LeasedLine> {
        let all = self.plan.spec.links.iter();
        let between: Vec<&LeasedLine> = all.filter(|l| l.idc == idc && l.vpc == vpc).collect();
        let taken: Vec<&LeasedLine> = between.iter().copied().filter(|l| takes(l)).collect();
        if taken.is_empty() { between } else { taken }
    }

    pub(super) fn vbr(&mut self, line: &LeasedLine) {
        self.led(Check::Vbr, Kind::Vbr, &line.vpc, &line.name);
    }

    /// From a line into the VPC, by its system table.
    pub(super) fn enter_vpc(&mut self, dst: &Place<'_>) {
        let name = vpc_table(dst.site, None).to_owned();
        self.lead_to(dst, &name);
    }

    /// From one vSwitch to another, or to a container.
    pub(super) fn within_vpc(&mut self, src: &Place<'_>, dst: &Place<'_>) {
        let name = vpc_table(src.site, src.v_switch()).to_owned();
        self.lead_to(dst, &name);
    }

    fn lead_to(&mut self, dst: &Place<'_>, name: &str) {
        let (check, kind, site) = (Check::VpcTable, Kind::VpcRouteTable, &dst.site.name);
        match dst.segment {
            Segment::VSwitch(_) => self.connected(check, kind, site, name),
            Segment::Vlan(_) | Segment::Range => {
                self.led(check, kind, site, name);
            }
        }
    }

    /// The edge router is in the VLAN itself.
    pub(super) fn edge_is_connected(&mut self, dst: &Place<'_>) {
        let name = edge_name(dst.site).to_owned();
        self.connected(Check::EdgeRouter, Kind::EdgeRouter, &dst.site.name, &name);
    }

    /// Whether the edge router's end of the line is there, where its connected networks are
    /// listed.
    pub(super) fn line_at_edge(&mut self, src: &Place<'_>, line: &LeasedLine) {
        let v6 = self.packet.dst.is_ipv6();
        let Some(transfer) = line.transfer.iter().find(|t| t.vpc.is_ipv6() == v6) else {
            return;
        };
        let name = edge_name(src.site);
        let at = format!("line {} at {name}", line.name);
        let at = At {
            at: &at,
            check: Check::Line,
        };
        let hop = match self.table(Kind::EdgeRouter, &src.site.name, name) {
            Ok(table) => line_end(&at, name, table, transfer.idc, transfer.vpc),
            // Its entry says why nothing is known.
            Err(_) => at.assumed(format!("{} → {}, by the plan", transfer.idc, transfer.vpc)),
        };
        // A line that is down takes its routes with it: it is the cause, so it comes first.
        let entry = self.hops.iter().rposition(|h| h.check == Check::EdgeRouter);
        match entry {
            Some(entry) => self.hops.insert(entry, hop),
            None => self.hops.push(hop),
        }
    }

    /// A table that must have an entry for the destination: where it leads.
    fn led(&mut self, check: Check, kind: Kind, site: &str, name: &str) -> Vec<NextHop> {
        let dst = self.packet.dst;
        let title = self.title(kind, site, name);
        let at = At { at: &title, check };
        let planned = self.planned(kind, site, name, dst);
        let (hop, hops) = match self.table(kind, site, name) {
            Err(hop) => (hop(&at), Vec::new()),
            Ok(table) => {
                let judged = tables::judge(table, dst);
                let hop = judge(&at, &judged, planned, table, self.observed);
                let wanted = judged.wanted.map(|w| w.next_hops);
                let taken = judged.takes.map(|t| t.next_hops);
                (hop, wanted.or(taken).unwrap_or_default())
            }
        };
        self.hops.push(hop);
        hops
    }

    /// A table that knows the destination by itself: nothing else may lead it away.
    fn connected(&mut self, check: Check, kind: Kind, site: &str, name: &str) {
        let title = self.title(kind, site, name);
        let at = At { at: &title, check };
        let hop = match self.table(kind, site, name) {
            Err(hop) => hop(&at),
            Ok(table) => match table.lookup(self.packet.dst) {
                Some(entry) if entry.kind == Origin::System => {
                    at.ok(format!("{} is connected", entry.destination))
                }
                Some(entry) if entry.destination.prefix() > 0 && entry.owner.is_none() => {
                    let judged = Judgement {
                        takes: Some(entry.clone()),
                        wanted: None,
                        fault: Some(Fault::Shadows),
                    };
                    let why = format!(
                        "somebody's entry {} leads away what is connected here",
                        entry.destination
                    );
                    at.wrong(judged.found(), why, Some(by_hand(table, &judged)))
                }
                _ => at.assumed("connected, by the plan"),
            },
        };
        self.hops.push(hop);
    }

    fn title(&self, kind: Kind, site: &str, name: &str) -> String {
        let of_plan = kind_in_plan(kind);
        let mut all = self.tables.iter();
        let known = all.find(|t| t.kind == of_plan && t.site == site && t.name == name);
        match (known, kind) {
            (Some(table), _) => table.title(),
            (None, Kind::EdgeRouter) => format!("edge router {name} in {site}"),
            (None, _) => format!("route table {name} in {site}"),
        }
    }

    /// The plan's own entry for an address.
    fn planned(&self, kind: Kind, site: &str, name: &str, address: IpAddr) -> Option<&PlanEntry> {
        let of_plan = kind_in_plan(kind);
        let mut all = self.tables.iter();
        let table = all.find(|t| t.kind == of_plan && t.site == site && t.name == name)?;
        let covering = |e: &&PlanEntry| covers(e.prefix, address.into());
        let entries = table.entries.iter().filter(covering);
        entries.max_by_key(|e| e.prefix.prefix())
    }

    /// The table as it was observed; or a hop that says why it is unknown.
    fn table(
        &self,
        kind: Kind,
        site: &str,
        name: &str,
    ) -> Result<&'a Table, impl FnOnce(&At<'_>) -> Hop + use<>> {
        let (why, ask) = match &self.observed.tables {
            Fact::Unknown { because, ask } => (because.clone(), Some(ask.clone())),
            Fact::Known(tables) => match tables.get(kind, site, name) {
                Some(table) => match &table.error {
                    None => return Ok(table),
                    Some(error) => (error.clone(), None),
                },
                None => (self.absent(tables, kind, site, name), None),
            },
        };
        Err(move |at: &At<'_>| at.unknown("not known", why, ask))
    }

    /// Why vpc-route tells nothing of a table.
    fn absent(&self, tables: &Tables, kind: Kind, site: &str, name: &str) -> String {
        let title = self.title(kind, site, name);
        let mut all = tables.tables.iter();
        match all.find(|t| t.title == title).and_then(|t| t.error.clone()) {
            Some(error) => error,
            None => "vpc-route does not keep this table: its plan has nothing for it".to_owned(),
        }
    }
}

/// The name of an IDC's edge router.
pub(crate) fn edge_name(site: &Site) -> &str {
    site.edge_router.as_ref().map_or(EDGE, |r| r.name.as_str())
}

/// The table that a VPC's packets take: that of their vSwitch, or the system's.
pub(crate) fn vpc_table<'s>(site: &'s Site, v_switch: Option<&str>) -> &'s str {
    let tables = &site.route_tables;
    let bound = v_switch.and_then(|v| {
        let mut all = tables.iter();
        all.find(|t| t.v_switches.iter().any(|n| n == v))
    });
    let system = || tables.iter().find(|t| t.v_switches.is_empty());
    let table = bound.or_else(system).or(tables.first());
    table.map_or(SYSTEM, |t| t.name.as_str())
}

fn judge(
    at: &At<'_>,
    judged: &Judgement,
    planned: Option<&PlanEntry>,
    table: &Table,
    observed: &crate::observed::Observed,
) -> Hop {
    let Some(planned) = planned else {
        let why = "the plan leads nothing there by this table: no leased line accepts the prefix, \
                   or no host has it";
        return at.wrong(
            judged.found(),
            why,
            Some(Repair::here("flatctl plan routes PLAN --proof")),
        );
    };
    match (&judged.fault, &judged.wanted) {
        (_, None) => at.wrong(
            judged.found(),
            format!(
                "vpc-route works from another plan: this one wants {} via {}",
                planned.prefix, planned.next_hop
            ),
            Some(
                Repair::here("flatctl routes diff").noting("look at `plan:` of its configuration"),
            ),
        ),
        (None, Some(_)) => at.ok(judged.found()),
        (Some(fault), Some(_)) => {
            let why = judged.why().unwrap_or_default();
            let repair = match (fault.is_ours_to_repair(), &observed.tables) {
                (true, Fact::Known(tables)) => by_vpc_route(tables, table),
                _ => by_hand(table, judged),
            };
            at.wrong(judged.found(), why, Some(repair))
        }
    }
}

/// What makes vpc-route repair a table.
pub(crate) fn by_vpc_route(tables: &Tables, table: &Table) -> Repair {
    let mut refused = table.events.iter().filter(|e| e.starts_with("refused"));
    let repair = match &tables.leader {
        Some(leader) => Repair::here("systemctl restart vpc-route").noting(format!(
            "{leader} leads, and repairs this in its next round by itself; a restart looks at once"
        )),
        None => Repair::here(format!("vpc-route apply --config {}", tables.config))
            .noting("no vpc-route leads: nobody keeps the tables"),
    };
    match refused.next() {
        Some(refusal) => repair.noting(refusal.clone()),
        None => repair,
    }
}

/// What takes somebody else's entry away.
pub(crate) fn by_hand(table: &Table, judged: &Judgement) -> Repair {
    let Some(entry) = &judged.takes else {
        return Repair::here("flatctl routes diff");
    };
    let note = format!(
        "it is not ours, so vpc-route leaves it alone; who made it{} must know",
        match entry.name.as_str() {
            "" => String::new(),
            name => format!(" (`{name}`)"),
        }
    );
    match (table.kind, &entry.id) {
        (Some(Kind::EdgeRouter), _) | (_, None) => {
            Repair::on(&table.name, format!("ip route del {}", entry.destination))
        }
        (_, Some(id)) => Repair::here(format!(
            "aliyun vpc DeleteRouteEntry --RouteTableId {} --RouteEntryId {id}",
            table.table
        )),
    }
    .noting(note)
}

/// Whether the edge router has its end of a line.
pub(crate) fn line_end(at: &At<'_>, router: &str, table: &Table, own: IpAddr, far: IpAddr) -> Hop {
    let connected = |e: &&crate::tables::Entry| {
        e.kind == Origin::System && e.destination.is_ipv6() == far.is_ipv6()
    };
    let mut known = table.entries.iter().filter(connected).peekable();
    if known.peek().is_none() {
        return at.assumed(format!("{own} → {far}, by the plan"));
    }
    if known.any(|e| e.destination.prefix() > 0 && e.destination.contains(far)) {
        return at.ok(format!("{own} → {far}: the transfer network is connected"));
    }
    let v6 = if far.is_ipv6() { "-6" } else { "-4" };
    at.wrong(
        format!("no connected network has {far}"),
        format!("the line's interface at {router} is down, or has lost its address {own}"),
        Some(
            Repair::on(
                router,
                format!(
                    "ip link set \"$(ip -o {v6} address show to {own} | awk '{{print $2}}')\" up"
                ),
            )
            .noting("once it is up, vpc-route gives the routes back that went with it"),
        ),
    )
}

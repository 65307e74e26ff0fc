//! The parts of a plan as tables.

use flatnet_plan::model::{
    Host, HostGroup, LeasedLine, MacMode, Network, RouteTable, SiteType, Subnet, VSwitch, Vlan,
};

use super::{In, SiteView, Summary, SwitchView};
use crate::output::{Cell, Column, Style, Table, counted};

/// A value that may be absent.
fn some<T: ToString>(value: Option<T>) -> Cell {
    value.map_or_else(Cell::default, Cell::from)
}

fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
    all.join(" ")
}

fn name(text: &(impl ToString + ?Sized)) -> Cell {
    Cell::styled(text.to_string(), Style::Bold)
}

/// Zero is not worth reading.
fn count(n: usize) -> Cell {
    if n == 0 {
        Cell::styled("-", Style::Dim)
    } else {
        n.into()
    }
}

fn subnets(subnets: &[Subnet]) -> (String, String) {
    (
        list(subnets.iter().map(|s| s.prefix)),
        list(subnets.iter().map(|s| s.gateway)),
    )
}

pub(super) fn summary(plan: &str, s: &Summary) -> Table {
    let mut table =
        Table::new([Column::text("WHAT"), Column::number("COUNT")]).title(format!("Plan {plan}"));
    let rows = [
        ("data centres", s.idcs),
        ("VPCs", s.vpcs),
        ("switches", s.switches),
        ("VLANs", s.vlans),
        ("networks", s.networks),
        ("pools", s.pools),
        ("leased lines", s.links),
        ("host groups", s.groups),
        ("hosts", s.hosts),
        ("host ranges", s.ranges),
    ];
    for (what, n) in rows {
        table.row([what.into(), count(n)]);
    }
    table.row(["IPv4 addresses in ranges".into(), s.ipv4_addresses.into()]);
    if let Some(n) = s.containers {
        table.row(["containers planned".into(), n.into()]);
    }
    table
}

pub(super) fn sites(sites: &[SiteView<'_>]) -> Table {
    let mut table = Table::new([
        Column::text("SITE"),
        Column::text("TYPE"),
        Column::number("HOSTS"),
        Column::number("NETWORKS"),
        Column::number("SWITCHES"),
        Column::number("VLANS"),
        Column::number("VSWITCHES"),
        Column::text("REGION"),
        Column::text("VPC").wide(),
    ])
    .title("Sites");
    for s in sites {
        table.row([
            name(s.name),
            match s.site_type {
                SiteType::Idc => "IDC".into(),
                SiteType::Vpc => "VPC".into(),
            },
            count(s.hosts),
            count(s.networks),
            count(s.switches),
            count(s.vlans),
            count(s.v_switches),
            some(s.region),
            some(s.vpc_id),
        ]);
    }
    table
}

pub(super) fn switches(switches: &[In<'_, SwitchView<'_>>]) -> Table {
    let mut table = Table::new([
        Column::text("SWITCH"),
        Column::text("SITE"),
        Column::number("HOSTS"),
        Column::number("MAC TABLE"),
        Column::text("PEERS"),
        Column::text("HANGS ON"),
        Column::number("MTU"),
        Column::text("TRUNK").flexible(),
        Column::number("PORTS").wide(),
    ])
    .title("Switches")
    .or_empty("no switches");
    for In { site, it } in switches {
        let s = it.switch;
        table.row([
            name(&s.name),
            (*site).into(),
            count(it.hosts),
            some(s.mac_table_size),
            list(&s.peers).into(),
            list(&s.uplinks).into(),
            some(s.mtu),
            list(s.trunk.iter().flatten()).into(),
            s.ports.len().into(),
        ]);
    }
    table
}

pub(super) fn vlans(vlans: &[In<'_, &Vlan>]) -> Table {
    let mut table = Table::new([
        Column::number("VLAN"),
        Column::text("NAME"),
        Column::text("SITE"),
        Column::text("ROLE"),
        Column::text("SUBNETS").flexible(),
        Column::text("GATEWAYS").flexible(),
        Column::number("MTU"),
    ])
    .title("VLANs")
    .or_empty("no VLANs");
    for In { site, it } in vlans {
        let (prefixes, gateways) = subnets(&it.subnets);
        table.row([
            it.id.into(),
            name(&it.name),
            (*site).into(),
            it.role.as_str().into(),
            prefixes.into(),
            gateways.into(),
            some(it.mtu),
        ]);
    }
    table
}

pub(super) fn v_switches(v_switches: &[In<'_, &VSwitch>]) -> Table {
    let mut table = Table::new([
        Column::text("VSWITCH"),
        Column::text("SITE"),
        Column::text("ZONE"),
        Column::text("SUBNETS").flexible(),
        Column::text("GATEWAYS").flexible(),
        Column::text("ID"),
    ])
    .title("vSwitches")
    .or_empty("no vSwitches");
    for In { site, it } in v_switches {
        let (prefixes, gateways) = subnets(&it.subnets);
        table.row([
            name(&it.name),
            (*site).into(),
            some(it.zone.as_ref()),
            prefixes.into(),
            gateways.into(),
            some(it.id.as_ref()),
        ]);
    }
    table
}

pub(super) fn route_tables(tables: &[In<'_, &RouteTable>]) -> Table {
    let mut table = Table::new([
        Column::text("TABLE"),
        Column::text("SITE"),
        Column::text("ID"),
        Column::number("QUOTA"),
        Column::text("BOUND TO").flexible(),
    ])
    .title("Route tables")
    .or_empty("no route tables are declared: each VPC's system table is meant");
    for In { site, it } in tables {
        let bound = if it.v_switches.is_empty() {
            "all vSwitches".to_owned()
        } else {
            list(&it.v_switches)
        };
        table.row([
            name(&it.name),
            (*site).into(),
            some(it.id.as_ref()),
            it.quota.into(),
            bound.into(),
        ]);
    }
    table
}

pub(super) fn networks(networks: &[Network]) -> Table {
    let mut table = Table::new([
        Column::text("NETWORK"),
        Column::text("SITE"),
        Column::number("VLAN"),
        Column::text("MAC"),
        Column::number("MTU"),
        Column::number("DENSITY"),
        Column::text("POOLS").flexible(),
    ])
    .title("Networks")
    .or_empty("no networks");
    for n in networks {
        table.row([
            name(&n.name),
            n.site.as_str().into(),
            some(n.vlan),
            match n.mac {
                MacMode::Host => "host".into(),
                MacMode::Pod => "pod".into(),
            },
            some(n.mtu),
            some(n.density),
            list(n.pools.iter().map(|p| p.prefix)).into(),
        ]);
    }
    table
}

pub(super) fn pools(networks: &[Network]) -> Table {
    let mut table = Table::new([
        Column::text("POOL"),
        Column::text("NETWORK"),
        Column::text("SITE"),
        Column::text("EXCLUDED").flexible(),
        Column::text("RESERVED").flexible(),
    ])
    .title("Pools")
    .or_empty("no pools");
    for n in networks {
        for p in &n.pools {
            let reserved = p.reservations.iter();
            table.row([
                p.prefix.into(),
                n.name.to_string().into(),
                n.site.as_str().into(),
                list(&p.exclude).into(),
                list(reserved.map(|r| format!("{} ({})", r.prefix, r.purpose))).into(),
            ]);
        }
    }
    table
}

pub(super) fn groups(groups: &[HostGroup]) -> Table {
    let mut table = Table::new([
        Column::text("GROUP"),
        Column::text("SITE"),
        Column::text("HOSTS"),
        Column::number("FIRST"),
        Column::number("COUNT"),
        Column::number("PER RACK"),
        Column::text("ADDRESSES FROM").flexible(),
        Column::text("RANGES FROM").flexible(),
    ])
    .title("Host groups")
    .or_empty("no host groups");
    for g in groups {
        let ranges = g.ranges.iter();
        table.row([
            name(&g.name),
            g.site.as_str().into(),
            g.host_name.as_str().into(),
            g.first.into(),
            g.count.into(),
            some(g.hosts_per_rack),
            list(&g.addresses).into(),
            list(ranges.map(|r| format!("{}:{}/{}", r.network, r.from, r.length))).into(),
        ]);
    }
    table
}

pub(super) fn hosts(hosts: &[Host]) -> Table {
    let mut table = Table::new([
        Column::text("HOST"),
        Column::text("SITE"),
        Column::text("RACK"),
        Column::text("ADDRESSES").flexible(),
        Column::text("UPLINK"),
        Column::text("SWITCHES").flexible(),
        Column::text("RANGES").flexible(),
        Column::text("INSTANCE").wide(),
        Column::text("VSWITCH").wide(),
        Column::text("LABELS").wide(),
    ])
    .title("Hosts")
    .or_empty("no hosts");
    for h in hosts {
        let cables = h.uplink.cables();
        let plugs = cables.iter().filter_map(|c| {
            let switch = c.switch.as_ref()?;
            Some(match &c.port {
                Some(port) => format!("{switch}:{port}"),
                None => switch.clone(),
            })
        });
        let rack = h.location.as_ref().and_then(|l| l.rack.as_ref());
        table.row([
            name(&h.name),
            h.site.as_str().into(),
            some(rack),
            list(&h.addresses).into(),
            h.uplink.interface.to_string().into(),
            list(plugs).into(),
            list(h.ranges.iter().map(|r| r.prefix)).into(),
            some(h.instance_id.as_ref()),
            some(h.v_switch.as_ref()),
            list(h.labels.iter().map(|(k, v)| format!("{k}={v}"))).into(),
        ]);
    }
    if !hosts.is_empty() {
        table.note(counted(hosts.len(), "host"));
    }
    table
}

pub(super) fn links(links: &[LeasedLine]) -> Table {
    let mut table = Table::new([
        Column::text("LINE"),
        Column::text("IDC"),
        Column::text("VPC"),
        Column::text("TRANSFER"),
        Column::number("MTU"),
        Column::text("VBR"),
        Column::number("QUOTA"),
        Column::text("FROM IDC").flexible(),
        Column::text("FROM VPC").flexible(),
    ])
    .title("Leased lines")
    .or_empty("no leased lines");
    for l in links {
        let accepted = |part: Option<String>| part.unwrap_or_else(|| "everything".to_owned());
        table.row([
            name(&l.name),
            l.idc.as_str().into(),
            l.vpc.as_str().into(),
            list(l.transfer.iter().map(|t| t.prefix)).into(),
            some(l.mtu),
            some(l.vbr.as_ref().map(|v| &v.id)),
            some(l.vbr.as_ref().map(|v| v.quota)),
            accepted(l.accept.as_ref().map(|a| list(&a.from_idc))).into(),
            accepted(l.accept.as_ref().map(|a| list(&a.from_vpc))).into(),
        ]);
    }
    table
}

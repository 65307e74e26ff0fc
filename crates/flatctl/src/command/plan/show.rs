//! `flatctl plan show`.

mod tables;

use flatnet_plan::model::{
    Host, HostGroup, LeasedLine, Network, RouteTable, Site, SiteType, Switch, VSwitch, Vlan,
};
use serde::Serialize;

use crate::CliError;
use crate::args::What;
use crate::error::exit;
use crate::output::{Output, Table};
use crate::source::{Plans, Source};

/// The parts that were asked for.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'p> {
    name: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<SiteView<'p>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    switches: Option<Vec<In<'p, SwitchView<'p>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlans: Option<Vec<In<'p, &'p Vlan>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v_switches: Option<Vec<In<'p, &'p VSwitch>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route_tables: Option<Vec<In<'p, &'p RouteTable>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<&'p [Network]>,
    /// The networks again, shown by pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<&'p [Network]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'p [HostGroup]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<&'p [Host]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<&'p [LeasedLine]>,
}

/// How many there are of everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    idcs: usize,
    vpcs: usize,
    switches: usize,
    vlans: usize,
    networks: usize,
    pools: usize,
    groups: usize,
    hosts: usize,
    ranges: usize,
    /// Addresses in hosts' IPv4 ranges.
    ipv4_addresses: u128,
    /// Containers at the planned density; none: the plan has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<u64>,
    links: usize,
}

/// Something with the site that it is in.
#[derive(Debug, Serialize)]
struct In<'p, T> {
    site: &'p str,
    #[serde(flatten)]
    it: T,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SiteView<'p> {
    name: &'p str,
    #[serde(rename = "type")]
    site_type: SiteType,
    switches: usize,
    vlans: usize,
    v_switches: usize,
    networks: usize,
    hosts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'p str>,
}

#[derive(Debug, Serialize)]
struct SwitchView<'p> {
    #[serde(flatten)]
    switch: &'p Switch,
    /// Hosts that are plugged into it.
    hosts: usize,
}

pub(super) fn run(source: &Source, what: &[What], output: &mut Output<'_>) -> Result<u8, CliError> {
    let plans = source.plans(output)?;
    let view = view(
        &plans,
        if what.is_empty() {
            &[What::Summary]
        } else {
            what
        },
    );
    output.show(&view, all_tables)?;
    Ok(exit::OK)
}

fn view<'p>(plans: &'p Plans, what: &[What]) -> View<'p> {
    let spec = &plans.whole.spec;
    let wants = |w: What| what.contains(&w) || what.contains(&What::All);
    View {
        name: &plans.whole.metadata.name,
        summary: wants(What::Summary).then(|| summary(plans)),
        sites: wants(What::Sites).then(|| spec.sites.iter().map(|s| site(plans, s)).collect()),
        switches: wants(What::Switches).then(|| {
            let each = |s: &'p Site| s.switches.iter().map(move |w| (s, w));
            let all = spec.sites.iter().flat_map(each);
            all.map(|(s, w)| switch(plans, s, w)).collect()
        }),
        vlans: wants(What::Vlans).then(|| of_sites(plans, |s| &s.vlans)),
        v_switches: wants(What::Vswitches).then(|| of_sites(plans, |s| &s.v_switches)),
        route_tables: wants(What::Tables).then(|| of_sites(plans, |s| &s.route_tables)),
        networks: wants(What::Networks).then_some(spec.networks.as_slice()),
        pools: wants(What::Pools).then_some(spec.networks.as_slice()),
        groups: wants(What::Groups).then_some(plans.written.spec.host_groups.as_slice()),
        hosts: wants(What::Hosts).then_some(spec.hosts.as_slice()),
        links: wants(What::Links).then_some(spec.links.as_slice()),
    }
}

fn of_sites<'p, T>(plans: &'p Plans, part: impl Fn(&'p Site) -> &'p Vec<T>) -> Vec<In<'p, &'p T>> {
    let mut all = Vec::new();
    for site in &plans.whole.spec.sites {
        for it in part(site) {
            all.push(In {
                site: site.name.as_str(),
                it,
            });
        }
    }
    all
}

fn summary(plans: &Plans) -> Summary {
    let spec = &plans.whole.spec;
    let of_type = |t| spec.sites.iter().filter(|s| s.site_type == t).count();
    let ranges = || spec.hosts.iter().flat_map(|h| &h.ranges);
    Summary {
        idcs: of_type(SiteType::Idc),
        vpcs: of_type(SiteType::Vpc),
        switches: spec.sites.iter().map(|s| s.switches.len()).sum(),
        vlans: spec.sites.iter().map(|s| s.vlans.len()).sum(),
        networks: spec.networks.len(),
        pools: spec.networks.iter().map(|n| n.pools.len()).sum(),
        groups: plans.written.spec.host_groups.len(),
        hosts: spec.hosts.len(),
        ranges: ranges().count(),
        ipv4_addresses: ranges()
            .filter(|r| r.prefix.is_ipv4())
            .map(|r| flatnet_plan::prefix::size(r.prefix))
            .sum(),
        containers: containers(plans),
        links: spec.links.len(),
    }
}

/// Containers at the planned density, each host's in each of its networks.
fn containers(plans: &Plans) -> Option<u64> {
    let mut sum = None;
    for host in &plans.whole.spec.hosts {
        let mut names: Vec<_> = host.ranges.iter().map(|r| &r.network).collect();
        names.sort();
        names.dedup();
        for network in names.iter().filter_map(|n| plans.whole.network(n)) {
            if let Some(density) = plans.whole.density(host, network) {
                sum = Some(sum.unwrap_or(0) + u64::from(density));
            }
        }
    }
    sum
}

fn site<'p>(plans: &'p Plans, s: &'p Site) -> SiteView<'p> {
    let spec = &plans.whole.spec;
    SiteView {
        name: &s.name,
        site_type: s.site_type,
        switches: s.switches.len(),
        vlans: s.vlans.len(),
        v_switches: s.v_switches.len(),
        networks: spec.networks.iter().filter(|n| n.site == s.name).count(),
        hosts: spec.hosts.iter().filter(|h| h.site == s.name).count(),
        vpc_id: s.vpc_id.as_deref(),
        region: s.region.as_deref(),
    }
}

fn switch<'p>(plans: &'p Plans, site: &'p Site, switch: &'p Switch) -> In<'p, SwitchView<'p>> {
    let plugged = |h: &&Host| {
        h.site == site.name
            && h.uplink
                .cables()
                .iter()
                .any(|c| c.switch.as_deref() == Some(switch.name.as_str()))
    };
    In {
        site: &site.name,
        it: SwitchView {
            switch,
            hosts: plans.whole.spec.hosts.iter().filter(plugged).count(),
        },
    }
}

fn all_tables(view: &View<'_>) -> Vec<Table> {
    let mut all = Vec::new();
    all.extend(view.summary.as_ref().map(|s| tables::summary(view.name, s)));
    all.extend(view.sites.as_deref().map(tables::sites));
    all.extend(view.switches.as_deref().map(tables::switches));
    all.extend(view.vlans.as_deref().map(tables::vlans));
    all.extend(view.v_switches.as_deref().map(tables::v_switches));
    all.extend(view.route_tables.as_deref().map(tables::route_tables));
    all.extend(view.networks.map(tables::networks));
    all.extend(view.pools.map(tables::pools));
    all.extend(view.groups.map(tables::groups));
    all.extend(view.hosts.map(tables::hosts));
    all.extend(view.links.map(tables::links));
    all
}

//! The simulator's world, from the plan.

use std::net::IpAddr;

use flatnet_aliyun_sim::config::{self, AccessKey, TableType, Timings, WorldFile};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{LeasedLine, Site, SiteType};
use ipnetwork::IpNetwork;

use serde_json::{Value, json};

use super::http::ask_here;
use super::ids::line_interface;
use crate::error::{Error, Result};
use crate::paths::{Layout, VPC_ROUTER, namespace, netns_path};
use crate::{files, netns};

/// The key of whoever owns the lab's cloud.
pub(super) const KEY: (&str, &str) = ("flatnet-lab", "flatnet-lab-secret");
/// The key of somebody else who works in the same cloud.
pub(super) const HAND: (&str, &str) = ("flatnet-hand", "flatnet-hand-secret");

/// The world of a plan that went through [`super::identified`]: all tables are empty.
///
/// # Errors
/// [`Error::Unsupported`] for a VPC whose vSwitches have no IPv4 subnet.
pub fn world(plan: &NetworkPlan) -> Result<WorldFile> {
    let sites = plan.spec.sites.iter();
    let vpcs = sites
        .filter(|s| s.site_type == SiteType::Vpc)
        .map(|site| vpc(plan, site))
        .collect::<Result<Vec<_>>>()?;
    let lines = plan.spec.links.iter();
    let instance = vpcs.iter().flat_map(|v| &v.instances).next();
    let metadata = instance.map(|instance| config::Metadata {
        instance: instance.id.clone(),
        role: "FlatnetRoutes".to_owned(),
        allow: vec!["vpc:*".to_owned()],
        credential_seconds: 6 * 3600,
        renew_before_seconds: 1800,
        token_required: false,
    });
    Ok(WorldFile {
        region: region(plan),
        account: "1000000000000001".to_owned(),
        seed: 0,
        access_keys: vec![key(KEY), key(HAND)],
        timings: Timings {
            create_ms: 200,
            delete_ms: 200,
            modify_ms: 200,
            ..Timings::default()
        },
        throttling: config::Throttling::default(),
        shared_address_space: config::SharedAddressSpace::Forbidden,
        vbrs: lines.clone().filter_map(vbr).collect(),
        router_interfaces: lines.flat_map(|line| interfaces(plan, line)).collect(),
        vpcs,
        metadata,
    })
}

/// Writes the simulator's world, once: what was changed in it by hand stays.
///
/// # Errors
/// As [`world`]; [`Error::Io`], [`Error::Yaml`].
pub(crate) fn write_world(plan: &NetworkPlan, layout: &Layout) -> Result<()> {
    let path = layout.world();
    if path.exists() {
        return Ok(());
    }
    files::make_dir(layout.member(VPC_ROUTER).dir())?;
    write(&world(plan)?, layout)
}

/// Adds a plan's new instances to the world: to its file, and to the simulator that runs.
///
/// # Errors
/// As [`write_world`]; [`Error::Http`] and [`Error::Io`] for a simulator that does not take them.
pub(crate) fn grow_world(plan: &NetworkPlan, layout: &Layout) -> Result<()> {
    let path = layout.world();
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(());
    };
    let mut had = config::WorldFile::parse(&text).map_err(|e| Error::Yaml(e.to_string()))?;
    let mut steps = Vec::new();
    for vpc in world(plan)?.vpcs {
        let Some(known) = had.vpcs.iter_mut().find(|v| v.id == vpc.id) else {
            continue;
        };
        for instance in vpc.instances {
            if known.instances.iter().all(|i| i.id != instance.id) {
                steps.push(json!({"putInstance": {"vpc": vpc.id, "instance": instance}}));
                known.instances.push(instance);
            }
        }
    }
    if steps.is_empty() {
        return Ok(());
    }
    write(&had, layout)?;
    let router = netns_path(&namespace(VPC_ROUTER));
    let body = Value::from(steps).to_string();
    let (status, answer) = netns::enter(&router, || ask_here("POST", "/_sim/world", &body))??;
    if status == 200 {
        return Ok(());
    }
    Err(Error::Http {
        socket: path,
        reason: format!("the simulator says {status}: {answer}"),
    })
}

fn write(world: &WorldFile, layout: &Layout) -> Result<()> {
    let yaml = serde_norway::to_string(world).map_err(|e| Error::Yaml(e.to_string()))?;
    files::write_if_changed(&layout.world(), yaml.as_bytes())?;
    Ok(())
}

/// The region of the lab's cloud.
pub(super) fn region(plan: &NetworkPlan) -> String {
    let region = plan.spec.sites.iter().find_map(|s| s.region.clone());
    region.unwrap_or_else(|| "cn-hangzhou".to_owned())
}

fn key((id, secret): (&str, &str)) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: secret.to_owned(),
        token: None,
        expires_after_seconds: None,
        allow: vec!["*".to_owned()],
        inactive: false,
    }
}

fn vpc(plan: &NetworkPlan, site: &Site) -> Result<config::Vpc> {
    let subnets = |v4: bool| {
        let all = site.v_switches.iter().flat_map(|v| &v.subnets);
        all.map(|s| s.prefix).filter(move |p| p.is_ipv4() == v4)
    };
    let own = |v4: bool| site.prefixes.iter().copied().find(|p| p.is_ipv4() == v4);
    let no_ipv4 = || Error::Unsupported(format!("VPC {} has no IPv4 subnet", site.name));
    let cidr = own(true)
        .or_else(|| covering(subnets(true)))
        .ok_or_else(no_ipv4)?;
    let v_switches = site.v_switches.iter().filter_map(|v_switch| {
        let prefix = |v4: bool| {
            let mut all = v_switch.subnets.iter().map(|s| s.prefix);
            all.find(|p| p.is_ipv4() == v4)
        };
        let bound = |t: &&flatnet_plan::model::RouteTable| t.v_switches.contains(&v_switch.name);
        Some(config::VSwitch {
            id: v_switch.id.clone()?,
            name: v_switch.name.clone(),
            zone: v_switch.zone.clone().unwrap_or_default(),
            cidr: prefix(true)?,
            ipv6_cidr: prefix(false),
            route_table: site
                .route_tables
                .iter()
                .find(bound)
                .and_then(|t| t.id.clone()),
        })
    });
    // The table that is bound to no vSwitch in particular is the system's.
    let system = site
        .route_tables
        .iter()
        .position(|t| t.v_switches.is_empty())
        .unwrap_or(0);
    let tables = site.route_tables.iter().enumerate();
    let route_tables = tables.filter_map(|(n, table)| {
        Some(config::RouteTable {
            id: table.id.clone()?,
            name: table.name.clone(),
            table_type: if n == system {
                TableType::System
            } else {
                TableType::Custom
            },
            quota: usize::try_from(table.quota).ok(),
            entries: Vec::new(),
        })
    });
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == site.name);
    let instances = hosts.filter_map(|host| {
        let named = |v: &&flatnet_plan::model::VSwitch| Some(&v.name) == host.v_switch.as_ref();
        Some(config::Instance {
            id: host.instance_id.clone()?,
            v_switch: site.v_switches.iter().find(named)?.id.clone()?,
            addresses: host.addresses.iter().map(IpNetwork::ip).collect(),
            mac: None,
        })
    });
    Ok(config::Vpc {
        id: site.vpc_id.clone().unwrap_or_default(),
        name: site.name.clone(),
        router_id: None,
        cidr,
        secondary_cidrs: site
            .prefixes
            .iter()
            .copied()
            .filter(|p| p.is_ipv4() && *p != cidr)
            .collect(),
        ipv6_cidr: own(false).or_else(|| covering(subnets(false))),
        v_switches: v_switches.collect(),
        route_tables: route_tables.collect(),
        instances: instances.collect(),
        gateways: Vec::new(),
    })
}

fn vbr(line: &LeasedLine) -> Option<config::Vbr> {
    let vbr = line.vbr.as_ref()?;
    Some(config::Vbr {
        id: vbr.id.clone(),
        name: line.name.clone(),
        route_table: config::RouteTable {
            id: vbr.route_table.clone()?,
            name: String::new(),
            table_type: TableType::System,
            quota: usize::try_from(vbr.quota).ok(),
            entries: Vec::new(),
        },
        vlan_interface: config::VlanInterface {
            id: line_interface(&line.name),
            local: line.transfer.iter().map(|t| t.vpc).collect(),
            peer: line.transfer.iter().map(|t| t.idc).collect(),
        },
    })
}

fn interfaces(plan: &NetworkPlan, line: &LeasedLine) -> Vec<config::RouterInterface> {
    let vpc = plan.site(&line.vpc).and_then(|s| s.vpc_id.clone());
    let ends = (vpc, line.vbr.as_ref(), line.router_interface.as_ref());
    let (Some(vpc), Some(vbr), Some(of_vpc)) = ends else {
        return Vec::new();
    };
    let Some(of_vbr) = &vbr.router_interface else {
        return Vec::new();
    };
    let interface = |id: &String, router: &String, opposite: &String| config::RouterInterface {
        id: id.clone(),
        router: router.clone(),
        opposite: opposite.clone(),
    };
    vec![
        interface(of_vpc, &vpc, of_vbr),
        interface(of_vbr, &vbr.id, of_vpc),
    ]
}

/// The smallest prefix that holds all of them.
fn covering(mut prefixes: impl Iterator<Item = IpNetwork>) -> Option<IpNetwork> {
    let first = prefixes.next()?;
    prefixes.try_fold(first, |a, b| {
        let shared = match (a.network(), b.network()) {
            (IpAddr::V4(x), IpAddr::V4(y)) => (u32::from(x) ^ u32::from(y)).leading_zeros(),
            (IpAddr::V6(x), IpAddr::V6(y)) => (u128::from(x) ^ u128::from(y)).leading_zeros(),
            _ => 0,
        };
        let shared = u8::try_from(shared).unwrap_or(0);
        let length = shared.min(a.prefix()).min(b.prefix());
        cut(a.network(), length)
    })
}

/// The network of an address and a length.
fn cut(ip: IpAddr, length: u8) -> Option<IpNetwork> {
    let network = IpNetwork::new(ip, length).ok()?;
    IpNetwork::new(network.network(), length).ok()
}

//! From the world file to the world: every name that is named must be there.

use std::collections::BTreeMap;

use super::model::{Health, LocalHop, Router, RouterInterface, Table, VSwitch, Vbr, Vpc};
use super::{Cause, Ids, World, model};
use crate::config::{self, ConfigError, TableType, WorldFile};
use crate::time::Timestamp;

/// Custom entries of a VPC's table, unless the quota was raised.
const VPC_QUOTA: usize = 200;
/// Custom entries of a VBR's table, unless the quota was raised.
const VBR_QUOTA: usize = 48;

type Built<T> = Result<T, ConfigError>;

pub(super) fn build(file: &WorldFile, now: Timestamp) -> Built<World> {
    let mut world = World {
        region: file.region.clone(),
        account: file.account.clone(),
        timings: file.timings,
        shared: file.shared_address_space,
        vpcs: BTreeMap::new(),
        vbrs: BTreeMap::new(),
        interfaces: BTreeMap::new(),
        tables: BTreeMap::new(),
        entries: BTreeMap::new(),
        next_entry: 0,
        ids: Ids::new(file.seed),
        history: super::History::default(),
        created: now,
        now,
    };
    for (n, vpc) in file.vpcs.iter().enumerate() {
        add_vpc(&mut world, vpc, &format!("vpcs[{n}]"))?;
    }
    for (n, vbr) in file.vbrs.iter().enumerate() {
        add_vbr(&mut world, vbr, &format!("vbrs[{n}]"))?;
    }
    for (n, interface) in file.router_interfaces.iter().enumerate() {
        let at = format!("routerInterfaces[{n}]");
        add_interface(&mut world, file, interface, &at)?;
    }
    add_entries(&mut world, file, now)?;
    Ok(world)
}

fn add_vpc(world: &mut World, vpc: &config::Vpc, at: &str) -> Built<()> {
    let system: Vec<_> = vpc
        .route_tables
        .iter()
        .filter(|t| t.table_type == TableType::System)
        .collect();
    let [system] = system.as_slice() else {
        let what = format!(
            "{} tables have type System; a VPC has exactly one, give the others type Custom",
            system.len()
        );
        return Err(ConfigError::wrong(format!("{at}.routeTables"), what));
    };
    let router = Router::Vpc(vpc.id.clone());
    for (n, table) in vpc.route_tables.iter().enumerate() {
        add_table(
            world,
            table,
            &router,
            VPC_QUOTA,
            &format!("{at}.routeTables[{n}]"),
        )?;
    }
    let mut v_switches = BTreeMap::new();
    for (n, v_switch) in vpc.v_switches.iter().enumerate() {
        let at = format!("{at}.vSwitches[{n}]");
        let route_table = v_switch.route_table.clone().unwrap_or(system.id.clone());
        if !vpc.route_tables.iter().any(|t| t.id == route_table) {
            let what = format!("{} has no table {route_table}", vpc.id);
            return Err(ConfigError::wrong(format!("{at}.routeTable"), what));
        }
        let cidrs = || std::iter::once(&vpc.cidr).chain(&vpc.secondary_cidrs);
        if !cidrs().any(|c| model::contains(*c, v_switch.cidr)) {
            let what = format!("{} is not in the VPC's CIDR blocks", v_switch.cidr);
            return Err(ConfigError::wrong(format!("{at}.cidr"), what));
        }
        let made = VSwitch {
            name: v_switch.name.clone(),
            zone: v_switch.zone.clone(),
            cidr: v_switch.cidr,
            ipv6_cidr: v_switch.ipv6_cidr,
            route_table,
            health: Health::Available,
        };
        unique(&mut v_switches, &v_switch.id, made, &at)?;
    }
    let hops = hops_of(vpc, &v_switches, at)?;
    let cidrs = std::iter::once(vpc.cidr).chain(vpc.secondary_cidrs.iter().copied());
    let made = Vpc {
        name: vpc.name.clone(),
        router_id: vpc
            .router_id
            .clone()
            .unwrap_or_else(|| format!("vrt-{}", vpc.id.strip_prefix("vpc-").unwrap_or(&vpc.id))),
        cidrs: cidrs.collect(),
        ipv6_cidr: vpc.ipv6_cidr,
        v_switches,
        hops,
        health: Health::Available,
    };
    unique(&mut world.vpcs, &vpc.id, made, at)
}

fn hops_of(
    vpc: &config::Vpc,
    v_switches: &BTreeMap<String, VSwitch>,
    at: &str,
) -> Built<BTreeMap<String, LocalHop>> {
    let mut hops = BTreeMap::new();
    for (n, instance) in vpc.instances.iter().enumerate() {
        let at = format!("{at}.instances[{n}]");
        let hop = machine(&vpc.id, v_switches, instance, &at)?;
        unique(&mut hops, &instance.id, hop, &at)?;
    }
    for (n, gateway) in vpc.gateways.iter().enumerate() {
        let hop = LocalHop {
            hop_type: gateway.hop_type.clone(),
            v_switch: None,
            addresses: gateway.addresses.clone(),
            mac: None,
            health: Health::Available,
        };
        unique(&mut hops, &gateway.id, hop, &format!("{at}.gateways[{n}]"))?;
    }
    Ok(hops)
}

/// An instance as a next hop.
fn machine(
    vpc: &str,
    v_switches: &BTreeMap<String, VSwitch>,
    instance: &config::Instance,
    at: &str,
) -> Built<LocalHop> {
    if !v_switches.contains_key(&instance.v_switch) {
        let what = format!("{vpc} has no vSwitch {}", instance.v_switch);
        return Err(ConfigError::wrong(format!("{at}.vSwitch"), what));
    }
    Ok(LocalHop {
        hop_type: "Instance".to_owned(),
        v_switch: Some(instance.v_switch.clone()),
        addresses: instance.addresses.clone(),
        mac: instance.mac.clone(),
        health: Health::Available,
    })
}

/// Adds an instance to a VPC, or replaces the one of that ID.
pub(super) fn put_instance(world: &mut World, vpc: &str, instance: &config::Instance) -> Built<()> {
    let found = world.vpcs.get_mut(vpc);
    let found = found.ok_or_else(|| ConfigError::wrong("vpc", format!("there is no VPC {vpc}")))?;
    let hop = machine(vpc, &found.v_switches, instance, "instance")?;
    found.hops.insert(instance.id.clone(), hop);
    Ok(())
}

fn add_vbr(world: &mut World, vbr: &config::Vbr, at: &str) -> Built<()> {
    let router = Router::Vbr(vbr.id.clone());
    if vbr.route_table.table_type != TableType::System {
        let what = "a VBR has a table of type System only";
        return Err(ConfigError::wrong(format!("{at}.routeTable.type"), what));
    }
    add_table(
        world,
        &vbr.route_table,
        &router,
        VBR_QUOTA,
        &format!("{at}.routeTable"),
    )?;
    let made = Vbr {
        name: vbr.name.clone(),
        route_table: vbr.route_table.id.clone(),
        vlan_interface: vbr.vlan_interface.id.clone(),
        local: vbr.vlan_interface.local.clone(),
        peer: vbr.vlan_interface.peer.clone(),
    };
    unique(&mut world.vbrs, &vbr.id, made, at)
}

fn add_table(
    world: &mut World,
    table: &config::RouteTable,
    router: &Router,
    quota: usize,
    at: &str,
) -> Built<()> {
    let made = Table {
        name: table.name.clone(),
        table_type: table.table_type,
        router: router.clone(),
        quota: table.quota.unwrap_or(quota),
        health: Health::Available,
        foreign: Vec::new(),
    };
    unique(&mut world.tables, &table.id, made, at)
}

fn add_interface(
    world: &mut World,
    file: &WorldFile,
    interface: &config::RouterInterface,
    at: &str,
) -> Built<()> {
    let router = router(world, &interface.router, &format!("{at}.router"))?;
    let other = file
        .router_interfaces
        .iter()
        .find(|i| i.id == interface.opposite && i.opposite == interface.id);
    let Some(other) = other else {
        let what = format!(
            "no router interface {} has {} as its opposite",
            interface.opposite, interface.id
        );
        return Err(ConfigError::wrong(format!("{at}.opposite"), what));
    };
    let towards = self::router(world, &other.router, &format!("{at}.opposite"))?;
    let made = RouterInterface {
        router,
        opposite: interface.opposite.clone(),
        towards,
    };
    unique(&mut world.interfaces, &interface.id, made, at)
}

fn router(world: &World, id: &str, at: &str) -> Built<Router> {
    if world.vpcs.contains_key(id) {
        Ok(Router::Vpc(id.to_owned()))
    } else if world.vbrs.contains_key(id) {
        Ok(Router::Vbr(id.to_owned()))
    } else {
        Err(ConfigError::wrong(
            at,
            format!("there is no VPC or VBR {id}"),
        ))
    }
}

/// The entries of the file, by the same rules as a call's; they are Available at once.
fn add_entries(world: &mut World, file: &WorldFile, now: Timestamp) -> Built<()> {
    let of_vpcs = file.vpcs.iter().enumerate().flat_map(|(n, vpc)| {
        let tables = vpc.route_tables.iter().enumerate();
        tables.map(move |(m, t)| (format!("vpcs[{n}].routeTables[{m}]"), t))
    });
    let vbrs = file.vbrs.iter().enumerate();
    let of_vbrs = vbrs.map(|(n, vbr)| (format!("vbrs[{n}].routeTable"), &vbr.route_table));
    for (at, table) in of_vpcs.chain(of_vbrs) {
        for (n, entry) in table.entries.iter().enumerate() {
            world
                .insert(now, Cause::Start, &table.id, entry)
                .map_err(|e| ConfigError::wrong(format!("{at}.entries[{n}]"), e.to_string()))?;
        }
    }
    Ok(())
}

fn unique<T>(map: &mut BTreeMap<String, T>, id: &str, value: T, at: &str) -> Built<()> {
    if id.is_empty() {
        return Err(ConfigError::wrong(at, "its id is empty"));
    }
    match map.insert(id.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(ConfigError::wrong(
            at,
            format!("the id {id} is there twice"),
        )),
    }
}

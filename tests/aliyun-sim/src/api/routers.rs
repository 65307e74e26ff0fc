//! DescribeRouteTableList, DescribeVpcs, DescribeVSwitches, DescribeVRouters,
//! DescribeRouterInterfaces, DescribeVirtualBorderRouters: pages by number.

use serde_json::{Value, json};

use super::{Context, Reply, Service};
use crate::config::TableType;
use crate::error::ApiError;
use crate::gateway::Params;
use crate::world::{Health, Router, Table, VSwitch, Vpc, World};

/// Rows of a page where it is not said.
const ROWS: usize = 10;
/// Rows of a page, at most.
const ROWS_MOST: usize = 50;

pub(super) fn route_tables(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let rows = world.tables().iter().filter(|(id, table)| {
        let vpc = match &table.router {
            Router::Vpc(id) => Some(id.as_str()),
            Router::Vbr(_) => None,
        };
        asks(params, "RouteTableId", id)
            && asks(params, "RouteTableName", &table.name)
            && asks(params, "RouteTableType", table_type(table))
            && asks(params, "RouterType", router_type(&table.router))
            && asks(params, "RouterId", &router_id(world, &table.router))
            && asks(params, "VpcId", vpc.unwrap_or_default())
    });
    let rows = rows
        .map(|(id, table)| route_table(world, id, table))
        .collect();
    let list = |rows: Vec<Value>| json!({ "RouterTableListType": rows });
    paged(params, rows, "RouterTableList", list)
}

fn route_table(world: &World, id: &str, table: &Table) -> Value {
    json!({
        "RouteTableId": id,
        "RouteTableName": table.name,
        "RouteTableType": table_type(table),
        "RouterType": router_type(&table.router),
        "RouterId": router_id(world, &table.router),
        "VpcId": match &table.router { Router::Vpc(id) => id.as_str(), Router::Vbr(_) => "" },
        "Status": health(table.health),
        "AssociateType": "VSwitch",
        "VSwitchIds": { "VSwitchId": world.users_of(id).collect::<Vec<_>>() },
        "GatewayIds": { "GatewayIds": [] },
        "Tags": { "Tag": [] },
        "Description": "",
        "CreationTime": world.created().iso(),
        "OwnerId": owner(world),
        "ResourceGroupId": "",
        "RoutePropagationEnable": true,
    })
}

pub(super) fn vpcs(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let ids: Vec<&str> = params
        .get("VpcId")
        .map(|v| v.split(',').collect())
        .unwrap_or_default();
    let rows = world.vpcs().iter().filter(|(id, vpc)| {
        (ids.is_empty() || ids.contains(&id.as_str())) && asks(params, "VpcName", &vpc.name)
    });
    let rows = rows.map(|(id, vpc)| vpc_body(world, id, vpc)).collect();
    paged(params, rows, "Vpcs", |rows| json!({ "Vpc": rows }))
}

fn vpc_body(world: &World, id: &str, vpc: &Vpc) -> Value {
    let tables: Vec<&String> = tables_of(world, id).collect();
    let cidrs: Vec<String> = vpc.cidrs.iter().map(ToString::to_string).collect();
    let ipv6 = vpc.ipv6_cidr.map(|c| c.to_string()).unwrap_or_default();
    json!({
        "VpcId": id,
        "VpcName": vpc.name,
        "Status": health(vpc.health),
        "RegionId": world.region,
        "CidrBlock": cidrs.first().cloned().unwrap_or_default(),
        "SecondaryCidrBlocks": { "SecondaryCidrBlock": cidrs.get(1..).unwrap_or_default() },
        "UserCidrs": { "UserCidr": [] },
        "Ipv6CidrBlock": ipv6,
        "EnabledIpv6": vpc.ipv6_cidr.is_some(),
        "VRouterId": vpc.router_id,
        "RouterTableIds": { "RouterTableIds": tables },
        "VSwitchIds": { "VSwitchId": vpc.v_switches.keys().collect::<Vec<_>>() },
        "NatGatewayIds": { "NatGatewayIds": [] },
        "Tags": { "Tag": [] },
        "IsDefault": false,
        "Description": "",
        "CreationTime": world.created().iso(),
        "OwnerId": owner(world),
        "ResourceGroupId": "",
    })
}

pub(super) fn v_switches(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let mut rows = Vec::new();
    for (vpc_id, vpc) in world
        .vpcs()
        .iter()
        .filter(|(id, _)| asks(params, "VpcId", id))
    {
        for (id, v_switch) in &vpc.v_switches {
            let asked = asks(params, "VSwitchId", id)
                && asks(params, "VSwitchName", &v_switch.name)
                && asks(params, "ZoneId", &v_switch.zone)
                && asks(params, "RouteTableId", &v_switch.route_table);
            if asked {
                rows.push(v_switch_body(world, vpc_id, id, v_switch));
            }
        }
    }
    paged(params, rows, "VSwitches", |rows| json!({ "VSwitch": rows }))
}

fn v_switch_body(world: &World, vpc: &str, id: &str, v_switch: &VSwitch) -> Value {
    let table = world.tables().get(&v_switch.route_table);
    json!({
        "VSwitchId": id,
        "VSwitchName": v_switch.name,
        "VpcId": vpc,
        "ZoneId": v_switch.zone,
        "Status": health(v_switch.health),
        "CidrBlock": v_switch.cidr.to_string(),
        "Ipv6CidrBlock": v_switch.ipv6_cidr.map(|c| c.to_string()).unwrap_or_default(),
        "EnabledIpv6": v_switch.ipv6_cidr.is_some(),
        "RouteTable": {
            "RouteTableId": v_switch.route_table,
            "RouteTableType": table.map_or("System", table_type),
        },
        "IsDefault": false,
        "Description": "",
        "CreationTime": world.created().iso(),
        "OwnerId": owner(world),
        "ResourceGroupId": "",
        "Tags": { "Tag": [] },
    })
}

pub(super) fn v_routers(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let rows = world
        .vpcs()
        .iter()
        .filter(|(_, v)| asks(params, "VRouterId", &v.router_id));
    let rows = rows
        .map(|(id, vpc)| {
            json!({
                "VRouterId": vpc.router_id,
                "VRouterName": "",
                "VpcId": id,
                "RegionId": world.region,
                "RouteTableIds": { "RouteTableId": tables_of(world, id).collect::<Vec<_>>() },
                "Description": "",
                "CreationTime": world.created().iso(),
            })
        })
        .collect();
    paged(params, rows, "VRouters", |rows| json!({ "VRouter": rows }))
}

pub(super) fn router_interfaces(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let filters = filters(params);
    let rows = world.interfaces().iter().filter_map(|(id, interface)| {
        let router = router_id(world, &interface.router);
        let opposite = router_id(world, &interface.towards);
        let asked = filters.iter().all(|(key, values)| match *key {
            "RouterInterfaceId" => values.contains(&id.as_str()),
            "RouterId" => values.contains(&router.as_str()),
            "RouterType" => values.contains(&router_type(&interface.router)),
            _ => true,
        });
        asked.then(|| {
            json!({
                "RouterInterfaceId": id,
                "RouterId": router,
                "RouterType": router_type(&interface.router),
                "VpcInstanceId": match &interface.router { Router::Vpc(id) => id, Router::Vbr(_) => "" },
                "OppositeInterfaceId": interface.opposite,
                "OppositeRouterId": opposite,
                "OppositeRouterType": router_type(&interface.towards),
                "OppositeRegionId": world.region,
                "OppositeInterfaceStatus": "Active",
                "Status": "Active",
                "BusinessStatus": "Normal",
                "Role": match &interface.router {
                    Router::Vbr(_) => "InitiatingSide",
                    Router::Vpc(_) => "AcceptingSide",
                },
                "Name": "",
                "Description": "",
                "CreationTime": world.created().iso(),
            })
        })
    });
    let list = |rows: Vec<Value>| json!({ "RouterInterfaceType": rows });
    paged(params, rows.collect(), "RouterInterfaceSet", list)
}

pub(super) fn virtual_border_routers(service: &mut Service, context: &Context<'_>) -> Reply {
    let world = &service.world;
    let params = context.params;
    let filters = filters(params);
    let rows = world.vbrs().iter().filter_map(|(id, vbr)| {
        let asked = filters.iter().all(|(key, values)| match *key {
            "VbrId" => values.contains(&id.as_str()),
            "RouteTableId" => values.contains(&vbr.route_table.as_str()),
            _ => true,
        });
        let of = |all: &[std::net::IpAddr], v4: bool| {
            let found = all.iter().find(|a| a.is_ipv4() == v4);
            found.map(ToString::to_string).unwrap_or_default()
        };
        asked.then(|| {
            json!({
                "VbrId": id,
                "Name": vbr.name,
                "Status": "active",
                "Type": "PConnVbr",
                "RouteTableId": vbr.route_table,
                "VlanInterfaceId": vbr.vlan_interface,
                "LocalGatewayIp": of(&vbr.local, true),
                "PeerGatewayIp": of(&vbr.peer, true),
                "LocalIpv6GatewayIp": of(&vbr.local, false),
                "PeerIpv6GatewayIp": of(&vbr.peer, false),
                "EnableIpv6": !of(&vbr.peer, false).is_empty(),
                "Description": "",
                "CreationTime": world.created().iso(),
            })
        })
    });
    let list = |rows: Vec<Value>| json!({ "VirtualBorderRouterType": rows });
    paged(params, rows.collect(), "VirtualBorderRouterSet", list)
}

/// `Filter.N.Key` with `Filter.N.Value.M`.
fn filters(params: &Params) -> Vec<(&str, Vec<&str>)> {
    let key_of = |name: &str| {
        let number = name.strip_prefix("Filter.")?.strip_suffix(".Key")?;
        number.parse::<u32>().ok()
    };
    let keys = params
        .0
        .iter()
        .filter_map(|(name, key)| Some((key_of(name)?, key)));
    keys.map(|(number, key)| {
        let begin = format!("Filter.{number}.Value.");
        let values = params.0.iter().filter(|(name, _)| name.starts_with(&begin));
        (
            key.as_str(),
            values.map(|(_, value)| value.as_str()).collect(),
        )
    })
    .collect()
}

/// The page that `PageNumber` and `PageSize` ask for.
fn paged(
    params: &Params,
    rows: Vec<Value>,
    name: &str,
    list: impl Fn(Vec<Value>) -> Value,
) -> Reply {
    let number = |name: &'static str, default: usize, most: usize| match params
        .get(name)
        .map(str::parse::<usize>)
    {
        None => Ok(default),
        Some(Ok(n)) if (1..=most).contains(&n) => Ok(n),
        Some(_) => Err(ApiError::IllegalParam(name)),
    };
    let page = number("PageNumber", 1, usize::MAX)?;
    let size = number("PageSize", ROWS, ROWS_MOST)?;
    let total = rows.len();
    let first = (page - 1).saturating_mul(size);
    let rows: Vec<Value> = rows.into_iter().skip(first).take(size).collect();
    Ok(json!({
        "PageNumber": page,
        "PageSize": size,
        "TotalCount": total,
        name: list(rows),
    }))
}

/// Whether a row is asked for by one of its values.
fn asks(params: &Params, name: &str, value: &str) -> bool {
    params.get(name).is_none_or(|asked| asked == value)
}

fn tables_of<'w>(world: &'w World, vpc: &'w str) -> impl Iterator<Item = &'w String> {
    let tables = world.tables().iter();
    tables
        .filter(move |(_, t)| matches!(&t.router, Router::Vpc(id) if id == vpc))
        .map(|(id, _)| id)
}

fn table_type(table: &Table) -> &'static str {
    match table.table_type {
        TableType::System => "System",
        TableType::Custom => "Custom",
    }
}

fn router_type(router: &Router) -> &'static str {
    match router {
        Router::Vpc(_) => "VRouter",
        Router::Vbr(_) => "VBR",
    }
}

fn router_id(world: &World, router: &Router) -> String {
    match router {
        Router::Vpc(id) => world
            .vpcs()
            .get(id)
            .map(|v| v.router_id.clone())
            .unwrap_or_default(),
        Router::Vbr(id) => id.clone(),
    }
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Available => "Available",
        Health::Pending => "Pending",
    }
}

/// The account as the number that it is.
fn owner(world: &World) -> Value {
    world
        .account
        .parse::<u64>()
        .map_or(Value::Null, Value::from)
}

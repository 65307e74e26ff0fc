//! A region in memory that judges each request as the API does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use super::api::{Answer, Ec2Error, Parameters, Route, RouteTable};
use crate::model::Prefix;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is refused with this code and status.
    Refuse(&'static str, u16),
    /// The connection breaks before the call has its effect.
    CutBefore,
    /// The connection breaks after the call had its effect.
    CutAfter,
}

/// What a region holds.
#[derive(Default)]
pub(super) struct State {
    pub(super) tables: BTreeMap<String, RouteTable>,
    /// Instances, gateways and interfaces that a route may lead to.
    pub(super) targets: BTreeSet<String>,
    /// The VPC's own prefixes: their routes are the local ones.
    pub(super) local: Vec<Prefix>,
    /// Routes by `CreateRoute` that a table may hold of each family.
    pub(super) quota: usize,
    /// How many listings after a write still show the tables before it.
    pub(super) lag: usize,
    /// What the next listings show.
    pub(super) stale: VecDeque<BTreeMap<String, RouteTable>>,
    /// The faults of the next writing calls, the first first.
    pub(super) faults: VecDeque<Fault>,
    /// The faults of the next listings.
    pub(super) list_faults: VecDeque<Fault>,
    /// Every writing call: action and destination.
    pub(super) writes: Vec<String>,
}

/// A region.
#[derive(Default)]
pub(super) struct Region(Mutex<State>);

static REGIONS: Mutex<BTreeMap<String, Arc<Region>>> = Mutex::new(BTreeMap::new());

const TARGETS: [&str; 5] = [
    "GatewayId",
    "InstanceId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "TransitGatewayId",
];

type Refusal = (&'static str, u16, String);

fn bad<T>(code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err((code, 400, message.into()))
}

/// A writing request that is well-formed.
struct Request {
    table: String,
    destination: Prefix,
    target: Option<(&'static str, String)>,
}

impl Region {
    /// A region under a name that a configuration can say.
    pub(super) fn set_up(name: &str, state: State) -> Arc<Self> {
        let region = Arc::new(Self(Mutex::new(state)));
        let mut regions = REGIONS.lock().unwrap();
        regions.insert(name.to_owned(), Arc::clone(&region));
        region
    }

    pub(super) fn named(name: &str) -> Option<Arc<Self>> {
        REGIONS.lock().unwrap().get(name).cloned()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// One call. It yields before its effect, as a network does.
    pub(super) async fn call(
        &self,
        action: &'static str,
        with: &Parameters,
    ) -> Result<Answer, Ec2Error> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        let fault = if action == "DescribeRouteTables" {
            state.list_faults.pop_front()
        } else {
            state.faults.pop_front()
        };
        let refuse = |(code, status, message)| Ec2Error::Api {
            action,
            code,
            status,
            message,
        };
        match fault {
            Some(Fault::Refuse(code, status)) => {
                return Err(refuse((code, status, "as the test has it".to_owned())));
            }
            Some(Fault::CutBefore) => return Err(Ec2Error::NoAnswer { action }),
            Some(Fault::CutAfter) | None => {}
        }
        let answer = state.act(action, with).map_err(refuse);
        match fault {
            Some(Fault::CutAfter) => Err(Ec2Error::NoAnswer { action }),
            _ => answer,
        }
    }
}

impl State {
    fn act(&mut self, action: &str, with: &Parameters) -> Result<Answer, Refusal> {
        match action {
            "DescribeRouteTables" => return self.describe(with),
            "CreateRoute" | "ReplaceRoute" | "DeleteRoute" => {}
            other => return bad("InvalidAction", format!("{other} is not valid")),
        }
        let request = well_formed(with, action != "DeleteRoute")?;
        if !self.tables.contains_key(&request.table) {
            return bad("InvalidRouteTableID.NotFound", request.table);
        }
        let target = match &request.target {
            Some(target) => Some(self.route(&request, target)?),
            None => None,
        };
        let before = self.tables.clone();
        let table = self.tables.entry(request.table.clone()).or_default();
        let at = table.routes.iter().position(|r| leads(r, &request));
        let of_family = |r: &&Route| {
            let v6 = r.destination_ipv6_cidr_block.is_some();
            r.origin == "CreateRoute" && v6 == request.destination.is_ipv6()
        };
        let used = table.routes.iter().filter(of_family).count();
        match (action, at, target) {
            ("CreateRoute", Some(_), _) => {
                return bad("RouteAlreadyExists", request.destination.to_string());
            }
            ("CreateRoute", None, _) if used >= self.quota => {
                return bad("RouteLimitExceeded", format!("{used} routes"));
            }
            ("CreateRoute", None, Some(route)) => table.routes.push(route),
            ("ReplaceRoute", Some(at), Some(route)) => table.routes[at] = route,
            ("ReplaceRoute", None, _) => {
                let message = format!("there is no route for {}", request.destination);
                return bad("InvalidParameterValue", message);
            }
            ("DeleteRoute", Some(at), _) => {
                table.routes.remove(at);
            }
            _ => return bad("InvalidRoute.NotFound", request.destination.to_string()),
        }
        self.writes
            .push(format!("{action} {}", request.destination));
        self.stale = std::iter::repeat_n(before, self.lag).collect();
        Ok(Answer::Done)
    }

    /// The tables asked for; while the region lags, as they were.
    fn describe(&mut self, with: &Parameters) -> Result<Answer, Refusal> {
        let stale = self.stale.pop_front();
        let tables = stale.as_ref().unwrap_or(&self.tables);
        let mut found = Vec::new();
        for (name, id) in with {
            if !name.starts_with("RouteTableId.") {
                return bad("UnknownParameter", *name);
            }
            match tables.get(id) {
                Some(table) => found.push(table.clone()),
                None => return bad("InvalidRouteTableID.NotFound", id.clone()),
            }
        }
        Ok(Answer::Tables(found))
    }

    /// The route that a request makes.
    fn route(
        &self,
        request: &Request,
        (kind, id): &(&'static str, String),
    ) -> Result<Route, Refusal> {
        let destination = request.destination;
        if self.local.iter().any(|local| local.covers(destination)) {
            let message = format!("{destination} is more specific than the local route");
            return bad("InvalidParameterValue", message);
        }
        if !self.targets.contains(id) {
            let code = match *kind {
                "InstanceId" => "InvalidInstanceID.NotFound",
                "NetworkInterfaceId" => "InvalidNetworkInterfaceID.NotFound",
                "TransitGatewayId" => "InvalidTransitGatewayID.NotFound",
                _ => "InvalidGatewayID.NotFound",
            };
            return bad(code, id.clone());
        }
        let mut route = Route {
            origin: "CreateRoute".to_owned(),
            ..Route::default()
        };
        if destination.is_ipv6() {
            route.destination_ipv6_cidr_block = Some(destination.to_string());
        } else {
            route.destination_cidr_block = Some(destination.to_string());
        }
        let id = Some(id.clone());
        match *kind {
            "InstanceId" => {
                // The interface is listed, too.
                route.network_interface_id = id.as_ref().map(|id| format!("eni-{id}"));
                route.instance_id = id;
            }
            "NetworkInterfaceId" => route.network_interface_id = id,
            "NatGatewayId" => route.nat_gateway_id = id,
            "TransitGatewayId" => route.transit_gateway_id = id,
            _ => route.gateway_id = id,
        }
        Ok(route)
    }
}

fn leads(route: &Route, request: &Request) -> bool {
    let v4 = route.destination_cidr_block.as_ref();
    let shown = v4.or(route.destination_ipv6_cidr_block.as_ref());
    shown.is_some_and(|cidr| *cidr == request.destination.to_string())
}

/// A table, one destination, and one target where there is to be one.
fn well_formed(with: &Parameters, needs_target: bool) -> Result<Request, Refusal> {
    let mut table = None;
    let mut destinations = Vec::new();
    let mut targets = Vec::new();
    for (name, value) in with {
        match *name {
            "RouteTableId" => table = Some(value.clone()),
            "DestinationCidrBlock" | "DestinationIpv6CidrBlock" => {
                let parsed = value.parse::<Prefix>().ok();
                let of_family = |p: &Prefix| p.is_ipv6() == name.contains("Ipv6");
                match parsed.filter(of_family) {
                    Some(prefix) => destinations.push(prefix),
                    None => return bad("InvalidParameterValue", value.clone()),
                }
            }
            name => match TARGETS.iter().find(|target| **target == name) {
                Some(target) => targets.push((*target, value.clone())),
                None => return bad("UnknownParameter", name),
            },
        }
    }
    let Some(table) = table else {
        return bad("MissingParameter", "RouteTableId");
    };
    let [destination] = destinations[..] else {
        return bad("InvalidParameterCombination", "exactly one destination");
    };
    if targets.len() != usize::from(needs_target) {
        return bad(
            "InvalidParameterCombination",
            format!("{} targets", targets.len()),
        );
    }
    Ok(Request {
        table,
        destination,
        target: targets.pop(),
    })
}
